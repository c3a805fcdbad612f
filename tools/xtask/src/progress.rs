//! Lines that say what is being done, on the error stream; colour only on a terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// A step that may take long: announced when it starts, timed when it ends.
pub struct Step {
    started: Instant,
}

impl Step {
    /// Announces a step, as in "building the kernel".
    pub fn start(what: impl AsRef<str>) -> Self {
        note(what);
        Self {
            started: Instant::now(),
        }
    }

    /// Says how long it took if that was worth a remark.
    pub fn done(self) {
        let took = self.started.elapsed();
        if took > Duration::from_secs(2) {
            eprintln!("    done in {:.1} s", took.as_secs_f64());
        }
    }
}

/// Says something in passing.
pub fn note(what: impl AsRef<str>) {
    // Standard output may be redirected, in which case order between the two does not matter.
    let _ = std::io::stdout().flush();
    eprintln!("{} {}", Paint::stderr().bold("==>"), what.as_ref());
}

/// Colours, or none where the stream is no terminal or the user wants none.
#[derive(Clone, Copy)]
pub struct Paint(bool);

impl Paint {
    /// For text on standard output.
    pub fn stdout() -> Self {
        Self::allowed(std::io::stdout().is_terminal())
    }

    /// For text on the error stream.
    pub fn stderr() -> Self {
        Self::allowed(std::io::stderr().is_terminal())
    }

    fn allowed(terminal: bool) -> Self {
        // https://no-color.org
        Self(terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()))
    }

    /// No colours at all.
    pub fn none() -> Self {
        Self(false)
    }

    /// Bold.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Green: good.
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Red: bad.
    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_colour_off_a_terminal() {
        assert_eq!(Paint(false).bad("x"), "x");
        assert_eq!(Paint(true).good("x"), "\x1b[32mx\x1b[0m");
    }
}
