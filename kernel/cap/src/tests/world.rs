//! A small memory of slots in which CNodes, untyped memory and objects lie.

use crate::cnode::CNode;
use crate::delete::{Outcome, delete, revoke};
use crate::derive::{self, Refinement};
use crate::sim::ArraySlots;
use crate::slot::{Flags, Slot, SlotId, Slots};
use crate::untyped::{self, Plan, Request};
use crate::{check, tree};
use pagurus_abi::{Error, Kind, Rights};

/// Slots in memory: 128 KiB.
pub const SLOTS: usize = 2048;
/// log2 of the slots of the root CNode.
pub const ROOT_BITS: u8 = 6;
/// Address of the root CNode.
pub const ROOT: usize = 0x1000;
/// Device memory.
pub const DEVICE: usize = 0x4000;
/// log2 of its bytes.
pub const DEVICE_BITS: u8 = 13;
/// Memory.
pub const MEMORY: usize = 0x1_0000;
/// log2 of its bytes.
pub const MEMORY_BITS: u8 = 16;
/// Indices in the root CNode.
pub const CNODE_SLOT: u64 = 1;
pub const MEMORY_SLOT: u64 = 2;
pub const DEVICE_SLOT: u64 = 3;
pub const PORTS_SLOT: u64 = 4;
pub const CPU_SLOT: u64 = 5;
/// First empty index.
pub const FREE: u64 = 6;

/// What a slot has in memory that was not zeroed.
const JUNK: Slot = {
    let mut junk = Slot::original(Kind::KernelControl, usize::MAX, 99);
    junk.level = 77;
    junk
};

/// The memory and the head of the derivation list.
#[derive(Clone)]
pub struct World {
    pub s: Box<ArraySlots<SLOTS>>,
    pub head: Option<SlotId>,
}

/// The root CNode.
pub fn root() -> CNode {
    CNode {
        base: SlotId::new(ROOT).expect("not 0"),
        bits: ROOT_BITS,
    }
}

impl World {
    /// The root CNode with its own capability, memory, device memory, ports and a processor.
    pub fn new() -> World {
        let mut s = Box::new(ArraySlots::default());
        for at in (DEVICE..DEVICE + (1 << DEVICE_BITS)).chain(MEMORY..MEMORY + (1 << MEMORY_BITS)) {
            if at % SlotId::SIZE == 0 {
                *s.slot_mut(SlotId::new(at).expect("not 0")) = JUNK;
            }
        }
        let mut device = Slot::original(Kind::Untyped, DEVICE, DEVICE_BITS);
        device.flags.0 |= Flags::DEVICE;
        let mut ports = Slot::original(Kind::IoPort, 0, 0);
        ports.word = 0xffff << 16;
        let mut cpu = Slot::original(Kind::Cpu, 0, 0);
        cpu.word = 255;
        // The CNode holds itself, as it would if nothing had been done about it: at level 0 it never moves.
        let capabilities = [
            (
                MEMORY_SLOT,
                Slot::original(Kind::Untyped, MEMORY, MEMORY_BITS),
            ),
            (DEVICE_SLOT, device),
            (PORTS_SLOT, ports),
            (CPU_SLOT, cpu),
            (CNODE_SLOT, Slot::original(Kind::CNode, ROOT, ROOT_BITS)),
        ];
        let mut head = None;
        for (index, capability) in capabilities {
            let at = root().at(index).expect("in range");
            head = Some(tree::insert_root(&mut *s, head, at, ROOT, capability));
            s.slot_mut(root().base).word += 1;
        }
        World { s, head }
    }

    /// The slot at an index of the root CNode.
    pub fn at(&self, index: u64) -> SlotId {
        root().at(index).expect("in range")
    }

    /// What is in it.
    pub fn get(&self, index: u64) -> Slot {
        *self.s.slot(self.at(index))
    }

    /// `retype`, with the zeroing that the kernel does; stops after `steps` pieces of it.
    pub fn retype_in_steps(
        &mut self,
        untyped: SlotId,
        request: &Request,
        steps: usize,
    ) -> Result<Option<Plan>, Error> {
        const PIECE: u64 = 4096;
        let plan = untyped::plan(&*self.s, untyped, request)?;
        let base = self.s.slot(untyped).object;
        let mut left = steps;
        while let Some((from, to)) = untyped::to_zero(&*self.s, untyped, &plan) {
            let end = to.min(from + PIECE);
            self.fill(base + from as usize, base + end as usize, Slot::EMPTY);
            untyped::zeroed(&mut *self.s, untyped, &plan, end);
            if end < to && left == 0 {
                return Ok(None);
            }
            left = left.saturating_sub(1);
        }
        untyped::commit(&mut *self.s, untyped, request, &plan, |_, physical| {
            physical
        });
        Ok(Some(plan))
    }

    /// `retype` into the root CNode.
    pub fn retype(
        &mut self,
        untyped: u64,
        kind: Kind,
        size_bits: u8,
        index: u64,
        count: u64,
    ) -> Result<(), Error> {
        let request = Request {
            kind,
            size_bits,
            dest: root(),
            index,
            count,
        };
        self.retype_in_steps(self.at(untyped), &request, usize::MAX)
            .map(|_| ())
    }

    /// A copy with all rights, within the root CNode.
    pub fn copy(&mut self, from: u64, to: u64) -> Result<(), Error> {
        self.mint(from, to, Rights::all(), Refinement::Plain)
    }

    /// `mint` within the root CNode.
    pub fn mint(
        &mut self,
        from: u64,
        to: u64,
        rights: Rights,
        refinement: Refinement,
    ) -> Result<(), Error> {
        let (from, to) = (self.at(from), self.at(to));
        derive::mint(&mut *self.s, from, to, ROOT, rights, refinement)
    }

    /// `move` from a slot to a slot of a CNode.
    pub fn move_to(&mut self, from: SlotId, cnode: CNode, index: u64) -> Result<(), Error> {
        let to = cnode.at(index)?;
        let result = derive::move_to(&mut *self.s, from, to, cnode.base.address());
        if result.is_ok() && self.head == Some(from) {
            self.head = Some(to);
        }
        result
    }

    /// The CNode that an index of the root CNode names.
    pub fn cnode(&self, index: u64) -> CNode {
        CNode::of(&self.get(index)).expect("a CNode")
    }

    /// Deletes, however often it takes.
    pub fn delete(&mut self, at: SlotId) {
        while self.delete_step(at, None) == Outcome::Preempted {}
    }

    /// Deletes until a preemption point.
    pub fn delete_step(&mut self, at: SlotId, steps: Option<u32>) -> Outcome {
        let next = self.s.slot(at).next;
        self.s.steps_until_preemption = steps;
        let outcome = delete(&mut *self.s, at);
        if self.head == Some(at) && self.s.slot(at).is_empty() {
            self.head = next;
        }
        self.after_deletion();
        outcome
    }

    /// Revokes until a preemption point.
    pub fn revoke_step(&mut self, at: SlotId, steps: Option<u32>) -> Outcome {
        self.s.steps_until_preemption = steps;
        let outcome = revoke(&mut *self.s, at);
        self.after_deletion();
        outcome
    }

    /// Revokes, however often it takes.
    pub fn revoke(&mut self, at: SlotId) {
        while self.revoke_step(at, None) == Outcome::Preempted {}
    }

    /// Memory of CNodes that ended is somebody else's business now.
    fn after_deletion(&mut self) {
        for ended in std::mem::take(&mut self.s.ended) {
            if ended.kind == Kind::CNode {
                let bytes = SlotId::SIZE << ended.size_bits;
                self.fill(ended.object, ended.object + bytes, JUNK);
            }
        }
    }

    fn fill(&mut self, from: usize, to: usize, with: Slot) {
        for at in (from..to).step_by(SlotId::SIZE) {
            *self.s.slot_mut(SlotId::new(at).expect("not 0")) = with;
        }
    }

    /// Checks the tree and all CNodes, and returns the number of capabilities.
    pub fn check(&self) -> u64 {
        let count = check::tree(&*self.s, self.head, |_, object| object);
        let count = count.unwrap_or_else(|v| panic!("{v:x?}: {:x?}", self.s.slot(v.slot)));
        let mut at = self.head;
        let mut in_cnodes = 0;
        while let Some(id) = at {
            let slot = self.s.slot(id);
            at = slot.next;
            if let Some(cnode) = CNode::of(slot)
                && slot.is_original()
            {
                check::container(&*self.s, cnode).expect("the count is right");
                in_cnodes += self.s.slot(cnode.base).word;
            }
        }
        assert_eq!(in_cnodes, count, "every capability lies in a CNode");
        count
    }
}
