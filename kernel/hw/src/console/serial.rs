//! A serial line as console.
#![allow(unsafe_code)] // I/O ports

use uart_16550::backend::PioBackend;
use uart_16550::{BaudRate, Config, Uart16550};

/// Looks at the line status before a byte, or the whole line, is given up. A byte takes 87 microseconds at
/// 115,200 baud and a look about one.
const PATIENCE: u32 = 1_000_000;

/// A serial line that is there and ready.
pub struct Serial {
    uart: Uart16550<PioBackend>,
    port: u16,
}

impl Serial {
    /// Looks for a 16550 at `port` and starts it.
    pub fn probe(port: u16) -> Option<Serial> {
        // SAFETY: the standard ports of serial lines belong to nothing else, and the kernel hands them out
        // only after boot.
        let mut uart = unsafe { Uart16550::new_port(port) }.ok()?;
        // The scratch register tells a UART from an empty bus. What it does not tell is whether the
        // transmitter ever becomes empty, which `init` waits for without end.
        if !uart.check_present() || !drained(&mut uart) {
            return None;
        }
        let config = Config {
            baud_rate: BaudRate::Baud115200,
            ..Config::DEFAULT
        };
        uart.init(config).ok()?;
        Some(Serial { uart, port })
    }

    /// Its base port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Writes `bytes`, with `\r` before each `\n`. Returns whether the line took them all.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        bytes
            .iter()
            .all(|byte| (*byte != b'\n' || self.put(b'\r')) && self.put(*byte))
    }

    fn put(&mut self, byte: u8) -> bool {
        (0..PATIENCE).any(|_| {
            let sent = self.uart.try_send_byte(byte).is_ok();
            if !sent {
                core::hint::spin_loop();
            }
            sent
        })
    }
}

fn drained(uart: &mut Uart16550<PioBackend>) -> bool {
    use uart_16550::spec::registers::LSR;
    (0..PATIENCE).any(|_| uart.lsr().contains(LSR::TRANSMITTER_EMPTY))
}
