//! The console device.

mod common;

use common::*;
use pagurus_devices_virtio::console::*;
use pagurus_devices_virtio::*;

struct Terminal {
    machine: Machine<Console>,
    queues: Vec<DriverQueue<(u64, u32)>>,
}

impl Terminal {
    fn new() -> Terminal {
        let mut machine = Machine::new(Console::new(80, 25));
        let queues = machine.start(Features::all(), 16);
        Terminal { machine, queues }
    }

    /// The guest prints.
    fn print(&mut self, text: &[u8]) {
        let at = self.machine.alloc(text.len() as u64 + 1);
        self.machine.memory.put(at, text);
        let piece = (at, text.len() as u32);
        self.queues[usize::from(TRANSMIT)]
            .add(&self.machine.memory, &[piece], &[], piece)
            .unwrap();
    }

    /// The guest gives a buffer for input.
    fn offer(&mut self, bytes: u32) {
        let piece = (self.machine.alloc(u64::from(bytes) + 1), bytes);
        self.queues[usize::from(RECEIVE)]
            .add(&self.machine.memory, &[], &[piece], piece)
            .unwrap();
    }

    /// What the guest has got since the last time.
    fn got(&mut self) -> Vec<u8> {
        let mut got = Vec::new();
        while let Some(((at, _), length)) =
            self.queues[usize::from(RECEIVE)].take_used(&self.machine.memory)
        {
            got.extend(self.machine.memory.get(at, length as usize));
        }
        got
    }

    fn output(&mut self, size: usize) -> Option<Vec<u8>> {
        let mut buffer = vec![0; size];
        let count = self
            .machine
            .device
            .output(&self.machine.memory, &mut buffer)?;
        buffer.truncate(count);
        Some(buffer)
    }
}

#[test]
fn output_comes_in_order_whatever_the_pieces() {
    let mut terminal = Terminal::new();
    assert_eq!(terminal.output(10), None);
    terminal.print(b"hello, ");
    terminal.print(b"world");
    assert_eq!(terminal.output(100).unwrap(), b"hello, ");
    assert_eq!(terminal.output(2).unwrap(), b"wo");
    let queue = usize::from(TRANSMIT);
    let memory = &terminal.machine.memory;
    assert!(terminal.queues[queue].take_used(memory).is_some());
    assert!(
        terminal.queues[queue].take_used(memory).is_none(),
        "not all"
    );
    assert_eq!(terminal.output(3).unwrap(), b"rld");
    let memory = &terminal.machine.memory;
    let (_, written) = terminal.queues[queue].take_used(memory).unwrap();
    assert_eq!(written, 0, "nothing was written to the buffer");
    assert_eq!(terminal.output(1), None);
}

#[test]
fn a_buffer_that_was_begun_is_forgotten_by_a_reset() {
    let mut terminal = Terminal::new();
    terminal.print(b"never to be seen");
    assert_eq!(terminal.output(5).unwrap(), b"never");
    terminal.machine.set_status(0);
    assert_eq!(terminal.output(100), None);
    terminal.queues = terminal.machine.start(Features::all(), 16);
    assert_eq!(terminal.output(100), None);
    terminal.print(b"new");
    assert_eq!(terminal.output(100).unwrap(), b"new");
}

#[test]
fn a_buffer_that_was_begun_stays_when_the_device_breaks() {
    let mut terminal = Terminal::new();
    terminal.print(b"never to be seen");
    assert_eq!(terminal.output(5).unwrap(), b"never");
    let index = terminal.queues[0].driver + 2;
    terminal.machine.memory.put_u16(index, 1000);
    let memory = &terminal.machine.memory;
    assert_eq!(terminal.machine.device.input(memory, b"x"), 1);
    terminal.machine.settle();
    assert_eq!(terminal.machine.faults.len(), 1);
    assert_eq!(terminal.output(100), None);
}

#[test]
fn empty_buffers_go_back_and_do_no_harm() {
    let mut terminal = Terminal::new();
    let at = terminal.machine.alloc(8);
    for _ in 0..3 {
        let memory = &terminal.machine.memory;
        terminal.queues[1]
            .add(memory, &[(at, 0)], &[], (at, 0))
            .unwrap();
        // Room to write is none of the console's business here.
        let write = [(at, 8)];
        terminal.queues[1]
            .add(memory, &[], &write, (at, 0))
            .unwrap();
        assert_eq!(terminal.output(10), Some(Vec::new()));
        assert_eq!(terminal.output(10), Some(Vec::new()));
        assert_eq!(terminal.output(10), None);
    }
    let memory = &terminal.machine.memory;
    for _ in 0..6 {
        assert!(terminal.queues[1].take_used(memory).is_some());
    }
}

#[test]
fn input_waits_for_buffers_and_fills_them() {
    let mut terminal = Terminal::new();
    let memory = &terminal.machine.memory;
    assert_eq!(terminal.machine.device.input(memory, b"abcdef"), 6);
    assert_eq!(terminal.machine.device.device().input_waiting(), 6);
    assert_eq!(terminal.got(), b"");
    terminal.offer(4);
    let memory = &terminal.machine.memory;
    assert_eq!(terminal.machine.device.deliver_input(memory), Some(4));
    assert_eq!(terminal.machine.device.deliver_input(memory), None);
    assert_eq!(terminal.got(), b"abcd");
    terminal.offer(100);
    terminal.offer(100);
    let memory = &terminal.machine.memory;
    assert_eq!(terminal.machine.device.input(memory, b"ghi"), 3);
    assert_eq!(terminal.got(), b"efghi", "as much as fits");
}

#[test]
fn input_is_bounded() {
    let mut terminal = Terminal::new();
    let bytes: Vec<u8> = (0..INPUT_CAPACITY + 100).map(|n| n as u8).collect();
    let memory = &terminal.machine.memory;
    let taken = terminal.machine.device.input(memory, &bytes);
    assert_eq!(taken, INPUT_CAPACITY);
    assert_eq!(terminal.machine.device.input(memory, b"x"), 0);
    terminal.offer(64);
    let memory = &terminal.machine.memory;
    assert_eq!(terminal.machine.device.input(memory, &bytes[taken..]), 64);
    for _ in 0..9 {
        terminal.offer(512);
    }
    let memory = &terminal.machine.memory;
    while terminal.machine.device.deliver_input(memory).is_some() {}
    assert_eq!(terminal.got(), bytes[..taken + 64]);
}

#[test]
fn input_waits_for_the_next_driver_too() {
    let mut machine = Machine::new(Console::new(0, 0));
    assert_eq!(machine.device.input(&machine.memory, b"early"), 5);
    let queues = machine.start(Features::all(), 16);
    let mut terminal = Terminal { machine, queues };
    terminal.offer(16);
    let memory = &terminal.machine.memory;
    assert_eq!(terminal.machine.device.deliver_input(memory), Some(5));
    assert_eq!(terminal.got(), b"early");
}

#[test]
fn a_buffer_without_room_breaks_the_device() {
    let mut terminal = Terminal::new();
    let at = terminal.machine.alloc(8);
    let memory = &terminal.machine.memory;
    terminal.queues[0]
        .add(memory, &[(at, 8)], &[], (at, 0))
        .unwrap();
    assert_eq!(terminal.machine.device.input(memory, b"x"), 1);
    terminal.machine.settle();
    let fault = Fault {
        queue: RECEIVE,
        cause: Cause::Buffer(BufferError::NoRoom { bytes: 0 }),
    };
    assert_eq!(terminal.machine.faults, [fault]);
    assert_eq!(terminal.machine.device.device().input_waiting(), 1, "kept");
}

#[test]
fn emergency_writes_work_before_there_is_a_driver() {
    let mut machine = Machine::new(Console::new(0, 0));
    let config = machine.layout.config.unwrap();
    assert_eq!(machine.device.take_emergency(), None);
    machine.write(config + 8, 4, u64::from(b'!'));
    assert_eq!(machine.effects.pop_back(), Some(Effect::Configured));
    assert_eq!(machine.device.take_emergency(), Some(b'!'));
    assert_eq!(machine.device.take_emergency(), None);
    machine.write(config, 4, 7);
    assert_eq!(machine.device.take_emergency(), None);
    assert_eq!(machine.read(config, 4), 0, "the size cannot be written");
}
