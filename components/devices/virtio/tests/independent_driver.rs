//! The drivers of the crate `virtio-drivers`, which know nothing of this project, against these devices: through the
//! registers and queues in memory, on the real addresses of the machine's memory.
#![allow(
    unsafe_code,
    reason = "the drivers reach the guest's memory by pointers, as in a real guest"
)]

mod common;

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::rc::Rc;

use common::machine::common as reg;
use common::*;
use pagurus_devices_virtio::block::{Block, BlockOptions, Event, Operation, SECTOR};
use pagurus_devices_virtio::console::{self, Console};
use pagurus_devices_virtio::entropy::Entropy;
use pagurus_devices_virtio::net::{self, Net};
use pagurus_devices_virtio::*;
use virtio_drivers::device::blk::VirtIOBlk;
use virtio_drivers::device::console::VirtIOConsole;
use virtio_drivers::device::net::{TxBuffer, VirtIONet};
use virtio_drivers::device::rng::VirtIORng;
use virtio_drivers::transport::{DeviceStatus, InterruptStatus, Transport};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Bytes of memory: enough for all that the drivers ever share.
const MEMORY: usize = 4 << 20;

thread_local! {
    /// The memory of this test's machine: where it begins in ours, and what of it is in use.
    static BASE: Cell<*mut u8> = const { Cell::new(std::ptr::null_mut()) };
    static USED: Cell<usize> = const { Cell::new(0) };
}

/// Memory for the drivers, from the machine's. None is ever given back.
struct Guest;

/// Takes memory that is zero.
fn take(bytes: usize, alignment: usize) -> (PhysAddr, NonNull<u8>) {
    let base = BASE.get();
    let start = (base.addr() + USED.get()).next_multiple_of(alignment) - base.addr();
    USED.set(start + bytes);
    assert!(USED.get() <= MEMORY);
    let pointer = base.wrapping_add(start);
    (start as PhysAddr, NonNull::new(pointer).unwrap())
}

// SAFETY: every piece is taken once from memory that lives as long as the thread, is zero, and is aligned as asked for.
unsafe impl Hal for Guest {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        take(pages * PAGE_SIZE, PAGE_SIZE)
    }

    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        unreachable!("registers are reached through the machine")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        let (address, copy) = take(buffer.len(), 16);
        // SAFETY: the caller's buffer is valid, and the copy is as long and was just taken.
        unsafe { copy.copy_from_nonoverlapping(buffer.cast(), buffer.len()) };
        address
    }

    unsafe fn unshare(address: PhysAddr, buffer: NonNull<[u8]>, direction: BufferDirection) {
        if direction != BufferDirection::DriverToDevice {
            let copy = BASE.get().wrapping_add(address as usize);
            // SAFETY: `share` made the copy as long as the buffer, which the caller says is valid.
            unsafe {
                buffer
                    .cast::<u8>()
                    .as_ptr()
                    .copy_from_nonoverlapping(copy, buffer.len())
            };
        }
    }
}

/// The machine, and what its monitor does when a queue is notified.
struct Host<D> {
    machine: Machine<D>,
    serve: fn(&mut Machine<D>, u16, &mut Vec<u8>),
    /// What the back end keeps.
    data: Vec<u8>,
}

struct Wire<D>(Rc<RefCell<Host<D>>>);

impl<D: Device> Wire<D> {
    fn new(
        device: D,
        data: Vec<u8>,
        serve: fn(&mut Machine<D>, u16, &mut Vec<u8>),
    ) -> (Wire<D>, Rc<RefCell<Host<D>>>) {
        let machine = Machine::with(device, Notifications::Ports, MEMORY);
        BASE.set(machine.memory.pointer());
        USED.set(0x1000);
        let host = Rc::new(RefCell::new(Host {
            machine,
            serve,
            data,
        }));
        (Wire(host.clone()), host)
    }

    fn with<R>(&self, work: impl FnOnce(&mut Machine<D>) -> R) -> R {
        work(&mut self.0.borrow_mut().machine)
    }
}

impl<D: Device> Transport for Wire<D> {
    fn device_type(&self) -> virtio_drivers::transport::DeviceType {
        let id = self.with(|machine| machine.config_read(2, 2)) - 0x1040;
        id.try_into().unwrap()
    }

    fn read_device_features(&mut self) -> u64 {
        self.with(|machine| machine.offered().bits())
    }

    fn write_driver_features(&mut self, features: u64) {
        self.with(|machine| machine.accept(Features::from_bits_retain(features)));
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.with(|machine| {
            machine.common_write(reg::QUEUE_SELECT, 2, u64::from(queue));
            machine.common_read(reg::QUEUE_SIZE, 2) as u32
        })
    }

    fn notify(&mut self, queue: u16) {
        let host = &mut *self.0.borrow_mut();
        let machine = &mut host.machine;
        machine.out(machine.layout.notify + 4 * queue, 2, u64::from(queue));
        assert_eq!(machine.effects.pop_back(), Some(Effect::Notified(queue)));
        (host.serve)(machine, queue, &mut host.data);
        machine.settle();
        assert!(machine.faults.is_empty(), "{:?}", machine.faults);
    }

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_retain(u32::from(self.with(|machine| machine.status())))
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.with(|machine| machine.set_status(status.bits() as u8));
        assert_eq!(self.get_status(), status);
    }

    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver: PhysAddr,
        device: PhysAddr,
    ) {
        self.with(|machine| {
            machine.common_write(reg::QUEUE_SELECT, 2, u64::from(queue));
            machine.common_write(reg::QUEUE_SIZE, 2, u64::from(size));
            machine.common_write(reg::QUEUE_DESC, 8, descriptors);
            machine.common_write(reg::QUEUE_DRIVER, 8, driver);
            machine.common_write(reg::QUEUE_DEVICE, 8, device);
            machine.common_write(reg::QUEUE_ENABLE, 2, 1);
        });
    }

    fn queue_unset(&mut self, _: u16) {}

    fn queue_used(&mut self, queue: u16) -> bool {
        self.with(|machine| {
            machine.common_write(reg::QUEUE_SELECT, 2, u64::from(queue));
            machine.common_read(reg::QUEUE_ENABLE, 2) == 1
        })
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        let isr = self.with(|machine| machine.read(machine.layout.isr, 1));
        InterruptStatus::from_bits_retain(isr as u32)
    }

    fn read_config_generation(&self) -> u32 {
        self.with(|machine| machine.common_read(reg::GENERATION, 1) as u32)
    }

    fn read_config_space<T: FromBytes + IntoBytes>(
        &self,
        offset: usize,
    ) -> virtio_drivers::Result<T> {
        let mut value = T::new_zeroed();
        let bytes = value.as_mut_bytes();
        self.with(|machine| {
            let base = machine.layout.config.unwrap() + offset as u64;
            match bytes.len() {
                size @ (1 | 2 | 4 | 8) => {
                    let read = machine.read(base, size as u8).to_le_bytes();
                    bytes.copy_from_slice(&read[..size]);
                }
                _ => {
                    for (at, byte) in (base..).zip(bytes) {
                        *byte = machine.read(at, 1) as u8;
                    }
                }
            }
        });
        Ok(value)
    }

    fn write_config_space<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: T,
    ) -> virtio_drivers::Result<()> {
        let mut bytes = [0; 8];
        bytes[..size_of::<T>()].copy_from_slice(value.as_bytes());
        self.with(|machine| {
            let base = machine.layout.config.unwrap() + offset as u64;
            machine.write(base, size_of::<T>() as u8, u64::from_le_bytes(bytes));
        });
        Ok(())
    }
}

/// A disk in memory, which does everything at once.
fn serve_disk(machine: &mut Machine<Block>, queue: u16, disk: &mut [u8]) {
    while let Some(event) = machine.device.next_request(&machine.memory, queue) {
        let Event::Request(request) = event else {
            continue;
        };
        let places: Vec<_> = machine.device.device().data(request.tag).collect();
        let (sector, write) = match request.operation {
            Operation::Read { sector, .. } => (sector, false),
            Operation::Write { sector, .. } => (sector, true),
            _ => (0, true),
        };
        let mut at = (sector * SECTOR) as usize;
        for place in places {
            let range = at..at + place.length as usize;
            at = range.end;
            let result = match write {
                true => machine.memory.read(place.address, &mut disk[range]),
                false => machine.memory.write(place.address, &disk[range]),
            };
            result.unwrap();
        }
        let memory = &machine.memory;
        machine
            .device
            .complete(memory, request.tag, Ok(()))
            .unwrap();
    }
}

#[test]
fn a_disk() {
    const SECTORS: u64 = 64;
    let options = BlockOptions {
        serial: *b"twenty characters :)",
        ..BlockOptions::new(SECTORS)
    };
    let disk = vec![0; (SECTORS * SECTOR) as usize];
    let (wire, host) = Wire::new(Block::new(options), disk, |machine, queue, disk| {
        serve_disk(machine, queue, disk);
    });
    let mut driver = VirtIOBlk::<Guest, _>::new(wire).unwrap();
    assert_eq!(driver.capacity(), SECTORS);
    assert!(!driver.readonly());
    let mut id = [0; 20];
    assert_eq!(driver.device_id(&mut id), Ok(20));
    assert_eq!(&id, b"twenty characters :)");
    let mut random = Random::new(5);
    let mut expected = vec![0; (SECTORS * SECTOR) as usize];
    for _ in 0..200 {
        let sectors = 1 + random.below(4);
        let sector = random.below(SECTORS - sectors);
        let bytes = random.bytes((sectors * SECTOR) as usize);
        let start = (sector * SECTOR) as usize;
        let range = start..start + bytes.len();
        driver.write_blocks(sector as usize, &bytes).unwrap();
        expected[range].copy_from_slice(&bytes);
        let sector = random.below(SECTORS);
        let mut bytes = [0; SECTOR as usize];
        driver.read_blocks(sector as usize, &mut bytes).unwrap();
        let start = (sector * SECTOR) as usize;
        assert_eq!(bytes, expected[start..start + bytes.len()]);
    }
    driver.flush().unwrap();
    assert_eq!(host.borrow().data, expected);
    let mut beyond = [0; SECTOR as usize];
    assert!(driver.read_blocks(SECTORS as usize, &mut beyond).is_err());
    assert_eq!(driver.ack_interrupt().bits(), 1);
}

#[test]
fn a_console() {
    fn serve(machine: &mut Machine<Console>, queue: u16, printed: &mut Vec<u8>) {
        let memory = &machine.memory;
        if queue == console::RECEIVE {
            while machine.device.deliver_input(memory).is_some() {}
            return;
        }
        let mut buffer = [0; 7];
        while let Some(count) = machine.device.output(memory, &mut buffer) {
            printed.extend(&buffer[..count]);
        }
    }
    let (wire, host) = Wire::new(Console::new(132, 43), Vec::new(), serve);
    let mut driver = VirtIOConsole::<Guest, _>::new(wire).unwrap();
    let size = driver.size().unwrap().unwrap();
    assert_eq!((size.columns, size.rows), (132, 43));
    driver
        .send_bytes(b"a line that is longer than seven\n")
        .unwrap();
    driver.send(b'x').unwrap();
    assert_eq!(host.borrow().data, b"a line that is longer than seven\nx");
    assert_eq!(driver.recv(true), Ok(None));
    {
        let machine = &mut host.borrow_mut().machine;
        assert_eq!(machine.device.input(&machine.memory, b"typed"), 5);
        machine.settle();
        assert!(machine.intx());
    }
    assert_eq!(driver.ack_interrupt(), Ok(true));
    for expected in b"typed" {
        assert_eq!(driver.recv(true), Ok(Some(*expected)));
    }
    assert_eq!(driver.recv(true), Ok(None));
    driver.emergency_write(b'!').unwrap();
    let emergency = host.borrow_mut().machine.device.take_emergency();
    assert_eq!(emergency, Some(b'!'));
}

#[test]
fn a_network_interface() {
    const MAC: [u8; 6] = [0x52, 0x54, 0, 9, 8, 7];
    fn serve(machine: &mut Machine<Net>, queue: u16, sent: &mut Vec<u8>) {
        if queue == net::TRANSMIT {
            let mut frame = [0; 1518];
            while let Some(length) = machine.device.transmit(&machine.memory, &mut frame) {
                sent.extend(&frame[..length]);
            }
        }
    }
    let (wire, host) = Wire::new(Net::new(MAC, 1500), Vec::new(), serve);
    let mut driver = VirtIONet::<Guest, _, 16>::new(wire, 2048).unwrap();
    assert_eq!(driver.mac_address(), MAC);
    let mut random = Random::new(6);
    for length in [60, 1514, 61, 1000] {
        let frame = random.bytes(length);
        driver.send(TxBuffer::from(&frame)).unwrap();
        assert_eq!(std::mem::take(&mut host.borrow_mut().data), frame);
    }
    for round in 0..50 {
        let frame = random.bytes(60 + 20 * round);
        {
            let machine = &mut host.borrow_mut().machine;
            machine.device.receive(&machine.memory, &frame).unwrap();
            machine.settle();
        }
        let buffer = driver.receive().unwrap();
        assert_eq!(buffer.packet(), frame);
        driver.recycle_rx_buffer(buffer).unwrap();
    }
    assert!(!driver.can_recv());
}

#[test]
fn an_entropy_source() {
    fn serve(machine: &mut Machine<Entropy>, _: u16, _: &mut Vec<u8>) {
        while machine.device.fill(&machine.memory, b"random").is_some() {}
    }
    let (wire, _host) = Wire::new(Entropy, Vec::new(), serve);
    let mut driver = VirtIORng::<Guest, _>::new(wire).unwrap();
    let mut bytes = [0; 16];
    assert_eq!(driver.request_entropy(&mut bytes), Ok(6));
    assert_eq!(bytes[..7], *b"random\0");
    let mut bytes = [0; 3];
    assert_eq!(driver.request_entropy(&mut bytes), Ok(3));
    assert_eq!(&bytes, b"ran");
}
