//! Carries out queries: the same core for the shell and the control channel. Results go, record by record, to a
//! [`Report`], which makes text or JSON of them.

use crate::command::Query;
use crate::log_lines;
use crate::machines::MachineInfo;
use crate::record::{Record, Report};
use crate::suggest;
use crate::system::{MAX_NAMES, Names, System};
use core::fmt::{self, Write};
use heapless::{String, Vec};
use pagurus_protocol::root::{ComponentInfo, ComponentState, SystemInfo};
use pagurus_protocol::{Failure, Name, Reason};

/// Identifier of root.
const ROOT: u32 = 0;
/// The component that keeps the log, and the one that hands out memory.
pub(crate) const LOG_SERVER: &str = "log";
const MEMORY_SERVER: &str = "memory-manager";

/// Why a query failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryError<'a> {
    /// There is no such component; one with a similar name may have been meant.
    UnknownComponent(&'a str, Option<Name>),
    /// The system's description has no virtual machines.
    NoMachines,
    /// There is no such virtual machine; this one may have been meant.
    UnknownMachine(&'a str, Option<&'static str>),
    /// Root cannot be restarted.
    Root,
    /// The component that would answer does not run.
    NotRunning(&'static str),
    /// Another component refused what the first field says.
    Refused(&'static str, Failure),
}

impl fmt::Display for QueryError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryError::UnknownComponent(name, near) => {
                write!(f, "there is no component `{name}`; ")?;
                match near {
                    Some(near) => write!(f, "did you mean `{near}`?"),
                    None => f.write_str("`ps` lists them"),
                }
            }
            QueryError::NoMachines => f.write_str("this system has no virtual machines"),
            QueryError::UnknownMachine(name, near) => {
                write!(f, "there is no virtual machine `{name}`; ")?;
                match near {
                    Some(near) => write!(f, "did you mean `{near}`?"),
                    None => f.write_str("`vm` lists them"),
                }
            }
            QueryError::Root => f.write_str(
                "root holds the system together and cannot be restarted; `shutdown` ends the machine",
            ),
            QueryError::NotRunning(name) => write!(
                f,
                "`{name}` does not run, and nobody else can answer; `restart {name}` starts it anew"
            ),
            QueryError::Refused(what, failure) => {
                write!(f, "{what}: {failure}")?;
                f.write_str(match failure.reason {
                    Reason::Denied => {
                        "; the system's description must give the console that capability"
                    }
                    Reason::WrongVersion => "; rebuild console and servers together",
                    Reason::Busy => "; try again",
                    _ => "",
                })
            }
        }
    }
}

/// Turns a failure into the error that says what failed.
pub(crate) fn refused<'a>(what: &'static str) -> impl Fn(Failure) -> QueryError<'a> {
    move |failure| QueryError::Refused(what, failure)
}

/// Carries out a query.
pub fn run<'a>(
    query: Query<'a>,
    system: &mut impl System,
    names: &mut Names,
    report: &mut dyn Report,
) -> Result<(), QueryError<'a>> {
    match query {
        Query::Components => components(system, &mut |c| report.record(Record::Component(c))),
        Query::Capabilities(name) => capabilities(name, system, names, report),
        Query::Memory => memory(system, names, report),
        Query::Log(query) => log_lines::log(query, system, names, report).map(|_| ()),
        Query::Machines => {
            let mut machines = machines(system).peekable();
            if machines.peek().is_none() {
                return Err(QueryError::NoMachines);
            }
            machines.for_each(|machine| report.record(Record::Machine(&machine)));
            Ok(())
        }
        Query::Restart(name) => {
            let component = find(name, system, names)?;
            if component.id == ROOT {
                return Err(QueryError::Root);
            }
            let own = component.id == system.own_id();
            if own {
                report.record(Record::RestartingSelf);
            }
            system
                .restart(component.id)
                .map_err(refused("cannot restart it"))?;
            if !own {
                report.record(Record::Restarted(&component));
            }
            Ok(())
        }
        Query::Audit => audit(system, names, report),
        Query::Check => {
            let result = system.check().map_err(refused("cannot check the kernel"))?;
            report.record(Record::Check(&result));
            Ok(())
        }
        Query::Processors => processors(system, report),
        Query::Version => info(system).map(|info| report.record(Record::Version(&info))),
        Query::Uptime => info(system).map(|info| report.record(Record::Uptime(&info))),
        Query::Ping => {
            report.record(Record::Pong);
            Ok(())
        }
        Query::Shutdown(code) => {
            report.record(Record::ShuttingDown);
            system.shutdown(code).map_err(refused("cannot shut down"))
        }
    }
}

fn machines(system: &mut impl System) -> impl Iterator<Item = MachineInfo> {
    (0..).map_while(|index| system.machine(index))
}

/// The position of a virtual machine.
pub(crate) fn find_machine<'a>(
    name: &'a str,
    system: &mut impl System,
) -> Result<usize, QueryError<'a>> {
    if let Some(index) = machines(system).position(|machine| machine.name == name) {
        return Ok(index);
    }
    if system.machine(0).is_none() {
        return Err(QueryError::NoMachines);
    }
    let near = suggest::nearest(name, machines(system).map(|machine| machine.name));
    Err(QueryError::UnknownMachine(name, near))
}

fn info<'a>(system: &mut impl System) -> Result<SystemInfo, QueryError<'a>> {
    system.info().map_err(refused("cannot ask root"))
}

/// Sees that a server runs before it is asked: one that was stopped for good would let us wait for ever. A system
/// whose server has another name is trusted to keep it running.
pub(crate) fn running<'a>(
    name: &'static str,
    system: &mut impl System,
) -> Result<(), QueryError<'a>> {
    match system.find(name) {
        Ok(server) if server.state != ComponentState::Running as u8 => {
            Err(QueryError::NotRunning(name))
        }
        _ => Ok(()),
    }
}

fn components<'a>(
    system: &mut impl System,
    each: &mut dyn FnMut(&ComponentInfo),
) -> Result<(), QueryError<'a>> {
    for index in 0.. {
        match system.component(index) {
            Ok(component) => each(&component),
            Err(failure) if failure.reason == Reason::NotFound => break,
            Err(failure) => return Err(refused("cannot list the components")(failure)),
        }
    }
    Ok(())
}

pub(crate) fn find<'a>(
    name: &'a str,
    system: &mut impl System,
    names: &mut Names,
) -> Result<ComponentInfo, QueryError<'a>> {
    system.find(name).map_err(|failure| match failure.reason {
        Reason::NotFound => {
            // Without fresh names there is no suggestion, which is no second error worth telling.
            let _ = names.refresh(system);
            let near = suggest::nearest(name, names.iter());
            QueryError::UnknownComponent(name, near.map(Name::new))
        }
        _ => refused("cannot ask root")(failure),
    })
}

fn capabilities<'a>(
    name: &'a str,
    system: &mut impl System,
    names: &mut Names,
    report: &mut dyn Report,
) -> Result<(), QueryError<'a>> {
    let component = find(name, system, names)?;
    let mut first = 0;
    loop {
        let page = system
            .capabilities(component.id, first, &mut |row| {
                report.record(Record::Capability(row))
            })
            .map_err(refused("cannot list its capabilities"))?;
        if page.next >= page.slots || page.next <= first {
            return Ok(());
        }
        first = page.next;
    }
}

fn memory<'a>(
    system: &mut impl System,
    names: &mut Names,
    report: &mut dyn Report,
) -> Result<(), QueryError<'a>> {
    let summary = system
        .memory()
        .map_err(refused("cannot ask root for memory"))?;
    report.record(Record::Memory(&summary));
    running(MEMORY_SERVER, system)?;
    let pool = system.pool();
    report.record(Record::Pool(pool.as_ref().map_err(|failure| *failure)));
    if pool.is_err() {
        return Ok(());
    }
    let _ = names.refresh(system);
    for index in 0.. {
        match system.pool_client(index) {
            Ok(usage) => report.record(Record::PoolClient {
                name: u32::try_from(usage.badge).ok().and_then(|id| names.get(id)),
                usage: &usage,
            }),
            Err(failure) if failure.reason == Reason::NotFound => break,
            Err(failure) => return Err(refused("cannot list the pool's clients")(failure)),
        }
    }
    Ok(())
}

fn audit<'a>(
    system: &mut impl System,
    names: &mut Names,
    report: &mut dyn Report,
) -> Result<(), QueryError<'a>> {
    let summary = system.audit().map_err(refused("cannot audit"))?;
    if summary.differences > 0 {
        let _ = names.refresh(system);
    }
    for index in 0..summary.differences {
        let line = system.audit_line(index, &mut |at, text| {
            report.record(Record::Difference {
                name: names.get(at.component),
                component: at.component,
                slot: at.slot,
                text,
            });
        });
        match line {
            Ok(()) => {}
            // Root keeps only so many texts; the summary has the number of all.
            Err(failure) if failure.reason == Reason::NotFound => break,
            Err(failure) => return Err(refused("cannot list the differences")(failure)),
        }
    }
    report.record(Record::Audit(&summary));
    Ok(())
}

fn processors<'a>(system: &mut impl System, report: &mut dyn Report) -> Result<(), QueryError<'a>> {
    let info = info(system)?;
    let mut all: Vec<ComponentInfo, MAX_NAMES> = Vec::new();
    components(system, &mut |c| {
        // More components than names: the rest is missing here, but not in `ps`.
        let _ = all.push(*c);
    })?;
    for index in 0..info.cpus {
        let here = || all.iter().filter(|c| u32::from(c.cpu) == index);
        let mut names: String<256> = String::new();
        for component in here() {
            let separator = if names.is_empty() { "" } else { ", " };
            let mark = names.len();
            if write!(names, "{separator}{}", component.name).is_err() {
                names.truncate(mark);
                break;
            }
        }
        report.record(Record::Processor {
            index,
            components: here().count() as u32,
            cpu_ns: here().map(|c| c.cpu_ns).sum(),
            names: &names,
        });
    }
    Ok(())
}
