//! Accesses to memory: what is done, with which operands, and which registers and flags change.

use crate::bytes::{code, likely};
use crate::view::{gpr, iced, memory, normalized};
use iced_x86::{
    Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register as Iced, RflagsBits,
};
use pagurus_decoder::{
    Access, AccessKind, CodeSize, Combine, Compare, Condition, Extension, Gpr, Modify, Operation,
    Register, Registers, Repeat, SegmentBases, Source, StringOperation, Width, decode,
};
use proptest::prelude::*;

fn register(register: Iced) -> Register {
    match register {
        Iced::AH | Iced::CH | Iced::DH | Iced::BH => Register::high_byte(gpr(register)),
        _ => Register::low(
            gpr(register),
            Width::from_bytes(register.size() as u8).expect("a register's size"),
        ),
    }
}

/// The operand that is not memory.
fn other(instruction: &Instruction) -> Option<Source> {
    let index = (0..2).find(|operand| instruction.op_kind(*operand) != OpKind::Memory)?;
    if index >= instruction.op_count() {
        return Some(Source::Immediate(0));
    }
    match instruction.op_kind(index) {
        OpKind::Register if instruction.op_register(index).is_gpr() => {
            Some(Source::Register(register(instruction.op_register(index))))
        }
        OpKind::Register => None,
        _ => Some(Source::Immediate(instruction.immediate(index))),
    }
}

fn condition(instruction: &Instruction) -> Condition {
    use iced_x86::ConditionCode as From;
    match instruction.condition_code() {
        From::None => panic!("{instruction:?} has no condition"),
        From::o => Condition::Overflow,
        From::no => Condition::NotOverflow,
        From::b => Condition::Below,
        From::ae => Condition::AboveOrEqual,
        From::e => Condition::Equal,
        From::ne => Condition::NotEqual,
        From::be => Condition::BelowOrEqual,
        From::a => Condition::Above,
        From::s => Condition::Sign,
        From::ns => Condition::NotSign,
        From::p => Condition::Parity,
        From::np => Condition::NotParity,
        From::l => Condition::Less,
        From::ge => Condition::GreaterOrEqual,
        From::le => Condition::LessOrEqual,
        From::g => Condition::Greater,
    }
}

/// What we should make of an instruction, if it accesses memory in a way that we carry out.
fn expected(instruction: &Instruction) -> Option<AccessKind> {
    use Mnemonic as M;
    if let Some(operation) = string(instruction) {
        return Some(AccessKind::String(operation));
    }
    let memory_first = instruction.op0_kind() == OpKind::Memory;
    let memory_second = instruction.op1_kind() == OpKind::Memory && instruction.op_count() == 2;
    if !memory_first && !memory_second {
        return None;
    }
    let source = other(instruction);
    let read = |extension, reversed| match source? {
        Source::Register(destination) if memory_second => Some(AccessKind::Read {
            destination,
            extension,
            reversed,
        }),
        _ => None,
    };
    let write = |reversed| {
        Some(AccessKind::Write {
            source: source?,
            reversed,
        })
    };
    let alu = |modify, combine: Option<Combine>| match (memory_first, source?) {
        (true, source) => Some(AccessKind::ReadModifyWrite { modify, source }),
        (false, Source::Register(destination)) => Some(AccessKind::Combine {
            combine: combine?,
            destination,
        }),
        _ => None,
    };
    let compare = |first, second| {
        Some(AccessKind::Compare {
            compare: if memory_first { first } else { second },
            source: source?,
        })
    };
    match instruction.mnemonic() {
        M::Mov if memory_first => write(false),
        M::Mov => read(Extension::Zero, false),
        M::Movnti => write(false),
        M::Movbe if memory_first => write(true),
        M::Movbe => read(Extension::Zero, true),
        M::Movzx => read(Extension::Zero, false),
        M::Movsx | M::Movsxd => read(Extension::Sign, false),
        M::Add => alu(Modify::Add, Some(Combine::Add)),
        M::Adc => alu(Modify::Adc, Some(Combine::Adc)),
        M::Sub => alu(Modify::Sub, Some(Combine::Sub)),
        M::Sbb => alu(Modify::Sbb, Some(Combine::Sbb)),
        M::And => alu(Modify::And, Some(Combine::And)),
        M::Or => alu(Modify::Or, Some(Combine::Or)),
        M::Xor => alu(Modify::Xor, Some(Combine::Xor)),
        M::Inc => alu(Modify::Inc, None),
        M::Dec => alu(Modify::Dec, None),
        M::Not => alu(Modify::Not, None),
        M::Neg => alu(Modify::Neg, None),
        M::Bts => alu(Modify::Bts, None),
        M::Btr => alu(Modify::Btr, None),
        M::Btc => alu(Modify::Btc, None),
        M::Rol => alu(Modify::Rol, None),
        M::Ror => alu(Modify::Ror, None),
        M::Shl | M::Sal => alu(Modify::Shl, None),
        M::Shr => alu(Modify::Shr, None),
        M::Sar => alu(Modify::Sar, None),
        M::Cmp => compare(Compare::MemoryFirst, Compare::MemorySecond),
        M::Test => compare(Compare::Test, Compare::Test),
        M::Bt => compare(Compare::Bit, Compare::Bit),
        M::Push => Some(AccessKind::Push),
        M::Pop => Some(AccessKind::Pop),
        mnemonic => match (mnemonic, source?) {
            (M::Xchg, Source::Register(register)) => Some(AccessKind::Exchange { register }),
            (M::Cmpxchg, Source::Register(register)) => {
                Some(AccessKind::CompareExchange { register })
            }
            (M::Xadd, Source::Register(register)) => Some(AccessKind::ExchangeAdd { register }),
            (_, Source::Immediate(_)) if instruction.is_setcc() => {
                Some(AccessKind::SetByte(condition(instruction)))
            }
            (_, Source::Register(destination)) if instruction.is_cmovcc() => {
                Some(AccessKind::MoveIf {
                    condition: condition(instruction),
                    destination,
                })
            }
            _ => None,
        },
    }
}

trait Conditional {
    fn is_setcc(&self) -> bool;
    fn is_cmovcc(&self) -> bool;
}

impl Conditional for Instruction {
    fn is_setcc(&self) -> bool {
        format!("{:?}", self.mnemonic()).starts_with("Set")
            && self.condition_code() != iced_x86::ConditionCode::None
    }

    fn is_cmovcc(&self) -> bool {
        format!("{:?}", self.mnemonic()).starts_with("Cmov")
    }
}

fn string(instruction: &Instruction) -> Option<StringOperation> {
    if !instruction.is_string_instruction() {
        return None;
    }
    Some(match instruction.mnemonic() {
        Mnemonic::Movsb | Mnemonic::Movsw | Mnemonic::Movsd | Mnemonic::Movsq => {
            StringOperation::Move
        }
        Mnemonic::Lodsb | Mnemonic::Lodsw | Mnemonic::Lodsd | Mnemonic::Lodsq => {
            StringOperation::Load
        }
        Mnemonic::Stosb | Mnemonic::Stosw | Mnemonic::Stosd | Mnemonic::Stosq => {
            StringOperation::Store
        }
        Mnemonic::Cmpsb | Mnemonic::Cmpsw | Mnemonic::Cmpsd | Mnemonic::Cmpsq => {
            StringOperation::Compare
        }
        Mnemonic::Scasb | Mnemonic::Scasw | Mnemonic::Scasd | Mnemonic::Scasq => {
            StringOperation::Scan
        }
        _ => return None,
    })
}

fn access(bytes: &[u8], code: CodeSize) -> Option<Access> {
    match decode(bytes, code).ok()?.operation {
        Operation::Access(access) => Some(access),
        _ => None,
    }
}

/// Immediates are compared as far as the operand reaches.
fn cut(kind: AccessKind, width: Width) -> AccessKind {
    let source = |source| match source {
        Source::Immediate(value) => Source::Immediate(width.truncate(value)),
        register => register,
    };
    match kind {
        AccessKind::Write {
            source: from,
            reversed,
        } => AccessKind::Write {
            source: source(from),
            reversed,
        },
        // Counts of shifts and numbers of bits are bytes, which are not sign extended.
        AccessKind::ReadModifyWrite {
            modify,
            source: Source::Immediate(value),
        } if !matches!(
            modify,
            Modify::Add
                | Modify::Adc
                | Modify::Sub
                | Modify::Sbb
                | Modify::And
                | Modify::Or
                | Modify::Xor
        ) =>
        {
            AccessKind::ReadModifyWrite {
                modify,
                source: Source::Immediate(value & 0xff),
            }
        }
        AccessKind::ReadModifyWrite {
            modify,
            source: from,
        } => AccessKind::ReadModifyWrite {
            modify,
            source: source(from),
        },
        AccessKind::Compare {
            compare: Compare::Bit,
            source: Source::Immediate(value),
        } => AccessKind::Compare {
            compare: Compare::Bit,
            source: Source::Immediate(value & 0xff),
        },
        AccessKind::Compare {
            compare,
            source: from,
        } => AccessKind::Compare {
            compare,
            source: source(from),
        },
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    /// The same instructions are recognised, with the same operands.
    #[test]
    fn accesses_agree(bytes in likely(), code in code()) {
        let Some(theirs) = iced(&bytes, code) else { return Ok(()) };
        // An alias of opcode 80 outside long code, which nobody writes.
        let alias = format!("{:?}", theirs.code()).ends_with("_82");
        let ours = access(&bytes, code);
        let expected = expected(&theirs).filter(|_| !alias);
        prop_assert_eq!(
            ours.map(|ours| cut(ours.kind, ours.width())),
            expected.map(|kind| cut(kind, ours.map_or(Width::Qword, |ours| ours.width()))),
            "{:x?} {:?}", bytes, theirs
        );
        let Some(ours) = ours else { return Ok(()) };
        let width = Width::from_bytes(theirs.memory_size().size() as u8);
        prop_assert_eq!(Some(ours.width()), width, "{:x?} {:?}", bytes, theirs);
        if !theirs.is_string_instruction() {
            let operand = memory(&theirs, code, ours.width());
            prop_assert_eq!(normalized(ours.operand, code), operand, "{:x?} {:?}", bytes, theirs);
        }
        let repeat = match ours.kind {
            AccessKind::String(_) if theirs.has_repe_prefix() => Repeat::WhileEqual,
            AccessKind::String(_) if theirs.has_repne_prefix() => Repeat::WhileNotEqual,
            _ => Repeat::No,
        };
        prop_assert_eq!(ours.repeat, repeat);
    }

    /// The places are those that iced computes, and nothing changes but what iced says.
    #[test]
    fn effects_agree(
        bytes in likely(),
        code in code(),
        general in prop::array::uniform16(any::<u64>()),
        flags in any::<u64>(),
        bases in prop::array::uniform6(0u64..0xffff_ffff),
        read in prop::array::uniform2(any::<u64>()),
    ) {
        let Some(access) = access(&bytes, code) else { return Ok(()) };
        let theirs = iced(&bytes, code).expect("accepted by both");
        let mut before = Registers { general, rip: 0x1000, rflags: flags };
        if code != CodeSize::Bits64 {
            before.general = general.map(|value| value & 0xffff_ffff);
        }
        let bases = SegmentBases(bases);
        places(&access, &theirs, &before, &bases)?;

        let mut after = before;
        let executed = access.execute(&mut after, read);
        prop_assert_eq!(executed.write.is_some(), access.places(&before, &bases).write.is_some());
        if executed.finished {
            prop_assert_eq!(after.rip, 0x1000 + theirs.len() as u64);
        } else {
            prop_assert_eq!(after.rip, 0x1000);
        }
        let names = [
            (RflagsBits::CF, 1u64 << 0), (RflagsBits::PF, 1 << 2), (RflagsBits::AF, 1 << 4),
            (RflagsBits::ZF, 1 << 6), (RflagsBits::SF, 1 << 7), (RflagsBits::OF, 1 << 11),
        ];
        let modified = theirs.rflags_modified();
        let mut changed = before.rflags ^ after.rflags;
        if executed.finished {
            changed &= !(1 << 16);
        }
        let allowed = names
            .iter()
            .filter(|(name, _)| modified & name != 0)
            .fold(0, |flags, (_, bit)| flags | bit);
        prop_assert_eq!(changed & !allowed, 0, "{:x?} {:?} changed {:x}", bytes, theirs, changed);

        let mut factory = InstructionInfoFactory::new();
        let info = factory.info(&theirs);
        for number in Gpr::ALL {
            if before.gpr(number) == after.gpr(number) {
                continue;
            }
            let written = info.used_registers().iter().any(|used| {
                used.register().is_gpr()
                    && gpr(used.register()) == number
                    && !matches!(used.access(), OpAccess::Read | OpAccess::CondRead)
            });
            prop_assert!(written, "{:x?} {:?} changed {:?}", bytes, theirs, number);
        }
    }
}

/// Compares places with the virtual addresses of iced.
fn places(
    access: &Access,
    theirs: &Instruction,
    registers: &Registers,
    bases: &SegmentBases,
) -> Result<(), TestCaseError> {
    let places = access.places(registers, bases);
    let bit_string = matches!(
        access.kind,
        AccessKind::ReadModifyWrite {
            modify: Modify::Bts | Modify::Btr | Modify::Btc,
            source: Source::Register(_)
        } | AccessKind::Compare {
            compare: Compare::Bit,
            source: Source::Register(_)
        }
    );
    let nothing = access.repeat != Repeat::No
        && access
            .operand
            .address_size
            .truncate(registers.gpr(Gpr::Rcx))
            == 0;
    // iced leaves the bit number out, and the change of the stack pointer by `pop`.
    if bit_string || nothing || access.kind == AccessKind::Pop {
        return Ok(());
    }
    let mut theirs = *theirs;
    if theirs.is_ip_rel_memory_operand() {
        // It was decoded at address 0.
        let target = theirs.memory_displacement64().wrapping_add(registers.rip);
        theirs.set_memory_displacement64(access.operand.address_size.truncate(target));
    }
    let mut factory = InstructionInfoFactory::new();
    let mut reads = vec![];
    let mut writes = vec![];
    for used in factory.info(&theirs).used_memory() {
        let address = used
            .virtual_address(0, |register, _, _| {
                Some(if register.is_segment_register() {
                    let segment = crate::view::segment(register);
                    let flat =
                        access.code == CodeSize::Bits64 && segment < crate::view::FIRST_BASED;
                    if flat { 0 } else { bases.get(segment) }
                } else if register == Iced::RIP || register == Iced::EIP {
                    0
                } else {
                    registers.get(crate::access::register(register))
                })
            })
            .expect("all registers are known");
        let address = access.code.truncate_linear(address);
        match used.access() {
            OpAccess::Read | OpAccess::CondRead => reads.push(address),
            OpAccess::Write | OpAccess::CondWrite => writes.push(address),
            OpAccess::ReadWrite | OpAccess::ReadCondWrite => {
                reads.push(address);
                writes.push(address);
            }
            _ => {}
        }
    }
    let ours: Vec<u64> = places
        .reads
        .iter()
        .flatten()
        .map(|place| place.address)
        .collect();
    reads.sort_unstable();
    let mut sorted = ours.clone();
    sorted.sort_unstable();
    prop_assert_eq!(sorted, reads, "{:?}", theirs);
    let ours: Vec<u64> = places.write.iter().map(|place| place.address).collect();
    prop_assert_eq!(ours, writes, "{:?}", theirs);
    Ok(())
}
