//! The guest's serial line, whose other end is the operator's console.
//!
//! The guest never waits for the console: what the shared ring has no room for is thrown away and counted. Lines of the
//! debug console go to the log instead.
#![allow(unsafe_code)] // the memory shared with the console

use crate::slots;
use alloc::string::String;
use alloc::vec::Vec;
use pagurus_protocol::byte_ring::{Consumer, Producer};
use pagurus_protocol::serial_line::{INPUT_BYTES, OUTPUT_BYTES, SerialLine};
use pagurus_rt::Cap;
use pagurus_rt::object::Notification;
use vmm::Board;

const _: () = assert!(size_of::<SerialLine>() <= slots::SERIAL_BYTES);

/// Bytes of a line in the log; longer ones are broken.
const LINE: usize = 200;
/// Bytes of input handed to the guest at once: the FIFO of its serial port.
const FIFO: usize = 16;

/// The VMM's end of the line.
pub struct Serial {
    output: Producer<'static, OUTPUT_BYTES>,
    input: Consumer<'static, INPUT_BYTES>,
    console: Cap<Notification>,
    /// The log was told that the console does not keep up.
    complained: bool,
    /// What the guest has written of its current line of the debug console.
    line: Vec<u8>,
}

impl Serial {
    /// The line that root mapped.
    pub fn new() -> Serial {
        // SAFETY: root maps this frame, which is page-aligned and large enough (see above), for as long as the component
        // lives; a `SerialLine` is all atomics, and this is called once.
        let shared =
            unsafe { pagurus_rt::memory::shared::<SerialLine>(slots::SERIAL_ADDRESS as u64) };
        Serial {
            output: Producer::resume(&shared.output),
            input: Consumer::resume(&shared.input),
            console: Cap::new(slots::CONSOLE_BELL),
            complained: false,
            line: Vec::new(),
        }
    }

    /// Takes what the guest wrote, and gives it what the operator typed.
    pub fn exchange(&mut self, board: &mut Board) {
        let output = board.take_serial();
        if !output.is_empty() {
            self.send(&output);
        }
        let mut input = [0; FIFO];
        let count = self.input.peek(&mut input);
        if count > 0 {
            let taken = board.put_serial(&input[..count]);
            self.input.advance(taken);
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        let pushed = self.output.push(bytes);
        if pushed.taken < bytes.len() {
            self.output.lose(bytes.len() - pushed.taken);
            if !self.complained {
                log::warn!("the console does not keep up: output of the guest is lost");
                self.complained = true;
            }
        }
        if pushed.wake
            && let Err(error) = self.console.signal()
            && !self.complained
        {
            log::warn!("the console cannot be told of the guest's output: {error}");
            self.complained = true;
        }
    }

    /// A byte of the debug console.
    pub fn debug(&mut self, byte: u8) {
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

    /// Ends the line of the debug console.
    pub fn flush(&mut self) {
        if !self.line.is_empty() {
            log::info!("{}", String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
    }
}
