//! Terminals.

use super::*;

#[tokio::test]
async fn what_is_typed_is_run_and_what_it_prints_is_read() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let mut screen = Screen::open(&desktop, world.target()).await;
    // Typed before there is a session: kept, and sent then.
    screen.type_in(&desktop, "echo $((6 * 7))-sandbox\r").await;
    terminal_state(&mut events, |state| matches!(state, TerminalState::Connected)).await;
    screen.wait_for(&desktop, "42-sandbox").await;
    let living = desktop.terminal_open(
        screen.id.clone(),
        world.target(),
        TerminalSize { cols: 80, rows: 24 },
        Box::new(|_| true),
    );
    assert_eq!(living.await.expect_err("it lives").code, app::ErrorCode::Invalid);
    screen.type_in(&desktop, "exit\r").await;
    let over = terminal_state(&mut events, |s| matches!(s, TerminalState::Ended { .. })).await;
    let exited = TerminalState::Ended { reason: app::view::EndReason::Exited };
    assert_eq!(over, exited);
    // The same tab again, with a session of its own.
    let output = Screen::attach(&desktop, &screen.id, world.target()).await;
    screen = Screen { id: screen.id, output, seen: String::new() };
    screen.type_in(&desktop, "echo $((6 * 8))-again\r").await;
    screen.wait_for(&desktop, "48-again").await;
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn whom_the_shell_runs_as_is_told() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let mut screen = Screen::open(&desktop, world.target()).await;
    let user = next(&mut events, |event| match event {
        Event::Terminal(view) => view.user,
        _ => None,
    });
    let user = user.await;
    screen.type_in(&desktop, "echo I am $USER\r").await;
    screen.wait_for(&desktop, &format!("I am {user}")).await;
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn a_cut_is_seen_as_reconnecting_and_over_as_connected() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let mut screen = Screen::open(&desktop, world.target()).await;
    terminal_state(&mut events, |state| matches!(state, TerminalState::Connected)).await;
    world.emulator.faults().cut(None, None);
    let cut = terminal_state(&mut events, |s| matches!(s, TerminalState::Reconnecting { .. }));
    let TerminalState::Reconnecting { cause, .. } = cut.await else { unreachable!() };
    assert!(!cause.is_empty() && !cause.ends_with('.'), "{cause}");
    screen.type_in(&desktop, "echo $((6 * 7))-again\r").await;
    terminal_state(&mut events, |state| matches!(state, TerminalState::Connected)).await;
    screen.wait_for(&desktop, "42-again").await;
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn a_reader_that_does_not_acknowledge_stops_the_flow() {
    const WINDOW: usize = 1024 * 1024;
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let mut screen = Screen::open(&desktop, world.target()).await;
    terminal_state(&mut events, |state| matches!(state, TerminalState::Connected)).await;
    let total = 3 * WINDOW;
    let command = format!("head -c {total} /dev/zero | tr '\\0' x; echo; echo $((6*7))-end\r");
    screen.type_in(&desktop, &command).await;
    let mut pieces = Vec::new();
    let mut unacknowledged = 0;
    // Nothing is acknowledged until as much has come as may.
    while unacknowledged + 64 * 1024 < WINDOW {
        let piece = soon(screen.output.recv()).await.expect("output");
        assert!(piece.len() <= 64 * 1024);
        unacknowledged += piece.len();
        pieces.push(piece);
    }
    // The far side is not asked to be silent by a clock: a round trip through another session
    // shows that all that could come has come.
    let (id, target) = (TerminalId("22222222-2222-4222-8222-222222222222".into()), world.target());
    let other = Screen::attach(&desktop, &id, target).await;
    let mut other = Screen { id, output: other, seen: String::new() };
    other.type_in(&desktop, "echo $((6 * 7))-other\r").await;
    other.wait_for(&desktop, "42-other").await;
    while let Ok(piece) = screen.output.try_recv() {
        unacknowledged += piece.len();
        pieces.push(piece);
    }
    // What one read brings may follow after the window has filled.
    assert!(unacknowledged <= WINDOW + 128 * 1024, "{unacknowledged}");
    for piece in &pieces {
        let drawn = u32::try_from(piece.len()).expect("a piece");
        desktop.terminal_ack(screen.id.clone(), drawn).await.expect("taken");
        screen.seen.push_str(&String::from_utf8_lossy(piece));
    }
    screen.wait_for(&desktop, "42-end").await;
    assert!(screen.seen.matches('x').count() >= total);
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn quitting_ends_every_session_at_the_service() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let _screen = Screen::open(&desktop, world.target()).await;
    terminal_state(&mut events, |state| matches!(state, TerminalState::Connected)).await;
    let id = desktop.tunnel_save(None, tunnel_spec(&world.target(), 80)).await.expect("saved");
    desktop.tunnel_switch(id, true).await.expect("switched");
    tunnel_state(&mut events, |state| matches!(state, TunnelState::Listening { .. })).await;
    assert_eq!(world.emulator.sessions().active().len(), 2);
    soon(desktop.quit()).await;
    assert!(world.emulator.sessions().active().is_empty());
    soon(async { while events.next().await.is_some() {} }).await;
}

#[tokio::test]
async fn a_closed_tab_and_a_page_loaded_again_leave_no_session() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let screen = Screen::open(&desktop, world.target()).await;
    terminal_state(&mut events, |state| matches!(state, TerminalState::Connected)).await;
    desktop.terminal_close(screen.id.clone()).await.expect("closed");
    desktop.terminal_close(screen.id.clone()).await.expect("closing twice is fine");
    let refused = desktop.terminal_resize(screen.id, TerminalSize { cols: 1, rows: 1 }).await;
    assert_eq!(refused.expect_err("gone").code, app::ErrorCode::NotFound);
    let _screen = Screen::open(&desktop, world.target()).await;
    terminal_state(&mut events, |state| matches!(state, TerminalState::Connected)).await;
    desktop.snapshot().await.expect("the page was loaded again");
    soon(desktop.quit()).await;
    assert!(world.emulator.sessions().active().is_empty());
}

#[tokio::test]
async fn a_node_that_is_away_is_told_in_words() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    desktop.scope_open(prod_scope()).await.expect("opened");
    let nodes = read_region(&mut events).await;
    let away = nodes.iter().find(|node| node.ping == PingState::ConnectionLost).expect("one");
    let target = TargetView { node_id: away.id.clone(), ..world.target() };
    let _screen = Screen::open(&desktop, target.clone()).await;
    let failed = terminal_state(&mut events, |s| matches!(s, TerminalState::Failed { .. })).await;
    let TerminalState::Failed { error } = failed else { unreachable!() };
    assert_eq!(error.code, app::ErrorCode::NodeNotConnected);
    let words = format!("{} is not connected (TargetNotConnected). Its agent last", away.name);
    assert!(error.message.starts_with(&words), "{}", error.message);
    let diagnosis = soon(desktop.node_diagnose(target)).await.expect("an answer");
    assert!(diagnosis.summary.contains("can't be reached"), "{}", diagnosis.summary);
}

#[tokio::test]
async fn a_command_is_run_and_its_status_told() {
    let world = World::start().await;
    let (desktop, _events) = world.open();
    let command = "echo 'out of it'; echo aside >&2; exit 3".to_owned();
    let done = soon(desktop.node_run(world.target(), command)).await.expect("run");
    assert_eq!((done.exit_code, done.stdout.trim()), (Some(3), "out of it"));
    assert_eq!((done.stderr.trim(), done.cut), ("aside", false));
    let sessions = soon(desktop.node_sessions(world.target())).await.expect("listed");
    assert_eq!(sessions.len(), 1);
    assert!(sessions[0].ended_ms.is_some());
    soon(desktop.quit()).await;
}
