//! Keeps the fuzzers going, and looks whether the kernel is well.

use crate::KERNEL;
use crate::arena::Arena;
use crate::cell::{Cell, Revived};
use crate::layout::{MAX_CELLS, THREADS};
use crate::options::Options;
use crate::random::{self, Choice, Random};
use crate::report::{Doing, Failure, Outcome, say};
use crate::service::{FAULTS, MESSAGES};
use crate::world::{self, TICK, World};
use core::sync::atomic::Ordering::Relaxed;
use pagurus_rt::abi::Error;
use pagurus_rt::abi::method::ThreadState;

/// Time without a single system call after which all is taken to stand still; emulated processors can be slow.
const STANDSTILL_NS: u64 = 60_000_000_000;
/// Time slices that a thread which is ready may be without progress: others are more important, or it has no budget.
const PATIENCE: u32 = 12;
/// Lines of progress in a run.
const LINES: u64 = 10;

/// What was done to keep them going.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    revived: u64,
    unblocked: u64,
    rebuilt: u64,
    catcher: u64,
    checks: u64,
}

/// The supervisor.
pub struct Supervisor {
    world: World,
    cells: [Option<Cell>; MAX_CELLS],
    random: Random,
    /// Calls that each fuzzer had made at the last time slice, and time slices since there were fewer.
    seen: [(u64, u32); THREADS * MAX_CELLS],
    /// Faults answered at the last time slice, and time slices since.
    faults: (u64, u32),
    options: Options,
    counts: Counts,
}

impl Supervisor {
    /// Makes the cells: some for each processor.
    pub fn new(world: World, options: Options, cells: usize) -> Result<Supervisor, Failure> {
        let mut s = Supervisor {
            world,
            cells: [None; MAX_CELLS],
            random: Random(random::stream(options.seed, u64::MAX)),
            seen: [(0, 0); THREADS * MAX_CELLS],
            faults: (0, 0),
            options,
            counts: Counts::default(),
        };
        world::seed_arenas(options.seed, cells * THREADS);
        for number in 0..cells.min(MAX_CELLS) {
            let cell = Cell::new(&mut s.world, number).doing("taking memory for a cell")?;
            s.cells[number] = Some(cell);
        }
        for number in 0..cells.min(MAX_CELLS) {
            s.build(number)?;
        }
        Ok(s)
    }

    fn count(&self) -> usize {
        self.cells.iter().flatten().count()
    }

    fn build(&mut self, number: usize) -> Outcome {
        let other = self.random.below(self.count() as u64) as usize;
        let other = if other == number {
            None
        } else {
            self.cells[other]
        };
        let Some(cell) = &mut self.cells[number] else {
            return Ok(());
        };
        self.counts.rebuilt += 1;
        cell.build(&self.world, &mut self.random, other.as_ref())
    }

    /// System calls made by fuzzers so far.
    pub fn calls(&self) -> u64 {
        self.arenas().map(|a| a.calls.load(Relaxed)).sum()
    }

    /// The memory of every fuzzer.
    pub fn arenas(&self) -> impl Iterator<Item = &'static Arena> + use<> {
        (0..self.count() * THREADS).map(Arena::of)
    }

    /// Lets the fuzzers go on until they have made all the system calls wanted.
    pub fn run(&mut self) -> Outcome {
        let (mut next_check, mut next_line) = (0, 0);
        let mut last = (0, uptime_ns()?);
        loop {
            let calls = self.calls();
            if calls >= next_check {
                world::check()?;
                self.counts.checks += 1;
                next_check = calls + self.options.check;
            }
            if calls >= next_line {
                self.progress(calls)?;
                next_line += (self.options.calls / LINES).max(1);
            }
            if calls >= self.options.calls {
                return Ok(());
            }
            if calls != last.0 {
                last = (calls, uptime_ns()?);
            } else if uptime_ns()? - last.1 > STANDSTILL_NS {
                return self.standstill(calls);
            }
            self.wait()?;
            self.attend()?;
        }
    }

    /// Gives the fuzzers time until a processor has nothing to do, else a whole slice: the first tick may come at once.
    fn wait(&self) -> Outcome {
        let mut ticks = 0;
        while ticks < 2 {
            let signals = self.world.ticks.wait().doing("waiting for a tick")?;
            if signals != TICK {
                break;
            }
            ticks += 1;
        }
        Ok(())
    }

    /// Looks after everybody once.
    fn attend(&mut self) -> Outcome {
        self.world.see_clock().doing("reading the clock")?;
        self.attend_catcher()?;
        for number in 0..self.count() {
            for t in 0..THREADS {
                if let Some(cell) = self.cells[number]
                    && self.attend_fuzzer(&cell, t)? == Revived::Damaged
                    && self.random.one_in(2)
                {
                    self.build(number)?;
                    break;
                }
            }
        }
        if self.random.one_in(8) {
            // While its fuzzers run, here and on other processors.
            let number = self.random.below(self.count() as u64) as usize;
            self.build(number)?;
        }
        Ok(())
    }

    fn attend_fuzzer(&mut self, cell: &Cell, t: usize) -> Result<Revived, Failure> {
        let n = cell.fuzzer(t);
        let calls = Arena::of(n).calls.load(Relaxed);
        let (before, idle) = self.seen[n];
        if calls != before {
            self.seen[n] = (calls, 0);
            if !self.random.one_in(64) {
                return Ok(Revived::Yes);
            }
        } else {
            self.seen[n].1 += 1;
        }
        let thread = cell.thread(t);
        let state = match thread.info() {
            Ok(info) => info.state,
            Err(Error::EmptySlot) => return Ok(Revived::Damaged),
            Err(error) => return Err(Failure::Refused("looking at a thread", error)),
        };
        match state {
            Some(ThreadState::Ready) if idle < PATIENCE => Ok(Revived::Yes),
            // What it waits for may still come, unless nobody else is there.
            Some(ThreadState::Sending | ThreadState::Receiving | ThreadState::Calling)
            | Some(ThreadState::Waiting)
                if self.random.one_in(2) =>
            {
                self.counts.unblocked += 1;
                match thread.suspend().and_then(|()| thread.resume()) {
                    Ok(()) | Err(Error::InUse | Error::MissingBinding) => Ok(Revived::Yes),
                    Err(Error::EmptySlot) => Ok(Revived::Damaged),
                    Err(error) => Err(Failure::Refused("waking a thread", error)),
                }
            }
            _ => {
                self.counts.revived += 1;
                self.seen[n].1 = 0;
                cell.revive(&self.world, &mut self.random, t)
            }
        }
    }

    /// Who catches faults does so on the time of those who fault, which others can take away.
    fn attend_catcher(&mut self) -> Outcome {
        let faults = FAULTS.load(Relaxed) + MESSAGES.load(Relaxed);
        if faults != self.faults.0 {
            self.faults = (faults, 0);
            return Ok(());
        }
        self.faults.1 += 1;
        if self.faults.1 > PATIENCE {
            self.faults.1 = 0;
            self.counts.catcher += 1;
            self.world
                .restart_catcher()
                .doing("starting the catcher again")?;
        }
        Ok(())
    }

    fn progress(&self, calls: u64) -> Outcome {
        let stats = KERNEL.stats().doing("reading the kernel's counters")?;
        let c = self.counts;
        say!(
            "fuzz: {calls} calls at {} ms; kernel: {} system calls, {} interrupts; {} faults, {} messages; \
             {} revived, {} unblocked, {} cells built, {} catchers, {} checks",
            stats.uptime_ns / 1_000_000,
            stats.system_calls,
            stats.interrupts,
            FAULTS.load(Relaxed),
            MESSAGES.load(Relaxed),
            c.revived,
            c.unblocked,
            c.rebuilt,
            c.catcher,
            c.checks,
        );
        Ok(())
    }

    /// Says what everybody was doing when nothing went on any more.
    fn standstill(&self, calls: u64) -> Outcome {
        for cell in self.cells.iter().flatten() {
            for t in 0..THREADS {
                let n = cell.fuzzer(t);
                let last = Arena::of(n).last.each_ref().map(|word| word.load(Relaxed));
                say!(
                    "fuzz: fuzzer {n}: {:?}, last call {last:x?}",
                    cell.thread(t).info()
                );
            }
        }
        Err(Failure::Broken("nothing goes on any more", calls, 0))
    }

    /// Ends the run: everything is taken back.
    pub fn end(self) -> Outcome {
        self.world.end()
    }

    /// The world, to be looked at.
    pub fn world(&self) -> &World {
        &self.world
    }
}

/// Nanoseconds since the kernel started.
fn uptime_ns() -> Result<u64, Failure> {
    let stats = KERNEL.stats().doing("reading the clock")?;
    Ok(stats.uptime_ns)
}
