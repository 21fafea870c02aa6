//! aws-ssm-bridge as a process of its own, built beside ours from `tests/peers/bridge`.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::Measured;
use crate::ground::{Ground, PATIENCE};

/// Names the program.
const PROGRAM: &str = "ADIT_BRIDGE";

/// A tunnel of its; it ends with this.
pub(crate) struct Bridge {
    port: u16,
    _process: Child,
}

impl Bridge {
    /// Opens one to a port of the node.
    pub(crate) async fn open(ground: &Ground, port: u16) -> Measured<Self> {
        let program = std::env::var_os(PROGRAM)
            .ok_or("ADIT_BRIDGE names no program: npm run figures builds it and says where")?;
        let mut command = Command::new(program);
        command.args([&ground.node, &port.to_string()]);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.envs(ground.variables().iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let out = process.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        tokio::time::timeout(PATIENCE, BufReader::new(out).read_line(&mut line)).await??;
        let port = line.trim().parse().map_err(|_| format!("aws-ssm-bridge said {line:?}"))?;
        Ok(Self { port, _process: process })
    }

    pub(crate) async fn connect(&self) -> Measured<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
