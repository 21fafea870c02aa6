//! The emulator's own addresses: faults to play, ports to map, and what has happened.
//!
//! They need no signature: only this machine can reach them.

use std::net::SocketAddr;

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use super::{Front, Reply, reply};
use crate::faults::Fault;
use crate::services::World;
use crate::tally::Counts;

const BODY_LIMIT: usize = 1024 * 1024;
const JSON: &str = "application/json";

/// `POST /_sandbox/ports`: makes `host:port`, as a node sees it, lead to a loopback address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mapping {
    /// A node's id; every node when absent.
    node: Option<String>,
    #[serde(default = "localhost")]
    host: String,
    port: u16,
    to: SocketAddr,
}

fn localhost() -> String {
    "localhost".to_owned()
}

/// One fault or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Several {
    Many(Vec<serde_json::Value>),
    One(serde_json::Value),
}

impl Front {
    pub(super) async fn sandbox(self, request: Request<Incoming>, what: &str) -> Reply {
        if !is_local(&request) {
            // A page in a browser may reach this machine's ports under a name of its own.
            return failure(StatusCode::FORBIDDEN, "ask by address or as localhost");
        }
        let (parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
            return failure(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long or broke off");
        };
        let body = body.to_bytes();
        match (&parts.method, what) {
            (&Method::GET, "state") => {
                let state = state(&self.world, &self.tally.counts());
                reply::plain(StatusCode::OK, format!("{state:#}\n"), JSON)
            }
            (&Method::POST, "faults") => done(self.play(&body)),
            (&Method::POST, "ports") => done(self.map(&body)),
            (_, "state" | "faults" | "ports") => {
                failure(StatusCode::METHOD_NOT_ALLOWED, "GET state, POST faults, POST ports")
            }
            _ => failure(StatusCode::NOT_FOUND, "there are state, faults and ports"),
        }
    }

    fn play(&self, body: &[u8]) -> Result<(), String> {
        let faults = match serde_json::from_slice(body).map_err(|error| error.to_string())? {
            Several::Many(faults) => faults,
            Several::One(fault) => vec![fault],
        };
        // All are read before the first is played.
        let faults: Vec<Fault> = faults
            .into_iter()
            .map(serde_json::from_value)
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        faults
            .into_iter()
            .try_for_each(|fault| self.faults.apply(fault).map_err(|error| error.to_string()))
    }

    fn map(&self, body: &[u8]) -> Result<(), String> {
        let Mapping { node, host, port, to } =
            serde_json::from_slice(body).map_err(|error| error.to_string())?;
        if !to.ip().is_loopback() {
            return Err("ports lead to this machine's loopback only".to_owned());
        }
        self.world.destinations.map(node.as_deref(), &host, port, to);
        Ok(())
    }
}

/// What `GET /_sandbox/state` tells.
pub(crate) fn state(world: &World, counts: &Counts) -> serde_json::Value {
    let active: Vec<_> = world
        .sessions
        .active()
        .into_iter()
        .map(|record| {
            json!({
                "id": record.id,
                "account": record.account,
                "region": record.region,
                "target": record.target,
                "document": record.document,
                "owner": record.owner,
                "status": format!("{:?}", record.status),
            })
        })
        .collect();
    json!({
        "endpoint": world.url,
        "nodes": world.scenario.all_nodes().count(),
        "counts": counts,
        "sessions": { "active": active.len(), "list": active },
    })
}

fn is_local(request: &Request<Incoming>) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    matches!(name, Some("127.0.0.1" | "localhost" | "[::1]"))
}

fn done(result: Result<(), String>) -> Reply {
    match result {
        Ok(()) => reply::plain(StatusCode::OK, "{\"ok\":true}\n", JSON),
        Err(words) => failure(StatusCode::BAD_REQUEST, &words),
    }
}

fn failure(status: StatusCode, words: &str) -> Reply {
    reply::plain(status, format!("{}\n", json!({ "error": words })), JSON)
}
