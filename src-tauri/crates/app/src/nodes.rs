//! Deeds on one node: what keeps it away, who was on it, one command.

use std::collections::BTreeMap;
use std::time::Duration;

use session::{
    CommandHandle, CommandSpec, Engine, OutputFlow, SessionEnd, SessionState, StartRequest, Stream,
};

use crate::accounts::Accounts;
use crate::clock;
use crate::error::Error;
use crate::inventories::Inventories;
use crate::view::{
    AppError, CommandResultView, ErrorCode, NodePlatform, SessionRecordView, TargetView,
};

pub(crate) mod diagnosis;

/// Runs a command without a terminal.
const RUN_DOCUMENT: &str = "AWS-StartNonInteractiveCommand";
/// Sessions shown of a node.
const MOST_SESSIONS: u8 = 20;
/// Bytes kept of each output.
const MOST_OUTPUT: usize = 1024 * 1024;
/// How long a command may run.
const RUN_LIMIT: Duration = Duration::from_secs(600);

/// Lists the last sessions on a node, newest first.
///
/// # Errors
///
/// Whatever the service answers.
pub(crate) async fn sessions(
    accounts: &Accounts,
    target: &TargetView,
) -> Result<Vec<SessionRecordView>, AppError> {
    let account = accounts.open(&target.profile_id, &target.region).await?;
    let found = account.client().sessions_on(&target.node_id, MOST_SESSIONS).await;
    let found = found.map_err(|source| {
        let doing = format!("the sessions on {} cannot be read", target.node_name);
        Error::Call { doing, source: Box::new(source) }.view()
    })?;
    let view = |record: aws::SessionRecord| SessionRecordView {
        session_id: record.session_id.to_string(),
        mine: accounts.is_own(&target.profile_id, &record.owner),
        owner: record.owner.rsplit('/').next().unwrap_or_default().to_owned(),
        started_ms: clock::ms(record.started),
        ended_ms: record.ended.map(clock::ms),
    };
    Ok(found.into_iter().take(usize::from(MOST_SESSIONS)).map(view).collect())
}

/// Runs a command and answers when it has ended.
///
/// # Errors
///
/// Whatever kept it from running.
pub(crate) async fn run(
    engine: &Engine,
    accounts: &Accounts,
    inventories: &Inventories,
    target: &TargetView,
    command: &str,
) -> Result<CommandResultView, AppError> {
    if command.trim().is_empty() {
        let message = "There is no command to run.".to_owned();
        return Err(AppError { code: ErrorCode::Invalid, message, detail: None });
    }
    let account = accounts.open(&target.profile_id, &target.region).await?;
    let node = inventories.node(&target.profile_id, &target.region, &target.node_id);
    let is_windows = node.is_some_and(|node| node.platform == NodePlatform::Windows);
    let one = |value: String| vec![value];
    let request = StartRequest {
        target: target.node_id.clone(),
        document: Some(RUN_DOCUMENT.to_owned()),
        parameters: BTreeMap::from([
            ("command".to_owned(), one(in_a_shell(command, is_windows))),
            // Only so the exit status is told, and errors come apart.
            ("separateOutputStream".to_owned(), one("true".to_owned())),
        ]),
        reason: None,
    };
    let started = clock::now();
    let spec = CommandSpec { request, flow: OutputFlow::default() };
    let (handle, mut output) = engine.command(account.control(), spec);
    let (mut out, mut err) = (Tail::default(), Tail::default());
    let reading = async {
        while let Some(piece) = output.next().await {
            handle.acknowledge(piece.bytes.len());
            match piece.stream {
                Stream::Output => out.push(&piece.bytes),
                Stream::Error => err.push(&piece.bytes),
            }
        }
    };
    let is_late = tokio::time::timeout(RUN_LIMIT, reading).await.is_err();
    let end = if is_late { None } else { ended(&handle).await };
    let exit_code = match end {
        Some(SessionEnd::Finished { exit_status }) => exit_status,
        Some(SessionEnd::Failed(error)) => {
            let error = Error::Session(error).view_of(&inventories.subject(target));
            accounts.note_failed(&target.profile_id, &error);
            return Err(error);
        }
        Some(SessionEnd::Asked) | None => None,
    };
    // A program that a signal ended has the status of none.
    let exit_code = exit_code.filter(|code| *code >= 0);
    Ok(CommandResultView {
        exit_code,
        cut: out.is_cut || err.is_cut,
        stdout: out.text(),
        stderr: err.text(),
        took_ms: clock::length_ms(clock::now().saturating_duration_since(started)),
    })
}

/// Agents split a command into words and start the first; only a shell knows the rest.
fn in_a_shell(command: &str, is_windows: bool) -> String {
    let quoted = format!("'{}'", command.replace('\'', "'\\''"));
    match is_windows {
        true => format!("powershell.exe -NoProfile -NonInteractive -Command {quoted}"),
        false => format!("sh -c {quoted}"),
    }
}

async fn ended(handle: &CommandHandle) -> Option<SessionEnd> {
    let mut states = handle.state();
    let is_over = |state: &SessionState| matches!(state, SessionState::Ended(_));
    match states.wait_for(is_over).await.as_deref() {
        Ok(SessionState::Ended(end)) => Some(end.clone()),
        _ => None,
    }
}

/// The end of an output.
#[derive(Debug, Default)]
struct Tail {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        // Cut rarely, so that each byte is moved once.
        if self.bytes.len() > 2 * MOST_OUTPUT {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let surplus = self.bytes.len().saturating_sub(MOST_OUTPUT);
        self.is_cut |= surplus > 0;
        self.bytes.drain(..surplus);
    }

    fn text(mut self) -> String {
        self.cut();
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reaches_its_shell_in_one_piece() {
        let shell = in_a_shell("echo 'a b' | wc -c", false);
        assert_eq!(shell, r"sh -c 'echo '\''a b'\'' | wc -c'");
    }

    #[test]
    fn a_long_output_is_cut_at_the_front() {
        let mut tail = Tail::default();
        for letter in [b'a', b'b', b'c'] {
            tail.push(&vec![letter; MOST_OUTPUT]);
        }
        tail.cut();
        assert!(tail.is_cut && tail.bytes.iter().all(|byte| *byte == b'c'));
        assert_eq!(tail.bytes.len(), MOST_OUTPUT);
    }
}
