//! Boots a system in an emulator and lands in its console.

use crate::cli::RunOptions;
use crate::compile::{self, BootFiles};
use crate::emulator::{Emulator, file};
use crate::progress::note;
use crate::setup::{self, Need};
use crate::terminal::{self, LEAVE, Left};
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;
use crate::{gdb, iso};
use anyhow::{Context, Result, bail};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// A system that is built and on an ISO, ready to run.
pub struct Ready {
    /// The source tree.
    pub workspace: Workspace,
    /// What is on the ISO.
    pub files: BootFiles,
    /// The ISO.
    pub iso: PathBuf,
}

/// Sets up, builds the system and writes its ISO.
pub fn prepare(options: &RunOptions, needs: &[Need]) -> Result<Ready> {
    let toolchain = setup::ensure(needs)?;
    let workspace = Workspace::load(&toolchain)?;
    let system = options.choice.system(&workspace)?;
    let files = compile::build(&workspace, &toolchain, &system)?;
    let place = workspace.output().join(system.name());
    let iso = place.join("pagurus.iso");
    iso::write(&files, &iso, &place.join("iso"))?;
    Ok(Ready {
        workspace,
        files,
        iso,
    })
}

/// `tools/pagurus run`.
pub fn run(options: &RunOptions) -> Result<()> {
    let machine = options.machine();
    let directory = Workspace::load(&Toolchain::current())?.run_directory();
    let Taken::Ours(_lock) = take(&directory)? else {
        bail!("a system runs already; leave it first ({LEAVE})");
    };
    let ready = prepare(options, &options.needs())?;
    keep_symbols(&ready.files, &directory)?;
    let mut emulator = Emulator::start(&machine, &ready.iso, &directory)?;
    note(format!(
        "{} starts; {LEAVE} leaves it",
        options.machine_name()
    ));
    if machine.debugger {
        note(format!(
            "it waits for a debugger; in another terminal:\n{}",
            gdb::command_line(&ready.workspace)?
        ));
    }
    let left = terminal::attach(&mut emulator)?;
    let status = emulator.end()?;
    println!();
    match left {
        Left::ByUser => note("left; the machine is off"),
        Left::MachineEnded => {
            // The debug exit makes the status odd; anything else is the emulator's own.
            let words = emulator.last_words();
            if status.code() == Some(1) && !words.is_empty() && serial_is_empty(&directory) {
                bail!("the emulator ended: {words}");
            }
            note("the machine has shut down");
        }
    }
    Ok(())
}

fn serial_is_empty(directory: &Path) -> bool {
    std::fs::metadata(directory.join(file::SERIAL)).is_ok_and(|m| m.len() == 0)
}

/// Who has the directory of the run.
pub enum Taken {
    /// We, as long as this file is open.
    Ours(File),
    /// A system that runs already.
    ByAnother,
}

/// Takes the directory of the run. One system at a time: they share the socket and the files that other
/// commands look at.
pub fn take(directory: &Path) -> Result<Taken> {
    std::fs::create_dir_all(directory)?;
    let path = directory.join("lock");
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Taken::Ours(file)),
        Err(TryLockError::WouldBlock) => Ok(Taken::ByAnother),
        Err(TryLockError::Error(error)) => Err(error).context("locking the directory of the run"),
    }
}

/// Keeps the programs of the run, for `log` and `gdb`: a later build must not take them away.
pub fn keep_symbols(files: &BootFiles, directory: &Path) -> Result<()> {
    let place = directory.join("symbols");
    if place.exists() {
        std::fs::remove_dir_all(&place)?;
    }
    std::fs::create_dir_all(&place)?;
    std::fs::copy(&files.kernel_symbols, place.join(compile::KERNEL))?;
    for program in &files.symbols {
        std::fs::copy(&program.file, place.join(&program.name))?;
    }
    Ok(())
}

/// The kernel of the running, or last, system, with its symbols.
pub fn kernel_symbols(workspace: &Workspace) -> Result<PathBuf> {
    let path = workspace
        .run_directory()
        .join("symbols")
        .join(compile::KERNEL);
    if !path.exists() {
        bail!("no system has run yet; start one with `tools/pagurus run`");
    }
    Ok(path)
}
