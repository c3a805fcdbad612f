//! Interrupts from one processor to another (SDM volume 3, 12.6).
#![allow(unsafe_code)] // model-specific registers

use super::{is_x2apic, read, write};
use crate::vectors;
use core::fmt;
use x86::apic::{
    ApicId, DeliveryMode, DeliveryStatus, DestinationMode, DestinationShorthand, Icr, Level,
    TriggerMode, xapic,
};
use x86::msr;

/// Interrupt command register: the last command is still on its way.
const DELIVERY_PENDING: u32 = 1 << 12;
/// Reads of the pending bit before a command is given up. A command takes less than a microsecond; a
/// processor that never takes it must not stop this one.
const PENDING_READS: u32 = 1_000_000;

/// Why an interrupt was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The identifier has more than 8 bits, which only an x2APIC can address.
    IdTooLarge,
    /// The local APIC did not get rid of the command before.
    Stuck,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::IdTooLarge => "its APIC identifier needs an x2APIC",
            SendError::Stuck => "the local APIC does not deliver interrupts",
        })
    }
}

/// Interrupts the processor with this APIC identifier at [`vectors::IPI`].
///
/// # Errors
/// See [`SendError`].
#[inline]
pub fn send(apic_id: u32) -> Result<(), SendError> {
    command(apic_id, DeliveryMode::Fixed, vectors::IPI)
}

/// Resets a processor; it then waits for [`send_startup`].
///
/// # Errors
/// See [`SendError`].
///
/// # Safety
/// The processor must not run kernel code: it loses its state.
pub unsafe fn send_init(apic_id: u32) -> Result<(), SendError> {
    command(apic_id, DeliveryMode::Init, 0)
}

/// Starts a processor that waits after [`send_init`], in real mode at the 4 KiB page `page` below 1 MiB.
///
/// # Errors
/// See [`SendError`].
///
/// # Safety
/// The page must hold code that brings up a processor.
pub unsafe fn send_startup(apic_id: u32, page: u8) -> Result<(), SendError> {
    command(apic_id, DeliveryMode::StartUp, page)
}

fn command(apic_id: u32, mode: DeliveryMode, vector: u8) -> Result<(), SendError> {
    if is_x2apic() {
        let icr = encode(Icr::for_x2apic, ApicId::X2Apic(apic_id), mode, vector);
        // Other than a memory-mapped register, this one does not wait for earlier stores; the receiver
        // must see them (SDM volume 3, 12.12.3).
        x86::fence::mfence();
        // SAFETY: the command is one that the callers vouch for.
        unsafe {
            msr::wrmsr(
                msr::IA32_X2APIC_ICR,
                u64::from(icr.upper()) << 32 | u64::from(icr.lower()),
            );
        }
        return Ok(());
    }
    let id = u8::try_from(apic_id).map_err(|_| SendError::IdTooLarge)?;
    let icr = encode(Icr::for_xapic, ApicId::XApic(id), mode, vector);
    wait_until_delivered()?;
    write(xapic::XAPIC_ICR1, icr.upper());
    write(xapic::XAPIC_ICR0, icr.lower());
    Ok(())
}

type Encode = fn(
    u8,
    ApicId,
    DestinationShorthand,
    DeliveryMode,
    DestinationMode,
    DeliveryStatus,
    Level,
    TriggerMode,
) -> Icr;

fn encode(encode: Encode, destination: ApicId, mode: DeliveryMode, vector: u8) -> Icr {
    encode(
        vector,
        destination,
        DestinationShorthand::NoShorthand,
        mode,
        DestinationMode::Physical,
        DeliveryStatus::Idle,
        Level::Assert,
        TriggerMode::Edge,
    )
}

fn wait_until_delivered() -> Result<(), SendError> {
    for _ in 0..PENDING_READS {
        if read(xapic::XAPIC_ICR0) & DELIVERY_PENDING == 0 {
            return Ok(());
        }
        core::hint::spin_loop();
    }
    Err(SendError::Stuck)
}
