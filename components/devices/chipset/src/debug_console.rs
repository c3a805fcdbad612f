//! Debug console: the port to which guests of Bochs and QEMU print bytes.

use crate::Effect;

/// Its only port.
pub const PORT: u16 = 0xe9;

/// A debug console. It has no state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DebugConsole;

impl DebugConsole {
    /// The port's own number: how a guest finds out that the console is there.
    pub const fn read(self) -> u8 {
        PORT as u8
    }

    /// Prints a byte.
    pub const fn write(self, value: u8) -> Effect {
        Effect::Output(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_found_and_prints() {
        assert_eq!(DebugConsole.read(), 0xe9);
        assert_eq!(DebugConsole.write(b'!'), Effect::Output(b'!'));
    }
}
