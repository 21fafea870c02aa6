//! The escape keys of a remote shell, as `ssh` has them: `~.` at the start of a line leaves.

/// What a piece of typed input comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// Bytes for the far end.
    Forward(Vec<u8>),
    /// `~.`: leave the session now. The bytes typed before it come first.
    Leave(Vec<u8>),
    /// `~?`: show the escapes. The bytes typed before it come first, the rest is to be fed again.
    Help {
        /// Bytes typed before the escape.
        before: Vec<u8>,
        /// Bytes typed behind it, not yet looked at.
        rest: Vec<u8>,
    },
}

/// Where in a line the person is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    Tilde,
    Within,
}

/// Watches typed input for escapes.
#[derive(Debug)]
pub(crate) struct Escapes {
    place: Place,
}

impl Escapes {
    /// Starts at the beginning of a line, where a session starts.
    pub(crate) fn new() -> Self {
        Self { place: Place::LineStart }
    }

    /// Takes what was typed. A tilde at the start of a line is held until the next key says what it was.
    pub(crate) fn feed(&mut self, typed: &[u8]) -> Typed {
        let mut forward = Vec::with_capacity(typed.len() + 1);
        for (at, byte) in typed.iter().copied().enumerate() {
            match (self.place, byte) {
                (Place::LineStart, b'~') => self.place = Place::Tilde,
                (Place::Tilde, b'.') => {
                    self.place = Place::LineStart;
                    return Typed::Leave(forward);
                }
                (Place::Tilde, b'?') => {
                    self.place = Place::LineStart;
                    let rest = typed.get(at + 1..).unwrap_or_default().to_vec();
                    return Typed::Help { before: forward, rest };
                }
                (Place::Tilde, b'~') => {
                    forward.push(b'~');
                    self.place = Place::Within;
                }
                (Place::Tilde, _) => {
                    forward.extend([b'~', byte]);
                    self.place = Self::after(byte);
                }
                (Place::LineStart | Place::Within, _) => {
                    forward.push(byte);
                    self.place = Self::after(byte);
                }
            }
        }
        Typed::Forward(forward)
    }

    fn after(byte: u8) -> Place {
        if matches!(byte, b'\r' | b'\n') { Place::LineStart } else { Place::Within }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tilde_dot_leaves_only_at_the_start_of_a_line() {
        let mut escapes = Escapes::new();
        assert_eq!(escapes.feed(b"ls ~."), Typed::Forward(b"ls ~.".to_vec()));
        assert_eq!(escapes.feed(b"\r"), Typed::Forward(b"\r".to_vec()));
        assert_eq!(escapes.feed(b"~"), Typed::Forward(Vec::new()));
        assert_eq!(escapes.feed(b"."), Typed::Leave(Vec::new()));
    }

    #[test]
    fn a_tilde_that_is_no_escape_arrives() {
        let mut escapes = Escapes::new();
        assert_eq!(escapes.feed(b"~/bin/x\r"), Typed::Forward(b"~/bin/x\r".to_vec()));
        assert_eq!(escapes.feed(b"~~x"), Typed::Forward(b"~x".to_vec()));
    }

    #[test]
    fn help_gives_back_what_came_behind_it() {
        let mut escapes = Escapes::new();
        let typed = escapes.feed(b"a\r~?b");
        assert_eq!(typed, Typed::Help { before: b"a\r".to_vec(), rest: b"b".to_vec() });
    }
}
