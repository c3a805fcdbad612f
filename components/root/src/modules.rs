//! The boot modules: the capDL image and the programs.

use crate::window::ModuleFrames;
use alloc::vec::Vec;
use pagurus_abi::boot::ModuleDesc;
use pagurus_capdl_image::{Component, Image, ObjectKind};
use pagurus_protocol::start::ModuleMapping;
use pagurus_rt::Cap;

/// Name of the module with the capDL image.
pub const SYSTEM: &str = "system";

/// The modules that the boot loader brought.
#[derive(Clone, Copy, Debug)]
pub struct Modules<'a>(pub &'a [ModuleDesc]);

impl Modules<'_> {
    /// The frames of the module with this name, if there is one with content.
    pub fn find(&self, name: &str) -> Option<ModuleFrames> {
        let module = self.0.iter().find(|m| m.name() == name)?;
        let frames: Vec<_> = (module.first_slot
            ..module.first_slot.checked_add(module.slot_count)?)
            .map(Cap::new)
            .collect();
        (module.length > 0 && !frames.is_empty()).then_some(ModuleFrames {
            frames,
            bytes: module.length,
        })
    }

    /// The boot modules that `component` maps: the address, and the length in bytes, which is 0 if the boot loader did
    /// not bring the module.
    pub fn mapped<'b>(
        &'b self,
        image: &'b Image<'_>,
        component: &'b Component<'_>,
    ) -> impl Iterator<Item = ModuleMapping> + 'b {
        component.maps().filter_map(|map| {
            let object = image.object(map.object)?;
            (object.kind == ObjectKind::Module).then(|| ModuleMapping {
                address: map.address,
                bytes: self.find(object.name).map_or(0, |module| module.bytes),
            })
        })
    }

    /// Bytes of all modules.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|m| m.length).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, length: u64, first_slot: u32, slot_count: u32) -> ModuleDesc {
        let mut bytes = [0; 48];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        ModuleDesc {
            name: bytes,
            address: 0,
            length,
            first_slot,
            slot_count,
        }
    }

    #[test]
    fn modules_are_found_by_their_whole_name() {
        let all = [
            module("log2", 5, 80, 1),
            module("log", 5000, 90, 2),
            module("empty", 0, 95, 0),
        ];
        let modules = Modules(&all);
        let found = modules.find("log").unwrap();
        assert_eq!(
            (found.frames.len(), found.frames[0].index(), found.bytes),
            (2, 90, 5000)
        );
        assert_eq!(modules.find("lo"), None);
        assert_eq!(modules.find("empty"), None);
        assert_eq!(modules.bytes(), 5005);
    }
}
