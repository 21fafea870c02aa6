//! Keys of a console as the bytes a terminal sends for them (xterm's, as a remote shell expects).

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The bytes of one key press; empty for a key that sends none.
pub(crate) fn encode(key: &KeyEvent) -> Vec<u8> {
    let mut bytes = match key.code {
        KeyCode::Char(character) => character_bytes(character, key.modifiers),
        KeyCode::Enter => vec![b'\r'],
        KeyCode::Tab => vec![b'\t'],
        KeyCode::BackTab => b"\x1b[Z".to_vec(),
        KeyCode::Backspace => vec![0x7f],
        KeyCode::Esc => vec![0x1b],
        KeyCode::Up => cursor(b'A', key.modifiers),
        KeyCode::Down => cursor(b'B', key.modifiers),
        KeyCode::Right => cursor(b'C', key.modifiers),
        KeyCode::Left => cursor(b'D', key.modifiers),
        KeyCode::Home => cursor(b'H', key.modifiers),
        KeyCode::End => cursor(b'F', key.modifiers),
        KeyCode::Insert => editing(2, key.modifiers),
        KeyCode::Delete => editing(3, key.modifiers),
        KeyCode::PageUp => editing(5, key.modifiers),
        KeyCode::PageDown => editing(6, key.modifiers),
        KeyCode::F(number @ 1..=4) => vec![0x1b, b'O', b'P' + (number - 1)],
        KeyCode::F(number) => function(number),
        KeyCode::Null => vec![0],
        KeyCode::CapsLock
        | KeyCode::ScrollLock
        | KeyCode::NumLock
        | KeyCode::PrintScreen
        | KeyCode::Pause
        | KeyCode::Menu
        | KeyCode::KeypadBegin
        | KeyCode::Media(_)
        | KeyCode::Modifier(_) => Vec::new(),
    };
    let is_text = matches!(key.code, KeyCode::Char(_) | KeyCode::Enter | KeyCode::Backspace);
    let is_alt =
        key.modifiers.contains(KeyModifiers::ALT) && !key.modifiers.contains(KeyModifiers::CONTROL);
    if is_text && is_alt && !bytes.is_empty() {
        bytes.insert(0, 0x1b);
    }
    bytes
}

fn character_bytes(character: char, modifiers: KeyModifiers) -> Vec<u8> {
    // AltGr arrives as Ctrl+Alt on Windows and means the character itself.
    let is_control =
        modifiers.contains(KeyModifiers::CONTROL) && !modifiers.contains(KeyModifiers::ALT);
    if is_control {
        let upper = character.to_ascii_uppercase();
        if matches!(upper, '@'..='_') {
            return u8::try_from(upper).map_or_else(|_| Vec::new(), |byte| vec![byte & 0x1f]);
        }
        if character == ' ' {
            return vec![0];
        }
    }
    character.to_string().into_bytes()
}

/// xterm's number for a set of modifiers: 1 + shift 1 + alt 2 + control 4.
fn modifier_number(modifiers: KeyModifiers) -> u8 {
    1 + u8::from(modifiers.contains(KeyModifiers::SHIFT))
        + 2 * u8::from(modifiers.contains(KeyModifiers::ALT))
        + 4 * u8::from(modifiers.contains(KeyModifiers::CONTROL))
}

fn cursor(letter: u8, modifiers: KeyModifiers) -> Vec<u8> {
    match modifier_number(modifiers) {
        1 => vec![0x1b, b'[', letter],
        number => format!("\x1b[1;{number}{}", char::from(letter)).into_bytes(),
    }
}

fn editing(code: u8, modifiers: KeyModifiers) -> Vec<u8> {
    match modifier_number(modifiers) {
        1 => format!("\x1b[{code}~").into_bytes(),
        number => format!("\x1b[{code};{number}~").into_bytes(),
    }
}

fn function(number: u8) -> Vec<u8> {
    let code = match number {
        5 => 15,
        6..=10 => number + 11,
        11 | 12 => number + 12,
        _ => return Vec::new(),
    };
    format!("\x1b[{code}~").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, modifiers: KeyModifiers) -> Vec<u8> {
        encode(&KeyEvent::new(code, modifiers))
    }

    #[test]
    fn control_letters_and_space() {
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), [3]);
        assert_eq!(press(KeyCode::Char(' '), KeyModifiers::CONTROL), [0]);
        assert_eq!(press(KeyCode::Char('['), KeyModifiers::CONTROL), [0x1b]);
    }

    #[test]
    fn alt_prefixes_escape_and_altgr_does_not() {
        assert_eq!(press(KeyCode::Char('b'), KeyModifiers::ALT), b"\x1bb");
        let alt_gr = KeyModifiers::ALT | KeyModifiers::CONTROL;
        assert_eq!(press(KeyCode::Char('@'), alt_gr), b"@");
    }

    #[test]
    fn cursor_and_function_keys() {
        assert_eq!(press(KeyCode::Up, KeyModifiers::NONE), b"\x1b[A");
        assert_eq!(press(KeyCode::Left, KeyModifiers::CONTROL), b"\x1b[1;5D");
        assert_eq!(press(KeyCode::Delete, KeyModifiers::NONE), b"\x1b[3~");
        assert_eq!(press(KeyCode::F(1), KeyModifiers::NONE), b"\x1bOP");
        assert_eq!(press(KeyCode::F(5), KeyModifiers::NONE), b"\x1b[15~");
        assert_eq!(press(KeyCode::F(12), KeyModifiers::NONE), b"\x1b[24~");
    }
}
