//! The window of Adit: flags, the log, and off it goes.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::process::ExitCode;

use clap::Parser;
use shell::Options;
use tracing_subscriber::EnvFilter;

/// Many thousand times a second a message's worth of memory is freed and wanted again. The C
/// library hands it back to the system in between, and every page of it is faulted in anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let options = Options::parse();
    start_log();
    match shell::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the window cannot open");
            ExitCode::FAILURE
        }
    }
}

/// Starts the log on standard error. `ADIT_LOG` takes tracing's own filters.
fn start_log() {
    let filter = match std::env::var("ADIT_LOG") {
        Ok(words) if !words.is_empty() => EnvFilter::new(words),
        _ => EnvFilter::new("warn,shell=info,app=info,session=info,aws=info,emulator=info"),
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
