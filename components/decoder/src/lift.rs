//! From the three decoders of `yaxpeax-x86`, which share no types, to one [`Shape`].

use crate::error::DecodeError;
use crate::shape::Shape;
use crate::width::CodeSize;

/// Decodes one instruction.
pub(crate) fn lift(bytes: &[u8], code: CodeSize) -> Result<Shape, DecodeError> {
    let whole = bytes.get(..crate::MAX_LENGTH);
    let shape = match code {
        CodeSize::Bits16 => bits16::lift(whole.unwrap_or(bytes)),
        CodeSize::Bits32 => bits32::lift(whole.unwrap_or(bytes)),
        CodeSize::Bits64 => bits64::lift(whole.unwrap_or(bytes)),
    };
    match shape {
        Err(DecodeError::Incomplete) if whole.is_some() => Err(DecodeError::TooLong),
        other => other,
    }
}

/// A module that lifts from one of the decoders. They name some operands and registers differently, and not
/// all have all of them.
macro_rules! lifter {
    (
        $name:ident from $decoder:ident,
        base and displacement: $disp:ident,
        absolute: $($absolute:ident as $signed:ty),+;
        immediate: $($immediate:ident),*;
        new byte registers: $($new_byte:ident),*;
        whole registers: $($whole:ident),*;
        instruction pointers: $($pointer:ident),*;
    ) => {
        mod $name {
            use crate::error::DecodeError;
            use crate::instruction::Condition;
            use crate::memory::Base;
            use crate::register::{Gpr, Register};
            use crate::shape::{Address, Opcode, Operand, Shape};
            use crate::width::Width;
            use yaxpeax_arch::LengthedInstruction;
            use yaxpeax_x86::$decoder::{
                self as decoder, ConditionCode, InstDecoder, RegSpec, register_class,
            };

            pub fn lift(bytes: &[u8]) -> Result<Shape, DecodeError> {
                let instruction = InstDecoder::default().decode_slice(bytes).map_err(|error| {
                    match error {
                        decoder::DecodeError::ExhaustedInput => DecodeError::Incomplete,
                        decoder::DecodeError::TooLong => DecodeError::TooLong,
                        _ => DecodeError::Invalid,
                    }
                })?;
                let mut operands = [Operand::None; 3];
                for (index, slot) in (0..instruction.operand_count()).zip(&mut operands) {
                    *slot = operand(instruction.operand(index));
                }
                Ok(Shape {
                    length: u8::try_from(instruction.len().to_const())
                        .map_err(|_| DecodeError::TooLong)?,
                    opcode: opcode(instruction.opcode()),
                    operands,
                    memory_bytes: instruction
                        .mem_size()
                        .and_then(|size| size.bytes_size())
                        .unwrap_or(0),
                })
            }

            fn operand(operand: decoder::Operand) -> Operand {
                use decoder::Operand as From;
                let memory = |base, index, scale, displacement| {
                    address(base, index, scale, displacement).map_or(Operand::Other, Operand::Memory)
                };
                match operand {
                    From::Nothing => Operand::None,
                    From::ImmediateI8 { imm } => Operand::Immediate(imm as u64),
                    From::ImmediateU8 { imm } => Operand::Immediate(imm.into()),
                    From::ImmediateI16 { imm } => Operand::Immediate(imm as u64),
                    From::ImmediateU16 { imm } => Operand::Immediate(imm.into()),
                    From::ImmediateI32 { imm } => Operand::Immediate(imm as u64),
                    From::ImmediateU32 { imm } => Operand::Immediate(imm.into()),
                    $(From::$immediate { imm } => Operand::Immediate(imm as u64),)*
                    From::Register { reg } => register(reg),
                    $(From::$absolute { addr } => memory(None, None, 1, (addr as $signed).into()),)+
                    From::MemDeref { base } => memory(Some(base), None, 1, 0),
                    From::$disp { base, disp } => memory(Some(base), None, 1, disp.into()),
                    From::MemIndexScale { index, scale } => memory(None, Some(index), scale, 0),
                    From::MemIndexScaleDisp { index, scale, disp } => {
                        memory(None, Some(index), scale, disp.into())
                    }
                    From::MemBaseIndexScale { base, index, scale } => {
                        memory(Some(base), Some(index), scale, 0)
                    }
                    From::MemBaseIndexScaleDisp { base, index, scale, disp } => {
                        memory(Some(base), Some(index), scale, disp.into())
                    }
                    _ => Operand::Other,
                }
            }

            fn register(register: RegSpec) -> Operand {
                let class = register.class();
                let number = register.num();
                let low = |width| Operand::Register(Register::low(Gpr::from_number(number), width));
                $(if class == register_class::$whole {
                    return low(Width::Qword);
                })*
                $(if class == register_class::$new_byte {
                    return low(Width::Byte);
                })*
                if class == register_class::D {
                    low(Width::Dword)
                } else if class == register_class::W {
                    low(Width::Word)
                } else if class == register_class::B && number < 4 {
                    low(Width::Byte)
                } else if class == register_class::B {
                    Operand::Register(Register::high_byte(Gpr::from_number(number & 3)))
                } else if class == register_class::CR {
                    Operand::Control(number)
                } else if class == register_class::DR {
                    Operand::Debug(number)
                } else {
                    Operand::Other
                }
            }

            /// Nothing if a register in it is a vector register.
            fn address(
                base: Option<RegSpec>,
                index: Option<RegSpec>,
                scale: u8,
                displacement: i64,
            ) -> Option<Address> {
                let gpr = |spec: RegSpec| {
                    let class = spec.class();
                    let general = class == register_class::D
                        || class == register_class::W
                        $(|| class == register_class::$whole)*;
                    general.then_some(Gpr::from_number(spec.num()))
                };
                let base = match base {
                    None => None,
                    $(Some(spec) if spec.class() == register_class::$pointer => {
                        Some(Base::NextInstruction)
                    })*
                    Some(spec) => Some(Base::Gpr(gpr(spec)?)),
                };
                let index = match index {
                    None => None,
                    Some(spec) => Some(gpr(spec)?),
                };
                Some(Address { base, index, scale, displacement })
            }

            fn condition(opcode: decoder::Opcode) -> Option<Condition> {
                Some(match opcode.condition()? {
                    ConditionCode::O => Condition::Overflow,
                    ConditionCode::NO => Condition::NotOverflow,
                    ConditionCode::B => Condition::Below,
                    ConditionCode::AE => Condition::AboveOrEqual,
                    ConditionCode::Z => Condition::Equal,
                    ConditionCode::NZ => Condition::NotEqual,
                    ConditionCode::A => Condition::Above,
                    ConditionCode::BE => Condition::BelowOrEqual,
                    ConditionCode::S => Condition::Sign,
                    ConditionCode::NS => Condition::NotSign,
                    ConditionCode::P => Condition::Parity,
                    ConditionCode::NP => Condition::NotParity,
                    ConditionCode::L => Condition::Less,
                    ConditionCode::GE => Condition::GreaterOrEqual,
                    ConditionCode::G => Condition::Greater,
                    ConditionCode::LE => Condition::LessOrEqual,
                })
            }

            fn opcode(opcode: decoder::Opcode) -> Opcode {
                use decoder::Opcode as From;
                if opcode.is_setcc() {
                    return condition(opcode).map_or(Opcode::Other, Opcode::Set);
                }
                if opcode.is_cmovcc() {
                    return condition(opcode).map_or(Opcode::Other, Opcode::MoveIf);
                }
                match opcode {
                    From::MOV => Opcode::Mov,
                    From::MOVZX => Opcode::Movzx,
                    From::MOVSX => Opcode::Movsx,
                    From::MOVSXD => Opcode::Movsxd,
                    From::MOVBE => Opcode::Movbe,
                    From::MOVNTI => Opcode::Movnti,
                    From::ADD => Opcode::Add,
                    From::ADC => Opcode::Adc,
                    From::SUB => Opcode::Sub,
                    From::SBB => Opcode::Sbb,
                    From::AND => Opcode::And,
                    From::OR => Opcode::Or,
                    From::XOR => Opcode::Xor,
                    From::INC => Opcode::Inc,
                    From::DEC => Opcode::Dec,
                    From::NOT => Opcode::Not,
                    From::NEG => Opcode::Neg,
                    From::CMP => Opcode::Cmp,
                    From::TEST => Opcode::Test,
                    From::BT => Opcode::Bt,
                    From::BTS => Opcode::Bts,
                    From::BTR => Opcode::Btr,
                    From::BTC => Opcode::Btc,
                    From::ROL => Opcode::Rol,
                    From::ROR => Opcode::Ror,
                    From::SHL | From::SAL => Opcode::Shl,
                    From::SHR => Opcode::Shr,
                    From::SAR => Opcode::Sar,
                    From::XCHG => Opcode::Xchg,
                    From::CMPXCHG => Opcode::Cmpxchg,
                    From::XADD => Opcode::Xadd,
                    From::PUSH => Opcode::Push,
                    From::POP => Opcode::Pop,
                    From::MOVS => Opcode::Movs,
                    From::LODS => Opcode::Lods,
                    From::STOS => Opcode::Stos,
                    From::CMPS => Opcode::Cmps,
                    From::SCAS => Opcode::Scas,
                    From::INS => Opcode::Ins,
                    From::OUTS => Opcode::Outs,
                    From::IN => Opcode::In,
                    From::OUT => Opcode::Out,
                    From::CPUID => Opcode::Cpuid,
                    From::HLT => Opcode::Hlt,
                    From::RDMSR => Opcode::Rdmsr,
                    From::WRMSR => Opcode::Wrmsr,
                    From::RDTSC => Opcode::Rdtsc,
                    From::RDTSCP => Opcode::Rdtscp,
                    From::RDPMC => Opcode::Rdpmc,
                    From::CLTS => Opcode::Clts,
                    From::LMSW => Opcode::Lmsw,
                    From::SMSW => Opcode::Smsw,
                    From::VMMCALL => Opcode::Vmmcall,
                    From::VMCALL => Opcode::Vmcall,
                    From::INVLPG => Opcode::Invlpg,
                    From::INVPCID => Opcode::Invpcid,
                    From::XSETBV => Opcode::Xsetbv,
                    From::NOP => Opcode::Nop,
                    From::MONITOR | From::MONITORX => Opcode::Monitor,
                    From::MWAIT | From::MWAITX => Opcode::Mwait,
                    From::WBINVD => Opcode::Wbinvd,
                    From::INVD => Opcode::Invd,
                    From::RSM => Opcode::Rsm,
                    From::VMRUN | From::VMLOAD | From::VMSAVE | From::STGI | From::CLGI
                    | From::SKINIT | From::INVLPGA | From::INVLPGB | From::TLBSYNC
                    | From::VMXON | From::VMXOFF | From::VMLAUNCH | From::VMRESUME
                    | From::VMCLEAR | From::VMPTRLD | From::VMPTRST | From::VMREAD
                    | From::VMWRITE | From::VMFUNC | From::INVEPT | From::INVVPID
                    | From::GETSEC => Opcode::Virtualization,
                    _ => Opcode::Other,
                }
            }
        }
    };
}

lifter! {
    bits16 from real_mode,
    base and displacement: MemDisp,
    absolute: AbsoluteU16 as i16, AbsoluteU32 as i32;
    immediate: ;
    new byte registers: ;
    whole registers: ;
    instruction pointers: ;
}

lifter! {
    bits32 from protected_mode,
    base and displacement: Disp,
    absolute: AbsoluteU16 as i16, AbsoluteU32 as i32;
    immediate: ;
    new byte registers: ;
    whole registers: ;
    instruction pointers: ;
}

lifter! {
    bits64 from long_mode,
    base and displacement: Disp,
    absolute: AbsoluteU32 as i32, AbsoluteU64 as i64;
    immediate: ImmediateI64, ImmediateU64;
    new byte registers: RB;
    whole registers: Q;
    instruction pointers: RIP, EIP;
}
