//! Tests of the interval timer.

mod modes;
mod ports;
mod reference;

use super::*;

/// The first moment of a tick.
fn at(tick: u64) -> u64 {
    CLOCK.moment(tick).unwrap()
}

/// A timer whose counter 2 is programmed like this at tick 0, with its gate open.
fn counter_2(control: u8, count: u16) -> Pit {
    let mut pit = Pit::new();
    pit.write(SYSTEM_CONTROL_B_PORT, 1, 0);
    pit.write(CONTROL_PORT, 0x80 | control, 0);
    pit.write(0x42, count as u8, 0);
    pit.write(0x42, (count >> 8) as u8, 0);
    pit
}

/// The same for counter 0.
fn counter_0(control: u8, count: u16) -> Pit {
    let mut pit = Pit::new();
    pit.write(CONTROL_PORT, control, 0);
    pit.write(0x40, count as u8, 0);
    pit.write(0x40, (count >> 8) as u8, 0);
    pit
}

/// Latches and reads a counter of two bytes.
fn read_count(pit: &mut Pit, counter: u8, now: u64) -> u16 {
    pit.write(CONTROL_PORT, counter << 6, now);
    let port = 0x40 + u16::from(counter);
    u16::from_le_bytes([pit.read(port, now), pit.read(port, now)])
}
