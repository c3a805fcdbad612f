//! Records as text, for people.

use crate::cells::{Address, Badge, Padded, RightsText, Size, Unnamed, invariant_name, slot_name};
use crate::editor::LineEditor;
use crate::json::{state_name, thread_name};
use crate::record::{LogLine, Record, Report};
use crate::style::Style;
use crate::table::{Column, Table, left, right};
use crate::units::{Bytes, Clock, Nanoseconds};
use core::fmt::{self, Write};
use pagurus_abi::Kind;
use pagurus_abi::method::SlotInfo;
use pagurus_protocol::memory::PoolUsage;
use pagurus_protocol::root::{CapabilityRow, CheckResult, MemorySummary, SystemInfo};

const COMPONENTS: &[Column] = &[
    right("ID"),
    left("NAME"),
    left("STATE"),
    left("THREAD"),
    right("PRIO"),
    right("CPU"),
    right("TIME"),
    right("MEMORY"),
    right("RESTARTS"),
];
const CAPABILITIES: &[Column] = &[
    right("SLOT"),
    left("NAME"),
    left("KIND"),
    left("RIGHTS"),
    right("BADGE"),
    right("SIZE"),
    right("DEPTH"),
    left("FLAGS"),
    right("OBJECT"),
    left("MAPPED AT"),
];
const CLIENTS: &[Column] = &[
    left("CLIENT"),
    right("USED"),
    right("QUOTA"),
    right("GRANTS"),
];
const PROCESSORS: &[Column] = &[
    right("CPU"),
    right("TIME"),
    right("COMPONENTS"),
    left("NAMES"),
];
const MACHINES: &[Column] = &[left("MACHINE"), right("UNSEEN OUTPUT"), right("LOST")];
const DIFFERENCES: &[Column] = &[left("COMPONENT"), right("SLOT"), left("DIFFERENCE")];

/// Writes every record as text; call [`finish`](Self::finish) after the last.
pub struct TextReport<'a> {
    out: &'a mut dyn Write,
    table: &'a mut Table,
    colour: bool,
}

impl<'a> TextReport<'a> {
    /// Onto `out`, with `table` as room for what must be aligned.
    pub fn new(out: &'a mut dyn Write, table: &'a mut Table, colour: bool) -> Self {
        table.begin(&[]);
        TextReport { out, table, colour }
    }

    /// Prints the table in progress.
    pub fn finish(&mut self) {
        if !self.table.columns().is_empty() {
            self.table.print(self.out);
            self.table.begin(&[]);
        }
    }

    /// Takes the line being typed off the terminal.
    pub fn hide(&mut self, editor: &LineEditor) {
        editor.hide(self.out);
    }

    fn row(&mut self, columns: &'static [Column], cells: &[fmt::Arguments<'_>]) {
        if !core::ptr::eq(self.table.columns(), columns) {
            self.finish();
            self.table.begin(columns);
        }
        self.table.row(cells, self.out);
    }

    fn line(&mut self, style: Option<Style>, text: fmt::Arguments<'_>) {
        self.finish();
        let (start, end) = match style {
            Some(style) => (style.start(self.colour), Style::end(self.colour)),
            None => ("", ""),
        };
        let _ = writeln!(self.out, "{start}{text}{end}");
    }

    fn capability(&mut self, row: &CapabilityRow) {
        let info = SlotInfo(row.info);
        let flag = |bit, mark| if row.info & bit != 0 { mark } else { "" };
        self.row(
            CAPABILITIES,
            &[
                format_args!("{}", row.slot),
                format_args!("{}", slot_name(row.slot)),
                format_args!("{}", info.kind().map_or("unknown", Kind::name)),
                format_args!("{}", RightsText(info.rights())),
                format_args!("{}", Badge(row)),
                format_args!("{}", Size(info)),
                format_args!("{}", info.depth()),
                format_args!(
                    "{}{}",
                    flag(SlotInfo::ORIGINAL, "o"),
                    flag(SlotInfo::DEVICE, "d")
                ),
                format_args!("{:x}", row.object),
                format_args!("{}", Address(row.mapping)),
            ],
        );
    }

    fn memory(&mut self, m: &MemorySummary) {
        self.line(Some(Style::Heading), format_args!("Memory of the machine"));
        for (name, bytes) in [
            ("total", m.total),
            ("components", m.leased),
            ("shared", m.shared),
            ("boot modules", m.modules),
            ("free", m.free),
            ("largest free piece", m.largest_free),
            ("device addresses", m.device),
        ] {
            self.line(None, format_args!("  {name:<18}  {:>10}", Padded(bytes)));
        }
    }

    fn pool(&mut self, p: &PoolUsage) {
        self.line(Some(Style::Heading), format_args!("Memory manager"));
        for (name, bytes) in [
            ("total", p.total),
            ("granted", p.granted),
            ("largest free piece", p.largest),
        ] {
            self.line(None, format_args!("  {name:<18}  {:>10}", Padded(bytes)));
        }
        if p.clients > 0 {
            self.line(None, format_args!(""));
        }
    }

    fn log_line(&mut self, line: &LogLine<'_>) {
        self.finish();
        let time = (
            line.time_ns / 1_000_000_000,
            line.time_ns / 1_000 % 1_000_000,
        );
        let level = line.level.map_or("?", |l| l.name());
        let (start, end) = match Style::of_level(line.level) {
            Some(style) => (style.start(self.colour), Style::end(self.colour)),
            None => ("", ""),
        };
        let _ = write!(
            self.out,
            "[{:5}.{:06}] {start}{level:<5}{end} ",
            time.0, time.1
        );
        let _ = match line.name {
            Some(name) => write!(self.out, "{name}: "),
            None => write!(self.out, "component {}: ", line.sender),
        };
        let _ = writeln!(self.out, "{start}{}{end}", line.text);
    }

    fn check(&mut self, c: &CheckResult) {
        match c.broken {
            0 => self.line(
                Some(Style::Good),
                format_args!("All invariants hold over {} capabilities.", c.capabilities),
            ),
            n => self.line(
                Some(Style::Error),
                format_args!(
                    "BROKEN: invariant {n} ({}) at {:#x}, after {} capabilities.",
                    invariant_name(n),
                    c.place,
                    c.capabilities
                ),
            ),
        }
    }

    fn version(&mut self, i: &SystemInfo) {
        self.line(
            None,
            format_args!(
                "Pagurus {} on {} processor{} at {} MHz, {} components from {} boot modules",
                crate::VERSION,
                i.cpus,
                if i.cpus == 1 { "" } else { "s" },
                i.tsc_khz / 1000,
                i.components,
                i.modules
            ),
        );
    }

    fn uptime(&mut self, i: &SystemInfo) {
        self.line(
            None,
            format_args!(
                "up {}, {} system calls, {} interrupts",
                Clock(i.uptime_ns),
                i.system_calls,
                i.interrupts
            ),
        );
    }
}

impl Report for TextReport<'_> {
    fn record(&mut self, record: Record<'_>) {
        match record {
            Record::Component(c) => self.row(
                COMPONENTS,
                &[
                    format_args!("{}", c.id),
                    format_args!("{}", c.name),
                    format_args!("{}", state_name(c.state)),
                    format_args!("{}", thread_name(c.thread_state)),
                    format_args!("{}", c.priority),
                    format_args!("{}", c.cpu),
                    format_args!("{}", Nanoseconds(c.cpu_ns)),
                    format_args!("{}", Bytes(c.memory_bytes)),
                    format_args!("{}", c.restarts),
                ],
            ),
            Record::Capability(row) => self.capability(row),
            Record::Memory(m) => self.memory(m),
            Record::Pool(Ok(p)) => self.pool(p),
            Record::Pool(Err(failure)) => self.line(
                Some(Style::Warning),
                format_args!("The memory manager gives no figures: {failure}"),
            ),
            Record::PoolClient { name, usage } => {
                let known = name.unwrap_or("");
                let number = Unnamed(name.is_none(), usage.badge);
                self.row(
                    CLIENTS,
                    &[
                        format_args!("{known}{number}"),
                        format_args!("{}", Bytes(usage.used)),
                        format_args!("{}", Bytes(usage.quota)),
                        format_args!("{}", usage.grants),
                    ],
                );
            }
            Record::Line(line) => self.log_line(&line),
            Record::Dropped(lines) => self.line(
                Some(Style::Faint),
                format_args!(
                    "({lines} older line{} made room for newer ones)",
                    if lines == 1 { "" } else { "s" }
                ),
            ),
            Record::Difference {
                name,
                component,
                slot,
                text,
            } => {
                let known = name.unwrap_or("");
                let number = Unnamed(name.is_none(), component.into());
                self.row(
                    DIFFERENCES,
                    &[
                        format_args!("{known}{number}"),
                        format_args!("{slot}"),
                        format_args!("{text}"),
                    ],
                );
            }
            Record::Audit(a) => match a.differences {
                0 => self.line(
                    Some(Style::Good),
                    format_args!(
                        "No differences: all {} capabilities are as described.",
                        a.capabilities
                    ),
                ),
                n => self.line(
                    Some(Style::Error),
                    format_args!("{n} differences in {} capabilities.", a.capabilities),
                ),
            },
            Record::Check(c) => self.check(c),
            Record::Processor {
                index,
                components,
                cpu_ns,
                names,
            } => self.row(
                PROCESSORS,
                &[
                    format_args!("{index}"),
                    format_args!("{}", Nanoseconds(cpu_ns)),
                    format_args!("{components}"),
                    format_args!("{names}"),
                ],
            ),
            Record::Version(i) => self.version(i),
            Record::Uptime(i) => self.uptime(i),
            Record::Machine(m) => self.row(
                MACHINES,
                &[
                    format_args!("{}", m.name),
                    format_args!("{} bytes", m.unseen),
                    format_args!("{} bytes", m.lost),
                ],
            ),
            Record::Restarted(c) => self.line(
                Some(Style::Good),
                format_args!("{} was started anew.", c.name),
            ),
            Record::RestartingSelf => {
                self.line(None, format_args!("The console is started anew."));
            }
            Record::Pong => self.line(None, format_args!("pong")),
            Record::ShuttingDown => self.line(None, format_args!("The machine shuts down.")),
        }
    }
}
