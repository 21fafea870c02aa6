//! The limit: TCP over a websocket and back, with the library the product uses and nothing of
//! Session Manager between.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::BytesMut;
use futures_util::{SinkExt as _, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::Measured;

/// As large as the product's messages get.
const MESSAGE: usize = 32 * 1024;

/// What a relay does with each message before it sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// Nothing.
    None,
    /// Takes the digest that the protocol wants of every message: the least a client can do.
    Digest,
}

/// Both of its ends are there for as long as this lives.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// A local port that leads to `destination`.
    pub(crate) async fn to(destination: SocketAddr, care: Care) -> Measured<Self> {
        let near = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let far = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, between) = (near.local_addr()?, far.local_addr()?);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(near, between, Role::Client, care));
        tasks.spawn(accept(far, destination, Role::Server, Care::None));
        Ok(Self { address, _tasks: tasks })
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, role: Role, care: Care) {
    let mut pumps = JoinSet::new();
    while let Ok((accepted, _)) = listener.accept().await {
        pumps.spawn(async move {
            let connected = TcpStream::connect(to).await?;
            accepted.set_nodelay(true)?;
            connected.set_nodelay(true)?;
            match role {
                Role::Client => pump(accepted, connected, role, care).await,
                Role::Server => pump(connected, accepted, role, care).await,
            }
        });
    }
}

/// Carries both ways between a socket and a websocket on another, upgraded already.
async fn pump(mut plain: TcpStream, framed: TcpStream, role: Role, care: Care) -> Measured<()> {
    let socket = WebSocketStream::from_raw_socket(framed, role, None).await;
    let (mut to_web, mut from_web) = socket.split();
    let (mut from_plain, mut to_plain) = plain.split();
    let up = async {
        loop {
            let mut message = BytesMut::with_capacity(MESSAGE);
            if from_plain.read_buf(&mut message).await? == 0 {
                to_web.close().await?;
                return Ok::<_, crate::Failed>(());
            }
            if care == Care::Digest {
                std::hint::black_box(Sha256::digest(&message));
            }
            to_web.send(Message::Binary(message.freeze())).await?;
        }
    };
    let down = async {
        while let Some(message) = from_web.next().await {
            to_plain.write_all(&message?.into_data()).await?;
        }
        Ok(())
    };
    tokio::try_join!(up, down)?;
    Ok(())
}
