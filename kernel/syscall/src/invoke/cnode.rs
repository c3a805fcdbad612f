//! Methods of CNodes.

use super::Invocation;
use crate::dispatch::Completion;
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::method::{MINT_BADGE, MINT_PLAIN, MINT_RANGE, SlotInfo};
use pagurus_abi::{Error, Kind, Rights};
use pagurus_cap::cnode::CNode;
use pagurus_cap::derive::{self, Refinement};
use pagurus_cap::{Flags, Outcome, Slot, SlotId, Slots, delete, revoke};

impl<M: Machine> Kernel<M> {
    fn own_slot(&self, i: &Invocation<'_>, index: u64) -> Result<SlotId, Error> {
        let base = SlotId::new(i.object).ok_or(Error::WrongKind)?;
        let bits = i.size_bits;
        CNode { base, bits }.at(index)
    }

    pub(crate) fn cnode_mint(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let [index, cnode, source, argument] = *i.a;
        let refinement = match i.p >> 8 & 0xff {
            MINT_PLAIN => Refinement::Plain,
            MINT_BADGE => Refinement::Badge(argument),
            MINT_RANGE => Refinement::Range(argument),
            _ => return Err(Error::InvalidArgument),
        };
        let to = self.own_slot(i, index)?;
        let from = self.cnode_by(i.thread, cnode, Rights::READ)?.at(source)?;
        let rights = Rights::from_bits_truncate(i.p as u8);
        derive::mint(self, from, to, i.object, rights, refinement)?;
        Ok(Completion::OK)
    }

    pub(crate) fn cnode_move(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let [index, cnode, source, _] = *i.a;
        let to = self.own_slot(i, index)?;
        let from = self.cnode_by(i.thread, cnode, Rights::RW)?.at(source)?;
        derive::move_to(self, from, to, i.object)?;
        Ok(Completion::OK)
    }

    pub(crate) fn cnode_delete(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let at = self.own_slot(i, i.a[0])?;
        if self.slot(at).is_empty() {
            return Err(Error::EmptySlot);
        }
        Ok(restart_unless_done(delete(self, at)))
    }

    pub(crate) fn cnode_revoke(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let at = self.own_slot(i, i.a[0])?;
        if self.slot(at).is_empty() {
            return Err(Error::EmptySlot);
        }
        Ok(restart_unless_done(revoke(self, at)))
    }

    pub(crate) fn cnode_inspect(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let at = self.own_slot(i, i.a[0])?;
        let slot = self.slot(at);
        let virt = slot.mapping().map_or(0, |m| m.virt);
        let word = match slot.kind {
            Kind::Endpoint | Kind::Notification | Kind::IoPort | Kind::Cpu => slot.word,
            _ => 0,
        };
        Ok(Completion::Results([
            describe(slot).0,
            self.identity(slot),
            word,
            virt,
        ]))
    }

    /// What tells an object from every other of its kind: its physical address, or number.
    pub(crate) fn identity(&self, slot: &Slot) -> u64 {
        match slot.kind {
            Kind::Untyped | Kind::Frame => slot.object as u64,
            Kind::Cpu | Kind::IrqHandler => slot.object as u64,
            Kind::Empty | Kind::IrqControl | Kind::IoPort | Kind::KernelControl => 0,
            _ => self.machine.physical(slot.object),
        }
    }
}

fn restart_unless_done(outcome: Outcome) -> Completion {
    match outcome {
        Outcome::Done => Completion::OK,
        Outcome::Preempted => Completion::Restart,
    }
}

/// The word that describes a capability.
pub(crate) fn describe(slot: &Slot) -> SlotInfo {
    let mut word = slot.kind as u64
        | (slot.rights.bits() as u64) << 8
        | (slot.size_bits as u64) << 16
        | (slot.depth as u64) << 24;
    for (flag, bit) in [
        (Flags::ORIGINAL, SlotInfo::ORIGINAL),
        (Flags::DEVICE, SlotInfo::DEVICE),
        (Flags::MAPPED, SlotInfo::MAPPED),
        (Flags::BINDING, SlotInfo::BINDING),
    ] {
        if slot.flags.has(flag) {
            word |= bit;
        }
    }
    SlotInfo(word)
}
