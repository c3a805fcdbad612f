//! The tables of a description.

use crate::spec::{Devices, ImageKind, TestDevices};
use pagurus_capdl_spec::{Bytes, Spanned};
use serde::Deserialize;
use std::path::PathBuf;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VmTable {
    pub name: Spanned<String>,
    pub memory: Spanned<Bytes>,
    pub vcpus: Option<Spanned<u32>>,
    pub kernel: Spanned<PathBuf>,
    pub kind: Option<Kind>,
    pub initrd: Option<Spanned<PathBuf>>,
    pub command_line: Option<Spanned<String>>,
    pub cpu: Option<Spanned<String>>,
    #[serde(default)]
    pub devices: DevicesTable,
    #[serde(default)]
    pub test_devices: TestDevicesTable,
    #[serde(default)]
    pub module: Vec<Spanned<ModuleTable>>,
    #[serde(default)]
    pub disk: Vec<Spanned<DiskTable>>,
    #[serde(default)]
    pub net: Vec<Spanned<NetTable>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Linux,
    Hermit,
    Pvh,
    Multiboot2,
    Multiboot1,
}

impl From<Kind> for ImageKind {
    fn from(kind: Kind) -> ImageKind {
        match kind {
            Kind::Linux => ImageKind::Linux,
            Kind::Hermit => ImageKind::Hermit,
            Kind::Pvh => ImageKind::Pvh,
            Kind::Multiboot2 => ImageKind::Multiboot2,
            Kind::Multiboot1 => ImageKind::Multiboot1,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevicesTable {
    serial: Option<bool>,
    virtio_console: Option<bool>,
    entropy: Option<bool>,
    balloon: Option<bool>,
}

impl From<DevicesTable> for Devices {
    fn from(table: DevicesTable) -> Devices {
        let usual = Devices::default();
        Devices {
            serial: table.serial.unwrap_or(usual.serial),
            virtio_console: table.virtio_console.unwrap_or(usual.virtio_console),
            entropy: table.entropy.unwrap_or(usual.entropy),
            balloon: table.balloon.unwrap_or(usual.balloon),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestDevicesTable {
    #[serde(default)]
    debug_exit: bool,
    #[serde(default)]
    debug_console: bool,
    #[serde(default)]
    post_code: bool,
}

impl From<TestDevicesTable> for TestDevices {
    fn from(table: TestDevicesTable) -> TestDevices {
        TestDevices {
            debug_exit: table.debug_exit,
            debug_console: table.debug_console,
            post_code: table.post_code,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleTable {
    pub file: Spanned<PathBuf>,
    pub command_line: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskTable {
    pub file: Option<Spanned<PathBuf>>,
    pub size: Option<Spanned<Bytes>>,
    #[serde(default)]
    pub read_only: bool,
    pub serial: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetTable {
    pub network: Option<Spanned<String>>,
    pub macs: Option<Spanned<Vec<Spanned<String>>>>,
    pub mtu: Option<Spanned<u16>>,
}
