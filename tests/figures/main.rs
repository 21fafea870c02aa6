//! Measures the product: `figures TOPIC` prints one line a figure, `NAME VALUE UNIT`.
//!
//! The sandbox runs inside this process; `adit` is the one built beside it.

mod bare;
mod cuts;
mod echo;
mod engine;
mod ground;
mod output;
mod prompt;
mod throughput;
mod window;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

/// As in the programs that are measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failed = Box<dyn Error + Send + Sync>;
type Measured<T> = Result<T, Failed>;

/// One line of the answer.
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
}

impl Figure {
    fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self { name, value, unit }
    }

    fn print(&self) -> std::io::Result<()> {
        let Self { name, value, unit } = self;
        let mut out = std::io::stdout().lock();
        if value.fract() == 0.0 {
            writeln!(out, "{name} {value:.0} {unit}")?;
        } else {
            writeln!(out, "{name} {value:.3} {unit}")?;
        }
        out.flush()
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let measured = match arguments.as_slice() {
        ["ground"] => ground().await,
        ["beside"] => window::beside().await,
        ["engine", only @ ..] => engine::measure(only).await,
        // This program once more, as a process that can be looked at from outside.
        ["hold", node] => engine::hold(node).await,
        _ => Err(format!("no such topic: {arguments:?}; there are: ground, beside, engine").into()),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// What the protocol, the engines and the command line do on the sandbox.
async fn ground() -> Measured<()> {
    tell("from the command to the first prompt, 9 times, beside a bare client");
    let overhead = prompt::overhead().await?;
    Figure::new("prompt_overhead_ms", overhead, "ms").print()?;

    tell("echo of 500 keystrokes");
    let echo = echo::round_trips(500).await?;
    Figure::new("echo_p50_ms", echo.p50, "ms").print()?;
    Figure::new("echo_p99_ms", echo.p99, "ms").print()?;

    tell("64 MiB up, to a gateway that takes 1000 messages a second");
    Figure::new("upload_mib_s", throughput::upload().await?, "MiB/s").print()?;
    tell("64 MiB down, from an agent that does not pause");
    Figure::new("download_mib_s", throughput::download().await?, "MiB/s").print()?;

    tell("64 MiB up and down at once, the websocket cut every second (some 100 s)");
    let equal = cuts::tunnel().await?;
    let name = "tunnel_64mib_cut_every_second_sha_equal";
    Figure::new(name, f64::from(u8::from(equal)), "bool").print()?;

    tell("100 MB of shell output through cuts, with typing and resizing");
    let lost = output::lost_bytes().await?;
    Figure::new("shell_100mb_lost_bytes", lost as f64, "bytes").print()?;
    Ok(())
}

/// Says on standard error what is being done.
fn tell(words: &str) {
    // Whoever reads the figures need not hear this.
    let _ = writeln!(std::io::stderr(), "figures: {words}");
}
