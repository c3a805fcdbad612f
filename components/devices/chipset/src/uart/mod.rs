//! 16550A serial port (National Semiconductor PC16550D data sheet).
//!
//! Bytes leave at once when the composer calls [`Uart::take_output`], and arrive when it calls [`Uart::put_input`]:
//! the divisor is kept, but nothing takes time. The composer must do the former after every write: until then the
//! transmitter is busy, as the guest sees. The interrupt output goes through OUT2 of the modem control register, as on
//! every PC.

mod receiver;
#[cfg(test)]
mod tests;

use heapless::Vec;
use receiver::{Condition, Receiver};

/// Bytes that each FIFO holds.
pub const FIFO: usize = 16;
/// Eight-bit ports that a serial port takes.
pub const PORTS: u16 = 8;

/// Bits of the interrupt enable register (section 8.5).
mod enable {
    pub const RECEIVED: u8 = 1 << 0;
    pub const TRANSMITTER_EMPTY: u8 = 1 << 1;
    pub const LINE_STATUS: u8 = 1 << 2;
    pub const MODEM_STATUS: u8 = 1 << 3;
    pub const ALL: u8 = 0x0f;
}

/// Contents of the interrupt identification register (section 8.6), by falling priority.
mod identity {
    pub const LINE_STATUS: u8 = 0x06;
    pub const RECEIVED: u8 = 0x04;
    pub const TIMEOUT: u8 = 0x0c;
    pub const TRANSMITTER_EMPTY: u8 = 0x02;
    pub const MODEM_STATUS: u8 = 0x00;
    pub const NONE: u8 = 0x01;
    pub const FIFOS_ENABLED: u8 = 0xc0;
}

/// Bits of the FIFO control register (section 8.4).
mod fifo {
    pub const ENABLE: u8 = 1 << 0;
    pub const CLEAR_RECEIVER: u8 = 1 << 1;
    pub const CLEAR_TRANSMITTER: u8 = 1 << 2;
}

/// Bits of the line control register (section 8.2).
mod line_control {
    pub const BREAK: u8 = 1 << 6;
    pub const DIVISOR_LATCH: u8 = 1 << 7;
}

/// Bits of the line status register (section 8.3).
mod line_status {
    pub const DATA_READY: u8 = 1 << 0;
    pub const OVERRUN: u8 = 1 << 1;
    pub const BREAK: u8 = 1 << 4;
    pub const HOLDING_EMPTY: u8 = 1 << 5;
    pub const TRANSMITTER_EMPTY: u8 = 1 << 6;
    pub const ERROR_IN_FIFO: u8 = 1 << 7;
}

/// Bits of the modem control register (section 8.7).
mod modem_control {
    pub const OUT2: u8 = 1 << 3;
    pub const LOOPBACK: u8 = 1 << 4;
    pub const ALL: u8 = 0x1f;
}

/// Bits of the modem status register (section 8.8). The low nibble tells changes of the high one.
mod modem_status {
    pub const CLEAR_TO_SEND: u8 = 1 << 4;
    pub const DATA_SET_READY: u8 = 1 << 5;
    pub const RING: u8 = 1 << 6;
    pub const CARRIER: u8 = 1 << 7;
    /// What a listening far end with a null modem cable looks like.
    pub const CONNECTED: u8 = CLEAR_TO_SEND | DATA_SET_READY | CARRIER;
}

/// A 16550A serial port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uart {
    interrupt_enable: u8,
    line_control: u8,
    modem_control: u8,
    modem_status: u8,
    scratch: u8,
    divisor: u16,
    fifos: bool,
    receiver: Receiver,
    /// Transmit FIFO, or the holding register as its only place.
    transmitter: Vec<u8, FIFO>,
    /// The transmitter became empty and the guest has not been told.
    transmitter_emptied: bool,
}

impl Default for Uart {
    fn default() -> Self {
        Uart::new()
    }
}

impl Uart {
    /// A port after reset, with a far end that is ready and listens.
    pub const fn new() -> Self {
        Uart {
            interrupt_enable: 0,
            line_control: 0,
            modem_control: 0,
            modem_status: modem_status::CONNECTED,
            scratch: 0,
            // 9600 baud from 1.8432 MHz, as firmware leaves it.
            divisor: 12,
            fifos: false,
            receiver: Receiver::new(),
            transmitter: Vec::new(),
            transmitter_emptied: false,
        }
    }

    /// Reads the register at `offset` from the port's base; all ones beyond the eight.
    pub fn read(&mut self, offset: u16) -> u8 {
        let latch = self.divisor_latch();
        match offset {
            0 if latch => self.divisor as u8,
            1 if latch => (self.divisor >> 8) as u8,
            0 => self.receiver.take(),
            1 => self.interrupt_enable,
            2 => {
                let cause = self.cause();
                // Section 8.6: reading the register is what ends this cause, if it is the one reported.
                if cause == identity::TRANSMITTER_EMPTY {
                    self.transmitter_emptied = false;
                }
                cause
                    | if self.fifos {
                        identity::FIFOS_ENABLED
                    } else {
                        0
                    }
            }
            3 => self.line_control,
            4 => self.modem_control,
            5 => {
                let transmitter = if self.transmitter.is_empty() {
                    line_status::HOLDING_EMPTY | line_status::TRANSMITTER_EMPTY
                } else {
                    0
                };
                let status = self.receiver.take_status() | transmitter;
                if self.fifos {
                    status
                } else {
                    status & !line_status::ERROR_IN_FIFO
                }
            }
            6 => {
                let status = self.modem_status;
                self.modem_status &= 0xf0;
                status
            }
            7 => self.scratch,
            _ => 0xff,
        }
    }

    /// Writes the register at `offset` from the port's base; no effect beyond the eight.
    pub fn write(&mut self, offset: u16, value: u8) {
        let latch = self.divisor_latch();
        match offset {
            0 if latch => self.divisor = self.divisor & 0xff00 | u16::from(value),
            1 if latch => self.divisor = self.divisor & 0x00ff | u16::from(value) << 8,
            0 => self.transmit(value),
            1 => {
                let before = self.interrupt_enable;
                self.interrupt_enable = value & enable::ALL;
                // Enabling the interrupt while the transmitter is empty raises it at once (section 8.6, note); drivers
                // start their output so.
                let enabled = self.interrupt_enable & !before & enable::TRANSMITTER_EMPTY != 0;
                if enabled && self.transmitter.is_empty() {
                    self.transmitter_emptied = true;
                }
            }
            2 => self.control_fifos(value),
            3 => self.control_line(value),
            4 => self.control_modem(value & modem_control::ALL),
            7 => self.scratch = value,
            // Line and modem status: writing is for factory tests.
            _ => {}
        }
    }

    /// Level of the interrupt line.
    pub fn irq(&self) -> bool {
        let gate = modem_control::OUT2 | modem_control::LOOPBACK;
        self.modem_control & gate == modem_control::OUT2 && self.cause() != identity::NONE
    }

    /// Takes what the guest has transmitted, oldest byte first, and leaves the transmitter empty.
    ///
    /// The interrupt line must be looked at before the call as well as after it: it falls while the transmitter is
    /// busy, and drivers rely on the edge.
    pub fn take_output(&mut self) -> Vec<u8, FIFO> {
        if !self.transmitter.is_empty() {
            self.transmitter_emptied = true;
        }
        core::mem::take(&mut self.transmitter)
    }

    /// Receives as many of `bytes` as fit and returns how many that were; the rest has to wait until the guest reads.
    ///
    /// Nothing is received in loopback mode, where the line is disconnected.
    pub fn put_input(&mut self, bytes: &[u8]) -> usize {
        if self.loopback() {
            return 0;
        }
        let capacity = self.receive_capacity();
        let mut accepted = 0;
        for &byte in bytes {
            if self.receiver.len() >= capacity {
                break;
            }
            self.receiver.put(byte, Condition::Good, capacity);
            accepted += 1;
        }
        accepted
    }

    /// Receives a break: the far end holds the line low for longer than a byte. Lost if nothing fits.
    pub fn put_break(&mut self) {
        if !self.loopback() {
            let capacity = self.receive_capacity();
            self.receiver.put(0, Condition::Break, capacity);
        }
    }

    /// Bytes that [`Self::put_input`] would take now.
    pub fn input_space(&self) -> usize {
        if self.loopback() {
            0
        } else {
            self.receive_capacity().saturating_sub(self.receiver.len())
        }
    }

    /// The divisor that the guest has set: 115,200 divided by the baud rate, 0 being 65,536 (section 8.1).
    pub const fn divisor(&self) -> u16 {
        self.divisor
    }

    const fn divisor_latch(&self) -> bool {
        self.line_control & line_control::DIVISOR_LATCH != 0
    }

    const fn loopback(&self) -> bool {
        self.modem_control & modem_control::LOOPBACK != 0
    }

    const fn receive_capacity(&self) -> usize {
        if self.fifos { FIFO } else { 1 }
    }

    /// The cause of highest priority, as the interrupt identification register tells it (section 8.6).
    fn cause(&self) -> u8 {
        let enabled = |bit| self.interrupt_enable & bit != 0;
        if enabled(enable::LINE_STATUS) && self.receiver.has_error() {
            identity::LINE_STATUS
        } else if enabled(enable::RECEIVED) && self.receiver.reached_trigger() {
            identity::RECEIVED
        } else if enabled(enable::RECEIVED) && self.receiver.len() > 0 {
            // On a line this takes four character times without a byte; here more bytes either are there or take
            // longer than that.
            identity::TIMEOUT
        } else if enabled(enable::TRANSMITTER_EMPTY) && self.transmitter_emptied {
            identity::TRANSMITTER_EMPTY
        } else if enabled(enable::MODEM_STATUS) && self.modem_status & 0x0f != 0 {
            identity::MODEM_STATUS
        } else {
            identity::NONE
        }
    }

    fn transmit(&mut self, byte: u8) {
        self.transmitter_emptied = false;
        if self.loopback() {
            let capacity = self.receive_capacity();
            self.receiver.put(byte, Condition::Good, capacity);
            self.transmitter_emptied = true;
        } else if self.fifos {
            // A full FIFO loses the byte.
            let _ = self.transmitter.push(byte);
        } else {
            // The holding register is overwritten.
            self.transmitter.clear();
            let _ = self.transmitter.push(byte);
        }
    }

    fn control_fifos(&mut self, value: u8) {
        let enabled = value & fifo::ENABLE != 0;
        // Changing the mode clears both FIFOs; the other bits count only together with the enable bit (section 8.4).
        let changed = enabled != self.fifos;
        if changed || enabled && value & fifo::CLEAR_RECEIVER != 0 {
            self.receiver.clear();
        }
        if (changed || enabled && value & fifo::CLEAR_TRANSMITTER != 0)
            && !self.transmitter.is_empty()
        {
            self.transmitter.clear();
            self.transmitter_emptied = true;
        }
        self.fifos = enabled;
        self.receiver
            .set_trigger(if enabled { value >> 6 } else { 0 });
    }

    fn control_line(&mut self, value: u8) {
        let begun = value & !self.line_control & line_control::BREAK != 0;
        self.line_control = value;
        if begun && self.loopback() {
            let capacity = self.receive_capacity();
            self.receiver.put(0, Condition::Break, capacity);
        }
    }

    fn control_modem(&mut self, value: u8) {
        self.modem_control = value;
        let lines = if self.loopback() {
            // Section 8.7: DTR, RTS, OUT1 and OUT2 come back as DSR, CTS, RI and DCD.
            let back = |from: u32, to| if value >> from & 1 != 0 { to } else { 0 };
            back(0, modem_status::DATA_SET_READY)
                | back(1, modem_status::CLEAR_TO_SEND)
                | back(2, modem_status::RING)
                | back(3, modem_status::CARRIER)
        } else {
            modem_status::CONNECTED
        };
        let before = self.modem_status & 0xf0;
        // Of the ring indicator only the trailing edge counts.
        let changed = (before ^ lines) & !modem_status::RING | before & !lines & modem_status::RING;
        self.modem_status = lines | self.modem_status & 0x0f | changed >> 4;
    }
}
