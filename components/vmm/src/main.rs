//! The VMM's binary: one virtual machine with one processor.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

mod machine;
mod ram;
mod serial;

use alloc::vec::Vec;
use core::fmt;
use machine::{Machine, Own};
use pagurus_abi::Error;
use pagurus_abi::vcpu::{ExitKind, Groups};
use pagurus_devices_chipset::{Clock, Effect};
use pagurus_guest_image::{Guest, MemoryKind, MemoryRange, Module, Rsdp, plan};
use pagurus_protocol::slots::{ADDRESS_SPACE, CNODE, NOTIFICATION, THREAD};
use pagurus_rt::object::run;
use pagurus_rt::time::ticks;
use pagurus_rt::{Cap, Env};
use pagurus_vm_spec::Bundle;
use serial::Serial;
use vmm::board::{self, TestDevices};
use vmm::cpuid::Identification;
use vmm::processor::{Context, wanted};
use vmm::{Board, GuestMemory, Next, Processor, Stop, load};

mod slots {
    include!(concat!(env!("OUT_DIR"), "/slots.rs"));
}

pagurus_rt::entry!(start);

/// Memory of a PC that is not RAM: from the extended BIOS data area to the end of the firmware.
const LOW_END: u64 = 0x9_fc00;
const HIGH_START: u64 = 0x10_0000;

/// Why there is no virtual machine, or none any more.
#[derive(Debug)]
enum Failure {
    Kernel(Error),
    Bundle(pagurus_vm_spec::BundleError),
    Image(pagurus_guest_image::ImageError),
    Load(load::LoadError),
    Tables(pagurus_guest_acpi::BuildError),
    Memory(u64),
    Stopped(Stop),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Kernel(error) => write!(f, "the kernel refuses: {error}"),
            Failure::Bundle(error) => write!(f, "the guest's bundle: {error}"),
            Failure::Image(error) => write!(f, "the guest's image: {error}"),
            Failure::Load(error) => error.fmt(f),
            Failure::Tables(error) => write!(f, "the guest's ACPI tables: {error}"),
            Failure::Memory(bytes) => write!(
                f,
                "{} MiB of guest memory; it must be a power of two, of 64 MiB or more",
                bytes >> 20
            ),
            Failure::Stopped(stop) => write!(f, "the guest stopped: {stop:x?}"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Kernel(error)
    }
}

/// Guest time: nanoseconds since the machine was made, by the time stamp counter that the guest has too.
#[derive(Clone, Copy)]
struct Time {
    start: u64,
    khz: u64,
}

impl Time {
    fn now(self) -> u64 {
        pagurus_rt::time::nanoseconds(ticks() - self.start, self.khz)
    }

    fn ticks_at(self, ns: u64) -> u64 {
        let (ms, rest) = (ns / 1_000_000, ns % 1_000_000);
        self.start + ms * self.khz + rest * self.khz / 1_000_000
    }
}

fn start(env: Env) -> Result<(), Failure> {
    let Some(bytes) = env.module(slots::VM0_ADDRESS) else {
        log::info!("no guest: nothing was packed for this machine");
        return Ok(());
    };
    let khz = env.start.tsc_khz;
    let mut own = Own {
        cnode: Cap::new(CNODE),
        space: Cap::new(ADDRESS_SPACE),
        thread: Cap::new(THREAD),
        bell: Cap::new(NOTIFICATION),
        memory: Cap::new(slots::GUEST_MEMORY),
        slots: env.slots,
    };
    let bundle = Bundle::parse(bytes).map_err(Failure::Bundle)?;
    let (mut machine, ram_bytes) = build(&mut own, &bundle)?;
    let time = Time {
        start: ticks(),
        khz,
    };
    let clock = Clock {
        tsc_khz: khz as u32,
        tsc_offset: time.start,
    };
    let mut board = Board::new(clock, 0, test_devices(&bundle));
    let mut processor = Processor::new(Identification::new(host_cpuid, 0));
    enter(&mut machine, &bundle, ram_bytes)?;
    log::info!("the guest starts with {} MiB", ram_bytes >> 20);
    let stop = live(&mut machine, &mut board, &mut processor, time)?;
    report(&processor);
    match stop {
        Ended::By(effect) => {
            log::info!("the guest ended: {effect:?}");
            Ok(())
        }
        Ended::Failed(stop) => Err(Failure::Stopped(stop)),
    }
}

fn host_cpuid(leaf: u32, subleaf: u32) -> [u32; 4] {
    let r = core::arch::x86_64::__cpuid_count(leaf, subleaf);
    [r.eax, r.ebx, r.ecx, r.edx]
}

fn test_devices(bundle: &Bundle<'_>) -> TestDevices {
    let test = &bundle.spec().test_devices;
    TestDevices {
        debug_exit: test.debug_exit,
        debug_console: test.debug_console,
        post: test.post_code,
    }
}

fn build(own: &mut Own, bundle: &Bundle<'_>) -> Result<(Machine, u64), Failure> {
    let bytes = bundle.spec().memory;
    if !bytes.is_power_of_two() || bytes < 64 << 20 {
        return Err(Failure::Memory(bytes));
    }
    let machine = own.machine(bytes.trailing_zeros() as u8)?;
    Ok((machine, bytes))
}

/// Loads the guest and prepares its processor.
fn enter(machine: &mut Machine, bundle: &Bundle<'_>, ram_bytes: u64) -> Result<(), Failure> {
    let spec = bundle.spec();
    let kernel = bundle.file(spec.kernel).bytes;
    let files: Vec<&[u8]> = spec
        .boot_modules()
        .map(|module| bundle.file(module.file).bytes)
        .collect();
    let modules: Vec<Module<'_>> = spec
        .boot_modules()
        .zip(&files)
        .map(|(module, file)| Module {
            length: file.len() as u64,
            command_line: module.command_line,
        })
        .collect();
    let memory = [
        MemoryRange {
            start: 0,
            length: LOW_END,
            kind: MemoryKind::Ram,
        },
        MemoryRange {
            start: HIGH_START,
            length: ram_bytes - HIGH_START,
            kind: MemoryKind::Ram,
        },
    ];
    let tables = board::tables::tables(&[0]).map_err(Failure::Tables)?;
    let guest = Guest {
        image: kernel,
        kind: None,
        name: &spec.name,
        command_line: &spec.command_line,
        modules: &modules,
        memory: &memory,
        rsdp: Some(Rsdp {
            address: tables.address,
            bytes: tables.rsdp(),
        }),
    };
    let plan = plan(&guest).map_err(Failure::Image)?;
    if !machine.ram.write(tables.address, &tables.bytes) {
        return Err(Failure::Memory(ram_bytes));
    }
    load::load(&mut machine.ram, &plan, kernel, &files).map_err(Failure::Load)?;
    machine.vcpu.store(Groups::all() - Groups::INTERCEPTS)?;
    let page = machine.page();
    load::enter(page, &plan.state);
    wanted(page);
    Ok(())
}

/// How a guest's life ended.
enum Ended {
    By(Effect),
    Failed(Stop),
}

/// The guest's life.
fn live(
    machine: &mut Machine,
    board: &mut Board,
    processor: &mut Processor,
    time: Time,
) -> Result<Ended, Failure> {
    let mut serial = Serial::new();
    let mut armed = u64::MAX;
    let mut next = Next::Run(Groups::CONTROL | Groups::SEGMENTS);
    loop {
        let deadline = board.deadline(time.now()).unwrap_or(u64::MAX);
        if deadline != armed {
            armed = deadline;
            if deadline != u64::MAX {
                machine.timer.arm(time.ticks_at(deadline))?;
            }
        }
        let exit = match next {
            Next::Run(groups) => run(groups)?,
            Next::Wait => {
                machine.bell.wait()?;
                ExitKind::Signal
            }
            Next::Stop(stop) => return Ok(Ended::Failed(stop)),
        };
        let now = time.now();
        if exit == ExitKind::Signal {
            board.advance(now);
            // A deadline that was reached is armed anew even if the next one is the same.
            armed = u64::MAX;
        }
        serial.exchange(board);
        let waits = next == Next::Wait;
        let (page, memory) = machine.parts();
        if waits && !processor.is_woken(page, board) {
            continue;
        }
        let mut context = Context {
            page,
            board,
            memory,
            now,
        };
        next = processor.exit(exit, &mut context);
        if let Some(effect) = board.effect.take() {
            match effect {
                Effect::A20(_) => {}
                Effect::Output(byte) => serial.debug(byte),
                other => {
                    serial.flush();
                    return Ok(Ended::By(other));
                }
            }
        }
    }
}

/// What the guest cost.
fn report(processor: &Processor) {
    for (kind, count) in ExitKind::ALL.iter().zip(processor.exits) {
        if count != 0 {
            log::info!("{count} exits: {kind:?}");
        }
    }
}
