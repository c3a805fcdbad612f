//! The serial port under a driver that others wrote for the real one.
#![allow(unsafe_code)] // The driver's backend trait and constructor are declared unsafe.

use pagurus_devices_chipset::Uart;
use uart_16550::backend::Backend;
use uart_16550::{BaudRate, Config, Uart16550};

struct Port {
    uart: Uart,
    sent: Vec<u8>,
}

impl Backend for Port {
    unsafe fn read(&mut self, offset: u8) -> u8 {
        self.uart.read(offset.into())
    }

    unsafe fn write(&mut self, offset: u8, value: u8) {
        self.uart.write(offset.into(), value);
        self.sent.extend(self.uart.take_output());
    }
}

fn driver() -> Uart16550<Port> {
    let port = Port {
        uart: Uart::new(),
        sent: Vec::new(),
    };
    // SAFETY: the registers are a model in memory; no access to them can do harm.
    let mut driver = unsafe { Uart16550::new_with_backend(port) };
    let config = Config {
        baud_rate: BaudRate::Baud115200,
        ..Config::default()
    };
    driver.init(config).expect("a 16550 is found");
    driver
}

#[test]
fn passes_its_self_test() {
    let mut driver = driver();
    driver
        .test_loopback()
        .expect("bytes and modem lines come back");
    driver.check_connected().expect("the far end listens");
    assert!(driver.fifo_enabled());
    assert_eq!(driver.backend().uart.divisor(), 1, "115,200 baud");
}

#[test]
fn carries_bytes_both_ways() {
    let mut driver = driver();
    let text: Vec<u8> = (0..=255).cycle().take(1000).collect();
    driver.send_bytes_exact(&text);
    assert_eq!(driver.backend().sent, text);

    let mut received = Vec::new();
    while received.len() < text.len() {
        let accepted = driver.backend_mut().uart.put_input(&text[received.len()..]);
        assert!(accepted > 0);
        let mut buffer = [0; 64];
        let count = driver.receive_bytes(&mut buffer);
        received.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(received, text);
}
