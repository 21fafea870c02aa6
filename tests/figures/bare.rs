//! The least a client can do: what is left when it is taken away is the far end's own time.

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use protocol::OpenDataChannel;
use protocol::{Message as Frame, MessageType};
use session::StartRequest;
use tokio_tungstenite::tungstenite::Message;

use crate::Measured;
use crate::ground::{Ground, PATIENCE};

/// From asking for a session to the first output of its shell.
pub(crate) async fn first_output(ground: &Ground) -> Measured<Duration> {
    let control = ground.account.control();
    let request = StartRequest { target: ground.node.clone(), ..StartRequest::default() };
    let start = Instant::now();
    let ticket = control.start_session(&request).await?;
    let (mut socket, _) = tokio_tungstenite::connect_async(ticket.stream_url.as_str()).await?;
    let opening = OpenDataChannel {
        message_schema_version: OpenDataChannel::MESSAGE_SCHEMA_VERSION.to_owned(),
        request_id: "d153ec1b-09ca-46f4-a5ff-93e1ecf2b1c2".to_owned(),
        token_value: ticket.token.expose().to_owned(),
        client_instance_id: None,
        client_id: "ca23bc98-d34f-4815-9e4c-f33953868562".to_owned(),
        client_version: Some("1.2.764.0".to_owned()),
    };
    socket.send(Message::text(opening.encode())).await?;
    loop {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await?;
        let Message::Binary(frame) = message.ok_or("closed before the first output")?? else {
            continue;
        };
        if Frame::decode(frame)?.message_type == MessageType::OutputStreamData {
            let took = start.elapsed();
            control.terminate_session(&ticket.session_id).await?;
            return Ok(took);
        }
    }
}
