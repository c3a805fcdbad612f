//! What `iced-x86` says, in the terms of our decoder.

use iced_x86::{Decoder, DecoderOptions, Instruction, Register as Iced};
use pagurus_decoder::{Base, CodeSize, Gpr, MemoryOperand, Segment, Width};

pub fn bits(code: CodeSize) -> u32 {
    match code {
        CodeSize::Bits16 => 16,
        CodeSize::Bits32 => 32,
        CodeSize::Bits64 => 64,
    }
}

/// Decoded at address 0; nothing if there is no instruction.
pub fn iced(bytes: &[u8], code: CodeSize) -> Option<Instruction> {
    let mut decoder = Decoder::with_ip(bits(code), bytes, 0, DecoderOptions::NONE);
    let instruction = decoder.decode();
    (!instruction.is_invalid()).then_some(instruction)
}

pub fn gpr(register: Iced) -> Gpr {
    let full = register.full_register();
    assert!(full.is_gpr64(), "{register:?} is no general register");
    Gpr::from_number((full as u32 - Iced::RAX as u32) as u8)
}

pub fn segment(register: Iced) -> Segment {
    match register {
        Iced::ES => Segment::Es,
        Iced::CS => Segment::Cs,
        Iced::SS => Segment::Ss,
        Iced::DS => Segment::Ds,
        Iced::FS => Segment::Fs,
        Iced::GS => Segment::Gs,
        other => panic!("{other:?} is no segment"),
    }
}

/// Size of addresses: what registers in the operand have, or what a displacement alone is.
fn address_size(instruction: &Instruction, code: CodeSize) -> Width {
    let named = [instruction.memory_base(), instruction.memory_index()]
        .into_iter()
        .find(|register| *register != Iced::None);
    match named {
        Some(register) => Width::from_bytes(register.size() as u8).expect("a register's size"),
        None => match (instruction.memory_displ_size(), code) {
            (2, _) => Width::Word,
            (8, _) => Width::Qword,
            (_, CodeSize::Bits16 | CodeSize::Bits32) => Width::Dword,
            // `[disp32]` in long code has an address of 32 bits only if a prefix says so, which iced
            // reports as a displacement of that size.
            (4, CodeSize::Bits64) => Width::Dword,
            (size, _) => panic!("displacement of {size} bytes without a register"),
        },
    }
}

/// The ordinary memory operand of an instruction, with the width given. Segments that have no meaning in
/// 64-bit code are `ds` here.
pub fn memory(instruction: &Instruction, code: CodeSize, width: Width) -> MemoryOperand {
    let size = address_size(instruction, code);
    let relative = instruction.is_ip_rel_memory_operand();
    let displacement = if relative {
        // An absolute address, of an instruction at 0.
        instruction
            .memory_displacement64()
            .wrapping_sub(instruction.len() as u64)
    } else {
        instruction.memory_displacement64()
    };
    MemoryOperand {
        segment: normal(segment(instruction.memory_segment()), code),
        base: match instruction.memory_base() {
            Iced::None => None,
            Iced::RIP | Iced::EIP => Some(Base::NextInstruction),
            register => Some(Base::Gpr(gpr(register))),
        },
        index: match instruction.memory_index() {
            Iced::None => None,
            register => Some(gpr(register)),
        },
        // Without an index it means nothing.
        scale: match instruction.memory_index() {
            Iced::None => 1,
            _ => instruction.memory_index_scale() as u8,
        },
        displacement: size.truncate(displacement) as i64,
        address_size: size,
        width,
    }
}

/// The same for ours.
pub fn normalized(operand: MemoryOperand, code: CodeSize) -> MemoryOperand {
    MemoryOperand {
        segment: normal(operand.segment, code),
        scale: if operand.index.is_some() {
            operand.scale
        } else {
            1
        },
        displacement: operand.address_size.truncate(operand.displacement as u64) as i64,
        ..operand
    }
}

fn normal(segment: Segment, code: CodeSize) -> Segment {
    let flat = code == CodeSize::Bits64 && !matches!(segment, Segment::Fs | Segment::Gs);
    if flat { Segment::Ds } else { segment }
}

/// In 64-bit code segments from this one on have a base.
pub const FIRST_BASED: Segment = Segment::Fs;
