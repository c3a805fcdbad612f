//! What a component finds when it starts.
//!
//! A component starts at its ELF entry with `rdi` = address of its IPC buffer and `rsi` = address of its
//! [`StartInfo`] (read-only), on a stack that ends at [`STACK_TOP`](pagurus_abi::layout::STACK_TOP).

use crate::name::Name;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `StartInfo::magic`: "PAGSTART" in little endian.
pub const START_MAGIC: u64 = u64::from_le_bytes(*b"PAGSTART");
/// `StartInfo::version` of this layout.
pub const START_VERSION: u32 = 1;
/// Where a component finds its [`StartInfo`]: near the IPC buffer, so that both take the same page table, with an
/// unmapped page between.
pub const START_INFO: u64 = pagurus_abi::layout::IPC_BUFFER + 0x2000;
/// Components of which a system can consist; their identifiers are 1 to this.
pub const MAX_COMPONENTS: usize = 256;
/// Bytes of the argument text.
pub const ARGUMENT_BYTES: usize = 1024;

/// Boot modules that one component can have mapped.
pub const MAX_MODULES: usize = 16;
/// Bytes of addresses that are kept free for a boot module: 64 GiB.
pub const MODULE_ROOM: u64 = 1 << 36;

/// A boot module that is mapped for the component, whole and contiguous, read-only.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct ModuleMapping {
    /// Its address; 0 in entries that are not used.
    pub address: u64,
    /// Its length in bytes; 0 if the boot loader did not bring it, then nothing is mapped.
    pub bytes: u64,
}

/// The page that root prepares for a component.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
pub struct StartInfo {
    /// [`START_MAGIC`].
    pub magic: u64,
    /// [`START_VERSION`].
    pub version: u32,
    /// Identifier of the component: 1 for the first of the system's description. Also the badge by which servers
    /// know it where the description gives no other.
    pub id: u32,
    /// Name of the component.
    pub name: Name,
    /// Bytes of the heap at [`HEAP_BASE`](pagurus_abi::layout::HEAP_BASE); 0 for none.
    pub heap_bytes: u64,
    /// Bytes of the first thread's stack.
    pub stack_bytes: u64,
    /// Frequency of the time stamp counter in kHz.
    pub tsc_khz: u64,
    /// log2 of the slots in the component's CNode.
    pub cnode_bits: u32,
    /// First of the slots that the component may fill at run time; they are empty.
    pub first_free_slot: u32,
    /// How many such slots.
    pub free_slots: u32,
    /// How many times the component was restarted.
    pub restarts: u32,
    /// Bytes of `argument` that are used.
    pub argument_bytes: u32,
    /// Zero.
    pub reserved_0: u32,
    /// Text from the system's description.
    pub argument: [u8; ARGUMENT_BYTES],
    /// For the component that serves [`memory`](crate::memory): bytes that each component may ask it for, by
    /// identifier less 1. Zero for all others.
    pub memory_quotas: [u64; MAX_COMPONENTS],
    /// The boot modules that the description maps for the component.
    pub modules: [ModuleMapping; MAX_MODULES],
    /// Zero.
    pub reserved: [u64; 82],
}

const _: () = assert!(size_of::<StartInfo>() == 4096);

impl StartInfo {
    /// The start page of component `id` named `name`, everything else zero.
    pub fn new(id: u32, name: Name) -> Self {
        StartInfo {
            magic: START_MAGIC,
            version: START_VERSION,
            id,
            name,
            heap_bytes: 0,
            stack_bytes: 0,
            tsc_khz: 0,
            cnode_bits: 0,
            first_free_slot: 0,
            free_slots: 0,
            restarts: 0,
            argument_bytes: 0,
            reserved_0: 0,
            argument: [0; ARGUMENT_BYTES],
            memory_quotas: [0; MAX_COMPONENTS],
            modules: [ModuleMapping::default(); MAX_MODULES],
            reserved: [0; 82],
        }
    }

    /// Whether magic and version are those of this layout.
    pub fn is_valid(&self) -> bool {
        self.magic == START_MAGIC && self.version == START_VERSION
    }

    /// The length in bytes of the boot module at `address`; `None` if none is mapped there, be it that the
    /// description names none or that the boot loader did not bring it.
    pub fn module_bytes(&self, address: u64) -> Option<u64> {
        let module = self.modules.iter().find(|module| module.address == address);
        module.map(|module| module.bytes).filter(|bytes| *bytes > 0)
    }

    /// Sets the argument text; `false` if it is too long, then nothing is set.
    #[must_use]
    pub fn set_argument(&mut self, text: &str) -> bool {
        let Some(place) = self.argument.get_mut(..text.len()) else {
            return false;
        };
        place.copy_from_slice(text.as_bytes());
        self.argument_bytes = text.len() as u32;
        true
    }

    /// The argument text; empty if it is not UTF-8.
    pub fn argument(&self) -> &str {
        let end = (self.argument_bytes as usize).min(ARGUMENT_BYTES);
        core::str::from_utf8(&self.argument[..end]).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn argument_round_trips_or_is_refused(text in ".{0,1200}") {
            let mut start = StartInfo::new(3, Name::new("console"));
            let fits = start.set_argument(&text);
            prop_assert_eq!(fits, text.len() <= ARGUMENT_BYTES);
            prop_assert_eq!(start.argument(), if fits { text.as_str() } else { "" });
            prop_assert!(start.is_valid());
        }
    }

    #[test]
    fn modules_are_found_by_address_if_they_are_there() {
        let mut start = StartInfo::new(3, Name::new("vmm"));
        start.modules[0] = ModuleMapping {
            address: 0x1000,
            bytes: 5,
        };
        start.modules[1].address = 0x2000;
        let found = [0x1000, 0x2000, 0x3000, 0].map(|address| start.module_bytes(address));
        assert_eq!(found, [Some(5), None, None, None]);
    }

    #[test]
    fn a_page_of_anything_is_no_start_page() {
        let page = StartInfo::read_from_bytes(&[0xa5; 4096]).unwrap();
        assert!(!page.is_valid());
        assert_eq!(page.argument(), "");
    }
}
