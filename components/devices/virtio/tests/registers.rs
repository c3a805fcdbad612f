//! The PCI transport: status, features, queue set-up, interrupts, register by register.

mod common;

use common::machine::{common as reg, slot};
use common::*;
use pagurus_devices_virtio::block::{Block, BlockOptions};
use pagurus_devices_virtio::console::{self, Console};
use pagurus_devices_virtio::entropy::Entropy;
use pagurus_devices_virtio::queue::Area;
use pagurus_devices_virtio::*;

fn machine() -> Machine<Console> {
    Machine::new(Console::new(80, 25))
}

#[test]
fn the_function_is_a_modern_virtio_device() {
    let mut machine = machine();
    assert_eq!(machine.config_read(0, 4), 0x1043_1af4);
    assert_eq!(machine.config_read(8, 4), 0x0780_0001, "class and revision");
    assert_eq!(machine.config_read(0x2c, 4), 0x0043_1af4);
    assert_eq!(machine.config_read(0x3d, 1), 1, "INTA");
    // Notifications are ports, one for each queue, in a range as small as can be.
    assert_eq!(machine.layout.multiplier, 4);
    machine.config_write(0x14, 4, u32::MAX);
    assert_eq!(machine.config_read(0x14, 4), 0xffff_fff9);
}

#[test]
fn fields_are_as_specified_after_reset() {
    let mut machine = machine();
    for (at, size, value) in [
        (reg::DEVICE_FEATURE_SELECT, 4, 0),
        (reg::DEVICE_FEATURE, 4, 0x3000_0005),
        (reg::DRIVER_FEATURE_SELECT, 4, 0),
        (reg::DRIVER_FEATURE, 4, 0),
        (reg::CONFIG_VECTOR, 2, 0xffff),
        (reg::NUM_QUEUES, 2, 2),
        (reg::STATUS, 1, 0),
        (reg::GENERATION, 1, 0),
        (reg::QUEUE_SELECT, 2, 0),
        (reg::QUEUE_SIZE, 2, 128),
        (reg::QUEUE_VECTOR, 2, 0xffff),
        (reg::QUEUE_ENABLE, 2, 0),
        (reg::QUEUE_NOTIFY_OFF, 2, 0),
        (reg::QUEUE_DESC, 4, 0),
        (reg::QUEUE_DRIVER + 4, 4, 0),
        (reg::QUEUE_DEVICE, 4, 0),
        (0x38, 4, 0),
        (0x3c, 4, 0),
    ] {
        assert_eq!(machine.common_read(at, size), value, "{at:#x}");
    }
    machine.common_write(reg::DEVICE_FEATURE_SELECT, 4, 1);
    assert_eq!(machine.common_read(reg::DEVICE_FEATURE, 4), 1, "version 1");
    for select in [2, 3, u32::MAX] {
        machine.common_write(reg::DEVICE_FEATURE_SELECT, 4, u64::from(select));
        assert_eq!(machine.common_read(reg::DEVICE_FEATURE, 4), 0);
    }
    machine.common_write(reg::QUEUE_SELECT, 2, 1);
    assert_eq!(machine.common_read(reg::QUEUE_NOTIFY_OFF, 2), 1);
    // A queue that is not there.
    machine.common_write(reg::QUEUE_SELECT, 2, 2);
    assert_eq!(machine.common_read(reg::QUEUE_SIZE, 2), 0);
    machine.common_write(reg::QUEUE_SIZE, 2, 16);
    machine.common_write(reg::QUEUE_DESC, 4, 4096);
    machine.common_write(reg::QUEUE_ENABLE, 2, 1);
    assert_eq!(machine.common_read(reg::QUEUE_SIZE, 2), 0);
    assert_eq!(machine.common_read(reg::QUEUE_ENABLE, 2), 0);
    assert_eq!(machine.common_read(reg::QUEUE_VECTOR, 2), 0xffff);
}

#[test]
fn accesses_of_other_widths() {
    let mut machine = machine();
    let features = machine.common_read(reg::DEVICE_FEATURE, 4);
    for byte in 0..4 {
        let value = machine.common_read(reg::DEVICE_FEATURE + byte, 1);
        assert_eq!(value, features >> (8 * byte) & 0xff);
    }
    // Across fields there is nothing; writes take whole fields only.
    assert_eq!(machine.common_read(reg::STATUS, 2), 0xffff);
    assert_eq!(machine.common_read(reg::NUM_QUEUES, 4), 0xffff_ffff);
    assert_eq!(machine.common_read(0x40, 4), 0xffff_ffff);
    assert_eq!(machine.common_read(0x3ff, 1), 0xff);
    machine.common_write(reg::STATUS, 2, 3);
    machine.common_write(reg::STATUS, 4, 3);
    assert_eq!(machine.status(), 0);
    machine.common_write(reg::QUEUE_SIZE, 1, 4);
    machine.common_write(reg::QUEUE_SIZE + 1, 1, 4);
    assert_eq!(machine.common_read(reg::QUEUE_SIZE, 2), 128);
    // A 64-bit field is two halves, together or one by one.
    machine.common_write(reg::QUEUE_DESC, 8, 0x1234_5678_9abc_def0);
    assert_eq!(
        machine.common_read(reg::QUEUE_DESC, 8),
        0x1234_5678_9abc_def0
    );
    machine.common_write(reg::QUEUE_DESC, 4, 7);
    machine.common_write(reg::QUEUE_DESC + 4, 4, 8);
    assert_eq!(machine.common_read(reg::QUEUE_DESC, 8), 8 << 32 | 7);
    // Read-only fields.
    for (at, size) in [
        (reg::DEVICE_FEATURE, 4),
        (reg::NUM_QUEUES, 2),
        (reg::GENERATION, 1),
        (reg::QUEUE_NOTIFY_OFF, 2),
        (0x38, 2),
    ] {
        let before = machine.common_read(at, size);
        machine.common_write(at, size, !before);
        assert_eq!(machine.common_read(at, size), before);
    }
}

#[test]
fn features_that_were_not_offered_are_refused() {
    let base = Features::VERSION_1;
    for (features, fine) in [
        (base, true),
        (base | Features::EVENT_IDX | Features::INDIRECT_DESC, true),
        (base | console::FEATURE_SIZE, true),
        (Features::empty(), false),
        (Features::EVENT_IDX, false),
        // Multiport, packed rings, in order, reserved.
        (base | Features::from_bits_retain(1 << 1), false),
        (base | Features::from_bits_retain(1 << 34), false),
        (base | Features::from_bits_retain(1 << 35), false),
        (base | Features::from_bits_retain(1 << 63), false),
    ] {
        let mut machine = machine();
        machine.set_status(1);
        machine.set_status(3);
        machine.accept(features);
        assert_eq!(
            machine.common_read(reg::DRIVER_FEATURE, 4),
            features.bits() >> 32
        );
        machine.set_status(11);
        assert_eq!(machine.status(), if fine { 11 } else { 3 }, "{features:?}");
        machine.set_status(15);
        assert_eq!(machine.status(), if fine { 15 } else { 3 });
        assert_eq!(machine.device.is_running(), fine);
    }
    // Bits from 64 on.
    let mut machine = machine();
    machine.set_status(3);
    machine.accept(base);
    machine.common_write(reg::DRIVER_FEATURE_SELECT, 4, 2);
    machine.common_write(reg::DRIVER_FEATURE, 4, 0);
    machine.set_status(11);
    assert_eq!(machine.status(), 11, "none of them");
    machine.set_status(0);
    machine.set_status(3);
    machine.accept(base);
    machine.common_write(reg::DRIVER_FEATURE_SELECT, 4, 2);
    machine.common_write(reg::DRIVER_FEATURE, 4, 1);
    machine.set_status(11);
    assert_eq!(machine.status(), 3);
}

#[test]
fn features_are_fixed_once_agreed() {
    let mut machine = machine();
    machine.negotiate(Features::VERSION_1);
    machine.accept(Features::VERSION_1 | Features::EVENT_IDX);
    machine.common_write(reg::DRIVER_FEATURE_SELECT, 4, 0);
    assert_eq!(machine.common_read(reg::DRIVER_FEATURE, 4), 0);
}

#[test]
fn status_bits_stay_until_reset() {
    let mut machine = machine();
    machine.set_status(4);
    assert_eq!(machine.status(), 0, "not ready before features are agreed");
    machine.set_status(1 | 64);
    assert_eq!(machine.status(), 1, "needs-reset is the device's");
    machine.set_status(2);
    assert_eq!(machine.status(), 3);
    machine.accept(Features::VERSION_1);
    machine.set_status(15);
    assert_eq!(machine.status(), 15, "both at once");
    assert_eq!(machine.effects.pop_back(), Some(Effect::Started));
    machine.set_status(128);
    assert_eq!(machine.status(), 143);
    assert!(!machine.device.is_running(), "the guest gave up");
    machine.set_status(0);
    assert_eq!(machine.effects.pop_back(), Some(Effect::Reset));
    assert_eq!(machine.status(), 0);
}

#[test]
fn reset_is_as_new() {
    let mut machine = machine();
    let fresh = machine.device.clone();
    let _queues: Vec<DriverQueue<()>> = machine.start(Features::all(), 16);
    machine.device.resize(100, 30);
    machine.device_config();
    machine.device.resize(80, 25);
    machine.common_write(reg::QUEUE_SELECT, 2, 1);
    machine.set_status(0);
    let registers = |machine: &mut Machine<Console>| -> Vec<u64> {
        (0..2)
            .flat_map(|queue| {
                machine.common_write(reg::QUEUE_SELECT, 2, queue);
                (0..0x40)
                    .map(|at| machine.common_read(at, 1))
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let after = registers(&mut machine);
    machine.device = fresh;
    assert_eq!(registers(&mut machine), after);
}

#[test]
fn a_queue_is_enabled_once() {
    let mut machine = machine();
    let mut queues: Vec<DriverQueue<()>> = machine.start(Features::all(), 16);
    let buffer = machine.alloc(16);
    for _ in 0..3 {
        let queue = &mut queues[1];
        queue.add(&machine.memory, &[(buffer, 5)], &[], ()).unwrap();
        let memory = &machine.memory;
        assert_eq!(machine.device.output(memory, &mut [0; 8]), Some(5));
        assert_eq!(queue.take_used(memory), Some(((), 0)));
        // Once more does not begin at index 0 again.
        machine.common_write(reg::QUEUE_SELECT, 2, 1);
        machine.common_write(reg::QUEUE_ENABLE, 2, 1);
    }
    assert!(machine.faults.is_empty());
    // One that is enabled late works too.
    let mut machine = machine_with_late_queue();
    let base = machine.alloc(DriverQueue::<()>::bytes(16));
    let mut queue: DriverQueue<()> = DriverQueue::new(1, 16, base, Features::VERSION_1);
    let buffer = machine.alloc(16);
    assert_eq!(machine.device.output(&machine.memory, &mut [0; 8]), None);
    machine.set_queue(&queue);
    queue.add(&machine.memory, &[(buffer, 5)], &[], ()).unwrap();
    let memory = &machine.memory;
    assert_eq!(machine.device.output(memory, &mut [0; 8]), Some(5));
}

fn machine_with_late_queue() -> Machine<Console> {
    let mut machine = machine();
    machine.negotiate(Features::VERSION_1);
    machine.set_status(15);
    machine
}

#[test]
fn queue_settings_are_fixed_once_enabled() {
    let mut machine = machine();
    machine.negotiate(Features::VERSION_1);
    let queue: DriverQueue<()> = machine.new_queue(0, 16, Features::empty());
    machine.common_write(reg::QUEUE_SIZE, 2, 32);
    machine.common_write(reg::QUEUE_DESC, 8, 0x7000);
    machine.common_write(reg::QUEUE_DEVICE + 4, 4, 1);
    machine.common_write(reg::QUEUE_ENABLE, 2, 0);
    assert_eq!(machine.common_read(reg::QUEUE_SIZE, 2), 16);
    assert_eq!(machine.common_read(reg::QUEUE_DESC, 8), queue.descriptor);
    assert_eq!(machine.common_read(reg::QUEUE_DEVICE, 8), queue.device);
    assert_eq!(machine.common_read(reg::QUEUE_ENABLE, 2), 1);
}

#[test]
fn a_queue_that_makes_no_sense_breaks_the_device() {
    for (size, descriptor, expected) in [
        (12, 0x1000, QueueError::Size { size: 12, max: 128 }),
        (0, 0x1000, QueueError::Size { size: 0, max: 128 }),
        (
            256,
            0x1000,
            QueueError::Size {
                size: 256,
                max: 128,
            },
        ),
        (
            16,
            0x1008,
            QueueError::Alignment {
                area: Area::Descriptor,
                address: 0x1008,
            },
        ),
    ] {
        let mut machine = machine();
        machine.enable_msix();
        machine.negotiate(Features::VERSION_1);
        machine.common_write(reg::QUEUE_SELECT, 2, 1);
        machine.common_write(reg::QUEUE_SIZE, 2, size);
        machine.common_write(reg::QUEUE_DESC, 8, descriptor);
        machine.common_write(reg::QUEUE_ENABLE, 2, 1);
        let fault = Fault {
            queue: 1,
            cause: Cause::Queue(expected),
        };
        assert_eq!(machine.faults, [fault]);
        assert_eq!(machine.status(), 11 | 64);
        machine.set_status(15);
        assert!(!machine.device.is_running());
        assert_eq!(machine.faults.len(), 1, "told once");
        machine.set_status(0);
        assert_eq!(machine.status(), 0, "a reset mends it");
    }
}

#[test]
fn every_port_of_a_queue_notifies_it() {
    let mut machine = machine();
    let port = machine.layout.notify;
    for (offset, size, queue) in [
        (0, 2, 0),
        (4, 2, 1),
        (4, 1, 1),
        (0, 4, 0),
        (5, 1, 1),
        (0, 8, 0),
    ] {
        machine.out(port + offset, size, 0xffff);
        assert_eq!(machine.effects.pop_back(), Some(Effect::Notified(queue)));
    }
    assert_eq!(VirtioPci::<Console>::notify_offset(1), 4);
    // A device with one queue has a range of 4 ports.
    let mut machine = Machine::new(Entropy);
    let port = machine.layout.notify;
    machine.out(port, 2, 0);
    assert_eq!(machine.effects.pop_back(), Some(Effect::Notified(0)));
    assert!(machine.bus.find_port(port + 4, 2).is_none());
}

#[test]
fn notifications_can_be_written_to_memory() {
    let mut machine = Machine::with(Console::new(0, 0), Notifications::Memory, 1 << 20);
    assert_eq!(machine.layout.notify, 0);
    assert_eq!(machine.config_read(0x14, 4), 0, "no I/O range");
    let mut queues: Vec<DriverQueue<()>> = machine.start(Features::all(), 16);
    let at = machine.alloc(16);
    for queue in &mut queues {
        queue.add(&machine.memory, &[(at, 5)], &[], ()).unwrap();
        assert!(machine.notify(queue));
    }
    let base = machine.layout.notify_memory;
    let bar = machine.bus.bar_address(slot(), CONFIG_BAR).unwrap();
    assert_eq!(base, bar + u64::from(NOTIFY_OFFSET));
    machine.effects.clear();
    machine.write(base + 8, 2, 2);
    assert_eq!(
        machine.effects.pop_back(),
        Some(Effect::None),
        "no such queue"
    );
    // A device that has ports takes both.
    let mut machine = Machine::new(Console::new(0, 0));
    machine.write(machine.layout.notify_memory + 4, 2, 1);
    assert_eq!(machine.effects.pop_back(), Some(Effect::Notified(1)));
}

#[test]
fn the_window_in_configuration_space_works() {
    let mut machine = machine();
    let at = u16::from(machine.layout.window);
    let status = machine.layout.common + reg::STATUS - machine.bus.bar_address(slot(), 0).unwrap();
    machine.config_write(at + 4, 1, u32::from(CONFIG_BAR));
    machine.config_write(at + 8, 4, status as u32);
    machine.config_write(at + 12, 4, 1);
    machine.config_write(at + 16, 4, 3);
    assert_eq!(machine.status(), 3);
    assert_eq!(machine.config_read(at + 16, 4), 3);
    machine.config_write(at + 4, 1, u32::from(NOTIFY_BAR));
    machine.config_write(at + 8, 4, 4);
    machine.config_write(at + 12, 4, 2);
    machine.config_write(at + 16, 4, 1);
    assert_eq!(machine.effects.pop_back(), Some(Effect::Notified(1)));
}

#[test]
fn the_configuration_ends_where_it_ends() {
    let mut machine = machine();
    let base = machine.layout.config.unwrap();
    assert_eq!(machine.layout.config_length, 12);
    assert_eq!(machine.read(base + 4, 4), 1, "one port");
    assert_eq!(machine.read(base + 12, 1), 0xff);
    assert_eq!(machine.read(base + 10, 4), 0xffff_ffff);
    machine.effects.clear();
    // The first half is there, and the second is not.
    machine.write(base + 8, 8, u64::from(b'?'));
    assert_eq!(machine.effects.pop_back(), Some(Effect::Configured));
    assert_eq!(machine.device.take_emergency(), Some(b'?'));
    machine.write(base + 12, 4, 1);
    assert_eq!(machine.effects.pop_back(), Some(Effect::None));
    assert_eq!(Machine::new(Entropy).layout.config, None);
}

#[test]
fn reset_waits_for_what_is_outstanding() {
    let mut machine = Machine::new(Block::new(BlockOptions::new(64)));
    let mut queues: Vec<DriverQueue<()>> = machine.start(Features::VERSION_1, 16);
    let base = machine.alloc(1024);
    let data = base + 16;
    for _ in 0..2 {
        queues[0]
            .add(&machine.memory, &[(base, 16)], &[(data, 513)], ())
            .unwrap();
    }
    let request =
        |machine: &mut Machine<Block>| match machine.device.next_request(&machine.memory, 0) {
            Some(block::Event::Request(request)) => request.tag,
            other => panic!("{other:?}"),
        };
    let first = request(&mut machine);
    let second = request(&mut machine);
    assert_eq!(machine.device.outstanding(), 2);
    machine.memory.put(data + 512, &[0xee]);
    let before = machine.memory.contents();
    machine.set_status(0);
    assert_eq!(machine.effects.pop_back(), Some(Effect::Reset));
    assert!(machine.device.is_resetting() && !machine.device.is_running());
    assert_ne!(machine.status(), 0, "not done yet");
    // Nothing can be set up meanwhile.
    machine.set_status(3);
    machine.common_write(reg::QUEUE_SELECT, 2, 7);
    assert_eq!(machine.common_read(reg::QUEUE_SELECT, 2), 0);
    machine
        .device
        .complete(&machine.memory, second, Ok(()))
        .unwrap();
    assert_ne!(machine.status(), 0);
    machine
        .device
        .complete(&machine.memory, first, Ok(()))
        .unwrap();
    assert_eq!(machine.status(), 0);
    assert_eq!(
        machine.memory.contents(),
        before,
        "nothing is told any more"
    );
    for tag in [first, second] {
        assert!(
            machine
                .device
                .complete(&machine.memory, tag, Ok(()))
                .is_err()
        );
    }
    // A back end that is gone.
    let mut queues: Vec<DriverQueue<()>> = machine.start(Features::VERSION_1, 16);
    queues[0]
        .add(&machine.memory, &[(base, 16)], &[(data, 513)], ())
        .unwrap();
    let third = request(&mut machine);
    assert_ne!(third, first);
    machine.device.abandon();
    assert_eq!(machine.device.outstanding(), 1, "only while resetting");
    machine.device.reset();
    assert!(machine.device.is_resetting());
    machine.device.abandon();
    assert!(!machine.device.is_resetting());
    assert_eq!(machine.status(), 0);
    assert!(
        machine
            .device
            .complete(&machine.memory, third, Ok(()))
            .is_err()
    );
}

#[test]
fn a_broken_queue_is_told_once_and_stops_everything() {
    let mut machine = machine();
    let mut queues: Vec<DriverQueue<()>> = machine.start(Features::VERSION_1, 16);
    let buffer = machine.alloc(16);
    queues[0]
        .add(&machine.memory, &[], &[(buffer, 16)], ())
        .unwrap();
    let queue = &queues[1];
    machine.memory.put_u16(queue.driver + 2, 1000);
    assert_eq!(machine.device.output(&machine.memory, &mut [0; 8]), None);
    machine.settle();
    assert_eq!(
        machine.messages.pop_front(),
        Some(0),
        "a configuration change"
    );
    assert_eq!(machine.faults.len(), 1);
    assert_eq!(
        machine.faults[0].to_string(),
        "queue 1: available index jumped from 0 to 1000"
    );
    assert_eq!(machine.status(), 15 | 64);
    let before = machine.memory.contents();
    assert_eq!(machine.device.input(&machine.memory, b"abc"), 3, "kept");
    assert_eq!(machine.device.output(&machine.memory, &mut [0; 8]), None);
    machine.settle();
    assert_eq!(machine.memory.contents(), before);
    assert_eq!(machine.faults.len(), 1);
    // After a reset it works as ever.
    let mut queues: Vec<DriverQueue<()>> = machine.start(Features::VERSION_1, 16);
    queues[0]
        .add(&machine.memory, &[], &[(buffer, 16)], ())
        .unwrap();
    assert_eq!(machine.device.deliver_input(&machine.memory), Some(3));
    assert_eq!(queues[0].take_used(&machine.memory), Some(((), 3)));
    assert_eq!(machine.memory.get(buffer, 3), b"abc");
}
