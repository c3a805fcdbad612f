//! Bindings, and what objects remember of them.

use super::{Found, Totals, ensure};
use crate::irq::IRQS;
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::timer;
use crate::vcpu::{binding, owner};
use pagurus_abi::method::{Invariant, ThreadBinding, VcpuBinding};
use pagurus_abi::{Kind, Rights};
use pagurus_cap::cnode::CNode;
use pagurus_cap::{Flags, Slot, Slots};
use pagurus_ipc::thread::{BINDINGS, SCHED_BINDING};
use pagurus_ipc::{Env, NotificationId, ThreadId};
use pagurus_sched::{Contexts, ScId, TimerId, Timers};
use pagurus_vcpu::VcpuId;

const BROKEN: Invariant = Invariant::Containers;

/// The bindings of a thread and the fields that were taken from them.
pub(super) fn thread<M: Machine>(k: &Kernel<M>, t: ThreadId, totals: &mut Totals) -> Found {
    for n in 0..BINDINGS {
        let slot = k.slot(t.binding(n));
        if slot.is_empty() {
            unbound(k, t, n)?;
        } else {
            totals.bound += 1;
            let whose = slot.flags.has(Flags::BINDING) && slot.home == t.address();
            ensure(whose && !slot.is_original(), BROKEN)?;
            bound(k, t, n, slot)?;
        }
    }
    Ok(())
}

fn unbound<M: Machine>(k: &Kernel<M>, t: ThreadId, n: usize) -> Found {
    let thread = k.thread(t);
    let forgotten = match ThreadBinding::from_u64(n as u64) {
        Some(ThreadBinding::CSpace) => thread.cspace.is_none() && thread.cspace_slots == 0,
        Some(ThreadBinding::AddressSpace) => thread.cr3 == 0 && thread.asid == 0,
        Some(ThreadBinding::IpcBuffer) => thread.buffer == 0,
        Some(ThreadBinding::FaultEndpoint) => true,
        Some(ThreadBinding::Notification) => thread.notification.is_none(),
        Some(ThreadBinding::Vcpu) => thread.vcpu == 0,
        None => thread.home.is_none(),
    };
    ensure(forgotten, BROKEN)
}

fn bound<M: Machine>(k: &Kernel<M>, t: ThreadId, n: usize, slot: &Slot) -> Found {
    let thread = k.thread(t);
    let rights = |rights: Rights| slot.rights.contains(rights);
    let agrees = match ThreadBinding::from_u64(n as u64) {
        Some(ThreadBinding::CSpace) => CNode::of(slot).is_some_and(|c| {
            thread.cspace == Some(c.base)
                && thread.cspace_slots == c.slots() as u64
                && rights(Rights::RW)
        }),
        Some(ThreadBinding::AddressSpace) => {
            slot.kind == Kind::AddressSpace
                && thread.asid as u64 == slot.word
                && thread.asid != 0
                && thread.cr3 == k.machine.physical(slot.object)
        }
        Some(ThreadBinding::FaultEndpoint) => slot.kind == Kind::Endpoint && rights(Rights::WRITE),
        Some(ThreadBinding::IpcBuffer) => {
            let start = k.machine.address(slot.object as u64);
            let offset = thread.buffer.wrapping_sub(start) as u64;
            slot.kind == Kind::Frame
                && thread.buffer != 0
                && offset < slot.bytes()
                && offset.is_multiple_of(4096)
                && !slot.is_device()
                && rights(Rights::RW)
        }
        Some(ThreadBinding::Notification) => {
            slot.kind == Kind::Notification
                && rights(Rights::READ)
                && NotificationId::new(slot.object).is_some_and(|n| {
                    thread.notification == Some(n) && k.notification(n).bound == Some(t)
                })
        }
        Some(ThreadBinding::Vcpu) => {
            slot.kind == Kind::Vcpu
                && rights(Rights::WRITE)
                && thread.special
                && VcpuId::new(slot.object).is_some_and(|v| {
                    thread.vcpu == v.address() && k.machine.vcpu(v).thread == t.address()
                })
        }
        None => {
            n == SCHED_BINDING
                && slot.kind == Kind::SchedContext
                && ScId::new(slot.object)
                    .is_some_and(|sc| thread.home == Some(sc) && k.sc(sc).home == t.address())
        }
    };
    ensure(agrees, BROKEN)
}

/// The bindings of a virtual processor, and the fields that were taken from them.
pub(super) fn vcpu<M: Machine>(k: &Kernel<M>, v: VcpuId, totals: &mut Totals) -> Found {
    let vcpu = k.machine.vcpu(v);
    for place in VcpuBinding::ALL {
        let slot = k.slot(binding(v, place as usize));
        let agrees = if slot.is_empty() {
            match place {
                VcpuBinding::Page => vcpu.page == 0,
                VcpuBinding::GuestSpace => vcpu.tables == 0 && vcpu.space == 0,
            }
        } else {
            totals.bound += 1;
            let binding = slot.flags.has(Flags::BINDING) && slot.home == owner(v);
            ensure(binding && !slot.is_original(), BROKEN)?;
            match place {
                VcpuBinding::Page => {
                    slot.kind == Kind::Frame
                        && slot.rights.contains(Rights::RW)
                        && !slot.is_device()
                        && vcpu.page == k.machine.address(slot.object as u64)
                }
                VcpuBinding::GuestSpace => {
                    slot.kind == Kind::GuestSpace
                        && slot.rights.contains(Rights::WRITE)
                        && vcpu.space as u64 == slot.word
                        && vcpu.tables == k.machine.physical(slot.object)
                }
            }
        };
        ensure(agrees, BROKEN)?;
    }
    match ThreadId::new(vcpu.thread) {
        Some(t) => ensure(k.thread(t).vcpu == v.address(), BROKEN),
        None => Ok(()),
    }
}

/// The binding of a timer. One that is armed has it.
pub(super) fn timer<M: Machine>(k: &Kernel<M>, timer: TimerId, totals: &mut Totals) -> Found {
    let slot = k.slot(timer::binding(timer));
    if slot.is_empty() {
        return ensure(!k.timer(timer).is_armed(), BROKEN);
    }
    totals.bound += 1;
    let signals = slot.kind == Kind::Notification && slot.rights.contains(Rights::WRITE);
    let whose = slot.flags.has(Flags::BINDING) && slot.home == timer.address();
    ensure(signals && whose && !slot.is_original(), BROKEN)
}

/// The handler of an interrupt line: the line was issued.
pub(super) fn interrupt<M: Machine>(k: &Kernel<M>, gsi: usize, totals: &mut Totals) -> Found {
    totals.handlers += 1;
    ensure(k.irqs.issued(gsi as u32).is_some(), BROKEN)
}

/// All interrupt lines, and the bindings of everything.
pub(super) fn interrupts<M: Machine>(k: &Kernel<M>, totals: &Totals) -> Found {
    let mut issued = 0;
    let mut bound = totals.bound;
    for gsi in 0..IRQS as u32 {
        let slot = k.slot(k.machine.irq_binding(gsi));
        let has_handler = k.irqs.issued(gsi).is_some();
        issued += has_handler as u64;
        if !slot.is_empty() {
            bound += 1;
            let signals = slot.kind == Kind::Notification && slot.rights.contains(Rights::WRITE);
            let binding = slot.flags.has(Flags::BINDING) && slot.home == 0;
            ensure(has_handler && signals && binding, BROKEN)?;
        }
    }
    // No two handlers for a line: there are as many as lines issued, and each has one.
    ensure(issued == totals.handlers, BROKEN)?;
    ensure(bound == totals.bindings, BROKEN)
}
