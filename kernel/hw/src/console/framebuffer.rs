//! Characters as pixels.
#![allow(unsafe_code)] // writes to the framebuffer

use core::fmt;
use font8x8::legacy::BASIC_LEGACY;
use pagurus_abi::boot::Framebuffer;

/// Pixels of a glyph, before scaling: the font has square characters, which read better at twice the height.
const GLYPH_WIDTH: usize = 8;
const GLYPH_HEIGHT: usize = 16;
/// Screens at least this wide get characters of twice the size.
const LARGE_SCREEN: usize = 2560;
/// Brightness of text: 192 of 255 in each colour.
const GREY: u64 = 0xc0;

/// Why pixels cannot be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeometryError {
    /// Pixels of another size than 3 or 4 bytes, or colours that are not in them.
    PixelFormat,
    /// A line is longer than the distance of lines, or the whole is absurdly large.
    Size,
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GeometryError::PixelFormat => "only pixels of 24 and 32 bits can be drawn",
            GeometryError::Size => "its size makes no sense",
        })
    }
}

/// The shape of a framebuffer, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pitch: usize,
    width: usize,
    height: usize,
    pixel_bytes: usize,
    text: u32,
    scale: usize,
}

impl Geometry {
    /// The largest framebuffer that is believed.
    const MAX_BYTES: usize = 1 << 30;

    /// Checks the firmware's description.
    ///
    /// # Errors
    /// See [`GeometryError`].
    pub fn new(description: &Framebuffer) -> Result<Geometry, GeometryError> {
        let pixel_bytes = match description.bits_per_pixel {
            24 => 3,
            32 => 4,
            _ => return Err(GeometryError::PixelFormat),
        };
        let mut text = 0;
        for shift in description.shifts {
            if usize::from(shift) + 8 > pixel_bytes * 8 {
                return Err(GeometryError::PixelFormat);
            }
            text |= GREY << shift;
        }
        let [pitch, width, height] =
            [description.pitch, description.width, description.height].map(|n| n as usize);
        let fits = width
            .checked_mul(pixel_bytes)
            .is_some_and(|line| line <= pitch);
        let total = pitch.checked_mul(height).filter(|n| *n <= Self::MAX_BYTES);
        if !fits || total.is_none() {
            return Err(GeometryError::Size);
        }
        Ok(Geometry {
            pitch,
            width,
            height,
            pixel_bytes,
            text: text as u32,
            scale: if width >= LARGE_SCREEN { 2 } else { 1 },
        })
    }

    /// Bytes from the first pixel to the end of the last line.
    pub fn bytes(&self) -> usize {
        self.pitch * self.height
    }

    /// Characters in a line.
    pub fn columns(&self) -> usize {
        self.width / (GLYPH_WIDTH * self.scale)
    }

    /// Lines of characters.
    pub fn rows(&self) -> usize {
        self.height / (GLYPH_HEIGHT * self.scale)
    }
}

/// A framebuffer in memory.
pub struct Pixels {
    base: *mut u8,
    geometry: Geometry,
}

// SAFETY: the memory belongs to this value alone, on whichever processor it is used.
unsafe impl Send for Pixels {}

impl Pixels {
    /// Takes the framebuffer at `base`.
    ///
    /// # Safety
    /// `base` must point to `geometry.bytes()` writable bytes that stay mapped and have no other user.
    pub unsafe fn new(base: *mut u8, geometry: Geometry) -> Pixels {
        Pixels { base, geometry }
    }

    /// Its shape.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Makes every pixel black.
    pub fn clear(&mut self) {
        for line in 0..self.geometry.height {
            for column in 0..self.geometry.width {
                self.pixel(column, line, 0);
            }
        }
    }

    /// Draws a character; places outside the screen are left out.
    pub fn draw(&mut self, column: usize, row: usize, character: u8) {
        let Geometry { scale, text, .. } = self.geometry;
        if column >= self.geometry.columns() || row >= self.geometry.rows() {
            return;
        }
        for line in 0..GLYPH_HEIGHT * scale {
            let bits = glyph(character, line / scale);
            for dot in 0..GLYPH_WIDTH * scale {
                let colour = if bits >> (dot / scale) & 1 != 0 {
                    text
                } else {
                    0
                };
                self.pixel(
                    column * GLYPH_WIDTH * scale + dot,
                    row * GLYPH_HEIGHT * scale + line,
                    colour,
                );
            }
        }
    }

    fn pixel(&mut self, x: usize, y: usize, colour: u32) {
        let Geometry {
            pitch, pixel_bytes, ..
        } = self.geometry;
        debug_assert!(x < self.geometry.width && y < self.geometry.height);
        let bytes = colour.to_le_bytes();
        // SAFETY: the callers stay inside width and height, so the pixel lies in the memory that `new`'s
        // caller vouched for. Bytes, as pixels need not be aligned; where they are, whole words, which
        // uncached memory takes in a quarter of the time.
        unsafe {
            let pixel = self.base.add(y * pitch + x * pixel_bytes);
            if pixel_bytes == 4 && pixel.cast::<u32>().is_aligned() {
                pixel.cast::<u32>().write_volatile(colour);
            } else {
                for (i, byte) in bytes.iter().take(pixel_bytes).enumerate() {
                    pixel.add(i).write_volatile(*byte);
                }
            }
        }
    }
}

/// Eight pixels of line `line` of a character, leftmost in the lowest bit.
fn glyph(character: u8, line: usize) -> u8 {
    match BASIC_LEGACY.get(usize::from(character)) {
        Some(glyph) => glyph[line / 2 % 8],
        None => 0x7e,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn description(width: u32, height: u32, bits: u8) -> Framebuffer {
        Framebuffer {
            address: 0x8000_0000,
            pitch: width * u32::from(bits) / 8 + 12,
            width,
            height,
            bits_per_pixel: bits,
            kind: 1,
            shifts: [16, 8, 0],
            reserved: [0; 7],
        }
    }

    fn lit(memory: &[u8]) -> usize {
        memory.iter().filter(|byte| **byte != 0).count()
    }

    #[test]
    fn a_character_lights_its_dots_in_its_cell_and_nothing_else() {
        for bits in [24, 32] {
            let geometry = Geometry::new(&description(80, 48, bits)).unwrap();
            let mut memory: Vec<u8> = vec![0; geometry.bytes()];
            // SAFETY: the vector has as many bytes as the geometry says.
            let mut pixels = unsafe { Pixels::new(memory.as_mut_ptr(), geometry) };
            pixels.draw(3, 1, b'A');
            let dots: u32 = BASIC_LEGACY[usize::from(b'A')]
                .iter()
                .map(|line| line.count_ones())
                .sum();
            assert_eq!(lit(&memory), dots as usize * 2 * 3);
            for (offset, _) in memory.iter().enumerate().filter(|(_, byte)| **byte != 0) {
                let (line, column) = (offset / geometry.pitch, offset % geometry.pitch);
                assert!((16..32).contains(&line));
                assert!((24..32).contains(&(column / geometry.pixel_bytes)));
            }
        }
    }

    #[test]
    fn a_space_puts_the_light_out() {
        let geometry = Geometry::new(&description(16, 16, 32)).unwrap();
        let mut memory = vec![0; geometry.bytes()];
        // SAFETY: the vector has as many bytes as the geometry says.
        let mut pixels = unsafe { Pixels::new(memory.as_mut_ptr(), geometry) };
        pixels.draw(1, 0, 0xe4);
        pixels.draw(1, 0, b' ');
        assert_eq!(lit(&memory), 0);
    }

    #[test]
    fn cells_outside_are_not_drawn() {
        let geometry = Geometry::new(&description(20, 20, 32)).unwrap();
        assert_eq!((geometry.columns(), geometry.rows()), (2, 1));
        let mut memory = vec![0; geometry.bytes()];
        // SAFETY: the vector has as many bytes as the geometry says.
        let mut pixels = unsafe { Pixels::new(memory.as_mut_ptr(), geometry) };
        pixels.draw(2, 0, b'X');
        pixels.draw(0, 1, b'X');
        pixels.draw(usize::MAX, usize::MAX, b'X');
        assert_eq!(lit(&memory), 0);
    }

    #[test]
    fn large_screens_get_large_characters() {
        let geometry = Geometry::new(&description(2560, 1440, 32)).unwrap();
        assert_eq!((geometry.columns(), geometry.rows()), (160, 45));
    }

    #[test]
    fn bad_descriptions_are_refused() {
        let good = description(800, 600, 32);
        assert!(Geometry::new(&good).is_ok());
        for bits in [0, 8, 15, 16, 48, 255] {
            let bad = Framebuffer {
                bits_per_pixel: bits,
                ..good
            };
            assert_eq!(Geometry::new(&bad), Err(GeometryError::PixelFormat));
        }
        let bad = Framebuffer {
            shifts: [25, 8, 0],
            ..good
        };
        assert_eq!(Geometry::new(&bad), Err(GeometryError::PixelFormat));
        let bad = Framebuffer {
            pitch: 3199,
            ..good
        };
        assert_eq!(Geometry::new(&bad), Err(GeometryError::Size));
        let bad = Framebuffer {
            height: u32::MAX,
            ..good
        };
        assert_eq!(Geometry::new(&bad), Err(GeometryError::Size));
        let bad = Framebuffer {
            width: u32::MAX,
            ..good
        };
        assert_eq!(Geometry::new(&bad), Err(GeometryError::Size));
    }
}
