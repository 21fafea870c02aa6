//! A node as the UI sees it.

use std::net::IpAddr;

use aws::{ManagedNode, PingStatus, Platform, Region};

use crate::clock;
use crate::view::{NodePlatform, NodeView, PingState};

/// Shapes a node for the UI. What EC2 said of it `before` stays where it has not answered yet in
/// this reading: names must not flicker.
pub(super) fn view(
    node: ManagedNode,
    region: &Region,
    account_id: Option<&str>,
    before: Option<&NodeView>,
) -> NodeView {
    let has_ec2 = node.instance_state.is_some() || node.id.is_hybrid();
    let text = |address: Option<IpAddr>| address.map(|address| address.to_string());
    let mut tags = node.tags.clone();
    tags.remove("Name");
    let mut view = NodeView {
        name: node.label().to_owned(),
        ping: match node.ping {
            PingStatus::Online => PingState::Online,
            PingStatus::ConnectionLost => PingState::ConnectionLost,
            PingStatus::Inactive => PingState::Inactive,
            PingStatus::Unmanaged => PingState::Unmanaged,
        },
        last_ping_ms: node.last_ping.map(clock::ms),
        private_ip: text(node.private_ip),
        public_ip: text(node.public_ip),
        zone: node.availability_zone,
        platform: match node.platform {
            Platform::Linux => NodePlatform::Linux,
            Platform::Windows => NodePlatform::Windows,
            Platform::MacOs => NodePlatform::Macos,
            Platform::Unknown => NodePlatform::Unknown,
        },
        platform_name: node.platform_name.unwrap_or_default(),
        agent_version: node.agent_version.unwrap_or_default(),
        agent_latest: node.is_agent_latest.unwrap_or(true),
        instance_type: node.instance_type,
        instance_state: node.instance_state,
        vpc_id: node.vpc_id,
        subnet_id: node.subnet_id,
        role: node.iam_role,
        arn: arn(node.id.as_str(), node.id.is_hybrid(), region, account_id),
        tags,
        id: node.id.to_string(),
    };
    if let Some(before) = before.filter(|before| !has_ec2 && before.instance_state.is_some()) {
        keep_ec2(&mut view, before);
    }
    view
}

fn keep_ec2(view: &mut NodeView, before: &NodeView) {
    let before = before.clone();
    view.name = before.name;
    view.tags = before.tags;
    view.zone = before.zone;
    view.public_ip = before.public_ip;
    view.instance_type = before.instance_type;
    view.instance_state = before.instance_state;
    view.vpc_id = before.vpc_id;
    view.subnet_id = before.subnet_id;
    view.private_ip = before.private_ip.or_else(|| view.private_ip.take());
    view.role = before.role.or_else(|| view.role.take());
}

fn arn(id: &str, is_hybrid: bool, region: &Region, account_id: Option<&str>) -> String {
    let (partition, account) = (region.partition().id(), account_id.unwrap_or_default());
    let resource = if is_hybrid { "ssm" } else { "ec2" };
    let kind = if is_hybrid { "managed-instance" } else { "instance" };
    format!("arn:{partition}:{resource}:{region}:{account}:{kind}/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str) -> ManagedNode {
        ManagedNode::bare(id.parse().expect("an id"), Region::new("eu-west-1"))
    }

    #[test]
    fn names_do_not_flicker_while_ec2_has_not_answered() {
        let region = Region::new("eu-west-1");
        let mut whole = node("i-01234567");
        whole.name = Some("web-1".to_owned());
        whole.instance_state = Some("running".to_owned());
        whole.tags = [("Name", "web-1"), ("Env", "prod")].map(|(k, v)| (k.into(), v.into())).into();
        let whole = view(whole, &region, Some("111122223333"), None);
        assert_eq!(whole.arn, "arn:aws:ec2:eu-west-1:111122223333:instance/i-01234567");
        assert!(!whole.tags.contains_key("Name"));
        let mut bare = node("i-01234567");
        bare.computer_name = Some("ip-10-0-0-1".to_owned());
        bare.ping = PingStatus::ConnectionLost;
        let again = view(bare.clone(), &region, Some("111122223333"), Some(&whole));
        assert_eq!((again.name.as_str(), again.ping), ("web-1", PingState::ConnectionLost));
        assert_eq!(again.tags, whole.tags);
        assert_eq!(view(bare, &region, None, None).name, "ip-10-0-0-1");
    }

    #[test]
    fn a_hybrid_node_is_one_of_systems_manager() {
        let region = Region::new("cn-north-1");
        let view = view(node("mi-0123456789abcdef0"), &region, Some("1"), None);
        assert_eq!(view.arn, "arn:aws-cn:ssm:cn-north-1:1:managed-instance/mi-0123456789abcdef0");
    }
}
