//! The machine around the processors.

mod interrupts;
mod ports;
mod registers;
pub mod tables;

use pagurus_devices_chipset::lapic::Config;
use pagurus_devices_chipset::pm::TimerWidth;
use pagurus_devices_chipset::{
    Clock, Effect, Hpet, I8042, IoApic, Lapic, Pic, Pit, PostCode, PowerManagement, ResetControl,
    Rtc, SystemControlA, Uart,
};

/// Where the registers of power management lie among the ports.
pub const PM_PORTS: u16 = 0x600;
/// The first serial line.
pub const COM1: u16 = 0x3f8;
/// Lines of the interrupt controllers, as on every PC since the AT.
pub mod line {
    #![allow(missing_docs)]
    pub const TIMER: u8 = 0;
    pub const KEYBOARD: u8 = 1;
    pub const COM1: u8 = 4;
    pub const RTC: u8 = 8;
    pub const SCI: u8 = 9;
    /// Input of the I/O APIC for the timer: firmware says so by an override.
    pub const TIMER_GSI: u8 = 2;
}

/// What a VM may have beside what every PC has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TestDevices {
    /// Port 0xf4 ends the VM.
    pub debug_exit: bool,
    /// Port 0xe9 is a console.
    pub debug_console: bool,
    /// Port 0x80 keeps what is written.
    pub post: bool,
}

/// The board. All accesses of all processors come here; `now` is nanoseconds since the VM began.
#[derive(Clone, Debug)]
pub struct Board {
    /// The guest's time stamp counter.
    pub clock: Clock,
    /// Local APIC of the one processor.
    pub lapic: Lapic,
    pic: Pic,
    io_apic: IoApic,
    pit: Pit,
    rtc: Rtc,
    hpet: Hpet,
    pm: PowerManagement,
    keyboard: I8042,
    reset: ResetControl,
    control_a: SystemControlA,
    post: PostCode,
    uart: Uart,
    test: TestDevices,
    /// What a device wants of us.
    pub effect: Option<Effect>,
}

impl Board {
    /// A board after power-up. `unix_time` is the date, in seconds since 1970.
    pub fn new(clock: Clock, unix_time: i64, test: TestDevices) -> Board {
        let mut lapic = Lapic::new(Config {
            id: 0,
            bootstrap: true,
            x2apic: true,
            tsc_deadline: true,
            physical_bits: 40,
        });
        lapic.set_virtual_wire();
        Board {
            clock,
            lapic,
            pic: Pic::new(),
            io_apic: IoApic::new(registers::IO_APIC_ID),
            pit: Pit::new(),
            rtc: Rtc::new(unix_time, 0),
            hpet: Hpet::new(registers::HPET_ROUTES),
            pm: PowerManagement::new(TimerWidth::Bits32),
            keyboard: I8042::new(),
            reset: ResetControl::new(),
            control_a: SystemControlA::new(),
            post: PostCode::new(),
            uart: Uart::new(),
            test,
            effect: None,
        }
    }

    /// When something happens next without the guest's doing.
    pub fn deadline(&self, now: u64) -> Option<u64> {
        [
            self.lapic.deadline(now, self.clock),
            self.pit.deadline(),
            self.rtc.deadline(),
            self.hpet.deadline(),
            self.pm.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// What the guest has written to its serial line. That it is taken is a moment of its own for the line's interrupt.
    pub fn take_serial(&mut self) -> heapless::Vec<u8, 16> {
        let bytes = self.uart.take_output();
        self.carry_lines();
        bytes
    }

    /// Bytes arrive at the guest's serial line: as many as it has room for, which is the result. The others have to wait
    /// until the guest reads.
    pub fn put_serial(&mut self, bytes: &[u8]) -> usize {
        let taken = self.uart.put_input(bytes);
        self.carry_lines();
        taken
    }

    /// Time has passed.
    pub fn advance(&mut self, now: u64) {
        self.lapic.advance(now, self.clock);
        self.rtc.advance(now);
        self.pm.advance(now);
        let rises = self.pit.advance(now);
        let hpet = self.hpet.advance(now);
        self.carry_timers(rises, hpet);
        self.carry_lines();
    }
}
