//! What the kernel's operations cost, as a component sees it: differences of the time stamp counter over many
//! rounds, system call stubs included. Under QEMU's `-icount shift=0` on one processor a tick is an instruction.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod guests;
mod partner;
mod report;

use pagurus_rt::abi::boot::{BootInfo, slot};
use pagurus_rt::abi::layout::PAGE_SIZE;
use pagurus_rt::abi::method::CacheMode;
use pagurus_rt::abi::{Error, Kind, MessageInfo, Rights};
use pagurus_rt::object::{
    AddressSpace, CNode, Endpoint, Frame, KernelControl, Mapping, Mint, Notification, Untyped,
};
use pagurus_rt::syscall::yield_now;
use pagurus_rt::time::ticks;
use pagurus_rt::{Cap, Slot};
use partner::Role;

pagurus_rt::root_entry!(main, heap = 4096);

/// Rounds of each measurement.
const ROUNDS: u64 = 10_000;
/// Objects of a measurement that fills slots.
const OBJECTS: u32 = 1_000;
/// Memory for all of it.
const MEMORY_BITS: u8 = 24;

const CNODE: Cap<CNode> = Cap::new(slot::CNODE);

fn main(boot: &'static BootInfo) -> Result<(), Error> {
    let memory = boot
        .untyped()
        .iter()
        .find(|u| u.device == 0 && u.size_bits >= MEMORY_BITS)
        .ok_or(Error::OutOfMemory)?;
    let device = boot
        .untyped()
        .iter()
        .find(|u| u.device != 0 && u.size_bits >= MEMORY_BITS)
        .ok_or(Error::OutOfMemory)?;
    let mut bench = Bench {
        memory: Cap::new(memory.slot),
        device: Cap::new(device.slot),
        next: boot.first_free_slot,
        count: 0,
    };
    bench.run()?;
    report::done(bench.count);
    Err(Cap::<KernelControl>::new(slot::KERNEL_CONTROL).halt(0x10))
}

struct Bench {
    memory: Cap<Untyped>,
    device: Cap<Untyped>,
    next: u32,
    count: usize,
}

impl Bench {
    fn run(&mut self) -> Result<(), Error> {
        self.empty_loop();
        self.calls()?;
        self.notifications()?;
        self.retype()?;
        self.revoke()?;
        self.map()?;
        let first = self.slots(6);
        self.count += guests::measure(self.memory, first)?;
        // Last: the partners go on yielding.
        self.yields()
    }

    fn slots(&mut self, count: u32) -> u32 {
        let first = self.next;
        self.next += count;
        first
    }

    fn measure(
        &mut self,
        name: &str,
        note: &str,
        rounds: u64,
        mut round: impl FnMut(u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // Once before, so that nothing is done for the first time.
        round(0)?;
        let start = ticks();
        for n in 1..=rounds {
            round(n)?;
        }
        let end = ticks();
        report::print(name, end - start, rounds, note);
        self.count += 1;
        Ok(())
    }

    /// What the loop itself costs; it is in all figures.
    fn empty_loop(&mut self) {
        let start = ticks();
        for n in 0..ROUNDS {
            core::hint::black_box(n);
        }
        let end = ticks();
        report::print("empty_loop", end - start, ROUNDS, "part of every figure");
        self.count += 1;
    }

    fn calls(&mut self) -> Result<(), Error> {
        let first = self.slots(6);
        self.memory
            .retype(Kind::Endpoint, 0, Slot::new(CNODE, first), 1)?;
        self.memory
            .retype(Kind::Reply, 0, Slot::new(CNODE, first + 1), 1)?;
        partner::start(self.memory, first + 2, Role::Echo(first, first + 1), true)?;
        // The partner is as important as this thread: it gets its turn, and waits for calls.
        yield_now();
        let endpoint = Cap::<Endpoint>::new(first);
        self.measure(
            "ipc_round_trip",
            "call and reply between two address spaces, empty message",
            ROUNDS,
            |_| endpoint.call(MessageInfo::new(0, 0, 0), [0; 4]).map(|_| ()),
        )?;
        self.measure(
            "ipc_round_trip_4_words",
            "the same, 4 words each way",
            ROUNDS,
            |n| {
                endpoint
                    .call(MessageInfo::new(0, 4, 0), [n, 2, 3, 4])
                    .map(|_| ())
            },
        )?;
        // A message of one word more than the registers hold takes the general path with IPC buffers.
        self.measure(
            "ipc_round_trip_5_words",
            "5 words there through the IPC buffers, empty reply",
            ROUNDS,
            |n| {
                endpoint
                    .call(MessageInfo::new(0, 5, 0), [n, 2, 3, 4])
                    .map(|_| ())
            },
        )
    }

    fn notifications(&mut self) -> Result<(), Error> {
        let first = self.slots(6);
        self.memory
            .retype(Kind::Notification, 0, Slot::new(CNODE, first), 2)?;
        let (there, back) = (Cap::<Notification>::new(first), Cap::new(first + 1));
        self.measure("signal", "without a waiter", ROUNDS, |_| there.signal())?;
        self.measure(
            "notification_signal_wait",
            "signal, then wait, by one thread",
            ROUNDS,
            |_| {
                there.signal()?;
                there.wait().map(|_| ())
            },
        )?;
        there.signal()?;
        there.poll()?;
        partner::start(self.memory, first + 2, Role::Answer(first, first + 1), true)?;
        yield_now();
        self.measure(
            "signal_wait_ping_pong",
            "signal a thread in another address space, wait for its signal; equal priority",
            ROUNDS,
            |_| {
                there.signal()?;
                Cap::<Notification>::wait(back).map(|_| ())
            },
        )
    }

    fn retype(&mut self) -> Result<(), Error> {
        let first = self.slots(OBJECTS + 1);
        let device = self.device;
        self.measure(
            "retype_frame",
            "one 4 KiB frame of device memory, which is not zeroed",
            (OBJECTS - 1).into(),
            |n| device.retype(Kind::Frame, 12, Slot::new(CNODE, first + n as u32), 1),
        )?;
        for n in 0..OBJECTS {
            CNODE.delete(first + n)?;
        }
        let memory = self.memory;
        self.measure(
            "retype_frame_zeroed",
            "one 4 KiB frame of memory, zeroed",
            (OBJECTS - 1).into(),
            |n| memory.retype(Kind::Frame, 12, Slot::new(CNODE, first + n as u32), 1),
        )?;
        for n in 0..OBJECTS {
            CNODE.delete(first + n)?;
        }
        Ok(())
    }

    fn revoke(&mut self) -> Result<(), Error> {
        let first = self.slots(OBJECTS + 1);
        self.memory
            .retype(Kind::Endpoint, 0, Slot::new(CNODE, first), 1)?;
        let original = Slot::new(CNODE, first);
        self.measure("mint", "derive one capability", (OBJECTS - 1).into(), |n| {
            CNODE.mint(first + 1 + n as u32, original, Rights::all(), Mint::Plain)
        })?;
        let start = ticks();
        CNODE.revoke(first)?;
        let end = ticks();
        report::print(
            "revoke_per_capability",
            end - start,
            OBJECTS.into(),
            "1,000 endpoint capabilities derived from one",
        );
        self.count += 1;
        Ok(())
    }

    fn map(&mut self) -> Result<(), Error> {
        let first = self.slots(2);
        self.memory
            .retype(Kind::Frame, 12, Slot::new(CNODE, first), 2)?;
        let frame = Cap::<Frame>::new(first);
        let space = Cap::<AddressSpace>::new(slot::ADDRESS_SPACE);
        let mapping = Mapping {
            address: 0x6000_0000,
            offset: 0,
            length: PAGE_SIZE as u64,
            rights: Rights::RW,
            cache: CacheMode::Default,
        };
        self.measure(
            "map_unmap_tables",
            "one 4 KiB page, two tables made and freed",
            ROUNDS,
            |_| {
                frame.map(space, mapping)?;
                frame.unmap()
            },
        )?;
        let neighbour = Mapping {
            address: mapping.address + PAGE_SIZE as u64,
            ..mapping
        };
        Cap::<Frame>::new(first + 1).map(space, neighbour)?;
        self.measure(
            "map_unmap",
            "one 4 KiB page, tables in place",
            ROUNDS,
            |_| {
                frame.map(space, mapping)?;
                frame.unmap()
            },
        )
    }

    /// Two threads that do nothing but yield to each other: half a round is a switch of threads, address spaces and
    /// scheduling contexts.
    fn yields(&mut self) -> Result<(), Error> {
        self.measure("yield", "nobody else ready", ROUNDS, |_| {
            yield_now();
            Ok(())
        })?;
        let first = self.slots(4);
        partner::start(self.memory, first, Role::Yield, true)?;
        yield_now();
        let start = ticks();
        for _ in 0..ROUNDS {
            yield_now();
        }
        let end = ticks();
        report::print(
            "context_switch",
            end - start,
            ROUNDS * 2,
            "yield to a thread in another address space",
        );
        self.count += 1;
        Ok(())
    }
}
