//! Threads.

use super::{AddressSpace, CNode, Endpoint, Frame, Notification};
use crate::Cap;
use crate::ipc_buffer::Buffer;
use pagurus_abi::Error;
use pagurus_abi::method::{Method, Registers, THREAD_FPU, ThreadBinding, ThreadState};
use zerocopy::{FromZeros, IntoBytes};

/// A flow of control with its registers.
#[derive(Debug)]
pub enum Thread {}

/// What [`Cap::<Thread>::info`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadInfo {
    /// What it is doing; `None` for a number that this build does not know.
    pub state: Option<ThreadState>,
    /// Instruction pointer.
    pub rip: u64,
    /// Nanoseconds of processor time used by its own SchedContext.
    pub used_ns: u64,
    /// Processor of that SchedContext.
    pub cpu: u32,
}

impl Cap<Thread> {
    fn invoke(self, method: Method, args: [u64; 4]) -> Result<[u64; 4], Error> {
        crate::syscall::invoke(self.index(), method, 0, args)
    }

    fn bind(self, place: ThreadBinding, cap: u32, offset: u64) -> Result<(), Error> {
        self.invoke(Method::ThreadBind, [place as u64, cap.into(), offset, 0])
            .map(|_| ())
    }

    /// Gives the thread its capability space (`ThreadBind`).
    pub fn bind_cspace(self, cnode: Cap<CNode>) -> Result<(), Error> {
        self.bind(ThreadBinding::CSpace, cnode.index(), 0)
    }

    /// Gives the thread its address space (`ThreadBind`).
    pub fn bind_address_space(self, space: Cap<AddressSpace>) -> Result<(), Error> {
        self.bind(ThreadBinding::AddressSpace, space.index(), 0)
    }

    /// Sends the thread's faults to `endpoint` (`ThreadBind`).
    pub fn bind_fault_endpoint(self, endpoint: Cap<Endpoint>) -> Result<(), Error> {
        self.bind(ThreadBinding::FaultEndpoint, endpoint.index(), 0)
    }

    /// Makes the page at byte `offset` of `frame` the thread's IPC buffer (`ThreadBind`).
    pub fn bind_ipc_buffer(self, frame: Cap<Frame>, offset: u64) -> Result<(), Error> {
        self.bind(ThreadBinding::IpcBuffer, frame.index(), offset)
    }

    /// Lets signals of `notification` end the thread's receives (`ThreadBind`).
    pub fn bind_notification(self, notification: Cap<Notification>) -> Result<(), Error> {
        self.bind(ThreadBinding::Notification, notification.index(), 0)
    }

    /// Takes back what is bound at `place` (`ThreadUnbind`).
    pub fn unbind(self, place: ThreadBinding) -> Result<(), Error> {
        self.invoke(Method::ThreadUnbind, [place as u64, 0, 0, 0])
            .map(|_| ())
    }

    /// Starts the thread at `rip` with `rsp`, `rdi` and `rsi` (`ThreadStart`).
    pub fn start(self, rip: u64, rsp: u64, rdi: u64, rsi: u64) -> Result<(), Error> {
        self.invoke(Method::ThreadStart, [rip, rsp, rdi, rsi])
            .map(|_| ())
    }

    /// Stops the thread (`ThreadSuspend`).
    pub fn suspend(self) -> Result<(), Error> {
        self.invoke(Method::ThreadSuspend, [0; 4]).map(|_| ())
    }

    /// Lets the suspended thread go on (`ThreadResume`).
    pub fn resume(self) -> Result<(), Error> {
        self.invoke(Method::ThreadResume, [0; 4]).map(|_| ())
    }

    /// The registers of the thread, which must not be running (`ThreadReadRegisters`).
    ///
    /// # Errors
    /// `MissingBinding` without an IPC buffer.
    pub fn read_registers(self) -> Result<Registers, Error> {
        let buffer = Buffer::current().ok_or(Error::MissingBinding)?;
        self.invoke(Method::ThreadReadRegisters, [0; 4])?;
        let mut registers = Registers::new_zeroed();
        let mut words = [0u64; size_of::<Registers>() / 8];
        buffer.read_words(0, &mut words);
        registers.as_mut_bytes().copy_from_slice(words.as_bytes());
        Ok(registers)
    }

    /// Sets the registers of the thread, which must not be running (`ThreadWriteRegisters`).
    ///
    /// # Errors
    /// `MissingBinding` without an IPC buffer.
    pub fn write_registers(self, registers: &Registers) -> Result<(), Error> {
        let buffer = Buffer::current().ok_or(Error::MissingBinding)?;
        let mut words = [0u64; size_of::<Registers>() / 8];
        words.as_mut_bytes().copy_from_slice(registers.as_bytes());
        buffer.write_words(0, &words);
        self.invoke(Method::ThreadWriteRegisters, [0; 4])
            .map(|_| ())
    }

    /// Sets whether the thread may use FPU, SSE and AVX, and its FS base (`ThreadSetFlags`).
    pub fn set_flags(self, fpu: bool, fs_base: u64) -> Result<(), Error> {
        let flags = if fpu { THREAD_FPU } else { 0 };
        self.invoke(Method::ThreadSetFlags, [flags, fs_base, 0, 0])
            .map(|_| ())
    }

    /// State and time used (`ThreadInfo`).
    pub fn info(self) -> Result<ThreadInfo, Error> {
        let r = self.invoke(Method::ThreadInfo, [0; 4])?;
        Ok(ThreadInfo {
            state: ThreadState::from_u8(r[0] as u8),
            rip: r[1],
            used_ns: r[2],
            cpu: r[3] as u32,
        })
    }
}
