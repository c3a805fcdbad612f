//! Device interrupts.

use crate::report::{Outcome, ensure, equal, refused};
use crate::world::{CNODE, World};
use pagurus_rt::Cap;
use pagurus_rt::abi::boot::slot;
use pagurus_rt::abi::{Error, Rights};
use pagurus_rt::object::{IoPort, IrqControl, IrqHandler, Mint, Notification, Trigger};

/// The real-time clock's interrupt; the same number as global system interrupt on every machine known.
const CLOCK: u32 = 8;
/// Its index and data ports (MC146818A data sheet).
const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;
/// Register A: rate 128 Hz, and the time base of all PCs.
const RATE_128HZ: u8 = 0x29;
/// Register B: periodic interrupt enable, 24 hours.
const PERIODIC: u8 = 0x42;
const REGISTER_A: u8 = 0x0a;
const REGISTER_B: u8 = 0x0b;
const REGISTER_C: u8 = 0x0c;

pub fn clock_rings(w: &mut World) -> Outcome {
    let control = Cap::<IrqControl>::new(slot::IRQ_CONTROL);
    let index = w.slot();
    let handler = Cap::<IrqHandler>::new(index);
    control.issue(CLOCK, World::at(index), Trigger::default())?;
    let result = ring(w, control, handler);
    CNODE.delete(index)?;
    // The line is free again.
    control.issue(CLOCK, World::at(index), Trigger::default())?;
    CNODE.delete(index)?;
    result
}

fn ring(w: &mut World, control: Cap<IrqControl>, handler: Cap<IrqHandler>) -> Outcome {
    let again = control.issue(CLOCK, World::at(w.slot()), Trigger::default());
    refused("a second handler of the line", again, Error::InUse)?;
    let none = control.issue(4000, World::at(w.slot()), Trigger::default());
    refused("a line that does not exist", none, Error::InvalidArgument)?;

    let notification = w.make::<Notification>()?;
    let badged = w.slot();
    CNODE.mint(
        badged,
        World::at(notification.index()),
        Rights::WRITE,
        Mint::Badge(32),
    )?;
    handler.bind(Cap::new(badged))?;
    refused(
        "a second notification",
        handler.bind(Cap::new(badged)),
        Error::AlreadyBound,
    )?;

    // Only these two ports.
    let ports = w.slot();
    CNODE.mint(
        ports,
        World::at(slot::IO_PORTS),
        Rights::all(),
        Mint::Ports {
            first: INDEX,
            last: DATA,
        },
    )?;
    let ports = Cap::<IoPort>::new(ports);
    refused(
        "a port outside the range",
        ports.read_u8(0x60),
        Error::MissingRights,
    )?;
    refused(
        "a wide access across the end",
        ports.read_u16(DATA),
        Error::MissingRights,
    )?;
    let result = tick(ports, handler, notification);
    CNODE.delete(ports.index())?;
    result
}

fn tick(ports: Cap<IoPort>, handler: Cap<IrqHandler>, notification: Cap<Notification>) -> Outcome {
    let write = |register: u8, value: u8| {
        ports.write_u8(INDEX, register)?;
        ports.write_u8(DATA, value)
    };
    let acknowledge = || {
        ports.write_u8(INDEX, REGISTER_C)?;
        ports.read_u8(DATA)
    };
    write(REGISTER_A, RATE_128HZ)?;
    write(REGISTER_B, PERIODIC)?;
    acknowledge()?;
    handler.ack()?;
    for _ in 0..5 {
        equal("badge of the interrupt", notification.wait()?, 32)?;
        ensure("the clock says so too", acknowledge()? & 0x40 != 0)?;
        handler.ack()?;
    }
    write(REGISTER_B, PERIODIC & !0x40)?;
    acknowledge()?;
    handler.unbind()?;
    Ok(())
}
