//! Local APIC of one processor (SDM vol. 3A, chapter "Advanced Programmable Interrupt Controller").
//!
//! It is reached by its register page in xAPIC mode and by MSRs 0x800 to 0x83f in x2APIC mode; both show the same
//! registers. The composer
//! - carries what a write [`Request`]s to the other local APICs and the I/O APICs,
//! - hands messages to those that [`crate::targets`] names, by [`Lapic::accept`],
//! - injects what [`Lapic::deliverable`] tells and says so by [`Lapic::begin`],
//! - and calls [`Lapic::advance`] at [`Lapic::deadline`].
//!
//! There is no system management mode: those interrupts are accepted and lost.

mod delivery;
mod errors;
mod ipi;
mod lvt;
mod mmio;
mod msr;
mod registers;
#[cfg(test)]
mod tests;
mod timer;
mod vectors;

pub use delivery::{Acceptance, Lint};
pub use msr::{APIC_BASE, TSC_DEADLINE, X2APIC_FIRST, X2APIC_LAST};
pub use timer::BUS_HZ;

use crate::destination::{Identity, LogicalId};
use crate::{Clock, Message};
use errors::Errors;
use lvt::{Local, Table};
use timer::Timer;
use vectors::Vectors;

/// Where the register page of every local APIC is after reset.
pub const DEFAULT_BASE: u64 = 0xfee0_0000;
/// Bytes of the register page.
pub const SIZE: u64 = 0x1000;

/// Version register: integrated APIC, last entry of the local vector table is 5, end-of-interrupt broadcast can be
/// suppressed.
const VERSION: u32 = 0x14 | 5 << 16 | 1 << 24;

/// Bits of the spurious-interrupt vector register.
mod spurious {
    pub const ENABLED: u32 = 1 << 8;
    pub const NO_EOI_BROADCAST: u32 = 1 << 12;
    pub const RESET: u32 = 0xff;
}

/// Bits of `IA32_APIC_BASE`.
mod base {
    pub const BOOTSTRAP: u64 = 1 << 8;
    pub const X2APIC: u64 = 1 << 10;
    pub const ENABLED: u64 = 1 << 11;
    pub const ADDRESS: u64 = !0xfff;
}

/// Destination format register: flat model.
const FLAT: u8 = 0xf;
/// Destination format register: cluster model.
const CLUSTER: u8 = 0x0;

/// What is fixed about a local APIC. CPUID must tell the guest the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// APIC ID; one above 254 can be addressed in x2APIC mode only.
    pub id: u32,
    /// The processor that starts the machine: it does not wait for a start-up message.
    pub bootstrap: bool,
    /// x2APIC mode can be switched on (CPUID.1:ECX bit 21).
    pub x2apic: bool,
    /// The timer has a deadline mode (CPUID.1:ECX bit 24).
    pub tsc_deadline: bool,
    /// Bits of a physical address (CPUID.80000008H:EAX).
    pub physical_bits: u8,
}

/// How the registers are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Not at all: the APIC is switched off by `IA32_APIC_BASE`, and LINT0 and LINT1 are the processor's INTR and NMI.
    Disabled,
    /// By the register page.
    XApic,
    /// By MSRs.
    X2Apic,
}

/// Whether a processor executes instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It does, or is halted.
    Running,
    /// It waits for a start-up message.
    WaitForStartup,
}

/// What a local APIC wants of the rest of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Send a message to the local APICs that it is for, this one possibly included.
    Send(Message),
    /// Tell all I/O APICs that this vector has been served.
    EndOfInterrupt(u8),
}

/// An access that gets the guest a general-protection fault with error code 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneralProtection;

impl core::fmt::Display for GeneralProtection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("access refused with a general-protection fault")
    }
}

impl core::error::Error for GeneralProtection {}

/// A local APIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lapic {
    config: Config,
    /// `IA32_APIC_BASE`.
    base: u64,
    activity: Activity,
    /// Task priority register.
    tpr: u8,
    /// Logical destination register of xAPIC mode.
    logical_id: u8,
    /// Destination format register of xAPIC mode.
    destination_format: u8,
    /// Spurious-interrupt vector register.
    spurious: u32,
    /// Interrupt request register.
    requested: Vectors,
    /// In-service register.
    in_service: Vectors,
    /// Trigger mode register.
    level_triggered: Vectors,
    errors: Errors,
    /// Interrupt command register.
    command: u64,
    table: Table,
    timer: Timer,
    /// Levels of LINT0 and LINT1.
    lines: [bool; 2],
    /// A non-maskable interrupt waits.
    nmi: bool,
    /// A message told that the 8259s have an interrupt.
    external: bool,
}

impl Lapic {
    /// A local APIC after power-up: in xAPIC mode, but disabled in its spurious-interrupt vector register.
    pub const fn new(config: Config) -> Self {
        let bootstrap = if config.bootstrap { base::BOOTSTRAP } else { 0 };
        Lapic {
            config,
            base: DEFAULT_BASE | base::ENABLED | bootstrap,
            activity: if config.bootstrap {
                Activity::Running
            } else {
                Activity::WaitForStartup
            },
            tpr: 0,
            logical_id: 0,
            destination_format: FLAT,
            spurious: spurious::RESET,
            requested: Vectors::EMPTY,
            in_service: Vectors::EMPTY,
            level_triggered: Vectors::EMPTY,
            errors: Errors::NONE,
            command: 0,
            table: Table::RESET,
            timer: Timer::new(),
            lines: [false; 2],
            nmi: false,
            external: false,
        }
    }

    /// Sets virtual wire mode up, as firmware does on the bootstrap processor: the APIC is enabled, LINT0 takes
    /// interrupts of the 8259s, and LINT1 is NMI (MultiProcessor Specification 1.4, section 3.6.2.2).
    pub const fn set_virtual_wire(&mut self) {
        self.spurious |= spurious::ENABLED;
        self.table.set_virtual_wire();
    }

    /// APIC ID.
    pub const fn id(&self) -> u32 {
        self.config.id
    }

    /// Whether this is the bootstrap processor.
    pub const fn is_bootstrap(&self) -> bool {
        self.base & base::BOOTSTRAP != 0
    }

    /// How the registers are reached.
    pub const fn mode(&self) -> Mode {
        match (
            self.base & base::ENABLED != 0,
            self.base & base::X2APIC != 0,
        ) {
            (false, _) => Mode::Disabled,
            (true, false) => Mode::XApic,
            (true, true) => Mode::X2Apic,
        }
    }

    /// Address of the register page; `None` if there is none in this mode.
    pub const fn page(&self) -> Option<u64> {
        match self.mode() {
            Mode::XApic => Some(self.base & base::ADDRESS),
            _ => None,
        }
    }

    /// Whether the processor executes instructions.
    pub const fn activity(&self) -> Activity {
        self.activity
    }

    /// What others need to know to send here.
    pub const fn identity(&self) -> Identity {
        let enabled = !matches!(self.mode(), Mode::Disabled);
        Identity {
            enabled,
            takes_vectors: enabled && self.is_software_enabled(),
            id: self.config.id,
            logical: match (self.mode(), self.destination_format) {
                (Mode::X2Apic, _) => LogicalId::X2Apic(self.x2apic_logical_id()),
                (_, FLAT) => LogicalId::Flat(self.logical_id),
                (_, CLUSTER) => LogicalId::Cluster(self.logical_id),
                // A model that does not exist: matches nothing.
                _ => LogicalId::Flat(0),
            },
            priority: self.priority(),
        }
    }

    /// CR8: the class of the task priority.
    pub const fn cr8(&self) -> u64 {
        (self.tpr >> 4) as u64
    }

    /// Writes CR8, of which four bits count (others are refused by the processor before). Clears the lower half of the
    /// task priority register: not to be called for a value that the guest has not written.
    pub const fn set_cr8(&mut self, value: u64) {
        self.tpr = (value as u8 & 0xf) << 4;
    }

    /// When [`Self::advance`] wants to be called next.
    pub const fn deadline(&self, now: u64, clock: Clock) -> Option<u64> {
        let entry = self.table.get(Local::Timer);
        if entry.is_masked() {
            return None;
        }
        self.timer.deadline(now, clock, entry.timer_mode())
    }

    /// Lets time pass up to `now`.
    pub const fn advance(&mut self, now: u64, clock: Clock) {
        let mode = self.table.get(Local::Timer).timer_mode();
        if self.timer.advance(now, clock, mode) {
            self.interrupt_locally(Local::Timer);
        }
    }

    const fn is_software_enabled(&self) -> bool {
        self.spurious & spurious::ENABLED != 0
    }

    /// Logical ID in x2APIC mode: follows from the APIC ID ("Deriving Logical x2APIC ID from the Local x2APIC ID").
    const fn x2apic_logical_id(&self) -> u32 {
        self.config.id >> 4 << 16 | 1 << (self.config.id & 0xf)
    }

    /// Registers as after power-up, which is also what INIT and switching off leave; the mode and the pins' levels
    /// stay as they are.
    const fn reset_registers(&mut self) {
        let Lapic {
            config,
            base,
            activity,
            lines,
            ..
        } = *self;
        *self = Lapic {
            base,
            activity,
            lines,
            ..Lapic::new(config)
        };
    }
}
