//! The status page of a node: a small web server with something to download and upload.
//!
//! | path | answer |
//! |---|---|
//! | `GET /` | the page |
//! | `GET /health` | `ok` |
//! | `GET /status.json` | what the page shows |
//! | `GET /bytes/N` | `N` bytes |
//! | `GET /sha256/N` | the SHA-256 of those bytes, in hexadecimal |
//! | `POST /upload` | how much came and its SHA-256, in JSON |

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use futures_util::stream;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;

use super::{About, pattern};

/// The longest `/bytes/N`; a round 16 GiB.
const LONGEST: u64 = 16 << 30;

type Body = BoxBody<Bytes, Infallible>;

pub(super) async fn serve(stream: TcpStream, about: Arc<About>) -> io::Result<()> {
    let service = service_fn(|request| {
        let about = Arc::clone(&about);
        async move { Ok::<_, Infallible>(answer(request, &about).await) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        // A client may end its sending half and still wait for the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

async fn answer(request: Request<Incoming>, about: &About) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let reading = parts.method == Method::GET || parts.method == Method::HEAD;
    match path {
        "/" if reading => text("text/html; charset=utf-8", page(about)),
        "/health" if reading => text("text/plain; charset=utf-8", "ok\n".to_owned()),
        "/status.json" if reading => text("application/json", status(about)),
        "/upload" if parts.method == Method::POST || parts.method == Method::PUT => {
            upload(body).await
        }
        _ if reading => {
            let number = |prefix: &str| -> Option<u64> {
                path.strip_prefix(prefix)?.parse().ok().filter(|length| *length <= LONGEST)
            };
            if let Some(length) = number("/bytes/") {
                return bytes(length);
            }
            match number("/sha256/") {
                Some(length) => {
                    text("text/plain; charset=utf-8", format!("{}\n", hex(pattern::digest(length))))
                }
                None => failure(StatusCode::NOT_FOUND, "There is nothing at this address.\n"),
            }
        }
        _ => failure(StatusCode::METHOD_NOT_ALLOWED, "This address takes no such request.\n"),
    }
}

fn bytes(length: u64) -> Response<Body> {
    let pieces = pattern::pieces(length).map(|piece| Ok(Frame::data(piece)));
    let mut response = Response::new(StreamBody::new(stream::iter(pieces)).boxed());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/octet-stream"));
    response
}

async fn upload(mut body: Incoming) -> Response<Body> {
    let mut digest = Sha256::new();
    let mut length = 0u64;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return failure(StatusCode::BAD_REQUEST, "The upload broke off.\n");
        };
        if let Ok(mut data) = frame.into_data() {
            length += data.len() as u64;
            while data.has_remaining() {
                let piece = data.chunk().len();
                digest.update(data.chunk());
                data.advance(piece);
            }
        }
    }
    text("application/json", format!("{{\"bytes\":{length},\"sha256\":\"{}\"}}\n", hex(digest)))
}

fn status(about: &About) -> String {
    let facts: serde_json::Map<_, _> = about
        .facts
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
        .collect();
    format!("{}\n", serde_json::Value::Object(facts))
}

fn page(about: &About) -> String {
    let mut rows = String::new();
    for (name, value) in &about.facts {
        let _ = writeln!(rows, "<tr><th>{}</th><td>{}</td></tr>", escape(name), escape(value));
    }
    let name = escape(&about.name);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{name} - Feldspar Coffee</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <p class=\"ok\">All systems roasting</p>\n<h1>{name}</h1>\n<table>\n{rows}</table>\n\
         <p>You reached this page through a tunnel into the sandbox. Try \
         <a href=\"/status.json\">status.json</a>, <a href=\"/health\">health</a> or a download of \
         <a href=\"/bytes/1048576\">1 MiB</a> or <a href=\"/bytes/67108864\">64 MiB</a>.</p>\n\
         </main>\n</body>\n</html>\n"
    )
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f6f2ec;\
    color:#2b2420}main{max-width:36rem;margin:3rem auto;padding:2rem;background:#fff;\
    border-radius:12px;box-shadow:0 1px 8px #0001}h1{margin:.2rem 0 1rem;font-size:1.6rem}\
    .ok{display:inline-block;margin:0;padding:.1rem .7rem;border-radius:1rem;background:#e3f1e4;\
    color:#1f6b2b;font-size:.9rem}table{border-collapse:collapse;width:100%}\
    th,td{text-align:left;padding:.3rem 0;border-bottom:1px solid #eee}\
    th{width:9rem;color:#7a6f68;font-weight:500}a{color:#8a4b12}\
    @media(prefers-color-scheme:dark){body{background:#1d1815;color:#eee}main{background:#2a2420}\
    th,td{border-color:#3a332e}a{color:#e2a76f}.ok{background:#21402a;color:#a5dcae}}";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn text(kind: &'static str, content: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(content)).boxed());
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

fn failure(status: StatusCode, words: &str) -> Response<Body> {
    let mut response = text("text/plain; charset=utf-8", words.to_owned());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destinations::testing;

    #[tokio::test]
    async fn the_page_shows_the_node_and_escapes_what_it_shows() {
        let answer = ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"").await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"));
        assert!(answer.contains("<h1>a&lt;b</h1>"));
    }

    #[tokio::test]
    async fn a_download_is_as_long_as_asked_and_its_digest_is_told() {
        let request = "GET /bytes/200000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answer = ask(request, b"").await;
        let download = body(&answer);
        assert_eq!(download.len(), 200_000);
        let request = "GET /sha256/200000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let told = ask(request, b"").await;
        let digest = hex(Sha256::new_with_prefix(download));
        assert_eq!(body(&told), format!("{digest}\n").as_bytes());
    }

    #[tokio::test]
    async fn an_upload_is_counted_and_digested() {
        let request =
            "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
        let answer = ask(request, b"hello").await;
        let digest = hex(Sha256::new_with_prefix(b"hello"));
        let expected = format!("{{\"bytes\":5,\"sha256\":\"{digest}\"}}\n");
        assert_eq!(body(&answer), expected.as_bytes());
    }

    #[tokio::test]
    async fn other_addresses_and_methods_are_refused() {
        for (line, status) in [
            ("GET /nothing", "404"),
            ("GET /bytes/x", "404"),
            ("GET /bytes/99999999999999", "404"),
            ("DELETE /", "405"),
        ] {
            let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let answer = ask(&request, b"").await;
            assert!(answer.starts_with(format!("HTTP/1.1 {status}").as_bytes()), "{line}");
        }
    }

    async fn ask(request: &str, body: &[u8]) -> Vec<u8> {
        let facts = vec![("Node", "i-1".to_owned())];
        let about = About { id: "i-1".into(), name: "a<b".into(), facts };
        let said = [request.as_bytes(), body].concat();
        testing::talk(&said, |stream| serve(stream, Arc::new(about))).await
    }

    fn body(answer: &[u8]) -> &[u8] {
        let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        &answer[at + 4..]
    }
}
