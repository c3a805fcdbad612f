//! A machine composed of the models, as a monitor would do it, and a guest's view of it.
#![allow(dead_code)] // Each test binary uses a part of it.

use pagurus_devices_chipset::lapic::{self, Acceptance, Activity, Lint, Request};
use pagurus_devices_chipset::{
    Clock, Effect, Hpet, IoApic, Lapic, Message, Pic, Pit, PowerManagement, hpet, ioapic, pic, pit,
    pm, targets,
};

/// 2.3 GHz.
pub const TSC_KHZ: u32 = 2_300_000;
/// Nanoseconds that a guest's access takes.
const ACCESS: u64 = 1_300;

/// Interrupt line 0 of the PC comes in at this input of the I/O APIC.
const LINE_0_INPUT: u8 = 2;

pub struct Machine {
    pub now: u64,
    pub clock: Clock,
    pub pit: Pit,
    pub pic: Pic,
    pub ioapic: IoApic,
    pub hpet: Hpet,
    pub pm: PowerManagement,
    pub lapics: Vec<Lapic>,
    /// What a processor was started with.
    pub started: Vec<Option<u8>>,
    pic_output: bool,
}

impl Machine {
    pub fn new(cpus: u32) -> Self {
        let lapic = |id| {
            let mut lapic = Lapic::new(lapic::Config {
                id,
                bootstrap: id == 0,
                x2apic: true,
                tsc_deadline: true,
                physical_bits: 40,
            });
            if id == 0 {
                lapic.set_virtual_wire();
            }
            lapic
        };
        Machine {
            now: 0,
            clock: Clock {
                tsc_khz: TSC_KHZ,
                tsc_offset: 0,
            },
            pit: Pit::new(),
            pic: Pic::new(),
            ioapic: IoApic::new(0),
            hpet: Hpet::new(0x00f0_0000),
            pm: PowerManagement::new(pm::TimerWidth::Bits32),
            lapics: (0..cpus).map(lapic).collect(),
            started: vec![None; cpus as usize],
            pic_output: false,
        }
    }

    // The monitor's part.

    fn send(&mut self, message: &Message, sender: Option<usize>) {
        let identities = self.lapics.iter().map(Lapic::identity);
        for cpu in targets(message, sender, identities).iter() {
            match self.lapics[cpu].accept(message) {
                Acceptance::Startup(page) => self.started[cpu] = Some(page),
                Acceptance::Init => self.started[cpu] = None,
                _ => {}
            }
        }
    }

    fn request(&mut self, request: Option<Request>, cpu: usize) {
        match request {
            Some(Request::Send(message)) => self.send(&message, Some(cpu)),
            Some(Request::EndOfInterrupt(vector)) => {
                for message in self.ioapic.end_of_interrupt(vector) {
                    self.send(&message, None);
                }
            }
            None => {}
        }
    }

    /// An edge-triggered line of the PC rises.
    fn pulse_line_0(&mut self) {
        self.pic.pulse(pit::IRQ);
        self.carry_pic();
        if let Some(message) = self.ioapic.pulse(LINE_0_INPUT) {
            self.send(&message, None);
        }
    }

    /// A level-triggered line of the PC.
    fn set_line(&mut self, irq: u8, level: bool) {
        self.pic.set_line(irq, level);
        self.carry_pic();
        if let Some(message) = self.ioapic.set_line(irq, level) {
            self.send(&message, None);
        }
    }

    /// The output of the 8259s goes to LINT0 of the first processor and to input 0 of the I/O APIC.
    fn carry_pic(&mut self) {
        let output = self.pic.pending();
        if output != self.pic_output {
            self.pic_output = output;
            self.lapics[0].set_line(Lint::Lint0, output);
            if let Some(message) = self.ioapic.set_line(0, output) {
                self.send(&message, None);
            }
        }
    }

    /// The output falls while the 8259s are acknowledged.
    fn drop_pic(&mut self) {
        self.pic_output = false;
        self.lapics[0].set_line(Lint::Lint0, false);
        self.ioapic.set_line(0, false);
    }

    /// Brings all devices up to now.
    fn settle(&mut self) {
        self.pm.advance(self.now);
        let sci = self.pm.irq();
        self.set_line(pm::IRQ, sci);
        let rises = self.pit.advance(self.now);
        let edges = self.hpet.advance(self.now);
        let replaced = self.hpet.replaces_legacy();
        if edges.line_0 || rises > 0 && !replaced {
            self.pulse_line_0();
        }
        for lapic in &mut self.lapics {
            lapic.advance(self.now, self.clock);
        }
        self.carry_pic();
    }

    /// Lets the guest idle until something happens, at most until `until`.
    pub fn idle(&mut self, until: u64) {
        let lapics = self.lapics.iter();
        let lapics = lapics.filter_map(|lapic| lapic.deadline(self.now, self.clock));
        let devices = [
            self.pit.deadline(),
            self.hpet.deadline(),
            self.pm.deadline(),
        ];
        let next = devices.into_iter().flatten().chain(lapics).min();
        self.now = next.unwrap_or(until).clamp(self.now, until);
        self.settle();
    }

    /// The vector that a processor takes now, with its interrupts enabled.
    pub fn take(&mut self, cpu: usize) -> Option<u8> {
        if self.lapics[cpu].activity() != Activity::Running {
            return None;
        }
        if self.lapics[cpu].external_pending() {
            self.lapics[cpu].begin_external();
            let vector = self.pic.acknowledge();
            self.drop_pic();
            self.carry_pic();
            return Some(vector);
        }
        let vector = self.lapics[cpu].deliverable()?;
        self.lapics[cpu].begin(vector);
        Some(vector)
    }

    // The guest's part.

    fn pass(&mut self) {
        self.now += ACCESS;
        self.settle();
    }

    pub fn tsc(&self) -> u64 {
        self.clock.tsc(self.now)
    }

    pub fn inb(&mut self, port: u16) -> u8 {
        self.pass();
        match port {
            0x20 | 0x21 | 0xa0 | 0xa1 | 0x4d0 | 0x4d1 => self.pic.read(port),
            0x40..=0x43 | 0x61 => self.pit.read(port, self.now),
            _ => 0xff,
        }
    }

    pub fn outb(&mut self, port: u16, value: u8) {
        self.pass();
        match port {
            0x20 | 0x21 | 0xa0 | 0xa1 | 0x4d0 | 0x4d1 => self.pic.write(port, value),
            0x40..=0x43 | 0x61 => self.pit.write(port, value, self.now),
            _ => {}
        }
        self.settle();
    }

    pub fn pm_timer(&mut self) -> u32 {
        self.pass();
        self.pm.read(pm::TIMER, 4, self.now)
    }

    pub fn pm_write(&mut self, offset: u16, value: u16) -> Option<Effect> {
        self.pass();
        let effect = self.pm.write(offset, 2, value.into(), self.now);
        self.settle();
        effect
    }

    pub fn read(&mut self, address: u64) -> u32 {
        self.pass();
        let offset = address & 0xfff;
        (match address & !0xfff {
            ioapic::BASE => self.ioapic.read(offset, 4),
            hpet::BASE => self.hpet.read(offset, 4, self.now),
            lapic::DEFAULT_BASE => self.lapics[0].read_mmio(offset, 4, self.now),
            _ => 0xffff_ffff,
        }) as u32
    }

    pub fn write(&mut self, address: u64, value: u32) {
        self.write_from(0, address, value);
    }

    pub fn write_from(&mut self, cpu: usize, address: u64, value: u32) {
        self.pass();
        let offset = address & 0xfff;
        let value = value.into();
        match address & !0xfff {
            ioapic::BASE => {
                for message in self.ioapic.write(offset, 4, value) {
                    self.send(&message, None);
                }
            }
            hpet::BASE => self.hpet.write(offset, 4, value, self.now),
            lapic::DEFAULT_BASE => {
                let lapic = &mut self.lapics[cpu];
                let request = lapic.write_mmio(offset, 4, value, self.now, self.clock);
                self.request(request, cpu);
            }
            _ => {}
        }
        self.settle();
    }

    pub fn wrmsr(&mut self, cpu: usize, msr: u32, value: u64) {
        self.pass();
        let lapic = &mut self.lapics[cpu];
        let request = lapic.write_msr(msr, value, self.now, self.clock);
        self.request(request.expect("no fault"), cpu);
        self.settle();
    }

    /// Initializes the 8259s as Linux does: vectors from 0x30 on, all masked.
    pub fn initialize_pic(&mut self, automatic_end: bool) {
        let mode = if automatic_end { 0x03 } else { 0x01 };
        for (port, value) in [
            (pic::MASTER_PORTS[1], 0xff),
            (pic::SLAVE_PORTS[1], 0xff),
            (pic::MASTER_PORTS[0], 0x11),
            (pic::MASTER_PORTS[1], 0x30),
            (pic::MASTER_PORTS[1], 0x04),
            (pic::MASTER_PORTS[1], mode),
            (pic::SLAVE_PORTS[0], 0x11),
            (pic::SLAVE_PORTS[1], 0x38),
            (pic::SLAVE_PORTS[1], 0x02),
            (pic::SLAVE_PORTS[1], 0x01),
            (pic::MASTER_PORTS[1], 0xff),
            (pic::SLAVE_PORTS[1], 0xff),
        ] {
            self.outb(port, value);
        }
    }

    /// Starts counter 0 of the interval timer as a tick of `hz`.
    pub fn start_tick(&mut self, hz: u64) {
        let latch = ((pit::HZ + hz / 2) / hz) as u16;
        self.outb(0x43, 0x34);
        self.outb(0x40, latch as u8);
        self.outb(0x40, (latch >> 8) as u8);
    }

    /// Writes an entry of the I/O APIC.
    pub fn route(&mut self, input: u8, cpu: u8, low: u32) {
        for (register, value) in [
            (0x11 + 2 * input, u32::from(cpu) << 24),
            (0x10 + 2 * input, low),
        ] {
            self.write(ioapic::BASE, register.into());
            self.write(ioapic::BASE + 0x10, value);
        }
    }

    /// Counts the interrupts of a processor until `until`, ending each by `end`; all have to have this vector.
    pub fn count(
        &mut self,
        cpu: usize,
        vector: u8,
        until: u64,
        mut end: impl FnMut(&mut Machine),
    ) -> u64 {
        let mut count = 0;
        while self.now < until {
            self.idle(until);
            while let Some(taken) = self.take(cpu) {
                assert_eq!(taken, vector);
                count += 1;
                end(self);
            }
        }
        count
    }
}
