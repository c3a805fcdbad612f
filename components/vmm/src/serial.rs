//! The guest's serial line: lines of text go to the log.

use alloc::string::String;
use alloc::vec::Vec;
use vmm::Board;

/// Bytes of a line; longer ones are broken.
const LINE: usize = 200;

/// What the guest has written of its current line.
pub struct Serial {
    line: Vec<u8>,
}

impl Serial {
    /// An empty line.
    pub fn new() -> Serial {
        Serial { line: Vec::new() }
    }

    /// Takes what the guest wrote.
    pub fn exchange(&mut self, board: &mut Board) {
        for byte in board.take_serial() {
            self.put(byte);
        }
    }

    /// A byte of the debug console.
    pub fn debug(&mut self, byte: u8) {
        self.put(byte);
    }

    fn put(&mut self, byte: u8) {
        match byte {
            b'\n' => self.flush(),
            b'\r' => {}
            _ => {
                self.line.push(byte);
                if self.line.len() == LINE {
                    self.flush();
                }
            }
        }
    }

    /// Ends the line.
    pub fn flush(&mut self) {
        if !self.line.is_empty() {
            log::info!("{}", String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
    }
}
