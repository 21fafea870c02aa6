//! What the tests of several parts begin with.

use app::view::{ProfileId, TunnelId, TunnelSpec, TunnelState, TunnelVia, TunnelView};

/// A tunnel to port 5432 of a node, in no group.
pub(crate) fn tunnel(id: &str, name: &str, state: TunnelState) -> TunnelView {
    let via = TunnelVia::Node { node_id: "i-0".to_owned() };
    let spec = TunnelSpec::new(name, ProfileId("p".to_owned()), "eu-central-1", via, 5432);
    TunnelView {
        id: TunnelId(id.to_owned()),
        spec: TunnelSpec { local_port: 5432, ..spec },
        wanted: state != TunnelState::Stopped,
        state,
        node_name: None,
        listening: vec!["127.0.0.1:5432".to_owned()],
        connections: 0,
    }
}
