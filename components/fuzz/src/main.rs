//! Random system calls from threads on all processors. Runs in root's place.
//!
//! The fuzzers (`fuzzer`) come in cells of three (`cell`): some share a CNode, some an address space, some have both to
//! themselves, some have hardly any time. They make random system calls on what they were given (`layout`, `generate`):
//! memory, each other's threads, time and capability spaces, shared endpoints, an interrupt line, two ports; nothing by
//! which they could reach root or stop the machine. The supervisor (`supervisor`) lets them run by time slices, revives
//! what faulted, blocked or was destroyed, ends whole cells while they run, and has the kernel check its invariants.
//!
//! No call may panic, hang or corrupt the kernel. The kernel's command line sets the length and the random choices
//! (`options`); the seed is in every failure's reason.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod arena;
mod cell;
mod fuzzer;
mod generate;
mod layout;
mod options;
mod random;
mod report;
mod service;
mod supervisor;
mod world;

use core::sync::atomic::Ordering::Relaxed;
use layout::THREADS;
use options::Options;
use pagurus_rt::Cap;
use pagurus_rt::abi::boot::{BootInfo, slot};
use pagurus_rt::abi::method::Method;
use pagurus_rt::abi::{Error, Syscall};
use pagurus_rt::object::KernelControl;
use report::{Failure, Outcome, outcome, say};
use supervisor::Supervisor;
use world::World;

pagurus_rt::root_entry!(main, heap = 4096);

/// The control of the kernel.
pub const KERNEL: Cap<KernelControl> = Cap::new(slot::KERNEL_CONTROL);
/// Exit code of the emulator when all is said.
const FINISHED: u64 = 0x10;
/// Methods that fuzzers have no capability for.
const OUT_OF_REACH: &[Method] = &[
    Method::IrqIssue,
    Method::KernelCheck,
    Method::KernelDescribe,
    Method::KernelHalt,
    Method::KernelWrite,
    Method::KernelStats,
    Method::GuestSpaceInfo,
    Method::GuestSpaceQuery,
    Method::VcpuBind,
    Method::VcpuUnbind,
    Method::VcpuLoad,
    Method::VcpuStore,
];

fn main(boot: &'static BootInfo) -> Result<(), Failure> {
    let options =
        Options::parse(boot.command_line()).map_err(|what| Failure::Broken(what, 0, 0))?;
    let cells = (boot.cpu_count as usize * 2).clamp(4, layout::MAX_CELLS);
    say!(
        "fuzz: {} calls by {} threads on {} processors, seed={}",
        options.calls,
        cells * THREADS,
        boot.cpu_count,
        options.seed
    );
    let mut results = Results {
        seed: options.seed,
        count: 0,
    };
    results.all(boot, options, cells);
    say!("DONE {}", results.count);
    Err(Failure::Refused(
        "ending the machine",
        KERNEL.halt(FINISHED),
    ))
}

/// Counts what is reported.
struct Results {
    seed: u64,
    count: u32,
}

impl Results {
    fn add(&mut self, name: &str, result: Outcome) {
        outcome(name, self.seed, &result);
        self.count += 1;
    }

    fn all(&mut self, boot: &'static BootInfo, options: Options, cells: usize) {
        let fuzzers = cells * THREADS;
        let made = World::new(boot, fuzzers).and_then(|w| Supervisor::new(w, options, cells));
        let mut supervisor = match made {
            Ok(supervisor) => supervisor,
            Err(failure) => return self.add("fuzz.start", Err(failure)),
        };
        let run = supervisor.run();
        let finished = run.is_ok();
        self.add("fuzz.run", run);
        self.add("fuzz.registers", registers(&supervisor));
        self.add("fuzz.code", supervisor.world().code_is_whole());
        if finished {
            self.add("fuzz.coverage", coverage(&supervisor));
        }
        self.add("fuzz.give-back", supervisor.end());
        self.add("fuzz.invariants", world::check());
    }
}

/// Fails if a thread found other values in its registers than it left there.
fn registers(supervisor: &Supervisor) -> Outcome {
    for arena in supervisor.arenas() {
        if arena.corrupt.load(Relaxed) != 0 {
            let [is, should_be] = arena.corrupt_values.each_ref().map(|v| v.load(Relaxed));
            return Err(Failure::Broken("a register was changed", is, should_be));
        }
    }
    Ok(())
}

/// Fails unless every system call and every method in reach succeeded at least once and most errors were seen: what is
/// never reached is not tested.
fn coverage(supervisor: &Supervisor) -> Outcome {
    let (mut methods, mut syscalls, mut errors) = (0, 0, 0);
    for arena in supervisor.arenas() {
        methods |= arena.methods.load(Relaxed);
        syscalls |= arena.syscalls.load(Relaxed);
        errors |= arena.errors.load(Relaxed);
    }
    for (n, method) in Method::ALL.iter().enumerate() {
        if methods & 1 << n == 0 && !OUT_OF_REACH.contains(method) {
            return Err(Failure::Broken(
                "a method never succeeded",
                *method as u64,
                methods,
            ));
        }
    }
    // No fuzzer has a guest.
    for call in Syscall::ALL.into_iter().filter(|c| *c != Syscall::Run) {
        if syscalls & 1 << call as u8 == 0 {
            return Err(Failure::Broken(
                "a system call never succeeded",
                call as u64,
                syscalls,
            ));
        }
    }
    let seen = Error::ALL.iter().filter(|e| errors & 1 << **e as u32 != 0);
    say!(
        "fuzz: {} of {} errors seen, {errors:#x}",
        seen.count(),
        Error::ALL.len()
    );
    Ok(())
}
