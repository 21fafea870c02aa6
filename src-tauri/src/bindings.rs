//! Every command and every event, once; the page's half of them is written from this list.

use tauri::Wry;
use tauri_specta::{Builder, collect_commands, collect_events};

use crate::commands::{accounts, bookmarks, nodes, own, terminal, tunnels};
use crate::events;

/// All that crosses between page and program.
pub(crate) fn builder() -> Builder<Wry> {
    Builder::new()
        .disable_serde_phases()
        .dangerously_cast_bigints_to_number()
        .commands(collect_commands![
            own::snapshot,
            accounts::sign_in,
            accounts::sign_in_cancel,
            accounts::profile_change,
            accounts::account_add,
            accounts::account_add_cancel,
            nodes::scope_open,
            nodes::scope_refresh,
            nodes::node_diagnose,
            nodes::node_sessions,
            nodes::node_run,
            terminal::terminal_open,
            terminal::terminal_write,
            terminal::terminal_resize,
            terminal::terminal_ack,
            terminal::terminal_retry,
            terminal::terminal_close,
            terminal::scrollback_save,
            terminal::scrollback_load,
            tunnels::tunnel_save,
            tunnels::tunnel_remove,
            tunnels::tunnel_switch,
            tunnels::tunnel_retry,
            tunnels::tunnel_program,
            tunnels::tunnel_log,
            tunnels::port_check,
            bookmarks::bookmarks_save,
            own::settings_save,
            own::settings_reveal,
            own::workspace_save,
            own::notice_close,
            own::clipboard_read,
            own::clipboard_write,
            own::url_open,
            own::text_save,
            own::title_set,
            own::quit,
        ])
        .events(collect_events![
            events::ProfilesEvent,
            events::InventoryEvent,
            events::TerminalStateEvent,
            events::TunnelEvent,
            events::TunnelTrafficEvent,
            events::TunnelLogEvent,
            events::BookmarksEvent,
            events::SettingsEvent,
            events::NoticeEvent,
            events::IntentEvent,
        ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use specta_typescript::Typescript;
    use std::path::Path;

    /// With `ADIT_BINDINGS=write` in the environment the file is written instead.
    #[test]
    fn the_page_has_the_bindings_of_this_program() {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/src/bindings.ts");
        if std::env::var_os("ADIT_BINDINGS").is_some_and(|word| word == "write") {
            builder().export(Typescript::default(), &kept).expect("the bindings are written");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let fresh = folder.path().join("bindings.ts");
        builder().export(Typescript::default(), &fresh).expect("the bindings are written");
        let read = |path: &Path| std::fs::read_to_string(path).expect("bindings").replace('\r', "");
        assert!(
            read(&kept) == read(&fresh),
            "ui/src/bindings.ts is not what the commands and events say; \
             run this test once with ADIT_BINDINGS=write"
        );
    }
}
