//! Lines of the log: the last ones, and those that come.

use crate::command::LogQuery;
use crate::record::{LogLine, Record, Report};
use crate::run::{LOG_SERVER, QueryError, find, refused, running};
use crate::system::{Names, System};
use pagurus_protocol::Failure;
use pagurus_protocol::log::{Level, Lines};

/// What is needed to follow the log after its last lines were reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Number of the first line that was not reported.
    pub next: u64,
    /// The sender whose lines are wanted, if not all.
    pub sender: Option<u32>,
}

/// Reports the last lines that fit the query.
pub fn log<'a>(
    query: LogQuery<'a>,
    system: &mut impl System,
    names: &mut Names,
    report: &mut dyn Report,
) -> Result<Shown, QueryError<'a>> {
    running(LOG_SERVER, system)?;
    let sender = match query.component {
        Some(name) => Some(find(name, system, names)?.id),
        None => None,
    };
    let wanted = |line: &LogLine<'_>| sender.is_none_or(|id| id == line.sender);
    // Any line may have been dropped, and the level filters too: the only way to the last N is to count.
    let mut total = 0usize;
    read_lines(0, query.level, system, &mut |line| {
        total += usize::from(wanted(line));
    })
    .map_err(refused("cannot read the log"))?;
    let mut skip = total.saturating_sub(query.count);
    let _ = names.refresh(system);
    let mut show = |line: &LogLine<'_>| {
        if !wanted(line) {
        } else if skip > 0 {
            skip -= 1;
        } else {
            let name = names.get(line.sender);
            report.record(Record::Line(LogLine { name, ..*line }));
        }
    };
    let lines =
        read_lines(0, query.level, system, &mut show).map_err(refused("cannot read the log"))?;
    Ok(Shown {
        next: lines.next,
        sender,
    })
}

/// Reports the lines that were appended since `from`, and returns where to go on. A collector that was restarted
/// counts from 0 again; then all it has is new.
pub fn new_lines(
    from: u64,
    level: Level,
    sender: Option<u32>,
    system: &mut impl System,
    names: &mut Names,
    report: &mut dyn Report,
) -> Result<u64, Failure> {
    let mut strangers = false;
    let mut show = |line: &LogLine<'_>| {
        if sender.is_none_or(|id| id == line.sender) {
            let name = names.get(line.sender);
            strangers |= name.is_none();
            report.record(Record::Line(LogLine { name, ..*line }));
        }
    };
    let mut lines = read_lines(from, level, system, &mut show)?;
    if lines.end < from {
        lines = read_lines(0, level, system, &mut show)?;
    }
    if lines.dropped > 0 {
        report.record(Record::Dropped(lines.dropped));
    }
    if strangers {
        names.refresh(system)?;
    }
    Ok(lines.next)
}

/// Answers of the log collector that are read in one go. A component that appends as fast as we read cannot keep us
/// here.
const MAX_PAGES: usize = 256;

/// Reads all lines from `from` on; what is returned counts all answers together.
fn read_lines(
    from: u64,
    level: Level,
    system: &mut impl System,
    each: &mut dyn FnMut(&LogLine<'_>),
) -> Result<Lines, Failure> {
    let clock = system.clock();
    let mut sum = Lines {
        next: from,
        ..Lines::default()
    };
    for _ in 0..MAX_PAGES {
        let page = system.log(sum.next, level, &mut |line| {
            each(&LogLine {
                sequence: line.head.sequence,
                time_ns: clock.since_boot_ns(line.head.ticks),
                sender: line.head.sender,
                name: None,
                level: Level::from_u8(line.head.level),
                target: line.target,
                text: line.text,
            });
        })?;
        let stuck = page.next <= sum.next;
        sum.next = page.next.max(sum.next);
        sum.end = page.end;
        sum.dropped += page.dropped;
        sum.count += page.count;
        if stuck || sum.next >= page.end {
            break;
        }
    }
    Ok(sum)
}
