//! A machine with one virtio device: the bus, the monitor's side, and what a driver does to set it up, all through
//! configuration space and registers as a guest sees them.

use std::collections::VecDeque;

use pagurus_devices_pci::*;
use pagurus_devices_virtio::*;

use super::driver::DriverQueue;
use super::memory::TestMemory;

pub const SLOT: u8 = 5;
pub const ADDRESS: u64 = 0xfee0_0000;

/// Offsets in the common configuration.
pub mod common {
    pub const DEVICE_FEATURE_SELECT: u64 = 0x00;
    pub const DEVICE_FEATURE: u64 = 0x04;
    pub const DRIVER_FEATURE_SELECT: u64 = 0x08;
    pub const DRIVER_FEATURE: u64 = 0x0c;
    pub const CONFIG_VECTOR: u64 = 0x10;
    pub const NUM_QUEUES: u64 = 0x12;
    pub const STATUS: u64 = 0x14;
    pub const GENERATION: u64 = 0x15;
    pub const QUEUE_SELECT: u64 = 0x16;
    pub const QUEUE_SIZE: u64 = 0x18;
    pub const QUEUE_VECTOR: u64 = 0x1a;
    pub const QUEUE_ENABLE: u64 = 0x1c;
    pub const QUEUE_NOTIFY_OFF: u64 = 0x1e;
    pub const QUEUE_DESC: u64 = 0x20;
    pub const QUEUE_DRIVER: u64 = 0x28;
    pub const QUEUE_DEVICE: u64 = 0x30;
}

/// Where the driver found the structures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    pub common: u64,
    pub isr: u64,
    pub config: Option<u64>,
    pub config_length: u32,
    /// Port of the first queue's notifications; 0 if there are none.
    pub notify: u16,
    pub notify_memory: u64,
    pub multiplier: u32,
    pub window: u8,
}

pub struct Machine<D> {
    pub memory: TestMemory,
    pub bus: Bus,
    pub device: VirtioPci<D>,
    /// Data of the messages that were sent.
    pub messages: VecDeque<u32>,
    pub effects: VecDeque<Effect>,
    pub faults: Vec<Fault>,
    pub layout: Layout,
    /// First memory that is not in use.
    pub free: u64,
}

impl<D: Device> Machine<D> {
    pub fn new(device: D) -> Machine<D> {
        Machine::with(device, Notifications::Ports, 8 << 20)
    }

    /// A machine with so many bytes of memory in each part.
    pub fn with(device: D, notifications: Notifications, bytes: usize) -> Machine<D> {
        let windows = Windows {
            memory: AddressWindow {
                start: 0xe000_0000,
                end: 0xe010_0000,
            },
            memory_high: AddressWindow::EMPTY,
            io: AddressWindow {
                start: 0xc000,
                end: 0x1_0000,
            },
        };
        let device = VirtioPci::new(device);
        let mut bus = Bus::new(Identity::HOST_BRIDGE, windows);
        bus.insert(slot(), device.function(notifications).unwrap())
            .unwrap();
        bus.assign().unwrap();
        let mut machine = Machine {
            memory: TestMemory::new(bytes),
            bus,
            device,
            messages: VecDeque::new(),
            effects: VecDeque::new(),
            faults: Vec::new(),
            layout: Layout::default(),
            free: 0x1000,
        };
        machine.probe();
        machine
    }

    /// Sends what is to be sent, as a monitor does after everything.
    pub fn settle(&mut self) {
        let function = self.bus.function_mut(slot()).unwrap();
        while let Some(message) = self.device.next_message(&self.memory, function) {
            assert_eq!(message.address, ADDRESS);
            self.messages.push_back(message.data);
        }
        self.faults.extend(self.device.take_fault());
    }

    pub fn intx(&self) -> bool {
        self.bus.intx(Bus::intx_line(slot(), 1))
    }

    pub fn config_read(&mut self, at: u16, size: u8) -> u32 {
        let offset = u64::from(SLOT) << 15 | u64::from(at);
        match self.bus.read_ecam(offset, size) {
            ConfigRead::Value(value) => value,
            ConfigRead::Window(window) => {
                let access = window.access;
                let data = self.device.read(access.bar, access.offset, access.size);
                self.settle();
                window.value(data)
            }
        }
    }

    pub fn config_write(&mut self, at: u16, size: u8, value: u32) {
        let offset = u64::from(SLOT) << 15 | u64::from(at);
        if let ConfigWrite::Window { access, value } = self.bus.write_ecam(offset, size, value) {
            let effect =
                self.device
                    .write(access.bar, access.offset, access.size, u64::from(value));
            self.effects.push_back(effect);
        }
        self.settle();
    }

    pub fn read(&mut self, address: u64, size: u8) -> u64 {
        let access = self.bus.find_memory(address, size).expect("decoded");
        let value = match self.bus.read_msix(access) {
            Some(value) => value,
            None => self.device.read(access.bar, access.offset, access.size),
        };
        self.settle();
        value
    }

    pub fn write(&mut self, address: u64, size: u8, value: u64) {
        let access = self.bus.find_memory(address, size).expect("decoded");
        if !self.bus.write_msix(access, value) {
            let effect = self.device.write(access.bar, access.offset, size, value);
            self.effects.push_back(effect);
        }
        self.settle();
    }

    /// A write to a port.
    pub fn out(&mut self, port: u16, size: u8, value: u64) {
        let access = self.bus.find_port(port, size).expect("decoded");
        let effect = self.device.write(access.bar, access.offset, size, value);
        self.effects.push_back(effect);
        self.settle();
    }

    pub fn common_read(&mut self, at: u64, size: u8) -> u64 {
        self.read(self.layout.common + at, size)
    }

    pub fn common_write(&mut self, at: u64, size: u8, value: u64) {
        self.write(self.layout.common + at, size, value);
    }

    /// Reads the device-specific configuration.
    pub fn device_config(&mut self) -> Vec<u8> {
        let base = self.layout.config.unwrap();
        (0..u64::from(self.layout.config_length))
            .map(|at| self.read(base + at, 1) as u8)
            .collect()
    }

    /// Walks the capabilities as Linux's virtio-pci does.
    fn probe(&mut self) {
        assert_eq!(self.config_read(0, 2), 0x1af4);
        let id = self.config_read(2, 2);
        assert!((0x1040..0x1080).contains(&id));
        let mut layout = Layout {
            multiplier: 4,
            ..Layout::default()
        };
        let mut at = self.config_read(0x34, 1) as u16;
        while at != 0 {
            if self.config_read(at, 1) == 0x09 {
                let length = self.config_read(at + 2, 1);
                let kind = self.config_read(at + 3, 1);
                let bar = self.config_read(at + 4, 1) as u8;
                let offset = u64::from(self.config_read(at + 8, 4));
                let bytes = self.config_read(at + 12, 4);
                let base = self.bus.bar_address(slot(), bar);
                match kind {
                    1 => {
                        assert!(bytes >= 56 && length == 16);
                        layout.common = base.unwrap() + offset;
                    }
                    // The first one that the driver can do with.
                    2 => {
                        assert_eq!(length, 20);
                        assert!(bytes >= u32::from(self.device.queue_count() - 1) * 4 + 2);
                        assert_eq!(self.config_read(at + 16, 4), layout.multiplier);
                        let base = base.unwrap() + offset;
                        if self.config_read(0x10 + 4 * u16::from(bar), 1) & 1 == 0 {
                            layout.notify_memory = base;
                        } else {
                            assert_eq!(layout.notify_memory, 0, "ports are preferred");
                            layout.notify = base as u16;
                        }
                    }
                    3 => layout.isr = base.unwrap() + offset,
                    4 => {
                        layout.config = Some(base.unwrap() + offset);
                        layout.config_length = bytes;
                    }
                    5 => layout.window = at as u8,
                    kind => panic!("capability type {kind}"),
                }
            }
            at = self.config_read(at + 1, 1) as u16;
        }
        assert!(layout.common != 0 && layout.notify_memory != 0 && layout.isr != 0);
        assert_ne!(layout.window, 0);
        self.layout = layout;
    }

    pub fn offered(&mut self) -> Features {
        let mut bits = 0;
        for half in 0..2 {
            self.common_write(common::DEVICE_FEATURE_SELECT, 4, half);
            bits |= self.common_read(common::DEVICE_FEATURE, 4) << (32 * half);
        }
        Features::from_bits_retain(bits)
    }

    pub fn accept(&mut self, features: Features) {
        for half in 0..2 {
            self.common_write(common::DRIVER_FEATURE_SELECT, 4, half);
            let bits = features.bits() >> (32 * half) & 0xffff_ffff;
            self.common_write(common::DRIVER_FEATURE, 4, bits);
        }
    }

    pub fn status(&mut self) -> u8 {
        self.common_read(common::STATUS, 1) as u8
    }

    pub fn set_status(&mut self, value: u8) {
        self.common_write(common::STATUS, 1, u64::from(value));
    }

    /// Turns MSI-X on: vector n sends data n.
    pub fn enable_msix(&mut self) {
        let mut at = self.config_read(0x34, 1) as u16;
        while self.config_read(at, 1) != 0x11 {
            at = self.config_read(at + 1, 1) as u16;
            assert_ne!(at, 0);
        }
        let command = self.config_read(4, 2);
        self.config_write(4, 2, command | 4);
        let vectors = u64::from(self.config_read(at + 2, 2) & 0x7ff) + 1;
        assert_eq!(vectors, u64::from(self.device.queue_count()) + 1);
        self.config_write(at + 2, 2, 0xc000);
        let table = self.config_read(at + 4, 4);
        let base = self.bus.bar_address(slot(), table as u8 & 7).unwrap();
        let base = base + u64::from(table & !7);
        for vector in 0..vectors {
            for (word, value) in [(0, ADDRESS), (4, 0), (8, vector), (12, 0)] {
                self.write(base + 16 * vector + word, 4, value);
            }
        }
        self.config_write(at + 2, 2, 0x8000);
    }

    /// Takes the device up to FEATURES_OK.
    pub fn negotiate(&mut self, features: Features) {
        self.set_status(0);
        while self.status() != 0 {}
        self.set_status(1);
        self.set_status(3);
        let offered = self.offered();
        self.accept(offered & features);
        self.set_status(11);
        assert_eq!(self.status(), 11, "features are fine");
    }

    /// Tells the device of a queue, and enables it.
    pub fn set_queue<T>(&mut self, queue: &DriverQueue<T>) {
        self.common_write(common::QUEUE_SELECT, 2, u64::from(queue.index));
        assert_eq!(self.common_read(common::QUEUE_ENABLE, 2), 0);
        self.common_write(common::QUEUE_SIZE, 2, u64::from(queue.size));
        for (at, address) in [
            (common::QUEUE_DESC, queue.descriptor),
            (common::QUEUE_DRIVER, queue.driver),
            (common::QUEUE_DEVICE, queue.device),
        ] {
            self.common_write(at, 4, address & 0xffff_ffff);
            self.common_write(at + 4, 4, address >> 32);
        }
        let vector = u64::from(queue.index) + 1;
        self.common_write(common::QUEUE_VECTOR, 2, vector);
        assert_eq!(self.common_read(common::QUEUE_VECTOR, 2), vector);
        self.common_write(common::QUEUE_ENABLE, 2, 1);
        assert_eq!(self.common_read(common::QUEUE_ENABLE, 2), 1);
    }

    /// The device's queue `index`, with as many entries as it offers but `limit` at most.
    pub fn new_queue<T>(&mut self, index: u16, limit: u16, features: Features) -> DriverQueue<T> {
        self.common_write(common::QUEUE_SELECT, 2, u64::from(index));
        let size = (self.common_read(common::QUEUE_SIZE, 2) as u16).min(limit);
        let base = self.alloc(DriverQueue::<T>::bytes(size));
        self.memory
            .put(base, &vec![0; DriverQueue::<T>::bytes(size) as usize]);
        let queue = DriverQueue::new(index, size, base, features);
        self.set_queue(&queue);
        queue
    }

    /// Everything that a driver does before it uses a device: gives its queues.
    pub fn start<T>(&mut self, features: Features, limit: u16) -> Vec<DriverQueue<T>> {
        self.enable_msix();
        self.start_without_msix(features, limit)
    }

    pub fn start_without_msix<T>(&mut self, features: Features, limit: u16) -> Vec<DriverQueue<T>> {
        self.negotiate(features);
        self.common_write(common::CONFIG_VECTOR, 2, 0);
        let count = self.common_read(common::NUM_QUEUES, 2) as u16;
        let accepted = features & self.offered();
        let queues = (0..count)
            .map(|index| self.new_queue(index, limit, accepted))
            .collect();
        self.effects.clear();
        self.set_status(15);
        assert_eq!(self.effects.pop_back(), Some(Effect::Started));
        self.effects.clear();
        self.messages.clear();
        queues
    }

    /// Memory that nobody else uses.
    pub fn alloc(&mut self, bytes: u64) -> u64 {
        let at = self.free;
        self.free = (at + bytes).next_multiple_of(16);
        assert!(self.free <= self.memory.low_size());
        at
    }

    /// Notifies the device of a queue if it wants to be; gives whether it did.
    pub fn notify<T>(&mut self, queue: &mut DriverQueue<T>) -> bool {
        if !queue.must_notify(&self.memory) {
            return false;
        }
        let offset = queue.index * self.layout.multiplier as u16;
        let index = u64::from(queue.index);
        match self.layout.notify {
            0 => self.write(self.layout.notify_memory + u64::from(offset), 2, index),
            port => self.out(port + offset, 2, index),
        }
        assert_eq!(self.effects.pop_back(), Some(Effect::Notified(queue.index)));
        true
    }
}

pub fn slot() -> Slot {
    Slot::new(SLOT).unwrap()
}
