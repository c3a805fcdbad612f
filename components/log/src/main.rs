//! The log collector's binary.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod trace;

use core::fmt::{self, Write};
use log_collector::collector::Collector;
use log_collector::rate::RateLimit;
use pagurus_abi::Error;
use pagurus_abi::message::MAX_WORDS;
use pagurus_protocol::log::{
    Append, BADGE_READER, DrainTrace, Drained, Level, Lines, PROTOCOL, Read, lines,
};
use pagurus_protocol::root::{BELL, TakeLines};
use pagurus_protocol::slots::{PARENT, REPLY};
use pagurus_protocol::wire::{MAX_BYTES, tail_room};
use pagurus_protocol::{Failure, Reason};
use pagurus_rt::client::Call;
use pagurus_rt::object::Notification;
use pagurus_rt::server::{Event, Incoming, Server, Words};
use pagurus_rt::time::ticks;
use pagurus_rt::{Cap, Env};
use spin::Mutex;
use trace::{RINGS, TraceLine};

mod slots {
    include!(concat!(env!("OUT_DIR"), "/slots.rs"));
}

pagurus_rt::entry!(start);

/// Lines kept.
const LINES: usize = 512;
/// Components that can be told apart.
const SENDERS: usize = 64;
/// Lines a second that one component may append in the long run, and at once.
const LINES_PER_SECOND: u64 = 100;
const BURST: u64 = 200;

/// Identifier of root.
const ROOT: u32 = 0;
/// Bits of the notification: see the system's description.
const IRQ: u64 = slots::COM2_IRQ_SIGNAL;

type LogCollector = Collector<LINES, SENDERS>;

/// In the image rather than on the stack, which it would not fit.
static COLLECTOR: Mutex<LogCollector> = Mutex::new(Collector::new(RateLimit {
    interval: 0,
    burst: 1,
}));

fn start(env: Env) -> Result<(), Error> {
    let mut collector = COLLECTOR.lock();
    collector.set_limit(RateLimit {
        interval: env.start.tsc_khz * 1000 / LINES_PER_SECOND,
        burst: BURST,
    });
    drop(collector);
    let own = env.start.id;
    let mut trace = match TraceLine::open() {
        Ok(trace) => Some(trace),
        Err(error) => {
            report(
                own,
                format_args!("COM2: {error}; trace records stay in memory"),
            );
            None
        }
    };
    let mut server = Server::new(Cap::new(slots::REQUESTS), Cap::new(REPLY));
    let mut words = Words::default();
    loop {
        match server.next(&mut words)? {
            Event::Request(request) => serve(&request, &mut server),
            Event::Signal(bits) => {
                if bits & BELL != 0 {
                    take_roots_lines();
                }
                if bits & !BELL == 0 {
                    continue;
                }
                let Some(trace) = &mut trace else { continue };
                if bits & IRQ == 0 {
                    trace.run();
                } else if let Err(error) = trace.interrupt() {
                    report(own, format_args!("COM2: no more interrupts: {error}"));
                }
            }
            other => server.refuse_unknown(&other),
        }
    }
}

fn serve(request: &Incoming<'_>, server: &mut Server) {
    let sender = request.badge as u32;
    if request.is::<Append>() {
        let result = request
            .parse::<Append>()
            .and_then(|(append, tail)| COLLECTOR.lock().append(ticks(), sender, append, tail));
        let appended = result.is_ok();
        server.answer(result);
        if appended {
            ring();
        }
        return;
    }
    if request.number().0 == PROTOCOL && request.badge & BADGE_READER == 0 {
        server.refuse(Reason::Denied);
        return;
    }
    if request.is::<Read>() {
        let mut tail = [0; tail_room::<Lines>()];
        let result = request
            .parse::<Read>()
            .and_then(|(read, _)| COLLECTOR.lock().read(read, &mut tail));
        let used = result.map_or(0, |(_, used)| used);
        server.answer_with(result.map(|(lines, _)| lines), &tail[..used], &[]);
    } else if request.is::<DrainTrace>() {
        let mut tail = [0; tail_room::<Drained>()];
        let result = request
            .parse::<DrainTrace>()
            .and_then(|(drain, _)| drain_trace(drain, &mut tail));
        let used = result.map_or(0, |(_, used)| used);
        server.answer_with(result.map(|(drained, _)| drained), &tail[..used], &[]);
    }
}

/// Fetches what root has to say: root waits for nobody, so it cannot send it.
fn take_roots_lines() {
    let mut words = [0; MAX_WORDS];
    loop {
        // Refused only if the system's description does not give the right; then root does not ring either.
        let Ok(answer) = Call::new(Cap::new(PARENT)).run(&TakeLines, &mut words) else {
            return;
        };
        let mut collector = COLLECTOR.lock();
        for line in lines(answer.tail) {
            let append = Append {
                level: line.head.level,
                target_bytes: line.target.len() as u8,
                ..Append::default()
            };
            let mut tail = [0; MAX_BYTES];
            let (target, text) = (line.target.as_bytes(), line.text.as_bytes());
            let length = target.len() + text.len();
            if length > tail.len() {
                continue;
            }
            tail[..target.len()].copy_from_slice(target);
            tail[target.len()..length].copy_from_slice(text);
            // Root's lines are limited like all others; the collector says how many it left out.
            let _ = collector.append(line.head.ticks, ROOT, append, &tail[..length]);
        }
        drop(collector);
        ring();
        if answer.body.left == 0 {
            return;
        }
    }
}

fn drain_trace(request: DrainTrace, out: &mut [u8]) -> Result<(Drained, usize), Failure> {
    let ring = RINGS.get(request.cpu as usize).ok_or(Reason::NotFound)?;
    let drained = ring.drain(out).map_err(|error| match error {
        Error::EmptySlot => Reason::NotFound.into(),
        error => Failure::from(error),
    })?;
    let answer = Drained {
        lost: drained.lost,
        left: drained.left,
    };
    Ok((answer, drained.bytes))
}

/// Tells the console that there are new lines. A system without console has nobody to tell.
fn ring() {
    let _ = Cap::<Notification>::new(slots::CONSOLE_BELL).signal();
}

/// Appends a line of the collector's own, which cannot send one to itself.
fn report(own: u32, text: fmt::Arguments<'_>) {
    const TARGET: &str = "log";
    let mut tail = heapless::String::<160>::new();
    // A longer text is cut.
    let _ = write!(tail, "{TARGET}{text}");
    let append = Append {
        level: Level::Warn as u8,
        target_bytes: TARGET.len() as u8,
        ..Append::default()
    };
    // Its own lines are limited like all others; there is nobody else to tell.
    let _ = COLLECTOR
        .lock()
        .append(ticks(), own, append, tail.as_bytes());
    ring();
}
