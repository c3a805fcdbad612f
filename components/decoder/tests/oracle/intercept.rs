//! Intercepted instructions.

use crate::bytes::{code, likely};
use crate::view::{gpr, iced, memory, normalized};
use iced_x86::{Instruction, Mnemonic, OpKind, Register as Iced};
use pagurus_decoder::{
    Base, CodeSize, Gpr, Intercept, Operation, Port, Segment, Width, decode, fixed,
};
use proptest::prelude::*;

fn port(instruction: &Instruction, operand: u32) -> Port {
    match instruction.op_kind(operand) {
        OpKind::Immediate8 => Port::Immediate(instruction.immediate8()),
        _ => Port::Dx,
    }
}

fn width(register: Iced) -> Width {
    Width::from_bytes(register.size() as u8).expect("a register's size")
}

/// What we should make of an instruction without a memory operand.
fn expected(theirs: &Instruction) -> Option<Intercept> {
    use Mnemonic as M;
    let (op0, op1) = (theirs.op0_register(), theirs.op1_register());
    let number = |register: Iced, first: Iced| (register as u32 - first as u32) as u8;
    Some(match theirs.mnemonic() {
        M::Cpuid => Intercept::Cpuid,
        M::Hlt => Intercept::Hlt,
        M::Rdmsr => Intercept::ReadMsr,
        M::Wrmsr => Intercept::WriteMsr,
        M::Rdtsc => Intercept::ReadTsc,
        M::Rdtscp => Intercept::ReadTscp,
        M::Rdpmc => Intercept::ReadPmc,
        M::Clts => Intercept::ClearTaskSwitched,
        // Without SEV-ES, which no guest has, prefixes change nothing.
        M::Vmmcall | M::Vmgexit => Intercept::Vmmcall,
        M::Vmcall => Intercept::Vmcall,
        M::Xsetbv => Intercept::SetExtendedControl,
        M::Pause => Intercept::Pause,
        // `mcommit` is `monitorx` to processors that do not know it.
        M::Monitor | M::Monitorx | M::Mcommit => Intercept::Monitor,
        M::Mwait | M::Mwaitx => Intercept::Mwait,
        M::Wbinvd | M::Wbnoinvd => Intercept::WriteBack,
        M::Invd => Intercept::Invalidate,
        M::Rsm => Intercept::Resume,
        M::In => Intercept::In {
            width: width(op0),
            port: port(theirs, 1),
        },
        M::Out => Intercept::Out {
            width: width(op1),
            port: port(theirs, 0),
        },
        M::Mov if op0.is_cr() => Intercept::WriteControl {
            control: number(op0, Iced::CR0),
            source: gpr(op1),
        },
        M::Mov if op1.is_cr() => Intercept::ReadControl {
            control: number(op1, Iced::CR0),
            destination: gpr(op0),
        },
        M::Mov if op0.is_dr() => Intercept::WriteDebug {
            debug: number(op0, Iced::DR0),
            source: gpr(op1),
        },
        M::Mov if op1.is_dr() => Intercept::ReadDebug {
            debug: number(op1, Iced::DR0),
            destination: gpr(op0),
        },
        M::Lmsw if op0.is_gpr() => Intercept::LoadMachineStatus { source: gpr(op0) },
        M::Smsw if op0.is_gpr() => Intercept::StoreMachineStatus {
            destination: gpr(op0),
            width: width(op0),
        },
        M::Vmrun
        | M::Vmload
        | M::Vmsave
        | M::Stgi
        | M::Clgi
        | M::Skinit
        | M::Invlpga
        | M::Invlpgb
        | M::Tlbsync
        | M::Vmxon
        | M::Vmxoff
        | M::Vmlaunch
        | M::Vmresume
        | M::Vmclear
        | M::Vmptrld
        | M::Vmptrst
        | M::Vmread
        | M::Vmwrite
        | M::Vmfunc
        | M::Invept
        | M::Invvpid
        | M::Getsec
        | M::Getsecq => Intercept::Virtualization,
        _ => return None,
    })
}

/// Control and debug registers that exist: `yaxpeax-x86` refuses others, as processors do.
fn exists(intercept: Intercept) -> bool {
    match intercept {
        Intercept::ReadControl { control, .. } | Intercept::WriteControl { control, .. } => {
            [0, 2, 3, 4, 8].contains(&control)
        }
        Intercept::ReadDebug { debug, .. } | Intercept::WriteDebug { debug, .. } => debug < 8,
        _ => true,
    }
}

fn opcode(intercept: Intercept) -> Option<&'static [u8]> {
    Some(match intercept {
        Intercept::Cpuid => fixed::CPUID,
        Intercept::Hlt => fixed::HLT,
        Intercept::ReadMsr => fixed::RDMSR,
        Intercept::WriteMsr => fixed::WRMSR,
        Intercept::ReadTsc => fixed::RDTSC,
        Intercept::ReadTscp => fixed::RDTSCP,
        Intercept::ReadPmc => fixed::RDPMC,
        Intercept::Vmmcall => fixed::VMMCALL,
        Intercept::Vmcall => fixed::VMCALL,
        Intercept::SetExtendedControl => fixed::XSETBV,
        Intercept::Pause => fixed::PAUSE,
        Intercept::WriteBack => fixed::WBINVD,
        Intercept::Invalidate => fixed::INVD,
        Intercept::ClearTaskSwitched => fixed::CLTS,
        _ => return None,
    })
}

/// Opcodes of intercepted instructions, with what may follow.
fn intercepted() -> impl Strategy<Value = Vec<u8>> {
    let prefixes = prop::collection::vec(
        prop::sample::select(vec![0x26, 0x65, 0x66, 0x67, 0xf2, 0xf3]),
        0..3,
    );
    let opcode = prop_oneof![
        prop::sample::select(vec![
            vec![0xf4],
            vec![0x90],
            vec![0x0f, 0x05],
            vec![0x0f, 0x06],
            vec![0x0f, 0x08],
            vec![0x0f, 0x09],
            vec![0x0f, 0x30],
            vec![0x0f, 0x31],
            vec![0x0f, 0x32],
            vec![0x0f, 0x33],
            vec![0x0f, 0xa2],
            vec![0x0f, 0xaa],
            vec![0x0f, 0x38, 0x82],
        ]),
        any::<u8>().prop_map(|modrm| vec![0x0f, 0x01, modrm]),
        (0x20u8..0x24, any::<u8>()).prop_map(|(opcode, modrm)| vec![0x0f, opcode, modrm]),
        (0x6cu8..0x70).prop_map(|opcode| vec![opcode]),
        (0xe4u8..0xe8).prop_map(|opcode| vec![opcode]),
        (0xecu8..0xf0).prop_map(|opcode| vec![opcode]),
    ];
    let rex = prop::option::of(0x40u8..0x50);
    (prefixes, rex, opcode, prop::collection::vec(any::<u8>(), 8)).prop_map(
        |(prefixes, rex, opcode, rest)| {
            [prefixes, rex.into_iter().collect(), opcode, rest].concat()
        },
    )
}

fn string_port(
    theirs: &Instruction,
    code: CodeSize,
) -> Option<(bool, Segment, Base, Width, Width)> {
    let (input, size) = match theirs.mnemonic() {
        Mnemonic::Insb => (true, Width::Byte),
        Mnemonic::Insw => (true, Width::Word),
        Mnemonic::Insd => (true, Width::Dword),
        Mnemonic::Outsb => (false, Width::Byte),
        Mnemonic::Outsw => (false, Width::Word),
        Mnemonic::Outsd => (false, Width::Dword),
        _ => return None,
    };
    let kind = theirs.op_kind(if input { 0 } else { 1 });
    let address = match kind {
        OpKind::MemoryESDI | OpKind::MemorySegSI => Width::Word,
        OpKind::MemoryESEDI | OpKind::MemorySegESI => Width::Dword,
        _ => Width::Qword,
    };
    let segment = crate::view::segment(theirs.memory_segment());
    let flat = code == CodeSize::Bits64 && segment < crate::view::FIRST_BASED;
    let base = Base::Gpr(if input { Gpr::Rdi } else { Gpr::Rsi });
    let segment = match (input, flat) {
        (true, _) => Segment::Es,
        (false, true) => Segment::Ds,
        (false, false) => segment,
    };
    Some((input, segment, base, address, size))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    #[test]
    fn intercepts_agree(bytes in prop_oneof![intercepted(), likely()], code in code()) {
        let Some(theirs) = iced(&bytes, code) else { return Ok(()) };
        let Ok(ours) = decode(&bytes, code) else {
            // Refused: then it is nothing that is intercepted.
            let lost = expected(&theirs).filter(|intercept| exists(*intercept));
            prop_assert_eq!(lost, None, "{:x?} {:?}", bytes, theirs);
            return Ok(());
        };
        let intercept = match ours.operation {
            Operation::Intercept(intercept) => Some(intercept),
            _ => None,
        };
        if let Some((input, segment, base, address, size)) = string_port(&theirs, code) {
            let port = match intercept {
                Some(Intercept::InString(port)) if input => port,
                Some(Intercept::OutString(port)) if !input => port,
                other => panic!("{bytes:x?} {theirs:?} {other:?}"),
            };
            prop_assert_eq!(port.width(), size);
            prop_assert_eq!(port.memory.base, Some(base));
            prop_assert_eq!(port.memory.address_size, address);
            let flat = code == CodeSize::Bits64 && port.memory.segment < Segment::Fs;
            if !flat {
                prop_assert_eq!(port.memory.segment, segment);
            }
            prop_assert_eq!(port.repeat, theirs.has_rep_prefix() || theirs.has_repne_prefix());
            return Ok(());
        }
        if let Some(Intercept::InvalidatePage(operand)) = intercept {
            prop_assert_eq!(theirs.mnemonic(), Mnemonic::Invlpg);
            prop_assert_eq!(normalized(operand, code), memory(&theirs, code, Width::Byte));
            return Ok(());
        }
        if let Some(Intercept::InvalidateContext { kind, descriptor }) = intercept {
            prop_assert_eq!(theirs.mnemonic(), Mnemonic::Invpcid);
            prop_assert_eq!(kind, gpr(theirs.op0_register()));
            prop_assert_eq!(normalized(descriptor, code), memory(&theirs, code, Width::Byte));
            return Ok(());
        }
        prop_assert_eq!(intercept, expected(&theirs), "{:x?} {:?}", bytes, theirs);

        if let Some(opcode) = intercept.and_then(opcode) {
            prop_assert_eq!(fixed::length(&bytes, code, opcode), Some(ours.length), "{:x?}", bytes);
        }
    }
}
