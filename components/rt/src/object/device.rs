//! Interrupts and I/O ports.

use super::Notification;
use crate::{Cap, Slot};
use pagurus_abi::Error;
use pagurus_abi::method::Method;

/// The right to make interrupt handlers.
#[derive(Debug)]
pub enum IrqControl {}

/// One interrupt line.
#[derive(Debug)]
pub enum IrqHandler {}

/// A range of I/O ports.
#[derive(Debug)]
pub enum IoPort {}

/// How an interrupt line signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trigger {
    /// Level-triggered rather than edge-triggered.
    pub level: bool,
    /// Active low rather than high.
    pub active_low: bool,
}

impl Cap<IrqControl> {
    /// Makes a handler for global system interrupt `gsi` into `to` (`IrqIssue`).
    pub fn issue(self, gsi: u32, to: Slot, trigger: Trigger) -> Result<(), Error> {
        let parameter = u64::from(trigger.level) | u64::from(trigger.active_low) << 1;
        let args = [gsi.into(), to.cnode.index().into(), to.index.into(), 0];
        crate::syscall::invoke(self.index(), Method::IrqIssue, parameter, args).map(|_| ())
    }
}

impl Cap<IrqHandler> {
    /// Signals `notification` on every interrupt (`IrqBind`).
    pub fn bind(self, notification: Cap<Notification>) -> Result<(), Error> {
        let args = [notification.index().into(), 0, 0, 0];
        crate::syscall::invoke(self.index(), Method::IrqBind, 0, args).map(|_| ())
    }

    /// The interrupt was dealt with; unmasks the line (`IrqAck`).
    pub fn ack(self) -> Result<(), Error> {
        crate::syscall::invoke(self.index(), Method::IrqAck, 0, [0; 4]).map(|_| ())
    }

    /// Takes the notification away and masks the line (`IrqUnbind`).
    pub fn unbind(self) -> Result<(), Error> {
        crate::syscall::invoke(self.index(), Method::IrqUnbind, 0, [0; 4]).map(|_| ())
    }
}

impl Cap<IoPort> {
    fn read(self, port: u16, width: u64) -> Result<u64, Error> {
        let args = [port.into(), 0, 0, 0];
        Ok(crate::syscall::invoke(self.index(), Method::PortIn, width, args)?[0])
    }

    fn write(self, port: u16, value: u64, width: u64) -> Result<(), Error> {
        let args = [port.into(), value, 0, 0];
        crate::syscall::invoke(self.index(), Method::PortOut, width, args).map(|_| ())
    }

    /// Reads a byte from `port` (`PortIn`).
    pub fn read_u8(self, port: u16) -> Result<u8, Error> {
        Ok(self.read(port, 1)? as u8)
    }

    /// Reads two bytes from `port` (`PortIn`).
    pub fn read_u16(self, port: u16) -> Result<u16, Error> {
        Ok(self.read(port, 2)? as u16)
    }

    /// Reads four bytes from `port` (`PortIn`).
    pub fn read_u32(self, port: u16) -> Result<u32, Error> {
        Ok(self.read(port, 4)? as u32)
    }

    /// Writes a byte to `port` (`PortOut`).
    pub fn write_u8(self, port: u16, value: u8) -> Result<(), Error> {
        self.write(port, value.into(), 1)
    }

    /// Writes two bytes to `port` (`PortOut`).
    pub fn write_u16(self, port: u16, value: u16) -> Result<(), Error> {
        self.write(port, value.into(), 2)
    }

    /// Writes four bytes to `port` (`PortOut`).
    pub fn write_u32(self, port: u16, value: u32) -> Result<(), Error> {
        self.write(port, value.into(), 4)
    }
}
