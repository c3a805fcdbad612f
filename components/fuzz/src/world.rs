//! What the supervisor has: memory, slots, the objects that all cells share.
#![allow(unsafe_code)] // the copy of the code

use crate::layout::{ARENA_BITS, MAX_FUZZERS, arena};
use crate::report::{Doing, Failure, Outcome, equal, say};
use crate::service::{self, JUNK};
use crate::{KERNEL, arena::Arena};
use core::ops::Range;
use pagurus_rt::abi::boot::{BootInfo, UntypedDesc, slot};
use pagurus_rt::abi::layout::IMAGE_BASE;
use pagurus_rt::abi::method::CacheMode;
use pagurus_rt::abi::{Error, Rights};
use pagurus_rt::object::{
    AddressSpace, CNode, Cpu, Endpoint, Frame, IoPort, IrqControl, IrqHandler, Mapping, Mint,
    Notification, Object, Reply, SchedContext, Thread, Trigger, Untyped,
};
use pagurus_rt::{Cap, Slot};

/// Root's CNode.
pub const CNODE: Cap<CNode> = Cap::new(slot::CNODE);
/// Root's address space.
pub const SPACE: Cap<AddressSpace> = Cap::new(slot::ADDRESS_SPACE);

/// log2 of all memory.
const MEMORY_BITS: u8 = 26;
/// log2 of the memory of what all share.
const COMMON_BITS: u8 = 22;
/// The highest priority that fuzzers can give.
pub const FUZZER_PRIORITY: u8 = 150;
/// Priorities of the helpers; the supervisor has the highest that there is.
const TICKER_PRIORITY: u8 = 254;
const CATCHER_PRIORITY: u8 = 253;
const IDLE_PRIORITY: u8 = 0;
/// From one time slice of the supervisor to the next.
const TICK_NS: u64 = 4_000_000;
/// Badges of the ticker's signals and of those from processors with nothing to do.
pub const TICK: u64 = 1;
const IDLE: u64 = 2;
/// Where the helpers' stacks and the copy of the code are mapped.
const WINDOW: u64 = 0x1000_0000_0000;
const STACK_BITS: u8 = 14;

/// The clock's interrupt, its ports and registers (MC146818A data sheet). Nobody else uses it.
const CLOCK_IRQ: u32 = 8;
const CLOCK_PORTS: (u16, u16) = (0x70, 0x71);
const REGISTER_A: u8 = 0x0a;
const REGISTER_B: u8 = 0x0b;
const REGISTER_C: u8 = 0x0c;
/// 1,024 interrupts a second at most: the next comes only after the last was seen.
const RATE_1024HZ: u8 = 0x26;
const PERIODIC: u8 = 0x42;

/// Memory of legacy screens: what is written there does no harm.
const SCREEN: u64 = 0xa_0000;

/// Device memory for the fuzzers.
#[derive(Clone, Copy)]
pub struct Device {
    memory: Cap<Untyped>,
    /// Slot of its first page.
    pub frame: u32,
}

/// The supervisor's memory, slots, and what all share.
pub struct World {
    /// What firmware and kernel left.
    pub boot: &'static BootInfo,
    memory: Cap<Untyped>,
    common: Cap<Untyped>,
    next_slot: u32,
    next_address: u64,
    /// Processors with a priority below the supervisor's, one slot each.
    pub cpus: u32,
    /// Two endpoints.
    pub endpoints: u32,
    /// Two notifications.
    pub notifications: u32,
    /// A frame.
    pub frame: u32,
    /// Two harmless ports.
    pub ports: u32,
    /// Device memory, if there is such that does no harm.
    pub device: Option<Device>,
    /// The interrupt line.
    pub irq: Cap<IrqHandler>,
    /// The fault endpoint for everybody to send to.
    pub junk: u32,
    /// The fault endpoint by a badge for each fuzzer.
    pub faults: u32,
    /// The frame of each fuzzer's arena.
    pub arenas: u32,
    /// A copy of the code, and its bytes.
    pub code: Cap<Frame>,
    pub code_bytes: u64,
    code_copy: u64,
    /// Signals at every time slice.
    pub ticks: Cap<Notification>,
    catcher: Cap<Thread>,
    catcher_arguments: [u64; 4],
    clock: Cap<IoPort>,
}

/// A mapping of the first `length` bytes of a frame.
pub fn mapping(address: u64, length: u64, rights: Rights) -> Mapping {
    Mapping {
        address,
        offset: 0,
        length,
        rights,
        cache: CacheMode::Default,
    }
}

impl World {
    /// Makes everything, for `fuzzers` fuzzers.
    pub fn new(boot: &'static BootInfo, fuzzers: usize) -> Result<World, Failure> {
        let memory = boot
            .untyped()
            .iter()
            .find(|u| u.device == 0 && u.size_bits >= MEMORY_BITS)
            .ok_or(Error::OutOfMemory)
            .doing("looking for memory")?;
        let mut w = World {
            boot,
            memory: Cap::new(memory.slot),
            common: none_of(),
            next_slot: boot.first_free_slot,
            next_address: WINDOW,
            cpus: 0,
            endpoints: 0,
            notifications: 0,
            frame: 0,
            ports: 0,
            device: None,
            irq: none_of(),
            junk: 0,
            faults: 0,
            arenas: 0,
            code: none_of(),
            code_bytes: 0,
            code_copy: 0,
            ticks: none_of(),
            catcher: none_of(),
            catcher_arguments: [0; 4],
            clock: none_of(),
        };
        w.common = w.lease(COMMON_BITS).doing("taking memory")?;
        w.share().doing("making what all share")?;
        w.copy_code().doing("copying the code")?;
        w.make_arenas(fuzzers).doing("making arenas")?;
        w.make_helpers(fuzzers).doing("making the helpers")?;
        Ok(w)
    }

    /// Adjacent free slots.
    pub fn slots(&mut self, count: u32) -> u32 {
        let first = self.next_slot;
        self.next_slot += count;
        first
    }

    /// The slots that were used.
    fn used(&self) -> Range<u32> {
        self.boot.first_free_slot..self.next_slot
    }

    /// Takes a piece of all memory.
    pub fn lease(&mut self, bits: u8) -> Result<Cap<Untyped>, Error> {
        let index = self.slots(1);
        self.memory.make::<Untyped>(at(index), bits)?;
        Ok(Cap::new(index))
    }

    fn make<T: Object>(&mut self, bits: u8) -> Result<Cap<T>, Error> {
        let index = self.slots(1);
        self.common.make::<T>(at(index), bits)?;
        Ok(Cap::new(index))
    }

    fn make_two<T: Object>(&mut self) -> Result<u32, Error> {
        let first = self.slots(2);
        self.common.retype(T::KIND, 0, at(first), 2)?;
        Ok(first)
    }

    fn share(&mut self) -> Result<(), Error> {
        self.cpus = self.slots(self.boot.cpu_count);
        for n in 0..self.boot.cpu_count {
            let from = at(slot::FIRST_CPU + n);
            let limit = Mint::MaxPriority(FUZZER_PRIORITY);
            CNODE.mint(self.cpus + n, from, Rights::all(), limit)?;
        }
        self.endpoints = self.make_two::<Endpoint>()?;
        self.notifications = self.make_two::<Notification>()?;
        self.frame = self.make::<Frame>(12)?.index();
        self.ports = self.slots(2);
        for (index, port) in [(self.ports, 0x80), (self.ports + 1, 0xe9)] {
            let range = Mint::Ports {
                first: port,
                last: port,
            };
            CNODE.mint(index, at(slot::IO_PORTS), Rights::RW, range)?;
        }
        let screen = |u: &&UntypedDesc| u.device != 0 && u.address == SCREEN;
        if let Some(screen) = self.boot.untyped().iter().find(screen) {
            let device = Device {
                memory: Cap::new(screen.slot),
                frame: self.slots(1),
            };
            device.memory.make::<Frame>(at(device.frame), 12)?;
            self.device = Some(device);
        }
        self.irq = Cap::new(self.slots(1));
        let control = Cap::<IrqControl>::new(slot::IRQ_CONTROL);
        control.issue(CLOCK_IRQ, at(self.irq.index()), Trigger::default())?;
        self.clock = Cap::new(self.slots(1));
        let (first, last) = CLOCK_PORTS;
        CNODE.mint(
            self.clock.index(),
            at(slot::IO_PORTS),
            Rights::RW,
            Mint::Ports { first, last },
        )?;
        self.set_clock(REGISTER_A, RATE_1024HZ)?;
        self.set_clock(REGISTER_B, PERIODIC)?;
        self.see_clock()
    }

    fn set_clock(&self, register: u8, value: u8) -> Result<(), Error> {
        self.clock.write_u8(CLOCK_PORTS.0, register)?;
        self.clock.write_u8(CLOCK_PORTS.1, value)
    }

    /// Lets the clock ring again.
    pub fn see_clock(&self) -> Result<(), Error> {
        self.clock.write_u8(CLOCK_PORTS.0, REGISTER_C)?;
        self.clock.read_u8(CLOCK_PORTS.1).map(|_| ())
    }

    /// Copies the image's code and constants, so that fuzzers can run without root's address space.
    fn copy_code(&mut self) -> Result<(), Error> {
        let mut end = IMAGE_BASE;
        while !SPACE.query(end)?.rights.contains(Rights::WRITE) {
            end += 4096;
        }
        self.code_bytes = end - IMAGE_BASE;
        let bits = self.code_bytes.next_power_of_two().trailing_zeros() as u8;
        self.code = self.make::<Frame>(bits)?;
        self.code_copy = self.address(1 << bits);
        self.code
            .map(SPACE, mapping(self.code_copy, 1 << bits, Rights::RW))?;
        let (from, to) = (pointer(IMAGE_BASE), pointer(self.code_copy).cast_mut());
        // SAFETY: both ranges are mapped, as was just found out and done; nobody else knows the copy.
        unsafe { to.copy_from_nonoverlapping(from, self.code_bytes as usize) };
        Ok(())
    }

    /// Fails if somebody has changed the code that the fuzzers run.
    pub fn code_is_whole(&self) -> Outcome {
        let length = self.code_bytes as usize;
        // SAFETY: mapped since `copy_code`, and nobody can write there, which is what is being found out.
        let (image, copy) = unsafe {
            (
                core::slice::from_raw_parts(pointer(IMAGE_BASE), length),
                core::slice::from_raw_parts(pointer(self.code_copy), length),
            )
        };
        let same = image.iter().zip(copy).take_while(|(a, b)| a == b).count();
        equal(
            "bytes of code that are as they were",
            same as u64,
            length as u64,
        )
    }

    /// Addresses in root's space that nothing uses.
    fn address(&mut self, bytes: u64) -> u64 {
        let address = self.next_address;
        // A gap, so that overruns fault.
        self.next_address += bytes + 4096;
        address
    }

    fn make_arenas(&mut self, fuzzers: usize) -> Result<(), Error> {
        self.arenas = self.slots(MAX_FUZZERS as u32);
        for n in 0..fuzzers {
            let index = self.arenas + n as u32;
            self.common.make::<Frame>(at(index), ARENA_BITS)?;
            let whole = mapping(arena(n), 1 << ARENA_BITS, Rights::RW);
            Cap::<Frame>::new(index).map(SPACE, whole)?;
        }
        Ok(())
    }

    fn make_helpers(&mut self, fuzzers: usize) -> Result<(), Error> {
        let endpoint = self.make::<Endpoint>(0)?;
        let reply = self.make::<Reply>(0)?;
        self.junk = self.slots(1);
        let from = at(endpoint.index());
        CNODE.mint(
            self.junk,
            from,
            Rights::WRITE | Rights::GRANT,
            Mint::Badge(JUNK),
        )?;
        self.faults = self.slots(MAX_FUZZERS as u32);
        for n in 0..fuzzers as u32 {
            let badge = Mint::Badge(u64::from(n) + 1);
            CNODE.mint(self.faults + n, from, Rights::WRITE, badge)?;
        }
        self.ticks = self.make::<Notification>(0)?;
        self.ticker(0, TICKER_PRIORITY, TICK)?;
        for cpu in 0..self.boot.cpu_count {
            self.ticker(cpu, IDLE_PRIORITY, IDLE)?;
        }
        self.catcher = self.helper(0, CATCHER_PRIORITY, TICK_NS)?;
        self.catcher_arguments = [
            service::catcher as *const () as usize as u64,
            self.stack()?,
            endpoint.index().into(),
            reply.index().into(),
        ];
        start(self.catcher, self.catcher_arguments)
    }

    /// Starts a thread that signals the supervisor by `badge` in every time slice.
    fn ticker(&mut self, cpu: u32, priority: u8, badge: u64) -> Result<(), Error> {
        let signal = self.slots(1);
        let from = at(self.ticks.index());
        CNODE.mint(signal, from, Rights::WRITE, Mint::Badge(badge))?;
        let thread = self.helper(cpu, priority, TICK_NS / 4)?;
        let entry = service::ticker as *const () as usize as u64;
        start(thread, [entry, self.stack()?, signal.into(), 0])
    }

    /// A thread in root's address space.
    fn helper(&mut self, cpu: u32, priority: u8, budget: u64) -> Result<Cap<Thread>, Error> {
        let thread = self.make::<Thread>(0)?;
        let time = self.make::<SchedContext>(0)?;
        thread.bind_cspace(CNODE)?;
        thread.bind_address_space(SPACE)?;
        let cpu = Cap::<Cpu>::new(slot::FIRST_CPU + cpu);
        time.configure(cpu, budget, TICK_NS, priority)?;
        time.bind(thread)?;
        Ok(thread)
    }

    /// The top of a new stack.
    fn stack(&mut self) -> Result<u64, Error> {
        let frame = self.make::<Frame>(STACK_BITS)?;
        let address = self.address(1 << STACK_BITS);
        frame.map(SPACE, mapping(address, 1 << STACK_BITS, Rights::RW))?;
        // A function expects the stack as a call leaves it.
        Ok(address + (1 << STACK_BITS) - 8)
    }

    /// Starts the catcher again: it ran on a fuzzer's time, and that is over.
    pub fn restart_catcher(&self) -> Result<(), Error> {
        self.catcher.suspend()?;
        start(self.catcher, self.catcher_arguments)
    }

    /// Takes everything back; nothing may be missing, and nothing left.
    pub fn end(self) -> Outcome {
        self.set_clock(REGISTER_B, PERIODIC & !0x40)
            .doing("stopping the clock")?;
        for memory in [Some(self.memory), self.device.map(|d| d.memory)] {
            let Some(memory) = memory else { continue };
            CNODE.revoke(memory.index()).doing("revoking all memory")?;
            let info = memory.info().doing("looking at the memory")?;
            equal("capabilities left", info.derived, 0)?;
            equal("free memory", info.free, 1 << info.size_bits)?;
        }
        let processors = self.cpus..self.cpus + self.boot.cpu_count;
        let others = [
            self.ports,
            self.ports + 1,
            self.irq.index(),
            self.clock.index(),
        ];
        for index in processors.chain(others) {
            CNODE
                .delete(index)
                .doing("deleting the last capabilities")?;
        }
        for index in self.used() {
            let found = CNODE.inspect(index).doing("looking at a slot")?;
            equal("kind in a slot that was given back", found.info.0 & 0xff, 0)?;
        }
        // The line is nobody's again.
        let control = Cap::<IrqControl>::new(slot::IRQ_CONTROL);
        let free = self.boot.first_free_slot;
        control
            .issue(CLOCK_IRQ, at(free), Trigger::default())
            .doing("issuing the interrupt again")?;
        CNODE.delete(free).doing("deleting the interrupt handler")
    }
}

/// A capability to be filled in.
const fn none_of<T>() -> Cap<T> {
    Cap::new(0)
}

/// Starts a helper with entry, stack and two arguments.
fn start(thread: Cap<Thread>, [entry, stack, a, b]: [u64; 4]) -> Result<(), Error> {
    thread.start(entry, stack, a, b)
}

/// Names a slot of root's CNode.
pub fn at(index: u32) -> Slot {
    Slot::new(CNODE, index)
}

fn pointer(address: u64) -> *const u8 {
    core::ptr::with_exposed_provenance(address as usize)
}

/// Checks the kernel's invariants.
pub fn check() -> Outcome {
    let result = KERNEL.check().doing("checking the invariants")?;
    if result.broken == 0 {
        Ok(())
    } else {
        show(result.place);
        Err(Failure::Broken(
            "a kernel invariant is broken",
            result.broken,
            result.place,
        ))
    }
}

/// Says which capability the kernel's slot at `place` holds, as far as the kernel tells.
fn show(place: u64) {
    // Only the offset is known of where the kernel sees physical memory; containers are far smaller than its alignment.
    const PHYSICAL: u64 = (1 << 46) - 1;
    let mut position = 0;
    while let Ok(Some(d)) = KERNEL.describe(position) {
        if d.container.wrapping_add(d.index * 64) == place & PHYSICAL {
            say!(
                "fuzz: {:?} at depth {} ({:#x}), object {:#x}, slot {} of {:#x}",
                d.info.kind(),
                d.info.depth(),
                d.info.0,
                d.object,
                d.index,
                d.container
            );
        }
        position += 1;
    }
}

/// Gives every arena its stream of random numbers.
pub fn seed_arenas(seed: u64, fuzzers: usize) {
    for n in 0..fuzzers {
        Arena::of(n).seed(seed, n);
    }
}
