//! Records as JSON lines, for programs.
//!
//! Every record is one object with its type under `record`. The field names are part of what host tools rely on: new
//! fields may come, old ones stay.

use crate::record::{LogLine, Record, Report};
use core::fmt::Write;
use pagurus_abi::method::{SlotInfo, ThreadState};
use pagurus_protocol::root::{CapabilityRow, ComponentInfo, ComponentState};
use serde::Serialize;

/// Longest line: a log line has some 300 bytes, and none of them takes more than six (`\u001b`).
const LINE: usize = 4096;

/// Writes a value as one line; one that does not fit becomes an object that says so.
pub fn write_line(value: &impl Serialize, out: &mut dyn Write) {
    let mut line = [0; LINE];
    let used = serde_json_core::to_slice(value, &mut line).unwrap_or(0);
    let text = core::str::from_utf8(&line[..used]).unwrap_or("");
    let text = match text {
        "" => r#"{"record":"too_long"}"#,
        text => text,
    };
    let _ = out.write_str(text);
    let _ = out.write_str("\n");
}

/// The last line of an answer.
#[derive(Serialize)]
pub struct Status<'a> {
    /// Whether it worked.
    pub ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
}

/// Writes every record as a line.
pub struct JsonReport<'a>(pub &'a mut dyn Write);

#[derive(Serialize)]
struct ComponentJson<'a> {
    record: &'static str,
    id: u32,
    name: &'a str,
    state: &'static str,
    thread: &'static str,
    priority: u8,
    cpu: u8,
    restarts: u64,
    memory_bytes: u64,
    cpu_ns: u64,
}

#[derive(Serialize)]
struct CapabilityJson {
    record: &'static str,
    slot: u32,
    kind: &'static str,
    read: bool,
    write: bool,
    execute: bool,
    grant: bool,
    size_bits: u8,
    depth: u8,
    original: bool,
    device: bool,
    binding: bool,
    object: u64,
    badge: u64,
    mapping: u64,
}

#[derive(Serialize)]
struct MemoryJson {
    record: &'static str,
    total: u64,
    leased: u64,
    shared: u64,
    free: u64,
    largest_free: u64,
    modules: u64,
    device: u64,
}

#[derive(Serialize)]
struct PoolJson {
    record: &'static str,
    total: u64,
    granted: u64,
    largest: u64,
    grants: u64,
    clients: u64,
}

#[derive(Serialize)]
struct PoolClientJson<'a> {
    record: &'static str,
    badge: u64,
    name: Option<&'a str>,
    quota: u64,
    used: u64,
    grants: u64,
}

#[derive(Serialize)]
struct LineJson<'a> {
    record: &'static str,
    sequence: u64,
    time_ns: u64,
    sender: u32,
    name: Option<&'a str>,
    level: Option<&'static str>,
    target: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct DifferenceJson<'a> {
    record: &'static str,
    component: u32,
    name: Option<&'a str>,
    slot: u32,
    text: &'a str,
}

#[derive(Serialize)]
struct CountsJson {
    record: &'static str,
    capabilities: u64,
    differences: u64,
}

#[derive(Serialize)]
struct CheckJson {
    record: &'static str,
    capabilities: u64,
    broken: u64,
    place: u64,
}

#[derive(Serialize)]
struct ProcessorJson<'a> {
    record: &'static str,
    index: u32,
    components: u32,
    cpu_ns: u64,
    names: &'a str,
}

#[derive(Serialize)]
struct MachineJson {
    record: &'static str,
    name: &'static str,
    unseen_bytes: usize,
    lost_bytes: u64,
}

#[derive(Serialize)]
struct SystemJson {
    record: &'static str,
    version: &'static str,
    uptime_ns: u64,
    tsc_khz: u64,
    system_calls: u64,
    interrupts: u64,
    cpus: u32,
    components: u32,
    modules: u32,
    started_ticks: u64,
}

#[derive(Serialize)]
struct NoteJson<'a> {
    record: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<u64>,
}

impl Report for JsonReport<'_> {
    fn record(&mut self, record: Record<'_>) {
        let out = &mut *self.0;
        match record {
            Record::Component(c) => write_line(&component(c), out),
            Record::Capability(row) => write_line(&capability(row), out),
            Record::Memory(m) => write_line(
                &MemoryJson {
                    record: "memory",
                    total: m.total,
                    leased: m.leased,
                    shared: m.shared,
                    free: m.free,
                    largest_free: m.largest_free,
                    modules: m.modules,
                    device: m.device,
                },
                out,
            ),
            Record::Pool(Ok(p)) => write_line(
                &PoolJson {
                    record: "pool",
                    total: p.total,
                    granted: p.granted,
                    largest: p.largest,
                    grants: p.grants,
                    clients: p.clients,
                },
                out,
            ),
            Record::Pool(Err(failure)) => write_line(
                &NoteJson {
                    record: "no_pool",
                    name: Some(failure.reason.text()),
                    lines: None,
                },
                out,
            ),
            Record::PoolClient { name, usage } => write_line(
                &PoolClientJson {
                    record: "pool_client",
                    badge: usage.badge,
                    name,
                    quota: usage.quota,
                    used: usage.used,
                    grants: usage.grants,
                },
                out,
            ),
            Record::Line(line) => write_line(&log_line(&line), out),
            Record::Dropped(lines) => write_line(&note("dropped", None, Some(lines)), out),
            Record::Difference {
                name,
                component,
                slot,
                text,
            } => write_line(
                &DifferenceJson {
                    record: "difference",
                    component,
                    name,
                    slot,
                    text,
                },
                out,
            ),
            Record::Audit(a) => write_line(
                &CountsJson {
                    record: "audit",
                    capabilities: a.capabilities,
                    differences: a.differences,
                },
                out,
            ),
            Record::Check(c) => write_line(
                &CheckJson {
                    record: "check",
                    capabilities: c.capabilities,
                    broken: c.broken,
                    place: c.place,
                },
                out,
            ),
            Record::Processor {
                index,
                components,
                cpu_ns,
                names,
            } => write_line(
                &ProcessorJson {
                    record: "processor",
                    index,
                    components,
                    cpu_ns,
                    names,
                },
                out,
            ),
            Record::Version(i) | Record::Uptime(i) => write_line(
                &SystemJson {
                    record: "system",
                    version: crate::VERSION,
                    uptime_ns: i.uptime_ns,
                    tsc_khz: i.tsc_khz,
                    system_calls: i.system_calls,
                    interrupts: i.interrupts,
                    cpus: i.cpus,
                    components: i.components,
                    modules: i.modules,
                    started_ticks: i.started_ticks,
                },
                out,
            ),
            Record::Machine(m) => write_line(
                &MachineJson {
                    record: "machine",
                    name: m.name,
                    unseen_bytes: m.unseen,
                    lost_bytes: m.lost,
                },
                out,
            ),
            Record::Restarted(c) => {
                write_line(&note("restarted", Some(c.name.as_str()), None), out);
            }
            // Nobody will be here to report success afterwards.
            Record::RestartingSelf => last_words("restarting", out),
            Record::ShuttingDown => last_words("shutting_down", out),
            Record::Pong => write_line(&note("pong", None, None), out),
        }
    }
}

fn last_words(record: &'static str, out: &mut dyn Write) {
    write_line(&note(record, None, None), out);
    write_line(
        &Status {
            ok: true,
            error: None,
        },
        out,
    );
}

fn note<'a>(record: &'static str, name: Option<&'a str>, lines: Option<u64>) -> NoteJson<'a> {
    NoteJson {
        record,
        name,
        lines,
    }
}

fn component(c: &ComponentInfo) -> ComponentJson<'_> {
    ComponentJson {
        record: "component",
        id: c.id,
        name: c.name.as_str(),
        state: state_name(c.state),
        thread: thread_name(c.thread_state),
        priority: c.priority,
        cpu: c.cpu,
        restarts: c.restarts,
        memory_bytes: c.memory_bytes,
        cpu_ns: c.cpu_ns,
    }
}

fn capability(row: &CapabilityRow) -> CapabilityJson {
    use pagurus_abi::Rights;
    let info = SlotInfo(row.info);
    let rights = info.rights();
    CapabilityJson {
        record: "capability",
        slot: row.slot,
        kind: info.kind().map_or("unknown", |k| k.name()),
        read: rights.contains(Rights::READ),
        write: rights.contains(Rights::WRITE),
        execute: rights.contains(Rights::EXECUTE),
        grant: rights.contains(Rights::GRANT),
        size_bits: info.size_bits(),
        depth: info.depth(),
        original: row.info & SlotInfo::ORIGINAL != 0,
        device: row.info & SlotInfo::DEVICE != 0,
        binding: row.info & SlotInfo::BINDING != 0,
        object: row.object,
        badge: row.badge,
        mapping: row.mapping,
    }
}

fn log_line<'a>(line: &LogLine<'a>) -> LineJson<'a> {
    LineJson {
        record: "line",
        sequence: line.sequence,
        time_ns: line.time_ns,
        sender: line.sender,
        name: line.name,
        level: line.level.map(|l| l.name()),
        target: line.target,
        text: line.text,
    }
}

/// One word for a component's state.
pub fn state_name(number: u8) -> &'static str {
    ComponentState::from_u8(number).map_or("unknown", |s| s.name())
}

/// One word for what a thread is doing.
pub fn thread_name(number: u8) -> &'static str {
    match ThreadState::from_u8(number) {
        Some(ThreadState::Inactive) => "inactive",
        Some(ThreadState::Ready) => "ready",
        Some(ThreadState::Sending) => "sending",
        Some(ThreadState::Receiving) => "receiving",
        Some(ThreadState::Calling) => "calling",
        Some(ThreadState::Waiting) => "waiting",
        None => "unknown",
    }
}
