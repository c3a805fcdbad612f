//! String instructions, pushes and pops over a simulated memory.

use pagurus_decoder::{
    Access, CodeSize, Gpr, Operation, Place, Registers, SegmentBases, Width, decode,
};

/// A guest's memory.
struct Memory(Vec<u8>);

impl Memory {
    fn read(&self, place: Place) -> u64 {
        let at = place.address as usize;
        let mut bytes = [0; 8];
        let length = usize::from(place.width.bytes());
        bytes[..length].copy_from_slice(&self.0[at..at + length]);
        u64::from_le_bytes(bytes)
    }

    fn write(&mut self, place: Place, value: u64) {
        let at = place.address as usize;
        let length = usize::from(place.width.bytes());
        self.0[at..at + length].copy_from_slice(&value.to_le_bytes()[..length]);
    }
}

fn access(bytes: &[u8], code: CodeSize) -> Access {
    match decode(bytes, code).expect("an instruction").operation {
        Operation::Access(access) => access,
        other => panic!("{other:?}"),
    }
}

/// Makes steps until the instruction is finished; returns their number.
fn run(access: &Access, registers: &mut Registers, memory: &mut Memory) -> usize {
    run_with(access, registers, memory, &SegmentBases::default())
}

fn run_with(
    access: &Access,
    registers: &mut Registers,
    memory: &mut Memory,
    bases: &SegmentBases,
) -> usize {
    for step in 1.. {
        let places = access.places(registers, bases);
        let read = places
            .reads
            .map(|place| place.map_or(0, |place| memory.read(place)));
        let executed = access.execute(registers, read);
        if let (Some(place), Some(value)) = (places.write, executed.write) {
            memory.write(place, value);
        }
        if executed.finished {
            return step;
        }
        assert_eq!(
            registers.rip, 0,
            "a step does not move the instruction pointer"
        );
    }
    unreachable!()
}

fn registers(rcx: u64, rsi: u64, rdi: u64) -> Registers {
    let mut registers = Registers::default();
    registers.general[Gpr::Rcx as usize] = rcx;
    registers.general[Gpr::Rsi as usize] = rsi;
    registers.general[Gpr::Rdi as usize] = rdi;
    registers
}

#[test]
fn rep_movs_copies() {
    let mut memory = Memory((0..=255).collect());
    let mut after = registers(5, 16, 128);
    // rep movsd
    let movs = access(&[0xf3, 0xa5], CodeSize::Bits64);
    assert_eq!(movs.width(), Width::Dword);
    assert_eq!(run(&movs, &mut after, &mut memory), 5);
    assert_eq!(memory.0[128..148], (16..36).collect::<Vec<u8>>());
    assert_eq!(memory.0[148], 148);
    assert_eq!(after.general[Gpr::Rcx as usize], 0);
    assert_eq!(after.general[Gpr::Rsi as usize], 36);
    assert_eq!(after.general[Gpr::Rdi as usize], 148);
    assert_eq!(after.rip, 2);
}

#[test]
fn down_when_the_direction_flag_is_set() {
    let mut memory = Memory((0..=255).collect());
    let mut after = registers(3, 10, 100);
    after.rflags = 1 << 10;
    // rep movsw
    run(
        &access(&[0x66, 0xf3, 0xa5], CodeSize::Bits64),
        &mut after,
        &mut memory,
    );
    assert_eq!(memory.0[96..102], [6, 7, 8, 9, 10, 11]);
    assert_eq!(after.general[Gpr::Rdi as usize], 94);
}

#[test]
fn a_count_of_zero_does_nothing() {
    let mut memory = Memory(vec![0; 16]);
    // Only the low half counts with an address-size prefix: rep stosb.
    let stos = access(&[0x67, 0xf3, 0xaa], CodeSize::Bits64);
    let mut after = registers(1 << 32, 0, 4);
    after.general[Gpr::Rax as usize] = 0xff;
    assert_eq!(
        stos.places(&after, &SegmentBases::default()),
        Default::default()
    );
    assert_eq!(run(&stos, &mut after, &mut memory), 1);
    assert_eq!(memory.0, [0; 16]);
    assert_eq!(after.rip, 3);
    assert_eq!(after.general[Gpr::Rdi as usize], 4);
}

#[test]
fn sixteen_bit_pointers_wrap_and_segments_count() {
    let mut memory = Memory(vec![0; 0x2_0000]);
    let mut after = registers(2, 0, 0xaaaa_ffff);
    after.general[Gpr::Rax as usize] = 0x5a;
    // rep stosb in real mode with es = 0x100
    let bases = SegmentBases([0x1000, 0, 0, 0, 0, 0]);
    run_with(
        &access(&[0xf3, 0xaa], CodeSize::Bits16),
        &mut after,
        &mut memory,
        &bases,
    );
    assert_eq!((memory.0[0x1_0fff], memory.0[0x1000]), (0x5a, 0x5a));
    assert_eq!(after.general[Gpr::Rdi as usize], 0xaaaa_0001);
}

#[test]
fn scas_and_cmps_end_early() {
    let mut memory = Memory(b"console=ttyS0\0console=ttyS1".to_vec());
    let mut after = registers(100, 0, 0);
    // repne scasb, as strlen does
    run(
        &access(&[0xf2, 0xae], CodeSize::Bits64),
        &mut after,
        &mut memory,
    );
    assert_eq!(after.general[Gpr::Rdi as usize], 14);
    assert_eq!(after.general[Gpr::Rcx as usize], 86);
    assert_ne!(after.rflags & 1 << 6, 0);

    let mut after = registers(13, 0, 14);
    // repe cmpsb: differs in the last character
    assert_eq!(
        run(
            &access(&[0xf3, 0xa6], CodeSize::Bits64),
            &mut after,
            &mut memory
        ),
        13
    );
    assert_eq!(after.general[Gpr::Rsi as usize], 13);
    assert_eq!(after.rflags & 1 << 6, 0);
    assert_ne!(after.rflags & 1, 0, "'0' is below '1'");
}

#[test]
fn lods_reads_one() {
    let mut memory = Memory((0..32).collect());
    let mut after = registers(0, 8, 0);
    after.general[Gpr::Rax as usize] = u64::MAX;
    run(&access(&[0xac], CodeSize::Bits64), &mut after, &mut memory);
    assert_eq!(after.general[Gpr::Rax as usize], 0xffff_ffff_ffff_ff08);
    run(
        &access(&[0x48, 0xad], CodeSize::Bits64),
        &mut Registers { rip: 0, ..after },
        &mut memory,
    );
}

#[test]
fn push_and_pop_use_the_stack() {
    let mut memory = Memory(vec![0; 64]);
    memory.0[0..8].copy_from_slice(&0x1122_3344_5566_7788u64.to_le_bytes());
    let mut after = Registers::default();
    after.general[Gpr::Rsp as usize] = 40;
    // push qword [rax]
    run(
        &access(&[0xff, 0x30], CodeSize::Bits64),
        &mut after,
        &mut memory,
    );
    assert_eq!(memory.0[32..40], memory.0[0..8]);
    assert_eq!(after.general[Gpr::Rsp as usize], 32);
    // pop qword [rsp]: the address is that after the pop
    after.rip = 0;
    run(
        &access(&[0x8f, 0x04, 0x24], CodeSize::Bits64),
        &mut after,
        &mut memory,
    );
    assert_eq!(memory.0[40..48], memory.0[0..8]);
    assert_eq!(after.general[Gpr::Rsp as usize], 40);
}

#[test]
fn a_bit_in_a_register_reaches_beyond_the_operand() {
    let mut memory = Memory(vec![0; 64]);
    let mut after = Registers::default();
    after.general[Gpr::Rax as usize] = 32;
    after.general[Gpr::Rcx as usize] = 70;
    // bts qword [rax], rcx
    let bts = access(&[0x48, 0x0f, 0xab, 0x08], CodeSize::Bits64);
    run(&bts, &mut after, &mut memory);
    assert_eq!(memory.0[40], 1 << 6);
    assert_eq!(after.rflags & 1, 0);
    after.rip = 0;
    after.general[Gpr::Rcx as usize] = -1i64 as u64;
    run(&bts, &mut after, &mut memory);
    assert_eq!(memory.0[31], 0x80);
    // The same bit again was set before.
    after.rip = 0;
    run(&bts, &mut after, &mut memory);
    assert_eq!(after.rflags & 1, 1);
}
