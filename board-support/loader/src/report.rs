//! What the loader has to say: to the first serial port and to the screen.
#![allow(unsafe_code)] // Port access.

use crate::screen::Screen;
use core::fmt::{self, Write};
use core::num::NonZeroU16;
use uart_16550::backend::PioBackend;
use uart_16550::{BaudRate, Config, Uart16550};

/// COM1.
const SERIAL_PORT: u16 = 0x3f8;

/// Where messages go.
pub struct Report {
    serial: Option<Uart16550<PioBackend>>,
    screen: Option<Screen>,
}

impl Report {
    /// Sets up the serial port, if there is one.
    pub fn new() -> Report {
        // SAFETY: the loader has the machine to itself; on a PC these ports are COM1 or nothing.
        let serial = unsafe { Uart16550::new_port(SERIAL_PORT) };
        let config = Config {
            baud_rate: BaudRate::Baud115200,
            ..Config::default()
        };
        let serial = serial
            .ok()
            .and_then(|mut serial| serial.init(config).ok().map(|()| serial));
        Report {
            serial,
            screen: None,
        }
    }

    /// Writes to a screen as well, if there is one.
    pub fn use_screen(&mut self, screen: Option<Screen>) {
        self.screen = screen;
    }

    /// The port for the kernel, if it is there.
    pub fn serial_port(&self) -> Option<NonZeroU16> {
        self.serial.as_ref().and(NonZeroU16::new(SERIAL_PORT))
    }
}

impl Write for Report {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if let Some(serial) = &mut self.serial {
                if byte == b'\n' {
                    send(serial, b'\r');
                }
                send(serial, byte);
            }
            if let Some(screen) = &mut self.screen {
                screen.put(byte);
            }
        }
        Ok(())
    }
}

/// Sends a byte; gives up on a port that never takes it.
fn send(serial: &mut Uart16550<PioBackend>, byte: u8) {
    for _ in 0..1_000_000 {
        if serial.try_send_byte(byte).is_ok() {
            return;
        }
        core::hint::spin_loop();
    }
}
