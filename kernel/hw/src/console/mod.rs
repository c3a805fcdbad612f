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

/// Looks at the lock before the last words break it: seconds.
const LOCK_PATIENCE: u32 = 100_000_000;

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

/// Writes formatted text even if the console is locked for good: for the last words of a kernel that stops,
/// perhaps because of what happened while this processor was writing. Another processor's text may be cut.
pub fn print_last(arguments: fmt::Arguments<'_>) {
    let free = (0..LOCK_PATIENCE).any(|_| {
        core::hint::spin_loop();
        !CONSOLE.is_locked()
    });
    if !free {
        // SAFETY: whoever holds the lock had time for a screenful; it is stopped, or it is this processor
        // below us, which does not go on. The console holds nothing that a write cut short leaves unsound.
        #[allow(unsafe_code)]
        unsafe {
            CONSOLE.force_unlock();
        }
    }
    print(arguments);
}
