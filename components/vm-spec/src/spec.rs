//! What a VM is like.
//!
//! Every field has a number in the bundle. Numbers are never used again for something else; a field that is added
//! is optional or has a default.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use minicbor::{Decode, Encode};

/// A virtual machine as it is described.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct VmSpec {
    /// Its name: letters `a` to `z`, digits and `-`.
    #[n(0)]
    pub name: String,
    /// Bytes of RAM.
    #[n(1)]
    pub memory: u64,
    /// Virtual processors.
    #[n(2)]
    pub vcpus: u32,
    /// The image that it starts with.
    #[n(3)]
    pub kernel: FileIndex,
    /// What to take the image for; `None` for what it is recognised as.
    #[n(4)]
    pub kind: Option<ImageKind>,
    /// Initial RAM file system.
    #[n(5)]
    pub initrd: Option<FileIndex>,
    /// Further modules, for multiboot and PVH guests.
    #[n(6)]
    pub modules: Vec<Module>,
    /// Command line, without the image's name.
    #[n(7)]
    pub command_line: String,
    /// Devices of which there is one at most.
    #[n(8)]
    pub devices: Devices,
    /// Virtio block devices, in the order in which the guest finds them.
    #[n(9)]
    pub disks: Vec<Disk>,
    /// Virtio network cards, in the order in which the guest finds them.
    #[n(10)]
    pub nets: Vec<Net>,
    /// Devices for tests.
    #[n(11)]
    pub test_devices: TestDevices,
    /// Name of the CPU profile, which says what CPUID, MSRs and XCR0 show.
    #[n(12)]
    pub cpu_profile: String,
}

impl VmSpec {
    /// What the boot protocol passes as modules, in order: the initial RAM file system, then the others.
    pub fn boot_modules(&self) -> impl Iterator<Item = BootModule<'_>> {
        let initrd = self.initrd.iter().map(|file| BootModule {
            file: *file,
            command_line: "",
        });
        initrd.chain(self.modules.iter().map(|module| BootModule {
            file: module.file,
            command_line: &module.command_line,
        }))
    }

    /// Every file that the description names.
    pub(crate) fn files(&self) -> impl Iterator<Item = FileIndex> {
        let disks = self.disks.iter().filter_map(|disk| match disk.contents {
            DiskContents::File(file) => Some(file),
            DiskContents::Blank(_) => None,
        });
        let modules = self.boot_modules().map(|module| module.file);
        core::iter::once(self.kernel).chain(modules).chain(disks)
    }
}

/// The number of a file in the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct FileIndex(#[n(0)] pub u32);

/// A module as the boot protocol passes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootModule<'a> {
    /// Its contents.
    pub file: FileIndex,
    /// Its command line; empty for the initial RAM file system.
    pub command_line: &'a str,
}

/// Kinds of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ImageKind {
    /// Linux bzImage.
    #[n(0)]
    Linux,
    /// Hermit unikernel.
    #[n(1)]
    Hermit,
    /// ELF file that is entered as Xen's PVH guests are.
    #[n(2)]
    Pvh,
    /// Multiboot2 image.
    #[n(3)]
    Multiboot2,
    /// Multiboot image of the first version.
    #[n(4)]
    Multiboot1,
}

impl ImageKind {
    /// Every kind with its name in descriptions.
    pub const ALL: [(ImageKind, &'static str); 5] = [
        (ImageKind::Linux, "linux"),
        (ImageKind::Hermit, "hermit"),
        (ImageKind::Pvh, "pvh"),
        (ImageKind::Multiboot2, "multiboot2"),
        (ImageKind::Multiboot1, "multiboot1"),
    ];
}

/// A module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Module {
    /// Its contents.
    #[n(0)]
    pub file: FileIndex,
    /// Its command line.
    #[n(1)]
    pub command_line: String,
}

/// Devices of which a VM has one or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Devices {
    /// Serial port, a 16550 at 0x3f8 with interrupt 4.
    #[n(0)]
    pub serial: bool,
    /// Virtio console.
    #[n(1)]
    pub virtio_console: bool,
    /// Virtio entropy source.
    #[n(2)]
    pub entropy: bool,
    /// Virtio memory balloon.
    #[n(3)]
    pub balloon: bool,
}

impl Default for Devices {
    /// Serial port, entropy and balloon.
    fn default() -> Self {
        Devices {
            serial: true,
            virtio_console: false,
            entropy: true,
            balloon: true,
        }
    }
}

/// A virtio block device.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Disk {
    /// What is on it at first. What the guest writes is never written back.
    #[n(0)]
    pub contents: DiskContents,
    /// Writes fail.
    #[n(1)]
    pub read_only: bool,
    /// Name that the guest can ask for: ASCII, may be empty.
    #[n(2)]
    pub serial: String,
}

/// What is on a disk at first, a whole number of sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum DiskContents {
    /// A file of the bundle.
    #[n(0)]
    File(#[n(0)] FileIndex),
    /// So many bytes of zeroes.
    #[n(1)]
    Blank(#[n(0)] u64),
}

/// A virtio network card.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Net {
    /// Name of the network: cards of the same network reach each other.
    #[n(0)]
    pub network: String,
    /// Source addresses that the guest may send from; the first is the card's. At least one.
    #[n(1)]
    pub macs: Vec<Mac>,
    /// Bytes of the largest frame, without the Ethernet header.
    #[n(2)]
    pub mtu: u16,
}

/// An Ethernet address of a single card.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Mac(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub [u8; 6],
);

impl Mac {
    /// Whether it can be the address of a card: neither a group's nor all zeroes.
    pub fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }
}

impl fmt::Display for Mac {
    /// `02:00:00:00:00:01`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        write!(f, "{first:02x}")?;
        rest.iter().try_for_each(|byte| write!(f, ":{byte:02x}"))
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Devices for tests, at the ports where emulators have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TestDevices {
    /// QEMU's isa-debug-exit at port 0xf4: a write of `n` ends the VM with status `2n + 1`.
    #[n(0)]
    pub debug_exit: bool,
    /// Debug console at port 0xe9: bytes written are shown, reads give 0xe9.
    #[n(1)]
    pub debug_console: bool,
    /// POST codes at port 0x80 are logged.
    #[n(2)]
    pub post_code: bool,
}
