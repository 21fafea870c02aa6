//! `bridge TARGET PORT`: opens a tunnel to a port of a node with aws-ssm-bridge, prints the local
//! port, and ends with its standard input.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use aws_ssm_bridge::documents::PortForwardingSession;
use aws_ssm_bridge::{
    EndpointPolicy, PortForwardConfig, PortForwarder, SessionBuilder, ShutdownSignal,
};
use tokio::io::AsyncReadExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let target = arguments.next().ok_or("usage: bridge TARGET PORT")?;
    let port = arguments.next().ok_or("usage: bridge TARGET PORT")?.parse()?;
    let builder = SessionBuilder::new(target)
        .document(PortForwardingSession::new(port))
        // The sandbox is on loopback.
        .endpoint_policy(EndpointPolicy::AllowAny);
    let session = Arc::new(builder.start().await?);
    let forwarder = PortForwarder::bind(PortForwardConfig::default()).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", forwarder.local_addr().port())?;
    out.flush()?;

    let shutdown = ShutdownSignal::new();
    let forwarding = forwarder.forward(Arc::clone(&session), shutdown);
    let mut input = tokio::io::stdin();
    let mut ignored = Vec::new();
    tokio::select! {
        ended = forwarding => ended?,
        _ = input.read_to_end(&mut ignored) => {}
    }
    session.terminate().await?;
    Ok(())
}
