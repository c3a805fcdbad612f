//! Reading what firmware and loader left in memory.
#![allow(unsafe_code)] // physical memory

use core::slice;
use pagurus_boot::platform::Module;
use pagurus_boot::{Platform, Range};
use pagurus_hw::acpi::PhysicalBytes;
use pagurus_hw::vm;

/// Physical memory that holds firmware tables.
pub struct Firmware<'p>(pub &'p Platform);

impl PhysicalBytes<'static> for Firmware<'_> {
    fn bytes(&self, address: u64, length: usize) -> Option<&'static [u8]> {
        let range = Range::sized(address, length as u64)?;
        let start = if self.0.ram.contains(range) {
            vm::phys_to_virt(address) as *const u8
        } else {
            vm::map_firmware(address, length as u64).ok()?
        };
        // SAFETY: the bytes are mapped, and stay so. Firmware does not write its tables after boot, and the kernel has taken
        // no memory that it does not know to be free.
        Some(unsafe { slice::from_raw_parts(start, length) })
    }
}

/// The contents of a boot module. Modules lie in RAM that is nobody's until root has them.
pub fn module(module: &Module) -> &'static [u8] {
    let start = vm::phys_to_virt(module.range.start) as *const u8;
    // SAFETY: the range is RAM, which the direct map covers, and the memory map keeps it from being used.
    unsafe { slice::from_raw_parts(start, module.range.length() as usize) }
}
