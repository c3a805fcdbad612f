//! The console's binary: two serial lines, and everybody else by messages.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

mod attached;
mod line;
mod services;

use console::control::Control;
use console::shell::Shell;
use line::SerialLine;
use pagurus_abi::Error;
use pagurus_protocol::slots::NOTIFICATION;
use pagurus_rt::object::Notification;
use pagurus_rt::time::ticks;
use pagurus_rt::{Cap, Env};
use services::Services;
use spin::Mutex;

mod slots {
    include!(concat!(env!("OUT_DIR"), "/slots.rs"));
}

pagurus_rt::entry!(start);

/// First ports of the lines.
const COM1: u16 = 0x3f8;
const COM3: u16 = 0x3e8;

/// Signals of the lines. Machines have theirs; every other is the log collector's.
const LINES: u64 = slots::COM1_IRQ_SIGNAL | slots::COM3_IRQ_SIGNAL;

/// In the image rather than on the stack, which it would not fit.
static SHELL: Mutex<Shell> = Mutex::new(Shell::new());

fn start(env: Env) -> Result<(), Error> {
    let mut shell = SHELL.lock();
    let mut control = Control::new();
    let mut services = Services::new(env.start.tsc_khz, env.start.id);
    let mut terminal = open(1, slots::COM1, COM1, slots::COM1_IRQ);
    let mut channel = open(3, slots::COM3, COM3, slots::COM3_IRQ);
    if let Some(terminal) = &mut terminal {
        shell.start(ticks(), &mut services, &mut terminal.terminal());
    }
    let events = Cap::<Notification>::new(NOTIFICATION);
    let machines = services.machines.signals();
    // A console that was started anew finds what was written meanwhile, of which it got no signal.
    let mut more = true;
    loop {
        let bits = if more {
            match events.poll() {
                Err(Error::WouldBlock) => 0,
                bits => bits?,
            }
        } else {
            events.wait()?
        };
        if bits & slots::COM1_IRQ_SIGNAL != 0 {
            each_byte(&mut terminal, |byte, terminal| {
                shell.push(byte, &mut services, &mut terminal.terminal());
            });
        }
        if bits & slots::COM3_IRQ_SIGNAL != 0 {
            each_byte(&mut channel, |byte, channel| {
                control.push(byte, &mut services, &mut channel.terminal());
            });
        }
        if bits & machines != 0 || more {
            more = services.machines.collect();
            if let Some(terminal) = &mut terminal {
                shell.machine_output(&mut services, &mut terminal.terminal());
            }
        }
        if bits & !(LINES | machines) != 0
            && let Some(terminal) = &mut terminal
        {
            shell.news(&mut services, &mut terminal.terminal());
        }
    }
}

/// Opens a line; a machine without it has the other.
fn open(number: u32, ports: u32, base: u16, irq: u32) -> Option<SerialLine> {
    match SerialLine::open(Cap::new(ports), base, Cap::new(irq)) {
        Ok(line) => Some(line),
        Err(error) => {
            log::warn!("COM{number}: {error}");
            None
        }
    }
}

/// Handles an interrupt of a line: every byte that has arrived.
fn each_byte(line: &mut Option<SerialLine>, mut take: impl FnMut(u8, &mut SerialLine)) {
    let Some(line) = line else { return };
    if let Err(error) = line.acknowledge() {
        log::error!("no more input from a serial line: {error}");
    }
    let mut buffer = [0; 64];
    loop {
        let count = line.read(&mut buffer);
        if count == 0 {
            return;
        }
        for &byte in &buffer[..count] {
            take(byte, line);
        }
    }
}
