//! Interrupt controllers and processors: MADT (section 5.2.12).

use crate::platform::Platform;
use alloc::vec::Vec;

/// The revision that ACPI 6.4 and later have.
const REVISION: u8 = 5;
/// There are 8259s beside the APICs.
const PCAT_COMPAT: u32 = 1 << 0;
/// The processor is usable.
const ENABLED: u32 = 1 << 0;
/// Local APIC IDs of 8 bits end here.
const XAPIC_END: u32 = 255;

/// Structure types.
const LOCAL_APIC: u8 = 0;
const IO_APIC: u8 = 1;
const OVERRIDE: u8 = 2;
const LOCAL_NMI: u8 = 4;
const LOCAL_X2APIC: u8 = 9;
const LOCAL_X2APIC_NMI: u8 = 10;

/// The ISA bus.
const ISA: u8 = 0;
/// Polarity and trigger mode as usual on the bus.
const CONFORMS: u16 = 0;
/// Active high, level-triggered.
const LEVEL_HIGH: u16 = 0b1101;
/// Active high, edge-triggered.
const EDGE_HIGH: u16 = 0b0101;
/// All processors, in structures for IDs of 8 and of 32 bits.
const ALL: u8 = 0xff;
const ALL_X2APIC: u32 = 0xffff_ffff;

/// Everything behind the header.
fn body_of(platform: &Platform) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(platform.local_apic.to_le_bytes());
    body.extend(PCAT_COMPAT.to_le_bytes());
    let mut entry = |kind: u8, fields: &[&[u8]]| {
        let length: usize = fields.iter().map(|field| field.len()).sum();
        body.extend([kind, 2 + length as u8]);
        body.extend(fields.concat());
    };

    let mut large = false;
    for (uid, id) in platform.processors.iter().enumerate() {
        let uid = uid as u32;
        match u8::try_from(*id) {
            // 255 means all of them.
            Ok(id) if u32::from(id) < XAPIC_END && uid < XAPIC_END => {
                entry(LOCAL_APIC, &[&[uid as u8, id], &ENABLED.to_le_bytes()]);
            }
            _ => {
                large = true;
                let numbers = [*id, ENABLED, uid].map(u32::to_le_bytes);
                entry(LOCAL_X2APIC, &[&[0, 0], numbers.as_flattened()]);
            }
        }
    }
    let io_apic = platform.io_apic;
    let base = 0u32.to_le_bytes();
    entry(
        IO_APIC,
        &[&[io_apic.id, 0], &io_apic.address.to_le_bytes(), &base],
    );

    let mut redirect = |interrupt: u8, input: u32, mode: u16| {
        entry(
            OVERRIDE,
            &[&[ISA, interrupt], &input.to_le_bytes(), &mode.to_le_bytes()],
        );
    };
    if io_apic.timer_input != 0 {
        redirect(0, io_apic.timer_input.into(), CONFORMS);
    }
    let control = platform.power.interrupt;
    redirect(control, control.into(), LEVEL_HIGH);
    // PCI lines at inputs that ISA interrupts have, which would be edge-triggered.
    let mut done = alloc::vec![u32::from(control)];
    for input in platform.pci.iter().flat_map(|pci| pci.inputs) {
        if input < 16 && !done.contains(&input) {
            redirect(input as u8, input, LEVEL_HIGH);
            done.push(input);
        }
    }

    // The NMI button, on LINT1 of all processors.
    entry(LOCAL_NMI, &[&[ALL], &EDGE_HIGH.to_le_bytes(), &[1]]);
    if large {
        let all = ALL_X2APIC.to_le_bytes();
        entry(
            LOCAL_X2APIC_NMI,
            &[&EDGE_HIGH.to_le_bytes(), &all, &[1, 0, 0, 0]],
        );
    }
    body
}

/// The table with its header.
pub fn table(platform: &Platform) -> Vec<u8> {
    crate::tables::table(*b"APIC", REVISION, &body_of(platform))
}
