//! A serial line for messages before there is anything better.
#![allow(unsafe_code)] // Ports.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU16, Ordering};
use x86::io::{inb, outb};

/// The first serial port of a PC.
const COM1: u16 = 0x3f8;
/// Offset of the line status register, and its bit for room to send (16550D data sheet, 8.6.2).
const LINE_STATUS: u16 = 5;
const ROOM: u8 = 1 << 5;

/// Base port; 0 if there is none.
static PORT: AtomicU16 = AtomicU16::new(COM1);

/// Chooses the port, which the loader has set up. Without one, nothing is printed.
pub fn set_port(port: Option<u16>) {
    PORT.store(port.unwrap_or(0), Ordering::Relaxed);
}

/// Prints, waiting for the line.
pub fn print(text: fmt::Arguments<'_>) {
    // Writing to the line cannot fail.
    let _ = Line.write_fmt(text);
}

struct Line;

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                send(b'\r');
            }
            send(byte);
        }
        Ok(())
    }
}

fn send(byte: u8) {
    let port = PORT.load(Ordering::Relaxed);
    if port == 0 {
        return;
    }
    // SAFETY: the loader found a serial port there.
    unsafe {
        // A port that never has room is no reason to hang.
        for _ in 0..1_000_000 {
            if inb(port + LINE_STATUS) & ROOM != 0 {
                break;
            }
            core::hint::spin_loop();
        }
        outb(port, byte);
    }
}
