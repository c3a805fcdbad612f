//! Root's life: build, start, then serve.

use crate::error::BootError;
use crate::journal;
use crate::modules::SYSTEM;
use crate::own;
use crate::system::{Member, System};
use alloc::format;
use pagurus_abi::Error;
use pagurus_abi::boot::{BOOT_MAGIC, BootInfo};
use pagurus_abi::fault::FaultReply;
use pagurus_protocol::root::ComponentState;
use pagurus_rt::logger::{self, Sink};
use pagurus_rt::server::{Event, Server, Words};

/// Why root ends, and with it the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The boot information is not what this root was built for.
    BootInfo,
    /// There is nothing to build, or not enough to build it from.
    Boot(BootError),
    /// Root can receive nothing any more.
    Receive(Error),
}

impl core::fmt::Display for Ended {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Ended::BootInfo => f.write_str(
                "the kernel's boot information has another layout; take kernel and root from the same build",
            ),
            Ended::Boot(error) => error.fmt(f),
            Ended::Receive(error) => write!(f, "cannot receive requests any more: {error}"),
        }
    }
}

/// Builds the system and serves it. Returns only if that is impossible.
///
/// # Errors
/// Why.
pub fn run(boot: &'static BootInfo) -> Result<(), Ended> {
    if boot.magic != BOOT_MAGIC {
        return Err(Ended::BootInfo);
    }
    let mut system = System::prepare(boot).map_err(Ended::Boot)?;
    system.start_all();
    announce(&system);
    logger::install(Sink::Function(journal::note), log::LevelFilter::Info);
    system.ring_at_collector();
    serve(&mut system)
}

/// One line on the kernel's console: from here on the components speak.
fn announce(system: &System) {
    let runs = |member: &&Member| member.state == ComponentState::Running;
    let line = format!(
        "{SYSTEM} `{}`: {} of {} components run on {} of {} processors\n",
        system.image.name(),
        system.members.iter().filter(runs).count(),
        system.members.len(),
        system.boot.cpu_count.min(system.image.cpus()),
        system.boot.cpu_count,
    );
    // Nobody is there to hear that nobody can be told.
    let _ = own::KERNEL.write(&line);
}

/// Receives requests and faults, for ever.
///
/// # Errors
/// When nothing can be received any more.
pub fn serve(system: &mut System) -> Result<(), Ended> {
    let mut server = Server::new(system.endpoint, system.reply);
    let mut words = Words::default();
    loop {
        match server.next(&mut words).map_err(Ended::Receive)? {
            Event::Request(request) => {
                if system.request(&mut server, &request) {
                    server.forget_caller();
                }
            }
            Event::Fault(fault) => {
                if system.fault(&fault) {
                    server.forget_caller();
                } else {
                    server.answer_fault(FaultReply::Stop, [0; 2]);
                }
            }
            // Nothing is bound to root's thread.
            Event::Signal(_) => {}
        }
    }
}
