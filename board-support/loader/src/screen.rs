//! Text on the screen that GRUB left: VGA text memory, or pixels.
#![allow(unsafe_code)] // Video memory.

use font8x8::legacy::BASIC_LEGACY;
use pagurus_boot::Range;
use pagurus_boot::multiboot2::Info;

/// VGA text memory.
const VGA_TEXT: u64 = 0xb8000;
/// Low memory that the loader's page tables map.
const MAPPED: u64 = 1 << 32;
/// White on black.
const COLOUR: u16 = 0x0f00;
/// Pixels of a character; each row of the font is drawn twice.
const WIDTH: usize = 8;
const HEIGHT: usize = 16;

#[derive(Clone, Copy)]
enum Memory {
    /// Characters with their colours.
    Text,
    /// Pixels of this many bytes, in lines that are `pitch` bytes apart.
    Pixels { bytes: usize, pitch: usize },
}

/// A screen, written from its top.
pub struct Screen {
    base: *mut u8,
    memory: Memory,
    columns: usize,
    rows: usize,
    /// Next character.
    cell: usize,
}

impl Screen {
    /// The screen that BIOS sets up.
    pub fn vga() -> Screen {
        Screen {
            base: VGA_TEXT as *mut u8,
            memory: Memory::Text,
            columns: 80,
            rows: 25,
            cell: 0,
        }
    }

    /// The screen that the boot information describes, if there is one that can be written to. Without word
    /// of one, it is that of BIOS.
    pub fn described(info: &Info<'_>) -> Option<Screen> {
        let Some(screen) = info.framebuffer() else {
            return Some(Screen::vga());
        };
        let (width, height) = (screen.width as usize, screen.height as usize);
        let pitch = screen.pitch as usize;
        let bytes = usize::from(screen.bits_per_pixel).div_ceil(8);
        let (memory, columns, rows) = match screen.kind {
            2 if screen.address == VGA_TEXT && pitch == 2 * width => (Memory::Text, width, height),
            1 if matches!(bytes, 3 | 4) => (
                Memory::Pixels { bytes, pitch },
                width / WIDTH,
                height / HEIGHT,
            ),
            _ => return None,
        };
        let whole = Range::sized(screen.address, (height as u64).checked_mul(pitch as u64)?)?;
        let fits = whole.end <= MAPPED && width.checked_mul(bytes)? <= pitch;
        (fits && columns > 0 && rows > 0).then_some(Screen {
            base: screen.address as *mut u8,
            memory,
            columns,
            rows,
            cell: 0,
        })
    }

    /// Writes a character; after the last one it starts again at the top.
    pub fn put(&mut self, byte: u8) {
        if byte == b'\n' {
            self.cell = (self.cell / self.columns + 1) * self.columns;
            return;
        }
        if self.cell >= self.columns * self.rows {
            self.cell = 0;
        }
        match self.memory {
            Memory::Text => {
                let cell = self.base.cast::<u16>().wrapping_add(self.cell);
                // SAFETY: the cell lies within the text memory, which is nobody else's.
                unsafe { cell.write_volatile(COLOUR | u16::from(byte)) };
            }
            Memory::Pixels { bytes, pitch } => self.draw(byte, bytes, pitch),
        }
        self.cell += 1;
    }

    fn draw(&self, byte: u8, bytes: usize, pitch: usize) {
        let glyph = BASIC_LEGACY.get(usize::from(byte)).unwrap_or(&[0xff; 8]);
        let (column, row) = (self.cell % self.columns, self.cell / self.columns);
        for y in 0..HEIGHT {
            let line = (row * HEIGHT + y) * pitch + column * WIDTH * bytes;
            for x in 0..WIDTH {
                let colour = if glyph[y / 2] >> x & 1 == 0 { 0 } else { 0xff };
                for part in 0..bytes {
                    // SAFETY: column and row are on the screen, whose memory is mapped and nobody else's.
                    unsafe {
                        self.base
                            .add(line + x * bytes + part)
                            .write_volatile(colour)
                    };
                }
            }
        }
    }
}
