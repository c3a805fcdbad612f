//! The manager on the kernel's own logic: its system calls go to `pagurus-syscall` on a simulated machine, whose
//! invariants are checked whenever something was deleted.

use memory_manager::accounts::Accounts;
use memory_manager::service::Manager;
use pagurus_abi::boot::slot;
use pagurus_abi::method::{Method, MethodInfo};
use pagurus_abi::{Error, Kind};
use pagurus_protocol::Reason;
use pagurus_protocol::memory::{Allocate, GiveBack, GrantKind};
use pagurus_rt::host::with_kernel;
use pagurus_rt::object::{CNode, Untyped};
use pagurus_rt::syscall::Registers;
use pagurus_rt::{Cap, Slot};
use pagurus_syscall::SyscallArgs;
use pagurus_syscall::sim::system::{FREE_SLOT, UNTYPED_SLOT};
use pagurus_syscall::sim::{Setup, System};
use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

/// log2 of the memory to be managed.
const POOL_BITS: u8 = 20;
const BLOCKS: usize = 200;
const CLIENTS: usize = 4;
/// Where everything is in the capability space of the manager, which is root's here.
const POOL_SLOT: u32 = FREE_SLOT as u32;
const FIRST_BLOCK: u32 = POOL_SLOT + 1;
const HAND_OUT: u32 = FIRST_BLOCK + BLOCKS as u32;
/// Where the clients keep what they get.
const FIRST_HELD: u32 = HAND_OUT + 1;
const QUOTA: u64 = 256 * 1024;

type TestManager<'a> = Manager<'a, BLOCKS, CLIENTS>;

fn cnode() -> Cap<CNode> {
    Cap::new(slot::CNODE)
}

/// Runs `test` on a fresh machine with one region of untyped memory, which the manager took over.
fn with_manager(test: impl FnOnce(&mut TestManager<'_>, &Rc<RefCell<System>>)) {
    let mut system = System::boot(Setup {
        cpus: 1,
        untyped_bits: POOL_BITS + 1,
        check_every: 1000,
        ..Setup::default()
    });
    let root = system.root;
    let to = (u64::from(slot::CNODE), u64::from(POOL_SLOT));
    system
        .retype(root, UNTYPED_SLOT, Kind::Untyped, POOL_BITS, to, 1)
        .expect("the machine has memory");
    let system = Rc::new(RefCell::new(system));
    let kernel = system.clone();
    let enter = move |r: Registers| {
        let mut system = kernel.borrow_mut();
        let args = SyscallArgs {
            rax: r.rax,
            cap: r.rdi,
            info: r.rsi,
            words: r.words,
        };
        let answer = system.make(root, args).expect("a method call returns");
        if matches!(
            MethodInfo(r.rsi).method(),
            Some(Method::CNodeRevoke | Method::CNodeDelete)
        ) {
            // The simulation learns from a check what is free now.
            system.verify();
        }
        Registers {
            rax: answer.code,
            rdi: answer.badge,
            rsi: answer.info.0,
            words: answer.words,
        }
    };
    with_kernel(enter, || {
        let mut accounts = Accounts::new(0);
        let mut manager = Manager::new(&mut accounts, cnode(), FIRST_BLOCK, HAND_OUT);
        manager.set_quotas(&[QUOTA; 2]).unwrap();
        manager.take_over(POOL_SLOT..POOL_SLOT + 1).unwrap();
        assert_eq!(manager.pool_usage().total, 1 << POOL_BITS);
        test(&mut manager, &system);
    });
}

fn ask(kind: GrantKind, size_bits: u8) -> Allocate {
    Allocate {
        kind: kind as u8,
        size_bits,
        ..Allocate::default()
    }
}

fn kind_in(slot: u32) -> Option<Kind> {
    cnode().inspect(slot).unwrap().info.kind()
}

/// The client's side of an answer: the capability moves to its slot.
fn receive(manager: &mut TestManager<'_>, to: u32) {
    cnode().move_here(to, Slot::new(cnode(), HAND_OUT)).unwrap();
    manager.finish_hand_out();
}

#[test]
fn what_was_made_of_a_grant_vanishes_with_it() {
    with_manager(|manager, system| {
        let grant = manager
            .allocate(1, ask(GrantKind::Untyped, 14))
            .unwrap()
            .grant;
        receive(manager, FIRST_HELD);
        let held = Cap::<Untyped>::new(FIRST_HELD);
        let to = Slot::new(cnode(), FIRST_HELD + 1);
        held.retype(Kind::Untyped, 13, to, 1).unwrap();
        Cap::<Untyped>::new(FIRST_HELD + 1)
            .retype(Kind::Endpoint, 0, Slot::new(cnode(), FIRST_HELD + 2), 3)
            .unwrap();
        manager.give_back(1, GiveBack { grant }).unwrap();
        for held in FIRST_HELD..FIRST_HELD + 5 {
            assert_eq!(kind_in(held), Some(Kind::Empty));
        }
        let pool = manager.pool_usage();
        assert_eq!((pool.granted, pool.largest), (0, 1 << POOL_BITS));
        assert_eq!(
            manager.give_back(1, GiveBack { grant }).unwrap_err().reason,
            Reason::NotFound
        );
        system.borrow_mut().verify();
    });
}

#[test]
fn a_capability_that_did_not_go_out_is_no_grant() {
    with_manager(|manager, _| {
        for _ in 0..100 {
            manager.allocate(1, ask(GrantKind::Frame, 17)).unwrap();
            manager.finish_hand_out();
            assert_eq!(kind_in(HAND_OUT), Some(Kind::Empty));
        }
        assert_eq!(manager.pool_usage().granted, 0);
    });
}

#[test]
fn a_client_that_ends_needs_no_goodbye() {
    with_manager(|manager, _| {
        for _ in 0..100 {
            manager.allocate(2, ask(GrantKind::Frame, 17)).unwrap();
            receive(manager, FIRST_HELD);
            // What root does to a whole capability space.
            cnode().delete(FIRST_HELD).unwrap();
        }
        assert_eq!(manager.pool_usage().granted, 0);
    });
}

#[test]
fn refusals() {
    with_manager(|manager, _| {
        let mut refuse = |badge, ask| manager.allocate(badge, ask).unwrap_err();
        let odd = Allocate {
            kind: 9,
            size_bits: 12,
            ..Allocate::default()
        };
        assert_eq!(refuse(1, odd).reason, Reason::InvalidArgument);
        let small = refuse(1, ask(GrantKind::Frame, 11));
        assert_eq!(small.reason, Reason::InvalidArgument);
        let large = refuse(1, ask(GrantKind::Frame, 19));
        assert_eq!((large.reason, large.detail), (Reason::QuotaExceeded, QUOTA));
        let stranger = refuse(77, ask(GrantKind::Frame, 12));
        assert_eq!(
            (stranger.reason, stranger.detail),
            (Reason::QuotaExceeded, 0)
        );
    });
}

#[test]
fn memory_that_is_in_use_is_not_taken_over() {
    with_manager(|manager, _| {
        manager.allocate(1, ask(GrantKind::Untyped, 16)).unwrap();
        receive(manager, FIRST_HELD);
        let to = Slot::new(cnode(), FIRST_HELD + 1);
        Cap::<Untyped>::new(FIRST_HELD)
            .retype(Kind::Endpoint, 0, to, 1)
            .unwrap();
        manager.take_over(FIRST_HELD..FIRST_HELD + 2).unwrap();
        assert_eq!(manager.pool_usage().total, 1 << POOL_BITS);
        assert_eq!(kind_in(FIRST_HELD), Some(Kind::Untyped));
    });
}

#[derive(Clone, Debug)]
enum Step {
    Allocate { badge: u64, frame: bool, bits: u8 },
    GiveBack(usize),
    Delete(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1u64..3, any::<bool>(), 12u8..18)
            .prop_map(|(badge, frame, bits)| Step::Allocate { badge, frame, bits }),
        1 => any::<usize>().prop_map(Step::GiveBack),
        1 => any::<usize>().prop_map(Step::Delete),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The kernel agrees with every step, no two grants overlap, and at the end all memory is one piece again.
    #[test]
    fn the_kernel_agrees(steps in prop::collection::vec(step(), 1..60)) {
        with_manager(|manager, system| {
            // Grant, badge, slot, physical range.
            let mut live: Vec<(u64, u64, u32, std::ops::Range<u64>)> = Vec::new();
            let mut free: Vec<u32> = (FIRST_HELD..FIRST_HELD + 64).collect();
            for step in steps {
                match step {
                    Step::Allocate { badge, frame, bits } => {
                        let kind = if frame { GrantKind::Frame } else { GrantKind::Untyped };
                        let Ok(allocated) = manager.allocate(badge, ask(kind, bits)) else {
                            continue;
                        };
                        let slot = free.pop().unwrap();
                        receive(manager, slot);
                        let (expected, method) = if frame {
                            (Kind::Frame, Method::FrameInfo)
                        } else {
                            (Kind::Untyped, Method::UntypedInfo)
                        };
                        assert_eq!(kind_in(slot), Some(expected));
                        let info = pagurus_rt::syscall::invoke(slot, method, 0, [0; 4]).unwrap();
                        assert_eq!(info[1] as u8, bits);
                        let range = info[0]..info[0] + (1 << bits);
                        for (.., other) in &live {
                            assert!(range.end <= other.start || other.end <= range.start);
                        }
                        live.push((allocated.grant, badge, slot, range));
                    }
                    Step::GiveBack(n) if !live.is_empty() => {
                        let (grant, badge, slot, _) = live.swap_remove(n % live.len());
                        let other = GiveBack { grant };
                        assert!(manager.give_back(3 - badge, other).is_err());
                        manager.give_back(badge, GiveBack { grant }).unwrap();
                        assert_eq!(kind_in(slot), Some(Kind::Empty));
                        free.push(slot);
                    }
                    Step::Delete(n) if !live.is_empty() => {
                        let (.., slot, _) = live.swap_remove(n % live.len());
                        cnode().delete(slot).unwrap();
                        free.push(slot);
                    }
                    _ => {}
                }
                let held: u64 = live.iter().map(|(.., r)| r.end - r.start).sum();
                assert_eq!(manager.pool_usage().granted, held);
            }
            for (.., slot, _) in live {
                cnode().delete(slot).unwrap();
            }
            assert_eq!(manager.pool_usage().largest, 1 << POOL_BITS);
            let blocks = FIRST_BLOCK..FIRST_BLOCK + BLOCKS as u32;
            let used = blocks.filter(|s| kind_in(*s) != Some(Kind::Empty)).count();
            assert_eq!(used, 1, "one capability for one piece");
            assert_eq!(cnode().inspect(u32::MAX).unwrap_err(), Error::InvalidIndex);
            system.borrow_mut().verify();
        });
    }
}
