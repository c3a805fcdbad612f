//! Bringing the machine up: processor features, tables, clocks, interrupt controllers, all processors.

use core::fmt;
use core::ptr::NonNull;
use pagurus_boot::Platform as Boot;
use pagurus_hw::acpi::Platform;
use pagurus_hw::smp::local;
use pagurus_hw::{
    apic, console, cpu, entry, events, ioapic, machine, percpu, pic, power, smp, switch, sync,
    time, tsc, virt, vm,
};

use crate::firmware::Firmware;

/// Bytes of the HPET's registers.
const HPET_BYTES: u64 = 1024;

/// Why the machine cannot be used.
#[derive(Debug)]
pub enum MachineError {
    /// The processor lacks features.
    Cpu(cpu::Missing),
    /// Registers or stacks could not be mapped.
    Map(vm::MapError),
    /// The rate of the time stamp counter cannot be found.
    Clock(pagurus_hw::calibrate::Error),
    /// The rate of the time stamp counter is out of range.
    ClockRate(u64),
    /// The timer of the local APIC does not count.
    Timer,
}

impl fmt::Display for MachineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MachineError::Cpu(missing) => missing.fmt(f),
            MachineError::Map(error) => error.fmt(f),
            MachineError::Clock(error) => {
                write!(
                    f,
                    "the rate of the time stamp counter cannot be found: {error}"
                )
            }
            MachineError::ClockRate(khz) => {
                write!(f, "a time stamp counter of {khz} kHz cannot be used")
            }
            MachineError::Timer => f.write_str("the timer of the local APIC does not count"),
        }
    }
}

impl From<cpu::Missing> for MachineError {
    fn from(missing: cpu::Missing) -> Self {
        MachineError::Cpu(missing)
    }
}

impl From<vm::MapError> for MachineError {
    fn from(error: vm::MapError) -> Self {
        MachineError::Map(error)
    }
}

/// Brings up the boot processor and what belongs to the whole machine.
///
/// # Errors
/// What is missing.
pub fn init(boot: &Boot) -> Result<Platform, MachineError> {
    let features = cpu::init()?;
    entry::init();
    local::init_boot_processor()?;
    if let Some(screen) = &boot.framebuffer
        && let Err(error) = console::init_screen(screen)
    {
        console::print(format_args!("screen: {error}\n"));
    }
    pic::disable();
    apic::init()?;

    let pointer = boot.rsdp.as_ref().map_or(&[][..], |rsdp| &rsdp.bytes);
    let platform = Platform::read(&Firmware(boot), pointer, apic::id());
    for problem in &platform.problems {
        console::print(format_args!("{problem}\n"));
    }
    power::init(&platform);
    init_clock(&platform)?;
    for io in &platform.io_apics {
        if let Err(error) = ioapic::add(io.address, io.first) {
            console::print(format_args!("I/O APIC at {:#x}: {error}\n", io.address));
        }
    }
    switch::init();
    init_this();
    let names = features.features.iter_names().map(|(name, _)| name);
    console::print(format_args!("processor:"));
    names.for_each(|name| console::print(format_args!(" {name}")));
    console::print(format_args!("\n"));
    Ok(platform)
}

#[allow(unsafe_code)] // the HPET's registers
fn init_clock(platform: &Platform) -> Result<(), MachineError> {
    let hpet = platform
        .hpet
        .and_then(|address| vm::map_device(address, HPET_BYTES).ok());
    // SAFETY: the addresses are what the firmware's tables say, and nothing else uses the devices yet.
    let rate = unsafe { tsc::calibrate(hpet.and_then(NonNull::new), platform.pm_timer) }
        .map_err(MachineError::Clock)?;
    if time::Scale::new(rate.khz).is_none() {
        return Err(MachineError::ClockRate(rate.khz));
    }
    time::init(rate.khz);
    events::clock(rate.khz);
    console::print(format_args!("clock: {} kHz by {}\n", rate.khz, rate.source));
    if apic::timer::init() {
        Ok(())
    } else {
        Err(MachineError::Timer)
    }
}

/// What every processor does last before it runs threads.
fn init_this() {
    switch::init_this();
    virt::init_this();
    entry::init_this();
}

/// Starts the other processors and puts all that run into the kernel's service.
pub fn start_processors(platform: &Platform) {
    smp::start_all(&platform.cpus, secondary, |cpu, result| match result {
        Ok(started) if started.warp != 0 => console::print(format_args!(
            "processor {}: time stamp counter differs by {} ticks\n",
            started.index, started.warp
        )),
        Ok(_) => {}
        Err(error) => {
            console::print(format_args!(
                "processor with APIC {}: {error}\n",
                cpu.apic_id
            ));
        }
    });
    let online = percpu::online();
    let mut kernel = machine::kernel().lock();
    for n in (0..u64::BITS as usize).filter(|n| online & 1 << n != 0) {
        kernel.cpu_online(n);
        events::processor(n, percpu::get(n).map_or(0, |block| block.apic_id()));
    }
    drop(kernel);
    // They went to sleep before they were in service: now they must look, or nobody would wake them later.
    for n in (0..u64::BITS as usize).filter(|n| online & 1 << n != 0 && *n != percpu::cpu_index()) {
        sync::kick(n);
    }
    console::print(format_args!("processors: {}\n", online.count_ones()));
}

/// A processor other than the first.
fn secondary(_: usize) -> ! {
    init_this();
    entry::run()
}
