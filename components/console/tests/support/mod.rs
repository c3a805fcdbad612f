//! An invented system, and a terminal that shows what a person would see.
#![allow(dead_code)] // Each test binary uses its part.

pub mod session;

use console::machines::MachineInfo;
use console::system::{Clock, System};
use console::terminal::Terminal;
use pagurus_abi::method::{SlotInfo, ThreadState};
use pagurus_abi::{Kind, Rights};
use pagurus_protocol::log::{Level, Line, LineHead, Lines};
use pagurus_protocol::memory::{ClientUsage, PoolUsage};
use pagurus_protocol::root::{
    AuditSummary, AuditText, CapabilityPage, CapabilityRow, CheckResult, ComponentInfo,
    ComponentState, MemorySummary, SystemInfo,
};
use pagurus_protocol::{Failure, Name, Reason};

/// A log line of the invented system.
#[derive(Clone, Debug)]
pub struct FakeLine {
    pub sequence: u64,
    pub sender: u32,
    pub level: Level,
    pub text: String,
}

/// A virtual machine of the invented system.
pub struct FakeMachine {
    pub name: &'static str,
    pub output: Vec<u8>,
    pub lost: u64,
    pub input: Vec<u8>,
    /// Bytes of input that there is room for.
    pub room: usize,
}

impl FakeMachine {
    pub fn new(name: &'static str) -> Self {
        FakeMachine {
            name,
            output: Vec::new(),
            lost: 0,
            input: Vec::new(),
            room: 100,
        }
    }
}

/// A terminal that keeps what it is sent.
#[derive(Default)]
pub struct Sent(pub String);

impl std::fmt::Write for Sent {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.push_str(text);
        Ok(())
    }
}

impl Terminal for Sent {
    fn raw(&mut self, bytes: &[u8]) {
        self.0.push_str(&String::from_utf8_lossy(bytes));
    }
}

/// The invented system.
pub struct Fake {
    pub components: Vec<ComponentInfo>,
    pub capabilities: Vec<CapabilityRow>,
    pub differences: Vec<AuditText>,
    pub lines: Vec<FakeLine>,
    pub end: u64,
    pub pool: Result<PoolUsage, Failure>,
    pub clients: Vec<ClientUsage>,
    pub broken: u64,
    pub denied: bool,
    pub restarted: Vec<u32>,
    pub shut_down: Option<u64>,
    pub cpus: u32,
    pub machines: Vec<FakeMachine>,
    /// Lines in one answer of the log.
    pub page: usize,
}

pub fn component(id: u32, name: &str, state: ComponentState, thread: ThreadState) -> ComponentInfo {
    ComponentInfo {
        id,
        state: state as u8,
        thread_state: thread as u8,
        priority: 100 + id as u8,
        cpu: (id % 2) as u8,
        name: Name::new(name),
        restarts: u64::from(id == 4) * 3,
        memory_bytes: 0x4_0000 << id,
        cpu_ns: 12_345_678 * u64::from(id),
    }
}

impl Fake {
    pub fn new() -> Self {
        use ComponentState::*;
        let row = |slot, kind: Kind, rights: Rights, bits: u64, badge| CapabilityRow {
            info: kind as u64
                | u64::from(rights.bits()) << 8
                | bits << 16
                | 2 << 24
                | if slot == 1 { SlotInfo::ORIGINAL } else { 0 },
            object: 0x10_0000 + u64::from(slot) * 0x40,
            badge,
            mapping: if kind == Kind::Frame { 0x7000_0000 } else { 0 },
            slot,
            reserved: 0,
        };
        Fake {
            components: vec![
                component(0, "root", Running, ThreadState::Receiving),
                component(1, "log", Running, ThreadState::Receiving),
                component(2, "memory-manager", Running, ThreadState::Receiving),
                component(3, "console", Running, ThreadState::Ready),
                component(4, "ping", Faulted, ThreadState::Inactive),
            ],
            capabilities: vec![
                row(1, Kind::CNode, Rights::RW, 6, 0),
                row(2, Kind::Endpoint, Rights::WRITE | Rights::GRANT, 0, 4),
                row(16, Kind::Frame, Rights::READ, 12, 0),
                row(17, Kind::IoPort, Rights::RW, 0, 0x3f8 | 0x3ff << 16),
            ],
            differences: Vec::new(),
            lines: Vec::new(),
            end: 0,
            pool: Ok(PoolUsage {
                total: 200 << 20,
                granted: 3 << 20,
                largest: 128 << 20,
                grants: 2,
                clients: 2,
            }),
            clients: vec![
                ClientUsage {
                    badge: 4,
                    quota: 16 << 20,
                    used: 3 << 20,
                    grants: 2,
                },
                ClientUsage {
                    badge: 0x77,
                    quota: 1 << 20,
                    used: 0,
                    grants: 0,
                },
            ],
            broken: 0,
            denied: false,
            restarted: Vec::new(),
            shut_down: None,
            cpus: 2,
            machines: Vec::new(),
            page: 3,
        }
    }

    /// Appends a line.
    pub fn say(&mut self, sender: u32, level: Level, text: &str) {
        self.lines.push(FakeLine {
            sequence: self.end,
            sender,
            level,
            text: text.to_string(),
        });
        self.end += 1;
    }

    fn permitted(&self) -> Result<(), Failure> {
        if self.denied {
            Err(Reason::Denied.into())
        } else {
            Ok(())
        }
    }
}

impl System for Fake {
    fn info(&mut self) -> Result<SystemInfo, Failure> {
        Ok(SystemInfo {
            uptime_ns: 3_723_000_000_000,
            tsc_khz: 2_000_000,
            system_calls: 123_456,
            interrupts: 789,
            cpus: self.cpus,
            components: self.components.len() as u32 - 1,
            modules: 9,
            ..SystemInfo::default()
        })
    }

    fn component(&mut self, index: u64) -> Result<ComponentInfo, Failure> {
        self.components
            .get(index as usize)
            .copied()
            .ok_or(Reason::NotFound.into())
    }

    fn find(&mut self, name: &str) -> Result<ComponentInfo, Failure> {
        let found = self.components.iter().find(|c| c.name.as_str() == name);
        found.copied().ok_or(Reason::NotFound.into())
    }

    fn capabilities(
        &mut self,
        _: u32,
        first: u32,
        each: &mut dyn FnMut(&CapabilityRow),
    ) -> Result<CapabilityPage, Failure> {
        let slots = 64;
        let page: Vec<_> = self
            .capabilities
            .iter()
            .filter(|r| r.slot >= first)
            .take(2)
            .collect();
        page.iter().for_each(|row| each(row));
        Ok(CapabilityPage {
            next: page.last().map_or(slots, |r| r.slot + 1),
            slots,
            count: page.len() as u64,
        })
    }

    fn memory(&mut self) -> Result<MemorySummary, Failure> {
        Ok(MemorySummary {
            total: 255 << 20,
            leased: 12 << 20,
            shared: 64 << 10,
            free: 40 << 20,
            largest_free: 32 << 20,
            modules: 3 << 19,
            device: 1 << 30,
        })
    }

    fn pool(&mut self) -> Result<PoolUsage, Failure> {
        self.pool
    }

    fn pool_client(&mut self, index: u64) -> Result<ClientUsage, Failure> {
        self.clients
            .get(index as usize)
            .copied()
            .ok_or(Reason::NotFound.into())
    }

    fn log(
        &mut self,
        from: u64,
        level: Level,
        each: &mut dyn FnMut(&Line<'_>),
    ) -> Result<Lines, Failure> {
        let mut answer = Lines {
            next: self.end,
            end: self.end,
            ..Lines::default()
        };
        let kept = self.lines.iter().filter(|l| l.sequence >= from);
        for line in kept.filter(|l| l.level <= level) {
            if answer.count as usize == self.page {
                answer.next = line.sequence;
                break;
            }
            answer.count += 1;
            each(&Line {
                head: LineHead {
                    sequence: line.sequence,
                    ticks: 1_000 + line.sequence * 2_000_000,
                    sender: line.sender,
                    level: line.level as u8,
                    ..LineHead::default()
                },
                target: "module",
                text: &line.text,
            });
        }
        let between = self
            .lines
            .iter()
            .filter(|l| (from..answer.next).contains(&l.sequence));
        answer.dropped = answer.next.saturating_sub(from) - between.count() as u64;
        Ok(answer)
    }

    fn audit(&mut self) -> Result<AuditSummary, Failure> {
        Ok(AuditSummary {
            capabilities: 321,
            differences: self.differences.len() as u64,
        })
    }

    fn audit_line(
        &mut self,
        index: u64,
        each: &mut dyn FnMut(&AuditText, &str),
    ) -> Result<(), Failure> {
        let line = self.differences.get(index as usize);
        each(
            line.ok_or(Failure::from(Reason::NotFound))?,
            "an endpoint that the description does not have",
        );
        Ok(())
    }

    fn check(&mut self) -> Result<CheckResult, Failure> {
        Ok(CheckResult {
            capabilities: 654,
            broken: self.broken,
            place: 0x1234,
        })
    }

    fn restart(&mut self, component: u32) -> Result<(), Failure> {
        self.permitted()?;
        self.restarted.push(component);
        Ok(())
    }

    fn shutdown(&mut self, code: u64) -> Result<(), Failure> {
        self.permitted()?;
        self.shut_down = Some(code);
        Ok(())
    }

    fn machine(&mut self, index: usize) -> Option<MachineInfo> {
        let machine = self.machines.get(index)?;
        Some(MachineInfo {
            name: machine.name,
            unseen: machine.output.len(),
            lost: machine.lost,
        })
    }

    fn machine_output(&mut self, index: usize, buffer: &mut [u8]) -> usize {
        let output = &mut self.machines[index].output;
        let count = buffer.len().min(output.len());
        buffer[..count].copy_from_slice(&output[..count]);
        output.drain(..count);
        count
    }

    fn machine_lost(&mut self, index: usize) -> u64 {
        std::mem::take(&mut self.machines[index].lost)
    }

    fn machine_input(&mut self, index: usize, bytes: &[u8]) -> usize {
        let machine = &mut self.machines[index];
        let taken = bytes.len().min(machine.room);
        machine.room -= taken;
        machine.input.extend(&bytes[..taken]);
        taken
    }

    fn clock(&mut self) -> Clock {
        Clock {
            khz: 2_000_000,
            boot_ticks: 1_000,
        }
    }

    fn own_id(&self) -> u32 {
        3
    }
}

/// Enough of a terminal to see what a person sees: 80 columns, never wrapping because nothing may.
#[derive(Default)]
pub struct Screen {
    pub lines: Vec<Vec<char>>,
    pub row: usize,
    pub column: usize,
    escape: Option<String>,
    pub bells: usize,
}

impl Screen {
    pub fn show(text: &str) -> Screen {
        let mut screen = Screen {
            lines: vec![Vec::new()],
            ..Screen::default()
        };
        text.chars().for_each(|c| screen.put(c));
        screen
    }

    fn put(&mut self, c: char) {
        if let Some(sequence) = &mut self.escape {
            if sequence.is_empty() && c == '[' || c.is_ascii_digit() {
                sequence.push(c);
                return;
            }
            let sequence = self.escape.take().unwrap();
            let n = sequence[1..].parse().unwrap_or(1);
            match c {
                'K' => self.lines[self.row].truncate(self.column),
                'D' => {
                    assert!(self.column >= n, "cursor beyond the left edge");
                    self.column -= n;
                }
                'J' => self.lines.iter_mut().for_each(Vec::clear),
                'H' => (self.row, self.column) = (0, 0),
                'm' => {}
                other => panic!("unknown sequence {sequence:?} {other:?}"),
            }
            return;
        }
        match c {
            '\x1b' => self.escape = Some(String::new()),
            '\r' => self.column = 0,
            '\x08' => {
                assert!(self.column > 0, "backspace at the left edge");
                self.column -= 1;
            }
            '\n' => {
                self.row += 1;
                self.column = 0;
                if self.row == self.lines.len() {
                    self.lines.push(Vec::new());
                }
            }
            '\x07' => self.bells += 1,
            c => {
                assert!(!c.is_control(), "a control character: {c:?}");
                let line = &mut self.lines[self.row];
                if line.len() <= self.column {
                    line.resize(self.column + 1, ' ');
                }
                line[self.column] = c;
                self.column += 1;
            }
        }
    }

    pub fn text(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(|l| l.iter().collect()).collect();
        lines.join("\n")
    }

    pub fn last_line(&self) -> String {
        self.lines[self.row].iter().collect()
    }
}
