//! The virtual machines of the system that the console is built for, found by name in its description: for a machine
//! `X`, the mapping `X-serial` is its line, and the capability `X-bell` tells its VMM of input.
#![allow(unsafe_code)] // the memory shared with VMMs

use crate::slots;
use alloc::vec::Vec;
use console::machines::{Machine, MachineInfo};
use pagurus_protocol::serial_line::SerialLine;
use pagurus_rt::Cap;
use pagurus_rt::object::Notification;

const fn fits(maps: &[(&str, usize, usize)]) -> bool {
    let mut i = 0;
    while i < maps.len() {
        if maps[i].2 < size_of::<SerialLine>() {
            return false;
        }
        i += 1;
    }
    true
}

const _: () = assert!(
    fits(&slots::MAPS),
    "a serial line shared with the console is too small"
);

/// All machines, in the order of the description.
#[derive(Debug)]
pub struct Machines {
    all: Vec<Attached>,
}

#[derive(Debug)]
struct Attached {
    machine: Machine,
    bell: Cap<Notification>,
    /// Bits that its VMM sets in our notification.
    signal: u64,
}

impl Machines {
    /// The machines that the description names.
    pub fn new() -> Self {
        let attached = slots::MAPS.iter().filter_map(|&(map, address, _)| {
            let name = map.strip_suffix("-serial")?;
            let bell = slots::CAPS
                .iter()
                .find(|(cap, _)| cap.strip_suffix("-bell") == Some(name))?;
            let signals = slots::SIGNALS.iter().filter(|(sender, _)| *sender == name);
            // SAFETY: root maps this frame, which is page-aligned and large enough (see above), for as long as the
            // component lives; a `SerialLine` is all atomics, and this is called once.
            let line = unsafe { pagurus_rt::memory::shared::<SerialLine>(address as u64) };
            Some(Attached {
                machine: Machine::new(name, line),
                bell: Cap::new(bell.1),
                signal: signals.fold(0, |all, (_, bits)| all | bits),
            })
        });
        Machines {
            all: attached.collect(),
        }
    }

    /// The bits by which machines tell of output.
    pub fn signals(&self) -> u64 {
        self.all.iter().fold(0, |all, one| all | one.signal)
    }

    /// Takes over what the machines have written; `false` if none has more.
    pub fn collect(&mut self) -> bool {
        self.all
            .iter_mut()
            .fold(false, |more, one| one.machine.collect() | more)
    }

    /// What there is to tell of a machine.
    pub fn info(&self, index: usize) -> Option<MachineInfo> {
        Some(self.all.get(index)?.machine.info())
    }

    /// Output that nobody has seen.
    pub fn read(&mut self, index: usize, buffer: &mut [u8]) -> usize {
        let one = self.all.get_mut(index);
        one.map_or(0, |one| one.machine.read(buffer))
    }

    /// Bytes that were lost, once.
    pub fn take_lost(&mut self, index: usize) -> u64 {
        let one = self.all.get_mut(index);
        one.map_or(0, |one| one.machine.take_lost())
    }

    /// Sends input and tells the VMM.
    pub fn write(&mut self, index: usize, bytes: &[u8]) -> usize {
        let Some(one) = self.all.get_mut(index) else {
            return 0;
        };
        let pushed = one.machine.write(bytes);
        if pushed.wake
            && let Err(error) = one.bell.signal()
        {
            log::error!("a virtual machine cannot be told of input: {error}");
        }
        pushed.taken
    }
}
