//! One machine of the made-up company, as SSM and EC2 each see it.

use std::collections::BTreeMap;

use time::Duration;

use crate::sessions;

/// A machine: an EC2 instance, or a server elsewhere that is registered by an activation.
#[derive(Clone, Debug)]
pub struct Node {
    /// `i-…` or `mi-…`.
    pub id: String,
    /// The account it belongs to.
    pub account: String,
    /// The region it is in.
    pub region: String,
    /// The `Name` tag, or the name given at registration.
    pub name: String,
    /// The name the machine gives itself.
    pub host_name: String,
    /// Its operating system.
    pub platform: Platform,
    /// Its address inside its network.
    pub private_ip: String,
    /// Its tags, `Name` among them.
    pub tags: BTreeMap<String, String>,
    /// Where it runs.
    pub home: Home,
    /// Its agent; `None` when Systems Manager never heard of the machine.
    pub agent: Option<Agent>,
    /// What listens on it, by port.
    pub offers: &'static [(u16, Offer)],
}

/// Something worth forwarding to. It really listens, on this machine's loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Offer {
    /// A status page over HTTP, with large downloads and uploads.
    Page,
    /// Sends back what it gets.
    Echo,
    /// The inventory of the house, asked in lines of text.
    Lines,
    /// A key-value store that speaks enough RESP for `redis-cli`.
    Cache,
}

/// An operating system as SSM tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform {
    /// `PlatformName`.
    pub name: &'static str,
    /// `PlatformVersion`.
    pub version: &'static str,
    /// The family, which decides how sessions behave.
    pub family: sessions::Platform,
}

impl Platform {
    /// `PlatformType`.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self.family {
            sessions::Platform::Linux => "Linux",
            sessions::Platform::MacOs => "MacOS",
            sessions::Platform::Windows => "Windows",
        }
    }

    /// EC2's `platformDetails`.
    #[must_use]
    pub fn details(self) -> &'static str {
        match (self.family, self.name) {
            (sessions::Platform::Windows, _) => "Windows",
            (_, "Red Hat Enterprise Linux") => "Red Hat Enterprise Linux",
            (sessions::Platform::MacOs, _) => "Linux/UNIX",
            (sessions::Platform::Linux, _) => "Linux/UNIX",
        }
    }
}

/// Where a machine runs.
#[derive(Clone, Debug)]
pub enum Home {
    /// An EC2 instance.
    Ec2(Instance),
    /// A server of one's own, registered by an activation.
    Hybrid(Activation),
}

/// The EC2 half of a node.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Such as `m7g.large`.
    pub kind: &'static str,
    /// Running or stopped.
    pub state: InstanceState,
    /// How long before the scenario's start it was launched.
    pub launched_ago: Duration,
    /// Such as `eu-central-1a`.
    pub zone: String,
    /// `vpc-…`.
    pub vpc: String,
    /// `subnet-…`.
    pub subnet: String,
    /// `ami-…`.
    pub image: String,
    /// The security group: id and name.
    pub group: (String, String),
    /// The role of its instance profile.
    pub role: Option<String>,
    /// A public address, if it has one.
    pub public_ip: Option<String>,
    /// Where the subnet's route for everything leads.
    pub way_out: WayOut,
}

/// How a subnet leads out of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayOut {
    /// Through a NAT gateway, which is the network's main route.
    Nat,
    /// To the internet, for machines with a public address.
    Internet,
    /// Nowhere.
    None,
}

/// What an instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// `running`.
    Running,
    /// `stopped`.
    Stopped,
}

impl InstanceState {
    /// EC2's code and name.
    #[must_use]
    pub fn code(self) -> (u16, &'static str) {
        match self {
            Self::Running => (16, "running"),
            Self::Stopped => (80, "stopped"),
        }
    }
}

/// The registration of a server that is not an EC2 instance.
#[derive(Clone, Debug)]
pub struct Activation {
    /// The activation's id, a UUID in text.
    pub id: String,
    /// The service role it was made with.
    pub role: String,
}

/// What SSM knows of the agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Such as `3.3.987.0`.
    pub version: &'static str,
    /// Whether it answers.
    pub ping: Ping,
    /// How long before the scenario's start it registered.
    pub registered_ago: Duration,
    /// Whether it insists on the random challenge of encrypted sessions.
    pub requires_challenge: bool,
}

/// `PingStatus`, and when the last ping came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// `Online`: it pinged so long ago, again and again.
    Online {
        /// Time since the latest ping, always under five minutes.
        age: Duration,
    },
    /// `ConnectionLost`: silent since so long before the scenario's start.
    Lost {
        /// Time from the last ping to the scenario's start.
        ago: Duration,
    },
}

impl Node {
    /// Whether a session can be started on it.
    #[must_use]
    pub fn is_online(&self) -> bool {
        matches!(&self.agent, Some(Agent { ping: Ping::Online { .. }, .. }))
    }

    /// The EC2 half, if there is one.
    #[must_use]
    pub fn instance(&self) -> Option<&Instance> {
        match &self.home {
            Home::Ec2(instance) => Some(instance),
            Home::Hybrid(_) => None,
        }
    }

    /// The ARN a session on this node is authorised against.
    #[must_use]
    pub fn arn(&self) -> String {
        let Self { region, account, id, .. } = self;
        match self.home {
            Home::Ec2(_) => format!("arn:aws:ec2:{region}:{account}:instance/{id}"),
            Home::Hybrid(_) => format!("arn:aws:ssm:{region}:{account}:managed-instance/{id}"),
        }
    }

    /// The node as a session sees it; `None` without an agent.
    #[must_use]
    pub fn profile(&self) -> Option<sessions::NodeProfile> {
        let agent = self.agent.as_ref()?;
        Some(sessions::NodeProfile {
            id: self.id.clone(),
            host_name: self.host_name.clone(),
            platform: self.platform.family,
            agent_version: agent.version.to_owned(),
            online: self.is_online(),
            home: None,
            requires_challenge: agent.requires_challenge,
        })
    }
}
