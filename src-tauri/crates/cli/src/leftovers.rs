//! `adit leftovers`: what killed processes left at the service, and its end.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use app::App;

use crate::failure::{Failure, say};
use crate::print;

/// Mentions what was left behind to a person, and leaves it to a process that is asked to see
/// to it.
pub(crate) fn mention(app: &App) {
    let count = app.leftovers().len();
    app.leave_leftovers();
    if !std::io::stderr().is_terminal() {
        return;
    }
    let sessions = match count {
        0 => return,
        1 => "1 session".to_owned(),
        count => format!("{count} sessions"),
    };
    say(&format!(
        "A killed adit left {sessions} open at the service. `adit leftovers` lists, \
         `adit leftovers --end` ends."
    ));
}

/// Lists what was left behind, one session a line; with `end`, ends it.
///
/// # Errors
/// [`Failure::LeftBehind`] when not all of it could be ended.
pub(crate) async fn list(app: &App, end: bool) -> Result<ExitCode, Failure> {
    let mut text = String::new();
    for session in app.leftovers() {
        let document = session.document.as_deref().unwrap_or("-");
        let fields = [session.session_id.as_str(), &session.target, document, &session.label];
        text.push_str(&fields.join("  "));
        text.push('\n');
    }
    print(&text)?;
    if text.is_empty() {
        say("Nothing was left behind.");
    }
    if !end {
        return Ok(ExitCode::SUCCESS);
    }
    let mut count = 0;
    for leftover in app.end_leftovers().await {
        match leftover.error {
            None => say(&format!("Ended {}.", leftover.session.session_id)),
            Some(error) => {
                count += 1;
                say(&format!("{}: {error}. {}", leftover.session.session_id, error.advice()));
            }
        }
    }
    if count == 0 { Ok(ExitCode::SUCCESS) } else { Err(Failure::LeftBehind { count }) }
}
