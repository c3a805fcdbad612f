//! What a test has: memory, slots, threads.
#![allow(unsafe_code)] // stacks of threads, volatile access to pages under test

use crate::KERNEL;
use crate::report::{Failure, Outcome, equal};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use pagurus_rt::abi::boot::{BootInfo, slot};
use pagurus_rt::abi::method::CacheMode;
use pagurus_rt::abi::{Error, Rights};
use pagurus_rt::object::{
    AddressSpace, CNode, Cpu, Endpoint, Frame, Mapping, Notification, Reply, SchedContext, Thread,
    Untyped,
};
use pagurus_rt::{Cap, Slot};

/// Root's own CNode, which all tests use.
pub const CNODE: Cap<CNode> = Cap::new(slot::CNODE);
/// Root's own address space.
pub const SPACE: Cap<AddressSpace> = Cap::new(slot::ADDRESS_SPACE);
/// log2 of a test's memory.
const MEMORY_BITS: u8 = 24;
/// Where pages of tests are mapped.
const WINDOW: u64 = 0x1000_0000_0000;
/// log2 of a thread's stack.
const STACK_BITS: u8 = 14;
/// A time slice, for threads without a limit.
pub const SLICE_NS: u64 = 5_000_000;

/// Where a thread ends: nobody signals this one.
static NEVER: AtomicU32 = AtomicU32::new(0);

/// What a thread runs.
pub type Entry = extern "C" fn(u64, u64) -> !;

/// Time and place of a thread.
#[derive(Clone, Copy)]
pub struct Time {
    /// Processor.
    pub cpu: u32,
    /// Priority.
    pub priority: u8,
    /// Nanoseconds in every period.
    pub budget: u64,
    /// The period in nanoseconds.
    pub period: u64,
}

impl Time {
    /// No limit, on this processor at this priority.
    pub const fn unlimited(cpu: u32, priority: u8) -> Time {
        Time {
            cpu,
            priority,
            budget: SLICE_NS,
            period: SLICE_NS,
        }
    }
}

/// A thread and its time.
#[derive(Clone, Copy)]
pub struct Worker {
    /// The thread.
    pub thread: Cap<Thread>,
    /// Its time.
    pub time: Cap<SchedContext>,
}

/// Memory, slots and addresses of one test.
pub struct World {
    /// What firmware and kernel left.
    pub boot: &'static BootInfo,
    /// The test's memory.
    pub memory: Cap<Untyped>,
    next_slot: u32,
    next_address: u64,
}

impl World {
    /// Takes memory for a test.
    pub fn new(boot: &'static BootInfo) -> Result<World, Failure> {
        let memory = boot
            .untyped()
            .iter()
            .find(|u| u.device == 0 && u.size_bits >= MEMORY_BITS)
            .ok_or(Error::OutOfMemory)?;
        let mut world = World {
            boot,
            memory: Cap::new(memory.slot),
            next_slot: boot.first_free_slot,
            next_address: WINDOW,
        };
        let never = world.make::<Notification>()?;
        NEVER.store(never.index(), Relaxed);
        Ok(world)
    }

    /// Ends the test: everything made from its memory goes, and nothing may be missing.
    pub fn end(self) -> Outcome {
        CNODE.revoke(self.memory.index())?;
        let info = self.memory.info()?;
        equal("capabilities left after the test", info.derived, 0)?;
        equal(
            "memory missing after the test",
            info.free,
            1 << info.size_bits,
        )?;
        for index in self.boot.first_free_slot..self.next_slot {
            let kind = CNODE.inspect(index)?.info.kind();
            equal("a slot is still in use", kind.map_or(0, |k| k as u64), 0)?;
        }
        check()
    }

    /// A free slot of root's CNode.
    pub fn slot(&mut self) -> u32 {
        self.slots(1)
    }

    /// Adjacent free slots of root's CNode.
    pub fn slots(&mut self, count: u32) -> u32 {
        let first = self.next_slot;
        self.next_slot += count;
        first
    }

    /// Names a slot of root's CNode.
    pub fn at(index: u32) -> Slot {
        Slot::new(CNODE, index)
    }

    /// Makes an object of fixed size.
    pub fn make<T: pagurus_rt::object::Object>(&mut self) -> Result<Cap<T>, Error> {
        self.make_sized(0)
    }

    /// Makes an object.
    pub fn make_sized<T: pagurus_rt::object::Object>(
        &mut self,
        size_bits: u8,
    ) -> Result<Cap<T>, Error> {
        let index = self.slot();
        self.memory.make::<T>(Self::at(index), size_bits)?;
        Ok(Cap::new(index))
    }

    /// An endpoint and a reply for its receiver.
    pub fn meeting(&mut self) -> Result<(Cap<Endpoint>, Cap<Reply>), Error> {
        Ok((self.make()?, self.make()?))
    }

    /// Addresses that nothing uses.
    pub fn address(&mut self, bytes: u64) -> u64 {
        let address = self.next_address;
        // A gap, so that overruns fault.
        self.next_address += bytes.next_multiple_of(4096) + 4096;
        address
    }

    /// Makes a frame and maps it for this program.
    pub fn mapped(&mut self, size_bits: u8) -> Result<(Cap<Frame>, u64), Error> {
        let frame = self.make_sized::<Frame>(size_bits)?;
        let address = self.address(1 << size_bits);
        frame.map(SPACE, whole(address, size_bits, Rights::RW))?;
        Ok((frame, address))
    }

    /// Makes a thread in this program's address space, not yet started.
    pub fn thread(&mut self, time: Time) -> Result<Worker, Error> {
        let thread = self.make::<Thread>()?;
        let context = self.make::<SchedContext>()?;
        thread.bind_cspace(CNODE)?;
        thread.bind_address_space(SPACE)?;
        let cpu = Cap::<Cpu>::new(slot::FIRST_CPU + time.cpu);
        context.configure(cpu, time.budget, time.period, time.priority)?;
        context.bind(thread)?;
        Ok(Worker {
            thread,
            time: context,
        })
    }

    /// Makes and starts a thread in this program's address space.
    pub fn spawn(&mut self, time: Time, entry: Entry, a: u64, b: u64) -> Result<Worker, Error> {
        let worker = self.thread(time)?;
        self.start(worker, entry, a, b)?;
        Ok(worker)
    }

    /// Starts a thread on a stack of its own.
    pub fn start(&mut self, worker: Worker, entry: Entry, a: u64, b: u64) -> Result<(), Error> {
        let (_, stack) = self.mapped(STACK_BITS)?;
        // A function expects the stack as a call leaves it.
        let top = stack + (1 << STACK_BITS) - 8;
        worker.thread.start(entry as usize as u64, top, a, b)
    }

    /// How many processors run.
    pub fn cpus(&self) -> u32 {
        self.boot.cpu_count
    }
}

/// A mapping of a whole frame.
pub fn whole(address: u64, size_bits: u8, rights: Rights) -> Mapping {
    Mapping {
        address,
        offset: 0,
        length: 1 << size_bits,
        rights,
        cache: CacheMode::Default,
    }
}

/// Checks the kernel's invariants.
pub fn check() -> Outcome {
    let result = KERNEL.check()?;
    if result.broken == 0 {
        Ok(())
    } else {
        Err(Failure::Broken(
            "a kernel invariant is broken",
            result.broken,
            result.place,
        ))
    }
}

/// The end of a thread: it waits for ever.
pub fn park() -> ! {
    loop {
        let _ = Cap::<Notification>::new(NEVER.load(Relaxed)).wait();
    }
}

/// The end of a thread that should have faulted before: it does so now, in a way that is told apart.
pub fn survived() -> ! {
    // SAFETY: raises an exception.
    unsafe { core::arch::asm!("2: ud2", "jmp 2b", options(noreturn)) }
}

/// Reads a word of memory, whatever the compiler thinks of it.
pub fn peek(address: u64) -> u64 {
    // SAFETY: tests read pages that they mapped, or want the fault.
    unsafe { core::ptr::with_exposed_provenance::<u64>(address as usize).read_volatile() }
}

/// Writes a word of memory.
pub fn poke(address: u64, value: u64) {
    // SAFETY: as above.
    unsafe { core::ptr::with_exposed_provenance_mut::<u64>(address as usize).write_volatile(value) }
}
