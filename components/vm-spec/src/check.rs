//! Whether a description keeps to the limits.

use crate::error::SpecError;
use crate::limit;
use crate::spec::{Disk, DiskContents, FileIndex, Mac, Net, VmSpec};

/// Whether `text` is a name as VMs, networks and CPU profiles have it.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=limit::MAX_NAME).contains(&text.len()) && text.bytes().all(allowed)
}

pub(crate) fn is_command_line(text: &str) -> bool {
    text.len() <= limit::MAX_COMMAND_LINE && !text.contains('\0')
}

pub(crate) fn is_memory(bytes: u64) -> bool {
    (limit::MIN_MEMORY..=limit::MAX_MEMORY).contains(&bytes)
        && bytes.is_multiple_of(limit::MEMORY_GRANULE)
}

pub(crate) fn is_disk_size(bytes: u64) -> bool {
    bytes > 0 && bytes.is_multiple_of(limit::SECTOR)
}

pub(crate) fn is_serial(text: &str) -> bool {
    text.len() <= limit::MAX_SERIAL && text.bytes().all(|c| (b' '..=b'~').contains(&c))
}

pub(crate) fn are_macs(macs: &[Mac]) -> bool {
    let repeated = macs
        .iter()
        .enumerate()
        .any(|(n, mac)| macs[..n].contains(mac));
    (1..=limit::MAX_MACS).contains(&macs.len())
        && macs.iter().all(|mac| mac.is_unicast())
        && !repeated
}

fn only_if(holds: bool, error: SpecError) -> Result<(), SpecError> {
    if holds { Ok(()) } else { Err(error) }
}

impl VmSpec {
    /// Whether the description keeps to the limits, if the file of index `n` has `lengths[n]` bytes.
    pub(crate) fn check(
        &self,
        lengths: impl Fn(FileIndex) -> Option<u64>,
    ) -> Result<(), SpecError> {
        only_if(is_name(&self.name), SpecError::Name)?;
        only_if(is_name(&self.cpu_profile), SpecError::CpuProfile)?;
        only_if(is_memory(self.memory), SpecError::Memory(self.memory))?;
        only_if(
            (1..=limit::MAX_VCPUS).contains(&self.vcpus),
            SpecError::Vcpus(self.vcpus),
        )?;
        only_if(
            self.modules.len() <= limit::MAX_MODULES,
            SpecError::Modules(self.modules.len()),
        )?;
        let lines = self.boot_modules().map(|module| module.command_line);
        for line in lines.chain([self.command_line.as_str()]) {
            only_if(is_command_line(line), SpecError::CommandLine)?;
        }
        for file in self.files() {
            only_if(lengths(file).is_some(), SpecError::NoFile(file.0))?;
        }
        let loaded = self.boot_modules().map(|module| module.file);
        for file in loaded.chain([self.kernel]) {
            only_if(lengths(file) != Some(0), SpecError::EmptyFile(file.0))?;
        }
        self.check_disks(lengths)?;
        self.check_nets()
    }

    fn check_disks(&self, lengths: impl Fn(FileIndex) -> Option<u64>) -> Result<(), SpecError> {
        only_if(
            self.disks.len() <= limit::MAX_DISKS,
            SpecError::Disks(self.disks.len()),
        )?;
        for (
            n,
            Disk {
                contents, serial, ..
            },
        ) in self.disks.iter().enumerate()
        {
            let bytes = match contents {
                DiskContents::File(file) => lengths(*file).ok_or(SpecError::NoFile(file.0))?,
                DiskContents::Blank(bytes) => *bytes,
            };
            only_if(is_disk_size(bytes), SpecError::DiskSize(n))?;
            only_if(is_serial(serial), SpecError::DiskSerial(n))?;
        }
        Ok(())
    }

    fn check_nets(&self) -> Result<(), SpecError> {
        only_if(
            self.nets.len() <= limit::MAX_NETS,
            SpecError::Nets(self.nets.len()),
        )?;
        for (n, Net { network, macs, mtu }) in self.nets.iter().enumerate() {
            only_if(is_name(network), SpecError::Network(n))?;
            only_if(are_macs(macs), SpecError::Macs(n))?;
            only_if(limit::MTU.contains(mtu), SpecError::Mtu(n))?;
        }
        Ok(())
    }
}
