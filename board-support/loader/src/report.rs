//! What the loader has to say: to the first serial port and to the VGA text screen.
#![allow(unsafe_code)] // Port and video memory access.

use core::fmt::{self, Write};
use core::num::NonZeroU16;
use uart_16550::backend::PioBackend;
use uart_16550::{BaudRate, Config, Uart16550};

/// COM1.
const SERIAL_PORT: u16 = 0x3f8;
/// VGA text memory: 80 by 25 characters with their colours.
const SCREEN: *mut u16 = 0xb8000 as *mut u16;
const COLUMNS: usize = 80;
const ROWS: usize = 25;
/// White on black.
const COLOUR: u16 = 0x0f00;

/// Where messages go.
pub struct Report {
    serial: Option<Uart16550<PioBackend>>,
    /// Next character on the screen, if that is in text mode.
    cell: Option<usize>,
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
        Report { serial, cell: None }
    }

    /// Writes to the screen as well, from its top, once it is known to be in text mode.
    pub fn use_screen(&mut self) {
        self.cell = Some(0);
    }

    /// The port for the kernel, if it is there.
    pub fn serial_port(&self) -> Option<NonZeroU16> {
        self.serial.as_ref().and(NonZeroU16::new(SERIAL_PORT))
    }

    fn put_on_screen(&mut self, byte: u8) {
        let Some(cell) = &mut self.cell else { return };
        if byte == b'\n' {
            *cell = (*cell / COLUMNS + 1) * COLUMNS;
            return;
        }
        if *cell >= COLUMNS * ROWS {
            *cell = 0;
        }
        // SAFETY: the cell lies within the text memory, which is nobody else's.
        unsafe { SCREEN.add(*cell).write_volatile(COLOUR | u16::from(byte)) };
        *cell += 1;
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
            self.put_on_screen(byte);
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
