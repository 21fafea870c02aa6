//! Tunnels.

use app::view::TunnelId;
use app::{ErrorCode, Program};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

async fn fetch(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("somebody listens");
    let request = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut page = String::new();
    soon(stream.read_to_string(&mut page)).await.expect("a page");
    page
}

#[tokio::test]
async fn a_tunnel_is_switched_on_and_the_page_behind_it_fetched() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    desktop.window_seen(true);
    let id = desktop.tunnel_save(None, tunnel_spec(&world.target(), 80)).await.expect("saved");
    desktop.tunnel_switch(id.clone(), true).await.expect("switched");
    let up = tunnel_state(&mut events, |s| matches!(s, TunnelState::Listening { .. })).await;
    assert!(up.wanted && up.listening[0].starts_with("127.0.0.1:"));
    let page = fetch(&up.listening[0]).await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let moved = next(&mut events, |event| match event {
        Event::TunnelTraffic(view) => view.tunnels.into_iter().next(),
        _ => None,
    });
    assert!(moved.await.received > 0);
    // Once when all is still again.
    let is_still = |event| match event {
        Event::TunnelTraffic(view) if view.tunnels.is_empty() => Some(()),
        _ => None,
    };
    next(&mut events, is_still).await;
    let program = soon(desktop.tunnel_program(id.clone())).await.expect("up");
    assert_eq!(program, Program::Browser { url: format!("http://{}/", up.listening[0]) });
    let log = desktop.tunnel_log(id.clone()).await.expect("a log");
    assert!(log.iter().any(|line| line.text.starts_with("Listening on 127.0.0.1:")));
    assert!(log.iter().any(|line| line.text.starts_with("Connection from 127.0.0.1:")));

    desktop.tunnel_switch(id.clone(), false).await.expect("switched");
    let down = tunnel_state(&mut events, |s| matches!(s, TunnelState::Stopped)).await;
    assert!(!down.wanted && down.listening.is_empty());
    desktop.tunnel_remove(id.clone()).await.expect("removed");
    let gone = desktop.tunnel_log(id).await.expect_err("gone");
    assert_eq!(gone.code, ErrorCode::NotFound);
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn a_taken_port_offers_a_free_one_and_the_change_is_taken() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let check = desktop.port_check(port, TunnelBind::Loopback, None).await.expect("checked");
    assert!(!check.free && check.proposed != 0);
    let spec = TunnelSpec { local_port: port, ..tunnel_spec(&world.target(), 80) };
    let id = desktop.tunnel_save(None, spec.clone()).await.expect("saved");
    desktop.tunnel_switch(id.clone(), true).await.expect("switched");
    let failed = tunnel_state(&mut events, |s| matches!(s, TunnelState::Failed { .. })).await;
    let TunnelState::Failed { error, free_port } = failed.state else { unreachable!() };
    assert_eq!(error.code, ErrorCode::PortTaken);
    let words = format!("Port {port} on this computer is taken by ");
    assert!(error.message.starts_with(&words), "{}", error.message);
    let free = free_port.expect("a free port is offered");
    let spec = TunnelSpec { local_port: free, ..spec };
    desktop.tunnel_save(Some(id), spec).await.expect("saved");
    let up = tunnel_state(&mut events, |s| matches!(s, TunnelState::Listening { .. })).await;
    assert_eq!(up.listening[0], format!("127.0.0.1:{free}"));
    soon(desktop.quit()).await;
}

/// What the node of [`World::target`] is called.
fn name_of_target(world: &World) -> String {
    let prod = &world.emulator.scenario().account("prod").expect("there").id;
    let node = world.emulator.scenario().node(prod, MAIN_REGION, &world.target().node_id);
    node.expect("there").name.clone()
}

#[tokio::test]
async fn a_tunnel_names_its_node_before_it_is_ever_switched_on() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let name = name_of_target(&world);
    let id = desktop.tunnel_save(None, tunnel_spec(&world.target(), 80)).await.expect("saved");
    let of_tunnel = |event| match event {
        Event::Tunnel(view) => Some(view.node_name),
        _ => None,
    };
    assert_eq!(next(&mut events, of_tunnel).await, None);
    // Read for another reason, and it is called by its name.
    desktop.scope_open(prod_scope()).await.expect("opened");
    let named = next(&mut events, |event| of_tunnel(event).flatten());
    assert_eq!(named.await, name);
    // Through another node it has another name.
    let nodes = desktop.scope_open(prod_scope()).await.expect("opened").remove(0).nodes;
    let other = nodes.into_iter().find(|node| node.name != name).expect("another");
    let target = TargetView { node_id: other.id, ..world.target() };
    desktop.tunnel_save(Some(id.clone()), tunnel_spec(&target, 80)).await.expect("saved");
    let named = next(&mut events, |event| of_tunnel(event).flatten());
    assert_eq!(named.await, other.name);
    desktop.tunnel_save(Some(id), tunnel_spec(&world.target(), 80)).await.expect("saved");
    soon(desktop.quit()).await;

    let asked = world.emulator.counts().requests;
    let (desktop, _events) = world.open();
    let tunnels = desktop.snapshot().await.expect("a snapshot").tunnels;
    assert_eq!(tunnels[0].node_name.as_ref(), Some(&name));
    assert_eq!(tunnels[0].state, TunnelState::Stopped);
    assert_eq!(world.emulator.counts().requests, asked);
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn lanes_and_address_of_a_tunnel_are_those_chosen() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let address = "127.0.0.1".to_owned();
    let wanted = TunnelSpec {
        lanes: 2,
        bind: TunnelBind::Address { address },
        ..tunnel_spec(&world.target(), 80)
    };
    let many = TunnelSpec { lanes: 17, ..wanted.clone() };
    let refused = desktop.tunnel_save(None, many).await.expect_err("too many");
    assert_eq!(refused.code, ErrorCode::Invalid);
    let id = desktop.tunnel_save(None, wanted).await.expect("saved");
    desktop.tunnel_switch(id.clone(), true).await.expect("switched");
    let up = tunnel_state(&mut events, |s| matches!(s, TunnelState::Listening { .. })).await;
    assert_eq!(up.listening.len(), 1, "{:?}", up.listening);
    assert!(up.listening[0].starts_with("127.0.0.1:"));
    assert_eq!(world.emulator.sessions().active().len(), 1);
    // Another session comes with the second of two connections at once.
    let _first = TcpStream::connect(&up.listening[0]).await.expect("somebody listens");
    let _second = TcpStream::connect(&up.listening[0]).await.expect("somebody listens");
    soon(async {
        while world.emulator.sessions().active().len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(desktop.quit()).await;
    assert!(world.emulator.sessions().active().is_empty());
    let (desktop, _events) = world.open();
    assert_eq!(desktop.snapshot().await.expect("a snapshot").tunnels[0].spec.lanes, 2);
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn a_tunnel_by_tag_finds_a_node_that_is_online() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    desktop.scope_open(prod_scope()).await.expect("opened");
    let nodes = read_region(&mut events).await;
    let online = nodes.iter().find(|node| node.ping == PingState::Online && !node.tags.is_empty());
    let (key, value) = online.expect("one").tags.iter().next().expect("a tag");
    let via = TunnelVia::Tag { key: key.clone(), value: value.clone() };
    let spec = TunnelSpec { via, ..tunnel_spec(&world.target(), 80) };
    let id = desktop.tunnel_save(None, spec).await.expect("saved");
    desktop.tunnel_switch(id, true).await.expect("switched");
    let up = tunnel_state(&mut events, |s| matches!(s, TunnelState::Listening { .. })).await;
    assert!(up.node_name.is_some());
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn on_demand_a_session_comes_with_the_first_connection() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let spec = TunnelSpec { on_demand: true, ..tunnel_spec(&world.target(), 80) };
    let id = desktop.tunnel_save(None, spec).await.expect("saved");
    desktop.tunnel_switch(id, true).await.expect("switched");
    let ready = tunnel_state(&mut events, |s| matches!(s, TunnelState::Ready)).await;
    assert!(world.emulator.sessions().active().is_empty());
    assert!(fetch(&ready.listening[0]).await.starts_with("HTTP/1.1 200"));
    tunnel_state(&mut events, |s| matches!(s, TunnelState::Listening { .. })).await;
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn a_tunnel_that_loses_its_session_comes_back_on_the_same_port() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let id = desktop.tunnel_save(None, tunnel_spec(&world.target(), 80)).await.expect("saved");
    desktop.tunnel_switch(id, true).await.expect("switched");
    let up = tunnel_state(&mut events, |s| matches!(s, TunnelState::Listening { .. })).await;
    world.emulator.faults().close(None, "");
    let lost = tunnel_state(&mut events, |s| matches!(s, TunnelState::Reconnecting { .. })).await;
    assert_eq!(lost.listening, up.listening);
    let back = tunnel_state(&mut events, |s| matches!(s, TunnelState::Listening { .. })).await;
    assert_eq!(back.listening, up.listening);
    assert!(fetch(&back.listening[0]).await.starts_with("HTTP/1.1 200"));
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_words() {
    let world = World::start().await;
    let (desktop, _events) = world.open();
    let spec = TunnelSpec { remote_port: 0, ..tunnel_spec(&world.target(), 80) };
    let refused = desktop.tunnel_save(None, spec).await.expect_err("no port");
    assert_eq!(refused.code, ErrorCode::Invalid);
    assert!(refused.message.contains("remote port"), "{}", refused.message);
    let nowhere = TunnelId("nowhere".to_owned());
    let refused = desktop.tunnel_switch(nowhere, true).await.expect_err("none");
    assert_eq!(refused.code, ErrorCode::NotFound);
}
