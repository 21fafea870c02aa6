//! Finding one node without reading the whole inventory.

use aws_sdk_ec2::types::Filter;
use aws_sdk_ssm::types::InstanceInformationStringFilter;

use crate::client::Client;
use crate::error::CallError;
use crate::node::{InstanceFacts, ManagedNode, NodeId};

/// The service takes at most this many values in one filter; more share a name only by mistake.
const IDS_PER_FILTER: usize = 50;

impl Client {
    /// Reads one node by its id; none if Systems Manager does not know it here. Safe to drop.
    ///
    /// # Errors
    ///
    /// [`CallError`] when Systems Manager cannot be asked. A refusal by EC2 leaves the node bare.
    pub async fn node(&self, id: &NodeId) -> Result<Option<ManagedNode>, CallError> {
        let ids = [id.as_str()];
        let (nodes, facts) = tokio::join!(self.nodes_by_id(&ids), self.facts("instance-id", &ids));
        Ok(join(nodes?, &facts).into_iter().next())
    }

    /// Reads what EC2 alone knows of an instance; none if there is no such instance here. Safe to
    /// drop.
    ///
    /// # Errors
    ///
    /// [`CallError`] when EC2 cannot be asked.
    pub async fn instance(&self, id: &NodeId) -> Result<Option<ManagedNode>, CallError> {
        let filter = Filter::builder().name("instance-id").values(id.as_str()).build();
        let (instances, _) = self.instances_page(filter, None).await?;
        let found = instances.into_iter().find(|(found, _)| found == id);
        Ok(found.map(|(id, facts)| {
            let mut node = ManagedNode::bare(id, self.region().clone());
            node.join(&facts);
            node
        }))
    }

    /// Reads the nodes of a name: the `Name` tag, as EC2 and Systems Manager know it. The
    /// spelling must fit exactly. Safe to drop.
    ///
    /// # Errors
    ///
    /// [`CallError`] when Systems Manager cannot be asked. Without EC2 only names that Systems
    /// Manager knows are found.
    pub async fn nodes_named(&self, name: &str) -> Result<Vec<ManagedNode>, CallError> {
        self.nodes_tagged("Name", name).await
    }

    /// Reads the nodes that have a tag with this value, as EC2 and Systems Manager know it. The
    /// spelling must fit exactly. Safe to drop.
    ///
    /// # Errors
    ///
    /// [`CallError`] when Systems Manager cannot be asked. Without EC2 only tags that Systems
    /// Manager knows are found.
    pub async fn nodes_tagged(
        &self,
        key: &str,
        value: &str,
    ) -> Result<Vec<ManagedNode>, CallError> {
        let (key, values) = (format!("tag:{key}"), [value]);
        let (tagged, facts) = tokio::join!(self.nodes_by(&key, &values), self.facts(&key, &values));
        let mut nodes = tagged?;
        let missing: Vec<&str> = facts
            .iter()
            .map(|(id, _)| id)
            .filter(|id| nodes.iter().all(|node| node.id != **id))
            .map(NodeId::as_str)
            .take(IDS_PER_FILTER)
            .collect();
        if !missing.is_empty() {
            nodes.extend(self.nodes_by_id(&missing).await?);
        }
        Ok(join(nodes, &facts))
    }

    async fn nodes_by_id(&self, ids: &[&str]) -> Result<Vec<ManagedNode>, CallError> {
        self.nodes_by("InstanceIds", ids).await
    }

    async fn nodes_by(&self, key: &str, values: &[&str]) -> Result<Vec<ManagedNode>, CallError> {
        let mut filter = InstanceInformationStringFilter::builder().key(key);
        for value in values {
            filter = filter.values(*value);
        }
        let filters: Vec<_> = filter.build().into_iter().collect();
        let mut nodes = Vec::new();
        let mut token = None;
        loop {
            let (page, next) = self.nodes_page(&filters, token).await?;
            nodes.extend(page);
            match next {
                Some(next) => token = Some(next),
                None => return Ok(nodes),
            }
        }
    }

    /// Asks EC2; whatever keeps it from answering counts as knowing nothing.
    async fn facts(&self, key: &str, values: &[&str]) -> Vec<(NodeId, InstanceFacts)> {
        let mut filter = Filter::builder().name(key);
        for value in values.iter().filter(|value| !value.starts_with("mi-")) {
            filter = filter.values(*value);
        }
        let filter = filter.build();
        if filter.values().is_empty() {
            return Vec::new();
        }
        match self.instances_page(filter, None).await {
            Ok((instances, _)) => instances,
            Err(error) => {
                tracing::debug!(%error, "a node is looked up without EC2");
                Vec::new()
            }
        }
    }
}

fn join(mut nodes: Vec<ManagedNode>, facts: &[(NodeId, InstanceFacts)]) -> Vec<ManagedNode> {
    for node in &mut nodes {
        if let Some((_, facts)) = facts.iter().find(|(id, _)| *id == node.id) {
            node.join(facts);
        }
    }
    nodes
}
