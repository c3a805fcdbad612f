//! What `check` accepts, `hermit_entry` handles without a panic; what is wrong is named.

mod elf;

use elf::{CODE, CONSTANTS, DYNAMIC, Elf, NOTE};
use hermit_entry::elf::KernelObject;
use pagurus_payload::{MAX_MEMORY, Payload, PayloadError, check};
use proptest::prelude::*;
use std::mem::MaybeUninit;

/// Does what a boot loader does. `KernelObject` may refuse, but not panic.
fn load(file: &[u8], payload: Payload) -> bool {
    let Ok(kernel) = KernelObject::parse(file) else {
        return false;
    };
    let mut memory = vec![MaybeUninit::uninit(); payload.memory as usize];
    let base = 0x20_0000;
    let loaded = kernel.load_kernel(&mut memory, base);
    let image = loaded.load_info.kernel_image_addr_range;
    assert_eq!(image, base..base + payload.memory);
    assert!(image.contains(&loaded.entry_point));
    true
}

#[test]
fn a_good_payload_is_loaded() {
    let elf = Elf::good();
    let payload = check(elf.bytes()).unwrap();
    assert_eq!(payload.memory, elf::MEMORY);
    assert!(load(elf.bytes(), payload));
}

/// Each of these would have made `KernelObject` panic, or the kernel crash.
#[test]
fn what_is_wrong_is_named() {
    type Expected = Box<dyn Fn(&PayloadError) -> bool>;
    let is = |expected: PayloadError| -> Expected { Box::new(move |error| *error == expected) };
    let part = |name: &'static str| -> Expected {
        Box::new(move |error| matches!(error, PayloadError::Broken(what) if what.starts_with(name)))
    };
    let good = Elf::good;
    let mut text = good();
    text.put(0, b"#!/bin/sh");

    let cases: Vec<(Elf, Expected)> = vec![
        (text, is(PayloadError::NotElf)),
        (good().with16(18, 0xb7), is(PayloadError::WrongMachine)), // AArch64
        (good().with16(4, 0x0101), is(PayloadError::WrongMachine)), // 32 bits
        (good().with16(4, 0x0202), is(PayloadError::WrongMachine)), // big endian
        (good().with16(16, 2), is(PayloadError::NotRelocatable)),
        (good().with(32, 0x7f_0000), is(PayloadError::NotElf)), // program headers
        (good().with(32, 68), part("program header table")),
        (good().with(40, 0x7f_0000), is(PayloadError::NotElf)), // section headers
        (good().with(40, 0), part("section header table")),
        (
            good().with(40, elf::SECTIONS as u64 - 4),
            part("section header table"),
        ),
        (good().header(CODE, 0, u64::MAX - 8), part("segment")),
        (good().header(CODE, 3, 0x8000), part("segment")),
        (good().header(CODE, 4, 0x80), part("segment")),
        (good().header(CODE, 1, 0x800), part("segment")),
        (good().header(CONSTANTS, 1, 0x1000), part("segment")),
        (
            good().header(CODE, 4, MAX_MEMORY),
            is(PayloadError::TooLarge),
        ),
        (good().header(CODE, 4, u64::MAX), is(PayloadError::TooLarge)),
        (good().with(24, 0x10), part("entry point")), // not code
        (good().with(24, 0x9000), part("entry point")),
        (
            good().with32(elf::PROGRAM_HEADERS + 56 * NOTE, 0),
            is(PayloadError::NoEntryVersion),
        ),
        (
            good().with32(elf::NOTE_AT + 8, 1),
            is(PayloadError::NoEntryVersion),
        ),
        (good().header(NOTE, 5, 4096), part("note segment")),
        (good().header(NOTE, 5, 0), part("note segment")),
        (good().header(NOTE, 3, 21), part("note segment")),
        (good().header(NOTE, 3, 0x7f_0000), part("note segment")),
        (good().with32(elf::NOTE_AT, 0), part("note segment")),
        (good().with32(elf::NOTE_AT, 0x4000), part("note segment")),
        (
            good().with32(elf::NOTE_AT + 4, 0x4000),
            part("note segment"),
        ),
        (good().with32(elf::NOTE_AT + 4, 0), part("note segment")),
        (
            good().with32(elf::NOTE_AT + 12, 0xffff_ffff),
            part("note segment"),
        ), // not UTF-8
        (
            good().header(DYNAMIC, 0, 0x7f_0000),
            part("dynamic section"),
        ),
        (
            good().header(DYNAMIC, 0, elf::DYNAMIC_AT as u64 + 4),
            part("dynamic section"),
        ),
        (
            good()
                .with(elf::DYNAMIC_AT + 48, 0x6fff_fffa)
                .with(elf::DYNAMIC_AT + 56, 1),
            part("dynamic section"),
        ),
        (
            good().with(elf::DYNAMIC_AT + 8, 0x64),
            part("relocation table"),
        ),
        (
            good().with(elf::DYNAMIC_AT + 24, 0x7f_0000),
            part("relocation table"),
        ),
        (
            good().with(elf::DYNAMIC_AT + 24, 40),
            part("relocation table"),
        ),
        (good().with(elf::RELOCATIONS_AT, 0x2ff9), part("relocation")),
        (
            good().with(elf::RELOCATIONS_AT, u64::MAX),
            part("relocation"),
        ),
        (
            good().with(elf::RELOCATIONS_AT + 16, elf::MEMORY + 1),
            part("relocation"),
        ),
        (
            good().with(elf::RELOCATIONS_AT + 16, i64::MAX as u64),
            part("relocation"),
        ),
        (
            good().with(elf::RELOCATIONS_AT + 8, 6),
            is(PayloadError::Relocation(6)),
        ),
        (
            good().with(elf::SECTIONS + 64 + 24, 0x7f_0000),
            part("dynamic symbol table"),
        ),
        (
            good().with(elf::SECTIONS + 64 + 32, 25),
            part("dynamic symbol table"),
        ),
        (
            good()
                .with32(elf::PROGRAM_HEADERS + 56 * NOTE, 7)
                .header(NOTE, 4, u64::MAX),
            part("thread-local"),
        ),
    ];
    for (i, (elf, expected)) in cases.iter().enumerate() {
        let error = check(elf.bytes()).expect_err("accepted");
        assert!(expected(&error), "case {i}: {error:?}");
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn a_file_that_is_cut_off_is_refused_everywhere() {
    let elf = Elf::good();
    for length in (0..elf::BYTES).step_by(8) {
        assert!(check(&elf.bytes()[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_file_at_an_odd_address_is_refused() {
    let elf = Elf::good();
    assert_eq!(check(&elf.bytes()[4..]), Err(PayloadError::Misplaced));
}

#[test]
fn payloads_without_section_headers_are_fine() {
    let elf = Elf::good().with(40, 0).with16(60, 0);
    assert!(load(elf.bytes(), check(elf.bytes()).unwrap()));
}

/// Offsets of what the loaders look at, so that changes hit something.
fn place() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..0x140usize,
        elf::NOTE_AT..elf::NOTE_AT + 0xc0,
        elf::SECTIONS..elf::BYTES,
    ]
}

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..64u64,
        (0..0x40u64).prop_map(|i| i * 0x100),
        any::<u64>(),
        (0..64u64).prop_map(|i| u64::MAX - i),
        (0..63u32).prop_map(|bit| 1 << bit),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_is_handled(
        changes in prop::collection::vec((place(), value(), 1..9usize), 1..4),
        cut in prop::option::weighted(0.1, 0..elf::BYTES),
    ) {
        let mut elf = Elf::good();
        for (at, value, length) in changes {
            let length = length.min(elf::BYTES - at);
            elf.put(at, &value.to_le_bytes()[..length]);
        }
        let bytes = &elf.bytes()[..cut.unwrap_or(elf::BYTES)];
        if let Ok(payload) = check(bytes) {
            prop_assert!(payload.memory <= MAX_MEMORY);
            // Large ones differ in nothing but the time they take.
            if payload.memory <= 1 << 20 {
                load(bytes, payload);
            } else {
                let _ = KernelObject::parse(bytes);
            }
        }
    }
}
