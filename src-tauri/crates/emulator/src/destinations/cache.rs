//! The cache: a key-value store that speaks enough RESP for `redis-cli` and for people typing.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;

/// The longest line and the longest value.
const LONGEST: usize = 1024 * 1024;
/// The most words of one command.
const MOST_WORDS: usize = 1024;
/// The most keys; a full store refuses new ones.
const MOST_KEYS: usize = 10_000;

/// What is stored. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Store(Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>);

pub(super) async fn serve(mut stream: TcpStream, name: &str, store: &Store) -> io::Result<()> {
    let (from, mut to) = stream.split();
    let mut from = BufReader::new(from);
    loop {
        let words = match read_command(&mut from).await {
            Ok(Some(words)) => words,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return to.write_all(format!("-ERR Protocol error: {error}\r\n").as_bytes()).await;
            }
            Err(error) => return Err(error),
        };
        if words.is_empty() {
            continue;
        }
        to.write_all(&store.answer(name, &words)).await?;
        if words.first().is_some_and(|word| word.eq_ignore_ascii_case(b"QUIT")) {
            return Ok(());
        }
    }
}

/// Reads `*n $len value…` or a line of words; `None` at the end.
async fn read_command<R>(from: &mut BufReader<R>) -> io::Result<Option<Vec<Vec<u8>>>>
where
    R: AsyncRead + Unpin,
{
    let Some(line) = read_line(from).await? else { return Ok(None) };
    let Some(count) = line.strip_prefix(b"*") else {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        return Ok(Some(words.map(<[u8]>::to_vec).collect()));
    };
    let count = number(count).filter(|count| *count <= MOST_WORDS);
    let count = count.ok_or_else(|| broken("invalid multibulk length"))?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let line = read_line(from).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let length = line.strip_prefix(b"$").ok_or_else(|| broken("expected '$'"))?;
        let length = number(length).filter(|length| *length <= LONGEST);
        let length = length.ok_or_else(|| broken("invalid bulk length"))?;
        let mut word = vec![0; length + 2];
        from.read_exact(&mut word).await?;
        word.truncate(length);
        words.push(word);
    }
    Ok(Some(words))
}

async fn read_line<R>(from: &mut BufReader<R>) -> io::Result<Option<Vec<u8>>>
where
    R: AsyncRead + Unpin,
{
    let mut line = Vec::new();
    let read = from.take(LONGEST as u64).read_until(b'\n', &mut line).await?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        return Err(broken("too big inline request"));
    }
    while line.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        line.pop();
    }
    Ok(Some(line))
}

fn number(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Store {
    fn answer(&self, name: &str, words: &[Vec<u8>]) -> Vec<u8> {
        let Some((command, arguments)) = words.split_first() else { return Vec::new() };
        let command = String::from_utf8_lossy(command).to_ascii_uppercase();
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (command.as_str(), arguments) {
            ("PING", []) => simple("PONG"),
            ("PING" | "ECHO", [word]) => bulk(word),
            ("SET", [key, value, ..]) => {
                if values.len() >= MOST_KEYS && !values.contains_key(key) {
                    return error("OOM command not allowed when used memory > 'maxmemory'.");
                }
                values.insert(key.clone(), value.clone());
                simple("OK")
            }
            ("GET", [key]) => values.get(key).map_or_else(|| b"$-1\r\n".to_vec(), |v| bulk(v)),
            ("DEL", keys) => {
                integer(keys.iter().filter(|key| values.remove(*key).is_some()).count() as i64)
            }
            ("EXISTS", keys) => {
                integer(keys.iter().filter(|key| values.contains_key(*key)).count() as i64)
            }
            ("INCR", [key]) => {
                let now = values.get(key).map_or(Some(0), |value| {
                    std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok())
                });
                match now.and_then(|now| now.checked_add(1)) {
                    Some(next) => {
                        values.insert(key.clone(), next.to_string().into_bytes());
                        integer(next)
                    }
                    None => error("ERR value is not an integer or out of range"),
                }
            }
            ("KEYS", [_]) => list(values.keys()),
            ("DBSIZE", []) => integer(values.len() as i64),
            ("INFO", _) => bulk(format!("# Server\r\nnode:{name}\r\nmode:sandbox\r\n").as_bytes()),
            ("COMMAND" | "CONFIG", _) => list([]),
            ("SELECT" | "CLIENT" | "FLUSHALL", _) => {
                if command == "FLUSHALL" {
                    values.clear();
                }
                simple("OK")
            }
            ("QUIT", _) => simple("OK"),
            _ => error(&format!("ERR unknown command '{command}'")),
        }
    }
}

fn simple(word: &str) -> Vec<u8> {
    format!("+{word}\r\n").into_bytes()
}

fn error(words: &str) -> Vec<u8> {
    format!("-{words}\r\n").into_bytes()
}

fn integer(number: i64) -> Vec<u8> {
    format!(":{number}\r\n").into_bytes()
}

fn bulk(value: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat()
}

fn list<'a>(values: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    let values: Vec<Vec<u8>> = values.into_iter().map(|value| bulk(value)).collect();
    [format!("*{}\r\n", values.len()).into_bytes(), values.concat()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destinations::testing;

    #[tokio::test]
    async fn both_forms_of_commands_are_understood() {
        let said = b"PING\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\nget k\nINCR n\r\nGET none\r\nQUIT\r\n";
        let answer = talk(said).await;
        let expected: &[u8] = b"+PONG\r\n+OK\r\n$4\r\na\r\nb\r\n:1\r\n$-1\r\n+OK\r\n";
        assert_eq!(String::from_utf8_lossy(&answer), String::from_utf8_lossy(expected));
    }

    #[tokio::test]
    async fn nonsense_is_answered_and_lengths_are_bounded() {
        assert_eq!(talk(b"NOISE\r\nQUIT\r\n").await, b"-ERR unknown command 'NOISE'\r\n+OK\r\n");
        for said in [&b"*99999999\r\n"[..], b"*1\r\n$99999999999\r\n", b"*1\r\n!\r\n"] {
            assert!(talk(said).await.starts_with(b"-ERR Protocol error"));
        }
    }

    async fn talk(said: &[u8]) -> Vec<u8> {
        let store = Store::default();
        testing::talk(said, |stream| serve(stream, "there", &store)).await
    }
}
