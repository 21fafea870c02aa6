//! The person's own terminal: raw mode, its size, and what is typed.

use std::io::{IsTerminal, Read as _};

use bytes::Bytes;
use tokio::sync::mpsc;

/// The size claimed where there is no terminal to ask, as the official client claims it.
const SIZE_WITHOUT_TERMINAL: (u16, u16) = (300, 100);
/// Most bytes of a program taken at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Something the person did at the terminal.
#[derive(Debug)]
pub(crate) enum TtyEvent {
    /// Bytes as the far end should get them.
    Typed(Vec<u8>),
    /// The window has this many columns and rows now.
    Resized(u16, u16),
    /// Standard input has ended.
    EndOfInput,
}

/// Raw mode, left again when this is dropped.
#[derive(Debug)]
pub(crate) struct RawMode(bool);

impl RawMode {
    /// Puts the terminal into raw mode if standard input is one.
    ///
    /// # Errors
    /// The terminal's own, if it cannot be switched.
    pub(crate) fn enter() -> std::io::Result<Self> {
        let is_terminal = std::io::stdin().is_terminal();
        if is_terminal {
            crossterm::terminal::enable_raw_mode()?;
        }
        Ok(Self(is_terminal))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if self.0 {
            let _ = crossterm::terminal::disable_raw_mode();
        }
    }
}

/// Columns and rows of the terminal, or a wide page where there is none.
pub(crate) fn size() -> (u16, u16) {
    if !std::io::stdout().is_terminal() {
        return SIZE_WITHOUT_TERMINAL;
    }
    match crossterm::terminal::size() {
        Ok((columns, rows)) if columns > 0 && rows > 0 => (columns, rows),
        _ => SIZE_WITHOUT_TERMINAL,
    }
}

/// Starts to read standard input for a program's bytes, which end with the channel.
///
/// The queue holds 4 pieces of at most 64 KiB; when it is full nothing is read.
pub(crate) fn bytes() -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(4);
    // A blocking read cannot be cancelled; the thread goes with the process.
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = vec![0_u8; PIECE_BYTES];
        loop {
            match stdin.read(&mut buffer) {
                Ok(length) if length > 0 => {
                    let piece = buffer.get(..length).unwrap_or_default();
                    if sender.blocking_send(Bytes::copy_from_slice(piece)).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return,
            }
        }
    });
    receiver
}

/// Starts to read the terminal. The reader ends with the receiver.
///
/// The queue holds 64 pieces; when it is full the terminal is not read, so a paste waits in the
/// terminal's own buffer.
pub(crate) fn events() -> mpsc::Receiver<TtyEvent> {
    let (sender, receiver) = mpsc::channel(64);
    platform::spawn(sender);
    receiver
}

#[cfg(unix)]
mod platform {
    use std::io::Read;

    use tokio::signal::unix::{SignalKind, signal};
    use tokio::sync::mpsc;

    use super::TtyEvent;

    /// One thread reads, since a blocking read of a terminal cannot be cancelled; it goes with the process.
    pub(super) fn spawn(sender: mpsc::Sender<TtyEvent>) {
        let typed = sender.clone();
        std::thread::spawn(move || {
            let mut stdin = std::io::stdin().lock();
            let mut buffer = [0_u8; 4096];
            loop {
                match stdin.read(&mut buffer) {
                    Ok(0) => {
                        let _ = typed.blocking_send(TtyEvent::EndOfInput);
                        return;
                    }
                    Ok(length) => {
                        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                        if typed.blocking_send(TtyEvent::Typed(bytes)).is_err() {
                            return;
                        }
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => {
                        let _ = typed.blocking_send(TtyEvent::EndOfInput);
                        return;
                    }
                }
            }
        });
        tokio::spawn(async move {
            let Ok(mut window_changes) = signal(SignalKind::window_change()) else { return };
            while window_changes.recv().await.is_some() {
                let (columns, rows) = super::size();
                if sender.send(TtyEvent::Resized(columns, rows)).await.is_err() {
                    return;
                }
            }
        });
    }
}

#[cfg(windows)]
mod platform {
    use std::io::{IsTerminal, Read};

    use crossterm::event::{Event, KeyEventKind};
    use tokio::sync::mpsc;

    use super::TtyEvent;

    /// The console gives keys, not bytes, unless input is a pipe.
    pub(super) fn spawn(sender: mpsc::Sender<TtyEvent>) {
        std::thread::spawn(move || {
            if std::io::stdin().is_terminal() {
                read_console(&sender);
            } else {
                read_pipe(&sender);
            }
            let _ = sender.blocking_send(TtyEvent::EndOfInput);
        });
    }

    fn read_console(sender: &mpsc::Sender<TtyEvent>) {
        while let Ok(event) = crossterm::event::read() {
            let event = match event {
                Event::Key(key) if key.kind != KeyEventKind::Release => {
                    let bytes = crate::keys::encode(&key);
                    if bytes.is_empty() {
                        continue;
                    }
                    TtyEvent::Typed(bytes)
                }
                Event::Paste(text) => TtyEvent::Typed(text.into_bytes()),
                Event::Resize(columns, rows) => TtyEvent::Resized(columns, rows),
                Event::Key(_) | Event::Mouse(_) | Event::FocusGained | Event::FocusLost => continue,
            };
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    }

    fn read_pipe(sender: &mpsc::Sender<TtyEvent>) {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = [0_u8; 4096];
        while let Ok(length) = stdin.read(&mut buffer) {
            let bytes = buffer.get(..length).unwrap_or_default().to_vec();
            if length == 0 || sender.blocking_send(TtyEvent::Typed(bytes)).is_err() {
                return;
            }
        }
    }
}
