//! Where the loader enters the kernel.
#![allow(unsafe_code)] // Assembly, and what a loader says.

use core::arch::global_asm;
use hermit_entry::boot_info::{BootInfo, PlatformInfo, RawBootInfo};
use pagurus_boot::Range;
use pagurus_hw::early::{self, Handover};

hermit_entry::define_entry_version!();

// `hermit_entry::Entry`: the boot information in `rdi`, the processor's number in `esi`. The stack pointer is
// good for nothing: Hermit's loader leaves it at the bottom of its stack.
global_asm!(
    r#"
    .section .text._start, "ax"
    .global _start
_start:
    cli
    cld
    lea rsp, [rip + entry_stack_top]
    xor ebp, ebp
    call {entered}
    ud2

    .section .boot_stack, "aw", @nobits
    .balign 4096
    .skip 128 * 1024
entry_stack_top:
"#,
    entered = sym entered,
);

/// The first Rust code, at the physical address of the image.
extern "C" fn entered(raw: &'static RawBootInfo, _cpu: u32) -> ! {
    let info = BootInfo::from(*raw);
    let image = &info.load_info.kernel_image_addr_range;
    let handover = Handover {
        image: Range::new(image.start, image.end),
        information: match info.platform_info {
            PlatformInfo::Multiboot {
                multiboot_info_addr,
                ..
            } => Some(multiboot_info_addr.get()),
            _ => None,
        },
        serial_port: info.hardware_info.serial_port_base.map(|port| port.get()),
    };
    // SAFETY: this is the loader's one call of the entry point.
    unsafe { early::start(handover, crate::main) }
}
