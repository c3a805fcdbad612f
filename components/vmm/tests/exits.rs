//! A processor's exits, as the kernel reports them, with the whole board behind.

use pagurus_abi::vcpu::{Event, ExitKind, Groups, PortAccess, VcpuPage, gpr, segment};
use pagurus_devices_chipset::{Clock, Effect};
use vmm::board::{COM1, TestDevices};
use vmm::cpuid::Identification;
use vmm::processor::{Context, wanted};
use vmm::{Board, GuestMemory, Next, Processor, Stop};
use zerocopy::FromZeros;

const RFLAGS_IF: u64 = 1 << 9;
const RUN: Next = Next::Run(Groups::empty());

struct Ram(Vec<u8>);

impl GuestMemory for Ram {
    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        let found = usize::try_from(address)
            .ok()
            .and_then(|at| self.0.get(at..at.checked_add(bytes.len())?));
        found.is_some_and(|found| {
            bytes.copy_from_slice(found);
            true
        })
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> bool {
        let found = usize::try_from(address)
            .ok()
            .and_then(|at| self.0.get_mut(at..at.checked_add(bytes.len())?));
        found.is_some_and(|found| {
            found.copy_from_slice(bytes);
            true
        })
    }
}

fn no_cpuid(_: u32, _: u32) -> [u32; 4] {
    [7; 4]
}

struct Vm {
    page: Box<VcpuPage>,
    board: Board,
    ram: Ram,
    processor: Processor,
    now: u64,
}

impl Vm {
    /// In 32-bit protected mode without paging, at 0x1000.
    fn new() -> Vm {
        let clock = Clock {
            tsc_khz: 1_000_000,
            tsc_offset: 0,
        };
        let mut page = Box::new(VcpuPage::new_zeroed());
        wanted(&mut page);
        page.segments[segment::CS].attributes = 0xc9b;
        page.control.cr0 = 1;
        page.rip = 0x1000;
        page.rflags = 2;
        Vm {
            page,
            board: Board::new(
                clock,
                0,
                TestDevices {
                    debug_exit: true,
                    ..TestDevices::default()
                },
            ),
            ram: Ram(vec![0; 1 << 20]),
            processor: Processor::new(Identification::new(no_cpuid, 0)),
            now: 0,
        }
    }

    fn exit(&mut self, kind: ExitKind, info: [u64; 4]) -> Next {
        self.page.info = info;
        let mut context = Context {
            page: &mut self.page,
            board: &mut self.board,
            memory: &mut self.ram,
            now: self.now,
        };
        self.processor.exit(kind, &mut context)
    }

    fn out(&mut self, port: u16, value: u8) -> Next {
        self.page.gpr[gpr::RAX] = value.into();
        let next = self.page.rip + 1;
        self.exit(ExitKind::Port, [u64::from(port) | 1 << 16, next, 0, 0])
    }

    fn input(&mut self, port: u16) -> u8 {
        let next = self.page.rip + 1;
        let access = u64::from(port) | 1 << 16 | PortAccess::IN;
        assert!(matches!(
            self.exit(ExitKind::Port, [access, next, 0, 0]),
            Next::Run(_)
        ));
        self.page.gpr[gpr::RAX] as u8
    }

    /// The guest executes `code` on what lies at `address` and is not RAM.
    fn touch(&mut self, code: &[u8], address: u64) -> Next {
        assert!(self.ram.write(self.page.rip, code));
        self.exit(ExitKind::Memory, [address, 0, 0, 0])
    }
}

#[test]
fn text_goes_to_the_serial_line() {
    let mut vm = Vm::new();
    for byte in b"hello" {
        assert_eq!(vm.out(COM1, *byte), RUN);
        // Without its FIFO it holds one byte.
        assert_eq!(vm.board.take_serial(), [*byte]);
    }
    assert_eq!(vm.page.rip, 0x1005);
    assert_eq!(vm.input(COM1 + 5) & 0x60, 0x60, "and it is ready for more");
    vm.page.gpr[gpr::RAX] = 0x1122_3344;
    vm.input(0x1234);
    assert_eq!(vm.page.gpr[gpr::RAX], 0x1122_33ff, "nobody is there");
}

#[test]
fn the_debug_exit_ends_the_machine() {
    let mut vm = Vm::new();
    assert_eq!(vm.out(0xf4, 3), RUN);
    assert_eq!(vm.board.effect, Some(Effect::Exit(7)));
}

#[test]
fn registers_in_memory_are_read_and_written() {
    let mut vm = Vm::new();
    // mov eax, [0xfee00030]: the version of the local APIC.
    let read = [0xa1, 0x30, 0x00, 0xe0, 0xfe];
    assert_eq!(vm.touch(&read, 0xfee0_0030), RUN);
    assert_eq!(vm.page.gpr[gpr::RAX] & 0xff, 0x14);
    assert_eq!(vm.page.rip, 0x1005);
    // mov dword ptr [0xfee00080], 0x20: the task priority.
    let write = [0xc7, 0x05, 0x80, 0x00, 0xe0, 0xfe, 0x20, 0, 0, 0];
    assert_eq!(vm.touch(&write, 0xfee0_0080), RUN);
    assert_eq!(vm.board.lapic.cr8(), 2);
    // An instruction that nobody uses on registers stops the machine, and nothing else.
    let odd = [0x0f, 0xae, 0x05, 0, 0, 0xe0, 0xfe];
    let next = vm.touch(&odd, 0xfee0_0000);
    assert!(matches!(next, Next::Stop(Stop::Unknown { .. })), "{next:?}");
}

#[test]
fn an_interrupt_waits_for_the_guest_to_take_it() {
    let mut vm = Vm::new();
    // The 8259s: vectors from 0x30 on, the timer's line open.
    for (port, value) in [
        (0x20, 0x11),
        (0x21, 0x30),
        (0x21, 4),
        (0x21, 1),
        (0x21, 0xfe),
    ] {
        vm.out(port, value);
    }
    // The interval timer, counter 0, mode 2, 1000 ticks: 838 microseconds.
    for (port, value) in [(0x43, 0x34), (0x40, 0xe8), (0x40, 0x03)] {
        vm.out(port, value);
    }
    let deadline = vm.board.deadline(0).expect("a timer runs");
    assert!((800_000..900_000).contains(&deadline), "{deadline}");
    vm.now = deadline;
    vm.board.advance(deadline);
    assert!(vm.board.interrupt_waits());
    assert_eq!(vm.exit(ExitKind::Signal, [0; 4]), RUN);
    assert_eq!(vm.page.window, 1, "its interrupts are off");
    assert_eq!(vm.page.event, Event::NONE);
    vm.page.rflags |= RFLAGS_IF;
    vm.page.interrupts.shadow = 1;
    vm.exit(ExitKind::Signal, [0; 4]);
    assert_eq!(vm.page.event, Event::NONE, "behind sti");
    vm.page.interrupts.shadow = 0;
    assert_eq!(vm.exit(ExitKind::Window, [0; 4]), RUN);
    assert_eq!(vm.page.event, Event::interrupt(0x30));
    assert_eq!(vm.page.window, 0);
}

#[test]
fn a_halted_processor_waits_and_is_woken() {
    let mut vm = Vm::new();
    assert_eq!(vm.exit(ExitKind::Halt, [0; 4]), Next::Wait);
    assert_eq!(vm.page.rip, 0x1001);
    assert!(!vm.processor.is_woken(&vm.page, &vm.board));
    // `sti; hlt`: the shadow ends with the instruction.
    vm.page.rflags |= RFLAGS_IF;
    vm.page.interrupts.shadow = 1;
    assert_eq!(vm.exit(ExitKind::Halt, [0; 4]), Next::Wait);
    assert_eq!(vm.page.interrupts.shadow, 0);
}

#[test]
fn registers_that_do_not_exist_are_refused() {
    let mut vm = Vm::new();
    for write in [0, 1] {
        vm.page.gpr[gpr::RCX] = 0xdead_0000;
        vm.page.event = Event::NONE;
        assert_eq!(vm.exit(ExitKind::Msr, [write, 0, 0, 0]), RUN);
        assert_eq!(vm.page.event, Event::exception_with(13, 0));
        assert_eq!(vm.page.rip, 0x1000, "it stands at the instruction");
    }
    // The extended features: what the guest may not set, and long mode active, which follows from the rest.
    vm.page.event = Event::NONE;
    vm.page.gpr[gpr::RCX] = 0xc000_0080;
    vm.page.gpr[gpr::RAX] = 1 << 12;
    vm.exit(ExitKind::Msr, [1, 0, 0, 0]);
    assert_eq!(
        vm.page.event,
        Event::exception_with(13, 0),
        "virtualisation"
    );
    vm.page.event = Event::NONE;
    vm.page.gpr[gpr::RAX] = 0x501;
    let next = vm.exit(ExitKind::Msr, [1, 0, 0, 0]);
    assert_eq!(next, Next::Run(Groups::CONTROL));
    assert_eq!(vm.page.control.efer, 0x101);
}

#[test]
fn what_ends_a_machine() {
    let mut vm = Vm::new();
    assert_eq!(
        vm.exit(ExitKind::Shutdown, [0; 4]),
        Next::Stop(Stop::Shutdown)
    );
    let next = vm.exit(ExitKind::Unknown, [0x99, 0, 0, 0]);
    let stop = Stop::Unknown {
        kind: ExitKind::Unknown,
        rip: 0x1000,
        info: 0x99,
    };
    assert_eq!(next, Next::Stop(stop));
}
