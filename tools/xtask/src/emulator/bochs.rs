//! Bochs: the Intel machine. Slow, strict, and the same in every run.

use super::{Emulator, Machine, command, fill};
use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Its configuration file.
pub const CONFIGURATION: &str = include_str!("../../../../board-support/bochs/bochsrc");
/// Time for it to start and to call us.
const START_LIMIT: Duration = Duration::from_secs(30);

pub fn start(machine: &Machine, iso: &Path, directory: &Path) -> Result<Emulator> {
    if machine.uefi || machine.icount || machine.debugger {
        bail!("Bochs has a BIOS only and neither --icount nor --gdb; leave out --bochs or these");
    }
    let listener =
        TcpListener::bind(("127.0.0.1", 0)).context("listening for Bochs' serial line")?;
    let configuration = fill(
        CONFIGURATION,
        &[
            ("cpus", &machine.cpus.to_string()),
            ("memory", &machine.memory.to_string()),
            ("iso", &iso.to_string_lossy()),
            ("port", &listener.local_addr()?.port().to_string()),
        ],
    );
    std::fs::write(directory.join("bochsrc"), configuration)?;
    // Debian's Bochs has a debugger in it, which waits for commands.
    std::fs::write(directory.join("commands"), "c\nquit\n")?;
    let child = command("bochs", directory)?
        .args(["-q", "-f", "bochsrc", "-rc", "commands"])
        .env("TERM", "vt100")
        .spawn()
        .context("starting bochs (package bochs)")?;
    let mut emulator = Emulator::new(child, directory);
    let stream = accept(&listener, &mut emulator)?;
    emulator.connect(stream.try_clone()?, stream)?;
    Ok(emulator)
}

/// Waits until Bochs calls; gives up when it ended instead.
fn accept(listener: &TcpListener, emulator: &mut Emulator) -> Result<TcpStream> {
    let started = Instant::now();
    let between_looks = Timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    while started.elapsed() < START_LIMIT {
        let mut wanted = [PollFd::new(listener, PollFlags::IN)];
        if poll(&mut wanted, Some(&between_looks))? > 0 {
            return Ok(listener.accept()?.0);
        }
        if let Some(status) = emulator.child.try_wait()? {
            bail!("Bochs ended at once ({status}): {}", emulator.last_words());
        }
    }
    bail!("Bochs did not open its serial line within {START_LIMIT:?}")
}
