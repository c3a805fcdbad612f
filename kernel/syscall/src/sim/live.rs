//! Which memory the capabilities vouch for.

use super::machine::SimMachine;
use super::ram::Live;
use crate::kernel::Kernel;
use crate::machine::Memory;
use pagurus_abi::Kind;
use pagurus_cap::{Flags, SlotId, Slots, tree};
use pagurus_ipc::ThreadId;
use std::collections::BTreeSet;

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
