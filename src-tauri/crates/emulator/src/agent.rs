//! The agent of one session: joins, shakes hands, runs a program, reports.
//!
//! What it does is what the official agent does, by its source and by recordings; the reader's
//! and writer's halves run as tasks of their own, as they do there.

mod basic;
mod capabilities;
mod command;
mod dial;
mod handshake;
mod input;
mod line;
mod mux;
mod process;
mod reader;
mod tempo;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::faults::{AgentRules, Faults, JoinRule};
use crate::gateway::{Ends, TaskResult};
use crate::services::kms::Kms;
use crate::sessions::{Ending, Filled, Network, NodeProfile, SessionType};
use capabilities::Capabilities;
use handshake::{Handshake, Terms};
use input::Input;
use line::Line;
use reader::Reader;
use tempo::Tempo;

/// What stands in front of most errors an agent reports.
const ERROR_TITLE: &str = "\n----------ERROR-------\n";

/// What the service asks of an agent.
pub(crate) struct Assignment {
    pub(crate) session_id: String,
    pub(crate) node: NodeProfile,
    pub(crate) document: Filled,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) faults: Faults,
    pub(crate) kms: Kms,
}

/// One session from a program's point of view.
struct Work {
    session_id: String,
    node: NodeProfile,
    document: Filled,
    network: Arc<dyn Network>,
    faults: Faults,
    rules: AgentRules,
    capabilities: Capabilities,
    tempo: Tempo,
    line: Line,
    client_version: String,
    /// Hands the program's input to the reader.
    ready: oneshot::Sender<Input>,
    ending: watch::Receiver<Option<Ending>>,
}

/// Does what was asked, until it is done or the service ends it.
pub(crate) async fn run(assignment: Assignment, ends: Ends) {
    let Assignment { session_id, node, document, network, faults, kms } = assignment;
    let Ends { up, down, mut ending, mut client_seen } = ends;
    let rules = faults.agent_rules(&session_id);
    let tempo = Tempo::of(&rules);
    if rules.silent {
        return ended(&mut ending).await;
    }
    tokio::select! {
        () = ended(&mut ending) => return,
        () = join(tempo.join, &mut client_seen) => {}
    }
    let version = rules.version.as_deref().unwrap_or(&node.agent_version);
    let capabilities = Capabilities::of(version, &rules);
    let line = Line::new(down, &tempo, capabilities.reacks);
    if !capabilities.supports(document.session_type) {
        let name = document.session_type.as_str();
        let output = format!(
            "Plugin with name {name} is not supported by this version of ssm agent, please update to latest version. Step name: {name}"
        );
        return line.tell_result(TaskResult { failed: true, output }).await;
    }
    let handshake = Handshake::new();
    let (ready, inputs) = oneshot::channel();
    let reader =
        Reader::new(up, line.clone(), handshake.clone(), inputs, capabilities.ack_when_not_ready);
    let mut tasks = JoinSet::new();
    tasks.spawn(reader.run());
    tasks.spawn(line.clone().resend());
    line.tell_state(false).await;

    let mut work = Work {
        session_id,
        node,
        document,
        network,
        faults,
        rules,
        capabilities,
        tempo,
        line: line.clone(),
        client_version: String::new(),
        ready,
        ending: ending.clone(),
    };
    let agreed = tokio::select! {
        () = ended(&mut ending) => return,
        agreed = work.shake_hands(&handshake, &kms) => agreed,
    };
    let result = match agreed {
        Ok(()) => {
            work.client_version = handshake.client_version();
            work.run().await
        }
        Err(error) => TaskResult::failed(format!(
            "{ERROR_TITLE}Encountered error while initiating handshake. {error}"
        )),
    };
    line.drained().await;
    line.tell_result(result).await;
}

async fn join(rule: JoinRule, client_seen: &mut watch::Receiver<bool>) {
    match rule {
        JoinRule::AfterMs(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        JoinRule::WithClient => {
            if client_seen.wait_for(|seen| *seen).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Waits until the service has ended the session, or is gone itself.
async fn ended(ending: &mut watch::Receiver<Option<Ending>>) {
    // An error is as much of an end.
    drop(ending.wait_for(Option::is_some).await);
}

impl TaskResult {
    fn success() -> Self {
        Self { failed: false, output: String::new() }
    }

    fn failed(output: impl Into<String>) -> Self {
        Self { failed: true, output: output.into() }
    }
}

impl Work {
    /// Talks, if this kind of session does: ports and commands without a terminal always,
    /// shells only to be encrypted.
    async fn shake_hands(&self, handshake: &Handshake, kms: &Kms) -> Result<(), String> {
        let session_type = self.document.session_type;
        let key = &self.document.inputs.kms_key_id;
        let kms_key = (session_type != SessionType::Port && !key.is_empty()).then(|| key.clone());
        let talks = match session_type {
            SessionType::Port | SessionType::NonInteractiveCommands => true,
            SessionType::StandardStream | SessionType::InteractiveCommands => kms_key.is_some(),
        };
        if !talks || !self.capabilities.handshake {
            handshake.skip();
            return Ok(());
        }
        let terms = Terms {
            session_id: self.session_id.clone(),
            node: self.node.id.clone(),
            session_type,
            properties: if session_type == SessionType::Port {
                self.document.properties.clone()
            } else {
                serde_json::Value::Null
            },
            kms_key,
            separate_output: command::separates_output(self),
            requires_challenge: self
                .rules
                .requires_challenge
                .unwrap_or(self.node.requires_challenge),
            timeout: self.rules.handshake_timeout,
        };
        handshake.perform(&self.line, &self.capabilities, kms, terms).await
    }

    async fn run(self) -> TaskResult {
        match self.document.session_type {
            SessionType::StandardStream | SessionType::InteractiveCommands => {
                terminal::run(self).await
            }
            SessionType::NonInteractiveCommands => command::run(self).await,
            SessionType::Port => dial::run(self).await,
        }
    }
}
