//! What a virtual processor does at an exit.

mod access;
mod msr;

pub use access::PHYSICAL_BITS;

use crate::board::Board;
use crate::cpuid::Identification;
use crate::memory::{ForDecoder, GuestMemory};
use pagurus_abi::vcpu::{Event, ExitKind, Groups, PortAccess, VcpuPage, gpr, segment};
use pagurus_decoder::paging::{self, Paging};
use pagurus_decoder::{CodeSize, Intercept, Operation, decode, fixed};

/// Vectors of exceptions that we raise.
mod vector {
    pub const INVALID_OPCODE: u8 = 6;
    pub const PROTECTION: u8 = 13;
    pub const PAGE_FAULT: u8 = 14;
}

const RFLAGS_IF: u64 = 1 << 9;
/// RFLAGS.RF: cleared when an instruction was carried out.
const RFLAGS_RF: u64 = 1 << 16;

/// How the guest goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is entered, with these groups of state from the page.
    Run(Groups),
    /// It waits for an interrupt.
    Wait,
    /// It does not go on.
    Stop(Stop),
}

/// Why a guest does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A triple fault.
    Shutdown,
    /// It is in a state that no processor can be in.
    InvalidState,
    /// It executed an instruction on registers in memory, or left for a reason, that we do not know.
    Unknown {
        /// The kind of exit.
        kind: ExitKind,
        /// Where.
        rip: u64,
        /// What the kernel said.
        info: u64,
    },
}

/// Exits by kind.
pub type Counts = [u64; ExitKind::COUNT];

/// A virtual processor as its VMM sees it, beside its page.
#[derive(Clone, Debug)]
pub struct Processor {
    /// What CPUID answers.
    pub identification: Identification,
    /// Registers that the guest only ever reads back.
    msrs: msr::Stored,
    /// Exits.
    pub exits: Counts,
    /// Groups that must be loaded at the next entry.
    dirty: Groups,
}

/// What is at hand at an exit.
pub struct Context<'a, M> {
    /// The page that the kernel shares with us.
    pub page: &'a mut VcpuPage,
    /// The machine around the processor.
    pub board: &'a mut Board,
    /// The guest's memory.
    pub memory: &'a mut M,
    /// Nanoseconds since the VM began.
    pub now: u64,
}

/// What the exits of each kind must store for us.
pub fn wanted(page: &mut VcpuPage) {
    let always = Groups::INTERRUPTS;
    let decoded = always | Groups::CONTROL | Groups::SEGMENTS;
    page.store = [always.bits(); 32];
    for kind in [
        ExitKind::Memory,
        ExitKind::Msr,
        ExitKind::DebugRegister,
        ExitKind::ControlWrite,
        ExitKind::Unknown,
    ] {
        page.store[kind as usize] = decoded.bits();
    }
    page.store[ExitKind::Xsetbv as usize] = decoded.bits();
    page.store[ExitKind::Cpuid as usize] = (always | Groups::CONTROL).bits();
    page.store[ExitKind::DebugRegister as usize] |= Groups::DEBUG.bits();
}

impl Processor {
    /// A processor after reset.
    pub fn new(identification: Identification) -> Processor {
        Processor {
            identification,
            msrs: msr::Stored::default(),
            exits: [0; ExitKind::COUNT],
            dirty: Groups::empty(),
        }
    }

    /// Deals with an exit, then with what waits for the processor.
    pub fn exit<M: GuestMemory>(&mut self, kind: ExitKind, c: &mut Context<'_, M>) -> Next {
        self.exits[kind as usize] += 1;
        match self.handle(kind, c) {
            Next::Run(groups) => {
                self.dirty |= groups;
                self.resume(c)
            }
            other => other,
        }
    }

    /// The guest is to be entered: with what it has to be told first.
    pub fn resume<M: GuestMemory>(&mut self, c: &mut Context<'_, M>) -> Next {
        c.page.window = 0;
        if !c.page.event.is_valid() {
            if c.board.nmi_waits() {
                c.board.lapic.begin_nmi();
                c.page.event = Event::nmi();
            } else if c.board.interrupt_waits() {
                let open = c.page.rflags & RFLAGS_IF != 0 && c.page.interrupts.shadow & 1 == 0;
                if open && let Some(vector) = c.board.acknowledge() {
                    c.page.event = Event::interrupt(vector);
                }
            }
        }
        // Whatever waits still gets its turn as soon as the guest can take it.
        if c.board.interrupt_waits() {
            c.page.window = 1;
        }
        Next::Run(core::mem::take(&mut self.dirty))
    }

    /// Whether an interrupt would wake a halted processor.
    pub fn is_woken(&self, page: &VcpuPage, board: &Board) -> bool {
        board.nmi_waits() || board.interrupt_waits() && page.rflags & RFLAGS_IF != 0
    }

    fn handle<M: GuestMemory>(&mut self, kind: ExitKind, c: &mut Context<'_, M>) -> Next {
        match kind {
            ExitKind::Signal | ExitKind::Window => Next::Run(Groups::empty()),
            ExitKind::Cpuid => {
                self.cpuid(c);
                self.skip_fixed(c, fixed::CPUID)
            }
            ExitKind::Port => self.port(c),
            ExitKind::Msr => self.msr(c),
            ExitKind::Memory => self.memory(c),
            ExitKind::Halt => {
                self.skip_fixed(c, fixed::HLT);
                if self.is_woken(c.page, c.board) {
                    Next::Run(Groups::empty())
                } else {
                    Next::Wait
                }
            }
            // Nobody answers yet.
            ExitKind::Hypercall => {
                c.page.gpr[gpr::RAX] = u64::MAX;
                self.skip_fixed(c, fixed::VMMCALL)
            }
            ExitKind::Wbinvd => self.skip_decoded(c),
            ExitKind::Pause | ExitKind::Init => Next::Run(Groups::empty()),
            ExitKind::Xsetbv => self.set_xcr0(c),
            ExitKind::DebugRegister => self.debug_register(c),
            ExitKind::Forbidden | ExitKind::Monitor => self.raise(c, vector::INVALID_OPCODE, None),
            ExitKind::Shutdown => Next::Stop(Stop::Shutdown),
            ExitKind::InvalidState => Next::Stop(Stop::InvalidState),
            ExitKind::Exception
            | ExitKind::ControlWrite
            | ExitKind::TaskSwitch
            | ExitKind::Rdtsc
            | ExitKind::Rdpmc
            | ExitKind::Invlpg
            | ExitKind::Unknown => Next::Stop(Stop::Unknown {
                kind,
                rip: c.page.rip,
                info: c.page.info[0],
            }),
        }
    }

    /// The guest goes on behind an instruction of this length.
    fn skip<M>(&mut self, c: &mut Context<'_, M>, bytes: u64) -> Next {
        c.page.rip = c.page.rip.wrapping_add(bytes);
        c.page.rflags &= !RFLAGS_RF;
        let mut groups = Groups::empty();
        if c.page.interrupts.shadow & 1 != 0 {
            c.page.interrupts.shadow &= !1;
            groups |= Groups::INTERRUPTS;
        }
        Next::Run(groups)
    }

    /// Behind an instruction without operands. Prefixes are rare enough to be looked for only where the machine says nothing.
    fn skip_fixed<M>(&mut self, c: &mut Context<'_, M>, opcode: &[u8]) -> Next {
        let bytes = match c.page.instruction_bytes {
            0 => opcode.len() as u64,
            told => told,
        };
        self.skip(c, bytes)
    }

    /// Behind an instruction whose length only its bytes tell.
    fn skip_decoded<M: GuestMemory>(&mut self, c: &mut Context<'_, M>) -> Next {
        match access::fetch(c) {
            Ok(instruction) => self.skip(c, instruction.length.into()),
            Err(next) => self.fault(c, next),
        }
    }

    /// An exception, with the guest still at the instruction.
    fn raise<M>(&mut self, c: &mut Context<'_, M>, vector: u8, code: Option<u32>) -> Next {
        c.page.event = match code {
            Some(code) => Event::exception_with(vector, code),
            None => Event::exception(vector),
        };
        Next::Run(Groups::empty())
    }

    /// What came of looking at the guest's memory on its behalf.
    fn fault<M>(&mut self, c: &mut Context<'_, M>, problem: access::Problem) -> Next {
        match problem {
            access::Problem::PageFault { address, code } => {
                c.page.control.cr2 = address;
                self.raise(c, vector::PAGE_FAULT, Some(code));
                Next::Run(Groups::CONTROL)
            }
            access::Problem::Protection => self.raise(c, vector::PROTECTION, Some(0)),
            access::Problem::Unknown => Next::Stop(Stop::Unknown {
                kind: ExitKind::Memory,
                rip: c.page.rip,
                info: c.page.info[0],
            }),
        }
    }

    fn cpuid<M>(&mut self, c: &mut Context<'_, M>) {
        let leaf = c.page.gpr[gpr::RAX] as u32;
        let subleaf = c.page.gpr[gpr::RCX] as u32;
        let answer = self.identification.answer(leaf, subleaf, &c.page.control);
        for (register, value) in [gpr::RAX, gpr::RBX, gpr::RCX, gpr::RDX]
            .into_iter()
            .zip(answer)
        {
            c.page.gpr[register] = value.into();
        }
    }

    fn port<M: GuestMemory>(&mut self, c: &mut Context<'_, M>) -> Next {
        let access = PortAccess(c.page.info[0]);
        if access.is_string() {
            return Next::Stop(Stop::Unknown {
                kind: ExitKind::Port,
                rip: c.page.rip,
                info: access.0,
            });
        }
        let (port, size) = (access.port(), access.bytes());
        if access.is_in() {
            let value = c.board.port_in(port, size, c.now);
            let rax = &mut c.page.gpr[gpr::RAX];
            *rax = match size {
                1 => *rax & !0xff | u64::from(value & 0xff),
                2 => *rax & !0xffff | u64::from(value & 0xffff),
                _ => value.into(),
            };
        } else {
            let value = c.page.gpr[gpr::RAX] as u32;
            c.board.port_out(port, size, value, c.now);
        }
        let bytes = c.page.info[1].wrapping_sub(c.page.rip);
        self.skip(c, bytes)
    }

    fn set_xcr0<M>(&mut self, c: &mut Context<'_, M>) -> Next {
        let value = c.page.gpr[gpr::RDX] << 32 | c.page.gpr[gpr::RAX] & 0xffff_ffff;
        let allowed = self.identification.xcr0();
        let which = c.page.gpr[gpr::RCX] as u32;
        if which != 0 || value & !allowed != 0 || value & 1 == 0 || value & 6 == 4 {
            return self.raise(c, vector::PROTECTION, Some(0));
        }
        c.page.control.xcr0 = value;
        self.dirty |= Groups::CONTROL;
        self.skip_fixed(c, fixed::XSETBV)
    }

    fn debug_register<M: GuestMemory>(&mut self, c: &mut Context<'_, M>) -> Next {
        let instruction = match access::fetch(c) {
            Ok(instruction) => instruction,
            Err(problem) => return self.fault(c, problem),
        };
        let debug = &mut c.page.debug;
        match instruction.operation {
            Operation::Intercept(Intercept::ReadDebug {
                debug: n,
                destination,
            }) => {
                let value = match n {
                    0..4 => debug.dr[n as usize],
                    4 | 6 => debug.dr6,
                    _ => debug.dr7,
                };
                c.page.gpr[destination as usize] = value;
            }
            Operation::Intercept(Intercept::WriteDebug { debug: n, source }) => {
                let value = c.page.gpr[source as usize];
                match n {
                    0..4 => debug.dr[n as usize] = value,
                    4 | 6 => debug.dr6 = value & 0xe00f | 0xffff_0ff0,
                    _ => debug.dr7 = value & 0xffff_ffff & !0xd800 | 0x400,
                }
                self.dirty |= Groups::DEBUG;
            }
            _ => {
                return Next::Stop(Stop::Unknown {
                    kind: ExitKind::DebugRegister,
                    rip: c.page.rip,
                    info: 0,
                });
            }
        }
        self.skip(c, instruction.length.into())
    }
}

/// How the guest's code is to be read, and its addresses to be translated.
fn mode(page: &VcpuPage, physical_bits: u8) -> (CodeSize, Paging, bool) {
    let code = page.segments[segment::CS].attributes;
    let long_mode = page.control.efer & paging::EFER_LMA != 0;
    let size = CodeSize::from_state(long_mode, code & 1 << 9 != 0, code & 1 << 10 != 0);
    let user = page.segments[segment::SS].attributes >> 5 & 3 == 3;
    let paging = Paging {
        cr0: page.control.cr0,
        cr3: page.control.cr3,
        cr4: page.control.cr4,
        efer: page.control.efer,
        physical_bits,
    };
    (size, paging, user)
}

/// Decodes what `bytes` begin with.
fn instruction(bytes: &[u8], code: CodeSize) -> Option<pagurus_decoder::Instruction> {
    decode(bytes, code).ok()
}

/// The guest's memory for the decoder.
fn view<M>(memory: &M) -> ForDecoder<'_, M> {
    ForDecoder(memory)
}
