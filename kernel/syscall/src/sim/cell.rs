//! What a piece of simulated memory holds.

use pagurus_cap::Slot;
use pagurus_ipc::{Endpoint, Notification, Reply, Thread};
use pagurus_sched::{SchedContext, Timer};
use pagurus_vcpu::Vcpu;

use super::ram::{GRANULES, WORDS};

/// What a granule holds.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Dirty,
    Zero,
    Slot(Slot),
    Thread(Box<Thread>),
    Sc(Box<SchedContext>),
    Endpoint(Endpoint),
    Notification(Notification),
    Reply(Reply),
    Vcpu(Box<Vcpu>),
    Timer(Timer),
    Fpu,
    /// The rest of the object in a granule before.
    Rest,
}

/// What a page holds.
#[derive(Clone, Debug)]
pub(super) enum Page {
    Dirty,
    Zero,
    Objects(Box<[Cell; GRANULES]>),
    Table(Box<[u64; WORDS]>),
    Words(Box<[u64; WORDS]>),
}
impl PartialEq for Cell {
    /// Zero memory is equal to an object of zeroes.
    fn eq(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Dirty, Cell::Dirty) | (Cell::Fpu, Cell::Fpu) => true,
            (Cell::Slot(a), Cell::Slot(b)) => a == b,
            (Cell::Thread(a), Cell::Thread(b)) => a == b,
            (Cell::Sc(a), Cell::Sc(b)) => a == b,
            (Cell::Endpoint(a), Cell::Endpoint(b)) => a == b,
            (Cell::Notification(a), Cell::Notification(b)) => a == b,
            (Cell::Reply(a), Cell::Reply(b)) => a == b,
            (Cell::Vcpu(a), Cell::Vcpu(b)) => a == b,
            (Cell::Timer(a), Cell::Timer(b)) => a == b,
            (a, b) => a.is_blank() && b.is_blank(),
        }
    }
}

impl PartialEq for Page {
    /// Zero memory is equal to anything of zeroes.
    fn eq(&self, other: &Page) -> bool {
        match (self, other) {
            (Page::Dirty, Page::Dirty) => true,
            (Page::Objects(a), Page::Objects(b)) => a == b,
            (Page::Table(a), Page::Table(b)) | (Page::Words(a), Page::Words(b)) => a == b,
            (a, b) => a.is_blank() && b.is_blank(),
        }
    }
}

impl Page {
    fn is_blank(&self) -> bool {
        match self {
            Page::Dirty => false,
            Page::Zero => true,
            Page::Objects(cells) => cells.iter().all(Cell::is_blank),
            Page::Table(words) | Page::Words(words) => words.iter().all(|w| *w == 0),
        }
    }
}
impl Cell {
    fn is_blank(&self) -> bool {
        match self {
            Cell::Zero | Cell::Rest => true,
            Cell::Dirty | Cell::Fpu => false,
            Cell::Slot(object) => *object == Slot::EMPTY,
            Cell::Thread(object) => **object == Thread::EMPTY,
            Cell::Sc(object) => **object == SchedContext::default(),
            Cell::Endpoint(object) => *object == Endpoint::default(),
            Cell::Notification(object) => *object == Notification::default(),
            Cell::Reply(object) => *object == Reply::default(),
            Cell::Vcpu(object) => **object == Vcpu::default(),
            Cell::Timer(object) => *object == Timer::default(),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Cell::Dirty => "memory that is no object's",
            Cell::Zero => "zero memory",
            Cell::Slot(_) => "a slot",
            Cell::Thread(_) => "a thread",
            Cell::Sc(_) => "a scheduling context",
            Cell::Endpoint(_) => "an endpoint",
            Cell::Notification(_) => "a notification",
            Cell::Reply(_) => "a reply",
            Cell::Vcpu(_) => "a virtual processor",
            Cell::Timer(_) => "a timer",
            Cell::Fpu => "an FPU area",
            Cell::Rest => "the inside of an object",
        }
    }
}
