//! A terminal: text with line feeds goes in, what a raw serial line needs comes out.

use core::fmt;

/// Puts a carriage return before every line feed.
pub struct Crlf<F: FnMut(&[u8])>(pub F);

/// What a terminal takes beside text.
pub trait Terminal: fmt::Write {
    /// Sends bytes as they are: what a guest wrote is meant for a terminal already.
    fn raw(&mut self, bytes: &[u8]);
}

impl<F: FnMut(&[u8])> Terminal for Crlf<F> {
    fn raw(&mut self, bytes: &[u8]) {
        self.0(bytes);
    }
}

impl<F: FnMut(&[u8])> fmt::Write for Crlf<F> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut lines = text.split('\n');
        if let Some(first) = lines.next() {
            self.0(first.as_bytes());
        }
        for line in lines {
            self.0(b"\r\n");
            self.0(line.as_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    #[test]
    fn line_feeds_get_their_return() {
        let mut bytes = Vec::new();
        write!(Crlf(|b: &[u8]| bytes.extend_from_slice(b)), "a\n\nb\n").unwrap();
        assert_eq!(bytes, b"a\r\n\r\nb\r\n");
    }

    #[test]
    fn raw_bytes_stay_as_they_are() {
        let mut bytes = Vec::new();
        Crlf(|b: &[u8]| bytes.extend_from_slice(b)).raw(b"a\n\xff\r\n");
        assert_eq!(bytes, b"a\n\xff\r\n");
    }
}
