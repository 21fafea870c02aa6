//! `adit` on the command line; under the name `session-manager-plugin`, a drop-in for the
//! official client.
//!
//! Nothing but data goes to standard output; words for people go to standard error.

mod arguments;
mod command_line;
mod escape;
mod failure;
mod forward;
mod forwarding;
#[cfg(any(windows, test))]
mod keys;
mod leftovers;
mod logging;
mod nodes;
mod plugin;
mod proxy;
mod run;
mod sandbox;
mod screen;
mod shell;
mod signals;
mod tty;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use app::{Account, App, AppConfig};
use clap::{CommandFactory as _, Parser as _};

use crate::arguments::{Arguments, Scope, Verb};
use crate::failure::{Failure, say};
use crate::forwarding::Another;
use crate::sandbox::Sandbox;

/// Many thousand times a second a message's worth of memory is freed and wanted again. The C
/// library hands it back to the system in between, and every page of it is faulted in anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let status = if is_plugin(&name) {
        logging::start(0);
        runtime.block_on(plugin::run(&arguments.collect::<Vec<_>>()))
    } else {
        let arguments = Arguments::parse();
        logging::start(arguments.verbose);
        runtime.block_on(run(arguments)).unwrap_or_else(|failure| failure.tell())
    };
    // What is still being written to a reader that does not read is not waited for.
    runtime.shutdown_background();
    status
}

/// The name decides, as it does for every program that is called by several names.
fn is_plugin(name: &str) -> bool {
    Path::new(name).file_stem().is_some_and(|stem| stem == "session-manager-plugin")
}

async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { scope, verb, .. } = arguments;
    if let Verb::Sandbox { port, profiles, pass_through } = &verb {
        sandbox::serve(*port, profiles.as_deref(), *pass_through).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Verb::Proxy { print_config: true, .. } = verb {
        print(&proxy::ssh_config(&scope))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Verb::Completions { shell } = verb {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Arguments::command(), "adit", &mut script);
        print(&String::from_utf8_lossy(&script))?;
        return Ok(ExitCode::SUCCESS);
    }
    let sandbox = match scope.sandbox {
        true => Some(Sandbox::start(0, None, true).await?),
        false => None,
    };
    let config = match &sandbox {
        Some(sandbox) => AppConfig::given(sandbox.variables()),
        None => AppConfig::user(),
    };
    let app = App::open(config);
    let done = carry_out(&app, &scope, verb).await;
    app.shutdown(SHUTDOWN_LIMIT).await;
    if let Some(sandbox) = sandbox {
        sandbox.stop().await;
    }
    done
}

async fn carry_out(app: &App, scope: &Scope, verb: Verb) -> Result<ExitCode, Failure> {
    if let Verb::Leftovers { end } = verb {
        return leftovers::list(app, end).await;
    }
    leftovers::mention(app);
    let account = account(app, scope)?;
    match verb {
        Verb::Nodes { filter, json } => nodes::list(&account, &filter, json).await?,
        Verb::Shell { node, start } => return shell::open(app, &account, &node, start).await,
        Verb::Run { node, tty, start, command } => {
            let wanted = run::Wanted { node, command, on_terminal: tty, start };
            return run::run(app, &account, wanted).await;
        }
        Verb::Proxy { node, port, linger, reason, .. } => {
            let node = node.unwrap_or_default();
            let linger = Duration::from_secs(linger);
            return proxy::open(app, &account, proxy::Wanted { node, port, linger, reason }).await;
        }
        Verb::Forward { node, to, local_port, also, bind, lanes, reason } => {
            let forwards = std::iter::once(Another { to, local_port }).chain(also).collect();
            let wanted = forward::Wanted { node, forwards, bind, lanes, reason };
            forward::open(app, &account, wanted).await?;
        }
        Verb::Sandbox { .. } | Verb::Leftovers { .. } | Verb::Completions { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the account that is meant. If it cannot be had, what is wrong with the AWS files may be
/// why.
fn account(app: &App, scope: &Scope) -> Result<Account, Failure> {
    app.account(scope.profile.as_deref(), scope.region.as_deref()).map_err(|error| {
        let told = error.to_string();
        for problem in app.profiles().problems() {
            if !told.contains(&problem.what) {
                say(&format!("adit: {problem}."));
            }
        }
        error.into()
    })
}

/// Puts data on standard output.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(Failure::Output)
}
