//! A serial line of the console: a port and its interrupt.

use console::terminal::{Crlf, Terminal};
use pagurus_abi::Error;
use pagurus_rt::Cap;
use pagurus_rt::object::{IoPort, IrqHandler};
use pagurus_serial::{PortRegisters, SerialError, SerialPort};

/// An open line.
pub struct SerialLine {
    port: SerialPort<PortRegisters>,
    irq: Cap<IrqHandler>,
}

impl SerialLine {
    /// Opens the line at `base`; from now on input interrupts.
    ///
    /// # Errors
    /// If no serial port answers there.
    pub fn open(ports: Cap<IoPort>, base: u16, irq: Cap<IrqHandler>) -> Result<Self, SerialError> {
        let mut port = SerialPort::open(PortRegisters::new(ports, base))?;
        port.enable_receive_interrupt();
        Ok(SerialLine { port, irq })
    }

    /// Acknowledges the interrupt; then everything that has arrived is to be [read](Self::read): what arrives in
    /// between interrupts again.
    ///
    /// # Errors
    /// If there will be no more interrupts.
    pub fn acknowledge(&self) -> Result<(), Error> {
        self.irq.ack()
    }

    /// Fills `buffer` with what has arrived and returns how many bytes that is.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        self.port.read(buffer)
    }

    /// Writes text as a terminal wants it. What a stalled line does not take is lost.
    pub fn terminal(&mut self) -> impl Terminal {
        Crlf(|bytes: &[u8]| {
            let _ = self.port.write(bytes);
        })
    }
}
