//! A 16550 serial port behind an I/O port capability.
//!
//! The registers are the business of the crate `uart_16550`; here is what a component needs on top: an open that
//! notices that there is no port, output that never waits without bound, and input that fits an edge-triggered
//! interrupt (acknowledge first, then [`SerialPort::read`] until it returns 0: a byte that arrives in between
//! raises a new edge).
#![cfg_attr(not(test), no_std)]

mod backend;
mod port;

pub use port::PortRegisters;

use backend::Patient;
use uart_16550::spec::registers::{FifoTriggerLevel, IER};
use uart_16550::{BaudRate, Config, Uart16550};

/// The eight registers of one port.
pub trait Registers {
    /// Reads register `offset` (0 to 7); all ones if nothing answers or the capability is gone.
    fn read(&mut self, offset: u8) -> u8;
    /// Writes register `offset` (0 to 7).
    fn write(&mut self, offset: u8, value: u8);
}

/// Why a port cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerialError {
    /// No 16550 answers there.
    Absent,
    /// The port takes no more bytes; so many were written. The rest was not.
    Stalled {
        /// Bytes written before the port stalled.
        written: usize,
    },
}

impl core::fmt::Display for SerialError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            SerialError::Absent => f.write_str("no 16550 serial port answers"),
            SerialError::Stalled { written } => {
                write!(f, "serial port stalled after {written} bytes")
            }
        }
    }
}

impl core::error::Error for SerialError {}

/// Looks at the status register before a write gives up. Each look is a system call and a port access, together at
/// least half a microsecond, and 16 bytes at 115,200 baud take 1.4 ms: this is over fifty times what a working port
/// needs.
const WRITE_LOOKS: u32 = 200_000;

/// A port, set to 115,200 baud, 8 data bits, no parity, one stop bit, FIFO on.
pub struct SerialPort<R: Registers> {
    uart: Uart16550<Patient<R>>,
    stalled: bool,
}

impl<R: Registers> SerialPort<R> {
    /// Sets the port up; no interrupt is on.
    pub fn open(registers: R) -> Result<Self, SerialError> {
        let mut uart = backend::uart(registers);
        uart.init(Config {
            baud_rate: BaudRate::Baud115200,
            // Every byte counts when a person types; the FIFO's timeout covers the rest.
            fifo_trigger_level: Some(FifoTriggerLevel::Eight),
            ..Config::DEFAULT
        })
        .map_err(|_| SerialError::Absent)?;
        Ok(SerialPort {
            uart,
            stalled: false,
        })
    }

    /// Raises an interrupt whenever bytes arrive.
    pub fn enable_receive_interrupt(&mut self) {
        self.uart.enable_interrupts(IER::DATA_READY);
    }

    /// Raises an interrupt whenever the transmitter can take more; at once if it can already.
    pub fn enable_transmit_interrupt(&mut self) {
        self.uart.enable_interrupts(IER::THR_EMPTY);
    }

    /// Ends what [`Self::enable_transmit_interrupt`] began.
    pub fn disable_transmit_interrupt(&mut self) {
        self.uart.disable_interrupts(IER::THR_EMPTY);
    }

    /// Fills `buffer` with what has arrived and returns how many bytes that is; never waits.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        self.uart.receive_bytes(buffer)
    }

    /// Writes all of `bytes`, waiting for the transmitter as long as it makes progress.
    ///
    /// After a stall, every write looks just once until the port takes bytes again: a dead port costs its user one
    /// wait, not one for each line.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), SerialError> {
        let mut written = 0;
        let mut looks = if self.stalled { 1 } else { WRITE_LOOKS };
        while written < bytes.len() {
            match self.uart.send_bytes(&bytes[written..]) {
                0 if looks <= 1 => {
                    self.stalled = true;
                    return Err(SerialError::Stalled { written });
                }
                0 => looks -= 1,
                n => {
                    written += n;
                    self.stalled = false;
                    looks = WRITE_LOOKS;
                }
            }
        }
        Ok(())
    }

    /// Writes as much of `bytes` as fits without waiting and returns how many bytes that was.
    pub fn try_write(&mut self, bytes: &[u8]) -> usize {
        self.uart.send_bytes(bytes)
    }
}
