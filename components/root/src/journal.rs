//! What root has to say to the log.
//!
//! Root must never wait for a component: it may be the one that waits for root, or that just failed. So root keeps its
//! lines and rings; the log collector comes and takes them. While there is nobody who comes, they go to the
//! kernel's console.

use crate::own;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use core::fmt;
use pagurus_protocol::log::{Level, Line, LineHead, write_line};
use pagurus_protocol::root::Taken;
use pagurus_rt::Cap;
use pagurus_rt::object::Notification;

/// Lines kept at most.
const LINES: usize = 128;

struct Entry {
    level: Level,
    ticks: u64,
    target: String,
    text: String,
}

struct Journal {
    lines: VecDeque<Entry>,
    dropped: u64,
    bell: Option<Cap<Notification>>,
}

/// Root has one thread and one journal.
#[cfg(target_os = "none")]
fn with<R>(work: impl FnOnce(&mut Journal) -> R) -> R {
    static JOURNAL: spin::Mutex<Journal> = spin::Mutex::new(Journal::new());
    work(&mut JOURNAL.lock())
}

/// Every test plays a root of its own.
#[cfg(not(target_os = "none"))]
fn with<R>(work: impl FnOnce(&mut Journal) -> R) -> R {
    use core::cell::RefCell;
    std::thread_local! {
        static JOURNAL: RefCell<Journal> = const { RefCell::new(Journal::new()) };
    }
    JOURNAL.with_borrow_mut(work)
}

impl Journal {
    const fn new() -> Self {
        Journal {
            lines: VecDeque::new(),
            dropped: 0,
            bell: None,
        }
    }

    fn keep(&mut self, entry: Entry) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
            self.dropped += 1;
        }
        self.lines.push_back(entry);
    }

    fn take(&mut self, out: &mut [u8]) -> (Taken, usize) {
        let mut taken = Taken {
            dropped: core::mem::take(&mut self.dropped),
            ..Taken::default()
        };
        let mut used = 0;
        while let Some(entry) = self.lines.front() {
            let line = Line {
                head: LineHead {
                    ticks: entry.ticks,
                    level: entry.level as u8,
                    ..LineHead::default()
                },
                target: &entry.target,
                text: &entry.text,
            };
            let Some(bytes) = write_line(&line, &mut out[used..]) else {
                if taken.count == 0 {
                    // It fits no answer, not even alone.
                    self.lines.pop_front();
                    taken.dropped += 1;
                    continue;
                }
                break;
            };
            used += bytes;
            taken.count += 1;
            self.lines.pop_front();
        }
        taken.left = self.lines.len() as u64;
        (taken, used)
    }
}

/// Tells who is to be rung when there is a line; `None` if nobody comes for them: then they go to the kernel's console,
/// those first that nobody took.
pub fn set_bell(bell: Option<Cap<Notification>>) {
    with(|journal| journal.bell = bell);
    if bell.is_none() {
        while let Some(entry) = with(|journal| journal.lines.pop_front()) {
            print(entry.level, &entry.target, format_args!("{}", entry.text));
        }
    }
}

/// Keeps a line, or prints it: the logger's function.
pub fn note(level: Level, target: &str, text: fmt::Arguments<'_>) {
    let Some(bell) = with(|journal| journal.bell) else {
        print(level, target, text);
        return;
    };
    let entry = Entry {
        level,
        ticks: pagurus_rt::time::ticks(),
        target: target.into(),
        text: format!("{text}"),
    };
    with(|journal| journal.keep(entry));
    // A bell that is gone rings nowhere; the lines stay until somebody asks.
    let _ = bell.signal();
}

/// The oldest lines, as many as fit into `out`; returns the bytes used.
pub fn take(out: &mut [u8]) -> (Taken, usize) {
    with(|journal| journal.take(out))
}

fn print(level: Level, target: &str, text: fmt::Arguments<'_>) {
    // There is nobody to tell that nobody can be told.
    let _ = own::KERNEL.write(&format!("{:5} {target}: {text}\n", level.name()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use pagurus_protocol::log::lines;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn lines_come_out_in_order_and_losses_are_counted(
            texts in prop::collection::vec("[a-z]{0,60}", 0..300),
            room in 200usize..2000,
        ) {
            let mut journal = Journal::new();
            for text in &texts {
                journal.keep(Entry { level: Level::Info, ticks: 0, target: "root".into(), text: text.clone() });
            }
            let mut seen = Vec::new();
            let mut dropped = 0;
            let mut out = std::vec![0; room];
            loop {
                let (taken, used) = journal.take(&mut out);
                let here: Vec<String> = lines(&out[..used]).map(|l| l.text.into()).collect();
                prop_assert_eq!(here.len() as u64, taken.count);
                dropped += taken.dropped as usize;
                seen.extend(here);
                if taken.left == 0 {
                    break;
                }
                prop_assert!(taken.count > 0, "it goes on");
            }
            prop_assert_eq!(dropped, texts.len().saturating_sub(LINES));
            prop_assert_eq!(&seen[..], &texts[dropped..]);
        }
    }

    #[test]
    fn a_line_that_fits_nowhere_is_dropped_and_the_next_comes() {
        let mut journal = Journal::new();
        for text in ["x".repeat(500), "short".into()] {
            journal.keep(Entry {
                level: Level::Error,
                ticks: 0,
                target: "root".into(),
                text,
            });
        }
        let mut out = [0; 100];
        let (taken, used) = journal.take(&mut out);
        assert_eq!((taken.count, taken.dropped, taken.left), (1, 1, 0));
        assert_eq!(lines(&out[..used]).next().unwrap().text, "short");
    }
}
