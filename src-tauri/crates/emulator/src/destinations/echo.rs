//! The echo: what comes in goes out again, to the end.

use std::io;

use tokio::net::TcpStream;

pub(super) async fn serve(mut stream: TcpStream) -> io::Result<()> {
    let (mut from, mut to) = stream.split();
    tokio::io::copy(&mut from, &mut to).await?;
    Ok(())
}
