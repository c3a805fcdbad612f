//! What a component consists of: the objects that are made from its lease, and what the memory among them is for.
//!
//! Everything of a component is made from one untyped piece of its own, its lease. The largest objects come first, so
//! the lease is the sum of its objects, rounded up to a power of two, and to end the component is to revoke it.

use crate::memory::{bits_for, blocks};
use crate::program::Program;
use alloc::vec::Vec;
use pagurus_abi::kind::PAGE_BITS;
use pagurus_abi::layout::{HEAP_BASE, IPC_BUFFER, PAGE_SIZE, STACK_TOP};
use pagurus_abi::{Kind, Rights};
use pagurus_capdl_image::ComponentInfo;
use pagurus_protocol::start::{MODULE_ROOM, START_INFO};

/// What an object of a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Its capability space.
    CNode,
    /// Its address space.
    AddressSpace,
    /// Its thread.
    Thread,
    /// Its time.
    SchedContext,
    /// Its Reply, in a slot of its own capability space.
    Reply {
        /// That slot.
        slot: u32,
    },
    /// Memory mapped for it.
    Memory(Memory),
}

/// Memory of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Where it is mapped.
    pub address: u64,
    /// What the component may do with it.
    pub rights: Rights,
    /// What is in it when the component starts.
    pub content: Content,
}

/// What is in a component's memory when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Zeroes.
    Zero,
    /// Zeroes; it is the thread's IPC buffer.
    IpcBuffer,
    /// The start page.
    StartInfo,
    /// A part of a segment of the program.
    Segment {
        /// Number of the segment.
        number: usize,
        /// First byte of the segment that is in this memory.
        offset: u64,
    },
}

/// An object to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is for.
    pub role: Role,
    /// Its kind.
    pub kind: Kind,
    /// Its size, as `retype` takes it.
    pub size_bits: u8,
    /// log2 of the bytes that it takes.
    pub object_bits: u8,
}

/// What a component consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its objects in the order in which to make them.
    pub parts: Vec<Part>,
    /// log2 of the bytes of its lease.
    pub lease_bits: u8,
}

/// log2 of the bytes of the address space of a component that asks for `2^bits` and has boot modules of these `lengths`
/// mapped besides: their page tables come on top, as nobody knew the lengths before.
///
/// # Errors
/// If a module is longer than the room for it, or no address space is that large.
pub fn address_space_bits(
    bits: u8,
    lengths: impl Iterator<Item = u64>,
) -> Result<u8, ImpossibleSize> {
    /// log2 of the bytes that a page table of each level covers (AMD64 manual volume 2, section 5.3).
    const LEVELS: [u32; 3] = [21, 30, 39];
    let mut tables = 0;
    for bytes in lengths.filter(|bytes| *bytes > 0) {
        if bytes > MODULE_ROOM {
            return Err(ImpossibleSize("boot module"));
        }
        // One more on each level, as the mapping need not begin where a table does.
        tables += LEVELS.map(|level| (bytes >> level) + 2).iter().sum::<u64>();
    }
    let asked = 1u64.checked_shl(bits.into());
    asked
        .and_then(|asked| bits_for(asked.checked_add(tables * PAGE_SIZE as u64)?, bits))
        .ok_or(ImpossibleSize(Kind::AddressSpace.name()))
}

/// A size that no object has, with the name of what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImpossibleSize(pub &'static str);

impl core::fmt::Display for ImpossibleSize {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "no {} can have the size asked for", self.0)
    }
}

impl core::error::Error for ImpossibleSize {}

impl Plan {
    /// The objects of the component that `info` describes and that runs `program`; `reply` is the slot for its
    /// Reply, if it has one.
    ///
    /// # Errors
    /// If a size is outside what the kernel can make.
    pub fn new(
        info: &ComponentInfo<'_>,
        program: &Program,
        reply: Option<u32>,
    ) -> Result<Plan, ImpossibleSize> {
        let mut parts = Parts(Vec::new());
        parts.add(Role::CNode, Kind::CNode, info.cnode_bits)?;
        parts.add(
            Role::AddressSpace,
            Kind::AddressSpace,
            info.address_space_bits,
        )?;
        parts.add(Role::Thread, Kind::Thread, 0)?;
        if info.time.is_some() {
            parts.add(Role::SchedContext, Kind::SchedContext, 0)?;
        }
        if let Some(slot) = reply {
            parts.add(Role::Reply { slot }, Kind::Reply, 0)?;
        }
        let page = PAGE_SIZE as u64;
        parts.memory(IPC_BUFFER, page, Rights::RW, |_| Content::IpcBuffer)?;
        parts.memory(START_INFO, page, Rights::READ, |_| Content::StartInfo)?;
        let stack = STACK_TOP.checked_sub(info.stack);
        let stack = stack.ok_or(ImpossibleSize("stack"))?;
        parts.memory(stack, info.stack, Rights::RW, |_| Content::Zero)?;
        parts.memory(HEAP_BASE, info.heap, Rights::RW, |_| Content::Zero)?;
        for (number, segment) in program.segments.iter().enumerate() {
            parts.memory(segment.start, segment.bytes, segment.rights, |offset| {
                Content::Segment { number, offset }
            })?;
        }
        let mut parts = parts.0;
        parts.sort_by_key(|part| core::cmp::Reverse(part.object_bits));
        let bytes = parts.iter().map(|p| 1u64 << p.object_bits).sum();
        let lease_bits = bits_for(bytes, PAGE_BITS).ok_or(ImpossibleSize("lease"))?;
        Ok(Plan { parts, lease_bits })
    }

    /// Position of the part with this role.
    pub fn position(&self, role: impl Fn(&Role) -> bool) -> Option<usize> {
        self.parts.iter().position(|p| role(&p.role))
    }
}

struct Parts(Vec<Part>);

impl Parts {
    fn add(&mut self, role: Role, kind: Kind, size_bits: u8) -> Result<(), ImpossibleSize> {
        let object_bits = kind
            .object_bits(size_bits)
            .ok_or(ImpossibleSize(kind.name()))?;
        self.0.push(Part {
            role,
            kind,
            size_bits,
            object_bits,
        });
        Ok(())
    }

    fn memory(
        &mut self,
        address: u64,
        bytes: u64,
        rights: Rights,
        content: impl Fn(u64) -> Content,
    ) -> Result<(), ImpossibleSize> {
        for (offset, bits) in blocks(bytes) {
            let memory = Memory {
                address: address + offset,
                rights,
                content: content(offset),
            };
            self.add(Role::Memory(memory), Kind::Frame, bits)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::tests::{CODE, DATA, elf_file};
    use pagurus_abi::layout::IMAGE_BASE;
    use pagurus_capdl_image::{Dynamic, Restarts, Time};
    use proptest::prelude::*;

    fn info(stack: u64, heap: u64, passive: bool) -> ComponentInfo<'static> {
        ComponentInfo {
            id: 1,
            name: "test",
            binary: "test",
            time: (!passive).then_some(Time {
                priority: 1,
                cpu: 0,
                budget: 10_000_000,
                period: 10_000_000,
            }),
            stack,
            heap,
            image: 1 << 20,
            memory_quota: 0,
            cnode_bits: 6,
            address_space_bits: 16,
            fpu: false,
            fault_endpoint: None,
            notification: None,
            restarts: Restarts::Always,
            dynamic: Dynamic::default(),
        }
    }

    fn program() -> Program {
        Program::parse(&elf_file(IMAGE_BASE, &[CODE, DATA]), 1 << 20).unwrap()
    }

    proptest! {
        #[test]
        fn everything_fits_the_lease_without_gaps(stack in 1u64..100, heap in 0u64..1000, passive: bool) {
            let plan = Plan::new(&info(stack << 12, heap << 12, passive), &program(), Some(3)).unwrap();
            let mut used = 0u64;
            for part in &plan.parts {
                let size = 1u64 << part.object_bits;
                prop_assert!(used.is_multiple_of(size), "largest first");
                used += size;
            }
            prop_assert!(used <= 1 << plan.lease_bits && used > 1 << (plan.lease_bits - 1));
            let has_time = plan.position(|r| *r == Role::SchedContext).is_some();
            prop_assert_eq!(has_time, !passive);
        }

        #[test]
        fn memory_covers_every_region_once(stack in 1u64..100, heap in 0u64..1000) {
            let (stack, heap) = (stack << 12, heap << 12);
            let plan = Plan::new(&info(stack, heap, false), &program(), None).unwrap();
            let mut all: Vec<(u64, u64)> = plan.parts.iter().filter_map(|p| match p.role {
                Role::Memory(m) => Some((m.address, 1u64 << p.size_bits)),
                _ => None,
            }).collect();
            all.sort_unstable();
            let mut merged: Vec<(u64, u64)> = Vec::new();
            for (start, bytes) in all {
                match merged.last_mut() {
                    Some((s, b)) if *s + *b == start => *b += bytes,
                    _ => merged.push((start, bytes)),
                }
            }
            let mut expected = vec![(IMAGE_BASE, 0x6000)];
            if heap > 0 {
                expected.push((HEAP_BASE, heap));
            }
            expected.extend([(STACK_TOP - stack, stack), (IPC_BUFFER, 0x1000), (START_INFO, 0x1000)]);
            prop_assert_eq!(merged, expected);
        }
    }

    #[test]
    fn page_tables_for_boot_modules_come_on_top() {
        let bits = |asked, lengths: &[u64]| address_space_bits(asked, lengths.iter().copied());
        assert_eq!(bits(16, &[]), Ok(16));
        assert_eq!(bits(16, &[0, 0]), Ok(16));
        assert_eq!(bits(16, &[1]), Ok(17));
        // 512 tables and a few, besides the 16 asked for.
        assert_eq!(bits(16, &[1 << 30]), Ok(22));
        assert_eq!(bits(21, &[1 << 20, 1 << 20]), Ok(22));
        let too_long = Err(ImpossibleSize("boot module"));
        assert_eq!(bits(16, &[MODULE_ROOM + 1]), too_long);
        assert_eq!(bits(64, &[]), Err(ImpossibleSize("address-space")));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        let mut odd = info(4096, 0, false);
        odd.cnode_bits = 40;
        assert_eq!(
            Plan::new(&odd, &program(), None),
            Err(ImpossibleSize("cnode"))
        );
        let deep = info(STACK_TOP + 4096, 0, false);
        assert_eq!(
            Plan::new(&deep, &program(), None),
            Err(ImpossibleSize("stack"))
        );
    }

    #[test]
    fn the_reply_comes_after_the_capability_space_that_holds_it() {
        let plan = Plan::new(&info(4096, 0, false), &program(), Some(3)).unwrap();
        let cnode = plan.position(|r| *r == Role::CNode).unwrap();
        let reply = plan
            .position(|r| matches!(r, Role::Reply { slot: 3 }))
            .unwrap();
        assert!(cnode < reply);
    }
}
