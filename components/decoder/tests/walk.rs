//! The page-table walk: against tables built by the kernel's own page-table code, and by hand.

use pagurus_decoder::paging::{
    AccessType, CR0_PG, CR0_WP, CR4_LA57, CR4_PAE, CR4_PSE, CR4_SMAP, CR4_SMEP, EFER_LMA, EFER_NXE,
    GuestMemory, MemoryAccess, Paging, TranslateError, Update, fetch, translate,
};
use pagurus_decoder::{CodeSize, Width};
use proptest::prelude::*;
use std::collections::BTreeMap;

const P: u64 = 1;
const W: u64 = 2;
const U: u64 = 4;
const A: u64 = 0x20;
const D: u64 = 0x40;
const PS: u64 = 0x80;
const NX: u64 = 1 << 63;

/// Guest memory as words of 4 bytes; everything below 4 MiB is RAM.
#[derive(Default)]
struct Memory(BTreeMap<u64, u32>);

const RAM: u64 = 4 << 20;

impl Memory {
    fn put(&mut self, address: u64, value: u64) {
        self.0.insert(address, value as u32);
        self.0.insert(address + 4, (value >> 32) as u32);
    }

    fn put32(&mut self, address: u64, value: u32) {
        self.0.insert(address, value);
    }

    fn word(&self, address: u64) -> u32 {
        self.0.get(&(address & !3)).copied().unwrap_or(0)
    }
}

impl GuestMemory for Memory {
    fn read(&self, address: u64, width: Width) -> Option<u64> {
        assert_eq!(address % u64::from(width.bytes()), 0);
        let low = u64::from(self.word(address));
        (address < RAM).then(|| match width {
            Width::Qword => low | u64::from(self.word(address + 4)) << 32,
            _ => low,
        })
    }

    fn copy(&self, address: u64, bytes: &mut [u8]) -> bool {
        assert!(address / 4096 == (address + bytes.len() as u64 - 1) / 4096);
        for (address, byte) in (address..).zip(&mut *bytes) {
            *byte = (self.word(address) >> (address % 4 * 8)) as u8;
        }
        address < RAM
    }
}

fn supervisor(kind: AccessType) -> MemoryAccess {
    MemoryAccess {
        kind,
        user: false,
        alignment_check: false,
    }
}

fn user(kind: AccessType) -> MemoryAccess {
    MemoryAccess {
        user: true,
        ..supervisor(kind)
    }
}

const READ: AccessType = AccessType::Read;
const WRITE: AccessType = AccessType::Write;
const EXECUTE: AccessType = AccessType::Execute;

fn long_mode() -> Paging {
    Paging {
        cr0: CR0_PG | CR0_WP | 1,
        cr3: 0x1000,
        cr4: CR4_PAE,
        efer: EFER_LMA | EFER_NXE,
        physical_bits: 40,
    }
}

/// 4 KiB at 0 to 0x5000, 2 MiB at 0x20_0000 to 0x60_0000, 1 GiB at 0x4000_0000 to 0xc000_0000.
fn long_tables(leaf: u64) -> Memory {
    let mut memory = Memory::default();
    let table = P | W | U;
    memory.put(0x1000, 0x2000 | table);
    memory.put(0x2000, 0x3000 | table);
    memory.put(0x2008, 0xc000_0000 | PS | leaf);
    memory.put(0x3000, 0x4000 | table);
    memory.put(0x3008, 0x60_0000 | PS | leaf);
    memory.put(0x4000, 0x5000 | leaf);
    memory
}

fn fault(code: u32) -> Result<u64, TranslateError> {
    Err(TranslateError::PageFault(code))
}

fn go(
    paging: &Paging,
    memory: &Memory,
    linear: u64,
    access: MemoryAccess,
) -> Result<u64, TranslateError> {
    translate(paging, memory, linear, access).map(|translation| translation.address)
}

#[test]
fn page_sizes() {
    let (paging, memory) = (long_mode(), long_tables(P | W | U));
    let at = |linear| translate(&paging, &memory, linear, supervisor(READ)).expect("mapped");
    assert_eq!((at(0x123).address, at(0x123).page_size), (0x5123, 4096));
    let large = at(0x3f_ffff);
    assert_eq!((large.address, large.page_size), (0x7f_ffff, 2 << 20));
    let huge = at(0x4123_4567);
    assert_eq!((huge.address, huge.page_size), (0xc123_4567, 1 << 30));
    let read = supervisor(READ);
    assert_eq!(go(&paging, &memory, 0x1000, read), fault(0));
    assert_eq!(
        go(&paging, &memory, 0x8000_0000_0000, read),
        Err(TranslateError::NonCanonical)
    );
    assert_eq!(go(&paging, &memory, 0xffff_8000_0000_0000, read), fault(0));
}

#[test]
fn without_paging_addresses_are_physical() {
    let paging = Paging::default();
    assert_eq!(
        go(&paging, &Memory::default(), 0x1_fee0_0080, user(WRITE)),
        Ok(0xfee0_0080)
    );
}

#[test]
fn permissions() {
    let paging = long_mode();
    // Supervisor pages.
    let memory = long_tables(P | W);
    assert_eq!(go(&paging, &memory, 0, supervisor(WRITE)), Ok(0x5000));
    assert_eq!(go(&paging, &memory, 0, user(READ)), fault(0b00101));
    assert_eq!(go(&paging, &memory, 0, user(EXECUTE)), fault(0b10101));
    // Read-only pages, with and without CR0.WP.
    let memory = long_tables(P | U);
    assert_eq!(go(&paging, &memory, 0, user(WRITE)), fault(0b00111));
    assert_eq!(go(&paging, &memory, 0, supervisor(WRITE)), fault(0b00011));
    let lax = Paging {
        cr0: CR0_PG | 1,
        ..paging
    };
    assert_eq!(go(&lax, &memory, 0, supervisor(WRITE)), Ok(0x5000));
    assert_eq!(go(&lax, &memory, 0, user(WRITE)), fault(0b00111));
    // Not executable.
    let memory = long_tables(P | W | U | NX);
    assert_eq!(go(&paging, &memory, 0, user(EXECUTE)), fault(0b10101));
    assert_eq!(go(&paging, &memory, 0, user(READ)), Ok(0x5000));
    // Without NXE the bit is reserved.
    let plain = Paging {
        efer: EFER_LMA,
        ..paging
    };
    assert_eq!(go(&plain, &memory, 0, user(READ)), fault(0b01101));
    assert_eq!(go(&plain, &memory, 0, user(EXECUTE)), fault(0b01101));
}

#[test]
fn every_level_counts() {
    let paging = long_mode();
    let mut memory = long_tables(P | W | U);
    memory.put(0x2000, 0x3000 | P | W);
    assert_eq!(go(&paging, &memory, 0, user(READ)), fault(0b00101));
    memory.put(0x2000, 0x3000 | P | U);
    assert_eq!(go(&paging, &memory, 0, user(WRITE)), fault(0b00111));
    memory.put(0x2000, 0x3000 | P | W | U | NX);
    assert_eq!(go(&paging, &memory, 0, user(EXECUTE)), fault(0b10101));
}

#[test]
fn supervisor_mode_protection() {
    let memory = long_tables(P | W | U);
    let smep = Paging {
        cr4: CR4_PAE | CR4_SMEP,
        ..long_mode()
    };
    assert_eq!(go(&smep, &memory, 0, supervisor(EXECUTE)), fault(0b10001));
    assert_eq!(go(&smep, &memory, 0, user(EXECUTE)), Ok(0x5000));
    let smap = Paging {
        cr4: CR4_PAE | CR4_SMAP,
        ..long_mode()
    };
    assert_eq!(go(&smap, &memory, 0, supervisor(READ)), fault(0b00001));
    assert_eq!(go(&smap, &memory, 0, supervisor(EXECUTE)), Ok(0x5000));
    let allowed = MemoryAccess {
        alignment_check: true,
        ..supervisor(READ)
    };
    assert_eq!(go(&smap, &memory, 0, allowed), Ok(0x5000));
}

#[test]
fn reserved_bits() {
    let paging = long_mode();
    for (entry, value) in [
        (0x1000, 0x2000 | P | W | U | PS),
        (0x2000, 0x3000 | P | W | U | 1 << 40),
        (0x4000, 0x5000 | P | W | U | 1 << 51),
    ] {
        let mut memory = long_tables(P | W | U);
        memory.put(entry, value);
        assert_eq!(go(&paging, &memory, 0, supervisor(READ)), fault(0b01001));
    }
    // Bits above are the guest's own.
    let mut memory = long_tables(P | W | U);
    memory.put(0x4000, 0x5000 | P | W | U | 1 << 52);
    assert_eq!(go(&paging, &memory, 0, supervisor(READ)), Ok(0x5000));
    // A large page's low address bits, but for the one that is the memory type.
    memory.put(0x3008, 0x60_0000 | PS | P | 1 << 13);
    assert_eq!(
        go(&paging, &memory, 0x20_0000, supervisor(READ)),
        fault(0b01001)
    );
    memory.put(0x3008, 0x60_0000 | PS | P | 1 << 12);
    assert_eq!(
        go(&paging, &memory, 0x20_0000, supervisor(READ)),
        Ok(0x60_0000)
    );
}

#[test]
fn tables_outside_ram_are_named() {
    let mut memory = long_tables(P | W | U);
    memory.put(0x2000, 0xfee0_0000 | P | W);
    assert_eq!(
        go(&long_mode(), &memory, 0, supervisor(READ)),
        Err(TranslateError::NotInRam(0xfee0_0000))
    );
}

#[test]
fn accessed_and_dirty_bits_to_set() {
    let paging = long_mode();
    let mut memory = long_tables(P | W | U | A);
    memory.put(0x1000, 0x2000 | P | W | U | A);
    let updates = |kind| {
        let found = translate(&paging, &memory, 0, supervisor(kind)).expect("mapped");
        let mut set = found.updates.to_vec();
        set.retain(|update| update.set != 0);
        set.sort_by_key(|update| update.address);
        set
    };
    let accessed = |address| Update {
        address,
        set: A as u8,
    };
    assert_eq!(updates(READ), [accessed(0x2000), accessed(0x3000)]);
    let dirty = Update {
        address: 0x4000,
        set: D as u8,
    };
    assert_eq!(updates(WRITE), [accessed(0x2000), accessed(0x3000), dirty]);
}

#[test]
fn five_levels() {
    let paging = Paging {
        cr3: 0x8000,
        cr4: CR4_PAE | CR4_LA57,
        ..long_mode()
    };
    let mut memory = long_tables(P | W | U);
    memory.put(0x8000 + 8 * 8, 0x1000 | P | W | U);
    assert_eq!(
        go(&paging, &memory, 8 << 48 | 0x123, user(READ)),
        Ok(0x5123)
    );
    assert_eq!(
        go(&paging, &memory, 1 << 57, user(READ)),
        Err(TranslateError::NonCanonical)
    );
}

#[test]
fn pae() {
    let paging = Paging {
        cr3: 0x1fe0,
        efer: EFER_NXE,
        ..long_mode()
    };
    let mut memory = Memory::default();
    memory.put(0x1fe0 + 3 * 8, 0x2000 | P);
    memory.put(0x2000 + 511 * 8, 0x3000 | P | W | U);
    memory.put(0x2000 + 510 * 8, 0x12_3440_0000 | PS | P | W | U);
    memory.put(0x3000 + 511 * 8, 0xf_fee0_0000 | P | W | NX);
    // Permissions are those of the lower levels; the pointers have none. High bits do not exist.
    assert_eq!(
        go(&paging, &memory, 0x5_ffff_f080, supervisor(WRITE)),
        Ok(0xf_fee0_0080)
    );
    assert_eq!(
        go(&paging, &memory, 0xffff_f080, supervisor(EXECUTE)),
        fault(0b10001)
    );
    assert_eq!(
        go(&paging, &memory, 0xffc0_1234, user(WRITE)),
        Ok(0x12_3440_1234)
    );
    let pointers = translate(&paging, &memory, 0xffff_f080, supervisor(WRITE)).expect("mapped");
    assert!(
        pointers
            .updates
            .iter()
            .all(|update| update.address < 0x1fe0 || update.address >= 0x2000)
    );
    memory.put(0x1fe0 + 3 * 8, 0x2000 | P | W);
    assert_eq!(
        go(&paging, &memory, 0xffff_f080, supervisor(READ)),
        fault(0b01001)
    );
}

#[test]
fn two_levels_of_32_bits() {
    let paging = Paging {
        cr4: CR4_PSE,
        efer: 0,
        ..long_mode()
    };
    let mut memory = Memory::default();
    memory.put32(0x1000 + 0x3fb * 4, 0x2000 | 7);
    memory.put32(0x2000 + 0x200 * 4, 0xfee0_0000 | 7);
    // 4 MiB at 0x80_0000, with bits 32 and 33 of the address.
    memory.put32(0x1008, 0x0140_0000 | 0x6000 | 0x87);
    assert_eq!(
        go(&paging, &memory, 0xfee0_0080, user(WRITE)),
        Ok(0xfee0_0080)
    );
    assert_eq!(
        go(&paging, &memory, 0x8a_bcde, user(READ)),
        Ok(0x3_014a_bcde)
    );
    // Without PSE the same entry is a table.
    let no_pse = Paging { cr4: 0, ..paging };
    assert_eq!(
        go(&no_pse, &memory, 0x8a_bcde, user(READ)),
        Err(TranslateError::NotInRam(0x0140_6000 + 0xab * 4))
    );
    // Fetches are not told from reads where nothing depends on it.
    assert_eq!(go(&paging, &memory, 0, user(EXECUTE)), fault(0b00100));
    memory.put32(0x1008, 0x0140_0000 | 1 << 21 | 0x87);
    assert_eq!(go(&paging, &memory, 0x8a_bcde, user(READ)), fault(0b01101));
}

#[test]
fn code_is_fetched_across_pages() {
    let paging = long_mode();
    let mut memory = long_tables(P | W | U);
    memory.put(0x4008, 0x9000 | P | U);
    memory.put(0x5ff8, 0x0807_0605_0403_0201);
    memory.put(0x9000, 0x100f_0e0d_0c0b_0a09);
    let both = fetch(&paging, &memory, 0xff9, CodeSize::Bits64, false).expect("mapped");
    assert_eq!(
        both.bytes(),
        [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
    );
    assert_eq!(both.stopped, None);
    // The second page is not there: what precedes it may be a whole instruction.
    memory.put(0x4008, 0);
    let first = fetch(&paging, &memory, 0xffe, CodeSize::Bits64, true).expect("mapped");
    assert_eq!(first.bytes(), [7, 8]);
    assert_eq!(
        first.stopped,
        Some((0x1000, TranslateError::PageFault(0b10100)))
    );
    let none = fetch(&paging, &memory, 0x1000, CodeSize::Bits64, false);
    assert_eq!(none, Err(TranslateError::PageFault(0b10000)));
}

proptest! {
    /// Tables full of noise never make the walk panic, and every table read is in RAM.
    #[test]
    fn noise_is_survived(
        entries in prop::collection::vec((0u64..0x10000, any::<u64>()), 0..64),
        cr3 in any::<u64>(),
        cr4 in any::<u64>(),
        efer in any::<u64>(),
        physical_bits in any::<u8>(),
        linear in any::<u64>(),
        is_user in any::<bool>(),
    ) {
        let mut memory = Memory::default();
        for (address, entry) in entries {
            memory.put(address & !7, entry & 0x8000_0000_0000_ffff | P);
        }
        let paging = Paging { cr0: CR0_PG, cr3: cr3 & 0xffff, cr4, efer, physical_bits };
        for kind in [READ, WRITE, EXECUTE] {
            let access = MemoryAccess { kind, user: is_user, alignment_check: false };
            let _ = translate(&paging, &memory, linear, access);
        }
        let _ = fetch(&paging, &memory, linear, CodeSize::Bits32, is_user);
    }
}
