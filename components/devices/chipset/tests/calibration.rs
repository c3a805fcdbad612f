//! How guests measure one clock by another: what Linux does when it starts.

mod machine;

use machine::{Machine, TSC_KHZ};
use pagurus_devices_chipset::{hpet, lapic, pit, pm};

/// Checks a measured frequency in kHz; `error` in millionths.
fn check(measured: u64, wanted: u64, error: u64) {
    let off = measured.abs_diff(wanted) * 1_000_000 / wanted;
    assert!(
        off <= error,
        "{measured} kHz instead of {wanted}: {off} ppm"
    );
}

fn open_counter_2(machine: &mut Machine) {
    let gate = machine.inb(0x61) & !0x02 | 0x01;
    machine.outb(0x61, gate);
    machine.outb(0x43, 0xb0);
}

/// `quick_pit_calibrate`: the high byte of counter 2 is read until it has fallen far enough.
#[test]
fn counter_2_by_its_high_byte() {
    let mut machine = Machine::new(1);
    open_counter_2(&mut machine);
    machine.outb(0x42, 0xff);
    machine.outb(0x42, 0xff);
    let expect = |machine: &mut Machine, high: u8| {
        let mut before = 0;
        let mut tsc = 0;
        let mut count = 0;
        loop {
            machine.inb(0x42);
            if machine.inb(0x42) != high {
                break;
            }
            before = tsc;
            tsc = machine.tsc();
            count += 1;
        }
        assert!(
            count > 5,
            "Linux wants to see each value more than five times"
        );
        (tsc, machine.tsc() - before)
    };
    machine.inb(0x42);
    machine.inb(0x42);
    let (start, _) = expect(&mut machine, 0xff);
    let mut measured = None;
    // At most 50 ms: 233 steps of 256 ticks.
    for step in 1..=233u8 {
        let (now, error) = expect(&mut machine, 0xff - step);
        let delta = now - start;
        if error < delta >> 11 {
            measured = Some(delta * pit::HZ / (u64::from(step) * 256 * 1000));
            break;
        }
    }
    check(measured.expect("it converges"), TSC_KHZ.into(), 500);
}

/// `pit_calibrate_tsc`: bit 5 of port 0x61 is polled until 10 ms have passed.
#[test]
fn counter_2_by_its_output() {
    let mut machine = Machine::new(1);
    open_counter_2(&mut machine);
    let latch = (pit::HZ / 100) as u16;
    machine.outb(0x42, latch as u8);
    machine.outb(0x42, (latch >> 8) as u8);
    let start = machine.tsc();
    let mut reads = 0;
    while machine.inb(0x61) & 0x20 == 0 {
        reads += 1;
    }
    assert!(reads > 1000);
    check((machine.tsc() - start) / 10, TSC_KHZ.into(), 500);
}

#[test]
fn refresh_bit_toggles_every_15_microseconds() {
    let mut machine = Machine::new(1);
    let mut last = machine.inb(0x61) & 0x10;
    let start = machine.now;
    let mut toggles = 0;
    while toggles < 1000 {
        let bit = machine.inb(0x61) & 0x10;
        toggles += u64::from(bit != last);
        last = bit;
    }
    let each = (machine.now - start) / toggles;
    assert!((15_000..15_200).contains(&each), "{each} ns");
}

#[test]
fn pm_timer() {
    let mut machine = Machine::new(1);
    let start = (machine.pm_timer(), machine.tsc());
    while machine.pm_timer().wrapping_sub(start.0) < 178_977 {}
    let ticks = machine.pm_timer().wrapping_sub(start.0);
    let measured = (machine.tsc() - start.1) * pm::TIMER_HZ / u64::from(ticks) / 1000;
    check(measured, TSC_KHZ.into(), 50);
}

#[test]
fn high_precision_event_timer() {
    let mut machine = Machine::new(1);
    let period = u64::from(machine.read(hpet::BASE + 4));
    assert_eq!(period, 10_000_000, "femtoseconds");
    machine.write(hpet::BASE + 0x10, 1);
    let start = (machine.read(hpet::BASE + 0xf0), machine.tsc());
    let mut ticks = 0;
    while ticks < 5_000_000 {
        ticks = machine.read(hpet::BASE + 0xf0).wrapping_sub(start.0);
    }
    let nanoseconds = u64::from(ticks) * period / 1_000_000;
    check(
        (machine.tsc() - start.1) * 1_000_000 / nanoseconds,
        TSC_KHZ.into(),
        50,
    );
}

/// `calibrate_APIC_clock`: the local APIC's timer by the tick of the interval timer, checked against the PM timer.
#[test]
fn local_apic_timer() {
    let mut machine = Machine::new(1);
    machine.initialize_pic(false);
    machine.start_tick(250);
    machine.outb(0x21, 0xfe);
    // Masked, divided by 16, the greatest count.
    machine.write(lapic::DEFAULT_BASE + 0x320, 1 << 16 | 0xec);
    machine.write(lapic::DEFAULT_BASE + 0x3e0, 0x03);
    machine.write(lapic::DEFAULT_BASE + 0x380, 0xffff_ffff);
    let mut samples = Vec::new();
    while samples.len() < 26 {
        machine.idle(u64::MAX);
        if machine.take(0) == Some(0x30) {
            let count = machine.read(lapic::DEFAULT_BASE + 0x390);
            samples.push((count, machine.pm_timer()));
            machine.outb(0x20, 0x60);
        }
    }
    let (first, last) = (samples[0], samples[25]);
    let counted = u64::from(first.0 - last.0);
    // 25 ticks of 4 ms.
    check(counted * 16 / 100, lapic::BUS_HZ / 1000, 500);
    let passed = u64::from(last.1.wrapping_sub(first.1));
    check(passed * 1000 / 100, pm::TIMER_HZ, 500);
}

/// After a day of guest time all clocks still agree to the tick.
#[test]
fn nothing_drifts() {
    let mut machine = Machine::new(1);
    machine.write(hpet::BASE + 0x10, 1);
    let started = machine.now;
    machine.initialize_pic(false);
    machine.start_tick(100);
    machine.pit.advance(machine.now);
    let ticking = machine.now;
    let day = 24 * 3600 * 1_000_000_000u64;
    machine.now += day;
    let hpet = machine.hpet.read(0xf0, 8, machine.now);
    assert_eq!(hpet, (machine.now - started) / 10);
    assert_eq!(
        machine.tsc(),
        machine.now / 1_000_000 * u64::from(TSC_KHZ) + machine.now % 1_000_000 * 23 / 10
    );
    let pm = machine.pm.read(pm::TIMER, 4, machine.now);
    let wanted = u128::from(machine.now) * u128::from(pm::TIMER_HZ) / 1_000_000_000;
    assert_eq!(pm, wanted as u32);
    let rises = machine.pit.advance(machine.now);
    let periods = (machine.now - ticking) as u128 * u128::from(pit::HZ) / 1_000_000_000 / 11_932;
    assert!(
        u128::from(rises).abs_diff(periods) <= 1,
        "{rises} of {periods}"
    );
}
