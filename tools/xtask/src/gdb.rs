//! gdb on a running kernel.

use crate::cli::RunOptions;
use crate::emulator::{Emulator, file, gdb_port};
use crate::process;
use crate::progress::note;
use crate::run::{self, Taken};
use crate::setup::{self, Need};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use signal_hook::consts::SIGINT;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where the kernel runs: it is linked for address 0 and moves itself here.
const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

/// gdb with the kernel's symbols at the right place, connected to the emulator.
fn command(kernel: &Path) -> Command {
    let mut command = Command::new("gdb");
    command.args(["-q", "-ex", "set architecture i386:x86-64", "-ex"]);
    command.arg(format!(
        "add-symbol-file {} -o {KERNEL_BASE:#x}",
        kernel.display()
    ));
    command.arg("-ex");
    command.arg(format!("target remote 127.0.0.1:{}", gdb_port()));
    command
}

/// The same as one would type it.
pub fn command_line(workspace: &Workspace) -> Result<String> {
    let command = command(&run::kernel_symbols(workspace)?);
    let mut text = "gdb".to_owned();
    for word in command.get_args() {
        let word = word.to_string_lossy();
        if word.contains(' ') {
            text.push_str(&format!(" '{word}'"));
        } else {
            text.push_str(&format!(" {word}"));
        }
    }
    Ok(text)
}

/// `tools/pagurus gdb`: debugs the system that `run --gdb` started, or one of its own.
pub fn gdb(options: &RunOptions) -> Result<()> {
    let toolchain = setup::ensure(&[Need::Debugger])?;
    let workspace = Workspace::load(&toolchain)?;
    let directory = workspace.run_directory();
    match run::take(&directory)? {
        Taken::ByAnother => debug(&run::kernel_symbols(&workspace)?),
        Taken::Ours(_lock) => {
            let ready = run::prepare(options, &options.needs())?;
            run::keep_symbols(&ready.files, &directory)?;
            let mut emulator = Emulator::start(&options.machine(), &ready.iso, &directory)?;
            note(format!(
                "serial output goes to {}; `run --gdb` in another terminal has a console",
                directory.join(file::SERIAL).display()
            ));
            let result = debug(&run::kernel_symbols(&workspace)?);
            emulator.end()?;
            result
        }
    }
}

fn debug(kernel: &Path) -> Result<()> {
    // Ctrl-C is for gdb, which shares the terminal with us.
    signal_hook::flag::register(SIGINT, Arc::new(AtomicBool::new(false)))?;
    let mut command = command(kernel);
    note(process::line(&command));
    let status = command.status().context("starting gdb (package gdb)")?;
    if !status.success() {
        bail!("gdb failed ({status})");
    }
    Ok(())
}
