//! What root does, seen from the kernel and from the components.

use super::description::{
    BOARD_AT, CLIENT, CLIENT_ORDERS, Description, GSI, PASSIVE, SERVER, SERVER_REST, object, system,
};
use super::{Simulation, seen_by, thread_of};
use crate::own;
use crate::run::{Ended, serve};
use crate::system::{BootError, System};
use pagurus_abi::boot::BootInfo;
use pagurus_abi::layout::{HEAP_BASE, IMAGE_BASE, IPC_BUFFER, STACK_TOP};
use pagurus_abi::message::MAX_WORDS;
use pagurus_abi::method::ThreadState;
use pagurus_abi::{Error, Kind, MessageInfo, Rights, Syscall};
use pagurus_ipc::{Env, ThreadId};
use pagurus_protocol::root::{self as protocol, ComponentState, FindComponent, Restart, Shutdown};
use pagurus_protocol::start::{START_INFO, StartInfo};
use pagurus_protocol::wire::{Request, read_answer, write_request};
use pagurus_protocol::{Failure, Reason, slots};
use pagurus_rt::object::{CNode, Mint};
use pagurus_rt::server::Fault;
use pagurus_rt::{Cap, Slot};
use pagurus_syscall::sim::system::Event;
use pagurus_syscall::sim::{self, Preemption};
use std::cell::RefCell;
use std::rc::Rc;
use std::vec::Vec;
use zerocopy::FromBytes;

/// Boots the machine, lets root build and start everything, then runs `test` as root.
fn started<R>(
    description: &Description,
    cpus: usize,
    test: impl FnOnce(&Simulation, &mut System) -> R,
) -> R {
    let (simulation, boot) = Simulation::boot(description, cpus);
    simulation.as_root(|| {
        let mut root = System::prepare(boot).expect("the system can be built");
        root.start_all();
        let result = test(&simulation, &mut root);
        simulation.verify();
        result
    })
}

/// The slots of a component that hold something: slot, kind, rights, badge.
fn held(root: &System, id: u16) -> Vec<(u32, Kind, Rights, u64)> {
    let cnode = root.cnode(id).unwrap();
    (1..cnode.size().unwrap() as u32)
        .filter_map(|slot| {
            let found = cnode.inspect(slot).unwrap();
            let kind = found.info.kind().unwrap();
            (kind != Kind::Empty).then(|| (slot, kind, found.info.rights(), found.badge))
        })
        .collect()
}

fn page_fault(id: u16) -> Fault {
    Fault {
        badge: id.into(),
        page: true,
        vector: 14,
        code: 4,
        address: 0xdead_0000,
        rip: IMAGE_BASE,
        rsp: STACK_TOP - 64,
        rflags: 2,
    }
}

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
        assert!(has(23, Kind::Untyped, Rights::all(), 0));
        assert!(!held.iter().any(|h| h.0 == 21), "no such processor");
        let rest = held.iter().filter(|h| h.0 >= SERVER_REST);
        assert!(rest.clone().count() >= 3 && rest.clone().all(|h| h.1 == Kind::Untyped));
        assert!(self::held(root, CLIENT).contains(&(
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
fn an_interrupt_is_bound_unmasked_and_signals_the_server() {
    started(&system(), 1, |simulation, root| {
        let events = Cap::<pagurus_rt::object::Notification>::new(
            root.objects.original(object::EVENTS).unwrap(),
        );
        assert_eq!(events.poll(), Err(Error::WouldBlock));
        assert!(simulation.system.borrow_mut().ring(GSI));
        assert_eq!(events.poll(), Ok(4));
        // Masked until it is acknowledged; the server ends without doing so.
        assert!(!simulation.system.borrow_mut().ring(GSI));
        root.restart(SERVER).unwrap();
        assert!(simulation.system.borrow_mut().ring(GSI));
    });
}

/// What root has left: slots, and bytes in the leases.
fn left(root: &System) -> (u32, Vec<u64>) {
    let leases = root.members.iter().filter_map(|m| m.prepared.as_ref());
    let free = leases.map(|p| p.lease.info().unwrap().free).collect();
    (root.slots.free_slots(), free)
}

#[test]
fn a_thousand_restarts_lose_nothing() {
    let mut description = system();
    for id in [SERVER, CLIENT] {
        description.component(id).info.restarts = pagurus_capdl_image::Restarts::Always;
    }
    started(&description, 1, |simulation, root| {
        let before = left(root);
        let rest = held(root, SERVER);
        for n in 0..1000u16 {
            let id = if n % 2 == 0 { SERVER } else { CLIENT };
            assert!(root.fault(&page_fault(id)), "the thread is gone");
            assert_eq!(root.member(id).unwrap().state, ComponentState::Running);
        }
        assert_eq!(left(root), before);
        assert_eq!(held(root, SERVER), rest);
        assert_eq!(root.member(SERVER).unwrap().restarts, 500);
        assert_eq!(root.audit().unwrap().differences, 0);
        simulation.verify();
    });
}

#[test]
fn a_restart_survives_preemption_anywhere() {
    started(&system(), 2, |simulation, root| {
        let before = left(root);
        for seed in 0..40 {
            let random = Preemption::Random { seed, one_in: 3 };
            simulation.system.borrow_mut().kernel.machine.preemption = random;
            root.restart(SERVER).unwrap();
        }
        simulation.system.borrow_mut().kernel.machine.preemption = Preemption::Never;
        assert_eq!(left(root), before);
        assert_eq!(root.audit().unwrap().differences, 0);
    });
}

#[test]
fn a_component_may_fail_as_often_as_its_description_says() {
    started(&system(), 1, |_, root| {
        assert!(root.fault(&page_fault(CLIENT)));
        assert!(root.fault(&page_fault(CLIENT)));
        assert!(!root.fault(&page_fault(CLIENT)), "its thread stays");
        let member = root.member(CLIENT).unwrap();
        assert_eq!(
            (member.state, member.restarts),
            (ComponentState::Faulted, 2)
        );
        // An order starts it all the same.
        root.restart(CLIENT).unwrap();
        assert_eq!(root.member(CLIENT).unwrap().state, ComponentState::Running);
        assert!(!root.fault(&page_fault(9)), "a fault from nobody known");
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

#[test]
fn the_audit_finds_what_does_not_belong() {
    started(&system(), 1, |_, root| {
        let server = root.cnode(SERVER).unwrap();
        let client = root.cnode(CLIENT).unwrap();
        // One too many, one too few, one with other rights, and one out of sight.
        client
            .mint(30, Slot::new(server, 19), Rights::READ, Mint::Plain)
            .unwrap();
        client.delete(slots::MEMORY).unwrap();
        server.delete(18).unwrap();
        server
            .mint(
                18,
                own::at(pagurus_abi::boot::slot::IO_PORTS),
                Rights::READ,
                Mint::Ports {
                    first: 0x3f8,
                    last: 0x3ff,
                },
            )
            .unwrap();
        root.end(PASSIVE).unwrap();
        let lease = root
            .member(PASSIVE)
            .unwrap()
            .prepared
            .as_ref()
            .unwrap()
            .lease;
        let hidden = root.slots.take().unwrap();
        lease.retype(Kind::CNode, 4, own::at(hidden), 1).unwrap();
        Cap::<CNode>::new(hidden)
            .mint(5, Slot::new(server, 19), Rights::READ, Mint::Plain)
            .unwrap();
        let summary = root.audit().unwrap();
        let texts: Vec<&str> = root.findings.iter().map(|f| f.text.as_str()).collect();
        assert_eq!(summary.differences, 4, "{texts:#?}");
        let found = |id, slot, part: &str| {
            root.findings
                .iter()
                .any(|f| f.component == id && f.slot == slot && f.text.contains(part))
        };
        assert!(found(CLIENT, 30, "does not give"), "{texts:#?}");
        assert!(found(CLIENT, slots::MEMORY, "missing"), "{texts:#?}");
        assert!(found(SERVER, 18, "rights"), "{texts:#?}");
        assert!(found(0, 0, "lies in slot 5"), "{texts:#?}");
    });
}

/// A component asks root something, as soon as root waits, and its answer is kept.
fn ask<R: Request + 'static>(
    simulation: &Simulation,
    t: ThreadId,
    cap: u32,
    request: R,
    tail: &'static [u8],
) -> Rc<RefCell<Option<Result<(R::Answer, Vec<u8>), Failure>>>> {
    let kept = Rc::new(RefCell::new(None));
    let keep = kept.clone();
    simulation.then(move |sim| {
        let mut words = [0; MAX_WORDS];
        let info = write_request(&request, tail, 0, &mut words).unwrap();
        for (n, word) in words.iter().enumerate().skip(4) {
            sim.write_word(t, n, *word);
        }
        run(sim, t);
        let first = [words[0], words[1], words[2], words[3]];
        let answer = sim.ipc(t, Syscall::Call, cap.into(), 0, info, first);
        assert_eq!(answer, None, "root answers later");
    });
    simulation.then(move |sim| {
        let answer = sim.answer(t).expect("root answered");
        let mut words = [0; MAX_WORDS];
        for (n, word) in words.iter_mut().enumerate() {
            *word = sim.read_word(t, n);
        }
        words[..4].copy_from_slice(&answer.words);
        assert_eq!(answer.code, 0);
        let info: MessageInfo = answer.info;
        let answer = read_answer::<R>(info, &words[..info.words()]);
        *keep.borrow_mut() = Some(answer.map(|(body, tail)| (body, tail.to_vec())));
    });
    kept
}

/// Lets other threads of the same priority pass until `t` runs.
fn run(sim: &mut sim::System, t: ThreadId) {
    for _ in 0..10 {
        if sim.cpu_of(t).is_some() {
            return;
        }
        sim.advance(10_000_000);
    }
    panic!("{t:?} does not run");
}

#[test]
fn root_answers_who_holds_its_endpoint() {
    started(&system(), 1, |simulation, root| {
        let t = thread_of(simulation, root, CLIENT);
        let system = ask(simulation, t, slots::PARENT, protocol::System, &[]);
        let found = ask(simulation, t, slots::PARENT, FindComponent, b"server");
        let nobody = ask(simulation, t, slots::PARENT, FindComponent, b"nobody");
        let page = protocol::Capabilities {
            component: SERVER.into(),
            first: 0,
        };
        let caps = ask(simulation, t, slots::PARENT, page, &[]);
        let memory = ask(simulation, t, slots::PARENT, protocol::Memory, &[]);
        let check = ask(simulation, t, slots::PARENT, protocol::Check, &[]);
        let audit = ask(simulation, t, slots::PARENT, protocol::Audit, &[]);
        let line = ask(
            simulation,
            t,
            slots::PARENT,
            protocol::AuditLine { index: 0 },
            &[],
        );
        let denied = ask(
            simulation,
            t,
            slots::PARENT,
            Restart {
                component: SERVER.into(),
            },
            &[],
        );
        let no_end = ask(simulation, t, slots::PARENT, Shutdown { code: 1 }, &[]);
        let order = ask(
            simulation,
            t,
            CLIENT_ORDERS,
            Restart {
                component: SERVER.into(),
            },
            &[],
        );
        assert_eq!(serve(root), Err(Ended::Receive(Error::Canceled)));

        let (system, _) = system.take().unwrap().unwrap();
        assert_eq!((system.cpus, system.components, system.modules), (1, 3, 2));
        let (found, _) = found.take().unwrap().unwrap();
        assert_eq!((found.id, found.name.as_str()), (1, "server"));
        assert_eq!(found.priority, 50);
        let nobody = nobody.take().unwrap().unwrap_err();
        assert_eq!(nobody.reason, Reason::NotFound);
        let (page, rows) = caps.take().unwrap().unwrap();
        assert_eq!((page.next, page.slots), (64, 64));
        let rows: Vec<_> = protocol::rows(&rows).map(|r| (r.slot, r.badge)).collect();
        assert_eq!(rows.len() as u64, page.count);
        assert!(rows.contains(&(18, 0x3ff << 16 | 0x3f8)));
        let (memory, _) = memory.take().unwrap().unwrap();
        assert_eq!(memory.total, 1 << super::MEMORY_BITS);
        assert!(memory.leased > 0 && memory.shared > 0);
        let (check, _) = check.take().unwrap().unwrap();
        assert_eq!(check.broken, 0);
        assert!(check.capabilities > 50);
        assert_eq!(audit.take().unwrap().unwrap().0.differences, 0);
        let line = line.take().unwrap().unwrap_err();
        assert_eq!(line.reason, Reason::NotFound);
        let denied = denied.take().unwrap().unwrap_err();
        assert_eq!(denied.reason, Reason::Denied);
        let no_end = no_end.take().unwrap().unwrap_err();
        assert_eq!(no_end.reason, Reason::Denied);
        assert!(order.take().unwrap().is_ok());
        assert_eq!(root.member(SERVER).unwrap().restarts, 1);
    });
}

#[test]
fn a_fault_reaches_root_and_the_component_runs_again() {
    started(&system(), 1, |simulation, root| {
        let faulting = thread_of(simulation, root, CLIENT);
        simulation.then(move |sim| {
            run(sim, faulting);
            let fault = Event::Fault {
                vector: 14,
                code: 6,
                address: 0x1234,
            };
            sim.event(0, fault);
        });
        // The same component that asks for its own restart gets no answer: it is no more.
        assert_eq!(serve(root), Err(Ended::Receive(Error::Canceled)));
        let member = root.member(CLIENT).unwrap();
        assert_eq!(
            (member.state, member.restarts),
            (ComponentState::Running, 1)
        );

        let t = thread_of(simulation, root, CLIENT);
        simulation.then(move |sim| {
            run(sim, t);
            let mut words = [0; MAX_WORDS];
            let order = Restart {
                component: CLIENT.into(),
            };
            let info = write_request(&order, &[], 0, &mut words).unwrap();
            let first = [words[0], words[1], words[2], words[3]];
            let answer = sim.ipc(t, Syscall::Call, CLIENT_ORDERS.into(), 0, info, first);
            assert_eq!(answer, None);
        });
        assert_eq!(serve(root), Err(Ended::Receive(Error::Canceled)));
        assert_eq!(root.member(CLIENT).unwrap().restarts, 2);
    });
}
