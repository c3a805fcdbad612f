//! ACPI power management registers (ACPI Specification 6.5, section 4.8): PM1 events and control, the PM timer, and
//! one block of general-purpose events.
//!
//! The machine is always in ACPI mode: there is no system management mode to switch from (the FADT's SMI command port
//! is 0), and SCI_EN is always set.

use crate::Effect;
use crate::clock::Frequency;

/// Ports that the registers take, from the base that the composer chooses.
pub const PORTS: u16 = 0x14;
/// Offset of the PM1 event block: status and enable register of two bytes each.
pub const PM1_EVENT: u16 = 0x00;
/// Bytes of the PM1 event block.
pub const PM1_EVENT_LENGTH: u8 = 4;
/// Offset of the PM1 control register.
pub const PM1_CONTROL: u16 = 0x04;
/// Bytes of the PM1 control register.
pub const PM1_CONTROL_LENGTH: u8 = 2;
/// Offset of the PM timer.
pub const TIMER: u16 = 0x08;
/// Bytes of the PM timer.
pub const TIMER_LENGTH: u8 = 4;
/// Offset of general-purpose event block 0: status and enable register of two bytes each.
pub const GPE0: u16 = 0x10;
/// Bytes of general-purpose event block 0.
pub const GPE0_LENGTH: u8 = 4;
/// Sleep type of soft-off: for the `_S5` object.
pub const SLEEP_TYPE_S5: u8 = 5;
/// Interrupt line on the PC's interrupt controllers, level-triggered (SCI).
pub const IRQ: u8 = 9;
/// Frequency of the PM timer.
pub const TIMER_HZ: u64 = 3_579_545;

const CLOCK: Frequency = Frequency::hz(TIMER_HZ);

/// Bits of the PM1 status and enable registers (sections 4.8.3.1.1 and 4.8.3.1.2).
mod event {
    pub const TIMER: u16 = 1 << 0;
    pub const GLOBAL: u16 = 1 << 5;
    pub const POWER_BUTTON: u16 = 1 << 8;
    pub const SLEEP_BUTTON: u16 = 1 << 9;
    pub const CLOCK: u16 = 1 << 10;
    pub const ALL: u16 = TIMER | GLOBAL | POWER_BUTTON | SLEEP_BUTTON | CLOCK;
}

/// Bits of the PM1 control register (section 4.8.3.2.1).
mod control {
    pub const SCI_ENABLED: u16 = 1 << 0;
    pub const BUS_MASTER_RELOAD: u16 = 1 << 1;
    pub const SLEEP_TYPE: u32 = 10;
    pub const SLEEP_TYPE_BITS: u16 = 7 << SLEEP_TYPE;
    pub const SLEEP: u16 = 1 << 13;
    pub const WRITABLE: u16 = BUS_MASTER_RELOAD | SLEEP_TYPE_BITS;
}

/// Bits of the PM timer (the FADT's flag TMR_VAL_EXT).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerWidth {
    /// 24 bits: it comes round every 4.7 seconds.
    Bits24,
    /// 32 bits: it comes round every 20 minutes.
    Bits32,
}

/// The registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowerManagement {
    width: TimerWidth,
    status: u16,
    enable: u16,
    control: u16,
    gpe_status: u16,
    gpe_enable: u16,
    /// When [`Self::status`] was last brought up to date.
    settled: u64,
}

impl PowerManagement {
    /// The registers after reset.
    pub const fn new(width: TimerWidth) -> Self {
        PowerManagement {
            width,
            status: 0,
            enable: 0,
            control: 0,
            gpe_status: 0,
            gpe_enable: 0,
            settled: 0,
        }
    }

    /// Reads `size` bytes (1, 2 or 4) at `offset` from the base; all ones beyond the registers.
    pub fn read(&mut self, offset: u16, size: u8, now: u64) -> u32 {
        // What guests read a thousand times a second.
        if offset == TIMER && size == 4 {
            return self.timer(now);
        }
        self.advance(now);
        crate::bus::read(offset, size, |at| self.read_byte(at, now))
    }

    /// Writes `size` bytes (1, 2 or 4) at `offset` from the base; no effect beyond the registers.
    pub fn write(&mut self, offset: u16, size: u8, value: u32, now: u64) -> Option<Effect> {
        self.advance(now);
        let mut effect = None;
        crate::bus::write(offset, size, value, |at, byte| {
            effect = effect.or(self.write_byte(at, byte));
        });
        effect
    }

    /// The user presses the power button: the operating system is asked to shut down.
    pub const fn press_power_button(&mut self) {
        self.status |= event::POWER_BUTTON;
    }

    /// The real-time clock's alarm, as an event that wakes (RTC_STS).
    pub const fn raise_clock_event(&mut self) {
        self.status |= event::CLOCK;
    }

    /// A device raises general-purpose event 0 to 15; others do not exist.
    pub const fn raise_gpe(&mut self, event: u8) {
        if event < 16 {
            self.gpe_status |= 1 << event;
        }
    }

    /// Level of the system control interrupt.
    pub const fn irq(&self) -> bool {
        self.status & self.enable != 0 || self.gpe_status & self.gpe_enable != 0
    }

    /// When [`Self::advance`] may raise the line.
    pub const fn deadline(&self) -> Option<u64> {
        if self.enable & event::TIMER == 0 || self.status & event::TIMER != 0 {
            return None;
        }
        let half = self.half_round();
        match (CLOCK.ticks(self.settled) / half + 1).checked_mul(half) {
            Some(tick) => CLOCK.moment(tick),
            None => None,
        }
    }

    /// Lets time pass up to `now`.
    pub const fn advance(&mut self, now: u64) {
        let half = self.half_round();
        // The status is set whenever the timer's highest bit changes (section 4.8.3.3).
        if CLOCK.ticks(self.settled) / half != CLOCK.ticks(now) / half {
            self.status |= event::TIMER;
        }
        self.settled = now;
    }

    /// The PM timer.
    const fn timer(&self, now: u64) -> u32 {
        let ticks = CLOCK.ticks(now) as u32;
        match self.width {
            TimerWidth::Bits24 => ticks & 0xff_ffff,
            TimerWidth::Bits32 => ticks,
        }
    }

    /// Ticks between two changes of the timer's highest bit.
    const fn half_round(&self) -> u64 {
        match self.width {
            TimerWidth::Bits24 => 1 << 23,
            TimerWidth::Bits32 => 1 << 31,
        }
    }

    const fn read_byte(&self, offset: u16, now: u64) -> u8 {
        let bytes = match offset {
            0x00..0x04 => pair(self.status, self.enable),
            0x04..0x06 => pair(self.control | control::SCI_ENABLED, 0),
            0x08..0x0c => self.timer(now).to_le_bytes(),
            0x10..0x14 => pair(self.gpe_status, self.gpe_enable),
            _ => return 0xff,
        };
        bytes[(offset % 4) as usize]
    }

    const fn write_byte(&mut self, offset: u16, value: u8) -> Option<Effect> {
        let (bits, shifted) = if offset.is_multiple_of(2) {
            (0x00ff, value as u16)
        } else {
            (0xff00, (value as u16) << 8)
        };
        match offset {
            // Writing ones clears.
            0x00 | 0x01 => self.status &= !shifted,
            0x02 | 0x03 => self.enable = (self.enable & !bits | shifted) & event::ALL,
            0x04 | 0x05 => {
                self.control = (self.control & !bits | shifted) & control::WRITABLE;
                let sleep_type = self.control >> control::SLEEP_TYPE;
                // No other sleep than soft-off is offered.
                if shifted & control::SLEEP != 0 && sleep_type == SLEEP_TYPE_S5 as u16 {
                    return Some(Effect::PowerOff);
                }
            }
            0x10 | 0x11 => self.gpe_status &= !shifted,
            0x12 | 0x13 => self.gpe_enable = self.gpe_enable & !bits | shifted,
            _ => {}
        }
        None
    }
}

const fn pair(low: u16, high: u16) -> [u8; 4] {
    (low as u32 | (high as u32) << 16).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SECOND;
    use proptest::prelude::*;

    fn pm() -> PowerManagement {
        PowerManagement::new(TimerWidth::Bits32)
    }

    #[test]
    fn registers_after_reset() {
        let mut pm = pm();
        assert_eq!(pm.read(PM1_EVENT, 4, 0), 0);
        assert_eq!(pm.read(PM1_CONTROL, 2, 0), 1);
        assert_eq!(pm.read(TIMER, 4, 0), 0);
        assert_eq!(pm.read(GPE0, 4, 0), 0);
        for offset in [0x06, 0x07, 0x0c, 0x0f, PORTS, u16::MAX] {
            assert_eq!(pm.read(offset, 1, 0), 0xff);
        }
        assert_eq!(pm.read(0x04, 4, 0), 0xffff_0001);
        assert_eq!(pm.read(0x00, 3, 0), u32::MAX);
        assert!(!pm.irq());
        assert_eq!(pm.deadline(), None);
    }

    #[test]
    fn timer_counts_exactly() {
        let mut pm = pm();
        assert_eq!(pm.read(TIMER, 4, SECOND), 3_579_545);
        let hour = 3600 * SECOND;
        let ticks = 3600 * TIMER_HZ;
        assert_eq!(pm.read(TIMER, 4, hour), ticks as u32);
        assert_eq!(pm.read(TIMER, 2, hour), ticks as u32 & 0xffff);
        assert_eq!(pm.read(TIMER + 3, 1, hour), ticks as u32 >> 24);
        let mut narrow = PowerManagement::new(TimerWidth::Bits24);
        assert_eq!(narrow.read(TIMER, 4, hour), ticks as u32 & 0xff_ffff);
        assert_eq!(narrow.read(TIMER + 3, 1, hour), 0);
        pm.write(TIMER, 4, 0, hour);
        assert_eq!(pm.read(TIMER, 4, hour), ticks as u32, "read-only");
    }

    #[test]
    fn timer_event() {
        for (width, half) in [
            (TimerWidth::Bits24, 1u64 << 23),
            (TimerWidth::Bits32, 1 << 31),
        ] {
            let mut pm = PowerManagement::new(width);
            pm.write(PM1_EVENT + 2, 2, 1, 0);
            for round in 1..5 {
                let due = CLOCK.moment(round * half).unwrap();
                assert_eq!(pm.deadline(), Some(due));
                pm.advance(due - 1);
                assert!(!pm.irq());
                pm.advance(due);
                assert!(pm.irq());
                assert_eq!(pm.deadline(), None, "told");
                assert_eq!(pm.read(PM1_EVENT, 2, due), 1);
                pm.write(PM1_EVENT, 2, 1, due);
                assert!(!pm.irq());
            }
        }
    }

    #[test]
    fn power_button() {
        let mut pm = pm();
        pm.press_power_button();
        assert!(!pm.irq());
        pm.write(PM1_EVENT + 2, 2, 0xffff, 0);
        assert_eq!(pm.read(PM1_EVENT + 2, 2, 0), 0x0721);
        assert!(pm.irq());
        assert_eq!(pm.read(PM1_EVENT, 2, 0), 0x0100);
        pm.write(PM1_EVENT, 1, 0xff, 0);
        assert!(pm.irq());
        pm.write(PM1_EVENT + 1, 1, 0x01, 0);
        assert!(!pm.irq());
        pm.raise_clock_event();
        assert_eq!(pm.read(PM1_EVENT, 2, 0), 0x0400);
        assert!(pm.irq());
    }

    #[test]
    fn general_purpose_events() {
        let mut pm = pm();
        pm.raise_gpe(3);
        pm.raise_gpe(12);
        pm.raise_gpe(16);
        assert_eq!(pm.read(GPE0, 4, 0), 0x1008);
        assert!(!pm.irq());
        pm.write(GPE0 + 3, 1, 0x10, 0);
        assert!(pm.irq());
        pm.write(GPE0, 2, 0x1000, 0);
        assert!(!pm.irq());
        assert_eq!(pm.read(GPE0, 4, 0), 0x1000_0008);
    }

    #[test]
    fn soft_off() {
        let mut pm = pm();
        let s5 = u32::from(SLEEP_TYPE_S5) << 10;
        assert_eq!(pm.write(PM1_CONTROL, 2, s5, 0), None);
        assert_eq!(pm.read(PM1_CONTROL, 2, 0), s5 | 1);
        assert_eq!(
            pm.write(PM1_CONTROL, 2, s5 | 1 << 13, 0),
            Some(Effect::PowerOff)
        );
        assert_eq!(pm.read(PM1_CONTROL, 2, 0), s5 | 1, "the bit is write-only");
        let high = (s5 | 1 << 13) >> 8;
        assert_eq!(
            pm.write(PM1_CONTROL + 1, 1, high, 0),
            Some(Effect::PowerOff)
        );
        for other in (0..8).filter(|other| *other != u32::from(SLEEP_TYPE_S5)) {
            assert_eq!(pm.write(PM1_CONTROL, 2, other << 10 | 1 << 13, 0), None);
        }
    }

    proptest! {
        #[test]
        fn timer_never_goes_back(steps in prop::collection::vec(0..1u64 << 30, 0..100), start: u64) {
            let mut pm = pm();
            let mut now = start;
            let mut last = pm.read(TIMER, 4, now);
            for step in steps {
                now = now.saturating_add(step);
                let next = pm.read(TIMER, 4, now);
                prop_assert!(next.wrapping_sub(last) < 1 << 31);
                last = next;
            }
        }

        #[test]
        fn whatever_a_guest_does(
            steps in prop::collection::vec(
                (0..0x18u16, 0..9u8, any::<Option<u32>>(), 0..1u64 << 42), 0..200,
            ),
            start: u64,
        ) {
            let mut pm = PowerManagement::new(TimerWidth::Bits24);
            let mut now = start;
            pm.advance(now);
            for (offset, size, access, pass) in steps {
                match access {
                    None => {
                        pm.read(offset, size, now);
                    }
                    Some(value) => {
                        pm.write(offset, size, value, now);
                    }
                }
                let due = pm.deadline();
                let line = pm.irq();
                now = now.saturating_add(pass);
                pm.advance(now);
                if !line && pm.irq() {
                    prop_assert!(due.is_some_and(|due| due <= now));
                }
            }
        }
    }
}
