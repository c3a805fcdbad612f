//! Power-on self test code: the port that firmware shows its progress at, and that Linux writes to wait a little.

/// Its only port.
pub const PORT: u16 = 0x80;

/// The latch behind the port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PostCode {
    code: u8,
}

impl PostCode {
    /// A latch that holds 0.
    pub const fn new() -> Self {
        PostCode { code: 0 }
    }

    /// The code that was written last.
    pub const fn read(&self) -> u8 {
        self.code
    }

    /// Shows a code.
    pub const fn write(&mut self, code: u8) {
        self.code = code;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_last_code() {
        let mut post = PostCode::new();
        assert_eq!(post.read(), 0);
        post.write(0x55);
        assert_eq!(post.read(), 0x55);
    }
}
