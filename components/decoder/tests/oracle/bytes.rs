//! Bytes to decode.

use pagurus_decoder::CodeSize;
use proptest::prelude::*;

pub fn code() -> impl Strategy<Value = CodeSize> {
    prop_oneof![
        Just(CodeSize::Bits16),
        Just(CodeSize::Bits32),
        Just(CodeSize::Bits64)
    ]
}

/// Anything: mostly short instructions.
pub fn random() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..20)
}

/// Prefixes, an opcode of one of the maps, and bytes that make up operands.
pub fn likely() -> impl Strategy<Value = Vec<u8>> {
    let prefix = prop::sample::select(vec![
        0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x40, 0x41, 0x44, 0x48,
        0x4c, 0x4f,
    ]);
    let opcode = prop_oneof![
        any::<u8>().prop_map(|opcode| vec![opcode]),
        any::<u8>().prop_map(|opcode| vec![0x0f, opcode]),
        (prop::sample::select(vec![0x38, 0x3a]), any::<u8>())
            .prop_map(|(map, opcode)| vec![0x0f, map, opcode]),
    ];
    (
        prop::collection::vec(prefix, 0..4),
        opcode,
        prop::collection::vec(any::<u8>(), 14),
    )
        .prop_map(|(prefixes, opcode, operands)| [prefixes, opcode, operands].concat())
}
