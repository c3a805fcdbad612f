//! The user's terminal as the console of an emulated machine.

use crate::emulator::{Emulator, Event};
use anyhow::{Context, Result};
use rustix::termios::{self, OptionalActions, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{IsTerminal, Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};

/// How to leave, as shown to the user.
pub const LEAVE: &str = "Ctrl-] or Ctrl-A x";

/// What the console prints when it takes input.
pub const READY: &str = "CONSOLE READY";

/// Why the console was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The machine ended.
    MachineEnded,
    /// The user left.
    ByUser,
}

/// The terminal in raw mode: every key goes to the machine. Restored when dropped.
struct RawMode(Termios);

impl RawMode {
    /// Nothing to do when standard input is no terminal.
    fn enter() -> Result<Option<Self>> {
        let input = std::io::stdin();
        if !input.is_terminal() {
            return Ok(None);
        }
        let before = termios::tcgetattr(&input).context("reading the terminal's modes")?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(&input, OptionalActions::Now, &raw)
            .context("setting the terminal's modes")?;
        Ok(Some(Self(before)))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // The terminal may be gone; then nobody minds its modes.
        let _ = termios::tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Connects the terminal with the machine until one of them ends.
///
/// Input that comes from a file or a pipe is held back until the console says that it is ready, because a
/// machine that still boots would lose it.
pub fn attach(emulator: &mut Emulator) -> Result<Left> {
    let mut input = emulator
        .take_input()
        .context("the serial line is in use already")?;
    let interactive = std::io::stdin().is_terminal();
    let (open, gate) = channel();
    let keys = emulator.sender();
    let on_signal = emulator.sender();
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _ = on_signal.send(Event::Quit);
        }
    });
    let raw = RawMode::enter()?;
    std::thread::spawn(move || forward_keys(&mut *input, interactive, &gate, &keys));
    let left = show(emulator, open);
    drop(raw);
    left
}

fn show(emulator: &Emulator, open: Sender<()>) -> Result<Left> {
    let mut output = std::io::stdout();
    let mut ready = Sign::new(READY);
    for event in emulator.events() {
        match event {
            Event::Serial(bytes) => {
                output.write_all(&bytes)?;
                output.flush()?;
                if ready.seen_in(&bytes) {
                    // Nobody listens when the input is a terminal or has ended.
                    let _ = open.send(());
                }
            }
            Event::End => return Ok(Left::MachineEnded),
            Event::Quit => return Ok(Left::ByUser),
        }
    }
    Ok(Left::MachineEnded)
}

fn forward_keys(
    machine: &mut dyn Write,
    interactive: bool,
    gate: &Receiver<()>,
    events: &Sender<Event>,
) {
    if !interactive && gate.recv().is_err() {
        return;
    }
    let mut escape = Escape::default();
    let mut buffer = [0; 256];
    while let Ok(count @ 1..) = std::io::stdin().read(&mut buffer) {
        let keys = if interactive {
            escape.filter(&buffer[..count])
        } else {
            Some(buffer[..count].to_vec())
        };
        let Some(keys) = keys else {
            let _ = events.send(Event::Quit);
            return;
        };
        if machine
            .write_all(&keys)
            .and_then(|()| machine.flush())
            .is_err()
        {
            return;
        }
    }
}

/// Finds the keys that are for us and not for the machine.
#[derive(Default)]
struct Escape {
    after_ctrl_a: bool,
}

impl Escape {
    const CTRL_A: u8 = 0x01;
    const CTRL_BRACKET: u8 = 0x1d;

    /// What the machine gets; `None` when the user wants to leave. Ctrl-A twice is one Ctrl-A.
    fn filter(&mut self, keys: &[u8]) -> Option<Vec<u8>> {
        let mut rest = Vec::with_capacity(keys.len());
        for &key in keys {
            let after = std::mem::take(&mut self.after_ctrl_a);
            match key {
                Self::CTRL_BRACKET => return None,
                b'x' | b'X' if after => return None,
                Self::CTRL_A if !after => self.after_ctrl_a = true,
                _ => rest.push(key),
            }
        }
        Some(rest)
    }
}

/// Looks for a text in a stream that comes in pieces.
pub struct Sign {
    text: &'static [u8],
    last: Vec<u8>,
}

impl Sign {
    /// Looks for this text.
    pub fn new(text: &'static str) -> Self {
        Self {
            text: text.as_bytes(),
            last: Vec::new(),
        }
    }

    /// Takes the next piece; is the text in it, or across it and what came before?
    pub fn seen_in(&mut self, piece: &[u8]) -> bool {
        self.last.extend_from_slice(piece);
        let seen = self.last.windows(self.text.len()).any(|w| w == self.text);
        let keep = self.last.len().min(self.text.len() - 1);
        self.last.drain(..self.last.len() - keep);
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_to_leave() {
        let mut escape = Escape::default();
        assert_eq!(escape.filter(b"ls\r"), Some(b"ls\r".to_vec()));
        assert_eq!(escape.filter(&[0x1d]), None);
        let mut escape = Escape::default();
        assert_eq!(escape.filter(&[1]), Some(vec![]));
        assert_eq!(escape.filter(b"x"), None);
        let mut escape = Escape::default();
        assert_eq!(escape.filter(&[1, 1, b'x']), Some(vec![1, b'x']));
    }

    #[test]
    fn a_sign_may_come_in_pieces() {
        let mut sign = Sign::new("READY");
        assert!(!sign.seen_in(b"xxREA"));
        assert!(sign.seen_in(b"DY tsc=1"));
        assert!(!sign.seen_in(b"READ"));
        assert!(!sign.seen_in(b""));
        assert!(sign.seen_in(b"Y"));
    }
}
