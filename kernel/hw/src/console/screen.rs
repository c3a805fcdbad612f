//! The screen: VGA text or pixels.
#![allow(unsafe_code)] // writes to the screen's memory

use super::framebuffer::{Geometry, GeometryError, Pixels};
use super::grid::Grid;
use crate::vm::{self, MapError};
use core::cell::UnsafeCell;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use pagurus_abi::boot::Framebuffer;

/// `Framebuffer::kind`: colour pixels.
const KIND_PIXELS: u8 = 1;
/// `Framebuffer::kind`: VGA text.
const KIND_TEXT: u8 = 2;
/// Grey on black.
const TEXT_ATTRIBUTE: u16 = 0x07 << 8;

/// Why the screen cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScreenError {
    /// The firmware set none up.
    None,
    /// There is one already.
    InUse,
    /// The description makes no sense.
    Geometry(GeometryError),
    /// Its memory cannot be mapped.
    Map(MapError),
}

impl fmt::Display for ScreenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScreenError::None => f.write_str("the firmware set up no screen"),
            ScreenError::InUse => f.write_str("the screen is in use already"),
            ScreenError::Geometry(error) => write!(f, "the screen cannot be used: {error}"),
            ScreenError::Map(error) => write!(f, "the screen cannot be mapped: {error}"),
        }
    }
}

enum Output {
    Text(*mut u16),
    Pixels(Pixels),
}

/// A screen in use.
pub struct Screen {
    grid: &'static mut Grid,
    output: Output,
}

// SAFETY: the memory behind the pointer belongs to this value alone, on whichever processor it is used.
unsafe impl Send for Screen {}

/// The one screen's text: too large for a stack.
struct Cells(UnsafeCell<Grid>);

// SAFETY: `Screen::new` hands the contents out once, guarded by `TAKEN`.
unsafe impl Sync for Cells {}

static CELLS: Cells = Cells(UnsafeCell::new(Grid::empty()));
static TAKEN: AtomicBool = AtomicBool::new(false);

impl Screen {
    /// Maps and clears the screen.
    ///
    /// # Errors
    /// See [`ScreenError`].
    pub fn new(description: &Framebuffer) -> Result<Screen, ScreenError> {
        if description.address == 0 {
            return Err(ScreenError::None);
        }
        let (output, columns, rows) = match description.kind {
            KIND_TEXT => text(description)?,
            KIND_PIXELS => pixels(description)?,
            _ => return Err(ScreenError::Geometry(GeometryError::PixelFormat)),
        };
        if TAKEN.swap(true, Ordering::AcqRel) {
            return Err(ScreenError::InUse);
        }
        // SAFETY: `TAKEN` was clear, so this is the only reference that was ever made.
        let grid = unsafe { &mut *CELLS.0.get() };
        if !grid.reset(columns, rows) {
            return Err(ScreenError::Geometry(GeometryError::Size));
        }
        let mut screen = Screen { grid, output };
        screen.clear();
        Ok(screen)
    }

    /// Writes text at the cursor.
    pub fn write(&mut self, bytes: &[u8]) {
        let Screen { grid, output } = self;
        grid.write(bytes);
        let columns = grid.columns();
        grid.flush(|column, row, character| match output {
            Output::Text(base) => {
                let cell = TEXT_ATTRIBUTE | u16::from(character);
                // SAFETY: the grid has at most the cells that were mapped in `text`.
                unsafe { base.add(row * columns + column).write_volatile(cell) };
            }
            Output::Pixels(pixels) => pixels.draw(column, row, character),
        });
    }

    fn clear(&mut self) {
        match &mut self.output {
            Output::Pixels(pixels) => pixels.clear(),
            Output::Text(base) => {
                for cell in 0..self.grid.columns() * self.grid.rows() {
                    // SAFETY: as in `write`.
                    unsafe {
                        base.add(cell)
                            .write_volatile(TEXT_ATTRIBUTE | u16::from(b' '))
                    };
                }
            }
        }
    }
}

fn text(description: &Framebuffer) -> Result<(Output, usize, usize), ScreenError> {
    /// The window of VGA text memory, of which a screen takes a part.
    const WINDOW: usize = 32 * 1024;
    let (columns, rows) = (description.width as usize, description.height as usize);
    // The grid cuts to fewer columns than this; text memory has no gaps between lines that would show it.
    let cells = columns.checked_mul(rows).filter(|n| *n <= WINDOW / 2);
    if cells.is_none() || columns > super::grid::MAX_COLUMNS {
        return Err(ScreenError::Geometry(GeometryError::Size));
    }
    let base = vm::map_device(description.address, WINDOW as u64).map_err(ScreenError::Map)?;
    Ok((Output::Text(base.cast()), columns, rows))
}

fn pixels(description: &Framebuffer) -> Result<(Output, usize, usize), ScreenError> {
    let geometry = Geometry::new(description).map_err(ScreenError::Geometry)?;
    let base = vm::map_framebuffer(description.address, geometry.bytes() as u64)
        .map_err(ScreenError::Map)?;
    // SAFETY: as many bytes were mapped, for nobody else.
    let pixels = unsafe { Pixels::new(base, geometry) };
    Ok((Output::Pixels(pixels), geometry.columns(), geometry.rows()))
}
