//! Watches an emulated machine from outside: waits for signs on its serial line, never for time to pass.

use crate::emulator::{Emulator, Event};
use crate::plain_text::PlainText;
use anyhow::{Result, bail};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// Time that a machine gets for its last words after a sign of failure.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A machine under observation.
pub struct Watch {
    emulator: Emulator,
    deadline: Instant,
    limit: Duration,
    failure_signs: Vec<String>,
    filter: PlainText,
    text: String,
    /// Everything before this was looked at by [`Watch::next_line`] or [`Watch::wait`].
    read: usize,
    /// Lines before this were searched for signs of failure.
    searched: usize,
    ended: bool,
}

impl Watch {
    /// Watches a machine that has just started, for at most this long in all.
    pub fn new(emulator: Emulator, limit: Duration, failure_signs: &[String]) -> Self {
        Self {
            emulator,
            deadline: Instant::now() + limit,
            limit,
            failure_signs: failure_signs.to_vec(),
            filter: PlainText::default(),
            text: String::new(),
            read: 0,
            searched: 0,
            ended: false,
        }
    }

    /// The next whole line; `None` after the last.
    pub fn next_line(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(length) = self.text[self.read..].find('\n') {
                let line = self.text[self.read..self.read + length].to_owned();
                self.read += length + 1;
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(None);
            }
            self.listen("the next line")?;
        }
    }

    /// Waits for a text, after where the last one was found.
    pub fn wait(&mut self, text: &str) -> Result<()> {
        loop {
            if let Some(at) = self.text[self.read..].find(text) {
                self.read += at + text.len();
                return Ok(());
            }
            if self.ended {
                let words = self.emulator.last_words();
                let said = if words.is_empty() { "nothing" } else { &words };
                bail!("the machine ended before {text:?} came; the emulator said: {said}");
            }
            self.listen(&format!("{text:?}"))?;
        }
    }

    /// A text that must not have come since the last one was found.
    pub fn absent(&self, text: &str) -> Result<()> {
        if self.text[self.read..].contains(text) {
            bail!("{text:?} came");
        }
        Ok(())
    }

    /// Waits until the machine ends by itself.
    pub fn wait_for_end(&mut self) -> Result<()> {
        while !self.ended {
            self.listen("the machine's end")?;
        }
        Ok(())
    }

    /// Types a line.
    pub fn send_line(&mut self, text: &str) -> Result<()> {
        self.emulator.send(format!("{text}\r").as_bytes())
    }

    /// Takes what comes next.
    fn listen(&mut self, awaited: &str) -> Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.emulator.events().recv_timeout(left) {
            Ok(Event::Serial(bytes)) => {
                self.text.push_str(&self.filter.push(&bytes));
                self.look_for_failure()
            }
            Ok(Event::End) | Err(RecvTimeoutError::Disconnected) => {
                self.ended = true;
                Ok(())
            }
            Ok(Event::Quit) => bail!("interrupted"),
            Err(RecvTimeoutError::Timeout) => {
                bail!("{awaited} did not come within {} s", self.limit.as_secs())
            }
        }
    }

    fn look_for_failure(&mut self) -> Result<()> {
        let Some(end) = self.text[self.searched..].rfind('\n') else {
            return Ok(());
        };
        let fresh = &self.text[self.searched..self.searched + end];
        let bad = fresh.lines().find(|line| {
            self.failure_signs
                .iter()
                .any(|sign| line.contains(sign.as_str()))
        });
        let bad = bad.map(|line| line.trim().to_owned());
        self.searched += end + 1;
        let Some(bad) = bad else {
            return Ok(());
        };
        // Whatever explains it goes to the log of the run.
        let until = Instant::now() + LAST_WORDS;
        while let Ok(Event::Serial(_)) = self
            .emulator
            .events()
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {}
        bail!("{bad}")
    }
}
