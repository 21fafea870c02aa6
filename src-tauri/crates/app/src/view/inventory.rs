//! Nodes, and what is found out about them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use specta::Type;

use super::{AppError, ProfileId};

/// Event `inventoryEvent`: a batch of one region of one profile. Batches of one reading have the
/// state `reading`, its last has `ready` and names in `gone` what was not seen again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct InventoryView {
    /// The account.
    pub profile_id: ProfileId,
    /// The region.
    pub region: String,
    /// How the reading goes.
    pub state: InventoryState,
    /// When the last complete reading ended; none before it.
    pub read_ms: Option<u64>,
    /// True: forget what was known of this region, `nodes` is all there is.
    pub whole: bool,
    /// New or changed nodes, at most 500 in one event.
    pub nodes: Vec<NodeView>,
    /// Ids of nodes that are no longer there.
    pub gone: Vec<String>,
}

/// How the reading of a region goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum InventoryState {
    /// Under way.
    Reading,
    /// Complete.
    Ready,
    /// It could not be read.
    Failed {
        /// What went wrong.
        error: AppError,
    },
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// `i-…` or `mi-…`; unique within its profile and region.
    pub id: String,
    /// The Name tag, else the computer name, else the id.
    pub name: String,
    /// Whether its agent is in touch.
    pub ping: PingState,
    /// When the agent was last in touch.
    pub last_ping_ms: Option<u64>,
    /// Address inside its network.
    pub private_ip: Option<String>,
    /// Address on the internet.
    pub public_ip: Option<String>,
    /// Availability zone; none for a hybrid node.
    pub zone: Option<String>,
    /// Kind of operating system.
    pub platform: NodePlatform,
    /// As the agent says it: `Amazon Linux 2023`; as EC2 does where there is none.
    pub platform_name: String,
    /// Empty when no agent ever reported.
    pub agent_version: String,
    /// False shows the arrow: an update is there.
    pub agent_latest: bool,
    /// EC2 instance type.
    pub instance_type: Option<String>,
    /// EC2's word: `running`, `stopped`, …; none for a hybrid node.
    pub instance_state: Option<String>,
    /// Network.
    pub vpc_id: Option<String>,
    /// Subnet.
    pub subnet_id: Option<String>,
    /// Instance profile or hybrid role, by name.
    pub role: Option<String>,
    /// The ARN.
    pub arn: String,
    /// Without the Name tag.
    pub tags: BTreeMap<String, String>,
}

/// Whether an agent is in touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum PingState {
    /// Sessions can be started.
    Online,
    /// Not heard of for a while.
    ConnectionLost,
    /// Not heard of for a long time.
    Inactive,
    /// Known to EC2 alone: not registered with Systems Manager.
    Unmanaged,
}

/// Kind of operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum NodePlatform {
    /// Linux.
    Linux,
    /// Windows.
    Windows,
    /// macOS.
    Macos,
    /// Not known.
    Unknown,
}

/// What a session is started against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct TargetView {
    /// The account.
    pub profile_id: ProfileId,
    /// The region.
    pub region: String,
    /// The node.
    pub node_id: String,
    /// Last known name, so that a tab can be named before the inventory is read.
    pub node_name: String,
}

/// Answer of `node_diagnose`: "Why?" in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosisView {
    /// One sentence: the most likely cause.
    pub summary: String,
    /// What was looked at.
    pub checks: Vec<CheckView>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct CheckView {
    /// What was looked at: `The agent pings Systems Manager`.
    pub title: String,
    /// How it turned out.
    pub outcome: CheckOutcome,
    /// What was found.
    pub found: String,
    /// What to do; none when there is nothing to do.
    pub advice: Option<String>,
}

/// How a check turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum CheckOutcome {
    /// All is well.
    Good,
    /// Something is wrong.
    Bad,
    /// Could not be looked at, for want of a right.
    Unknown,
}

/// A session on a node, over or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct SessionRecordView {
    /// Which one.
    pub session_id: String,
    /// Short name of the owner.
    pub owner: String,
    /// Started by the same identity.
    pub mine: bool,
    /// When it started.
    pub started_ms: u64,
    /// None while it lives.
    pub ended_ms: Option<u64>,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct CommandResultView {
    /// None when the command was ended by a signal or the time limit.
    pub exit_code: Option<i32>,
    /// At most 1 MiB each, cut at the front.
    pub stdout: String,
    /// What it printed as errors.
    pub stderr: String,
    /// Some output was left out.
    pub cut: bool,
    /// How long it ran.
    pub took_ms: u64,
}
