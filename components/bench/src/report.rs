//! Output: one line of JSON for each measurement.

use core::fmt::{self, Write};
use pagurus_rt::Cap;
use pagurus_rt::abi::boot::slot::KERNEL_CONTROL;
use pagurus_rt::object::KernelControl;

/// The kernel's console.
pub struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let control = Cap::<KernelControl>::new(KERNEL_CONTROL);
        control.write(text).map_err(|_| fmt::Error)
    }
}

/// Prints what one operation cost.
pub fn print(name: &str, ticks: u64, rounds: u64, note: &str) {
    let (whole, tenth) = (ticks / rounds, ticks % rounds * 10 / rounds);
    // Nobody else could be told if this failed; the harness misses the line.
    let _ = writeln!(
        Console,
        "BENCH {{\"name\":\"{name}\",\"value\":{whole}.{tenth},\"unit\":\"instructions\",\"note\":\"{note}\"}}"
    );
}

/// Prints how many measurements there were.
pub fn done(count: usize) {
    let _ = writeln!(Console, "DONE {count}");
}
