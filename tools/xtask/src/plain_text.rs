//! Serial output as plain text: without the control sequences that terminals obey.

/// Takes terminal control sequences (ECMA-48) and control characters out of a stream that comes in pieces.
#[derive(Default)]
pub struct PlainText {
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC [, until the final byte.
    Sequence,
}

impl PlainText {
    /// Takes the next piece; the text in it, with line feeds and tabs but no other control character.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut text = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            self.state = match (self.state, byte) {
                (_, 0x1b) => State::Escape,
                (State::Escape, b'[') => State::Sequence,
                (State::Sequence, 0x20..=0x3f) => State::Sequence,
                (State::Escape | State::Sequence, _) => State::Text,
                (State::Text, _) => {
                    if matches!(byte, b'\n' | b'\t' | b' '..=0x7e | 0x80..) {
                        text.push(byte);
                    }
                    State::Text
                }
            };
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_go_and_text_stays() {
        let mut filter = PlainText::default();
        assert_eq!(
            filter.push(b"\x1b[1;31mred\x1b[0m\r\n\x1bcnew\x07"),
            "red\nnew"
        );
    }

    #[test]
    fn a_sequence_may_come_in_pieces() {
        let mut filter = PlainText::default();
        let pieces = [&b"a\x1b"[..], b"[", b"1;3", b"1", b"mb\n"];
        let text: String = pieces.iter().map(|p| filter.push(p)).collect();
        assert_eq!(text, "ab\n");
    }
}
