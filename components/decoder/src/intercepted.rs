//! Recognising intercepted instructions.

use crate::intercept::{Intercept, Port, StringPort};
use crate::memory::MemoryOperand;
use crate::operation::Builder;
use crate::shape::{Opcode, Operand};
use crate::width::Width;

impl Builder {
    /// The intercepted instruction, if it is one.
    pub fn intercept(&self) -> Option<Intercept> {
        if self.pause {
            return Some(Intercept::Pause);
        }
        let [first, second, _] = self.shape.operands;
        Some(match self.shape.opcode {
            Opcode::Cpuid => Intercept::Cpuid,
            Opcode::Hlt => Intercept::Hlt,
            Opcode::Rdmsr => Intercept::ReadMsr,
            Opcode::Wrmsr => Intercept::WriteMsr,
            Opcode::Rdtsc => Intercept::ReadTsc,
            Opcode::Rdtscp => Intercept::ReadTscp,
            Opcode::Rdpmc => Intercept::ReadPmc,
            Opcode::Clts => Intercept::ClearTaskSwitched,
            Opcode::Vmmcall => Intercept::Vmmcall,
            Opcode::Vmcall => Intercept::Vmcall,
            Opcode::Xsetbv => Intercept::SetExtendedControl,
            Opcode::Monitor => Intercept::Monitor,
            Opcode::Mwait => Intercept::Mwait,
            Opcode::Wbinvd => Intercept::WriteBack,
            Opcode::Invd => Intercept::Invalidate,
            Opcode::Virtualization => Intercept::Virtualization,
            Opcode::Rsm => Intercept::Resume,
            Opcode::In => match (first, second) {
                (Operand::Register(accumulator), from) => Intercept::In {
                    width: accumulator.width,
                    port: port(from),
                },
                _ => return None,
            },
            Opcode::Out => match (first, second) {
                (to, Operand::Register(accumulator)) => Intercept::Out {
                    width: accumulator.width,
                    port: port(to),
                },
                _ => return None,
            },
            Opcode::Ins => Intercept::InString(self.string_port(Builder::string_destination)),
            Opcode::Outs => Intercept::OutString(self.string_port(Builder::string_source)),
            Opcode::Mov => match (first, second) {
                (Operand::Control(control), Operand::Register(source)) => Intercept::WriteControl {
                    control,
                    source: source.gpr,
                },
                (Operand::Register(to), Operand::Control(control)) => Intercept::ReadControl {
                    control,
                    destination: to.gpr,
                },
                (Operand::Debug(debug), Operand::Register(source)) => Intercept::WriteDebug {
                    debug,
                    source: source.gpr,
                },
                (Operand::Register(to), Operand::Debug(debug)) => Intercept::ReadDebug {
                    debug,
                    destination: to.gpr,
                },
                _ => return None,
            },
            Opcode::Lmsw => match first {
                Operand::Register(source) => Intercept::LoadMachineStatus { source: source.gpr },
                _ => return None,
            },
            Opcode::Smsw => match first {
                Operand::Register(to) => Intercept::StoreMachineStatus {
                    destination: to.gpr,
                    width: self.operand_size(),
                },
                _ => return None,
            },
            Opcode::Invlpg => match first {
                Operand::Memory(address) => {
                    Intercept::InvalidatePage(self.memory(address, Width::Byte))
                }
                _ => return None,
            },
            Opcode::Invpcid => match (first, second) {
                (Operand::Register(kind), Operand::Memory(address)) => {
                    Intercept::InvalidateContext {
                        kind: kind.gpr,
                        descriptor: self.memory(address, Width::Byte),
                    }
                }
                _ => return None,
            },
            _ => return None,
        })
    }

    fn string_port(&self, side: fn(&Builder, Width) -> MemoryOperand) -> StringPort {
        let width = match self.shape.memory_bytes {
            1 => Width::Byte,
            _ => self.operand_size().min(Width::Dword),
        };
        StringPort {
            memory: side(self, width),
            repeat: self.prefixes.repeat.is_some(),
        }
    }
}

fn port(operand: Operand) -> Port {
    match operand {
        Operand::Immediate(number) => Port::Immediate(number as u8),
        _ => Port::Dx,
    }
}
