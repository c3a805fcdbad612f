//! A cell: three fuzzers, with all that they are made of in one lease.

use crate::arena::Arena;
use crate::layout::{ARENA_BITS, BUFFER_OFFSET, CNODE_BITS, THREADS, arena, place, stack_top};
use crate::random::Choice;
use crate::report::{Doing, Failure, Outcome, equal};
use crate::world::{CNODE, FUZZER_PRIORITY, World, at, mapping};
use pagurus_rt::abi::boot::slot;
use pagurus_rt::abi::layout::IMAGE_BASE;
use pagurus_rt::abi::method::ThreadBinding;
use pagurus_rt::abi::{Error, Kind, Rights};
use pagurus_rt::object::{AddressSpace, CNode, Cpu, Frame, Mint, SchedContext, Thread, Untyped};
use pagurus_rt::{Cap, Slot};

/// log2 of a cell's memory.
const LEASE_BITS: u8 = 21;
/// log2 of the memory that fuzzers with one CNode make objects of.
const MEMORY_BITS: u8 = 17;
/// log2 of an address space object.
const SPACE_BITS: u8 = 16;

/// Slots of root's CNode for a cell, each for up to three objects.
const CNODES: u32 = 0;
const SPACES: u32 = 3;
const THREAD_CAPS: u32 = 6;
const TIMES: u32 = 9;
const CODE_MAPS: u32 = 12;
const ARENA_MAPS: u32 = 15;
const SLOT_COUNT: u32 = 18;

/// Three fuzzers and all they have.
#[derive(Clone, Copy)]
pub struct Cell {
    number: usize,
    lease: Cap<Untyped>,
    slots: u32,
    built: bool,
}

/// Whether a fuzzer could be made to run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revived {
    /// It runs.
    Yes,
    /// Others have destroyed or bound too much of it: its cell must be built anew.
    Damaged,
}

impl Cell {
    /// Takes memory and slots for cell `number`.
    pub fn new(w: &mut World, number: usize) -> Result<Cell, Error> {
        Ok(Cell {
            number,
            lease: w.lease(LEASE_BITS)?,
            slots: w.slots(SLOT_COUNT),
            built: false,
        })
    }

    /// Each fuzzer has a CNode of its own.
    fn own_cnodes(&self) -> bool {
        matches!(self.number % 4, 1 | 2)
    }

    /// Each fuzzer has an address space of its own.
    fn own_spaces(&self) -> bool {
        self.number % 4 == 2
    }

    /// Its threads seldom have time.
    fn tiny_budget(&self) -> bool {
        self.number % 4 == 3
    }

    /// The originals of its threads and their time are in the fuzzers' own hands.
    fn owns_threads(&self) -> bool {
        self.number % 2 == 1
    }

    /// Number of fuzzer `t` among all.
    pub fn fuzzer(&self, t: usize) -> usize {
        self.number * THREADS + t
    }

    fn cnode(&self, t: usize) -> Cap<CNode> {
        let n = if self.own_cnodes() { t as u32 } else { 0 };
        Cap::new(self.slots + CNODES + n)
    }

    fn space(&self, t: usize) -> Cap<AddressSpace> {
        let n = if self.own_spaces() { t as u32 } else { 0 };
        Cap::new(self.slots + SPACES + n)
    }

    /// The thread of fuzzer `t`.
    pub fn thread(&self, t: usize) -> Cap<Thread> {
        Cap::new(self.slots + THREAD_CAPS + t as u32)
    }

    fn time(&self, t: usize) -> Cap<SchedContext> {
        Cap::new(self.slots + TIMES + t as u32)
    }

    /// Ends all that the cell is, under way or not, and builds it anew; `other` gives its fuzzers a hold on another cell.
    pub fn build(&mut self, w: &World, random: &mut impl Choice, other: Option<&Cell>) -> Outcome {
        self.tear_down().doing("taking a cell down")?;
        let info = self.lease.info().doing("looking at a lease")?;
        equal("capabilities left of a cell", info.derived, 0)?;
        equal("free memory of a lease", info.free, 1 << LEASE_BITS)?;
        self.make_containers(w)
            .doing("making a cell's containers")?;
        self.make_threads().doing("making a cell's threads")?;
        for k in 0..if self.own_cnodes() { THREADS } else { 1 } {
            self.fill(w, self.cnode(k))
                .doing("filling a cell's CNode")?;
            if let Some(other) = other {
                self.link(self.cnode(k), other);
            }
        }
        self.built = true;
        for t in 0..THREADS {
            Arena::of(self.fuzzer(t)).forget_kinds();
            // Its own fellows may be at it already.
            self.revive(w, random, t)?;
        }
        Ok(())
    }

    fn tear_down(&mut self) -> Result<(), Error> {
        CNODE.revoke(self.lease.index())?;
        if self.built {
            // The address spaces are gone, and with them the mappings.
            let spaces = if self.own_spaces() { THREADS } else { 1 } as u32;
            for n in 0..spaces {
                CNODE.delete(self.slots + CODE_MAPS + n)?;
            }
            for n in 0..THREADS as u32 {
                CNODE.delete(self.slots + ARENA_MAPS + n)?;
            }
            self.built = false;
        }
        Ok(())
    }

    fn make_containers(&self, w: &World) -> Result<(), Error> {
        let cnodes = if self.own_cnodes() { THREADS } else { 1 } as u32;
        let spaces = if self.own_spaces() { THREADS } else { 1 } as u32;
        self.lease
            .retype(Kind::CNode, CNODE_BITS, at(self.slots + CNODES), cnodes)?;
        self.lease.retype(
            Kind::AddressSpace,
            SPACE_BITS,
            at(self.slots + SPACES),
            spaces,
        )?;
        let run = Rights::READ | Rights::EXECUTE;
        for n in 0..spaces {
            let index = self.slots + CODE_MAPS + n;
            CNODE.mint(index, at(w.code.index()), run, Mint::Plain)?;
            let space = Cap::new(self.slots + SPACES + n);
            Cap::<Frame>::new(index).map(space, mapping(IMAGE_BASE, w.code_bytes, run))?;
        }
        for t in 0..THREADS {
            let n = self.fuzzer(t);
            let index = self.slots + ARENA_MAPS + t as u32;
            CNODE.mint(index, at(w.arenas + n as u32), Rights::RW, Mint::Plain)?;
            let whole = mapping(arena(n), 1 << ARENA_BITS, Rights::RW);
            Cap::<Frame>::new(index).map(self.space(t), whole)?;
        }
        Ok(())
    }

    /// The supervisor's capabilities to threads and time: originals, or derived from those that a fuzzer has.
    fn make_threads(&self) -> Result<(), Error> {
        let kinds = [
            (Kind::Thread, THREAD_CAPS, place::THREADS),
            (Kind::SchedContext, TIMES, place::TIMES),
        ];
        for (kind, ours, theirs) in kinds {
            for t in 0..THREADS as u32 {
                let here = self.slots + ours + t;
                if !self.owns_threads() {
                    self.lease.retype(kind, 0, at(here), 1)?;
                    continue;
                }
                let there = Slot::new(self.cnode(t as usize), theirs + t);
                self.lease.retype(kind, 0, there, 1)?;
                CNODE.mint(here, there, Rights::all(), Mint::Plain)?;
            }
        }
        Ok(())
    }

    /// Puts what [`INITIAL`](crate::layout::INITIAL) lists into a CNode, as far as it is not there.
    fn fill(&self, w: &World, cnode: Cap<CNode>) -> Result<(), Error> {
        let give = |to: u32, from: u32, what: Mint| cnode.mint(to, at(from), Rights::all(), what);
        let make = |kind: Kind, bits: u8, to: u32, count: u32| {
            self.lease.retype(kind, bits, Slot::new(cnode, to), count)
        };
        give(place::CNODE, cnode.index(), Mint::Plain)?;
        give(place::SPACE, self.space(0).index(), Mint::Plain)?;
        make(Kind::Untyped, MEMORY_BITS, place::MEMORY, 1)?;
        make(Kind::Endpoint, 0, place::ENDPOINTS, 2)?;
        make(Kind::Notification, 0, place::NOTIFICATIONS, 2)?;
        make(Kind::Reply, 0, place::REPLIES, 4)?;
        make(Kind::Frame, 12, place::FRAMES, 3)?;
        make(Kind::Frame, 16, place::LARGE_FRAME, 1)?;
        make(Kind::TraceBuffer, 12, place::TRACE, 1)?;
        make(Kind::Timer, 0, place::TIMERS, 4)?;
        for n in 0..2 {
            let badge = Mint::Badge(1 << (self.number % 32));
            give(place::COMMON_ENDPOINTS + n, w.endpoints + n, badge)?;
            give(place::COMMON_NOTIFICATIONS + n, w.notifications + n, badge)?;
            give(place::PORTS + n, w.ports + n, Mint::Plain)?;
        }
        give(place::COMMON_FRAME, w.frame, Mint::Plain)?;
        if let Some(device) = w.device {
            give(place::DEVICE_FRAME, device.frame, Mint::Plain)?;
        }
        give(place::IRQ, w.irq.index(), Mint::Plain)?;
        give(place::FAULTS, w.junk, Mint::Plain)?;
        for n in 0..w.boot.cpu_count.min(place::CPU_COUNT) {
            give(place::CPUS + n, w.cpus + n, Mint::Plain)?;
        }
        for t in 0..THREADS as u32 {
            for (ours, theirs) in [
                (self.thread(t as usize).index(), place::THREADS + t),
                (self.time(t as usize).index(), place::TIMES + t),
            ] {
                match give(theirs, ours, Mint::Plain) {
                    // The original is there.
                    Err(Error::OccupiedSlot) if self.owns_threads() => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }

    /// Gives a CNode capabilities to what another cell has; what that one has lost is left out.
    fn link(&self, cnode: Cap<CNode>, other: &Cell) {
        let give = |to: u32, from: u32| {
            let _ = cnode.mint(to, at(from), Rights::all(), Mint::Plain);
        };
        give(place::OTHER_CNODE, other.cnode(0).index());
        give(place::OTHER_SPACE, other.space(0).index());
        for t in 0..THREADS as u32 {
            give(place::OTHER_THREADS + t, other.thread(t as usize).index());
            give(place::OTHER_TIMES + t, other.time(t as usize).index());
        }
    }

    /// Makes fuzzer `t` begin anew, wherever it is, with everything bound as it should be.
    ///
    /// # Errors
    /// If the kernel refuses for a reason that cannot be other fuzzers' doing.
    pub fn revive(
        &self,
        w: &World,
        random: &mut impl Choice,
        t: usize,
    ) -> Result<Revived, Failure> {
        match self.try_revive(w, random, t) {
            Ok(()) => Ok(Revived::Yes),
            // Destroyed; bound to or by others; started or stopped by others in between.
            Err(
                Error::EmptySlot
                | Error::AlreadyBound
                | Error::NotBound
                | Error::InUse
                | Error::MissingBinding,
            ) => Ok(Revived::Damaged),
            Err(error) => Err(Failure::Refused("reviving a fuzzer", error)),
        }
    }

    fn try_revive(&self, w: &World, random: &mut impl Choice, t: usize) -> Result<(), Error> {
        let (thread, time) = (self.thread(t), self.time(t));
        let n = self.fuzzer(t);
        thread.suspend()?;
        for binding in ThreadBinding::ALL {
            not_bound(thread.unbind(binding))?;
        }
        thread.bind_cspace(self.cnode(t))?;
        thread.bind_address_space(self.space(t))?;
        thread.bind_fault_endpoint(Cap::new(w.faults + n as u32))?;
        thread.bind_ipc_buffer(Cap::new(w.arenas + n as u32), BUFFER_OFFSET)?;
        thread.set_flags(random.one_in(2), 0)?;
        not_bound(time.unbind())?;
        // At home on one processor each; seldom somewhere else.
        let home = match random.below(8) {
            0 => random.below(w.boot.cpu_count.into()) as u32,
            _ => n as u32 % w.boot.cpu_count,
        };
        let (budget, period) = match self.tiny_budget() {
            true => (random.of(&[10_000, 30_000, 100_000]), 2_000_000),
            false => (1_000_000, 1_000_000),
        };
        let priority = FUZZER_PRIORITY - random.below(20) as u8;
        let cpu = Cap::<Cpu>::new(slot::FIRST_CPU + home);
        time.configure(cpu, budget, period, priority)?;
        time.bind(thread)?;
        thread.start(crate::fuzzer::entry(), stack_top(n), 0, 0)
    }
}

/// Nothing being bound is as good as unbound.
fn not_bound(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::NotBound) => Ok(()),
        other => other,
    }
}
