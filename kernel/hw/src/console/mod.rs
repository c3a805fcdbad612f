//! Text for people: a serial line, and the screen if the firmware set one up.

pub mod framebuffer;
pub mod grid;
pub mod screen;
pub mod serial;

use core::fmt;
use pagurus_abi::boot::Framebuffer;
use screen::{Screen, ScreenError};
use serial::Serial;
use spin::mutex::SpinMutex;

/// Base port of the first serial line.
pub const COM1: u16 = 0x3f8;

struct Console {
    serial: Option<Serial>,
    screen: Option<Screen>,
}

static CONSOLE: SpinMutex<Console> = SpinMutex::new(Console {
    serial: None,
    screen: None,
});

/// Starts the serial line at `port` with 115,200 baud, 8 data bits and no parity. Returns whether there is
/// one.
pub fn init_serial(port: u16) -> bool {
    let serial = Serial::probe(port);
    let found = serial.is_some();
    CONSOLE.lock().serial = serial;
    found
}

/// Base port of the serial line, if there is one.
pub fn serial_port() -> Option<u16> {
    CONSOLE.lock().serial.as_ref().map(Serial::port)
}

/// Starts the screen that the firmware set up.
///
/// # Errors
/// Why it cannot be used. The serial line, if any, goes on.
pub fn init_screen(description: &Framebuffer) -> Result<(), ScreenError> {
    let screen = Screen::new(description)?;
    CONSOLE.lock().screen = Some(screen);
    Ok(())
}

/// Writes text to all that there is. Lines end with `\n`.
pub fn write_str(text: &str) {
    write_bytes(text.as_bytes());
}

/// Writes bytes, as [`write_str`]. Bytes that are not ASCII show as a filled block on the screen.
pub fn write_bytes(bytes: &[u8]) {
    let mut console = CONSOLE.lock();
    let Console { serial, screen } = &mut *console;
    // A line that takes no more bytes is given up, so that the kernel does not hang with it.
    if let Some(line) = serial
        && !line.write(bytes)
    {
        *serial = None;
    }
    if let Some(screen) = screen {
        screen.write(bytes);
    }
}

/// Writes formatted text.
pub fn print(arguments: fmt::Arguments<'_>) {
    // The writer never fails.
    let _ = fmt::write(&mut Writer, arguments);
}

/// Formatted output by `write!`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writer;

impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write_str(text);
        Ok(())
    }
}

/// Opens the lock, whoever holds it: for a panic, which may have come while this processor was writing.
///
/// # Safety
/// No other processor may be writing, or garbled text and a wrong cursor must be acceptable, as they are
/// when the kernel is about to stop.
#[allow(unsafe_code)]
pub unsafe fn force_unlock() {
    // SAFETY: the caller accepts what follows; the console holds no references that could dangle.
    unsafe { CONSOLE.force_unlock() };
}
