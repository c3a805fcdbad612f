//! Kernel tests: runs in root's place, with every right there is, and tries what the kernel promises.
//!
//! Each test gets memory of its own. Afterwards everything made from it is revoked, the memory must be complete again and
//! all of the kernel's invariants must hold; so every test is also a test of that.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod guest;
mod report;
mod tests;
mod world;

use pagurus_rt::Cap;
use pagurus_rt::abi::boot::{BootInfo, slot};
use pagurus_rt::object::KernelControl;
use world::World;

pagurus_rt::root_entry!(main, heap = 4096);

/// The control of the kernel.
pub const KERNEL: Cap<KernelControl> = Cap::new(slot::KERNEL_CONTROL);
/// Exit code of the emulator when all is said.
const FINISHED: u64 = 0x10;

fn main(boot: &'static BootInfo) -> Result<(), report::Failure> {
    let mut count = 0;
    for (name, test) in tests::ALL {
        let outcome = World::new(boot).and_then(|mut world| {
            let result = test(&mut world);
            world.end().and(result)
        });
        report::outcome(name, &outcome);
        count += 1;
    }
    report::done(count);
    Err(KERNEL.halt(FINISHED).into())
}
