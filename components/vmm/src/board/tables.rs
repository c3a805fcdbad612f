//! What the guest is told about the board: ACPI tables.

use super::{COM1, PM_PORTS, line, registers};
use alloc::vec;
use pagurus_devices_chipset::{hpet, pm, reset, rtc};
use pagurus_guest_acpi::{
    BuildError, Hpet, IoApic, Platform, PowerManagement, Reset, Serial, Tables, build,
};

/// Where the tables lie: where guests that are not told look for them, in memory that is not for use.
pub const ADDRESS: u64 = 0xe_0000;
/// Where the local APIC's registers are after reset.
const LOCAL_APIC: u32 = 0xfee0_0000;

/// The tables of a machine with these processors, by local APIC identifier.
///
/// # Errors
/// There are more processors than tables can name.
pub fn tables(processors: &[u32]) -> Result<Tables, BuildError> {
    let port = |offset: u16, bytes: u8| (PM_PORTS + offset, bytes);
    let platform = Platform {
        processors: processors.to_vec(),
        local_apic: LOCAL_APIC,
        io_apic: IoApic {
            id: registers::IO_APIC_ID,
            address: registers::IO_APIC as u32,
            timer_input: line::TIMER_GSI,
        },
        power: PowerManagement {
            event: port(pm::PM1_EVENT, pm::PM1_EVENT_LENGTH),
            control: port(pm::PM1_CONTROL, pm::PM1_CONTROL_LENGTH),
            timer: port(pm::TIMER, pm::TIMER_LENGTH),
            timer_32: true,
            gpe: port(pm::GPE0, pm::GPE0_LENGTH),
            sleep_type_off: pm::SLEEP_TYPE_S5,
            interrupt: line::SCI,
        },
        reset: Some(Reset {
            port: reset::RESET_CONTROL_PORT,
            value: reset::RESET_VALUE,
        }),
        hpet: Some(Hpet {
            address: registers::HPET as u32,
            block_id: hpet::BLOCK_ID,
            minimum_tick: 0x80,
        }),
        pci: None,
        serial: vec![Serial {
            port: COM1,
            interrupt: line::COM1,
        }],
        keyboard_controller: false,
        clock: true,
        century: rtc::CENTURY,
    };
    build(&platform, ADDRESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_board_can_be_described() {
        let tables = tables(&[0]).unwrap();
        assert!(tables.rsdp().starts_with(b"RSD PTR "));
        assert!(ADDRESS + (tables.bytes.len() as u64) < 0x10_0000);
    }
}
