//! What root builds, seen from the kernel and from the components.

use super::description::{
    BOARD_AT, BUNDLE_AT, BUNDLE_BYTES, CLIENT, Description, NO_BUNDLE_AT, PASSIVE, SERVER,
    SERVER_REST, system,
};
use super::{Simulation, held, seen_by, started, thread_of};
use crate::error::BootError;
use crate::system::System;
use pagurus_abi::boot::BootInfo;
use pagurus_abi::layout::{HEAP_BASE, IMAGE_BASE, IPC_BUFFER, STACK_TOP};
use pagurus_abi::method::ThreadState;
use pagurus_abi::{Kind, Rights};
use pagurus_ipc::Env;
use pagurus_protocol::root::ComponentState;
use pagurus_protocol::slots;
use pagurus_protocol::start::{START_INFO, StartInfo};
use std::vec::Vec;
use zerocopy::FromBytes;

#[test]
fn components_hold_what_the_description_says_and_nothing_else() {
    started(&system(), 1, |_, root| {
        assert!(
            root.members
                .iter()
                .all(|m| m.state == ComponentState::Running)
        );
        let held = held(root, SERVER);
        let has = |slot, kind, rights, word| held.contains(&(slot, kind, rights, word));
        assert!(has(slots::CNODE, Kind::CNode, Rights::RW, 0));
        assert!(has(slots::REPLY, Kind::Reply, Rights::all(), 0));
        assert!(has(slots::THREAD, Kind::Thread, Rights::RW, 0));
        assert!(has(16, Kind::Endpoint, Rights::READ, 0));
        assert!(has(17, Kind::IrqHandler, Rights::WRITE, 0));
        assert!(has(18, Kind::IoPort, Rights::RW, 0x3ff << 16 | 0x3f8));
        assert!(has(19, Kind::Frame, Rights::RW, 0));
        assert!(has(20, Kind::TraceBuffer, Rights::RW, 0));
        assert!(has(22, Kind::Cpu, Rights::RW, 60));
        assert!(has(37, Kind::Timer, Rights::WRITE, 0));
        assert!(has(23, Kind::Untyped, Rights::all(), 0));
        assert!(!held.iter().any(|h| h.0 == 21), "no such processor");
        let rest = held
            .iter()
            .filter(|h| (SERVER_REST..SERVER_REST + 12).contains(&h.0));
        assert!(rest.clone().count() >= 3 && rest.clone().all(|h| h.1 == Kind::Untyped));
        assert!(super::held(root, CLIENT).contains(&(
            slots::PARENT,
            Kind::Endpoint,
            Rights::WRITE,
            2
        )));
        let summary = root.audit().unwrap();
        assert_eq!((summary.differences, &root.findings), (0, &Vec::new()));
        assert!(summary.capabilities >= 20);
    });
}

#[test]
fn memory_is_mapped_filled_and_protected() {
    started(&system(), 1, |simulation, root| {
        let server = thread_of(simulation, root, SERVER);
        let sim = simulation.system.borrow();
        let code = seen_by(&sim, server, IMAGE_BASE, 0x2000);
        assert!(code[..0x1800].iter().all(|b| *b == 1) && code[0x1800..].iter().all(|b| *b == 0));
        let data = seen_by(&sim, server, IMAGE_BASE + 0x2000, 0x4001);
        assert_eq!(data.len(), 0x4000, "nothing is mapped after the program");
        assert!(data[0x10..0x20].iter().all(|b| *b == 2));
        assert_eq!(data.iter().filter(|b| **b != 0).count(), 0x10);
        assert_eq!(seen_by(&sim, server, HEAP_BASE, 1 << 20).len(), 40 << 10);
        assert_eq!(
            seen_by(&sim, server, STACK_TOP - (16 << 10), 1 << 20).len(),
            16 << 10
        );
        assert_eq!(seen_by(&sim, server, STACK_TOP - (16 << 10) - 1, 1), []);
        assert_eq!(seen_by(&sim, server, IPC_BUFFER, 0x2000).len(), 0x1000);
        assert_eq!(seen_by(&sim, server, BOARD_AT, 0x2000).len(), 0x1000);

        let page = seen_by(&sim, server, START_INFO, 4096);
        let start = StartInfo::read_from_bytes(&page).unwrap();
        assert!(start.is_valid());
        assert_eq!((start.id, start.name.as_str()), (1, "server"));
        assert_eq!(start.argument(), "one two");
        assert_eq!((start.first_free_slot, start.free_slots), (40, 8));
        assert_eq!(start.heap_bytes, 40 << 10);
        // It serves the memory, so it learns the quotas.
        assert_eq!(start.memory_quotas[..4], [1 << 20, 2 << 20, 3 << 20, 0]);
        drop(sim);

        let space = |id| {
            let member = root.member(id).unwrap();
            let plan = &member.prepared.as_ref().unwrap().plan;
            member.running.as_ref().unwrap().space(plan).unwrap()
        };
        for (address, rights) in [
            (IMAGE_BASE, Rights::READ | Rights::EXECUTE),
            (IMAGE_BASE + 0x2000, Rights::RW),
            (HEAP_BASE, Rights::RW),
            (START_INFO, Rights::READ),
            (BOARD_AT, Rights::RW),
        ] {
            let found = space(SERVER).query(address).unwrap();
            assert_eq!(found.rights, rights, "{address:#x}");
        }
        let client = thread_of(simulation, root, CLIENT);
        let page = seen_by(&simulation.system.borrow(), client, START_INFO, 4096);
        let start = StartInfo::read_from_bytes(&page).unwrap();
        assert!(start.memory_quotas.iter().all(|quota| *quota == 0));
    });
}

#[test]
fn boot_modules_are_mapped_whole_and_read_only() {
    started(&system(), 1, |simulation, root| {
        let server = thread_of(simulation, root, SERVER);
        let sim = simulation.system.borrow();
        let seen = seen_by(&sim, server, BUNDLE_AT, 0x10000);
        assert_eq!(seen.len(), BUNDLE_BYTES.next_multiple_of(0x1000));
        assert!(seen[..BUNDLE_BYTES].iter().all(|b| *b == 7));
        assert_eq!(seen_by(&sim, server, NO_BUNDLE_AT, 1), []);
        let page = seen_by(&sim, server, START_INFO, 4096);
        let start = StartInfo::read_from_bytes(&page).unwrap();
        assert_eq!(start.module_bytes(BUNDLE_AT), Some(BUNDLE_BYTES as u64));
        assert_eq!(start.module_bytes(NO_BUNDLE_AT), None);
        drop(sim);
        let member = root.member(SERVER).unwrap();
        let plan = &member.prepared.as_ref().unwrap().plan;
        let space = member.running.as_ref().unwrap().space(plan).unwrap();
        for offset in (0..BUNDLE_BYTES as u64).step_by(0x1000) {
            let found = space.query(BUNDLE_AT + offset).unwrap();
            assert_eq!(found.rights, Rights::READ);
        }
        assert_eq!(root.audit().unwrap().differences, 0);
    });
}

#[test]
fn threads_start_at_their_entry_with_their_pages() {
    started(&system(), 2, |simulation, root| {
        for id in [SERVER, CLIENT, PASSIVE] {
            let t = thread_of(simulation, root, id);
            let sim = simulation.system.borrow();
            let thread = sim.kernel.thread(t);
            let frame = thread.frame;
            assert_eq!(frame.rip, IMAGE_BASE + 8);
            assert_eq!(
                (frame.rsp, frame.rdi, frame.rsi),
                (STACK_TOP, IPC_BUFFER, START_INFO)
            );
            assert_eq!(thread.state, ThreadState::Ready);
            assert_eq!(thread.home.is_some(), id != PASSIVE);
            assert_eq!(thread.fpu, id == SERVER);
        }
    });
}

#[test]
fn a_component_that_cannot_be_built_leaves_nothing_and_others_run() {
    let mut description = system();
    // Its shared page lies where its stack is.
    description.component(SERVER).maps[0].address = STACK_TOP - 0x2000;
    started(&description, 1, |_, root| {
        assert_eq!(root.member(SERVER).unwrap().state, ComponentState::Failed);
        assert_eq!(root.member(CLIENT).unwrap().state, ComponentState::Running);
        let lease = root
            .member(SERVER)
            .unwrap()
            .prepared
            .as_ref()
            .unwrap()
            .lease;
        let info = lease.info().unwrap();
        assert_eq!((info.free, info.derived), (1 << info.size_bits, 0));
        assert_eq!(root.audit().unwrap().differences, 0);
        let slots = root.slots.free_slots();
        assert!(root.restart(SERVER).is_err());
        assert_eq!(root.slots.free_slots(), slots);
    });
}

#[test]
fn programs_that_are_missing_or_wrong_keep_only_their_component_from_running() {
    let mut description = system();
    description.component(CLIENT).info.binary = "missing";
    description.component(PASSIVE).info.binary = "broken";
    description
        .programs
        .push(("broken".into(), b"\x7fELF but no more".to_vec()));
    started(&description, 1, |_, root| {
        let states: Vec<_> = root.members.iter().map(|m| m.state).collect();
        use ComponentState::{Failed, Running};
        assert_eq!(states, [Running, Failed, Failed]);
        assert!(root.restart(CLIENT).is_ok(), "there is nothing to do");
        assert_eq!(root.member(CLIENT).unwrap().state, Failed);
    });
}

fn refused(change: impl FnOnce(&mut Description)) -> BootError {
    let mut description = system();
    change(&mut description);
    let (simulation, boot) = Simulation::boot(&description, 1);
    simulation.as_root(|| System::prepare(boot).err().expect("it is refused"))
}

#[test]
fn systems_that_cannot_be_built_are_refused_with_a_remedy() {
    let large = refused(|d| d.component(SERVER).info.heap = 64 << 20);
    assert!(matches!(large, BootError::Memory(_)), "{large}");
    assert!(std::format!("{large}").contains("more memory"));

    let (simulation, boot) = Simulation::boot(&system(), 1);
    let mut without = std::boxed::Box::new(*boot);
    without.modules[0].name[0] = b'x';
    let without: &'static BootInfo = std::boxed::Box::leak(without);
    let error = simulation.as_root(|| System::prepare(without).err());
    assert_eq!(error, Some(BootError::NoSystem));

    let mut other = std::boxed::Box::new(*boot);
    other.modules[0] = other.modules[1];
    other.modules[0].name = boot.modules[0].name;
    let other: &'static BootInfo = std::boxed::Box::leak(other);
    let error = simulation.as_root(|| System::prepare(other).err());
    assert!(matches!(error, Some(BootError::Image(_))), "{error:?}");
}
