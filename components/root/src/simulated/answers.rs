//! What root tells those who ask.

use super::description::{CLIENT, CLIENT_ORDERS, PASSIVE, SERVER, object, system};
use super::{Simulation, run, started, thread_of};
use crate::journal;
use crate::own;
use crate::run::{Ended, serve};
use pagurus_abi::message::MAX_WORDS;
use pagurus_abi::{Error, Kind, MessageInfo, Rights, Syscall};
use pagurus_ipc::ThreadId;
use pagurus_protocol::log::{Level, lines};
use pagurus_protocol::root::{self as protocol, BELL, FindComponent, Restart, Shutdown, TakeLines};
use pagurus_protocol::wire::{Request, read_answer, write_request};
use pagurus_protocol::{Failure, Reason, slots};
use pagurus_rt::object::{CNode, Mint, Notification};
use pagurus_rt::{Cap, Slot};
use std::cell::RefCell;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

/// A kept answer: its body and the bytes after it, once it is there.
type Kept<R> = Rc<RefCell<Option<Result<(<R as Request>::Answer, Vec<u8>), Failure>>>>;

/// A component asks root something, as soon as root waits, and its answer is kept.
fn ask<R: Request + 'static>(
    simulation: &Simulation,
    t: ThreadId,
    cap: u32,
    request: R,
    tail: &'static [u8],
) -> Kept<R> {
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
        assert_eq!((system.cpus, system.components, system.modules), (1, 3, 3));
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

#[test]
fn the_audit_knows_what_a_component_may_make_for_itself() {
    let mut description = system();
    let kinds = [Kind::CNode, Kind::Thread, Kind::SchedContext, Kind::Frame];
    let bits = kinds.iter().fold(0, |bits, kind| bits | 1 << *kind as u32);
    description.component(SERVER).info.dynamic.kinds = bits;
    started(&description, 1, |_, root| {
        let server = root.cnode(SERVER).unwrap();
        root.end(PASSIVE).unwrap();
        let passive = root.member(PASSIVE).unwrap();
        let memory = passive.prepared.as_ref().unwrap().lease;
        // As if made by the server itself: a thread, and a CNode with a CNode in it.
        memory
            .retype(Kind::Thread, 0, Slot::new(server, 40), 1)
            .unwrap();
        memory
            .retype(Kind::CNode, 4, Slot::new(server, 41), 1)
            .unwrap();
        let [outer, inner] = [(); 2].map(|()| root.slots.take().unwrap());
        own::CNODE
            .mint(outer, Slot::new(server, 41), Rights::RW, Mint::Plain)
            .unwrap();
        let outer = Cap::<CNode>::new(outer);
        memory
            .retype(Kind::CNode, 4, Slot::new(outer, 3), 1)
            .unwrap();
        own::CNODE
            .mint(inner, Slot::new(outer, 3), Rights::RW, Mint::Plain)
            .unwrap();
        let inner = Cap::<CNode>::new(inner);
        inner
            .mint(5, Slot::new(server, 19), Rights::READ, Mint::Plain)
            .unwrap();
        assert_eq!(root.audit().unwrap().differences, 0, "{:?}", root.findings);

        // Not what the description lets it have.
        inner
            .mint(6, Slot::new(server, 36), Rights::READ, Mint::Plain)
            .unwrap();
        assert_eq!(root.audit().unwrap().differences, 1);
        let finding = &root.findings[0];
        assert_eq!((finding.component, finding.slot), (SERVER, 0));
        let text = &finding.text;
        assert!(text.contains("a capability to endpoint"), "{text}");
        assert!(text.contains("which server made"), "{text}");
    });
}

#[test]
fn roots_lines_are_fetched_by_the_log_collector_alone() {
    started(&system(), 1, |simulation, root| {
        let (collector, _) = root.collector.expect("the server collects");
        assert_eq!(collector, SERVER);
        root.ring_at_collector();
        journal::note(Level::Warn, "root", format_args!("something is odd"));
        journal::note(Level::Error, "root", format_args!("and worse"));
        let events = root.objects.original(object::EVENTS).unwrap();
        assert_eq!(Cap::<Notification>::new(events).poll(), Ok(BELL));

        let server = thread_of(simulation, root, SERVER);
        let client = thread_of(simulation, root, CLIENT);
        let denied = ask(simulation, client, slots::PARENT, TakeLines, &[]);
        let taken = ask(simulation, server, slots::PARENT, TakeLines, &[]);
        let again = ask(simulation, server, slots::PARENT, TakeLines, &[]);
        assert_eq!(serve(root), Err(Ended::Receive(Error::Canceled)));
        let denied = denied.take().unwrap().unwrap_err();
        assert_eq!(denied.reason, Reason::Denied);
        let (taken, tail) = taken.take().unwrap().unwrap();
        assert_eq!((taken.count, taken.left, taken.dropped), (2, 0, 0));
        let texts: Vec<_> = lines(&tail).map(|l| (l.head.level, l.text)).collect();
        assert_eq!(texts, [(2, "something is odd"), (1, "and worse")]);
        assert_eq!(again.take().unwrap().unwrap().0.count, 0);

        // Without a collector they are printed.
        let printed = |simulation: &Simulation| {
            let system = simulation.system.borrow();
            String::from_utf8(system.kernel.machine.console.clone()).unwrap()
        };
        journal::note(Level::Info, "root", format_args!("nobody fetched this"));
        assert!(!printed(simulation).contains("nobody fetched this"));
        journal::set_bell(None);
        journal::note(Level::Info, "root", format_args!("nobody comes"));
        let text = printed(simulation);
        assert!(text.contains("INFO  root: nobody fetched this\nINFO  root: nobody comes\n"));
    });
}
