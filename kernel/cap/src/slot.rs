//! One capability slot, and where slots are kept.

use core::num::NonZeroUsize;
use pagurus_abi::{Kind, Rights};

/// Names a slot: in the kernel its address, in tests an address in a simulated memory.
///
/// Slots of one CNode lie [`SlotId::SIZE`] apart, so that the slot of an index is found by one addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct SlotId(NonZeroUsize);

impl SlotId {
    /// Bytes from one slot to the next.
    pub const SIZE: usize = 1 << pagurus_abi::kind::SLOT_BITS;

    /// The slot at this address, unless it is 0.
    pub const fn new(address: usize) -> Option<SlotId> {
        match NonZeroUsize::new(address) {
            Some(a) => Some(SlotId(a)),
            None => None,
        }
    }

    /// Its address.
    pub const fn address(self) -> usize {
        self.0.get()
    }

    /// The slot `index` places further on. The caller has checked that it exists.
    #[inline(always)]
    pub const fn nth(self, index: usize) -> SlotId {
        match NonZeroUsize::new(self.0.get().wrapping_add(index * Self::SIZE)) {
            Some(a) => SlotId(a),
            None => self,
        }
    }

    /// How many places this slot lies after `base`.
    pub const fn index_from(self, base: SlotId) -> usize {
        (self.0.get().wrapping_sub(base.0.get())) / Self::SIZE
    }
}

/// Facts about one capability, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Flags(pub u8);

impl Flags {
    /// The capability that `retype` (or boot) made; the object ends with it.
    pub const ORIGINAL: u8 = 1;
    /// Device memory: never zeroed, never anything but frames and untyped memory.
    pub const DEVICE: u8 = 2;
    /// A binding inside a kernel object; `home` is that object, not a CNode.
    pub const BINDING: u8 = 4;
    /// A mapping is recorded in `word`, `a`, `b` and `asid`.
    pub const MAPPED: u8 = 8;
    /// Untyped memory without children whose first bytes are being zeroed for a `retype` that was interrupted.
    pub const ZEROING: u8 = 16;

    /// Whether all bits of `mask` are set.
    #[inline(always)]
    pub const fn has(self, mask: u8) -> bool {
        self.0 & mask == mask
    }
}

/// Where a frame capability is mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Identifier of the address space.
    pub asid: u16,
    /// Generation of that identifier: another one means that the address space is gone.
    pub generation: u32,
    /// Virtual address, a multiple of 4 KiB.
    pub virt: u64,
    /// First 4 KiB page of the frame that is mapped.
    pub offset_pages: u32,
    /// 4 KiB pages mapped in all.
    pub pages: u32,
    /// Pages done so far by a `map` that was interrupted; equal to `pages` once it is complete.
    pub done: u32,
}

/// One slot: 64 bytes, one cache line.
///
/// | kind | `object` | `word` | `a`, `b` |
/// | --- | --- | --- | --- |
/// | Untyped | physical address | watermark in bytes | bytes known to be zero; floor of the level |
/// | Frame, TraceBuffer | physical address | virtual address | mapping |
/// | CNode | first slot | | |
/// | Endpoint, Notification | the object | badge | |
/// | Cpu | processor number | highest priority to give away | |
/// | IoPort | | first and last port | |
/// | IrqHandler | interrupt number | | |
/// | others | the object | | |
///
/// The first slot of a CNode is never a capability; it is the CNode's header (see [`crate::cnode`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(target_pointer_width = "64", repr(C, align(64)))]
#[cfg_attr(not(target_pointer_width = "64"), repr(C))]
pub struct Slot {
    /// What it names; `Empty` for a free slot.
    pub kind: Kind,
    /// What it permits.
    pub rights: Rights,
    /// log2 of the size of the object (bytes of memory, slots of a CNode).
    pub size_bits: u8,
    /// Facts.
    pub flags: Flags,
    /// Depth in the derivation tree.
    pub depth: u8,
    /// Containment level (CNode header, CNode original, Untyped in use).
    pub level: u8,
    /// Address space identifier of a mapping.
    pub asid: u16,
    /// Next slot in pre-order.
    pub next: Option<SlotId>,
    /// Previous slot in pre-order.
    pub prev: Option<SlotId>,
    /// The object.
    pub object: usize,
    /// The CNode or kernel object that this slot is part of.
    pub home: usize,
    /// Badge, watermark, range, virtual address.
    pub word: u64,
    /// See the table.
    pub a: u64,
    /// See the table.
    pub b: u64,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(core::mem::size_of::<Slot>() == SlotId::SIZE);

impl Slot {
    /// A free slot.
    pub const EMPTY: Slot = Slot {
        kind: Kind::Empty,
        rights: Rights::empty(),
        size_bits: 0,
        flags: Flags(0),
        depth: 0,
        level: 0,
        asid: 0,
        next: None,
        prev: None,
        object: 0,
        home: 0,
        word: 0,
        a: 0,
        b: 0,
    };

    /// An original capability with all rights, not yet in the tree.
    pub const fn original(kind: Kind, object: usize, size_bits: u8) -> Slot {
        let mut slot = Slot::EMPTY;
        slot.kind = kind;
        slot.rights = Rights::all();
        slot.size_bits = size_bits;
        slot.flags = Flags(Flags::ORIGINAL);
        slot.object = object;
        slot
    }

    /// Whether nothing is in it.
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        matches!(self.kind, Kind::Empty)
    }

    /// Whether this is the capability with which its object ends.
    #[inline(always)]
    pub const fn is_original(&self) -> bool {
        self.flags.has(Flags::ORIGINAL)
    }

    /// Whether it names device memory.
    #[inline(always)]
    pub const fn is_device(&self) -> bool {
        self.flags.has(Flags::DEVICE)
    }

    /// Bytes of an Untyped or Frame.
    pub const fn bytes(&self) -> u64 {
        1 << self.size_bits
    }

    /// The recorded mapping, if there is one.
    pub const fn mapping(&self) -> Option<Mapping> {
        if !self.flags.has(Flags::MAPPED) {
            return None;
        }
        Some(Mapping {
            asid: self.asid,
            generation: (self.b >> 32) as u32,
            virt: self.word,
            offset_pages: self.a as u32,
            pages: (self.a >> 32) as u32,
            done: self.b as u32,
        })
    }

    /// Records or forgets a mapping.
    pub const fn set_mapping(&mut self, mapping: Option<Mapping>) {
        match mapping {
            Some(m) => {
                self.flags.0 |= Flags::MAPPED;
                self.asid = m.asid;
                self.word = m.virt;
                self.a = m.offset_pages as u64 | (m.pages as u64) << 32;
                self.b = m.done as u64 | (m.generation as u64) << 32;
            }
            None => {
                self.flags.0 &= !Flags::MAPPED;
                self.asid = 0;
                self.word = 0;
                self.a = 0;
                self.b = 0;
            }
        }
    }
}

/// Where slots are kept.
///
/// Ids come from this store alone (from a CNode, a link or a binding), so looking one up cannot fail; a store
/// that is given an id of its own making may panic, and in tests does.
pub trait Slots {
    /// The slot with this id.
    fn slot(&self, id: SlotId) -> &Slot;
    /// The slot with this id, to change it.
    fn slot_mut(&mut self, id: SlotId) -> &mut Slot;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapping_round_trips_and_is_forgotten() {
        let mut s = Slot::original(Kind::Frame, 0x1000, 21);
        assert_eq!(s.mapping(), None);
        let m = Mapping {
            asid: 77,
            generation: u32::MAX,
            virt: 0x7fff_ffff_e000,
            offset_pages: u32::MAX,
            pages: 512,
            done: 3,
        };
        s.set_mapping(Some(m));
        assert_eq!(s.mapping(), Some(m));
        s.set_mapping(None);
        assert_eq!(s, Slot::original(Kind::Frame, 0x1000, 21));
    }
}
