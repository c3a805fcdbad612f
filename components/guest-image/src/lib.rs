//! Guest images: what kind they are, where they go in the guest's memory, and with what state the first vCPU
//! enters them.
//!
//! [`plan`] looks at an image that nobody vouches for and returns a [`Plan`]: pieces of guest memory with
//! where their contents come from, and the registers of the first vCPU. It copies no image and touches no
//! guest; the VMM carries the plan out. Whatever the image says, the pieces lie in the guest's RAM and do not
//! overlap; an image that cannot be loaded so is refused with an error that names what is wrong.
//!
//! | Kind | Recognised by | Entered |
//! | --- | --- | --- |
//! | [`Kind::Linux`] | setup header of a bzImage | in 64-bit mode, at 0x200 of the kernel |
//! | [`Kind::Hermit`] | ELF with a `HERMIT` note | in 64-bit mode, with `hermit-entry` boot information |
//! | [`Kind::Pvh`] | ELF with a Xen `PHYS32_ENTRY` note | in 32-bit protected mode, with `hvm_start_info` |
//! | [`Kind::Multiboot2`] | header in the first 32 KiB | in 32-bit protected mode |
//! | [`Kind::Multiboot1`] | header in the first 8 KiB | in 32-bit protected mode |
//!
//! An image that is several of these is taken for the first in this order, unless the VM's description names
//! a kind.
//!
//! References: Linux `Documentation/arch/x86/boot.rst` and `zero-page.rst` (boot protocol 2.15); Xen
//! `docs/misc/pvh.pandoc` and `public/arch-x86/hvm/start_info.h`; Multiboot Specification 0.6.96; Multiboot2
//! Specification 2.0; `hermit-entry` 0.10 (entry version 4).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod bytes;
mod bzimage;
mod elf_file;
mod error;
mod guest;
mod hermit;
mod image;
mod multiboot;
mod page_tables;
mod plan;
mod pvh;
mod space;
mod state;

pub use error::ImageError;
pub use guest::{Guest, MemoryKind, MemoryRange, Module, Rsdp};
pub use image::{Kind, plan, recognise};
pub use plan::{Piece, Plan, Source};
pub use state::{DescriptorTable, InitialState, Segment};
