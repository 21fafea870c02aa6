//! `adit` on the command line; under the name `session-manager-plugin`, a drop-in for the
//! official client.
//!
//! Nothing but data goes to standard output; words for people go to standard error.

mod arguments;
mod escape;
mod failure;
mod forward;
mod forwarding;
#[cfg(any(windows, test))]
mod keys;
mod logging;
mod nodes;
mod plugin;
mod sandbox;
mod shell;
mod signals;
mod tty;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use app::{Account, App, AppConfig};
use clap::Parser as _;

use crate::arguments::{Arguments, Scope, Verb};
use crate::failure::Failure;
use crate::sandbox::Sandbox;

/// How long sessions may take to be ended at the service.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return Failure::Terminal(error).tell(),
        };
    let mut arguments = std::env::args();
    let name = arguments.next().unwrap_or_default();
    if is_plugin(&name) {
        logging::start(0);
        return runtime.block_on(plugin::run(&arguments.collect::<Vec<_>>()));
    }
    let arguments = Arguments::parse();
    logging::start(arguments.verbose);
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

/// The name decides, as it does for every program that is called by several names.
fn is_plugin(name: &str) -> bool {
    Path::new(name).file_stem().is_some_and(|stem| stem == "session-manager-plugin")
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    if let Verb::Sandbox { port, profiles, pass_through } = &arguments.verb {
        return sandbox::serve(*port, profiles.as_deref(), *pass_through).await;
    }
    let sandbox = match arguments.scope.sandbox {
        true => Some(Sandbox::start(0, None, true).await?),
        false => None,
    };
    let config = match &sandbox {
        Some(sandbox) => AppConfig::given(sandbox.variables()),
        None => AppConfig::user(),
    };
    let app = App::open(config);
    let done = carry_out(&app, &arguments.scope, arguments.verb).await;
    app.shutdown(SHUTDOWN_LIMIT).await;
    if let Some(sandbox) = sandbox {
        sandbox.stop().await;
    }
    done
}

async fn carry_out(app: &App, scope: &Scope, verb: Verb) -> Result<(), Failure> {
    let account: Account = app.account(scope.profile.as_deref(), scope.region.as_deref())?;
    match verb {
        Verb::Nodes { filter, json } => nodes::list(&account, &filter, json).await,
        Verb::Shell { node, document, reason } => {
            shell::open(app, &account, &node, document, reason).await
        }
        Verb::Forward { node, to, local_port, bind, lanes, reason } => {
            let wanted = forward::Wanted { node, to, local_port, bind, lanes, reason };
            forward::open(app, &account, wanted).await
        }
        Verb::Sandbox { .. } => Ok(()),
    }
}
