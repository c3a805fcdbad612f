//! Which memory the capabilities vouch for.

use super::machine::SimMachine;
use super::ram::{GRANULE, GRANULES};
use crate::kernel::Kernel;
use crate::machine::Memory;
use pagurus_abi::Kind;
use pagurus_cap::{Flags, SlotId, Slots, tree};
use pagurus_ipc::ThreadId;
use std::collections::BTreeSet;

/// What may stay at a sweep.
#[derive(Clone, Debug)]
pub struct Live {
    base: u64,
    objects: Vec<u64>,
    zero: Vec<u64>,
}

impl Live {
    /// Nothing in `pages` pages from physical address `base` on.
    pub fn nothing(base: u64, pages: usize) -> Live {
        Live {
            base,
            objects: vec![0; pages],
            zero: vec![0; pages],
        }
    }

    /// Granules of objects and granules that must be zero, as bits, a word for each page.
    pub fn into_bits(self) -> (Vec<u64>, Vec<u64>) {
        (self.objects, self.zero)
    }

    fn mark(base: u64, bits: &mut [u64], physical: u64, bytes: u64) {
        if physical < base {
            return;
        }
        let first = ((physical - base) as usize) / GRANULE;
        let last = ((physical - base + bytes) as usize).div_ceil(GRANULE);
        let mut at = first;
        while at < last && at / GRANULES < bits.len() {
            if at.is_multiple_of(GRANULES) && last - at >= GRANULES {
                bits[at / GRANULES] = u64::MAX;
                at += GRANULES;
            } else {
                bits[at / GRANULES] |= 1 << (at % GRANULES);
                at += 1;
            }
        }
    }

    /// An object lies here.
    pub fn object(&mut self, physical: u64, bytes: u64) {
        Self::mark(self.base, &mut self.objects, physical, bytes);
    }

    /// The kernel relies on these bytes being zero.
    pub fn zero(&mut self, physical: u64, bytes: u64) {
        Self::mark(self.base, &mut self.zero, physical, bytes);
    }
}

/// What [`collect`] finds.
pub(super) struct Found {
    /// Memory in use, and memory that must be zero.
    pub memory: Live,
    /// Threads that exist.
    pub threads: BTreeSet<ThreadId>,
}

/// Walks the derivation list for everything that may still be referred to.
pub(super) fn collect(k: &Kernel<SimMachine>) -> Found {
    let mut memory = k.machine.ram.nothing_live();
    let mut threads = BTreeSet::new();
    let bytes = SlotId::SIZE as u64;
    let in_ram = |address: usize| {
        let physical = address.checked_sub(super::ram::DIRECT)? as u64;
        (physical < k.machine.ram.end()).then_some(physical)
    };
    let mut at = k.head;
    while let Some(id) = at {
        let slot = *k.slot(id);
        at = slot.next;
        if let Some(physical) = in_ram(id.address()) {
            memory.object(physical, bytes);
        }
        // The headers of CNodes that no capability names.
        if !slot.flags.has(Flags::BINDING)
            && let Some(physical) = in_ram(slot.home)
        {
            memory.object(physical, bytes);
        }
        if !slot.is_original() || slot.is_device() {
            continue;
        }
        match slot.kind {
            Kind::Untyped => {
                let zero = if tree::has_children(k, id) {
                    slot.word..slot.a
                } else if slot.flags.has(Flags::ZEROING) {
                    0..slot.a
                } else {
                    0..0
                };
                if !zero.is_empty() {
                    memory.zero(slot.object as u64 + zero.start, zero.end - zero.start);
                }
            }
            Kind::Frame => memory.object(slot.object as u64, slot.bytes()),
            kind => {
                if let Some(bits) = kind.object_bits(slot.size_bits) {
                    memory.object(k.machine.physical(slot.object), 1 << bits);
                }
                if kind == Kind::Thread {
                    threads.extend(ThreadId::new(slot.object));
                }
            }
        }
    }
    Found { memory, threads }
}
