//! How the driver is told: MSI-X vectors, ISR status and INTx, changes of the configuration.

mod common;

use common::machine::{common as reg, slot};
use common::*;
use pagurus_devices_pci::Bus;
use pagurus_devices_virtio::console::{self, Console};
use pagurus_devices_virtio::*;

fn machine() -> Machine<Console> {
    Machine::new(Console::new(80, 25))
}

#[test]
fn vectors_beyond_the_table_are_none() {
    let mut machine = machine();
    for (vector, read) in [
        (0, 0),
        (2, 2),
        (3, 0xffff),
        (0x7ff, 0xffff),
        (0xffff, 0xffff),
    ] {
        machine.common_write(reg::CONFIG_VECTOR, 2, vector);
        assert_eq!(machine.common_read(reg::CONFIG_VECTOR, 2), read);
        machine.common_write(reg::QUEUE_VECTOR, 2, vector);
        assert_eq!(machine.common_read(reg::QUEUE_VECTOR, 2), read);
    }
}

#[test]
fn a_change_of_configuration_is_told_and_can_be_noticed() {
    let mut machine = machine();
    let _queues: Vec<DriverQueue<()>> = machine.start(Features::all(), 16);
    assert_eq!(machine.device_config()[..4], [80, 0, 25, 0]);
    let generation = machine.common_read(reg::GENERATION, 1);
    machine.device.resize(132, 50);
    machine.settle();
    assert_eq!(machine.messages.pop_front(), Some(0));
    // The driver may have read the old one just before.
    assert_eq!(machine.device_config()[..4], [132, 0, 50, 0]);
    assert_ne!(machine.common_read(reg::GENERATION, 1), generation);
    let generation = machine.common_read(reg::GENERATION, 1);
    machine.device_config();
    assert_eq!(machine.common_read(reg::GENERATION, 1), generation);
    machine.device.resize(132, 50);
    machine.settle();
    assert_eq!(machine.messages.pop_front(), None, "no change");
}

#[test]
fn without_msix_the_isr_and_intx_do() {
    let mut machine = machine();
    let mut queues: Vec<DriverQueue<()>> = machine.start_without_msix(Features::VERSION_1, 16);
    let isr = machine.layout.isr;
    let buffer = machine.alloc(16);
    machine.memory.put(buffer, b"hello");
    let queue = &mut queues[1];
    queue.add(&machine.memory, &[(buffer, 5)], &[], ()).unwrap();
    assert!(machine.notify(queue));
    assert!(!machine.intx());
    let mut output = [0; 16];
    assert_eq!(machine.device.output(&machine.memory, &mut output), Some(5));
    machine.settle();
    assert!(machine.intx());
    assert_eq!(machine.config_read(6, 2) & 8, 8, "interrupt status");
    machine.device.resize(1, 1);
    machine.settle();
    assert_eq!(machine.read(isr, 1), 3);
    assert!(!machine.intx());
    assert_eq!(machine.read(isr, 1), 0);
    assert_eq!(machine.config_read(6, 2) & 8, 0);
    assert!(machine.messages.is_empty());
    // A driver that wants none.
    queue.disable_interrupts(&machine.memory);
    queue.add(&machine.memory, &[(buffer, 5)], &[], ()).unwrap();
    assert_eq!(machine.device.output(&machine.memory, &mut output), Some(5));
    machine.settle();
    assert!(!machine.intx());
    // Reset takes an interrupt back.
    machine.device.resize(2, 2);
    machine.settle();
    assert!(machine.intx());
    machine.set_status(0);
    assert!(!machine.intx());
}

#[test]
fn with_msix_every_queue_has_its_own_vector() {
    let mut machine = machine();
    let mut queues: Vec<DriverQueue<()>> = machine.start(Features::VERSION_1, 16);
    let buffer = machine.alloc(16);
    for (queue, vector) in queues.iter_mut().zip(1..) {
        let piece = [(buffer, 5)];
        let (readable, writable) = match queue.index {
            console::RECEIVE => (&[][..], &piece[..]),
            _ => (&piece[..], &[][..]),
        };
        queue.add(&machine.memory, readable, writable, ()).unwrap();
        if queue.index == console::RECEIVE {
            assert_eq!(machine.device.input(&machine.memory, b"x"), 1);
        } else {
            let _ = machine.device.output(&machine.memory, &mut [0; 8]);
        }
        machine.settle();
        assert_eq!(machine.messages.pop_front(), Some(vector));
        assert_eq!(machine.messages.pop_front(), None);
    }
    assert!(!machine.intx());
    assert_eq!(machine.read(machine.layout.isr, 1), 0, "not in use");
    machine.device.resize(1, 1);
    machine.settle();
    assert_eq!(machine.messages.pop_front(), Some(0));
    assert_eq!(machine.read(machine.layout.isr, 1), 2, "set all the same");
    // Without a vector there is no interrupt, of either kind.
    machine.common_write(reg::QUEUE_SELECT, 2, 1);
    machine.common_write(reg::QUEUE_VECTOR, 2, 0xffff);
    let queue = &mut queues[1];
    queue.add(&machine.memory, &[(buffer, 5)], &[], ()).unwrap();
    assert_eq!(machine.device.output(&machine.memory, &mut [0; 8]), Some(5));
    machine.settle();
    assert!(machine.messages.is_empty() && !machine.intx());
}

#[test]
fn a_vector_that_is_masked_comes_later() {
    let mut machine = machine();
    let mut queues: Vec<DriverQueue<()>> = machine.start(Features::VERSION_1, 16);
    let table = machine.bus.bar_address(slot(), CONFIG_BAR).unwrap() + 0x1000;
    machine.write(table + 2 * 16 + 12, 4, 1);
    let buffer = machine.alloc(16);
    let queue = &mut queues[1];
    queue.add(&machine.memory, &[(buffer, 5)], &[], ()).unwrap();
    assert_eq!(machine.device.output(&machine.memory, &mut [0; 8]), Some(5));
    machine.settle();
    assert!(machine.messages.is_empty());
    machine.write(table + 2 * 16 + 12, 4, 0);
    assert_eq!(machine.messages.pop_front(), Some(2));
    assert_eq!(machine.messages.pop_front(), None);
}

#[test]
fn the_buses_line_follows_the_device() {
    // Slot 5, INTA: line 1.
    let mut machine = machine();
    let _queues: Vec<DriverQueue<()>> = machine.start_without_msix(Features::VERSION_1, 16);
    machine.device.resize(3, 3);
    machine.settle();
    let high: Vec<bool> = (0..4).map(|line| machine.bus.intx(line)).collect();
    assert_eq!(high, [false, true, false, false]);
    assert_eq!(Bus::intx_line(slot(), 1), 1);
}

#[test]
fn an_interrupt_that_is_due_is_not_forgotten_for_a_later_one_that_is_not() {
    let mut machine = machine();
    let mut queues: Vec<DriverQueue<()>> = machine.start(Features::all(), 16);
    let buffer = machine.alloc(16);
    let queue = &mut queues[1];
    for _ in 0..2 {
        queue.add(&machine.memory, &[(buffer, 5)], &[], ()).unwrap();
    }
    // The driver wants to know of the first buffer only. The message for the configuration goes first.
    machine.device.resize(1, 1);
    let memory = &machine.memory;
    let function = machine.bus.function_mut(slot()).unwrap();
    assert_eq!(machine.device.output(memory, &mut [0; 8]), Some(5));
    let first = machine.device.next_message(memory, function);
    assert_eq!(first.map(|message| message.data), Some(0));
    assert_eq!(machine.device.output(memory, &mut [0; 8]), Some(5));
    let second = machine.device.next_message(memory, function);
    assert_eq!(second.map(|message| message.data), Some(2));
    assert_eq!(machine.device.next_message(memory, function), None);
}
