//! Instructions on registers in memory.

use super::{Context, Next, Processor, instruction, mode, view};
use crate::memory::GuestMemory;
use pagurus_abi::vcpu::{Groups, VcpuPage, segment};
use pagurus_decoder::paging::{
    AccessType, MemoryAccess, TranslateError, fetch as fetch_bytes, translate,
};
use pagurus_decoder::{Instruction, Operation, Place, Registers, SegmentBases};

/// Bits of a guest-physical address.
pub const PHYSICAL_BITS: u8 = 40;
const RFLAGS_AC: u64 = 1 << 18;
const PAGE: u64 = 4096;

/// Why an instruction cannot be carried out for the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The guest gets a page fault.
    PageFault {
        /// Linear address.
        address: u64,
        /// Error code.
        code: u32,
    },
    /// The guest gets a general-protection fault.
    Protection,
    /// We cannot do it.
    Unknown,
}

fn problem(error: TranslateError, address: u64) -> Problem {
    match error {
        TranslateError::PageFault(code) => Problem::PageFault { address, code },
        TranslateError::NonCanonical => Problem::Protection,
        TranslateError::NotInRam(_) => Problem::Unknown,
    }
}

/// The instruction at which the guest stands.
pub(super) fn fetch<M: GuestMemory>(c: &Context<'_, M>) -> Result<Instruction, Problem> {
    let (code, paging, user) = mode(c.page, PHYSICAL_BITS);
    let base = c.page.segments[segment::CS].base;
    let base = if code == pagurus_decoder::CodeSize::Bits64 {
        0
    } else {
        base
    };
    let linear = base.wrapping_add(c.page.rip);
    let fetched = fetch_bytes(&paging, &view(c.memory), linear, code, user)
        .map_err(|error| problem(error, linear))?;
    match instruction(fetched.bytes(), code) {
        Some(instruction) => Ok(instruction),
        None => Err(match fetched.stopped {
            Some((address, error)) => problem(error, address),
            None => Problem::Unknown,
        }),
    }
}

fn registers(page: &VcpuPage) -> Registers {
    Registers {
        general: page.gpr,
        rip: page.rip,
        rflags: page.rflags,
    }
}

fn bases(page: &VcpuPage) -> SegmentBases {
    SegmentBases(core::array::from_fn(|n| page.segments[n].base))
}

/// A place as the guest's tables have it: guest-physical addresses of its one or two parts, with their bytes.
fn locate<M: GuestMemory>(
    c: &Context<'_, M>,
    place: Place,
    kind: AccessType,
) -> Result<[(u64, u8); 2], Problem> {
    let (_, paging, user) = mode(c.page, PHYSICAL_BITS);
    let access = MemoryAccess {
        kind,
        user,
        alignment_check: c.page.rflags & RFLAGS_AC != 0,
    };
    let whole = place.width.bytes();
    let first = (PAGE - place.address % PAGE).min(whole.into()) as u8;
    let at = |linear: u64| {
        translate(&paging, &view(c.memory), linear, access)
            .map(|t| t.address)
            .map_err(|error| problem(error, linear))
    };
    let mut parts = [(at(place.address)?, first), (0, whole - first)];
    if first < whole {
        parts[1].0 = at(place.address.wrapping_add(first.into()))?;
    }
    Ok(parts)
}

impl Processor {
    /// A nested page fault: an access to what is not RAM.
    pub(super) fn memory<M: GuestMemory>(&mut self, c: &mut Context<'_, M>) -> Next {
        match self.carry_out(c) {
            Ok(next) => next,
            Err(problem) => self.fault(c, problem),
        }
    }

    fn carry_out<M: GuestMemory>(&mut self, c: &mut Context<'_, M>) -> Result<Next, Problem> {
        let instruction = fetch(c)?;
        let Operation::Access(access) = instruction.operation else {
            return Err(Problem::Unknown);
        };
        let mut registers = registers(c.page);
        let places = access.places(&registers, &bases(c.page));
        // All faults first: nothing has happened then.
        let mut from = [None; 2];
        for (slot, place) in from.iter_mut().zip(places.reads) {
            if let Some(place) = place {
                *slot = Some(locate(c, place, AccessType::Read)?);
            }
        }
        let to = match places.write {
            Some(place) => Some(locate(c, place, AccessType::Write)?),
            None => None,
        };
        let mut read = [0; 2];
        for (value, parts) in read.iter_mut().zip(from) {
            if let Some(parts) = parts {
                *value = Self::read(c, parts);
            }
        }
        let done = access.execute(&mut registers, read);
        if let (Some(value), Some(parts)) = (done.write, to) {
            Self::write(c, parts, value);
        }
        c.page.gpr = registers.general;
        c.page.rflags = registers.rflags;
        c.page.rip = registers.rip;
        let mut groups = Groups::empty();
        if done.finished && c.page.interrupts.shadow & 1 != 0 {
            c.page.interrupts.shadow &= !1;
            groups |= Groups::INTERRUPTS;
        }
        Ok(Next::Run(groups))
    }

    fn read<M: GuestMemory>(c: &mut Context<'_, M>, parts: [(u64, u8); 2]) -> u64 {
        let mut value = 0;
        let mut shift = 0;
        for (address, bytes) in parts.into_iter().filter(|(_, bytes)| *bytes != 0) {
            let mut buffer = [0; 8];
            let part = if c.memory.read(address, &mut buffer[..bytes as usize]) {
                u64::from_le_bytes(buffer)
            } else {
                c.board.read(address, bytes, c.now)
            };
            value |= part << shift;
            shift += u32::from(bytes) * 8;
        }
        value
    }

    fn write<M: GuestMemory>(c: &mut Context<'_, M>, parts: [(u64, u8); 2], value: u64) {
        let mut rest = value;
        for (address, bytes) in parts.into_iter().filter(|(_, bytes)| *bytes != 0) {
            let part = rest.to_le_bytes();
            if !c.memory.write(address, &part[..bytes as usize]) {
                c.board.write(address, bytes, rest, c.now);
            }
            rest = rest.checked_shr(u32::from(bytes) * 8).unwrap_or(0);
        }
    }
}
