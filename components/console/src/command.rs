//! The commands: what there is, and what a line means.

use crate::suggest;
use core::fmt;
use pagurus_protocol::log::Level;

/// What the help says about a command.
#[derive(Debug)]
pub struct CommandHelp {
    /// Its name.
    pub name: &'static str,
    /// Its arguments.
    pub arguments: &'static str,
    /// One line.
    pub summary: &'static str,
    /// The rest.
    pub details: &'static str,
    /// What its first argument may be, for completion.
    pub first_argument: Argument,
}

/// What may stand in the place of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Nothing that could be completed.
    None,
    /// Name of a component.
    Component,
    /// Name of a command.
    Command,
    /// One of these words.
    Words(&'static [&'static str]),
}

const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

macro_rules! command {
    ($name:literal $arguments:literal $first:expr, $summary:literal, $details:literal) => {
        CommandHelp {
            name: $name,
            arguments: $arguments,
            summary: $summary,
            details: $details,
            first_argument: $first,
        }
    };
}

/// Every command that people are told about, in the order in which `help` lists them.
pub const COMMANDS: &[CommandHelp] = &[
    command!("help" "[COMMAND]" Argument::Command, "list the commands, or explain one", ""),
    command!("ps" "" Argument::None, "list the components and their state",
        "STATE is what root thinks of the component, THREAD what its first thread is doing.\n\
         TIME is processor time since its last start."),
    command!("caps" "COMPONENT" Argument::Component, "list the capabilities of a component",
        "RIGHTS: r read or receive, w write or send, x execute, g grant.\n\
         Equal numbers under OBJECT are the same kernel object.\n\
         FLAGS: o original (its deletion destroys the object), d device memory."),
    command!("mem" "" Argument::None, "show how memory is used", ""),
    command!("log" "[OPTION]... [COMPONENT]"
        Argument::Words(&["-f", "-l", "-n"]), "show the last lines of the log",
        "  -n N       the last N lines (20)\n\
         \x20 -f         keep showing new lines until Ctrl-C\n\
         \x20 -l LEVEL   only error, warn, info, debug or trace and what is worse (trace)\n\
         \x20 COMPONENT  only lines of this component"),
    command!("echo" "[LEVEL|off]" Argument::Words(LEVELS), "show log lines as they come",
        "Lines of LEVEL and worse appear while you type. Without an argument: what is set."),
    command!("vm" "[attach MACHINE]" Argument::Words(&["attach"]),
        "list the virtual machines, or attach to one",
        "`vm attach MACHINE` makes this terminal the serial line of the machine's guest; Ctrl-\\ ends that.\n\
         UNSEEN OUTPUT is what the guest wrote since somebody was attached; the newest 16 KiB are kept,\n\
         LOST is what was older."),
    command!("restart" "COMPONENT" Argument::Component, "start a component anew from its binary",
        "Its memory and capabilities are taken back first; nothing of its state survives."),
    command!("audit" "" Argument::None, "compare what is there with the description",
        "Lists every capability that the system's description does not account for, and every one\n\
         that is missing."),
    command!("check" "" Argument::None, "let the kernel check its own invariants", ""),
    command!("cpus" "" Argument::None, "list the processors and what runs on them", ""),
    command!("version" "" Argument::None, "tell what is running", ""),
    command!("uptime" "" Argument::None, "tell how long it has been running", ""),
    command!("color" "[on|off]" Argument::Words(&["off", "on"]), "use colours on this terminal", ""),
    command!("clear" "" Argument::None, "clear the screen", ""),
    command!("shutdown" "[CODE]" Argument::None, "end the machine",
        "CODE is handed to the emulator that we run in, if any."),
];

/// The help of a command.
pub fn find(name: &str) -> Option<&'static CommandHelp> {
    COMMANDS.iter().find(|c| c.name == name)
}

/// Which log lines are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogQuery<'a> {
    /// How many of the last lines that fit the rest.
    pub count: usize,
    /// Least important level.
    pub level: Level,
    /// Only of this component.
    pub component: Option<&'a str>,
}

/// Log lines shown when no number is given.
pub const LOG_LINES: usize = 20;

/// What is to be asked of the system: the same for people and for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query<'a> {
    /// All components.
    Components,
    /// The capabilities of one.
    Capabilities(&'a str),
    /// Memory.
    Memory,
    /// Log lines.
    Log(LogQuery<'a>),
    /// The virtual machines.
    Machines,
    /// Restart of a component.
    Restart(&'a str),
    /// Comparison with the description.
    Audit,
    /// The kernel's invariants.
    Check,
    /// Processors.
    Processors,
    /// What is running.
    Version,
    /// Since when.
    Uptime,
    /// Whether anybody is there.
    Ping,
    /// The end.
    Shutdown(u64),
}

/// A line that was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Asks the system.
    Query(Query<'a>),
    /// All commands, or one.
    Help(Option<&'static CommandHelp>),
    /// Makes the terminal the serial line of a virtual machine.
    Attach(&'a str),
    /// Shows the log as it grows.
    Follow(LogQuery<'a>),
    /// Colours: what is set, or set it.
    Color(Option<bool>),
    /// Lines that appear by themselves: what is set, or set it (`None`: none).
    Echo(Option<Option<Level>>),
    /// Clears the screen.
    Clear,
}

impl PartialEq for CommandHelp {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for CommandHelp {}

/// Why a line was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError<'a> {
    /// There is no such command.
    UnknownCommand(&'a str),
    /// The command needs an argument.
    Missing(&'static CommandHelp),
    /// The command does not take this argument.
    Unexpected(&'static CommandHelp, &'a str),
    /// This is no level.
    NotALevel(&'a str),
    /// This is no number in the range that the command takes.
    NotANumber(&'a str),
}

impl fmt::Display for ParseError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ParseError::UnknownCommand(word) => {
                write!(f, "there is no command `{word}`; ")?;
                match suggest::nearest(word, COMMANDS.iter().map(|c| c.name)) {
                    Some(near) => write!(f, "did you mean `{near}`?"),
                    None => f.write_str("`help` lists them"),
                }
            }
            ParseError::Missing(command) => {
                let (name, arguments) = (command.name, command.arguments);
                write!(f, "`{name}` needs an argument: {name} {arguments}")
            }
            ParseError::Unexpected(command, word) => {
                write!(f, "`{}` does not take `{word}`: ", command.name)?;
                match command.arguments {
                    "" => f.write_str("it has no arguments"),
                    arguments => write!(f, "{} {arguments}", command.name),
                }
            }
            ParseError::NotALevel(word) => write!(
                f,
                "`{word}` is no level; there are error, warn, info, debug and trace"
            ),
            ParseError::NotANumber(word) => {
                write!(f, "`{word}` is not a number that fits here")
            }
        }
    }
}

/// What a line means; `None` for a blank one.
pub fn parse(line: &str) -> Result<Option<Command<'_>>, ParseError<'_>> {
    let mut words = line.split_ascii_whitespace();
    let Some(word) = words.next() else {
        return Ok(None);
    };
    if word == "ping" {
        // For programs; people need not be told.
        return Ok(Some(Command::Query(Query::Ping)));
    }
    let help = find(word).ok_or(ParseError::UnknownCommand(word))?;
    if word == "log" {
        return parse_log(help, words).map(Some);
    }
    if word == "vm" {
        return parse_vm(help, words).map(Some);
    }
    let argument = words.next();
    if let Some(extra) = words.next() {
        return Err(ParseError::Unexpected(help, extra));
    }
    let needed = || argument.ok_or(ParseError::Missing(help));
    let query = match word {
        "help" => {
            return match argument {
                None => Ok(Some(Command::Help(None))),
                Some(name) => find(name)
                    .map(|c| Some(Command::Help(Some(c))))
                    .ok_or(ParseError::UnknownCommand(name)),
            };
        }
        "color" => {
            return match argument {
                None => Ok(Some(Command::Color(None))),
                Some("on") => Ok(Some(Command::Color(Some(true)))),
                Some("off") => Ok(Some(Command::Color(Some(false)))),
                Some(other) => Err(ParseError::Unexpected(help, other)),
            };
        }
        "echo" => {
            return match argument {
                None => Ok(Some(Command::Echo(None))),
                Some("off") => Ok(Some(Command::Echo(Some(None)))),
                Some(name) => Ok(Some(Command::Echo(Some(Some(level(name)?))))),
            };
        }
        "caps" => Query::Capabilities(needed()?),
        "restart" => Query::Restart(needed()?),
        "shutdown" => Query::Shutdown(match argument {
            None => 0,
            Some(text) => text
                .parse::<u32>()
                .map_err(|_| ParseError::NotANumber(text))?
                .into(),
        }),
        _ => {
            if let Some(extra) = argument {
                return Err(ParseError::Unexpected(help, extra));
            }
            match word {
                "ps" => Query::Components,
                "mem" => Query::Memory,
                "audit" => Query::Audit,
                "check" => Query::Check,
                "cpus" => Query::Processors,
                "version" => Query::Version,
                "uptime" => Query::Uptime,
                "clear" => return Ok(Some(Command::Clear)),
                _ => return Err(ParseError::UnknownCommand(word)),
            }
        }
    };
    Ok(Some(Command::Query(query)))
}

fn parse_vm<'a>(
    help: &'static CommandHelp,
    mut words: impl Iterator<Item = &'a str>,
) -> Result<Command<'a>, ParseError<'a>> {
    let command = match words.next() {
        None => Command::Query(Query::Machines),
        Some("attach") => Command::Attach(words.next().ok_or(ParseError::Missing(help))?),
        Some(other) => return Err(ParseError::Unexpected(help, other)),
    };
    match words.next() {
        None => Ok(command),
        Some(extra) => Err(ParseError::Unexpected(help, extra)),
    }
}

fn parse_log<'a>(
    help: &'static CommandHelp,
    mut words: impl Iterator<Item = &'a str>,
) -> Result<Command<'a>, ParseError<'a>> {
    let mut query = LogQuery {
        count: LOG_LINES,
        level: Level::Trace,
        component: None,
    };
    let mut follow = false;
    while let Some(word) = words.next() {
        match word {
            "-f" => follow = true,
            "-n" => query.count = count(words.next().ok_or(ParseError::Missing(help))?)?,
            "-l" => query.level = level(words.next().ok_or(ParseError::Missing(help))?)?,
            // `log 50` is what fingers type.
            _ if word.starts_with(|c: char| c.is_ascii_digit()) => query.count = count(word)?,
            _ if word.starts_with('-') || query.component.is_some() => {
                return Err(ParseError::Unexpected(help, word));
            }
            _ => query.component = Some(word),
        }
    }
    Ok(if follow {
        Command::Follow(query)
    } else {
        Command::Query(Query::Log(query))
    })
}

fn count(word: &str) -> Result<usize, ParseError<'_>> {
    word.parse().map_err(|_| ParseError::NotANumber(word))
}

fn level(word: &str) -> Result<Level, ParseError<'_>> {
    (1..=5)
        .filter_map(Level::from_u8)
        .find(|l| l.name().eq_ignore_ascii_case(word))
        .ok_or(ParseError::NotALevel(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn query(line: &str) -> Query<'_> {
        match parse(line) {
            Ok(Some(Command::Query(query))) => query,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_command_in_the_help_is_understood() {
        for command in COMMANDS {
            let line = match command.arguments {
                "COMPONENT" => format!("{} root", command.name),
                _ => command.name.to_string(),
            };
            assert!(matches!(parse(&line), Ok(Some(_))), "{line}");
            assert!(!command.summary.is_empty());
        }
    }

    #[test]
    fn log_options() {
        let log = |line| match parse(line) {
            Ok(Some(Command::Query(Query::Log(q)))) => (q, false),
            Ok(Some(Command::Follow(q))) => (q, true),
            other => panic!("{line}: {other:?}"),
        };
        let plain = LogQuery {
            count: LOG_LINES,
            level: Level::Trace,
            component: None,
        };
        assert_eq!(log("log"), (plain, false));
        assert_eq!(log("log 7"), (LogQuery { count: 7, ..plain }, false));
        assert_eq!(log("log -n 7"), (LogQuery { count: 7, ..plain }, false));
        let all = LogQuery {
            count: 3,
            level: Level::Warn,
            component: Some("ping"),
        };
        assert_eq!(log("log -f -l WARN ping -n 3"), (all, true));
        for bad in [
            "log -n",
            "log -n x",
            "log -n -1",
            "log -l",
            "log -l x",
            "log -x",
            "log a b",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn errors_name_the_remedy() {
        let text = |line| parse(line).unwrap_err().to_string();
        assert_eq!(
            text("restrat ping"),
            "there is no command `restrat`; did you mean `restart`?"
        );
        assert_eq!(
            text("xyzzy"),
            "there is no command `xyzzy`; `help` lists them"
        );
        assert_eq!(text("caps"), "`caps` needs an argument: caps COMPONENT");
        assert_eq!(
            text("ps all"),
            "`ps` does not take `all`: it has no arguments"
        );
        assert_eq!(
            text("help me"),
            "there is no command `me`; did you mean `mem`?"
        );
        assert_eq!(text("shutdown -1"), "`-1` is not a number that fits here");
        assert_eq!(
            text("echo loud"),
            "`loud` is no level; there are error, warn, info, debug and trace"
        );
    }

    #[test]
    fn what_lines_mean() {
        assert_eq!(parse("  "), Ok(None));
        assert_eq!(query("  caps   ping "), Query::Capabilities("ping"));
        assert_eq!(query("shutdown"), Query::Shutdown(0));
        assert_eq!(query("shutdown 42"), Query::Shutdown(42));
        assert_eq!(query("ping"), Query::Ping);
        assert_eq!(query("vm"), Query::Machines);
        assert_eq!(parse("vm attach vm0"), Ok(Some(Command::Attach("vm0"))));
        for bad in ["vm vm0", "vm attach", "vm attach vm0 vm1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse("echo off"), Ok(Some(Command::Echo(Some(None)))));
        assert_eq!(
            parse("echo Info"),
            Ok(Some(Command::Echo(Some(Some(Level::Info)))))
        );
    }

    proptest! {
        #[test]
        fn any_line_is_understood_or_refused(line in "\\PC{0,80}") {
            if let Err(error) = parse(&line) {
                prop_assert!(!error.to_string().is_empty());
            }
        }

        #[test]
        fn words_near_commands_do_not_panic(
            words in prop::collection::vec(prop::sample::select(vec![
                "vm", "attach", "log", "-n", "-f", "-l", "warn", "5", "caps", "help", "echo", "off", "restart", "",
            ]), 0..6)
        ) {
            let _ = parse(&words.join(" "));
        }
    }
}
