//! Machines to describe.

use pagurus_guest_acpi::{
    Hpet, IoApic, Pci, Platform, PowerManagement, Range, Reset, Serial, Tables, build,
};

pub const AT: u64 = 0xfff_0000;

/// A PC with everything.
pub fn pc(processors: u32) -> Platform {
    Platform {
        processors: (0..processors).collect(),
        local_apic: 0xfee0_0000,
        io_apic: IoApic {
            id: 0,
            address: 0xfec0_0000,
            timer_input: 2,
        },
        power: PowerManagement {
            event: (0x600, 4),
            control: (0x604, 2),
            timer: (0x608, 4),
            timer_32: true,
            gpe: (0x610, 4),
            sleep_type_off: 5,
            interrupt: 9,
        },
        reset: Some(Reset {
            port: 0xcf9,
            value: 6,
        }),
        hpet: Some(Hpet {
            address: 0xfed0_0000,
            block_id: 0x8086_a201,
            minimum_tick: 100,
        }),
        pci: Some(Pci {
            ecam: Some(0xe000_0000),
            memory: Range {
                start: 0xc000_0000,
                end: 0xe000_0000,
            },
            memory_high: Range {
                start: 0x8_0000_0000,
                end: 0x9_0000_0000,
            },
            io: Range {
                start: 0x1000,
                end: 0x1_0000,
            },
            inputs: [16, 17, 18, 19],
            interrupts: [5, 10, 11, 5],
        }),
        serial: vec![
            Serial {
                port: 0x3f8,
                interrupt: 4,
            },
            Serial {
                port: 0x2f8,
                interrupt: 3,
            },
        ],
        keyboard_controller: true,
        clock: true,
        century: 0x32,
    }
}

/// The same without anything that can be left out.
pub fn bare() -> Platform {
    Platform {
        reset: None,
        hpet: None,
        pci: None,
        serial: vec![],
        keyboard_controller: false,
        clock: false,
        century: 0,
        ..pc(1)
    }
}

/// Tables to look into.
pub struct View(pub Tables);

impl View {
    pub fn of(platform: &Platform) -> View {
        View(build(platform, AT).expect("tables"))
    }

    pub fn bytes(&self, address: u64, length: usize) -> &[u8] {
        &self.0.bytes[(address - self.0.address) as usize..][..length]
    }

    pub fn u32(&self, address: u64) -> u32 {
        u32::from_le_bytes(*self.bytes(address, 4).first_chunk().expect("4 bytes"))
    }

    pub fn u64(&self, address: u64) -> u64 {
        u64::from_le_bytes(*self.bytes(address, 8).first_chunk().expect("8 bytes"))
    }

    /// A whole table.
    pub fn table(&self, address: u64) -> &[u8] {
        self.bytes(address, self.u32(address + 4) as usize)
    }

    /// Addresses in the XSDT.
    pub fn list(&self) -> Vec<u64> {
        let xsdt = self.u64(AT + 24);
        let length = self.table(xsdt).len() as u64;
        (36..length)
            .step_by(8)
            .map(|at| self.u64(xsdt + at))
            .collect()
    }

    /// The table with this signature.
    pub fn find(&self, signature: &[u8; 4]) -> Option<u64> {
        let mut list = self.list().into_iter();
        list.find(|address| self.bytes(*address, 4) == signature)
    }

    /// The FADT.
    pub fn fadt(&self) -> u64 {
        self.find(b"FACP").expect("a FADT")
    }

    /// The DSDT.
    pub fn dsdt(&self) -> u64 {
        self.u64(self.fadt() + 140)
    }
}

pub fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}
