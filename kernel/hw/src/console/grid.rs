//! The characters of a screen, and which of them must be drawn again. Pure.

/// Most characters in a line.
pub const MAX_COLUMNS: usize = 240;
/// Most lines.
pub const MAX_ROWS: usize = 100;
const MAX_CELLS: usize = MAX_COLUMNS * MAX_ROWS;

/// A cell without a character.
const BLANK: u8 = 0;
/// Distance of tab stops.
const TAB: usize = 8;

/// Text that scrolls. It remembers what is shown, so that scrolling draws only what differs: reading back
/// from a framebuffer is slow.
pub struct Grid {
    columns: usize,
    rows: usize,
    column: usize,
    row: usize,
    cells: [u8; MAX_CELLS],
    shown: [u8; MAX_CELLS],
    /// Rows that may differ from what is shown: `first..last`.
    first: usize,
    last: usize,
}

impl Grid {
    /// Text without room. All zero: it costs nothing in the kernel's image, and is too large for a stack.
    pub const fn empty() -> Grid {
        Grid {
            columns: 0,
            rows: 0,
            column: 0,
            row: 0,
            cells: [BLANK; MAX_CELLS],
            shown: [BLANK; MAX_CELLS],
            first: 0,
            last: 0,
        }
    }

    /// Makes it an empty text of `columns` by `rows`, cut to the maximum, on a screen that shows nothing.
    /// `false` if there is no room for a character.
    pub fn reset(&mut self, columns: usize, rows: usize) -> bool {
        self.columns = columns.min(MAX_COLUMNS);
        self.rows = rows.min(MAX_ROWS);
        (self.column, self.row) = (0, 0);
        self.cells.fill(BLANK);
        self.shown.fill(BLANK);
        (self.first, self.last) = (self.rows, 0);
        columns > 0 && rows > 0
    }

    /// Characters in a line.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Lines.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds text at the cursor. Understands line feed, carriage return, tab and backspace; other control
    /// characters are left out.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.columns == 0 || self.rows == 0 {
            return;
        }
        for byte in bytes {
            match byte {
                b'\n' => self.line_feed(),
                b'\r' => self.column = 0,
                b'\t' => self.tab(),
                8 => self.column = self.column.saturating_sub(1),
                0..32 | 127 => {}
                byte => self.put(*byte),
            }
        }
    }

    /// Calls `draw(column, row, character)` for every cell that differs from what is shown, which it then is.
    /// The character is a space where there is none.
    pub fn flush(&mut self, mut draw: impl FnMut(usize, usize, u8)) {
        for row in self.first..self.last {
            for column in 0..self.columns {
                let cell = row * self.columns + column;
                if self.cells[cell] != self.shown[cell] {
                    self.shown[cell] = self.cells[cell];
                    let character = match self.cells[cell] {
                        BLANK => b' ',
                        character => character,
                    };
                    draw(column, row, character);
                }
            }
        }
        (self.first, self.last) = (self.rows, 0);
    }

    fn put(&mut self, byte: u8) {
        if self.column == self.columns {
            self.line_feed();
        }
        self.cells[self.row * self.columns + self.column] = byte;
        self.column += 1;
        self.first = self.first.min(self.row);
        self.last = self.last.max(self.row + 1);
    }

    fn tab(&mut self) {
        let stop = (self.column / TAB + 1) * TAB;
        while self.column < stop.min(self.columns) {
            self.put(b' ');
        }
    }

    fn line_feed(&mut self) {
        self.column = 0;
        if self.row + 1 < self.rows {
            self.row += 1;
            return;
        }
        let used = self.rows * self.columns;
        self.cells.copy_within(self.columns..used, 0);
        self.cells[used - self.columns..used].fill(BLANK);
        (self.first, self.last) = (0, self.rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    /// A grid together with the screen that its `flush` draws.
    struct Shown {
        grid: Grid,
        screen: Vec<u8>,
        drawn: usize,
    }

    impl Shown {
        fn new(columns: usize, rows: usize) -> Shown {
            let mut grid = Grid::empty();
            assert!(grid.reset(columns, rows));
            let screen = vec![b' '; grid.columns() * grid.rows()];
            Shown {
                grid,
                screen,
                drawn: 0,
            }
        }

        fn write(&mut self, text: &str) -> &mut Shown {
            self.grid.write(text.as_bytes());
            let columns = self.grid.columns();
            self.grid.flush(|column, row, byte| {
                self.screen[row * columns + column] = byte;
                self.drawn += 1;
            });
            self
        }

        fn line(&self, row: usize) -> String {
            let columns = self.grid.columns();
            let line = &self.screen[row * columns..][..columns];
            String::from_utf8_lossy(line).trim_end().into()
        }
    }

    #[test]
    fn lines_wrap_and_scroll() {
        let mut shown = Shown::new(5, 3);
        shown.write("abcdefg\n12\n34\n5");
        assert_eq!(
            [shown.line(0), shown.line(1), shown.line(2)],
            ["12", "34", "5"]
        );
    }

    #[test]
    fn a_full_line_scrolls_only_when_more_comes() {
        let mut shown = Shown::new(3, 2);
        shown.write("abcdef");
        assert_eq!([shown.line(0), shown.line(1)], ["abc", "def"]);
        shown.write("g");
        assert_eq!([shown.line(0), shown.line(1)], ["def", "g"]);
    }

    #[test]
    fn control_characters_move_the_cursor() {
        let mut shown = Shown::new(20, 2);
        shown.write("ab\tc\rx\n123\x08\x08y\x07\x1b");
        assert_eq!([shown.line(0), shown.line(1)], ["xb      c", "1y3"]);
    }

    #[test]
    fn only_differences_are_drawn() {
        let mut shown = Shown::new(10, 4);
        shown.write("same\nsame\nsame\nsame");
        assert_eq!(shown.drawn, 16);
        shown.write("\nsame");
        assert_eq!(shown.drawn, 16);
        assert!(shown.grid.reset(10, 4));
        shown.write("x");
        assert_eq!(shown.drawn, 17);
    }

    #[test]
    fn sizes_are_cut_and_zero_is_refused() {
        let mut grid = Grid::empty();
        assert!(!grid.reset(0, 1));
        grid.write(b"no room");
        assert!(!grid.reset(1, 0));
        grid.write(b"no room");
        grid.flush(|_, _, _| panic!("nothing to draw"));
        assert!(grid.reset(1000, 1000));
        assert_eq!((grid.columns(), grid.rows()), (MAX_COLUMNS, MAX_ROWS));
    }

    proptest! {
        /// Whatever is written in whatever pieces, the screen ends as if it had been drawn at once.
        #[test]
        fn pieces_do_not_matter(
            columns in 1usize..12,
            rows in 1usize..6,
            pieces in prop::collection::vec("[ -~\n\r\t\u{8}]{0,20}", 0..12),
        ) {
            let mut at_once = Shown::new(columns, rows);
            at_once.write(&pieces.concat());
            let mut bit_by_bit = Shown::new(columns, rows);
            for piece in &pieces {
                bit_by_bit.write(piece);
            }
            prop_assert_eq!(at_once.screen, bit_by_bit.screen);
        }
    }
}
