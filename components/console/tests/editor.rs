//! The line editor against a plain string and cursor, seen through a terminal.

mod support;

use console::editor::{Edit, LINE_BYTES, LineEditor};
use console::keys::Key;
use proptest::prelude::*;
use support::Screen;

const PROMPT: &str = "> ";

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        8 => prop::char::range(' ', '~').prop_map(Key::Char),
        1 => Just(Key::Char(' ')),
        2 => Just(Key::Backspace),
        1 => Just(Key::Delete),
        2 => Just(Key::Left),
        2 => Just(Key::Right),
        1 => Just(Key::Home),
        1 => Just(Key::End),
        1 => Just(Key::KillToStart),
        1 => Just(Key::KillToEnd),
        1 => Just(Key::KillWord),
        1 => Just(Key::Up),
        1 => Just(Key::Down),
        1 => Just(Key::Enter),
        1 => Just(Key::Interrupt),
    ]
}

/// What the line must be, kept in the simplest way.
#[derive(Default)]
struct Oracle {
    line: Vec<char>,
    cursor: usize,
    history: Vec<String>,
    browsing: Option<usize>,
    draft: Vec<char>,
}

impl Oracle {
    fn key(&mut self, key: Key) {
        let before = self.line.clone();
        match key {
            Key::Char(c) if self.line.len() < LINE_BYTES => {
                self.line.insert(self.cursor, c);
                self.cursor += 1;
            }
            Key::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.line.remove(self.cursor);
            }
            Key::Delete if self.cursor < self.line.len() => {
                self.line.remove(self.cursor);
            }
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = (self.cursor + 1).min(self.line.len()),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.line.len(),
            Key::KillToStart => {
                self.line.drain(..self.cursor);
                self.cursor = 0;
            }
            Key::KillToEnd => self.line.truncate(self.cursor),
            Key::KillWord => {
                let mut start = self.cursor;
                while start > 0 && self.line[start - 1] == ' ' {
                    start -= 1;
                }
                while start > 0 && self.line[start - 1] != ' ' {
                    start -= 1;
                }
                self.line.drain(start..self.cursor);
                self.cursor = start;
            }
            Key::Up => {
                let age = self.browsing.map_or(0, |a| a + 1);
                if age < self.history.len().min(32) {
                    if self.browsing.is_none() {
                        self.draft = self.line.clone();
                    }
                    self.browsing = Some(age);
                    self.line = self.history[self.history.len() - 1 - age].chars().collect();
                    self.cursor = self.line.len();
                }
                return;
            }
            Key::Down => {
                if let Some(age) = self.browsing {
                    self.browsing = age.checked_sub(1);
                    self.line = match self.browsing {
                        Some(age) => self.history[self.history.len() - 1 - age].chars().collect(),
                        None => self.draft.clone(),
                    };
                    self.cursor = self.line.len();
                }
                return;
            }
            Key::Enter | Key::Interrupt => {
                let line: String = self.line.drain(..).collect();
                let new = self.history.last() != Some(&line) && !line.trim().is_empty();
                if key == Key::Enter && new {
                    self.history.push(line);
                }
                self.cursor = 0;
                self.browsing = None;
                return;
            }
            _ => {}
        }
        if self.line != before {
            self.browsing = None;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn line_cursor_and_screen_agree(keys in prop::collection::vec(key(), 0..200)) {
        let mut editor = LineEditor::new();
        let mut oracle = Oracle::default();
        let mut out = String::new();
        editor.show(PROMPT, &mut out);
        for key in keys {
            let edit = editor.key(key, PROMPT, &mut out);
            match edit {
                Edit::Submit => {
                    let line: String = oracle.line.iter().collect();
                    let taken = editor.take();
                    prop_assert_eq!(taken.as_str(), line);
                    editor.show(PROMPT, &mut out);
                }
                Edit::Cancel => editor.show(PROMPT, &mut out),
                _ => {}
            }
            oracle.key(key);
            let line: String = oracle.line.iter().collect();
            prop_assert_eq!(editor.line(), &line);
            prop_assert_eq!(editor.before_cursor().len(), oracle.cursor);

            let screen = Screen::show(&out);
            let shown = screen.last_line();
            prop_assert!(shown.len() < 80, "would wrap: {shown:?}");
            let visible = shown.strip_prefix(PROMPT).expect("the prompt");
            let at = screen.column - PROMPT.len();
            // The window shows a part of the line, and the cursor stands at the same place in both.
            let start = oracle.cursor - at;
            prop_assert!(line[start..].starts_with(visible));
            let all = line.len() < 80 - PROMPT.len() - 1;
            prop_assert!(!all || start > 0 || visible == line, "{visible:?} of {line:?}");
        }
    }
}

fn type_text(editor: &mut LineEditor, text: &str, out: &mut String) {
    for c in text.chars() {
        editor.key(Key::Char(c), PROMPT, out);
    }
}

#[test]
fn typing_at_the_end_sends_one_byte_for_each_key() {
    let (mut editor, mut out) = (LineEditor::new(), String::new());
    editor.show(PROMPT, &mut out);
    let drawn = out.len();
    type_text(&mut editor, "restart ping", &mut out);
    assert_eq!(&out[drawn..], "restart ping");
}

#[test]
fn other_output_takes_the_place_of_the_line() {
    let (mut editor, mut out) = (LineEditor::new(), String::new());
    editor.show(PROMPT, &mut out);
    type_text(&mut editor, "caps pi", &mut out);
    editor.key(Key::Left, PROMPT, &mut out);
    editor.hide(&mut out);
    out.push_str("a line from elsewhere\n");
    editor.show(PROMPT, &mut out);
    let screen = Screen::show(&out);
    assert_eq!(screen.text(), "a line from elsewhere\n> caps pi");
    assert_eq!(screen.column, PROMPT.len() + 6);
}

#[test]
fn a_full_line_rings() {
    let (mut editor, mut out) = (LineEditor::new(), String::new());
    editor.show(PROMPT, &mut out);
    type_text(&mut editor, &"x".repeat(LINE_BYTES + 5), &mut out);
    assert_eq!(editor.line().len(), LINE_BYTES);
    assert_eq!(Screen::show(&out).bells, 5);
}
