//! The flattened device tree from which a Hermit kernel learns about memory, command line and ACPI.

use crate::error::ImageError;
use crate::guest::{MemoryKind, MemoryRange};
use alloc::format;
use alloc::vec::Vec;
use vm_fdt::{Error, FdtReserveEntry, FdtWriter};

/// What is in it.
pub struct DeviceTree<'a> {
    /// Memory map.
    pub memory: &'a [MemoryRange],
    /// Command line.
    pub command_line: &'a str,
    /// Address of the ACPI root pointer.
    pub rsdp: Option<u64>,
    /// Address and length of the module.
    pub initrd: Option<(u64, u64)>,
}

impl DeviceTree<'_> {
    /// The tree as bytes.
    pub fn bytes(&self) -> Result<Vec<u8>, ImageError> {
        self.write()
            .map_err(|_| ImageError::Damaged("device tree: the command line does not fit into it"))
    }

    fn write(&self) -> Result<Vec<u8>, Error> {
        // What the kernel must not take for free memory.
        let mut reserved = Vec::new();
        if let Some((address, length)) = self.initrd {
            reserved.push(FdtReserveEntry::new(address, length)?);
        }
        let mut tree = FdtWriter::new_with_mem_reserv(&reserved)?;
        let root = tree.begin_node("")?;
        tree.property_string("compatible", "hermit,pagurus")?;
        tree.property_u32("#address-cells", 2)?;
        tree.property_u32("#size-cells", 2)?;
        if let Some(rsdp) = self.rsdp {
            let node = tree.begin_node(&format!("hermit,rsdp@{rsdp:x}"))?;
            tree.property_array_u64("reg", &[rsdp, 1])?;
            tree.end_node(node)?;
        }
        let ram = self
            .memory
            .iter()
            .filter(|range| range.kind == MemoryKind::Ram);
        for range in ram {
            let node = tree.begin_node(&format!("memory@{:x}", range.start))?;
            tree.property_string("device_type", "memory")?;
            tree.property_array_u64("reg", &[range.start, range.length])?;
            tree.end_node(node)?;
        }
        let chosen = tree.begin_node("chosen")?;
        tree.property_string("bootargs", self.command_line)?;
        if let Some((address, length)) = self.initrd {
            tree.property_u64("linux,initrd-start", address)?;
            tree.property_u64("linux,initrd-end", address + length)?;
        }
        tree.end_node(chosen)?;
        tree.end_node(root)?;
        tree.finish()
    }
}
