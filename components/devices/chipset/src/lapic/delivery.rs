//! From an interrupt's arrival to its end (SDM vol. 3A, "Handling Interrupts").

use super::lvt::Local;
use super::{Activity, Lapic, Mode, Request, errors, spurious};
use crate::{DeliveryMode, Message, Trigger};

/// What an interrupt that arrived means for the processor: whether it has to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// Nothing.
    Ignored,
    /// There may be something new that is [`Lapic::deliverable`].
    Requested,
    /// [`Lapic::nmi_pending`].
    Nmi,
    /// The processor is to be reset. Its local APIC is already, and tells by [`Lapic::activity`] whether the
    /// processor then waits for a start-up message.
    Init,
    /// The processor starts in real mode at this page: CS selector vector · 256, base vector · 4096, IP 0.
    Startup(u8),
    /// There may be something of the 8259s that is [`Lapic::external_pending`].
    External,
}

/// The two pins of a local APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lint {
    /// Where the output of the 8259s is wired.
    Lint0,
    /// Where NMI is wired.
    Lint1,
}

impl Lapic {
    /// Takes a message that [`crate::targets`] has directed here.
    pub const fn accept(&mut self, message: &Message) -> Acceptance {
        if matches!(self.mode(), Mode::Disabled) {
            return Acceptance::Ignored;
        }
        match message.mode {
            DeliveryMode::Fixed | DeliveryMode::LowestPriority => {
                if self.is_software_enabled() {
                    self.request(message.vector, message.trigger)
                } else {
                    Acceptance::Ignored
                }
            }
            mode => self.signal(mode, message.vector),
        }
    }

    /// The highest vector that may interrupt the processor now, if it takes interrupts at all.
    pub const fn deliverable(&self) -> Option<u8> {
        match self.highest_requested() {
            Some(vector) if vector >> 4 > self.priority() >> 4 => Some(vector),
            _ => None,
        }
    }

    /// The highest vector that waits, whether or not its priority suffices: what the processor takes next when its
    /// task priority falls.
    pub const fn highest_requested(&self) -> Option<u8> {
        match self.mode() {
            Mode::Disabled => None,
            _ => self.requested.highest(),
        }
    }

    /// The processor takes this vector: from here to [`Request::EndOfInterrupt`] or its silent equal it is in service.
    pub const fn begin(&mut self, vector: u8) {
        self.requested.remove(vector);
        self.in_service.insert(vector);
    }

    /// Acknowledges as a processor does that was promised an interrupt: begins what is deliverable, or gives the
    /// spurious vector, which is not in service, if there is nothing any more.
    pub const fn acknowledge(&mut self) -> u8 {
        match self.deliverable() {
            Some(vector) => {
                self.begin(vector);
                vector
            }
            None => self.spurious as u8,
        }
    }

    /// Processor priority register.
    pub const fn priority(&self) -> u8 {
        let serving = match self.in_service.highest() {
            Some(vector) => vector & 0xf0,
            None => 0,
        };
        if self.tpr >> 4 >= serving >> 4 {
            self.tpr
        } else {
            serving
        }
    }

    /// Sets the level of a pin.
    ///
    /// The mode of LINT0 that 8259s need is to be asked for by [`Self::external_pending`].
    pub const fn set_line(&mut self, lint: Lint, level: bool) -> Acceptance {
        let rises = level && !self.lines[lint as usize];
        self.lines[lint as usize] = level;
        let local = match lint {
            Lint::Lint0 => Local::Lint0,
            Lint::Lint1 => Local::Lint1,
        };
        match (self.mode(), lint) {
            (Mode::Disabled, Lint::Lint0) if rises => Acceptance::External,
            (Mode::Disabled, Lint::Lint1) if rises => self.signal(DeliveryMode::Nmi, 0),
            (Mode::Disabled, _) => Acceptance::Ignored,
            (_, Lint::Lint0) if self.is_lint0_level() => self.serve_lint0(),
            _ if rises => self.interrupt_locally(local),
            _ => Acceptance::Ignored,
        }
    }

    /// A performance counter overflowed. The entry masks itself ("Local Vector Table").
    pub const fn raise_performance(&mut self) -> Acceptance {
        let acceptance = self.interrupt_locally(Local::Performance);
        self.table.mask(Local::Performance);
        acceptance
    }

    /// The thermal sensor tripped.
    pub const fn raise_thermal(&mut self) -> Acceptance {
        self.interrupt_locally(Local::Thermal)
    }

    /// Whether the processor is to take a vector from the 8259s now: they are wired through, and their output, as last
    /// told by [`Self::set_line`] for LINT0, is high; or an I/O APIC's message says so.
    pub const fn external_pending(&self) -> bool {
        let entry = self.table.get(Local::Lint0);
        let wired = match self.mode() {
            Mode::Disabled => true,
            _ => !entry.is_masked() && matches!(entry.mode(), Some(DeliveryMode::ExtInt)),
        };
        wired && self.lines[0] || self.external
    }

    /// The processor takes a vector from the 8259s.
    pub const fn begin_external(&mut self) {
        self.external = false;
    }

    /// Whether a non-maskable interrupt waits.
    pub const fn nmi_pending(&self) -> bool {
        self.nmi
    }

    /// The processor takes the non-maskable interrupt.
    pub const fn begin_nmi(&mut self) {
        self.nmi = false;
    }

    /// The guest's write of the end-of-interrupt register.
    pub(super) const fn end_of_interrupt(&mut self) -> Option<Request> {
        let Some(vector) = self.in_service.highest() else {
            return None;
        };
        self.in_service.remove(vector);
        if !self.level_triggered.contains(vector) {
            return None;
        }
        let entry = self.table.get(Local::Lint0);
        if entry.is_served() && entry.vector() == vector {
            self.table.set_served(Local::Lint0, false);
            self.serve_lint0();
        }
        if self.spurious & spurious::NO_EOI_BROADCAST != 0 {
            None
        } else {
            Some(Request::EndOfInterrupt(vector))
        }
    }

    /// Delivers what the local vector table says of a source.
    pub(super) const fn interrupt_locally(&mut self, local: Local) -> Acceptance {
        let entry = self.table.get(local);
        if entry.is_masked() {
            return Acceptance::Ignored;
        }
        match entry.mode() {
            Some(DeliveryMode::Fixed) => self.request(entry.vector(), Trigger::Edge),
            Some(mode @ (DeliveryMode::Nmi | DeliveryMode::Init)) => self.signal(mode, 0),
            // By level, not by edge.
            Some(DeliveryMode::ExtInt) if matches!(local, Local::Lint0) => Acceptance::External,
            _ => Acceptance::Ignored,
        }
    }

    /// Serves LINT0, if it is level-triggered and asserted and its last interrupt has ended.
    pub(super) const fn serve_lint0(&mut self) -> Acceptance {
        let entry = self.table.get(Local::Lint0);
        let asks = self.lines[0] && self.is_lint0_level();
        if !asks || entry.is_masked() || entry.is_served() {
            return Acceptance::Ignored;
        }
        self.table.set_served(Local::Lint0, true);
        self.request(entry.vector(), Trigger::Level)
    }

    /// Notes an error and interrupts for it.
    pub(super) const fn error(&mut self, error: u8) {
        if self.errors.detect(error) {
            // Only the first error interrupts: an error of this very interrupt does not come back here.
            self.interrupt_locally(Local::Error);
        }
    }

    const fn is_lint0_level(&self) -> bool {
        let entry = self.table.get(Local::Lint0);
        entry.is_level() && matches!(entry.mode(), Some(DeliveryMode::Fixed))
    }

    /// Sets a vector's bit in the interrupt request register.
    const fn request(&mut self, vector: u8, trigger: Trigger) -> Acceptance {
        if vector < 16 {
            self.error(errors::RECEIVE_ILLEGAL_VECTOR);
            return Acceptance::Ignored;
        }
        self.requested.insert(vector);
        match trigger {
            Trigger::Edge => self.level_triggered.remove(vector),
            Trigger::Level => self.level_triggered.insert(vector),
        }
        Acceptance::Requested
    }

    /// Interrupts without a place in the interrupt request register.
    const fn signal(&mut self, mode: DeliveryMode, vector: u8) -> Acceptance {
        match (mode, self.activity) {
            // A processor that waits for its start takes nothing else ("MP Initialization Protocol").
            (DeliveryMode::Nmi, Activity::Running) => {
                self.nmi = true;
                Acceptance::Nmi
            }
            (DeliveryMode::Init, _) => {
                self.reset_registers();
                if !self.is_bootstrap() {
                    self.activity = Activity::WaitForStartup;
                }
                Acceptance::Init
            }
            (DeliveryMode::Startup, Activity::WaitForStartup) => {
                self.activity = Activity::Running;
                Acceptance::Startup(vector)
            }
            (DeliveryMode::ExtInt, Activity::Running) => {
                self.external = true;
                Acceptance::External
            }
            _ => Acceptance::Ignored,
        }
    }
}
