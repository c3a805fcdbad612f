//! The kernel's trace rings and the second serial line, as the pump sees them.

use crate::slots;
use log_collector::pump::{ByteSink, Progress, TracePump, TraceSource};
use pagurus_abi::Error;
use pagurus_rt::Cap;
use pagurus_rt::object::{IrqHandler, TraceBuffer};
use pagurus_serial::{PortRegisters, SerialError, SerialPort};

/// Rings by processor; the slot of a processor that the machine lacks is empty.
pub const RINGS: [Cap<TraceBuffer>; 4] = [
    Cap::new(slots::TRACE_0),
    Cap::new(slots::TRACE_1),
    Cap::new(slots::TRACE_2),
    Cap::new(slots::TRACE_3),
];
/// First port of the second serial line.
const COM2: u16 = 0x2f8;

struct Rings;

impl TraceSource for Rings {
    fn rings(&self) -> usize {
        RINGS.len()
    }

    fn drain(&mut self, ring: usize, out: &mut [u8]) -> (usize, u64) {
        // An empty slot is a ring that never has anything.
        RINGS[ring]
            .drain(out)
            .map_or((0, 0), |drained| (drained.bytes, drained.lost))
    }
}

struct Line(SerialPort<PortRegisters>);

impl ByteSink for Line {
    fn try_write(&mut self, bytes: &[u8]) -> usize {
        self.0.try_write(bytes)
    }
}

/// The way of the trace records out of the machine.
pub struct TraceLine {
    line: Line,
    irq: Cap<IrqHandler>,
    pump: TracePump,
    /// The transmit interrupt is on: the line will say when it can take more.
    busy: bool,
}

impl TraceLine {
    /// Opens the line. On a machine without it the records stay in their rings, where readers can fetch them.
    pub fn open() -> Result<Self, SerialError> {
        let registers = PortRegisters::new(Cap::new(slots::COM2), COM2);
        let mut line = Line(SerialPort::open(registers)?);
        line.0.enable_receive_interrupt();
        let irq = Cap::<IrqHandler>::new(slots::COM2_IRQ);
        Ok(TraceLine {
            line,
            irq,
            pump: TracePump::new(),
            busy: false,
        })
    }

    /// The line interrupted: it can take more, or somebody at its other end sent a byte to ask for records.
    ///
    /// # Errors
    /// If the interrupt cannot be acknowledged; there will be no other then.
    pub fn interrupt(&mut self) -> Result<(), Error> {
        // First acknowledge, then look: what happens in between interrupts again.
        let acknowledged = self.irq.ack();
        let mut ignored = [0; 16];
        while self.line.0.read(&mut ignored) == ignored.len() {}
        self.run();
        acknowledged
    }

    /// Sends what there is, as far as the line takes it.
    pub fn run(&mut self) {
        let progress = self.pump.run(&mut Rings, &mut self.line);
        let busy = progress == Progress::Unfinished;
        if busy && !self.busy {
            self.line.0.enable_transmit_interrupt();
        } else if !busy && self.busy {
            self.line.0.disable_transmit_interrupt();
        }
        self.busy = busy;
    }
}
