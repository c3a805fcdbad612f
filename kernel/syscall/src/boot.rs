//! The first objects: root's, and the capabilities to everything else.
//!
//! Root's own objects are made from one piece of memory whose capability, with the originals of root's CNode and image
//! frames, lies in a CNode that nobody has a capability to: root can neither delete what holds its capabilities nor
//! itself be caught in what it holds. The capability of that memory is the head of the derivation list for ever.

use crate::dispatch::Completion;
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::mapping::MapRequest;
use pagurus_abi::boot::{
    BOOT_INFO_BYTES, BootInfo, ROOT_ADDRESS_SPACE_BITS, ROOT_CNODE_BITS, ROOT_MEMORY_BITS, slot,
};
use pagurus_abi::kind::{PAGE_BITS, SLOT_BITS};
use pagurus_abi::layout::{
    BOOT_INFO, IPC_BUFFER, PAGE_SIZE, PRIORITIES, ROOT_STACK_BYTES, STACK_TOP,
};
use pagurus_abi::method::{CacheMode, ThreadBinding};
use pagurus_abi::{Error, Kind, Rights};
use pagurus_cap::cnode::{self, CNode};
use pagurus_cap::derive::{self, Refinement};
use pagurus_cap::untyped::{self, Request};
use pagurus_cap::{Flags, Slot, SlotId, Slots, tree};
use pagurus_ipc::{Env, ThreadId, time};
use pagurus_sched::{Contexts, ScId};

/// Period and time slice of root.
const ROOT_PERIOD_NS: u64 = 10_000_000;
/// log2 of the slots in the CNode that nobody names.
const PRIVATE_BITS: u8 = 6;
/// In that CNode: the memory of root's objects, then root's CNode, then frames.
const PRIVATE_MEMORY: u64 = 1;
const PRIVATE_CNODE: u64 = 2;
const PRIVATE_FIRST_FRAME: u64 = 3;

/// A piece of root's image.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Virtual address, a multiple of 4 KiB.
    pub virt: u64,
    /// Bytes in memory from there, a multiple of 4 KiB.
    pub length: u64,
    /// Bytes from `virt` to the first byte of `file`.
    pub offset: u64,
    /// Contents; the rest is zero. Must lie within `length`.
    pub file: &'a [u8],
    /// How it is mapped.
    pub rights: Rights,
}

/// Physical memory for a Frame or Untyped capability of root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Physical address, aligned to the size.
    pub address: u64,
    /// log2 of the size in bytes.
    pub size_bits: u8,
}

/// Root as it is to be started.
pub struct Root<'a> {
    /// Memory for its objects: 2^[`ROOT_MEMORY_BITS`] bytes, aligned, reachable by the kernel.
    pub memory: u64,
    /// Its image.
    pub segments: &'a [Segment<'a>],
    /// Where it begins.
    pub entry: u64,
}

impl<M: Machine> Kernel<M> {
    /// Puts a capability that comes from nothing into slot `index` of root's CNode.
    fn give(&mut self, dest: CNode, index: u32, capability: Slot) -> Result<(), Error> {
        let at = dest.at(index as u64)?;
        if !self.slot(at).is_empty() {
            return Err(Error::OccupiedSlot);
        }
        let home = dest.base.address();
        self.head = Some(tree::insert_root(self, self.head, at, home, capability));
        cnode::count_in(self, home);
        Ok(())
    }

    /// Makes one of root's own objects.
    fn make(
        &mut self,
        memory: SlotId,
        dest: CNode,
        index: u64,
        kind: Kind,
        size_bits: u8,
    ) -> Result<SlotId, Error> {
        let request = Request {
            kind,
            size_bits,
            dest,
            index,
            count: 1,
        };
        let plan = untyped::plan(self, memory, &request)?;
        let base = self.slot(memory).object as u64;
        if let Some((from, to)) = untyped::to_zero(self, memory, &plan) {
            self.machine.zero(base + from, to - from);
            untyped::zeroed(self, memory, &plan, to);
        }
        let offset = self.machine.address(0);
        untyped::commit(self, memory, &request, &plan, |kind, physical| match kind {
            Kind::Frame | Kind::Untyped => physical,
            _ => offset.wrapping_add(physical),
        });
        let at = dest.at(index)?;
        self.init_object(at);
        Ok(at)
    }

    /// Maps all of a frame of root's.
    fn map_for_root(
        &mut self,
        at: SlotId,
        asid: u16,
        virt: u64,
        length: u64,
        perms: Rights,
    ) -> Result<(), Error> {
        let request = MapRequest {
            asid,
            virt,
            offset: 0,
            length,
            perms,
            cache: CacheMode::Default,
        };
        while self.map(at, &request)? == Completion::Restart {}
        Ok(())
    }

    /// Creates root and everything it is given, and makes it ready to run on processor 0.
    ///
    /// `info` comes with everything but slot numbers; `modules` gives the frames of each module in turn. The processors
    /// are those that [`Kernel::cpu_online`] was called for.
    ///
    /// # Errors
    /// Memory, slots or tables do not suffice.
    pub fn boot(
        &mut self,
        root: &Root<'_>,
        info: &mut BootInfo,
        frames_of_module: &mut dyn FnMut(usize, usize) -> Option<Memory>,
    ) -> Result<ThreadId, Error> {
        let cnode_bytes = 1u64 << (ROOT_CNODE_BITS + SLOT_BITS);
        let private_bytes = 1u64 << (PRIVATE_BITS + SLOT_BITS);
        let used = cnode_bytes + private_bytes;
        self.machine.zero(root.memory, used);
        let base = |k: &Self, physical| SlotId::new(k.machine.address(physical));
        let (Some(cnode_base), Some(private_base)) = (
            base(self, root.memory),
            base(self, root.memory + cnode_bytes),
        ) else {
            return Err(Error::OutOfMemory);
        };
        let cnode = CNode {
            base: cnode_base,
            bits: ROOT_CNODE_BITS,
        };
        let private = CNode {
            base: private_base,
            bits: PRIVATE_BITS,
        };

        self.give_machine(cnode)?;
        self.give_memory(cnode, info, frames_of_module)?;

        // Last, so that it is the head.
        let mut capability = Slot::original(Kind::Untyped, root.memory as usize, ROOT_MEMORY_BITS);
        capability.level = 1;
        capability.word = used;
        capability.a = used;
        self.give(private, PRIVATE_MEMORY as u32, capability)?;
        let memory = private.at(PRIVATE_MEMORY)?;
        let original = private.at(PRIVATE_CNODE)?;
        let mut capability = Slot::original(Kind::CNode, cnode_base.address(), ROOT_CNODE_BITS);
        // Above the private CNode, which is at level 0.
        capability.level = 1;
        self.slot_mut(cnode_base).level = 1;
        tree::insert_child(self, memory, original, private_base.address(), capability);
        cnode::count_in(self, private_base.address());
        let own = cnode.at(slot::CNODE as u64)?;
        derive::mint(
            self,
            original,
            own,
            cnode_base.address(),
            Rights::all(),
            Refinement::Plain,
        )?;

        let t = self.make_thread(memory, cnode)?;
        let asid = self.thread(t).asid;
        self.map_image(memory, private, asid, root.segments)?;

        let at = self.make(
            memory,
            cnode,
            slot::BOOT_INFO as u64,
            Kind::Frame,
            BOOT_INFO_BITS,
        )?;
        let physical = self.slot(at).object as u64;
        self.machine
            .copy_in(physical, zerocopy::IntoBytes::as_bytes(info));
        self.map_for_root(at, asid, BOOT_INFO, BOOT_INFO_BYTES as u64, Rights::READ)?;

        self.thread_mut(t)
            .frame
            .start(root.entry, STACK_TOP, IPC_BUFFER, BOOT_INFO);
        time::resume(self, t);
        Ok(t)
    }

    /// Processors, interrupts, ports and control.
    fn give_machine(&mut self, cnode: CNode) -> Result<(), Error> {
        for n in 0..self.cpus.len() {
            if self.cpus[n].online {
                let mut capability = Slot::original(Kind::Cpu, n, 0);
                capability.word = PRIORITIES as u64 - 1;
                self.give(cnode, slot::FIRST_CPU + n as u32, capability)?;
            }
        }
        self.give(
            cnode,
            slot::IRQ_CONTROL,
            Slot::original(Kind::IrqControl, 0, 0),
        )?;
        let mut ports = Slot::original(Kind::IoPort, 0, 0);
        ports.word = 0xffff << 16;
        self.give(cnode, slot::IO_PORTS, ports)?;
        self.give(
            cnode,
            slot::KERNEL_CONTROL,
            Slot::original(Kind::KernelControl, 0, 0),
        )
    }

    /// Modules and free memory.
    fn give_memory(
        &mut self,
        cnode: CNode,
        info: &mut BootInfo,
        frames_of_module: &mut dyn FnMut(usize, usize) -> Option<Memory>,
    ) -> Result<(), Error> {
        let mut next = slot::FIRST_DYNAMIC;
        let modules = info.modules().len();
        for (n, module) in info.modules[..modules].iter_mut().enumerate() {
            module.first_slot = next;
            module.slot_count = 0;
            while let Some(memory) = frames_of_module(n, module.slot_count as usize) {
                let mut capability =
                    Slot::original(Kind::Frame, memory.address as usize, memory.size_bits);
                capability.rights = Rights::READ;
                self.give(cnode, next, capability)?;
                module.slot_count += 1;
                next += 1;
            }
        }
        let untyped = info.untyped().len();
        for region in &mut info.untyped[..untyped] {
            let mut capability =
                Slot::original(Kind::Untyped, region.address as usize, region.size_bits);
            if region.device != 0 {
                capability.flags.0 |= Flags::DEVICE;
            }
            self.give(cnode, next, capability)?;
            region.slot = next;
            next += 1;
        }
        info.first_free_slot = next;
        info.cnode_bits = ROOT_CNODE_BITS as u32;
        Ok(())
    }

    /// Root's thread with everything bound but its image.
    fn make_thread(&mut self, memory: SlotId, cnode: CNode) -> Result<ThreadId, Error> {
        let space = self.make(
            memory,
            cnode,
            slot::ADDRESS_SPACE as u64,
            Kind::AddressSpace,
            ROOT_ADDRESS_SPACE_BITS,
        )?;
        let asid = self.slot(space).word as u16;
        let thread = self.make(memory, cnode, slot::THREAD as u64, Kind::Thread, 0)?;
        let t = ThreadId::new(self.slot(thread).object).ok_or(Error::EmptySlot)?;
        let context = self.make(
            memory,
            cnode,
            slot::SCHED_CONTEXT as u64,
            Kind::SchedContext,
            0,
        )?;
        let sc = ScId::new(self.slot(context).object).ok_or(Error::EmptySlot)?;
        let buffer = self.make(
            memory,
            cnode,
            slot::IPC_BUFFER as u64,
            Kind::Frame,
            PAGE_BITS,
        )?;
        self.map_for_root(buffer, asid, IPC_BUFFER, PAGE_SIZE as u64, Rights::RW)?;
        self.bind_place(t, ThreadBinding::CSpace, cnode.at(slot::CNODE as u64)?, 0)?;
        self.bind_place(t, ThreadBinding::AddressSpace, space, 0)?;
        self.bind_place(t, ThreadBinding::IpcBuffer, buffer, 0)?;
        let period = self.machine.ticks(ROOT_PERIOD_NS);
        let s = self.sc_mut(sc);
        s.priority = (PRIORITIES - 1) as u8;
        s.budget = period;
        s.period = period;
        self.bind_context(t, sc, context)?;
        Ok(t)
    }

    /// Root's image and stack.
    fn map_image(
        &mut self,
        memory: SlotId,
        private: CNode,
        asid: u16,
        segments: &[Segment<'_>],
    ) -> Result<(), Error> {
        let mut index = PRIVATE_FIRST_FRAME;
        for s in segments {
            let bits = s.length.next_power_of_two().trailing_zeros() as u8;
            let at = self.make(memory, private, index, Kind::Frame, bits)?;
            let physical = self.slot(at).object as u64;
            if s.offset + s.file.len() as u64 > s.length {
                return Err(Error::InvalidArgument);
            }
            self.machine.copy_in(physical + s.offset, s.file);
            self.map_for_root(at, asid, s.virt, s.length, s.rights)?;
            index += 1;
        }
        let bits = ROOT_STACK_BYTES.trailing_zeros() as u8;
        let at = self.make(memory, private, index, Kind::Frame, bits)?;
        self.map_for_root(
            at,
            asid,
            STACK_TOP - ROOT_STACK_BYTES,
            ROOT_STACK_BYTES,
            Rights::RW,
        )
    }
}

/// log2 of the boot information's size.
const BOOT_INFO_BITS: u8 = BOOT_INFO_BYTES.trailing_zeros() as u8;

const _: () = {
    assert!(BOOT_INFO_BYTES.is_power_of_two());
    assert!(ROOT_STACK_BYTES.is_power_of_two());
};
