//! The control channel: one command in a line, the answer as JSON lines.
//!
//! The last line of every answer is `{"ok":true}` or `{"ok":false,"error":"..."}`; nothing is ever sent unasked. The
//! commands are those of the shell that ask the system, and `ping`.

use crate::command::{self, Command};
use crate::json::{JsonReport, Status, write_line};
use crate::run::run;
use crate::system::{Names, System};
use core::fmt::Write;
use heapless::String;

/// Longest command.
pub const COMMAND_BYTES: usize = 256;
/// Longest error text.
const ERROR_BYTES: usize = 400;

/// What came of the line so far.
#[derive(Debug, Default)]
enum Input {
    #[default]
    Text,
    TooLong,
    NotText,
}

/// The channel.
#[derive(Debug, Default)]
pub struct Control {
    line: String<COMMAND_BYTES>,
    input: Input,
    names: Names,
}

impl Control {
    /// Between commands.
    pub const fn new() -> Self {
        Control {
            line: String::new(),
            input: Input::Text,
            names: Names::new(),
        }
    }

    /// Takes the next byte; a line feed or carriage return carries out what came before.
    pub fn push(&mut self, byte: u8, system: &mut impl System, out: &mut dyn Write) {
        match byte {
            b'\n' | b'\r' => self.submit(system, out),
            b'\t' | b' '..=b'~' => {
                if self.line.push(byte.into()).is_err() {
                    self.input = Input::TooLong;
                }
            }
            _ => self.input = Input::NotText,
        }
    }

    fn submit(&mut self, system: &mut impl System, out: &mut dyn Write) {
        let line = core::mem::take(&mut self.line);
        let mut error = String::<ERROR_BYTES>::new();
        // A text longer than the room is cut, which is all that can go wrong here.
        let result = match core::mem::take(&mut self.input) {
            Input::TooLong => {
                let _ = write!(error, "a command has at most {COMMAND_BYTES} bytes");
                Err(())
            }
            Input::NotText => {
                let _ = error.push_str("a command is printable ASCII");
                Err(())
            }
            Input::Text => match command::parse(&line) {
                Ok(None) => return,
                Ok(Some(Command::Query(query))) => {
                    run(query, system, &mut self.names, &mut JsonReport(out)).map_err(|e| {
                        let _ = write!(error, "{e}");
                    })
                }
                Ok(Some(_)) => {
                    let _ = error.push_str("this command is for people; use the console");
                    Err(())
                }
                Err(e) => {
                    let _ = write!(error, "{e}");
                    Err(())
                }
            },
        };
        write_line(
            &Status {
                ok: result.is_ok(),
                error: result.is_err().then_some(error.as_str()),
            },
            out,
        );
    }
}
