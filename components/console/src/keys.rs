//! Bytes from a terminal, as keys.

/// A key that the line editor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A printable ASCII character.
    Char(char),
    /// Return.
    Enter,
    /// Deletes the character before the cursor.
    Backspace,
    /// Deletes the character under the cursor.
    Delete,
    /// Cursor left.
    Left,
    /// Cursor right.
    Right,
    /// Older line.
    Up,
    /// Newer line.
    Down,
    /// Start of the line; also Ctrl-A.
    Home,
    /// End of the line; also Ctrl-E.
    End,
    /// Completion.
    Tab,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    EndOfInput,
    /// Ctrl-U: deletes everything before the cursor.
    KillToStart,
    /// Ctrl-K: deletes everything from the cursor on.
    KillToEnd,
    /// Ctrl-W: deletes the word before the cursor.
    KillWord,
    /// Ctrl-L: clears the screen.
    ClearScreen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ground,
    /// A carriage return came: a line feed right after it is the same key.
    AfterReturn,
    Escape,
    /// `ESC [`, then parameters; the number is the first of them.
    Csi(u8),
    /// `ESC O`: cursor keys in application mode.
    Ss3,
}

/// Turns bytes into keys; unknown sequences (ECMA-48, xterm) are swallowed whole.
#[derive(Clone, Copy, Debug)]
pub struct KeyDecoder {
    state: State,
}

impl Default for KeyDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl KeyDecoder {
    /// Between keys.
    pub const fn new() -> Self {
        KeyDecoder {
            state: State::Ground,
        }
    }

    /// Takes the next byte; a key if one is complete.
    pub fn push(&mut self, byte: u8) -> Option<Key> {
        match (self.state, byte) {
            // Ctrl-C always works, even inside a sequence that a bad line cut short.
            (_, 0x03) => self.ground(Some(Key::Interrupt)),
            (_, 0x1b) => {
                self.state = State::Escape;
                None
            }
            (State::Escape, b'[') => {
                self.state = State::Csi(0);
                None
            }
            (State::Escape, b'O') => {
                self.state = State::Ss3;
                None
            }
            // Alt and a key: swallowed.
            (State::Escape, 0x20..) => self.ground(None),
            (State::Csi(n), b'0'..=b'9') => {
                self.state = State::Csi(n.saturating_mul(10).saturating_add(byte - b'0'));
                None
            }
            // Further parameters and intermediate bytes.
            (State::Csi(_), 0x20..=0x3f) => None,
            (State::Csi(n), 0x40..=0x7e) => self.ground(match (byte, n) {
                (b'~', 1 | 7) => Some(Key::Home),
                (b'~', 3) => Some(Key::Delete),
                (b'~', 4 | 8) => Some(Key::End),
                _ => cursor(byte),
            }),
            (State::Ss3, 0x40..=0x7e) => self.ground(cursor(byte)),
            (State::AfterReturn, b'\n') => self.ground(None),
            (_, b'\r') => {
                self.state = State::AfterReturn;
                Some(Key::Enter)
            }
            _ => self.ground(plain(byte)),
        }
    }

    fn ground(&mut self, key: Option<Key>) -> Option<Key> {
        self.state = State::Ground;
        key
    }
}

fn cursor(byte: u8) -> Option<Key> {
    Some(match byte {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'F' => Key::End,
        b'H' => Key::Home,
        _ => return None,
    })
}

fn plain(byte: u8) -> Option<Key> {
    Some(match byte {
        0x01 => Key::Home,
        0x02 => Key::Left,
        0x04 => Key::EndOfInput,
        0x05 => Key::End,
        0x06 => Key::Right,
        0x08 | 0x7f => Key::Backspace,
        b'\t' => Key::Tab,
        b'\n' => Key::Enter,
        0x0b => Key::KillToEnd,
        0x0c => Key::ClearScreen,
        0x0e => Key::Down,
        0x10 => Key::Up,
        0x15 => Key::KillToStart,
        0x17 => Key::KillWord,
        0x20..=0x7e => Key::Char(byte.into()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = KeyDecoder::new();
        bytes.iter().filter_map(|b| decoder.push(*b)).collect()
    }

    #[test]
    fn every_way_to_end_a_line_is_one_enter() {
        for end in [&b"\r"[..], b"\n", b"\r\n"] {
            let bytes = [b"a", end, b"b"].concat();
            assert_eq!(keys(&bytes), [Key::Char('a'), Key::Enter, Key::Char('b')]);
        }
        assert_eq!(keys(b"\r\r"), [Key::Enter; 2]);
        assert_eq!(keys(b"\r\n\n"), [Key::Enter; 2]);
    }

    #[test]
    fn cursor_keys_in_both_modes() {
        let all = [
            Key::Up,
            Key::Down,
            Key::Right,
            Key::Left,
            Key::Home,
            Key::End,
        ];
        assert_eq!(keys(b"\x1b[A\x1b[B\x1b[C\x1b[D\x1b[H\x1b[F"), all);
        assert_eq!(keys(b"\x1bOA\x1bOB\x1bOC\x1bOD\x1bOH\x1bOF"), all);
        assert_eq!(
            keys(b"\x1b[1~\x1b[3~\x1b[4~\x1b[7~\x1b[8~"),
            [Key::Home, Key::Delete, Key::End, Key::Home, Key::End]
        );
        // With modifiers (Ctrl-Left).
        assert_eq!(keys(b"\x1b[1;5D"), [Key::Left]);
    }

    #[test]
    fn unknown_sequences_leave_no_rest() {
        assert_eq!(keys(b"\x1b[15~x"), [Key::Char('x')]);
        assert_eq!(
            keys(b"\x1b[200~x\x1b[99999999~y"),
            [Key::Char('x'), Key::Char('y')]
        );
        assert_eq!(keys(b"\x1bfx"), [Key::Char('x')]);
        assert_eq!(keys(b"\x1b\x1b[Ax"), [Key::Up, Key::Char('x')]);
        assert_eq!(keys("\u{e9}x".as_bytes()), [Key::Char('x')]);
    }

    #[test]
    fn interrupt_works_inside_a_sequence() {
        assert_eq!(keys(b"\x1b[\x03x"), [Key::Interrupt, Key::Char('x')]);
    }

    proptest! {
        /// Whatever came before, Ctrl-C and Return get through: no input can lock the terminal.
        #[test]
        fn nothing_locks_the_decoder(noise in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut decoder = KeyDecoder::new();
            for b in noise {
                if let Some(Key::Char(c)) = decoder.push(b) {
                    prop_assert!((' '..='~').contains(&c));
                }
            }
            prop_assert_eq!(decoder.push(0x03), Some(Key::Interrupt));
            prop_assert_eq!(decoder.push(b'\r'), Some(Key::Enter));
        }
    }
}
