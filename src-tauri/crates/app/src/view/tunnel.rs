//! Tunnels.

use serde::{Deserialize, Serialize};
use specta::Type;

use super::{AppError, ProfileId, Severity, StartStep, TunnelId};

/// Event `tunnelEvent`: one tunnel, whole. Not sent for a change of rates alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct TunnelView {
    /// The tunnel.
    pub id: TunnelId,
    /// What it is.
    pub spec: TunnelSpec,
    /// The switch.
    pub wanted: bool,
    /// Where it stands.
    pub state: TunnelState,
    /// Name of the node used, when known.
    pub node_name: Option<String>,
    /// Addresses listened on, empty when not listening: `127.0.0.1:5432`.
    pub listening: Vec<String>,
    /// Open local connections.
    pub connections: u32,
}

/// What a tunnel is, as saved and as edited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct TunnelSpec {
    /// The name.
    pub name: String,
    /// None: not in a group.
    pub group: Option<String>,
    /// The account.
    pub profile_id: ProfileId,
    /// The region.
    pub region: String,
    /// The node it leads through.
    pub via: TunnelVia,
    /// None: the node itself.
    pub remote_host: Option<String>,
    /// Port over there.
    pub remote_port: u16,
    /// 0: a free one at each start.
    pub local_port: u16,
    /// Where it listens.
    pub bind: TunnelBind,
    /// Switched on when Adit starts.
    pub start_at_launch: bool,
    /// Listens at once, starts the session with the first connection.
    pub on_demand: bool,
    /// Ends the session after so many quiet minutes (with `on_demand`); none: never.
    pub idle_stop_minutes: Option<u16>,
    /// Sessions it may use at once, 1 to 16. Agents send less than a megabyte a second through
    /// each; each is a session in the account's audit log.
    pub lanes: u8,
}

impl TunnelSpec {
    /// The most lanes a tunnel may have.
    pub const MOST_LANES: u8 = 16;

    /// A tunnel to a port of the node itself, with nothing chosen that need not be.
    pub fn new(
        name: impl Into<String>,
        profile_id: ProfileId,
        region: impl Into<String>,
        via: TunnelVia,
        remote_port: u16,
    ) -> Self {
        Self {
            name: name.into(),
            group: None,
            profile_id,
            region: region.into(),
            via,
            remote_host: None,
            remote_port,
            local_port: 0,
            bind: TunnelBind::Loopback,
            start_at_launch: false,
            on_demand: false,
            idle_stop_minutes: None,
            lanes: 1,
        }
    }
}

/// The node a tunnel leads through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TunnelVia {
    /// This one.
    Node {
        /// The node.
        node_id: String,
    },
    /// Any online node with this tag.
    Tag {
        /// Key of the tag.
        key: String,
        /// Its value.
        value: String,
    },
}

/// Where a tunnel listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TunnelBind {
    /// 127.0.0.1 and ::1.
    Loopback,
    /// One address of this computer: others on the network can use the tunnel.
    Address {
        /// An IP address of this computer.
        address: String,
    },
}

/// `stopped → starting → listening ⇄ reconnecting`; `ready` is listening without a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TunnelState {
    /// Switched off.
    Stopped,
    /// On its way.
    Starting {
        /// How far it has come.
        step: StartStep,
    },
    /// On demand: the port is open, no session yet.
    Ready,
    /// Taking connections over a session.
    Listening {
        /// Since when.
        since_ms: u64,
    },
    /// The port stays open.
    Reconnecting {
        /// How many tries were made.
        attempt: u32,
        /// When the next try is made; none while one is under way.
        retry_ms: Option<u64>,
        /// Short, without a full stop: `Network changed`.
        cause: String,
    },
    /// The user must act (sign in); the port stays open.
    Waiting {
        /// What went wrong.
        error: AppError,
    },
    /// It could not be opened, or broke.
    Failed {
        /// What went wrong.
        error: AppError,
        /// With `portTaken` and `portForbidden`: a port that is free.
        free_port: Option<u16>,
    },
}

/// Event `tunnelTrafficEvent`: once a second while any tunnel moves bytes and once when all are
/// still again; tunnels that stand still are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct TunnelTrafficView {
    /// When.
    pub at_ms: u64,
    /// Those that moved bytes.
    pub tunnels: Vec<TunnelTraffic>,
}

/// What one tunnel moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct TunnelTraffic {
    /// The tunnel.
    pub id: TunnelId,
    /// Bytes towards this computer in the last second.
    pub received: u64,
    /// Bytes towards the far end in the last second.
    pub sent: u64,
}

/// Event `tunnelLogEvent`: one new line. Also the items of `tunnel_log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct TunnelLogView {
    /// The tunnel.
    pub id: TunnelId,
    /// When.
    pub at_ms: u64,
    /// How much it matters.
    pub severity: Severity,
    /// The words.
    pub text: String,
}

/// Answer of `port_check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct PortCheckView {
    /// The port asked about can be listened on.
    pub free: bool,
    /// Who holds it, when known: `postgres (pid 812)`, or another tunnel's name.
    pub holder: Option<String>,
    /// The port itself when free, else the nearest free one above.
    pub proposed: u16,
}
