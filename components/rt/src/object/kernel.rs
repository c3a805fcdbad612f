//! The kernel itself: its records, checks, description and end.

use super::frame::map;
use super::{AddressSpace, Cpu, Mapping};
use crate::Cap;
use crate::ipc_buffer::Buffer;
use pagurus_abi::Error;
use pagurus_abi::message::MAX_WORDS;
use pagurus_abi::method::{Method, SlotInfo};
use zerocopy::IntoBytes;

/// A ring of the kernel's log and trace records.
#[derive(Debug)]
pub enum TraceBuffer {}

/// Control of the kernel.
#[derive(Debug)]
pub enum KernelControl {}

/// What [`Cap::<TraceBuffer>::drain`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Bytes fetched.
    pub bytes: usize,
    /// Bytes lost so far for want of room.
    pub lost: u64,
    /// Bytes still there.
    pub left: u64,
}

/// What [`Cap::<KernelControl>::check`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckResult {
    /// Capabilities seen.
    pub capabilities: u64,
    /// 0, or the number of the [`Invariant`](pagurus_abi::method::Invariant) that is broken.
    pub broken: u64,
    /// Where.
    pub place: u64,
}

/// A capability as [`Cap::<KernelControl>::describe`] tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// Kind, rights, size, depth and flags.
    pub info: SlotInfo,
    /// Identity of the object.
    pub object: u64,
    /// Identity of the object that contains the slot.
    pub container: u64,
    /// Index in the container.
    pub index: u64,
}

/// What [`Cap::<KernelControl>::stats`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelStats {
    /// Nanoseconds since boot.
    pub uptime_ns: u64,
    /// Frequency of the time stamp counter in kHz.
    pub tsc_khz: u64,
    /// System calls so far.
    pub system_calls: u64,
    /// Interrupts so far.
    pub interrupts: u64,
}

impl Cap<TraceBuffer> {
    /// Sends the kernel's records of processor `cpu` to this buffer (`TraceAttach`).
    pub fn attach(self, cpu: Cap<Cpu>) -> Result<(), Error> {
        let args = [cpu.index().into(), 0, 0, 0];
        crate::syscall::invoke(self.index(), Method::TraceAttach, 0, args).map(|_| ())
    }

    /// Fetches the oldest records, as many as fit into `out` (`TraceDrain`, at most 1,920 bytes).
    ///
    /// # Errors
    /// `MissingBinding` without an IPC buffer.
    pub fn drain(self, out: &mut [u8]) -> Result<Drained, Error> {
        let buffer = Buffer::current().ok_or(Error::MissingBinding)?;
        let wanted = out.len().min(MAX_WORDS * 8);
        let args = [wanted as u64, 0, 0, 0];
        let r = crate::syscall::invoke(self.index(), Method::TraceDrain, 0, args)?;
        let bytes = (r[0] as usize).min(wanted);
        let mut words = [0u64; MAX_WORDS];
        let used = bytes.div_ceil(8);
        buffer.read_words(0, &mut words[..used]);
        out[..bytes].copy_from_slice(&words.as_bytes()[..bytes]);
        Ok(Drained {
            bytes,
            lost: r[1],
            left: r[2],
        })
    }

    /// Maps the buffer read-only (`TraceMap`).
    pub fn map(self, space: Cap<AddressSpace>, mapping: Mapping) -> Result<(), Error> {
        map(self.index(), Method::TraceMap, space.index(), mapping)
    }
}

impl Cap<KernelControl> {
    fn invoke(self, method: Method, parameter: u64, args: [u64; 4]) -> Result<[u64; 4], Error> {
        crate::syscall::invoke(self.index(), method, parameter, args)
    }

    /// Checks all invariants of the kernel's state (`KernelCheck`).
    ///
    /// # Errors
    /// A broken invariant is not an error but the result.
    pub fn check(self) -> Result<CheckResult, Error> {
        let r = self.invoke(Method::KernelCheck, 0, [0; 4])?;
        Ok(CheckResult {
            capabilities: r[0],
            broken: r[1],
            place: r[2],
        })
    }

    /// The capability at `position` of the derivation tree (`KernelDescribe`); `None` past the end.
    pub fn describe(self, position: u64) -> Result<Option<Described>, Error> {
        match self.invoke(Method::KernelDescribe, 0, [position, 0, 0, 0]) {
            Ok(r) => Ok(Some(Described {
                info: SlotInfo(r[0]),
                object: r[1],
                container: r[2],
                index: r[3],
            })),
            Err(Error::InvalidIndex) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends the machine with exit code `code` (`KernelHalt`); returns only if the kernel refuses.
    pub fn halt(self, code: u64) -> Error {
        match self.invoke(Method::KernelHalt, 0, [code, 0, 0, 0]) {
            Ok(_) => Error::Unsupported,
            Err(error) => error,
        }
    }

    /// Writes to the kernel's console (`KernelWrite`, 32 bytes each).
    pub fn write(self, text: &str) -> Result<(), Error> {
        for chunk in text.as_bytes().chunks(32) {
            let mut words = [0u64; 4];
            words.as_mut_bytes()[..chunk.len()].copy_from_slice(chunk);
            self.invoke(Method::KernelWrite, chunk.len() as u64, words)?;
        }
        Ok(())
    }

    /// Time since boot and counters (`KernelStats`).
    pub fn stats(self) -> Result<KernelStats, Error> {
        let r = self.invoke(Method::KernelStats, 0, [0; 4])?;
        Ok(KernelStats {
            uptime_ns: r[0],
            tsc_khz: r[1],
            system_calls: r[2],
            interrupts: r[3],
        })
    }
}
