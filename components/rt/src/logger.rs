//! The `log` crate's backend: lines go to the log collector.
//!
//! A line longer than one message is sent in several. Without a log collector a line is dropped
//! silently; logging never fails and never panics.

use crate::Cap;
use crate::client;
use crate::object::{Endpoint, KernelControl};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};
use log::{LevelFilter, Log, Metadata, Record};
use pagurus_abi::message::MAX_WORDS;
use pagurus_protocol::log::{Append, Level};

/// Bytes of text in one message.
const CHUNK: usize = 1024;

/// Where lines go.
#[derive(Clone, Copy, Debug)]
pub enum Sink {
    /// Nowhere.
    Nothing,
    /// To the log collector, by a call: what waits in its queue is waited for.
    Collector(Cap<Endpoint>),
    /// To the kernel's console.
    Kernel(Cap<KernelControl>),
    /// Wherever this function sends level, target and text: for root, which must not wait for a component that
    /// may be waiting for root.
    Function(fn(Level, &str, fmt::Arguments<'_>)),
}

static SINK: spin::Mutex<Sink> = spin::Mutex::new(Sink::Nothing);
/// Lines that could not be delivered.
static LOST: AtomicU32 = AtomicU32::new(0);

struct Backend;

/// Sends what is logged from now on to `sink`, down to `level`.
pub fn install(sink: Sink, level: LevelFilter) {
    *SINK.lock() = sink;
    // Fails if a logger is set already, which can only be this one.
    let _ = log::set_logger(&Backend);
    log::set_max_level(level);
}

/// Lines (or parts of long lines) that could not be delivered so far.
pub fn lost() -> u32 {
    LOST.load(Ordering::Relaxed)
}

impl Log for Backend {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            line(level_of(record.level()), record.target(), *record.args());
        }
    }

    fn flush(&self) {}
}

fn level_of(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warn,
        log::Level::Info => Level::Info,
        log::Level::Debug => Level::Debug,
        log::Level::Trace => Level::Trace,
    }
}

/// Logs one line, whatever the level filter says.
pub(crate) fn line(level: Level, target: &str, text: fmt::Arguments<'_>) {
    let sink = *SINK.lock();
    if let Sink::Function(take) = sink {
        take(level, target, text);
        return;
    }
    let mut chunks = Chunks {
        sink,
        level,
        target: &target[..target.floor_char_boundary(64)],
        bytes: [0; CHUNK],
        used: 0,
        first: true,
    };
    // A `Display` that fails leaves its line cut; there is nobody to tell.
    let _ = chunks.write_fmt(text);
    chunks.flush(false);
}

/// Collects text and sends it in messages.
struct Chunks<'a> {
    sink: Sink,
    level: Level,
    target: &'a str,
    bytes: [u8; CHUNK],
    used: usize,
    first: bool,
}

impl fmt::Write for Chunks<'_> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        loop {
            let fit = text.floor_char_boundary(CHUNK - self.used);
            let (now, rest) = text.split_at(fit);
            self.bytes[self.used..self.used + fit].copy_from_slice(now.as_bytes());
            self.used += fit;
            if rest.is_empty() {
                return Ok(());
            }
            self.flush(true);
            text = rest;
        }
    }
}

impl Chunks<'_> {
    fn flush(&mut self, continues: bool) {
        let delivered = match self.sink {
            // A function takes whole lines and is not asked here.
            Sink::Nothing | Sink::Function(_) => false,
            Sink::Collector(endpoint) => self.to_collector(endpoint, continues),
            Sink::Kernel(kernel) => self.to_kernel(kernel, continues),
        };
        if !delivered {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        self.used = 0;
        self.first = false;
    }

    fn to_collector(&self, endpoint: Cap<Endpoint>, continues: bool) -> bool {
        let append = Append {
            level: self.level as u8,
            target_bytes: self.target.len() as u8,
            continues: continues.into(),
            ..Append::default()
        };
        let mut tail = [0u8; CHUNK + 64];
        let length = self.target.len() + self.used;
        tail[..self.target.len()].copy_from_slice(self.target.as_bytes());
        tail[self.target.len()..length].copy_from_slice(&self.bytes[..self.used]);
        let mut words = [0; MAX_WORDS];
        client::Call::new(endpoint)
            .tail(&tail[..length])
            .run(&append, &mut words)
            .is_ok()
    }

    fn to_kernel(&self, kernel: Cap<KernelControl>, continues: bool) -> bool {
        // Whole characters only were put in, so this is UTF-8.
        let text = core::str::from_utf8(&self.bytes[..self.used]).unwrap_or("");
        let head = if self.first { self.level.name() } else { "" };
        let target = if self.first { self.target } else { "" };
        let mut out = KernelText(kernel);
        let written = if self.first {
            write!(out, "{head:5} {target}: {text}")
        } else {
            out.write_str(text)
        };
        let ended = continues || out.write_str("\n").is_ok();
        written.is_ok() && ended
    }
}

/// Writes to the kernel's console.
struct KernelText(Cap<KernelControl>);

impl fmt::Write for KernelText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text).map_err(|_| fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::first_words;
    use crate::host::with_kernel;
    use crate::ipc_buffer::Buffer;
    use crate::syscall::Registers;
    use pagurus_abi::method::{Method, MethodInfo};
    use pagurus_abi::{Error, MessageInfo, Syscall};
    use pagurus_protocol::log::Appended;
    use pagurus_protocol::wire::{read_request, write_answer};
    use std::cell::RefCell;
    use std::rc::Rc;

    type Seen = Rc<RefCell<Vec<(u8, String, String, u8)>>>;

    /// A log collector that is the kernel: keeps level, target, text and whether the line goes on.
    fn collect(lines: Seen) -> impl FnMut(Registers) -> Registers {
        move |r| {
            assert_eq!(Syscall::from_rax(r.rax), Some(Syscall::Call));
            let info = MessageInfo(r.rsi);
            let mut words = [0; MAX_WORDS];
            let used = client::store(info, r.words, Buffer::current(), &mut words);
            let (append, tail) = read_request::<Append>(info, &words[..used]).unwrap();
            let (target, text) = append.split(tail).unwrap();
            lines.borrow_mut().push((
                append.level,
                target.to_string(),
                text.to_string(),
                append.continues,
            ));
            let mut answer = [0; MAX_WORDS];
            let info = write_answer(Ok(&Appended { sequence: 1 }), &[], 0, &mut answer);
            Registers {
                rax: 0,
                rdi: 0,
                rsi: info.0,
                words: first_words(&answer),
            }
        }
    }

    fn send(sink: Sink, text: &str) {
        let mut chunks = Chunks {
            sink,
            level: Level::Warn,
            target: "test::target",
            bytes: [0; CHUNK],
            used: 0,
            first: true,
        };
        chunks.write_str(text).unwrap();
        chunks.flush(false);
    }

    #[test]
    fn a_long_line_arrives_whole_in_parts() {
        let lines = Seen::default();
        let text = "añb€𝄞".repeat(400);
        with_kernel(collect(lines.clone()), || {
            send(Sink::Collector(Cap::new(2)), &text);
        });
        let lines = lines.borrow();
        assert!(lines.len() > 3, "{} parts", lines.len());
        let whole: String = lines.iter().map(|l| l.2.as_str()).collect();
        assert_eq!(whole, text);
        let (last, others) = lines.split_last().unwrap();
        assert_eq!(last.3, 0);
        assert!(others.iter().all(|l| l.3 == 1));
        assert!(lines.iter().all(|l| l.0 == 2 && l.1 == "test::target"));
    }

    #[test]
    fn without_a_collector_a_line_is_counted_as_lost() {
        let before = lost();
        let refuse = |r: Registers| Registers {
            rax: Error::EmptySlot as u64,
            ..r
        };
        with_kernel(refuse, || {
            send(Sink::Collector(Cap::new(2)), "nobody hears")
        });
        assert!(lost() > before);
    }

    #[test]
    fn the_kernels_console_gets_level_target_and_text() {
        let text = Rc::new(RefCell::new(Vec::new()));
        let seen = text.clone();
        let kernel = move |r: Registers| {
            let info = MethodInfo(r.rsi);
            assert_eq!(info.method(), Some(Method::KernelWrite));
            let bytes: Vec<u8> = r.words.iter().flat_map(|w| w.to_le_bytes()).collect();
            seen.borrow_mut()
                .extend_from_slice(&bytes[..info.parameter() as usize]);
            Registers { rax: 0, ..r }
        };
        with_kernel(kernel, || {
            send(
                Sink::Kernel(Cap::new(7)),
                "component pong: stopped after a fault",
            );
        });
        assert_eq!(
            String::from_utf8(text.borrow().clone()).unwrap(),
            "WARN  test::target: component pong: stopped after a fault\n"
        );
    }
}
