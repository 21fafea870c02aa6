//! The log, on standard error. `ADIT_LOG` takes tracing's own filters.

use tracing_subscriber::EnvFilter;

/// Starts the log. Each `-v` says more: changes, decisions, every message. Payloads, tokens and
/// keys are in none of them.
pub(crate) fn start(verbosity: u8) {
    let level = match verbosity {
        0 => "error",
        1 => "warn,session=info,app=info,aws=info,emulator=warn",
        2 => "info,session=debug,app=debug,aws=debug,emulator=info",
        _ => "debug,session=trace,protocol=trace,app=trace,aws=trace,hyper=info",
    };
    let filter = match std::env::var("ADIT_LOG") {
        Ok(words) if !words.is_empty() => EnvFilter::new(words),
        _ => EnvFilter::new(level),
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
