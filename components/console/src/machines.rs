//! The serial lines of virtual machines, as the console sees them.
//!
//! The console takes a guest's output as it comes, so that the ring in shared memory is hardly ever full, and keeps the
//! newest until somebody attaches.

use alloc::collections::VecDeque;
use pagurus_protocol::byte_ring::{Consumer, Producer, Pushed};
use pagurus_protocol::serial_line::{INPUT_BYTES, OUTPUT_BYTES, SerialLine};

/// Bytes of a machine's output that are kept.
pub const KEPT_BYTES: usize = 16 * 1024;

/// What is told of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineInfo {
    /// Its name, which is that of the component that runs it.
    pub name: &'static str,
    /// Bytes of its output that nobody has seen.
    pub unseen: usize,
    /// Bytes of its output that nobody will see, since it was attached to last: older ones that made room, and those
    /// that its VMM threw away.
    pub lost: u64,
}

/// A machine.
#[derive(Debug)]
pub struct Machine {
    name: &'static str,
    output: Consumer<'static, OUTPUT_BYTES>,
    input: Producer<'static, INPUT_BYTES>,
    kept: VecDeque<u8>,
    lost: u64,
}

impl Machine {
    /// The machine at the other end of `line`.
    pub fn new(name: &'static str, line: &'static SerialLine) -> Self {
        Machine {
            name,
            output: Consumer::resume(&line.output),
            input: Producer::resume(&line.input),
            kept: VecDeque::with_capacity(KEPT_BYTES),
            lost: 0,
        }
    }

    /// What there is to tell.
    pub fn info(&self) -> MachineInfo {
        MachineInfo {
            name: self.name,
            unseen: self.kept.len(),
            lost: self.lost,
        }
    }

    /// Takes over new output, at most a ring of it, so that a guest that never stops cannot keep the console here.
    /// `false` if there is none left: then the VMM signals the next.
    pub fn collect(&mut self) -> bool {
        let mut buffer = [0; 256];
        for _ in 0..OUTPUT_BYTES / buffer.len() {
            let count = self.output.pop(&mut buffer);
            for &byte in &buffer[..count] {
                if self.kept.len() == KEPT_BYTES {
                    self.kept.pop_front();
                    self.lost += 1;
                }
                self.kept.push_back(byte);
            }
            if count == 0 {
                self.lost += u64::from(self.output.newly_lost());
                return false;
            }
        }
        true
    }

    /// Bytes that were lost, once.
    pub fn take_lost(&mut self) -> u64 {
        core::mem::take(&mut self.lost)
    }

    /// Takes the next bytes of output into `buffer`, and tells how many.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.kept.len());
        for (to, byte) in buffer.iter_mut().zip(self.kept.drain(..count)) {
            *to = byte;
        }
        count
    }

    /// Sends input, as much as there is room for.
    pub fn write(&mut self, bytes: &[u8]) -> Pushed {
        self.input.push(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> (
        Machine,
        Producer<'static, OUTPUT_BYTES>,
        Consumer<'static, INPUT_BYTES>,
    ) {
        let line: &SerialLine = Box::leak(Box::new(SerialLine::new()));
        (
            Machine::new("vm0", line),
            Producer::resume(&line.output),
            Consumer::resume(&line.input),
        )
    }

    #[test]
    fn the_newest_output_is_kept() {
        let (mut machine, mut guest, _) = machine();
        for i in 0..3u8 {
            assert_eq!(guest.push(&[i; OUTPUT_BYTES / 2]).taken, OUTPUT_BYTES / 2);
            while machine.collect() {}
        }
        let info = machine.info();
        assert_eq!(info.unseen, KEPT_BYTES);
        assert_eq!(info.lost, (3 * OUTPUT_BYTES / 2 - KEPT_BYTES) as u64);
        let mut buffer = vec![0; KEPT_BYTES + 1];
        assert_eq!(machine.read(&mut buffer), KEPT_BYTES);
        assert_eq!((buffer[0], buffer[KEPT_BYTES - 1]), (1, 2));
        assert_eq!(machine.read(&mut buffer), 0);
    }

    #[test]
    fn what_the_vmm_threw_away_is_told_once() {
        let (mut machine, mut guest, _) = machine();
        guest.lose(5);
        assert!(!machine.collect());
        assert_eq!(machine.info().lost, 5);
        assert_eq!((machine.take_lost(), machine.take_lost()), (5, 0));
    }

    #[test]
    fn a_guest_that_never_stops_does_not_keep_the_console() {
        let (mut machine, mut guest, _) = machine();
        let full = vec![7; OUTPUT_BYTES];
        guest.push(&full);
        assert!(machine.collect(), "there may be more");
        assert!(!machine.collect());
    }

    #[test]
    fn input_goes_to_the_guest() {
        let (mut machine, _, mut guest) = machine();
        assert_eq!(
            machine.write(b"ls\r"),
            Pushed {
                taken: 3,
                wake: true
            }
        );
        let mut buffer = [0; 8];
        assert_eq!(guest.pop(&mut buffer), 3);
        assert_eq!(&buffer[..3], b"ls\r");
        let full = vec![0; INPUT_BYTES + 1];
        assert_eq!(machine.write(&full).taken, INPUT_BYTES);
        assert_eq!(machine.write(b"x").taken, 0);
    }
}
