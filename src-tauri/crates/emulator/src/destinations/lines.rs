//! The inventory: a small protocol of text lines. It also sits where databases would, and tells a
//! PostgreSQL client politely that it is none.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// The longest line anybody has a use for.
const LONGEST_LINE: u64 = 1024;

const HELP: &str = "\
HELP              this text
LIST              every article: number, stock, name
FIND word         the articles with that word in their name
STOCK number      how many there are
TAKE number n     takes n out
ADD number n      puts n in
SUM               how many of everything
QUIT              ends the talk
";

/// What is in stock. Clones share it.
#[derive(Clone)]
pub(super) struct Stock(Arc<Mutex<BTreeMap<u32, (&'static str, u64)>>>);

impl Default for Stock {
    fn default() -> Self {
        let articles = [
            (1001, "Quartz espresso, 1 kg", 420),
            (1002, "Mica filter blend, 500 g", 1310),
            (1003, "Basalt dark roast, 1 kg", 77),
            (1004, "Orthoclase decaf, 250 g", 58),
            (2001, "Paper filters, 100", 9600),
            (2002, "Hand grinder", 34),
            (2003, "Stoneware cup", 512),
            (3001, "Green beans, Huila, 69 kg", 41),
            (3002, "Green beans, Sidama, 60 kg", 29),
        ];
        let articles = articles.into_iter().map(|(number, name, count)| (number, (name, count)));
        Self(Arc::new(Mutex::new(articles.collect())))
    }
}

pub(super) async fn serve(mut stream: TcpStream, name: &str, stock: &Stock) -> io::Result<()> {
    let mut first = [0; 1];
    // A PostgreSQL client begins with the length of its first message, so with a zero.
    if stream.peek(&mut first).await? == 1 && first == [0] {
        return refuse_postgres(&mut stream).await;
    }
    let (from, mut to) = stream.split();
    let mut from = BufReader::new(from);
    to.write_all(format!("OK {name} inventory, HELP helps\n").as_bytes()).await?;
    loop {
        let mut line = Vec::new();
        if (&mut from).take(LONGEST_LINE).read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == LONGEST_LINE {
            to.write_all(b"ERR that line is too long\n").await?;
            return Ok(());
        }
        match stock.answer(&String::from_utf8_lossy(&line)) {
            Some(answer) => to.write_all(answer.as_bytes()).await?,
            None => return to.write_all(b"OK bye\n").await,
        }
    }
}

impl Stock {
    /// The answer to one line; `None` ends the talk.
    fn answer(&self, line: &str) -> Option<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let command = words.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
        Some(match (command.as_str(), words.get(1..).unwrap_or_default()) {
            ("", _) => String::new(),
            ("HELP", []) => format!("{HELP}.\n"),
            ("LIST", []) => self.listed(""),
            ("FIND", [word]) => self.listed(&word.to_lowercase()),
            ("SUM", []) => {
                let sum: u64 = self.lock().values().map(|(_, count)| count).sum();
                format!("OK {sum}\n")
            }
            ("STOCK", [number]) => self.change(number, Some),
            ("TAKE", [number, by]) => match by.parse::<u64>() {
                Ok(by) => self.change(number, |count| count.checked_sub(by)),
                Err(_) => "ERR that is no number\n".to_owned(),
            },
            ("ADD", [number, by]) => match by.parse::<u64>() {
                Ok(by) => self.change(number, |count| count.checked_add(by)),
                Err(_) => "ERR that is no number\n".to_owned(),
            },
            ("QUIT", []) => return None,
            _ => "ERR unknown, HELP helps\n".to_owned(),
        })
    }

    fn listed(&self, word: &str) -> String {
        let mut lines: String = self
            .lock()
            .iter()
            .filter(|(_, (name, _))| name.to_lowercase().contains(word))
            .map(|(number, (name, count))| format!("{number} {count} {name}\n"))
            .collect();
        lines.push_str(".\n");
        lines
    }

    fn change(&self, number: &str, change: impl FnOnce(u64) -> Option<u64>) -> String {
        let mut articles = self.lock();
        let found = number.parse().ok().and_then(|number: u32| articles.get_mut(&number));
        let Some((_, count)) = found else { return "ERR no such article\n".to_owned() };
        match change(*count) {
            Some(now) => {
                *count = now;
                format!("OK {now}\n")
            }
            None => format!("ERR there are {count}\n"),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, (&'static str, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers `SSLRequest` with no and anything else with an `ErrorResponse`.
async fn refuse_postgres(stream: &mut TcpStream) -> io::Result<()> {
    const SSL_REQUEST: u32 = 80_877_103;
    loop {
        let length = stream.read_u32().await?;
        let kind = stream.read_u32().await?;
        let rest = u64::from(length.saturating_sub(8)).min(LONGEST_LINE);
        tokio::io::copy(&mut (&mut *stream).take(rest), &mut tokio::io::sink()).await?;
        if kind == SSL_REQUEST {
            stream.write_all(b"N").await?;
            continue;
        }
        let fields = b"SFATAL\0VFATAL\0C0A000\0\
            Mthe sandbox has no database here; it speaks plain lines, try: nc localhost PORT\0\0";
        stream.write_all(b"E").await?;
        stream.write_u32(u32::try_from(fields.len() + 4).unwrap_or(u32::MAX)).await?;
        stream.write_all(fields).await?;
        return stream.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destinations::testing;

    #[test]
    fn articles_are_listed_found_and_counted() {
        let stock = Stock::default();
        assert!(stock.answer("HELP\n").unwrap().ends_with(".\n"));
        assert_eq!(stock.answer("stock 2002\r\n").unwrap(), "OK 34\n");
        assert_eq!(stock.answer("TAKE 2002 4").unwrap(), "OK 30\n");
        assert_eq!(stock.answer("TAKE 2002 31").unwrap(), "ERR there are 30\n");
        assert_eq!(stock.answer("FIND basalt").unwrap(), "1003 77 Basalt dark roast, 1 kg\n.\n");
        for wrong in ["STOCK", "STOCK 9", "TAKE 2002 x", "NOISE", "LIST all"] {
            assert!(stock.answer(wrong).unwrap().starts_with("ERR"), "{wrong}");
        }
        assert_eq!(stock.answer("quit"), None);
    }

    #[tokio::test]
    async fn a_talk_has_a_greeting_answers_and_an_end() {
        let answer = talk(b"SUM\nQUIT\n").await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("OK there inventory"), "{answer}");
        assert!(answer.ends_with("OK bye\n"), "{answer}");
    }

    #[tokio::test]
    async fn a_postgres_client_is_told_the_truth() {
        let mut startup = Vec::new();
        startup.extend_from_slice(&8u32.to_be_bytes());
        startup.extend_from_slice(&80_877_103u32.to_be_bytes());
        startup.extend_from_slice(&16u32.to_be_bytes());
        startup.extend_from_slice(&196_608u32.to_be_bytes());
        startup.extend_from_slice(b"user\0\0\0\0");
        let answer = talk(&startup).await;
        assert_eq!(&answer[..2], b"NE");
        assert!(answer.windows(5).any(|five| five == b"FATAL"));
    }

    async fn talk(said: &[u8]) -> Vec<u8> {
        let stock = Stock::default();
        testing::talk(said, |stream| serve(stream, "there", &stock)).await
    }
}
