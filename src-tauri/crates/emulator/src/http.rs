//! The one address of the emulator: who asks for what, and who answers.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Faults;
use crate::services::World;
use crate::tally::Tally;

mod api;
mod reply;
mod sandbox;
mod sign_in;
#[cfg(test)]
mod tests;
mod upgrade;

pub(crate) use sandbox::state;

type Reply = Response<Full<Bytes>>;

/// What every request is answered from.
#[derive(Clone)]
pub(crate) struct Front {
    pub(crate) world: Arc<World>,
    pub(crate) faults: Faults,
    pub(crate) tally: Tally,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer, as asked")]
struct HangUp;

impl Front {
    /// Answers on `listener` until told to stop.
    pub(crate) async fn serve(self, listener: TcpListener) {
        while let Some(accepted) = self.stop.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((stream, _)) => {
                    self.tally.connection();
                    // A keystroke must not wait for the acknowledgement of the one before.
                    drop(stream.set_nodelay(true));
                    self.tasks.spawn(self.clone().converse(stream));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    async fn converse(self, stream: TcpStream) {
        let service = service_fn(|request| {
            let front = self.clone();
            async move { front.answer(request).await }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        if let Some(Err(error)) = self.stop.run_until_cancelled(connection).await {
            tracing::debug!(%error, "connection broke");
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Reply, HangUp> {
        let path = request.uri().path().to_owned();
        if let Some(session_id) = path.strip_prefix("/v1/data-channel/") {
            return Ok(self.upgrade(request, session_id));
        }
        if let Some(what) = path.strip_prefix("/_sandbox/") {
            return Ok(self.sandbox(request, what).await);
        }
        if sign_in::is_at(&path) {
            return Ok(self.sign_in(request, &path).await);
        }
        if path == "/" && matches!(*request.method(), Method::POST | Method::GET) {
            return self.api(request).await;
        }
        tracing::warn!(method = %request.method(), path, "nothing is at that address");
        Ok(reply::plain(StatusCode::NOT_FOUND, "<UnknownOperationException/>\n", "application/xml"))
    }
}

impl From<Infallible> for HangUp {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
