//! The invariants of the kernel's state, checked on the live system.
//!
//! One walk over the derivation list looks at every capability and, with its original, at every object; what the walk
//! counts must agree with the queues, tables and processors in the end. So something that two places claim, or
//! nobody, shows as a difference. Neither heap nor recursion; the time is linear in the number of capabilities, slots,
//! queued threads and page tables.

mod bindings;
mod mappings;
mod queues;
mod scheduling;

use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::Kind;
use pagurus_abi::method::Invariant;
use pagurus_cap::check::Violation;
use pagurus_cap::cnode::CNode;
use pagurus_cap::{Flags, Slot, SlotId, Slots, level};
use pagurus_ipc::{EndpointId, NotificationId, ReplyId, ThreadId};
use pagurus_sched::{ScId, TimerId};
use pagurus_vcpu::VcpuId;

/// What a check of one capability or object found.
type Found = Result<(), Invariant>;

/// `Ok` if `holds`.
fn ensure(holds: bool, invariant: Invariant) -> Found {
    if holds { Ok(()) } else { Err(invariant) }
}

/// What the walk counts.
#[derive(Default)]
struct Totals {
    /// Capabilities.
    capabilities: u64,
    /// Capabilities that are bindings in kernel objects.
    bindings: u64,
    /// Bindings in use, as the objects have them.
    bound: u64,
    /// Slots in use, as the headers of CNodes count them.
    slots: u64,
    /// Capabilities in the CNodes that no capability names.
    nameless: u64,
    /// Threads that say they are in a queue.
    waiting: u64,
    /// Threads in queues.
    queued: u64,
    /// Scheduling contexts that are ready, current and depleted.
    contexts: [u64; 3],
    /// Depleted contexts that lie below others in release queues, as the others have them.
    releases_linked: u64,
    /// Timers that are armed.
    armed: u64,
    /// Armed timers that lie below others in their queues, as the others have them.
    timers_linked: u64,
    /// Processors that have a thread loaded, as the threads are asked.
    loaded: u64,
    /// Address spaces.
    spaces: u64,
    /// 4 KiB pages that capabilities say they have mapped.
    mapped: u64,
    /// 4 KiB pages in page tables.
    pages: u64,
    /// Interrupt handlers.
    handlers: u64,
    /// Processors whose records go to a buffer, as the buffers are asked.
    traces: u64,
}

/// Checks everything and returns the number of capabilities.
///
/// # Errors
/// The first violation found.
pub fn all<M: Machine>(k: &Kernel<M>) -> Result<u64, Violation> {
    let physical = |kind: Kind, object: usize| match kind {
        Kind::Untyped | Kind::Frame => object,
        _ => k.machine.physical(object) as usize,
    };
    // First, so that the other walks go along sound links.
    let count = pagurus_cap::check::tree(k, k.head, physical)?;
    let mut totals = Totals {
        capabilities: count,
        ..Totals::default()
    };
    let mut at = k.head;
    while let Some(id) = at {
        let slot = k.slot(id);
        capability(k, slot, &mut totals).map_err(|invariant| Violation {
            invariant,
            slot: id,
        })?;
        at = slot.next;
    }
    match (whole(k, &totals), k.head) {
        (Err(invariant), Some(slot)) => Err(Violation { invariant, slot }),
        _ => Ok(count),
    }
}

/// Checks one capability and, if it is an original, its object.
fn capability<M: Machine>(k: &Kernel<M>, slot: &Slot, totals: &mut Totals) -> Found {
    if slot.flags.has(Flags::BINDING) {
        totals.bindings += 1;
    } else {
        home(k, slot, totals)?;
    }
    mappings::capability(k, slot, totals)?;
    if !slot.is_original() {
        return Ok(());
    }
    let object = slot.object;
    match slot.kind {
        Kind::CNode => match CNode::of(slot) {
            Some(cnode) => container(k, slot, cnode, totals),
            None => Err(Invariant::Containers),
        },
        Kind::Thread => match ThreadId::new(object) {
            Some(t) => {
                bindings::thread(k, t, totals)?;
                queues::thread(k, t, totals)?;
                scheduling::thread(k, t, totals)
            }
            None => Err(Invariant::Originals),
        },
        Kind::SchedContext => match ScId::new(object) {
            Some(sc) => scheduling::context(k, sc, totals),
            None => Err(Invariant::Originals),
        },
        Kind::Endpoint => match EndpointId::new(object) {
            Some(ep) => queues::endpoint(k, ep, totals),
            None => Err(Invariant::Originals),
        },
        Kind::Notification => match NotificationId::new(object) {
            Some(n) => queues::notification(k, n, totals),
            None => Err(Invariant::Originals),
        },
        Kind::Reply => match ReplyId::new(object) {
            Some(r) => queues::reply(k, r),
            None => Err(Invariant::Originals),
        },
        Kind::AddressSpace | Kind::GuestSpace => mappings::space(k, slot, totals),
        Kind::Vcpu => match VcpuId::new(object) {
            Some(v) => bindings::vcpu(k, v, totals),
            None => Err(Invariant::Originals),
        },
        Kind::IrqHandler => bindings::interrupt(k, object, totals),
        Kind::TraceBuffer => {
            let buffer = k.machine.physical(object);
            totals.traces += k.trace.iter().filter(|b| **b == buffer).count() as u64;
            Ok(())
        }
        Kind::Empty
        | Kind::Untyped
        | Kind::Cpu
        | Kind::Frame
        | Kind::IrqControl
        | Kind::IoPort
        | Kind::KernelControl => Ok(()),
        Kind::Timer => match TimerId::new(object) {
            Some(timer) => {
                bindings::timer(k, timer, totals)?;
                scheduling::timer(k, timer, totals)
            }
            None => Err(Invariant::Originals),
        },
    }
}

/// A capability in a CNode: what leads to CNodes lies in one of a lower level.
fn home<M: Machine>(k: &Kernel<M>, slot: &Slot, totals: &mut Totals) -> Found {
    let header = SlotId::new(slot.home).ok_or(Invariant::Containers)?;
    ensure(k.slot(header).is_empty(), Invariant::Containers)?;
    if nameless(k) == Some(header) {
        totals.nameless += 1;
    }
    let leads_on = match slot.kind {
        Kind::CNode => slot.is_original(),
        Kind::Untyped => slot
            .next
            .is_some_and(|child| k.slot(child).depth > slot.depth),
        _ => false,
    };
    let below = level::of_cnode(k, slot.home) < slot.level;
    ensure(!leads_on || below, Invariant::Containers)
}

/// The header of the CNode that no capability names; boot put the head of the derivation list into it.
fn nameless<M: Machine>(k: &Kernel<M>) -> Option<SlotId> {
    SlotId::new(k.slot(k.head?).home)
}

/// A CNode: its header counts its slots and has the level of its original.
fn container<M: Machine>(k: &Kernel<M>, slot: &Slot, cnode: CNode, totals: &mut Totals) -> Found {
    pagurus_cap::check::container(k, cnode).map_err(|v| v.invariant)?;
    let header = k.slot(cnode.base);
    totals.slots += header.word;
    ensure(header.level == slot.level, Invariant::Containers)
}

/// The totals agree with one another, and with what is not an object.
fn whole<M: Machine>(k: &Kernel<M>, t: &Totals) -> Found {
    use Invariant::*;
    let in_cnodes = t.capabilities - t.bindings;
    ensure(t.slots + t.nameless == in_cnodes, Containers)?;
    let counted = nameless(k).map_or(0, |header| k.slot(header).word);
    ensure(t.nameless == counted, Containers)?;
    bindings::interrupts(k, t)?;
    ensure(t.queued == t.waiting, Queues)?;
    scheduling::processors(k, t)?;
    ensure(t.spaces == k.asids.used() as u64, Mappings)?;
    ensure(t.mapped == t.pages, Mappings)?;
    let traced = k.trace.iter().filter(|b| **b != 0).count() as u64;
    ensure(t.traces == traced, Containers)
}
