//! The description of a virtual machine, and the bundle that brings it with its files to the machine.
//!
//! A user writes a description in TOML. The host reads it (`host::Description`, feature `host`) and packs it with
//! the kernel, the initial RAM file system, the modules and the disk images into one file, the bundle, which
//! the boot loader loads as a module. The VMM reads the bundle with [`Bundle::parse`]:
//!
//! ```
//! # fn start(bytes: &[u8]) -> Result<(), pagurus_vm_spec::BundleError> {
//! use pagurus_vm_spec::{Bundle, DiskContents};
//!
//! let bundle = Bundle::parse(bytes)?;
//! bundle.verify()?; // reads all of it once
//! let vm = bundle.spec();
//! let kernel: &[u8] = bundle.file(vm.kernel).bytes;
//! for module in vm.boot_modules() {
//!     // load bundle.file(module.file).bytes; module.command_line
//! }
//! for disk in &vm.disks {
//!     match disk.contents {
//!         DiskContents::File(file) => { /* bundle.file(file).bytes */ }
//!         DiskContents::Blank(bytes) => { /* a disk of zeroes */ }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! No bytes whatever make the reader panic or read outside of them, and a bundle that was accepted names only
//! files that it holds and keeps to the [`limit`]s.
//!
//! # The description
//!
//! ```toml
//! name = "debian"                      # letters a to z, digits, `-`
//! memory = "256M"
//! vcpus = 2                            # 1 if it is not said
//! kernel = "vmlinuz"                   # files: beside this file, or absolute
//! initrd = "initrd"
//! command_line = "console=ttyS0"
//! # kind = "linux"                     # or hermit, pvh, multiboot2, multiboot1; else recognised by the file
//! # cpu = "default"                    # name of a CPU profile
//!
//! [devices]                            # this is what a VM has if nothing is said
//! serial = true                        # 16550 at 0x3f8, interrupt 4
//! virtio_console = false
//! entropy = true
//! balloon = true
//!
//! [[disk]]
//! file = "root.img"
//! read_only = true
//!
//! [[disk]]
//! size = "64M"                         # zeroes
//! serial = "scratch"                   # name that the guest can ask for
//!
//! [[net]]
//! network = "lan"                      # VMs on one network reach each other
//! macs = ["02:00:00:00:00:01"]         # what it may send as; the first is the card's
//!
//! [[module]]                           # multiboot and PVH
//! file = "module.bin"
//! command_line = "an argument"
//!
//! [test_devices]
//! debug_exit = true                    # port 0xf4
//! debug_console = true                 # port 0xe9
//! post_code = true                     # port 0x80
//! ```
#![cfg_attr(not(any(test, feature = "host")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod bundle;
mod check;
mod error;
#[cfg(feature = "host")]
pub mod host;
mod layout;
pub mod limit;
mod spec;
#[cfg(all(test, feature = "host"))]
mod tests;

pub use bundle::{Bundle, File};
pub use error::{BundleError, SpecError};
pub use layout::{FILE_ALIGNMENT, MAGIC, VERSION};
pub use spec::{
    BootModule, Devices, Disk, DiskContents, FileIndex, ImageKind, Mac, Module, Net, TestDevices,
    VmSpec,
};
