//! Serves the sandbox until interrupted and prints the environment other programs need.
//!
//! `cargo run -p emulator --example serve -- [--port N] [--nodes N] [--pass-through] [--profiles DIR]`
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::path::PathBuf;

use emulator::{Emulator, EmulatorConfig, Scenario};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = EmulatorConfig::default();
    let mut profiles: Option<PathBuf> = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} takes a value"));
        match argument.as_str() {
            "--port" => config.port = value()?.parse()?,
            "--nodes" => config.scenario = Scenario::with_nodes(value()?.parse()?),
            "--pass-through" => config.pass_through = true,
            "--profiles" => profiles = Some(value()?.into()),
            _ => return Err(format!("unknown argument {argument}").into()),
        }
    }
    let emulator = Emulator::start(config).await?;
    let prod = emulator.credentials("prod").ok_or("no production account")?;
    println!("export AWS_ENDPOINT_URL={}", emulator.url());
    println!("export AWS_ACCESS_KEY_ID={}", prod.access_key);
    println!("export AWS_SECRET_ACCESS_KEY={}", prod.secret.expose());
    println!("export AWS_REGION=eu-central-1");
    if let Some(dir) = profiles {
        let (config, credentials) = emulator.write_profiles(&dir)?;
        println!("export AWS_CONFIG_FILE={}", config.display());
        println!("export AWS_SHARED_CREDENTIALS_FILE={}", credentials.display());
    }
    tokio::signal::ctrl_c().await?;
    emulator.stop().await;
    Ok(())
}
