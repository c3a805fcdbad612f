//! Drivers that do anything at all: no panic, no hang, nothing written but where a driver may expect it.
//!
//! [`step`] takes bytes for what a guest does, so that a fuzzer can drive it; here random bytes do.

mod common;

use std::collections::VecDeque;

use common::*;
use pagurus_devices_virtio::balloon::{self, Balloon};
use pagurus_devices_virtio::block::{self, Block, BlockOptions};
use pagurus_devices_virtio::console::{self, Console};
use pagurus_devices_virtio::entropy::Entropy;
use pagurus_devices_virtio::net::{self, Frame, Net};
use pagurus_devices_virtio::queue::*;
use pagurus_devices_virtio::*;
use proptest::prelude::*;

/// What the bytes say, until they are used up.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn half(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    fn word(&mut self) -> Option<u32> {
        Some(u32::from(self.half()?) | u32::from(self.half()?) << 16)
    }
}

/// Where a script's queue lies: near enough together that random offsets hit.
const DESCRIPTOR: u64 = 0x000;
const DRIVER: u64 = 0x200;
const DEVICE: u64 = 0x280;
const MEMORY: usize = 0x800;

/// An address that is likely to mean something.
fn address(script: &mut Script) -> Option<u64> {
    let low = script.half()?;
    Some(match low >> 13 {
        0 => memory::HIGH + u64::from(low & 0xfff),
        1 => u64::MAX - u64::from(low & 0xfff),
        2 => memory::HIGH - 1 - u64::from(low & 0xf),
        _ => u64::from(low) % (MEMORY as u64 + 64),
    })
}

/// One queue, whose memory the script changes as it likes while the device takes buffers and gives them back.
fn step(bytes: &[u8]) -> Option<()> {
    let mut script = Script(bytes);
    let memory = TestMemory::new(MEMORY);
    let first = script.byte()?;
    let mut features = Features::empty();
    features.set(Features::EVENT_IDX, first & 1 != 0);
    features.set(Features::INDIRECT_DESC, first & 2 != 0);
    let settings = QueueSettings {
        max_size: 16,
        size: 1 << (first >> 2 & 7),
        descriptor: DESCRIPTOR,
        driver: DRIVER,
        device: if first & 0x80 != 0 {
            MEMORY as u64 - 8
        } else {
            DEVICE
        },
    };
    let mut ring = SplitRing::new(settings, features).ok()?;
    let mut taken: VecDeque<Chain> = VecDeque::new();
    let mut available = 0u16;
    loop {
        match script.byte()? {
            // A whole descriptor, as a driver would write it.
            0..=63 => {
                let flags = script.byte()?;
                Descriptor {
                    address: address(&mut script)?,
                    length: u32::from(script.half()?) >> (flags >> 4),
                    flags: u16::from(flags & 7),
                    next: u16::from(script.byte()?),
                }
                .store(&memory, u64::from(script.byte()? % 34) * 16);
            }
            // A head.
            64..=127 => {
                let at = DRIVER + 4 + 2 * u64::from(available & (settings.size - 1));
                memory.put_u16(at, u16::from(script.byte()? % 20));
                available = available.wrapping_add(1);
                memory.put_u16(DRIVER + 2, available);
            }
            // Anything anywhere.
            128..=143 => {
                let at = address(&mut script)?;
                let bytes = script.word()?.to_le_bytes();
                let _ = memory.write(at, &bytes[..usize::from(bytes[0] % 4) + 1]);
            }
            144..=159 => memory.put_u16(DRIVER + 2, script.half()?),
            160..=207 => {
                let mut chain = Chain::default();
                let before = memory.contents();
                match ring.pop(&memory, &mut chain) {
                    Ok(true) => {
                        check(&memory, &settings, &chain);
                        taken.push_back(chain);
                    }
                    Ok(false) => {}
                    // A ring that failed is not used again.
                    Err(error) => {
                        assert!(!error.to_string().is_empty());
                        return Some(());
                    }
                }
                unchanged(&before, &memory, &settings);
                assert_eq!(usize::from(ring.in_flight()), taken.len());
                assert!(ring.in_flight() <= settings.size);
            }
            208..=239 => {
                let which = usize::from(script.byte()?);
                if taken.is_empty() {
                    continue;
                }
                let chain = taken.remove(which % taken.len())?;
                let used = Used {
                    id: chain.id(),
                    written: which as u32,
                };
                let before = memory.contents();
                ring.push(&memory, &[used]).ok()?;
                unchanged(&before, &memory, &settings);
            }
            240..=247 => {
                if let Some(chain) = taken.pop_back() {
                    assert_eq!(ring.undo_pop(&chain), Ok(()));
                }
            }
            248..=255 => {
                ring.wants_interrupt(&memory).ok()?;
                assert!(!ring.has_news());
            }
        }
    }
}

/// What is taken is memory, and no more than a chain may be.
fn check(memory: &TestMemory, settings: &QueueSettings, chain: &Chain) {
    assert!(chain.id() < settings.size);
    let pieces = [chain.readable(), chain.writable()];
    let count: usize = pieces.iter().map(|p| p.as_slice().len()).sum();
    assert!(count <= usize::from(settings.max_size));
    for pieces in pieces {
        let sum: u64 = pieces.as_slice().iter().map(|p| u64::from(p.length)).sum();
        assert_eq!(sum, pieces.bytes());
        for piece in pieces.as_slice() {
            assert!(piece.length > 0);
            assert!(memory.contains(piece.address, u64::from(piece.length)));
        }
    }
}

/// The ring writes to its used ring and nowhere else.
fn unchanged(before: &[u16], memory: &TestMemory, settings: &QueueSettings) {
    let start = settings.device as usize / 2;
    let end = start + (6 + 8 * usize::from(settings.size)) / 2;
    for (at, (old, new)) in before.iter().zip(memory.contents()).enumerate() {
        assert!(
            *old == new || (start..end).contains(&at),
            "at {:#x}",
            2 * at
        );
    }
}

/// A device of any type, and what a monitor does with it.
trait Served: Device + Clone + core::fmt::Debug + PartialEq + Sized {
    /// What back ends have of it.
    type Held: Default;
    /// Serves a queue with all that can be done, `dice` deciding what if there is a choice.
    fn serve(machine: &mut Machine<Self>, queue: u16, dice: u8, held: &mut Self::Held);
    /// Everything comes back from the back ends.
    fn give_back(machine: &mut Machine<Self>, held: &mut Self::Held);
}

/// Calls at most, as a monitor limits itself: a guest on another processor could go on for ever.
const BUDGET: usize = 50;

impl Served for Console {
    type Held = ();

    fn serve(machine: &mut Machine<Self>, queue: u16, dice: u8, _: &mut ()) {
        let memory = &machine.memory;
        match queue {
            console::RECEIVE => {
                machine.device.input(memory, &[dice; 300]);
            }
            _ => {
                let mut buffer = vec![0; usize::from(dice)];
                for _ in 0..BUDGET {
                    if machine.device.output(memory, &mut buffer).is_none() {
                        break;
                    }
                }
            }
        }
        machine.device.resize(u16::from(dice), 1);
    }

    fn give_back(_: &mut Machine<Self>, _: &mut ()) {}
}

impl Served for Entropy {
    type Held = ();

    fn serve(machine: &mut Machine<Self>, _: u16, dice: u8, _: &mut ()) {
        let bytes = vec![dice; usize::from(dice)];
        for _ in 0..BUDGET {
            if machine.device.fill(&machine.memory, &bytes).is_none() {
                break;
            }
        }
    }

    fn give_back(_: &mut Machine<Self>, _: &mut ()) {}
}

impl Served for Balloon {
    type Held = ();

    fn serve(machine: &mut Machine<Self>, queue: u16, dice: u8, _: &mut ()) {
        let memory = &machine.memory;
        if queue == balloon::STATISTICS {
            let _ = machine.device.next_statistics(memory);
            machine.device.request_statistics(memory);
        }
        for _ in 0..BUDGET {
            match machine.device.next_pages(memory, queue) {
                Some(balloon::Event::Inflate { address, pages })
                | Some(balloon::Event::Deflate { address, pages }) => {
                    assert!(memory.contains(address, u64::from(pages) * balloon::PAGE));
                }
                Some(balloon::Event::Done) => {}
                None => break,
            }
        }
        machine.device.set_target(u32::from(dice));
    }

    fn give_back(_: &mut Machine<Self>, _: &mut ()) {}
}

impl Served for Net {
    type Held = Vec<Frame>;

    fn serve(machine: &mut Machine<Self>, queue: u16, dice: u8, held: &mut Vec<Frame>) {
        let memory = &machine.memory;
        if queue == net::RECEIVE {
            let _ = machine
                .device
                .receive(memory, &vec![dice; usize::from(dice) * 6]);
            return;
        }
        for n in 0..BUDGET as u8 {
            let some = if (dice ^ n) & 1 == 0 {
                let frame = machine.device.next_frame(memory);
                let some = frame.is_some();
                held.extend(frame);
                some
            } else {
                let mut buffer = vec![0; usize::from(dice) * 6];
                machine.device.transmit(memory, &mut buffer).is_some()
            };
            if !some {
                break;
            }
        }
        if dice & 2 != 0 && !held.is_empty() {
            let frame = held.swap_remove(usize::from(dice) % held.len());
            machine.device.sent(memory, frame);
        }
    }

    fn give_back(machine: &mut Machine<Self>, held: &mut Vec<Frame>) {
        for frame in held.drain(..) {
            machine.device.sent(&machine.memory, frame);
        }
    }
}

impl Served for Block {
    type Held = Vec<block::Tag>;

    fn serve(machine: &mut Machine<Self>, queue: u16, dice: u8, held: &mut Vec<block::Tag>) {
        let memory = &machine.memory;
        for _ in 0..BUDGET {
            match machine.device.next_request(memory, queue) {
                Some(block::Event::Request(request)) => {
                    let data = machine.device.device().data(request.tag);
                    for piece in data {
                        assert!(memory.contains(piece.address, u64::from(piece.length)));
                    }
                    held.push(request.tag);
                }
                Some(block::Event::Answered) => {}
                None => break,
            }
        }
        assert_eq!(machine.device.outstanding(), held.len());
        if dice & 1 != 0 && !held.is_empty() {
            let tag = held.swap_remove(usize::from(dice) % held.len());
            let result = match dice >> 1 & 3 {
                0 => Err(block::Failure::Io),
                1 => Err(block::Failure::Unsupported),
                _ => Ok(()),
            };
            machine.device.complete(memory, tag, result).unwrap();
        }
    }

    fn give_back(machine: &mut Machine<Self>, held: &mut Vec<block::Tag>) {
        for tag in held.drain(..) {
            machine
                .device
                .complete(&machine.memory, tag, Ok(()))
                .unwrap();
        }
    }
}

/// One device and all its registers: the script sets it up, right or wrong, and uses it, right or wrong.
fn device_step<D: Served>(device: D, bytes: &[u8]) -> Option<()> {
    let mut script = Script(bytes);
    let mut machine = Machine::with(device, Notifications::Ports, 1 << 20);
    let first = script.byte()?;
    let features = match first & 3 {
        0 => Features::VERSION_1,
        1 => Features::all() - Features::EVENT_IDX,
        _ => Features::all(),
    };
    let size = 1 << (first >> 2 & 7);
    let mut held = D::Held::default();
    let unused = machine.free;
    let mut queues: Vec<DriverQueue<()>> = machine.start(features, size);
    let buffers = machine.alloc(0x4000);
    loop {
        let queue = usize::from(script.byte()?) % queues.len();
        match script.byte()? {
            // A proper buffer with odd contents.
            0..=79 => {
                let mut lists = [Vec::new(), Vec::new()];
                let shape = script.byte()?;
                for n in 0..shape & 7 {
                    let at = buffers + u64::from(script.half()? % 0x3000);
                    let length = u32::from(script.byte()?) << (shape >> 6);
                    lists[usize::from(n >= shape >> 3 & 7)].push((at, length));
                }
                let start = script.word()?;
                machine.memory.put(buffers, &(start % 16).to_le_bytes());
                let [readable, writable] = lists;
                if !readable.is_empty() || !writable.is_empty() {
                    let _ = queues[queue].add(&machine.memory, &readable, &writable, ());
                }
            }
            // The queue's own memory is overwritten.
            80..=99 => {
                let bytes = DriverQueue::<()>::bytes(size.min(128));
                let at = queues[queue].descriptor + u64::from(script.half()?) % bytes;
                machine.memory.put(at, &[script.byte()?]);
            }
            100..=109 => {
                let at = queues[queue].driver + 2;
                machine.memory.put_u16(at, script.half()?);
            }
            // Any register of any range, in any width.
            110..=139 => {
                let at = u64::from(script.half()?) % 0x2010;
                let size = 1 << (script.byte()? & 3);
                let bar = script.byte()? & 1;
                let _ = machine.device.read(bar, at, size);
                let value = u64::from(script.word()?);
                let effect = machine.device.write(bar, at, size, value << 32 | value);
                if let Effect::Notified(queue) = effect {
                    D::serve(&mut machine, queue, at as u8, &mut held);
                }
            }
            140..=149 => machine.common_write(u64::from(script.byte()?), 2, 3),
            150..=159 => {
                let at = u16::from(script.byte()?);
                machine.config_write(at & !3, 4, script.word()?);
                let _ = machine.bus.assign();
            }
            160..=239 => {
                let dice = script.byte()?;
                D::serve(&mut machine, queue as u16, dice, &mut held);
            }
            // The device's state is all there is.
            240..=243 => {
                let copy = machine.device.clone();
                assert_eq!(copy, machine.device);
                machine.device = copy;
            }
            // A new beginning.
            _ => {
                machine.device.reset();
                D::give_back(&mut machine, &mut held);
                assert!(!machine.device.is_resetting());
                machine.bus.reset();
                machine.bus.assign().unwrap();
                machine.faults.clear();
                machine.free = unused;
                queues = machine.start(features, size);
            }
        }
        // Messages go where the guest says, which is not what is tested here.
        let function = machine.bus.function_mut(machine::slot())?;
        for _ in 0..=2 * function.msix_vectors() {
            if machine
                .device
                .next_message(&machine.memory, function)
                .is_none()
            {
                break;
            }
        }
        let fault = machine.device.take_fault();
        let broken = machine.device.status().contains(Status::NEEDS_RESET);
        assert!(fault.is_none() || broken);
        assert!(!machine.device.is_running() || !broken);
        machine.faults.extend(fault);
        for queue in &mut queues {
            queue.collect(&machine.memory);
        }
    }
}

fn script() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..2000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_queue_takes_anything(bytes in script()) {
        let _ = step(&bytes);
    }

    #[test]
    fn a_console_takes_anything(bytes in script()) {
        let _ = device_step(Console::new(80, 25), &bytes);
    }

    #[test]
    fn a_disk_takes_anything(bytes in script(), queues in 1u16..4) {
        let options = BlockOptions { discard: true, queues, ..BlockOptions::new(64) };
        let _ = device_step(Block::new(options), &bytes);
    }

    #[test]
    fn a_network_interface_takes_anything(bytes in script()) {
        let _ = device_step(Net::new([2, 0, 0, 0, 0, 1], 1500), &bytes);
    }

    #[test]
    fn an_entropy_source_takes_anything(bytes in script()) {
        let _ = device_step(Entropy, &bytes);
    }

    #[test]
    fn a_balloon_takes_anything(bytes in script()) {
        let _ = device_step(Balloon::new(true), &bytes);
    }
}
