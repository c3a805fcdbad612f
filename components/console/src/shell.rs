//! The operator's shell.

use crate::command::{self, COMMANDS, Command, CommandHelp, LogQuery};
use crate::complete::complete;
use crate::editor::{Edit, LineEditor};
use crate::json::state_name;
use crate::keys::{Key, KeyDecoder};
use crate::log_lines;
use crate::record::{Record, Report};
use crate::run::{find_machine, run};
use crate::style::Style;
use crate::system::{Names, System};
use crate::table::Table;
use crate::terminal::Terminal;
use crate::text::TextReport;
use crate::units::Bytes;
use core::fmt::{self, Write};
use pagurus_protocol::log::Level;
use pagurus_protocol::root::ComponentState;

/// What stands before the line being typed.
pub const PROMPT: &str = "pagurus> ";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Nothing is shown yet.
    Starting,
    /// A line is being typed.
    Prompt,
    /// The terminal is the serial line of the machine at this position.
    Attached(usize),
    /// The log is shown as it grows.
    Follow {
        from: u64,
        level: Level,
        sender: Option<u32>,
    },
}

/// Ctrl-\, which ends being attached to a machine. Everything else that is typed goes to the guest. Not Ctrl-], by which
/// `tools/pagurus run` and other programs end the terminal itself.
const DETACH: u8 = 0x1c;

/// The shell on one terminal.
#[derive(Debug)]
pub struct Shell {
    editor: LineEditor,
    keys: KeyDecoder,
    names: Names,
    table: Table,
    colour: bool,
    /// Log lines of this level and worse appear by themselves.
    echo: Option<Level>,
    /// Number of the first log line that did not appear yet.
    seen: u64,
    mode: Mode,
}

impl Default for Shell {
    fn default() -> Self {
        Self::new()
    }
}

impl Shell {
    /// Before [`start`](Self::start).
    pub const fn new() -> Self {
        Shell {
            editor: LineEditor::new(),
            keys: KeyDecoder::new(),
            names: Names::new(),
            table: Table::new(),
            colour: false,
            echo: Some(Level::Warn),
            seen: 0,
            mode: Mode::Starting,
        }
    }

    /// Prints the banner, warnings that came before, the line by which programs recognise that the console is up,
    /// and the first prompt.
    pub fn start(&mut self, now_ticks: u64, system: &mut impl System, out: &mut dyn Write) {
        let _ = write!(out, "\nPagurus {}", crate::VERSION);
        if let (Ok(info), Ok(memory)) = (system.info(), system.memory()) {
            let _ = write!(
                out,
                ", {} processor{}, {} of memory, {} components",
                info.cpus,
                if info.cpus == 1 { "" } else { "s" },
                Bytes(memory.total),
                info.components
            );
        }
        let _ = out.write_str("\nType `help` for the commands, Tab to complete them.\n");
        let _ = self.names.refresh(system);
        self.news(system, out);
        let _ = writeln!(out, "CONSOLE READY tsc={now_ticks}");
        self.mode = Mode::Prompt;
        self.editor.show(PROMPT, out);
    }

    /// Takes a byte from the terminal.
    pub fn push(&mut self, byte: u8, system: &mut impl System, out: &mut dyn Terminal) {
        if let Mode::Attached(machine) = self.mode {
            self.type_to(machine, byte, system, out);
            return;
        }
        let Some(key) = self.keys.push(byte) else {
            return;
        };
        if let Mode::Follow { .. } = self.mode {
            if matches!(
                key,
                Key::Interrupt | Key::EndOfInput | Key::Enter | Key::Char('q')
            ) {
                self.mode = Mode::Prompt;
                self.skip_to_end(system);
                self.editor.show(PROMPT, out);
            }
            return;
        }
        match self.editor.key(key, PROMPT, out) {
            Edit::Nothing => {}
            Edit::Complete => self.complete(system, out),
            Edit::Cancel => self.editor.show(PROMPT, out),
            Edit::EndOfInput => {
                self.editor.hide(out);
                let _ = out.write_str("Nobody can log out here; `shutdown` ends the machine.\n");
                self.editor.show(PROMPT, out);
            }
            Edit::Submit => {
                let line = self.editor.take();
                self.execute(&line, system, out);
                if self.mode == Mode::Prompt {
                    self.editor.show(PROMPT, out);
                }
            }
        }
    }

    /// Shows what the log collector has new; call it whenever the collector signals. The line being typed stays.
    pub fn news(&mut self, system: &mut impl System, out: &mut dyn Write) {
        let (from, level, sender) = match (self.mode, self.echo) {
            (
                Mode::Follow {
                    from,
                    level,
                    sender,
                },
                _,
            ) => (from, level, sender),
            (Mode::Starting | Mode::Prompt, Some(level)) => (self.seen, level, None),
            // Lines of the log wait until the guest's are no longer shown.
            (Mode::Starting | Mode::Prompt, None) | (Mode::Attached(_), _) => return,
        };
        let typing = self.mode == Mode::Prompt;
        let mut report = Interruption {
            text: TextReport::new(out, &mut self.table, self.colour),
            editor: typing.then_some(&self.editor),
            interrupted: false,
        };
        let next = log_lines::new_lines(from, level, sender, system, &mut self.names, &mut report);
        report.text.finish();
        if report.interrupted {
            self.editor.show(PROMPT, out);
        }
        // A collector that does not answer is being restarted, and signals again when it has lines.
        let Ok(next) = next else { return };
        match &mut self.mode {
            Mode::Follow { from, .. } => *from = next,
            Mode::Starting | Mode::Prompt | Mode::Attached(_) => self.seen = next,
        }
    }

    /// Shows what the machine to which the terminal is attached has new; call it whenever a machine has written.
    pub fn machine_output(&mut self, system: &mut impl System, out: &mut dyn Terminal) {
        let Mode::Attached(machine) = self.mode else {
            return;
        };
        let lost = system.machine_lost(machine);
        if lost > 0 {
            let _ = write!(out, "\n[{lost} bytes of output were lost]\n");
        }
        let mut buffer = [0; 256];
        loop {
            let count = system.machine_output(machine, &mut buffer);
            if count == 0 {
                return;
            }
            out.raw(&buffer[..count]);
        }
    }

    fn attach(&mut self, name: &str, system: &mut impl System, out: &mut dyn Terminal) {
        match find_machine(name, system) {
            Ok(machine) => {
                let _ = writeln!(out, "Attached to {name}; Ctrl-\\ ends this.");
                match system.find(name) {
                    Ok(vmm) if vmm.state != ComponentState::Running as u8 => {
                        let state = state_name(vmm.state);
                        let _ = writeln!(out, "It does not run: its VMM is {state}.");
                    }
                    _ => {}
                }
                self.mode = Mode::Attached(machine);
                self.machine_output(system, out);
            }
            Err(error) => self.error(format_args!("{error}"), out),
        }
    }

    fn type_to(
        &mut self,
        machine: usize,
        byte: u8,
        system: &mut impl System,
        out: &mut dyn Terminal,
    ) {
        if byte == DETACH {
            self.mode = Mode::Prompt;
            let name = system.machine(machine).map_or("", |machine| machine.name);
            let _ = writeln!(out, "\nDetached from {name}.");
            self.news(system, out);
            self.editor.show(PROMPT, out);
        } else if system.machine_input(machine, &[byte]) == 0 {
            // The guest does not read what was typed before.
            let _ = out.write_str("\x07");
        }
    }

    /// What is in the log already shall not appear as news.
    fn skip_to_end(&mut self, system: &mut impl System) {
        if let Ok(lines) = system.log(u64::MAX, Level::Trace, &mut |_| ()) {
            self.seen = lines.end;
        }
    }

    fn complete(&mut self, system: &mut impl System, out: &mut dyn Write) {
        let _ = self.names.refresh(system);
        let completion = complete(self.editor.before_cursor(), self.names.iter());
        let mut insertion = heapless::String::<64>::new();
        // A name longer than the room is completed as far as it fits.
        let _ = insertion.push_str(completion.common());
        let choices = completion.candidates.len();
        if choices == 0 {
            let _ = out.write_str("\x07");
            return;
        }
        if choices == 1 {
            let _ = insertion.push(' ');
        } else if insertion.is_empty() {
            let _ = out.write_str("\n");
            for candidate in &completion.candidates {
                let _ = write!(out, "{candidate}  ");
            }
            let _ = out.write_str("\n");
        }
        drop(completion);
        if insertion.is_empty() {
            self.editor.show(PROMPT, out);
        } else {
            self.editor.insert(&insertion, PROMPT, out);
        }
    }

    fn execute(&mut self, line: &str, system: &mut impl System, out: &mut dyn Terminal) {
        match command::parse(line) {
            Ok(None) => {}
            Ok(Some(command)) => self.carry_out(command, system, out),
            Err(error) => self.error(format_args!("{error}"), out),
        }
    }

    fn carry_out(
        &mut self,
        command: Command<'_>,
        system: &mut impl System,
        out: &mut dyn Terminal,
    ) {
        match command {
            Command::Attach(name) => self.attach(name, system, out),
            Command::Query(query) => {
                let mut report = TextReport::new(out, &mut self.table, self.colour);
                let result = run(query, system, &mut self.names, &mut report);
                report.finish();
                if let Err(error) = result {
                    self.error(format_args!("{error}"), out);
                }
            }
            Command::Follow(query) => self.follow(query, system, out),
            Command::Help(None) => self.help(out),
            Command::Help(Some(command)) => explain(command, out),
            Command::Color(setting) => {
                self.colour = setting.unwrap_or(self.colour);
                let _ = writeln!(
                    out,
                    "Colours are {}.",
                    if self.colour { "on" } else { "off" }
                );
            }
            Command::Echo(setting) => {
                if let Some(level) = setting {
                    self.echo = level;
                    self.skip_to_end(system);
                }
                let _ = match self.echo {
                    None => writeln!(out, "Log lines do not appear by themselves."),
                    Some(level) => {
                        writeln!(out, "Log lines of level {} and worse appear.", level.name())
                    }
                };
            }
            Command::Clear => {
                let _ = out.write_str("\x1b[2J\x1b[H");
            }
        }
    }

    fn follow(&mut self, query: LogQuery<'_>, system: &mut impl System, out: &mut dyn Write) {
        let mut report = TextReport::new(out, &mut self.table, self.colour);
        let result = log_lines::log(query, system, &mut self.names, &mut report);
        report.finish();
        match result {
            Ok(shown) => {
                self.mode = Mode::Follow {
                    from: shown.next,
                    level: query.level,
                    sender: shown.sender,
                };
                let (start, end) = (Style::Faint.start(self.colour), Style::end(self.colour));
                let _ = writeln!(out, "{start}(Ctrl-C or q ends this){end}");
            }
            Err(error) => self.error(format_args!("{error}"), out),
        }
    }

    fn help(&mut self, out: &mut dyn Write) {
        let usage = |c: &CommandHelp| c.name.len() + 1 + c.arguments.len();
        let width = COMMANDS.iter().map(usage).max().unwrap_or(0);
        for command in COMMANDS {
            let fill = width - usage(command);
            let _ = writeln!(
                out,
                "  {} {}{:fill$}  {}",
                command.name, command.arguments, "", command.summary
            );
        }
    }

    fn error(&mut self, text: fmt::Arguments<'_>, out: &mut dyn Write) {
        let (start, end) = (Style::Error.start(self.colour), Style::end(self.colour));
        let _ = writeln!(out, "{start}error:{end} {text}");
    }
}

fn explain(command: &CommandHelp, out: &mut dyn Write) {
    let separator = if command.arguments.is_empty() {
        ""
    } else {
        " "
    };
    let _ = writeln!(
        out,
        "{}{separator}{}: {}",
        command.name, command.arguments, command.summary
    );
    if !command.details.is_empty() {
        let _ = writeln!(out, "{}", command.details);
    }
}

/// A report that takes the line being typed off the terminal before its first record.
struct Interruption<'a> {
    text: TextReport<'a>,
    editor: Option<&'a LineEditor>,
    interrupted: bool,
}

impl Report for Interruption<'_> {
    fn record(&mut self, record: Record<'_>) {
        if let Some(editor) = self.editor.take() {
            self.text.hide(editor);
            self.interrupted = true;
        }
        self.text.record(record);
    }
}
