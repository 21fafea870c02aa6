//! Managed nodes: the machines registered with Systems Manager.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::SystemTime;

use aws_sdk_ec2::types::Instance;
use aws_sdk_ssm::types::{InstanceInformation, PingStatus as SdkPingStatus, PlatformType};
use serde::{Deserialize, Serialize};

use crate::region::Region;

/// The id of a managed node: `i-…` on EC2, `mi-…` elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(String);

/// The text is not the id of a managed node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} is not a node id: expected i- or mi- and hexadecimal digits")]
pub struct NotANodeId {
    /// What was given.
    pub text: String,
}

impl NodeId {
    /// Shows the id as AWS writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether the node is not an EC2 instance.
    pub fn is_hybrid(&self) -> bool {
        self.0.starts_with("mi-")
    }
}

impl FromStr for NodeId {
    type Err = NotANodeId;

    fn from_str(text: &str) -> Result<Self, NotANodeId> {
        let digits = text.strip_prefix("mi-").or_else(|| text.strip_prefix("i-"));
        // Ids had eight digits once and have seventeen now.
        let fits =
            |digits: &str| digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match digits.is_some_and(fits) {
            true => Ok(Self(text.to_owned())),
            false => Err(NotANodeId { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The kind of operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Linux.
    Linux,
    /// Windows.
    Windows,
    /// macOS.
    MacOs,
    /// The service named none, or one unknown here.
    Unknown,
}

/// Whether the node's agent is in touch with the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PingStatus {
    /// Heard of lately: sessions can be started.
    Online,
    /// Not heard of for a while.
    ConnectionLost,
    /// Not heard of for a long time.
    Inactive,
    /// Known to EC2 alone: it never registered with Systems Manager, or not for a month.
    Unmanaged,
}

impl PingStatus {
    /// Says it in the words a person reads.
    pub fn words(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::ConnectionLost => "connection lost",
            Self::Inactive => "inactive",
            Self::Unmanaged => "unmanaged",
        }
    }
}

/// One managed node, with what EC2 adds when it may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedNode {
    /// The id.
    pub id: NodeId,
    /// The `Name` tag, or the name a hybrid node was activated with.
    pub name: Option<String>,
    /// The host name the agent reports.
    pub computer_name: Option<String>,
    /// The kind of operating system.
    pub platform: Platform,
    /// The operating system by name and version, for example `Amazon Linux 2023`.
    pub platform_name: Option<String>,
    /// The agent's version.
    pub agent_version: Option<String>,
    /// Whether that is the newest version.
    pub is_agent_latest: Option<bool>,
    /// Whether the agent is in touch.
    pub ping: PingStatus,
    /// When the agent was last in touch.
    pub last_ping: Option<SystemTime>,
    /// The address inside its network.
    pub private_ip: Option<IpAddr>,
    /// The address on the internet.
    pub public_ip: Option<IpAddr>,
    /// The availability zone.
    pub availability_zone: Option<String>,
    /// The network.
    pub vpc_id: Option<String>,
    /// The subnet.
    pub subnet_id: Option<String>,
    /// The tags; none known for nodes EC2 was not asked about.
    pub tags: BTreeMap<String, String>,
    /// The EC2 instance type.
    pub instance_type: Option<String>,
    /// The EC2 instance's state, for example `running` or `stopped`.
    pub instance_state: Option<String>,
    /// The role the node acts as, by name.
    pub iam_role: Option<String>,
    /// The region.
    pub region: Region,
}

impl ManagedNode {
    /// Shows what people call the node: its name, its host name, or its id.
    pub fn label(&self) -> &str {
        self.name.as_deref().or(self.computer_name.as_deref()).unwrap_or(self.id.as_str())
    }

    /// Stands for a node of which only the id is known, taken to be online until it proves not
    /// to be.
    pub fn bare(id: NodeId, region: Region) -> Self {
        Self {
            id,
            name: None,
            computer_name: None,
            platform: Platform::Unknown,
            platform_name: None,
            agent_version: None,
            is_agent_latest: None,
            ping: PingStatus::Online,
            last_ping: None,
            private_ip: None,
            public_ip: None,
            availability_zone: None,
            vpc_id: None,
            subnet_id: None,
            tags: BTreeMap::new(),
            instance_type: None,
            instance_state: None,
            iam_role: None,
            region,
        }
    }

    /// Reads what Systems Manager says; none if it is not a node a session can be started on.
    pub(crate) fn from_information(info: &InstanceInformation, region: &Region) -> Option<Self> {
        let id = info.instance_id()?.parse().ok()?;
        Some(Self {
            name: text(info.name()),
            computer_name: text(info.computer_name()),
            platform: platform(info.platform_type()),
            platform_name: platform_name(info),
            agent_version: text(info.agent_version()),
            is_agent_latest: info.is_latest_version(),
            ping: ping(info.ping_status()),
            last_ping: info.last_ping_date_time().and_then(|at| SystemTime::try_from(*at).ok()),
            private_ip: info.ip_address().and_then(|ip| ip.parse().ok()),
            iam_role: info.iam_role().and_then(role_name),
            ..Self::bare(id, region.clone())
        })
    }

    /// Stands for an instance that Systems Manager does not know.
    pub(crate) fn unmanaged(id: NodeId, instance: &InstanceFacts, region: Region) -> Self {
        let mut node = Self { ping: PingStatus::Unmanaged, ..Self::bare(id, region) };
        node.join(instance);
        node
    }

    /// Adds what EC2 says.
    pub(crate) fn join(&mut self, instance: &InstanceFacts) {
        let facts = instance.clone();
        if self.platform == Platform::Unknown {
            self.platform = facts.platform;
            self.platform_name = self.platform_name.take().or(facts.platform_name);
        }
        self.name =
            facts.tags.get("Name").filter(|name| !name.is_empty()).cloned().or(self.name.take());
        self.private_ip = facts.private_ip.or(self.private_ip);
        self.iam_role = self.iam_role.take().or(facts.iam_role);
        self.public_ip = facts.public_ip;
        self.availability_zone = facts.availability_zone;
        self.vpc_id = facts.vpc_id;
        self.subnet_id = facts.subnet_id;
        self.tags = facts.tags;
        self.instance_type = facts.instance_type;
        self.instance_state = facts.instance_state;
    }
}

/// What EC2 knows of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstanceFacts {
    private_ip: Option<IpAddr>,
    public_ip: Option<IpAddr>,
    availability_zone: Option<String>,
    vpc_id: Option<String>,
    subnet_id: Option<String>,
    tags: BTreeMap<String, String>,
    instance_type: Option<String>,
    instance_state: Option<String>,
    iam_role: Option<String>,
    platform: Platform,
    platform_name: Option<String>,
}

impl InstanceFacts {
    pub(crate) fn of(instance: &Instance) -> Option<(NodeId, Self)> {
        let id = instance.instance_id()?.parse().ok()?;
        let tags = instance.tags().iter().filter_map(|tag| {
            Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))
        });
        let facts = Self {
            private_ip: instance.private_ip_address().and_then(|ip| ip.parse().ok()),
            public_ip: instance.public_ip_address().and_then(|ip| ip.parse().ok()),
            availability_zone: instance
                .placement()
                .and_then(|placement| text(placement.availability_zone())),
            vpc_id: text(instance.vpc_id()),
            subnet_id: text(instance.subnet_id()),
            tags: tags.collect(),
            instance_type: instance.instance_type().map(|kind| kind.as_str().to_owned()),
            instance_state: instance
                .state()
                .and_then(|state| state.name())
                .map(|name| name.as_str().to_owned()),
            iam_role: instance
                .iam_instance_profile()
                .and_then(|profile| profile.arn())
                .and_then(role_name),
            platform: platform_of(instance),
            platform_name: text(instance.platform_details()),
        };
        Some((id, facts))
    }
}

/// EC2 tells Windows from the rest by its licence, and a Mac by its hardware.
fn platform_of(instance: &Instance) -> Platform {
    let kind = instance.instance_type().map_or("", |kind| kind.as_str());
    match instance.platform_details() {
        Some(details) if details.starts_with("Windows") => Platform::Windows,
        Some(_) if kind.starts_with("mac") => Platform::MacOs,
        Some(_) => Platform::Linux,
        None => Platform::Unknown,
    }
}

fn text(value: Option<&str>) -> Option<String> {
    value.filter(|value| !value.is_empty()).map(str::to_owned)
}

/// Cuts an ARN down to the name at its end; a bare name stays as it is.
fn role_name(role: &str) -> Option<String> {
    text(role.rsplit('/').next())
}

fn platform(kind: Option<&PlatformType>) -> Platform {
    match kind {
        Some(PlatformType::Linux) => Platform::Linux,
        Some(PlatformType::Windows) => Platform::Windows,
        Some(PlatformType::Macos) => Platform::MacOs,
        _ => Platform::Unknown,
    }
}

fn platform_name(info: &InstanceInformation) -> Option<String> {
    let name = text(info.platform_name())?;
    match text(info.platform_version()) {
        Some(version) => Some(format!("{name} {version}")),
        None => Some(name),
    }
}

fn ping(status: Option<&SdkPingStatus>) -> PingStatus {
    match status {
        Some(SdkPingStatus::Online) => PingStatus::Online,
        Some(SdkPingStatus::Inactive) => PingStatus::Inactive,
        _ => PingStatus::ConnectionLost,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{Placement, Tag};

    use super::*;

    fn information() -> InstanceInformation {
        InstanceInformation::builder()
            .instance_id("i-0123456789abcdef0")
            .ping_status(SdkPingStatus::Online)
            .platform_type(PlatformType::Linux)
            .platform_name("Amazon Linux")
            .platform_version("2023")
            .computer_name("ip-10-0-0-1")
            .ip_address("10.0.0.1")
            .iam_role("service-role/Managed")
            .build()
    }

    #[test]
    fn ids_are_told_from_names() {
        for id in ["i-01234567", "i-0123456789abcdef0", "mi-0123456789abcdef0"] {
            assert!(id.parse::<NodeId>().is_ok(), "{id}");
        }
        for name in ["web-1", "i-am-web", "mi-office", "i-", "", "I-0123456789abcdef0"] {
            assert!(name.parse::<NodeId>().is_err(), "{name}");
        }
    }

    #[test]
    fn systems_manager_alone_gives_a_node() {
        let region = Region::new("eu-west-1");
        let node = ManagedNode::from_information(&information(), &region).expect("a node");
        assert_eq!(node.label(), "ip-10-0-0-1");
        assert_eq!(node.platform_name.as_deref(), Some("Amazon Linux 2023"));
        assert_eq!(node.iam_role.as_deref(), Some("Managed"));
        assert_eq!(node.private_ip, "10.0.0.1".parse().ok());
        assert!(!node.id.is_hybrid());
    }

    #[test]
    fn ec2_adds_the_name_and_the_place() {
        let instance = Instance::builder()
            .instance_id("i-0123456789abcdef0")
            .placement(Placement::builder().availability_zone("eu-west-1a").build())
            .tags(Tag::builder().key("Name").value("web-1").build())
            .build();
        let (id, facts) = InstanceFacts::of(&instance).expect("an instance");
        let region = Region::new("eu-west-1");
        let mut node = ManagedNode::from_information(&information(), &region).expect("a node");
        assert_eq!(id, node.id);
        node.join(&facts);
        assert_eq!(node.label(), "web-1");
        assert_eq!(node.availability_zone.as_deref(), Some("eu-west-1a"));
        assert_eq!(node.private_ip, "10.0.0.1".parse().ok());
    }
}
