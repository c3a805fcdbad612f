//! Mappings, as capabilities record them and as page tables have them.

use super::{Found, Totals, ensure};
use crate::kernel::Kernel;
use crate::machine::{Machine, Nested};
use pagurus_abi::method::Invariant;
use pagurus_abi::{Kind, Rights};
use pagurus_cap::{Flags, Slot};
use pagurus_paging::format::{ADDRESS, ENTRIES, LARGE, LEVELS};
use pagurus_paging::{Ept, Host, PageFormat};

const BROKEN: Invariant = Invariant::Mappings;
const PAGE_BITS: u32 = 12;
/// Entries of a root table that are the component's; the rest is the kernel's.
const USER_ENTRIES: usize = ENTRIES / 2;

/// A capability's recorded mapping: its first and last page are in the tables, with no more than its rights.
pub(super) fn capability<M: Machine>(k: &Kernel<M>, slot: &Slot, totals: &mut Totals) -> Found {
    let Some(m) = slot.mapping() else {
        return Ok(());
    };
    let mappable = matches!(slot.kind, Kind::Frame | Kind::TraceBuffer);
    ensure(mappable && !slot.flags.has(Flags::BINDING), BROKEN)?;
    ensure(m.done <= m.pages && m.pages != 0, BROKEN)?;
    let Some(space) = k.asids.current(m.asid, m.generation) else {
        return Ok(());
    };
    let end = (m.offset_pages as u64 + m.pages as u64) << PAGE_BITS;
    ensure(end <= slot.bytes(), BROKEN)?;
    totals.mapped += m.done as u64;
    if m.done == 0 {
        return Ok(());
    }
    let object = match slot.kind {
        Kind::Frame => slot.object as u64,
        _ => k.machine.physical(slot.object),
    };
    for page in [0, m.done as u64 - 1] {
        let virt = m.virt + (page << PAGE_BITS);
        let phys = object + ((m.offset_pages as u64 + page) << PAGE_BITS);
        let found = k.translate(space, virt).ok_or(BROKEN)?;
        ensure(
            found.phys == phys && slot.rights.contains(found.perms),
            BROKEN,
        )?;
    }
    Ok(())
}

/// An address space: all its tables lie in the object, and their pages are counted.
pub(super) fn space<M: Machine>(k: &Kernel<M>, slot: &Slot, totals: &mut Totals) -> Found {
    totals.spaces += 1;
    let root = k.machine.physical(slot.object);
    let space = k.asids.get(slot.word as u16).ok_or(BROKEN)?;
    ensure(space.root == root, BROKEN)?;
    let guest = slot.kind == Kind::GuestSpace;
    ensure(space.nested.is_some() == guest, BROKEN)?;
    let present = if space.nested == Some(Nested::Ept) {
        Ept::PRESENT
    } else {
        Host::PRESENT
    };
    let object = root..root + (1 << slot.size_bits);
    let (mut tables, mut pages) = (0, 0);
    // For each level the table and the next entry to look at.
    let mut path = [(0, 0); LEVELS];
    let mut level = LEVELS - 1;
    path[level] = (root, 0);
    loop {
        let (table, index) = path[level];
        let end = if level == LEVELS - 1 && space.nested.is_none() {
            USER_ENTRIES
        } else {
            ENTRIES
        };
        if index == end {
            if level == LEVELS - 1 {
                break;
            }
            level += 1;
            continue;
        }
        path[level].1 += 1;
        let entry = k.machine.read(table, index);
        if entry & present == 0 {
            ensure(entry == 0, BROKEN)?;
            continue;
        }
        if level > 0 && entry & LARGE == 0 {
            let below = entry & ADDRESS;
            tables += 1;
            // A table that is in two places would be counted more often than the pool has tables.
            ensure(object.contains(&below) && below != root, BROKEN)?;
            ensure(tables <= space.pool.in_use(), BROKEN)?;
            level -= 1;
            path[level] = (below, 0);
            continue;
        }
        ensure(level < LEVELS - 1, BROKEN)?;
        let perms = Host::perms(entry);
        ensure(
            guest || !perms.contains(Rights::WRITE | Rights::EXECUTE),
            BROKEN,
        )?;
        pages += 1u64 << (9 * level);
    }
    totals.pages += pages;
    ensure(tables == space.pool.in_use(), BROKEN)
}
