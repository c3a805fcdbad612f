//! From devices' lines to a vector for the processor.

use super::{Board, line};
use pagurus_devices_chipset::hpet::Lines;
use pagurus_devices_chipset::lapic::{Lint, Request};
use pagurus_devices_chipset::{Message, targets};

impl Board {
    /// The levels of all lines, as the devices have them now.
    pub(super) fn carry_lines(&mut self) {
        let levels = [
            (line::KEYBOARD, self.keyboard.irq()),
            (line::COM1, self.uart.irq()),
            (line::RTC, self.rtc.irq() && !self.hpet.replaces_legacy()),
            (line::SCI, self.pm.irq()),
        ];
        for (n, level) in levels {
            self.pic.set_line(n, level);
            if let Some(message) = self.io_apic.set_line(n, level) {
                self.deliver(&message, None);
            }
        }
        let hpet = self.hpet.levels();
        for gsi in 16..24u8 {
            let level = hpet.inputs >> gsi & 1 != 0;
            if let Some(message) = self.io_apic.set_line(gsi, level) {
                self.deliver(&message, None);
            }
        }
        let pending = self.pic.pending();
        self.lapic.set_line(Lint::Lint0, pending);
    }

    /// Timers whose lines rose: edges, which do not last.
    pub(super) fn carry_timers(&mut self, pit: u64, hpet: Lines) {
        let legacy = self.hpet.replaces_legacy();
        if pit > 0 && !legacy {
            self.pulse(line::TIMER, line::TIMER_GSI);
        }
        if hpet.line_0 {
            self.pulse(line::TIMER, line::TIMER_GSI);
        }
        if hpet.line_8 {
            self.pulse(line::RTC, line::RTC);
        }
        for gsi in (0..24u8).filter(|gsi| hpet.inputs >> gsi & 1 != 0) {
            if let Some(message) = self.io_apic.pulse(gsi) {
                self.deliver(&message, None);
            }
        }
    }

    fn pulse(&mut self, isa: u8, gsi: u8) {
        self.pic.pulse(isa);
        if let Some(message) = self.io_apic.pulse(gsi) {
            self.deliver(&message, None);
        }
    }

    /// Gives a message to the local APICs that it is for.
    pub(super) fn deliver(&mut self, message: &Message, sender: Option<usize>) {
        let all = [self.lapic.identity()];
        for _ in targets(message, sender, all).iter() {
            // What it means is asked of the local APIC before the guest is entered.
            self.lapic.accept(message);
        }
    }

    /// What a local APIC wants.
    pub(super) fn serve(&mut self, request: Option<Request>) {
        match request {
            Some(Request::Send(message)) => {
                self.deliver(&message, Some(0));
            }
            Some(Request::EndOfInterrupt(vector)) => {
                for message in self.io_apic.end_of_interrupt(vector) {
                    self.deliver(&message, None);
                }
            }
            None => {}
        }
    }

    /// Whether the processor has an interrupt to take.
    pub fn interrupt_waits(&self) -> bool {
        self.lapic.deliverable().is_some() || self.lapic.external_pending()
    }

    /// The processor takes an interrupt: its vector.
    pub fn acknowledge(&mut self) -> Option<u8> {
        if let Some(vector) = self.lapic.deliverable() {
            self.lapic.begin(vector);
            return Some(vector);
        }
        if self.lapic.external_pending() {
            self.lapic.begin_external();
            let vector = self.pic.acknowledge();
            // Their output falls for a moment, even if there is more.
            self.lapic.set_line(Lint::Lint0, false);
            self.carry_lines();
            return Some(vector);
        }
        None
    }

    /// Whether a non-maskable interrupt waits.
    pub fn nmi_waits(&self) -> bool {
        self.lapic.nmi_pending()
    }
}
