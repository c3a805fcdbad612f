//! The line being typed: what is in it, where the cursor is, and how both get onto the terminal.

use crate::history::History;
use crate::keys::Key;
use core::fmt::Write;
use heapless::String;

/// Longest line in bytes.
pub const LINE_BYTES: usize = 160;
/// A line.
pub type LineText = String<LINE_BYTES>;

/// Columns that a terminal surely has.
const COLUMNS: usize = 80;
/// Erases from the cursor to the end of the line.
const ERASE: &str = "\x1b[K";

/// What a key made of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// It goes on.
    Nothing,
    /// The line is complete: [`LineEditor::take`] it.
    Submit,
    /// The line was given up.
    Cancel,
    /// Completion is wanted.
    Complete,
    /// Ctrl-D on an empty line.
    EndOfInput,
}

/// The editor. The prompt is given to each drawing method, so that the terminal shows at every moment exactly one
/// prompt and the line, and other output can take their place for a while ([`hide`](Self::hide),
/// [`show`](Self::show)).
#[derive(Debug, Default)]
pub struct LineEditor {
    line: LineText,
    cursor: usize,
    /// First column of the line that is shown: long lines scroll sideways rather than wrap, because nobody can
    /// tell where a terminal of unknown width wraps.
    scroll: usize,
    history: History,
    /// How far back in the history, and the line that was being typed before.
    browsing: Option<usize>,
    draft: LineText,
}

impl LineEditor {
    /// With an empty line.
    pub const fn new() -> Self {
        LineEditor {
            line: String::new(),
            cursor: 0,
            scroll: 0,
            history: History::new(),
            browsing: None,
            draft: String::new(),
        }
    }

    /// The line so far.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The part of the line before the cursor.
    pub fn before_cursor(&self) -> &str {
        &self.line[..self.cursor]
    }

    /// Takes the complete line, remembers it and starts an empty one.
    pub fn take(&mut self) -> LineText {
        self.history.push(&self.line);
        self.reset()
    }

    /// Starts an empty line, and returns what the old one was.
    pub fn reset(&mut self) -> LineText {
        self.cursor = 0;
        self.scroll = 0;
        self.browsing = None;
        core::mem::take(&mut self.line)
    }

    /// Applies a key and brings the terminal up to date.
    pub fn key(&mut self, key: Key, prompt: &str, out: &mut dyn Write) -> Edit {
        match key {
            Key::Enter => {
                // What follows goes below the line, also if the cursor was inside it.
                let _ = out.write_str("\n");
                return Edit::Submit;
            }
            Key::Interrupt => {
                let _ = out.write_str("^C\n");
                self.reset();
                return Edit::Cancel;
            }
            Key::EndOfInput if self.line.is_empty() => return Edit::EndOfInput,
            Key::Tab => return Edit::Complete,
            Key::ClearScreen => {
                let _ = out.write_str("\x1b[2J\x1b[H");
                self.show(prompt, out);
                return Edit::Nothing;
            }
            Key::Char(c) => {
                let mut utf8 = [0; 4];
                self.insert(c.encode_utf8(&mut utf8), prompt, out);
                return Edit::Nothing;
            }
            _ => {}
        }
        let at_end = self.cursor == self.line.len() && self.scroll == 0;
        let changed = match key {
            Key::Backspace if at_end && self.cursor > 0 => {
                self.cut(self.cursor - 1, self.cursor);
                let _ = out.write_str("\x08\x1b[K");
                return Edit::Nothing;
            }
            Key::Backspace => self.cursor > 0 && self.cut(self.cursor - 1, self.cursor),
            Key::Delete | Key::EndOfInput => {
                self.cursor < self.line.len() && self.cut(self.cursor, self.cursor + 1)
            }
            Key::KillToStart => self.cut(0, self.cursor),
            Key::KillToEnd => self.cut(self.cursor, self.line.len()),
            Key::KillWord => self.cut(self.word_start(), self.cursor),
            Key::Left => self.move_to(self.cursor.saturating_sub(1)),
            Key::Right => self.move_to((self.cursor + 1).min(self.line.len())),
            Key::Home => self.move_to(0),
            Key::End => self.move_to(self.line.len()),
            Key::Up => self.browse(self.browsing.map_or(0, |age| age + 1)),
            Key::Down => match self.browsing {
                Some(0) => self.leave_history(),
                Some(age) => self.browse(age - 1),
                None => false,
            },
            _ => false,
        };
        if changed {
            self.show(prompt, out);
        } else {
            // The terminal's bell: the key did nothing.
            let _ = out.write_str("\x07");
        }
        Edit::Nothing
    }

    /// Inserts text at the cursor, or rings if it does not fit.
    pub fn insert(&mut self, text: &str, prompt: &str, out: &mut dyn Write) {
        if self.line.len() + text.len() > LINE_BYTES {
            let _ = out.write_str("\x07");
            return;
        }
        let tail: LineText = LineText::try_from(&self.line[self.cursor..]).unwrap_or_default();
        self.line.truncate(self.cursor);
        let _ = self.line.push_str(text);
        let _ = self.line.push_str(&tail);
        self.cursor += text.len();
        self.browsing = None;
        if tail.is_empty() && self.cursor - self.scroll < window(prompt) {
            let _ = out.write_str(text);
        } else {
            self.show(prompt, out);
        }
    }

    /// Draws prompt and line where the cursor stands.
    pub fn show(&mut self, prompt: &str, out: &mut dyn Write) {
        let window = window(prompt);
        if self.cursor < self.scroll {
            self.scroll = self.cursor;
        } else if self.cursor >= self.scroll + window {
            self.scroll = self.cursor + 1 - window;
        }
        let end = self.line.len().min(self.scroll + window);
        let visible = &self.line[self.scroll..end];
        let _ = write!(out, "\r{prompt}{visible}{ERASE}");
        let back = end - self.cursor;
        if back > 0 {
            let _ = write!(out, "\x1b[{back}D");
        }
    }

    /// Takes prompt and line off the terminal.
    pub fn hide(&self, out: &mut dyn Write) {
        let _ = write!(out, "\r{ERASE}");
    }

    fn cut(&mut self, from: usize, to: usize) -> bool {
        if from == to {
            return false;
        }
        let tail: LineText = LineText::try_from(&self.line[to..]).unwrap_or_default();
        self.line.truncate(from);
        let _ = self.line.push_str(&tail);
        self.cursor = from;
        self.browsing = None;
        true
    }

    fn move_to(&mut self, cursor: usize) -> bool {
        let moved = cursor != self.cursor;
        self.cursor = cursor;
        moved
    }

    fn word_start(&self) -> usize {
        let before = self.before_cursor();
        before
            .trim_end_matches(' ')
            .rfind(' ')
            .map_or(0, |space| space + 1)
    }

    fn browse(&mut self, age: usize) -> bool {
        let Some(line) = self.history.get(age) else {
            return false;
        };
        if self.browsing.is_none() {
            self.draft = self.line.clone();
        }
        self.line = line.clone();
        self.cursor = self.line.len();
        self.browsing = Some(age);
        true
    }

    fn leave_history(&mut self) -> bool {
        self.line = core::mem::take(&mut self.draft);
        self.cursor = self.line.len();
        self.browsing = None;
        true
    }
}

/// Columns for the line after a prompt; the last one stays free for the cursor.
fn window(prompt: &str) -> usize {
    COLUMNS.saturating_sub(prompt.len() + 1).max(8)
}
