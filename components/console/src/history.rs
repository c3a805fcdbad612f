//! The lines entered before.

use crate::editor::LineText;
use heapless::Deque;

/// Lines kept.
pub const HISTORY_LINES: usize = 32;

/// The last lines, oldest first.
#[derive(Debug, Default)]
pub struct History {
    lines: Deque<LineText, HISTORY_LINES>,
}

impl History {
    /// Without lines.
    pub const fn new() -> Self {
        History {
            lines: Deque::new(),
        }
    }

    /// Remembers a line; not if it is blank or the same as the one before.
    pub fn push(&mut self, line: &LineText) {
        if line.trim().is_empty() || self.lines.back() == Some(line) {
            return;
        }
        if self.lines.is_full() {
            self.lines.pop_front();
        }
        // There is room: either there was, or it was just made.
        let _ = self.lines.push_back(line.clone());
    }

    /// The line `age` entries back; 0 is the last one entered.
    pub fn get(&self, age: usize) -> Option<&LineText> {
        let position = self.lines.len().checked_sub(age + 1)?;
        self.lines.get(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(s: &str) -> LineText {
        LineText::try_from(s).unwrap()
    }

    #[test]
    fn the_oldest_make_room() {
        let mut history = History::new();
        for i in 0..HISTORY_LINES + 3 {
            history.push(&text(&format!("line {i}")));
        }
        assert_eq!(
            history.get(0),
            Some(&text(&format!("line {}", HISTORY_LINES + 2)))
        );
        assert_eq!(history.get(HISTORY_LINES - 1), Some(&text("line 3")));
        assert_eq!(history.get(HISTORY_LINES), None);
    }

    #[test]
    fn blanks_and_repetitions_are_not_kept() {
        let mut history = History::new();
        for line in ["ps", "ps", "", "   ", "mem", "ps"] {
            history.push(&text(line));
        }
        let all: Vec<_> = (0..).map_while(|i| history.get(i)).collect();
        assert_eq!(all, [&text("ps"), &text("mem"), &text("ps")]);
    }
}
