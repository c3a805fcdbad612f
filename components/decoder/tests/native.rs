//! Results and flags against this machine's processor.
#![allow(unsafe_code)] // The instructions under test are run.
#![cfg(target_arch = "x86_64")]

use core::arch::asm;
use pagurus_decoder::{
    Access, AccessKind, Base, CodeSize, Combine, Compare, Condition, Extension, Gpr, MemoryOperand,
    Modify, Register, Registers, Repeat, Segment, Source, Width,
};
use proptest::prelude::*;

const CF: u64 = 1 << 0;
const PF: u64 = 1 << 2;
const AF: u64 = 1 << 4;
const ZF: u64 = 1 << 6;
const SF: u64 = 1 << 7;
const OF: u64 = 1 << 11;
const ALL: u64 = CF | PF | AF | ZF | SF | OF;

/// Runs a function per width that the macro below makes.
type Native = fn(u64, u64, u64) -> (u64, u64);

/// `memory op source` with flags; returns the new memory and flags.
macro_rules! native {
    ($instruction:literal) => {
        [
            native!(@one concat!($instruction, " {memory:l}, cl")),
            native!(@one concat!($instruction, " {memory:x}, cx")),
            native!(@one concat!($instruction, " {memory:e}, ecx")),
            native!(@one concat!($instruction, " {memory:r}, rcx")),
        ]
    };
    (by cl $instruction:literal) => {
        [
            native!(@one concat!($instruction, " {memory:l}, cl")),
            native!(@one concat!($instruction, " {memory:x}, cl")),
            native!(@one concat!($instruction, " {memory:e}, cl")),
            native!(@one concat!($instruction, " {memory:r}, cl")),
        ]
    };
    (alone $instruction:literal) => {
        [
            native!(@one concat!($instruction, " {memory:l}")),
            native!(@one concat!($instruction, " {memory:x}")),
            native!(@one concat!($instruction, " {memory:e}")),
            native!(@one concat!($instruction, " {memory:r}")),
        ]
    };
    (@one $text:expr) => {
        |memory: u64, source: u64, flags: u64| {
            let mut memory = memory;
            let mut flags = flags & ALL | 2;
            // SAFETY: arithmetic on registers; the flags are restored to what the compiler expects, for
            // only arithmetic flags are ever set.
            unsafe {
                asm!(
                    "push {flags}",
                    "popfq",
                    $text,
                    "pushfq",
                    "pop {flags}",
                    memory = inout(reg_abcd) memory,
                    flags = inout(reg) flags,
                    inout("rcx") source => _,
                );
            }
            (memory, flags & ALL)
        }
    };
}

const WIDTHS: [Width; 4] = [Width::Byte, Width::Word, Width::Dword, Width::Qword];

fn access(kind: AccessKind, width: Width) -> Access {
    Access {
        kind,
        operand: MemoryOperand {
            segment: Segment::Ds,
            base: Some(Base::Gpr(Gpr::Rbx)),
            index: None,
            scale: 1,
            displacement: 0,
            address_size: Width::Qword,
            width,
        },
        repeat: Repeat::No,
        code: CodeSize::Bits64,
        length: 2,
    }
}

/// What we make of it: new memory, `rax`, `rcx`, flags.
fn ours(access: &Access, memory: u64, rax: u64, rcx: u64, flags: u64) -> (Option<u64>, Registers) {
    let mut registers = Registers {
        rflags: flags & ALL | 2,
        ..Registers::default()
    };
    registers.general[Gpr::Rax as usize] = rax;
    registers.general[Gpr::Rcx as usize] = rcx;
    let executed = access.execute(&mut registers, [memory, 0]);
    (executed.write, registers)
}

fn check(
    natives: &[Native; 4],
    modify: Modify,
    source_width: Option<Width>,
    undefined: fn(u64, u32) -> u64,
    (memory, source, flags): (u64, u64, u64),
) -> Result<(), TestCaseError> {
    for (native, width) in natives.iter().zip(WIDTHS) {
        let kind = AccessKind::ReadModifyWrite {
            modify,
            source: Source::Register(Register::low(Gpr::Rcx, source_width.unwrap_or(width))),
        };
        let (expected, expected_flags) = native(memory, source, flags);
        let (written, registers) = ours(&access(kind, width), memory, 0, source, flags);
        let what = (modify, width, memory, source, flags);
        prop_assert_eq!(written, Some(width.truncate(expected)), "{:x?}", what);
        let defined = ALL & !undefined(source, width.bits());
        prop_assert_eq!(
            registers.rflags & defined,
            expected_flags & defined,
            "{:x?}",
            what
        );
    }
    Ok(())
}

fn defined(_: u64, _: u32) -> u64 {
    0
}

/// `and`, `or`, `xor` leave AF undefined.
fn logic(_: u64, _: u32) -> u64 {
    AF
}

/// Flags that a shift leaves undefined: AF, OF for counts over 1, CF for counts as large as the operand.
fn shifts(count: u64, bits: u32) -> u64 {
    let count = count & if bits == 64 { 63 } else { 31 };
    let overflow = if count > 1 { OF } else { 0 };
    let carry = if count >= u64::from(bits) { CF } else { 0 };
    let half = if count > 0 { AF } else { 0 };
    overflow | carry | half
}

fn rotations(count: u64, bits: u32) -> u64 {
    let count = count & if bits == 64 { 63 } else { 31 };
    if count > 1 { OF } else { 0 }
}

/// Values at which carries and signs change, and others.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        prop::sample::select(vec![
            0,
            1,
            0x7f,
            0x80,
            0xff,
            0x7fff,
            0x8000,
            0xffff,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
            i64::MAX as u64,
            i64::MIN as u64,
            u64::MAX,
        ]),
        0u64..80,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn modifications(input in (value(), value(), any::<u64>())) {
        check(&native!("add"), Modify::Add, None, defined, input)?;
        check(&native!("adc"), Modify::Adc, None, defined, input)?;
        check(&native!("sub"), Modify::Sub, None, defined, input)?;
        check(&native!("sbb"), Modify::Sbb, None, defined, input)?;
        check(&native!("and"), Modify::And, None, logic, input)?;
        check(&native!("or"), Modify::Or, None, logic, input)?;
        check(&native!("xor"), Modify::Xor, None, logic, input)?;
        check(&native!(alone "inc"), Modify::Inc, None, defined, input)?;
        check(&native!(alone "dec"), Modify::Dec, None, defined, input)?;
        check(&native!(alone "neg"), Modify::Neg, None, defined, input)?;
        check(&native!(alone "not"), Modify::Not, None, defined, input)?;
        let byte = Some(Width::Byte);
        check(&native!(by cl "shl"), Modify::Shl, byte, shifts, input)?;
        check(&native!(by cl "shr"), Modify::Shr, byte, shifts, input)?;
        check(&native!(by cl "sar"), Modify::Sar, byte, shifts, input)?;
        check(&native!(by cl "rol"), Modify::Rol, byte, rotations, input)?;
        check(&native!(by cl "ror"), Modify::Ror, byte, rotations, input)?;
    }

    #[test]
    fn bits((memory, source, flags) in (value(), value(), any::<u64>())) {
        let natives: [(Modify, Native); 3] = [
            (Modify::Bts, native!(@one "bts {memory:r}, rcx")),
            (Modify::Btr, native!(@one "btr {memory:r}, rcx")),
            (Modify::Btc, native!(@one "btc {memory:r}, rcx")),
        ];
        let register = Source::Register(Register::low(Gpr::Rcx, Width::Qword));
        for (modify, native) in natives {
            let (expected, carry) = native(memory, source, flags);
            let kind = AccessKind::ReadModifyWrite { modify, source: register };
            let (written, after) = ours(&access(kind, Width::Qword), memory, 0, source, flags);
            prop_assert_eq!(written, Some(expected));
            prop_assert_eq!(after.rflags & CF, carry & CF);
        }
        let native: Native = native!(@one "bt {memory:e}, ecx");
        let kind = AccessKind::Compare {
            compare: Compare::Bit,
            source: Source::Register(Register::low(Gpr::Rcx, Width::Dword)),
        };
        let (_, after) = ours(&access(kind, Width::Dword), memory, 0, source, flags);
        prop_assert_eq!(after.rflags & CF, native(memory, source, flags).1 & CF);
    }

    #[test]
    fn comparisons((memory, source, flags) in (value(), value(), any::<u64>())) {
        let natives: [(Compare, [Native; 4], u64); 2] = [
            (Compare::MemoryFirst, native!("cmp"), 0),
            (Compare::Test, native!("test"), AF),
        ];
        for (compare, natives, undefined) in natives {
            for (native, width) in natives.iter().zip(WIDTHS) {
                let source_register = Source::Register(Register::low(Gpr::Rcx, width));
                let kind = AccessKind::Compare { compare, source: source_register };
                let (_, after) = ours(&access(kind, width), memory, 0, source, flags);
                let expected = native(memory, source, flags).1;
                prop_assert_eq!(after.rflags & ALL & !undefined, expected & !undefined);
            }
        }
        // The other way round.
        let native: Native = native!(@one "cmp cx, {memory:x}");
        let kind = AccessKind::Compare {
            compare: Compare::MemorySecond,
            source: Source::Register(Register::low(Gpr::Rcx, Width::Word)),
        };
        let (_, after) = ours(&access(kind, Width::Word), memory, 0, source, flags);
        prop_assert_eq!(after.rflags & ALL, native(memory, source, flags).1);
        // A register combined with memory.
        let native: Native = native!(@one "sub {memory:e}, ecx");
        let kind = AccessKind::Combine {
            combine: Combine::Sub,
            destination: Register::low(Gpr::Rax, Width::Dword),
        };
        let (_, after) = ours(&access(kind, Width::Dword), source, memory, 0, flags);
        let (expected, expected_flags) = native(memory, source, flags);
        prop_assert_eq!(after.gpr(Gpr::Rax), expected);
        prop_assert_eq!(after.rflags & ALL, expected_flags);
    }

    #[test]
    fn exchanges(
        (memory, rax, source, flags) in (value(), value(), value(), any::<u64>()),
        same in any::<bool>(),
    ) {
        let memory = if same { rax } else { memory };
        let mut cell = memory as u32;
        let (mut accumulator, mut after_flags) = (rax, flags & ALL | 2);
        // SAFETY: as above; the memory operand is a local variable.
        unsafe {
            asm!(
                "push {flags}", "popfq", "cmpxchg dword ptr [{cell}], ecx", "pushfq", "pop {flags}",
                cell = in(reg) &raw mut cell,
                flags = inout(reg) after_flags,
                inout("rax") accumulator,
                in("rcx") source,
            );
        }
        let register = Register::low(Gpr::Rcx, Width::Dword);
        let kind = AccessKind::CompareExchange { register };
        let (written, after) = ours(&access(kind, Width::Dword), memory, rax, source, flags);
        prop_assert_eq!(written, Some(u64::from(cell)));
        prop_assert_eq!(after.rflags & ALL, after_flags & ALL);
        // Processors differ in whether an equal accumulator loses its upper half.
        if memory as u32 == rax as u32 {
            prop_assert_eq!(after.gpr(Gpr::Rax) as u32, accumulator as u32);
        } else {
            prop_assert_eq!(after.gpr(Gpr::Rax), accumulator);
        }

        let native: [Native; 4] = native!("xadd");
        for (native, width) in native.iter().zip(WIDTHS) {
            let register = Register::low(Gpr::Rcx, width);
            let kind = AccessKind::ExchangeAdd { register };
            let (written, after) = ours(&access(kind, width), memory, 0, source, flags);
            let (expected, expected_flags) = native(memory, source, flags);
            prop_assert_eq!(written, Some(width.truncate(expected)));
            prop_assert_eq!(after.rflags & ALL, expected_flags);
            prop_assert_eq!(after.get(register), width.truncate(memory));
        }
    }

    #[test]
    fn conditions(flags in any::<u64>(), old in any::<u64>(), new in any::<u64>()) {
        let natives: [(Condition, Native); 16] = [
            (Condition::Overflow, native!(@one "seto {memory:l}")),
            (Condition::NotOverflow, native!(@one "setno {memory:l}")),
            (Condition::Below, native!(@one "setb {memory:l}")),
            (Condition::AboveOrEqual, native!(@one "setae {memory:l}")),
            (Condition::Equal, native!(@one "sete {memory:l}")),
            (Condition::NotEqual, native!(@one "setne {memory:l}")),
            (Condition::BelowOrEqual, native!(@one "setbe {memory:l}")),
            (Condition::Above, native!(@one "seta {memory:l}")),
            (Condition::Sign, native!(@one "sets {memory:l}")),
            (Condition::NotSign, native!(@one "setns {memory:l}")),
            (Condition::Parity, native!(@one "setp {memory:l}")),
            (Condition::NotParity, native!(@one "setnp {memory:l}")),
            (Condition::Less, native!(@one "setl {memory:l}")),
            (Condition::GreaterOrEqual, native!(@one "setge {memory:l}")),
            (Condition::LessOrEqual, native!(@one "setle {memory:l}")),
            (Condition::Greater, native!(@one "setg {memory:l}")),
        ];
        for (condition, native) in natives {
            let expected = native(0, 0, flags).0;
            let (written, _) = ours(
                &access(AccessKind::SetByte(condition), Width::Byte), 0, 0, 0, flags,
            );
            prop_assert_eq!(written, Some(expected), "{:?}", condition);
            let destination = Register::low(Gpr::Rax, Width::Dword);
            let kind = AccessKind::MoveIf { condition, destination };
            let (_, after) = ours(&access(kind, Width::Dword), new, old, 0, flags);
            let chosen = if expected != 0 { new } else { old };
            prop_assert_eq!(after.gpr(Gpr::Rax), chosen & 0xffff_ffff, "{:?}", condition);
        }
    }

    #[test]
    fn widening(memory in any::<u64>()) {
        let natives: [(Width, Width, Extension, Native); 5] = [
            (Width::Byte, Width::Dword, Extension::Sign, native!(@one "movsx ecx, {memory:l}\nmov {memory:r}, rcx")),
            (Width::Byte, Width::Qword, Extension::Sign, native!(@one "movsx rcx, {memory:l}\nmov {memory:r}, rcx")),
            (Width::Word, Width::Dword, Extension::Zero, native!(@one "movzx ecx, {memory:x}\nmov {memory:r}, rcx")),
            (Width::Dword, Width::Qword, Extension::Sign, native!(@one "movsxd rcx, {memory:e}\nmov {memory:r}, rcx")),
            (Width::Word, Width::Qword, Extension::Sign, native!(@one "movsx rcx, {memory:x}\nmov {memory:r}, rcx")),
        ];
        for (from, to, extension, native) in natives {
            let kind = AccessKind::Read {
                destination: Register::low(Gpr::Rax, to),
                extension,
                reversed: false,
            };
            let (written, after) = ours(&access(kind, from), memory, u64::MAX, 0, 0);
            prop_assert_eq!(written, None);
            prop_assert_eq!(after.gpr(Gpr::Rax), native(memory, 0, 0).0);
        }
    }
}
