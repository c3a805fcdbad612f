//! Interrupts on their ways through the machine, from the device to the processor and back.

mod machine;

use machine::Machine;
use pagurus_devices_chipset::lapic::{self, Activity};
use pagurus_devices_chipset::{Effect, hpet, ioapic, pm};

const SECOND: u64 = 1_000_000_000;
const EOI: u64 = lapic::DEFAULT_BASE + 0xb0;
const SVR: u64 = lapic::DEFAULT_BASE + 0xf0;
const ICR: u64 = lapic::DEFAULT_BASE + 0x300;
const ICR_HIGH: u64 = lapic::DEFAULT_BASE + 0x310;
const LINT0: u64 = lapic::DEFAULT_BASE + 0x350;
const LEVEL: u32 = 1 << 15;
const MASKED: u32 = 1 << 16;

fn end_pic(machine: &mut Machine) {
    machine.outb(0x20, 0x60);
}

#[test]
fn tick_by_the_8259s() {
    let mut machine = Machine::new(1);
    machine.initialize_pic(false);
    machine.start_tick(100);
    machine.outb(0x21, 0xfe);
    let until = machine.now + SECOND;
    let ticks = machine.count(0, 0x30, until, end_pic);
    assert!((99..=100).contains(&ticks), "{ticks}");
    // Without the end of the first one there is no second.
    let until = machine.now + SECOND;
    assert_eq!(machine.count(0, 0x30, until, |_| ()), 1);
    end_pic(&mut machine);
    machine.outb(0x21, 0xff);
    assert_eq!(machine.take(0), None, "masked");
}

#[test]
fn tick_by_the_io_apic() {
    let mut machine = Machine::new(2);
    machine.initialize_pic(false);
    machine.write(LINT0, MASKED);
    machine.lapics[1].accept(&startup());
    machine.write_from(1, SVR, 0x1ff);
    machine.start_tick(250);
    machine.route(2, 1, 0x31);
    let until = machine.now + SECOND;
    let ticks = machine.count(1, 0x31, until, |machine| machine.write_from(1, EOI, 0));
    assert!((249..=250).contains(&ticks), "{ticks}");
    assert_eq!(machine.take(0), None, "nothing for the other processor");
}

/// The last resort of Linux for a board whose timer is not wired to the I/O APIC.
#[test]
fn tick_by_the_8259s_through_the_io_apic() {
    let mut machine = Machine::new(1);
    machine.initialize_pic(false);
    machine.write(LINT0, MASKED);
    machine.start_tick(100);
    machine.outb(0x21, 0xfe);
    machine.route(0, 0, 0x700);
    let until = machine.now + SECOND;
    let ticks = machine.count(0, 0x30, until, end_pic);
    assert!((99..=100).contains(&ticks), "{ticks}");
}

/// The one before that: LINT0 as an edge with a vector of its own, the 8259s ending by themselves.
#[test]
fn tick_by_lint0() {
    let mut machine = Machine::new(1);
    machine.initialize_pic(true);
    machine.write(LINT0, 0x41);
    machine.start_tick(100);
    machine.outb(0x21, 0xfe);
    let until = machine.now + SECOND;
    let ticks = machine.count(0, 0x41, until, |machine| {
        // Nobody acknowledges the 8259s but the guest, by a polled read.
        machine.outb(0x20, 0x0c);
        assert_eq!(machine.inb(0x20), 0x80);
        machine.write(EOI, 0);
    });
    assert!((99..=100).contains(&ticks), "{ticks}");
}

#[test]
fn tick_by_the_hpet_in_the_timers_place() {
    let mut machine = Machine::new(1);
    machine.initialize_pic(false);
    machine.start_tick(100);
    machine.outb(0x21, 0xfe);
    machine.write(hpet::BASE + 0x10, 3);
    // Periodic, value set, interrupt on, 32 bits: the first match and then the period of 4 ms.
    machine.write(hpet::BASE + 0x100, 0x14c);
    let counter = machine.read(hpet::BASE + 0xf0);
    machine.write(hpet::BASE + 0x108, counter + 400_000);
    machine.write(hpet::BASE + 0x108, 400_000);
    while machine.take(0).is_some() {
        end_pic(&mut machine);
    }
    let until = machine.now + SECOND;
    assert_eq!(machine.count(0, 0x30, until, end_pic), 250);
}

#[test]
fn a_level_is_served_until_its_device_is_quiet() {
    let mut machine = Machine::new(1);
    machine.initialize_pic(false);
    machine.write(LINT0, MASKED);
    machine.pm_write(pm::PM1_EVENT + 2, 0x0100);
    machine.route(pm::IRQ, 0, 0x51 | LEVEL);
    assert_eq!(machine.take(0), None);
    machine.pm.press_power_button();
    machine.idle(machine.now + 1);
    for _ in 0..3 {
        assert_eq!(machine.take(0), Some(0x51));
        assert_eq!(machine.take(0), None, "in service");
        machine.write(EOI, 0);
    }
    assert_eq!(machine.take(0), Some(0x51));
    machine.pm_write(pm::PM1_EVENT, 0x0100);
    machine.write(EOI, 0);
    assert_eq!(machine.take(0), None);
}

#[test]
fn a_level_by_the_8259s() {
    let mut machine = Machine::new(1);
    machine.initialize_pic(false);
    machine.outb(0x4d1, 0x02);
    machine.outb(0x21, 0xfb);
    machine.outb(0xa1, 0xfd);
    machine.pm_write(pm::PM1_EVENT + 2, 0x0100);
    machine.pm.press_power_button();
    machine.idle(machine.now + 1);
    for _ in 0..3 {
        assert_eq!(machine.take(0), Some(0x39));
        assert_eq!(machine.take(0), None, "in service");
        machine.outb(0xa0, 0x61);
        machine.outb(0x20, 0x62);
    }
    assert_eq!(machine.take(0), Some(0x39));
    machine.pm_write(pm::PM1_EVENT, 0x0100);
    machine.outb(0xa0, 0x61);
    machine.outb(0x20, 0x62);
    assert_eq!(machine.take(0), None);
}

#[test]
fn a_guest_that_ends_levels_at_the_io_apic() {
    let mut machine = Machine::new(1);
    machine.write(LINT0, MASKED);
    // No broadcast of ends of interrupts.
    machine.write(SVR, 0x11ff);
    machine.pm_write(pm::PM1_EVENT + 2, 0x0100);
    machine.route(pm::IRQ, 0, 0x51 | LEVEL);
    machine.pm.press_power_button();
    machine.idle(machine.now + 1);
    assert_eq!(machine.take(0), Some(0x51));
    machine.write(EOI, 0);
    assert_eq!(machine.take(0), None, "the I/O APIC does not know");
    machine.write(ioapic::BASE + 0x40, 0x51);
    assert_eq!(machine.take(0), Some(0x51));
}

#[test]
fn processors_start_and_talk() {
    let mut machine = Machine::new(4);
    for cpu in 1..4u32 {
        machine.write(ICR_HIGH, cpu << 24);
        machine.write(ICR, 0xc500);
        machine.write(ICR, 0x8500);
        for _ in 0..2 {
            machine.write(ICR, 0x0699);
        }
        assert_eq!(machine.started[cpu as usize], Some(0x99));
        assert_eq!(machine.lapics[cpu as usize].activity(), Activity::Running);
        machine.write_from(cpu as usize, SVR, 0x1ff);
    }
    assert_eq!(machine.started[0], None);
    // All but the sender.
    machine.write_from(2, ICR, 0xc_00fd);
    for (cpu, vector) in [(0, Some(0xfd)), (1, Some(0xfd)), (2, None), (3, Some(0xfd))] {
        assert_eq!(machine.take(cpu), vector);
    }
    // Two processors by logical ID in x2APIC mode.
    for cpu in 0..4 {
        let bootstrap = if cpu == 0 { 0x100 } else { 0 };
        machine.wrmsr(cpu, lapic::APIC_BASE, 0xfee0_0c00 | bootstrap);
        machine.wrmsr(cpu, 0x80b, 0);
    }
    machine.wrmsr(0, 0x830, 0x0000_000a_0000_08fc);
    for (cpu, vector) in [(0, None), (1, Some(0xfc)), (2, None), (3, Some(0xfc))] {
        assert_eq!(machine.take(cpu), vector);
    }
    machine.wrmsr(3, 0x830, 0x0000_0001_0000_0400);
    assert!(machine.lapics[1].nmi_pending());
}

#[test]
fn lowest_priority_goes_to_who_has_the_least_to_do() {
    let mut machine = Machine::new(3);
    for cpu in 0..3 {
        machine.lapics[cpu].accept(&startup());
        machine.write_from(cpu, SVR, 0x1ff);
        machine.write_from(cpu, lapic::DEFAULT_BASE + 0xd0, 1 << (24 + cpu));
        machine.write_from(cpu, lapic::DEFAULT_BASE + 0x80, [0x20, 0x00, 0x10][cpu]);
    }
    machine.write(LINT0, MASKED);
    // Logical mode, lowest priority, to all three.
    machine.route(2, 0x07, 0x0931);
    machine.start_tick(100);
    let until = machine.now + SECOND / 10;
    machine.idle(until);
    assert_eq!(machine.take(1), Some(0x31));
    assert_eq!((machine.take(0), machine.take(2)), (None, None));
    machine.idle(until);
    assert_eq!(machine.take(2), Some(0x31), "the other is busy now");
}

#[test]
fn deadline_timer_ticks_for_a_minute() {
    let mut machine = Machine::new(1);
    machine.write(lapic::DEFAULT_BASE + 0x320, 2 << 17 | 0xec);
    let period = u64::from(machine::TSC_KHZ) * 4;
    let mut next = machine.tsc() + period;
    machine.wrmsr(0, lapic::TSC_DEADLINE, next);
    let until = machine.now + 60 * SECOND;
    let ticks = machine.count(0, 0xec, until, |machine| {
        assert!(machine.tsc() >= next, "too early");
        assert!(machine.tsc() < next + 10, "too late");
        next += period;
        machine.wrmsr(0, lapic::TSC_DEADLINE, next);
        machine.write(EOI, 0);
    });
    assert_eq!(ticks, 15_000);
}

#[test]
fn the_power_button_switches_off_in_the_end() {
    let mut machine = Machine::new(1);
    let soft_off = u16::from(pm::SLEEP_TYPE_S5) << 10 | 1 << 13;
    let effect = machine.pm_write(pm::PM1_CONTROL, soft_off);
    assert_eq!(effect, Some(Effect::PowerOff));
}

fn startup() -> pagurus_devices_chipset::Message {
    use pagurus_devices_chipset::{DeliveryMode, Destination, Message, Trigger};
    Message {
        destination: Destination::All,
        mode: DeliveryMode::Startup,
        vector: 0x99,
        trigger: Trigger::Edge,
    }
}
