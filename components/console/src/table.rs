//! Tables whose columns are as wide as what is in them.

use core::fmt::{self, Write};
use heapless::{String, Vec};

/// A column.
#[derive(Debug)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// Numbers stand at the right.
    pub right: bool,
}

/// A column of text.
pub const fn left(title: &'static str) -> Column {
    Column {
        title,
        right: false,
    }
}

/// A column of numbers.
pub const fn right(title: &'static str) -> Column {
    Column { title, right: true }
}

/// Bytes of text that a table holds.
const TEXT: usize = 12 * 1024;
/// Cells that a table holds.
const CELLS: usize = 1536;

/// Collects cells row by row and prints them aligned. A table that outgrows its room is printed in parts, each aligned
/// in itself: nothing is lost.
#[derive(Debug, Default)]
pub struct Table {
    columns: &'static [Column],
    text: String<TEXT>,
    ends: Vec<u16, CELLS>,
}

impl Table {
    /// Without columns.
    pub const fn new() -> Self {
        Table {
            columns: &[],
            text: String::new(),
            ends: Vec::new(),
        }
    }

    /// The columns of the table in progress; empty if there is none.
    pub const fn columns(&self) -> &'static [Column] {
        self.columns
    }

    /// Starts a table.
    pub fn begin(&mut self, columns: &'static [Column]) {
        self.columns = columns;
        self.text.clear();
        self.ends.clear();
    }

    /// Appends a row; `cells` has one entry for each column. Rows that no longer fit make room for themselves by
    /// printing those before. A row of more than the whole room is cut.
    pub fn row(&mut self, cells: &[fmt::Arguments<'_>], out: &mut dyn Write) {
        if self.try_row(cells) {
            return;
        }
        self.print(out);
        if !self.try_row(cells) {
            // What fitted of it is in the text; empty cells complete the row.
            for cell in cells {
                let _ = self.text.write_fmt(*cell);
                let _ = self.ends.push(self.text.len() as u16);
            }
        }
    }

    fn try_row(&mut self, cells: &[fmt::Arguments<'_>]) -> bool {
        let (text, ends) = (self.text.len(), self.ends.len());
        for cell in cells {
            let written = self.text.write_fmt(*cell).is_ok();
            if !written || self.ends.push(self.text.len() as u16).is_err() {
                self.text.truncate(text);
                self.ends.truncate(ends);
                return false;
            }
        }
        true
    }

    /// Prints headings and rows and forgets the rows.
    pub fn print(&mut self, out: &mut dyn Write) {
        const MOST: usize = 16;
        let count = self.columns.len().min(MOST);
        let mut widths = [0; MOST];
        for (width, column) in widths.iter_mut().zip(self.columns) {
            *width = column.title.len();
        }
        for (i, cell) in self.cells().enumerate() {
            let width = &mut widths[i % count.max(1)];
            *width = (*width).max(cell.chars().count());
        }
        self.line(self.columns.iter().map(|c| c.title), &widths, out);
        let mut cells = self.cells().peekable();
        while count > 0 && cells.peek().is_some() {
            self.line(cells.by_ref().take(count), &widths, out);
        }
        drop(cells);
        self.text.clear();
        self.ends.clear();
    }

    fn line<'a>(
        &self,
        cells: impl Iterator<Item = &'a str>,
        widths: &[usize],
        out: &mut dyn Write,
    ) {
        // Spaces are written before a cell rather than after it, so that no line ends in spaces.
        let mut pending = 0;
        for ((cell, column), &width) in cells.zip(self.columns).zip(widths) {
            let fill = width - cell.chars().count().min(width);
            let (before, after) = if column.right { (fill, 0) } else { (0, fill) };
            if !cell.is_empty() {
                let _ = write!(out, "{:1$}{cell}", "", pending + before);
                pending = 0;
            } else {
                pending += before;
            }
            pending += after + 2;
        }
        let _ = out.write_str("\n");
    }

    fn cells(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let cell = self.text.get(start..end.into()).unwrap_or("");
            start = end.into();
            cell
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[left("NAME"), right("SIZE"), left("NOTE")];

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let (mut table, mut out) = (Table::new(), std::string::String::new());
        table.begin(COLUMNS);
        for (name, size, note) in [("a", 1, "x"), ("longer-name", 12345, ""), ("b", 22, "yy")] {
            table.row(
                &[
                    format_args!("{name}"),
                    format_args!("{size}"),
                    format_args!("{note}"),
                ],
                &mut out,
            );
        }
        table.print(&mut out);
        assert_eq!(
            out,
            "NAME          SIZE  NOTE\n\
             a                1  x\n\
             longer-name  12345\n\
             b               22  yy\n"
        );
    }

    #[test]
    fn an_empty_table_is_its_headings() {
        let (mut table, mut out) = (Table::new(), std::string::String::new());
        table.begin(COLUMNS);
        table.print(&mut out);
        assert_eq!(out, "NAME  SIZE  NOTE\n");
    }

    #[test]
    fn nothing_is_lost_when_it_overflows() {
        let (mut table, mut out) = (Table::new(), std::string::String::new());
        table.begin(COLUMNS);
        for i in 0..5000 {
            table.row(
                &[
                    format_args!("name-{i}"),
                    format_args!("{i}"),
                    format_args!("."),
                ],
                &mut out,
            );
        }
        table.print(&mut out);
        let rows: Vec<&str, 8192> = out.lines().filter(|l| l.starts_with("name-")).collect();
        assert_eq!(rows.len(), 5000);
        for (i, row) in rows.iter().enumerate() {
            let cells: std::vec::Vec<_> = row.split_whitespace().collect();
            assert_eq!(cells, [&format!("name-{i}"), &format!("{i}"), "."]);
        }
    }
}
