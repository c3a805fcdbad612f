//! Methods of kernel objects, one file for each kind.

mod address_space;
mod cnode;
mod control;
mod cpu;
mod frame;
mod irq;
mod port;
mod sched;
mod thread;
mod timer;
mod trace;
mod untyped;
mod vcpu;

use crate::dispatch::{Completion, SyscallArgs};
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::method::{Method, MethodInfo};
use pagurus_abi::{Error, Kind, Rights};
use pagurus_cap::cnode::CNode;
use pagurus_cap::{Flags, SlotId, Slots};
use pagurus_ipc::{Env, ThreadId};

/// A method call with its capability looked up and checked.
#[derive(Clone, Copy)]
pub(crate) struct Invocation<'a> {
    /// Who calls.
    pub thread: ThreadId,
    /// Where the capability to the object is.
    pub at: SlotId,
    /// What that capability has, as far as methods commonly need it.
    pub object: usize,
    pub word: u64,
    pub rights: Rights,
    pub size_bits: u8,
    pub flags: Flags,
    pub depth: u8,
    /// The parameter `p`.
    pub p: u64,
    /// The arguments.
    pub a: &'a [u64; 4],
}

impl Invocation<'_> {
    /// Whether the object is device memory.
    pub const fn is_device(&self) -> bool {
        self.flags.has(Flags::DEVICE)
    }
}

/// What a method needs of the capability it is called on.
const fn needs(method: Method) -> (Kind, Rights) {
    use Method::*;
    match method {
        UntypedRetype => (Kind::Untyped, Rights::WRITE),
        UntypedInfo => (Kind::Untyped, Rights::READ),
        CNodeMint | CNodeMove | CNodeDelete | CNodeRevoke => (Kind::CNode, Rights::WRITE),
        CNodeInspect | CNodeSize => (Kind::CNode, Rights::READ),
        ThreadBind | ThreadUnbind | ThreadStart | ThreadSuspend | ThreadResume
        | ThreadWriteRegisters | ThreadSetFlags => (Kind::Thread, Rights::WRITE),
        ThreadReadRegisters | ThreadInfo => (Kind::Thread, Rights::READ),
        SchedConfigure | SchedBind | SchedUnbind => (Kind::SchedContext, Rights::WRITE),
        SchedInfo => (Kind::SchedContext, Rights::READ),
        CpuInfo => (Kind::Cpu, Rights::READ),
        // Rights of a frame are about its mapping, which looks at them itself.
        FrameMap | FrameUnmap | FrameInfo => (Kind::Frame, Rights::empty()),
        AddressSpaceInfo | AddressSpaceQuery => (Kind::AddressSpace, Rights::READ),
        IrqIssue => (Kind::IrqControl, Rights::WRITE),
        IrqBind | IrqAck | IrqUnbind => (Kind::IrqHandler, Rights::WRITE),
        PortIn => (Kind::IoPort, Rights::READ),
        PortOut => (Kind::IoPort, Rights::WRITE),
        TraceAttach => (Kind::TraceBuffer, Rights::WRITE),
        TraceDrain => (Kind::TraceBuffer, Rights::WRITE),
        TraceMap => (Kind::TraceBuffer, Rights::READ),
        KernelCheck | KernelDescribe | KernelStats => (Kind::KernelControl, Rights::READ),
        KernelHalt | KernelWrite => (Kind::KernelControl, Rights::WRITE),
        GuestSpaceInfo | GuestSpaceQuery => (Kind::GuestSpace, Rights::READ),
        VcpuBind | VcpuUnbind | VcpuLoad => (Kind::Vcpu, Rights::WRITE),
        VcpuStore => (Kind::Vcpu, Rights::READ),
        TimerBind | TimerUnbind | TimerArm | TimerDisarm => (Kind::Timer, Rights::WRITE),
        TimerInfo => (Kind::Timer, Rights::READ),
    }
}

impl<M: Machine> Kernel<M> {
    pub(crate) fn invoke(&mut self, t: ThreadId, args: &SyscallArgs) -> Result<Completion, Error> {
        let info = MethodInfo(args.info);
        let method = info.method().ok_or(Error::InvalidCall)?;
        let at = self.thread(t).slot_at(args.cap)?;
        let slot = self.slot(at);
        if slot.is_empty() {
            return Err(Error::EmptySlot);
        }
        let (kind, rights) = needs(method);
        // A trace buffer is unmapped like a frame.
        let unmaps = method == Method::FrameUnmap && slot.kind == Kind::TraceBuffer;
        if slot.kind != kind && !unmaps {
            return Err(Error::WrongKind);
        }
        if !slot.rights.contains(rights) {
            return Err(Error::MissingRights);
        }
        let size_bits = slot.size_bits;
        let i = Invocation {
            thread: t,
            at,
            object: slot.object,
            word: slot.word,
            rights: slot.rights,
            size_bits,
            flags: slot.flags,
            depth: slot.depth,
            p: info.parameter(),
            a: &args.words,
        };
        match method {
            Method::UntypedRetype => self.untyped_retype(&i),
            Method::UntypedInfo => self.untyped_info(&i),
            Method::CNodeMint => self.cnode_mint(&i),
            Method::CNodeMove => self.cnode_move(&i),
            Method::CNodeDelete => self.cnode_delete(&i),
            Method::CNodeRevoke => self.cnode_revoke(&i),
            Method::CNodeInspect => self.cnode_inspect(&i),
            Method::CNodeSize => Ok(Completion::Results([1 << size_bits, 0, 0, 0])),
            Method::ThreadBind => self.thread_bind(&i),
            Method::ThreadUnbind => self.thread_unbind(&i),
            Method::ThreadStart => self.thread_start(&i),
            Method::ThreadSuspend => self.thread_suspend(&i),
            Method::ThreadResume => self.thread_resume(&i),
            Method::ThreadReadRegisters => self.thread_read_registers(&i),
            Method::ThreadWriteRegisters => self.thread_write_registers(&i),
            Method::ThreadSetFlags => self.thread_set_flags(&i),
            Method::ThreadInfo => self.thread_info(&i),
            Method::SchedConfigure => self.sched_configure(&i),
            Method::SchedBind => self.sched_bind(&i),
            Method::SchedUnbind => self.sched_unbind(&i),
            Method::SchedInfo => self.sched_info(&i),
            Method::CpuInfo => self.cpu_info(&i),
            Method::FrameMap => self.frame_map(&i),
            Method::FrameUnmap => self.frame_unmap(&i),
            Method::FrameInfo => self.frame_info(&i),
            Method::AddressSpaceInfo | Method::GuestSpaceInfo => self.address_space_info(&i),
            Method::AddressSpaceQuery | Method::GuestSpaceQuery => self.address_space_query(&i),
            Method::IrqIssue => self.irq_issue(&i),
            Method::IrqBind => self.irq_bind(&i),
            Method::IrqAck => self.irq_ack(&i),
            Method::IrqUnbind => self.irq_unbind(&i),
            Method::PortIn => self.port_in(&i),
            Method::PortOut => self.port_out(&i),
            Method::TraceAttach => self.trace_attach(&i),
            Method::TraceDrain => self.trace_drain(&i),
            Method::TraceMap => self.trace_map(&i),
            Method::KernelCheck => self.kernel_check(),
            Method::KernelDescribe => self.kernel_describe(&i),
            Method::KernelHalt => self.kernel_halt(&i),
            Method::KernelWrite => self.kernel_write(&i),
            Method::KernelStats => self.kernel_stats(),
            Method::VcpuBind => self.vcpu_bind(&i),
            Method::VcpuUnbind => self.vcpu_unbind(&i),
            Method::VcpuLoad => self.vcpu_load(&i),
            Method::VcpuStore => self.vcpu_store(&i),
            Method::TimerBind => self.timer_bind(&i),
            Method::TimerUnbind => self.timer_unbind(&i),
            Method::TimerArm => self.timer_arm(&i),
            Method::TimerDisarm => self.timer_disarm(&i),
            Method::TimerInfo => self.timer_info(&i),
        }
    }

    /// The CNode that the caller names by `index`, if it has `rights` to it.
    pub(crate) fn cnode_by(&self, t: ThreadId, index: u64, rights: Rights) -> Result<CNode, Error> {
        let slot = self.lookup(t, index, Kind::CNode, rights)?;
        CNode::of(slot).ok_or(Error::WrongKind)
    }

    /// The slot of the capability that the caller names by `index`, if it is of this kind and has these rights.
    pub(crate) fn slot_by(
        &self,
        t: ThreadId,
        index: u64,
        kind: Kind,
        rights: Rights,
    ) -> Result<SlotId, Error> {
        self.lookup(t, index, kind, rights)?;
        self.thread(t).slot_at(index)
    }

    /// The caller's IPC buffer.
    pub(crate) fn buffer_of(&self, t: ThreadId) -> Result<usize, Error> {
        match self.thread(t).buffer {
            0 => Err(Error::MissingBinding),
            buffer => Ok(buffer),
        }
    }
}
