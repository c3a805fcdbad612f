//! The driver against a model of the 16550.

use pagurus_serial::{Registers, SerialError, SerialPort};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

const DATA: u8 = 0;
const INTERRUPTS: u8 = 1;
const LINE_CONTROL: u8 = 3;
const LINE_STATUS: u8 = 5;
const SCRATCH: u8 = 7;

#[derive(Default)]
struct Chip {
    registers: [u8; 8],
    divisor: [u8; 2],
    received: VecDeque<u8>,
    sent: Vec<u8>,
    in_fifo: usize,
    /// Looks at the line status until the FIFO is empty again; `None`: never.
    drain_looks: Option<u32>,
    looks: u32,
}

#[derive(Clone)]
struct Port(Option<Rc<RefCell<Chip>>>);

impl Registers for Port {
    fn read(&mut self, offset: u8) -> u8 {
        let Some(chip) = &self.0 else { return 0xff };
        let mut chip = chip.borrow_mut();
        match offset {
            DATA => chip.received.pop_front().unwrap_or(0),
            LINE_STATUS => {
                if chip.in_fifo > 0 && chip.drain_looks.is_some() {
                    if chip.looks == 0 {
                        chip.in_fifo = 0;
                    } else {
                        chip.looks -= 1;
                    }
                }
                let data_ready = !chip.received.is_empty() as u8;
                data_ready | if chip.in_fifo == 0 { 0x60 } else { 0 }
            }
            // FIFO enabled, nothing pending.
            2 => 0xc1,
            _ => chip.registers[offset as usize],
        }
    }

    fn write(&mut self, offset: u8, value: u8) {
        let Some(chip) = &self.0 else { return };
        let mut chip = chip.borrow_mut();
        let divisor_latch = chip.registers[LINE_CONTROL as usize] & 0x80 != 0;
        match offset {
            DATA | INTERRUPTS if divisor_latch => chip.divisor[offset as usize] = value,
            DATA => {
                assert!(chip.in_fifo < 16, "the FIFO overflows");
                chip.in_fifo += 1;
                chip.looks = chip.drain_looks.unwrap_or(0);
                chip.sent.push(value);
            }
            _ => chip.registers[offset as usize] = value,
        }
    }
}

fn chip(drain_looks: Option<u32>) -> (Rc<RefCell<Chip>>, Port) {
    let chip = Rc::new(RefCell::new(Chip {
        drain_looks,
        ..Chip::default()
    }));
    (chip.clone(), Port(Some(chip)))
}

#[test]
fn a_missing_port_is_noticed() {
    assert_eq!(
        SerialPort::open(Port(None)).err(),
        Some(SerialError::Absent)
    );
}

#[test]
fn the_line_is_set_up() {
    let (chip, port) = chip(Some(3));
    let mut serial = SerialPort::open(port).unwrap();
    assert_eq!(chip.borrow().divisor, [1, 0], "115,200 baud");
    assert_eq!(chip.borrow().registers[LINE_CONTROL as usize], 3, "8N1");
    assert_eq!(chip.borrow().registers[INTERRUPTS as usize], 0);
    serial.enable_receive_interrupt();
    assert_eq!(chip.borrow().registers[INTERRUPTS as usize], 1);
    assert_eq!(chip.borrow().registers[SCRATCH as usize], 0, "put back");
}

#[test]
fn long_output_arrives_complete_and_in_order() {
    let (chip, port) = chip(Some(50));
    let mut serial = SerialPort::open(port).unwrap();
    let text: Vec<u8> = (0..1000u32).map(|i| i as u8).collect();
    assert_eq!(serial.write(&text), Ok(()));
    assert_eq!(chip.borrow().sent, text);
}

#[test]
fn a_stalled_port_costs_one_wait_and_recovers() {
    let (chip, port) = chip(None);
    let mut serial = SerialPort::open(port).unwrap();
    assert_eq!(
        serial.write(&[7; 40]),
        Err(SerialError::Stalled { written: 16 })
    );
    assert_eq!(
        serial.write(b"lost"),
        Err(SerialError::Stalled { written: 0 })
    );
    chip.borrow_mut().in_fifo = 0;
    chip.borrow_mut().drain_looks = Some(0);
    chip.borrow_mut().sent.clear();
    assert_eq!(serial.write(b"back again"), Ok(()));
    assert_eq!(chip.borrow().sent, b"back again");
}

#[test]
fn a_transmitter_that_never_empties_does_not_hang_the_open() {
    let (chip, port) = chip(None);
    chip.borrow_mut().in_fifo = 1;
    assert!(SerialPort::open(port).is_ok());
}

#[test]
fn input_is_read_without_waiting() {
    let (chip, port) = chip(Some(0));
    let mut serial = SerialPort::open(port).unwrap();
    let mut buffer = [0; 8];
    assert_eq!(serial.read(&mut buffer), 0);
    chip.borrow_mut().received.extend(b"hello, world".iter());
    assert_eq!(serial.read(&mut buffer), 8);
    assert_eq!(&buffer, b"hello, w");
    assert_eq!(serial.read(&mut buffer), 4);
    assert_eq!(&buffer[..4], b"orld");
    assert_eq!(serial.read(&mut buffer), 0);
}

#[test]
fn output_without_waiting_fills_one_fifo() {
    let (_, port) = chip(None);
    let mut serial = SerialPort::open(port).unwrap();
    assert_eq!(serial.try_write(&[1; 100]), 16);
    assert_eq!(serial.try_write(&[1; 100]), 0);
}
