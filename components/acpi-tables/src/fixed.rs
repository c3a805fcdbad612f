//! The fixed registers: FADT, with FACS.

use crate::platform::Platform;
use crate::tables::{OEM, OEM_REVISION, OEM_TABLE, bytes_of};
use acpi_tables::facs::FACS;
use acpi_tables::fadt::{FADTBuilder, Flags, PmProfile};
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};
use alloc::vec::Vec;

/// Boot architecture flags (section 5.2.9.3).
const LEGACY_DEVICES: u16 = 1 << 0;
const KEYBOARD_CONTROLLER: u16 = 1 << 1;
const NO_VGA: u16 = 1 << 2;
const NO_ASPM: u16 = 1 << 4;
const NO_CMOS_CLOCK: u16 = 1 << 5;

/// Latencies that say that a processor state does not exist (section 5.2.9).
const NO_C2: u16 = 101;
const NO_C3: u16 = 1001;

/// Firmware control structure (section 5.2.10): the global lock, which nobody holds.
pub fn facs() -> Vec<u8> {
    bytes_of(&FACS::new())
}

/// A register block at ports; none if it has no bytes.
fn ports((port, bytes): (u16, u8), access: AccessSize) -> GAS {
    if bytes == 0 {
        return GAS::default();
    }
    GAS::new(
        AddressSpace::SystemIo,
        bytes.saturating_mul(8),
        0,
        access,
        port.into(),
    )
}

/// Fixed ACPI description table (section 5.2.9).
pub fn fadt(platform: &Platform, facs: u64, dsdt: u64) -> Vec<u8> {
    let power = &platform.power;
    let mut fadt = FADTBuilder::new(OEM, OEM_TABLE, OEM_REVISION)
        .preferred_pm_profile(PmProfile::EnterpriseServer)
        .firmware_ctrl_32(facs as u32)
        .flag(Flags::Wbinvd)
        .flag(Flags::ProcC1)
        // No sleep button; the power button is a fixed one.
        .flag(Flags::SlpButton);
    // The same twice, for guests of any age.
    fadt.dsdt = (dsdt as u32).into();
    fadt.x_dsdt = dsdt.into();
    fadt.sci_int = u16::from(power.interrupt).into();

    fadt.pm1a_evt_blk = u32::from(power.event.0).into();
    fadt.pm1_evt_len = power.event.1;
    fadt.x_pm1a_evt_blk = ports(power.event, AccessSize::WordAccess);
    fadt.pm1a_cnt_blk = u32::from(power.control.0).into();
    fadt.pm1_cnt_len = power.control.1;
    fadt.x_pm1a_cnt_blk = ports(power.control, AccessSize::WordAccess);
    fadt.pm_tmr_blk = u32::from(power.timer.0).into();
    fadt.pm_tmr_len = power.timer.1;
    fadt.x_pm_tmr_blk = ports(power.timer, AccessSize::DwordAccess);
    if power.gpe.1 != 0 {
        fadt.gpe0_blk = u32::from(power.gpe.0).into();
        fadt.gpe0_blk_len = power.gpe.1;
        fadt.x_gpe0_blk = ports(power.gpe, AccessSize::ByteAccess);
    }
    fadt.p_lvl2_lat = NO_C2.into();
    fadt.p_lvl3_lat = NO_C3.into();
    fadt.century = platform.century;

    let mut boot = LEGACY_DEVICES | NO_VGA | NO_ASPM;
    if platform.keyboard_controller {
        boot |= KEYBOARD_CONTROLLER;
    }
    if !platform.clock {
        boot |= NO_CMOS_CLOCK;
    }
    fadt.iapc_boot_arch = boot.into();
    if power.timer_32 {
        fadt = fadt.flag(Flags::TmrValExt);
    }
    if let Some(reset) = platform.reset {
        fadt = fadt.flag(Flags::ResetRegSup);
        fadt.reset_reg = ports((reset.port, 1), AccessSize::ByteAccess);
        fadt.reset_value = reset.value;
    }
    bytes_of(&fadt.finalize())
}
