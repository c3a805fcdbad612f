//! Power management registers (FADT; ACPI 6.5, 5.2.9). Only those at I/O ports are used, as all PCs have them.

use super::table::{TableError, field};

// Offsets in the table.
const DSDT: usize = 40;
const SMI_COMMAND: usize = 48;
const ACPI_ENABLE: usize = 52;
const PM1A_CONTROL: usize = 64;
const PM1B_CONTROL: usize = 68;
const PM_TIMER: usize = 76;
const FLAGS: usize = 112;
const RESET_REGISTER: usize = 116;
const RESET_VALUE: usize = 128;
const X_DSDT: usize = 140;
const X_PM1A_CONTROL: usize = 172;
const X_PM1B_CONTROL: usize = 184;
const X_PM_TIMER: usize = 208;

/// Flag: the reset register works.
const RESET_SUPPORTED: u32 = 1 << 10;
/// Address space of a generic address: I/O ports.
const IO: u8 = 1;

/// How to reset the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// The port.
    pub port: u16,
    /// What to write there.
    pub value: u8,
}

/// Registers for switching the machine off; a port of 0 is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Power {
    /// Control register of the first event block.
    pub pm1a_control: u16,
    /// Control register of the second event block.
    pub pm1b_control: u16,
    /// Where firmware is asked to hand over power management.
    pub smi_command: u16,
    /// What asks for it.
    pub acpi_enable: u8,
    /// Sleep types of the soft-off state for both blocks.
    pub soft_off: Option<(u8, u8)>,
    /// How to reset the machine.
    pub reset: Option<Reset>,
}

/// What the kernel wants to know from a FADT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fadt {
    /// Registers, without the sleep types.
    pub power: Power,
    /// Port of the power management timer, or 0.
    pub pm_timer: u16,
    /// Physical address of the DSDT, or 0.
    pub dsdt: u64,
}

/// Reads a FADT of any version.
pub fn parse(table: &[u8]) -> Result<Fadt, TableError> {
    let u32_at = |offset| field(table, offset).map(u32::from_le_bytes);
    // Versions before 2.0 end where these fields begin: the short ones must be there, the long ones may.
    let dsdt = match field(table, X_DSDT).map(u64::from_le_bytes) {
        None | Some(0) => u64::from(u32_at(DSDT).ok_or(TableError::Length)?),
        Some(address) => address,
    };
    let port = |short, long| {
        Ok(extended(table, long).unwrap_or(io(u32_at(short).ok_or(TableError::Length)?)))
    };
    let reset = u32_at(FLAGS)
        .filter(|flags| flags & RESET_SUPPORTED != 0)
        .and_then(|_| {
            Some(Reset {
                port: extended(table, RESET_REGISTER)?,
                value: *table.get(RESET_VALUE)?,
            })
        });
    Ok(Fadt {
        power: Power {
            pm1a_control: port(PM1A_CONTROL, X_PM1A_CONTROL)?,
            pm1b_control: port(PM1B_CONTROL, X_PM1B_CONTROL)?,
            smi_command: io(u32_at(SMI_COMMAND).ok_or(TableError::Length)?),
            acpi_enable: *table.get(ACPI_ENABLE).ok_or(TableError::Length)?,
            soft_off: None,
            reset,
        },
        pm_timer: port(PM_TIMER, X_PM_TIMER)?,
        dsdt,
    })
}

/// The port of a generic address (ACPI 6.5, 5.2.3.2), if it is one.
fn extended(table: &[u8], offset: usize) -> Option<u16> {
    let space = *table.get(offset)?;
    let address = field(table, offset + 4).map(u64::from_le_bytes)?;
    let port = u16::try_from(address).ok()?;
    (space == IO && port != 0).then_some(port)
}

fn io(address: u32) -> u16 {
    u16::try_from(address).unwrap_or(0)
}

#[cfg(test)]
pub(super) mod testing {
    use crate::acpi::table::HEADER_BYTES;
    use crate::acpi::table::testing::table;
    use std::vec::Vec;

    /// The FADT of QEMU's q35, as far as it matters.
    pub fn qemu(dsdt: u32) -> Vec<u8> {
        let mut whole = [0u8; 244];
        let mut put = |offset: usize, bytes: &[u8]| {
            whole[offset..offset + bytes.len()].copy_from_slice(bytes)
        };
        put(super::DSDT, &dsdt.to_le_bytes());
        put(super::SMI_COMMAND, &0xb2u32.to_le_bytes());
        put(super::ACPI_ENABLE, &[2]);
        put(super::PM1A_CONTROL, &0x604u32.to_le_bytes());
        put(super::PM_TIMER, &0x608u32.to_le_bytes());
        put(super::FLAGS, &0x84a5u32.to_le_bytes());
        put(
            super::RESET_REGISTER,
            &[1, 8, 0, 0, 0xf9, 0x0c, 0, 0, 0, 0, 0, 0],
        );
        put(super::RESET_VALUE, &[0x0f]);
        put(
            super::X_PM1A_CONTROL,
            &[1, 16, 0, 0, 0x04, 0x06, 0, 0, 0, 0, 0, 0],
        );
        table(b"FACP", &whole[HEADER_BYTES..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acpi::table::HEADER_BYTES;
    use crate::acpi::table::testing::table;

    #[test]
    fn the_table_of_qemu_is_understood() {
        let found = parse(&testing::qemu(0x7fe_0040)).unwrap();
        assert_eq!(found.dsdt, 0x7fe_0040);
        assert_eq!(found.pm_timer, 0x608);
        assert_eq!(found.power.pm1a_control, 0x604);
        assert_eq!(found.power.pm1b_control, 0);
        assert_eq!(
            (found.power.smi_command, found.power.acpi_enable),
            (0xb2, 2)
        );
        assert_eq!(
            found.power.reset,
            Some(Reset {
                port: 0xcf9,
                value: 0x0f
            })
        );
    }

    #[test]
    fn the_reset_register_counts_only_with_its_flag_and_as_a_port() {
        let mut bytes = testing::qemu(0);
        bytes[RESET_REGISTER] = 0;
        assert_eq!(parse(&bytes).unwrap().power.reset, None);
        bytes[RESET_REGISTER] = IO;
        bytes[FLAGS + 1] &= !4;
        assert_eq!(parse(&bytes).unwrap().power.reset, None);
    }

    #[test]
    fn a_table_of_the_first_version_is_understood() {
        let found = parse(&testing::qemu(0x1234)[..116]).unwrap();
        assert_eq!((found.dsdt, found.pm_timer), (0x1234, 0x608));
        assert_eq!(found.power.reset, None);
    }

    #[test]
    fn ports_that_are_none_are_not_used() {
        let mut bytes = testing::qemu(0);
        bytes[PM_TIMER + 2] = 1;
        assert_eq!(parse(&bytes).unwrap().pm_timer, 0);
    }

    #[test]
    fn short_tables_are_refused() {
        for length in HEADER_BYTES..80 {
            let short = table(b"FACP", &[0; 80][..length - HEADER_BYTES]);
            assert_eq!(parse(&short), Err(TableError::Length), "{length}");
        }
    }
}
