//! The command line.

use crate::emulator::{Kind, Machine};
use crate::setup::Need;
use crate::system::{self, System};
use crate::workspace::Workspace;
use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Builds, runs, tests and measures Pagurus.
///
/// Every command first installs what it needs and is not there yet (system packages by apt, the Rust target).
#[derive(Parser)]
#[command(
    name = "pagurus",
    bin_name = "tools/pagurus",
    version,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Build a system, boot it in an emulator and land in its console
    ///
    /// The terminal becomes the machine's first serial line. Ctrl-] or Ctrl-A x leaves and ends the machine;
    /// `shutdown` in the console ends it from inside. Input from a pipe is held back until the console is
    /// ready: `printf 'ps\nshutdown\n' | tools/pagurus run`.
    Run(RunOptions),
    /// Run all tests: format, style, host tests, and systems in QEMU and Bochs
    ///
    /// Lists every test by name and ends with one line: `N passed, N failed`. Exit status 1 if any failed.
    Test(TestOptions),
    /// Write target/pagurus.iso, a hybrid image for BIOS and UEFI
    Iso(Choice),
    /// Measure the kernel and compare it with seL4 and NOVA
    ///
    /// Times are counted instructions of one processor in QEMU, which are the same in every run.
    Bench(BenchOptions),
    /// Decode the kernel's log of the running, or last, system
    Log(LogOptions),
    /// Draw a system: components, objects and capabilities, as SVG and dot
    ///
    /// Writes NAME.svg and NAME.dot and prints where they are.
    Graph(GraphOptions),
    /// Compare the capabilities of the running system with its description
    ///
    /// Exit status 1 if there are differences.
    Audit(AuditOptions),
    /// Make a guest for virtual machines
    Guest(GuestOptions),
    /// Install everything that the other commands need
    Setup,
    /// Build a system without running it
    Build(Choice),
    /// Boot a system that waits for a debugger, with gdb attached to its kernel
    Gdb(RunOptions),
}

/// Which system.
#[derive(Args, Clone)]
pub struct Choice {
    /// A system: the name of a file in capdl/systems [default: default, with --guest vms]
    #[arg(long, value_name = "NAME")]
    pub system: Option<String>,
    /// A program that the kernel starts in root's place, such as `ktest`
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["system", "guest"])]
    pub root: Option<String>,
    /// The description of a virtual machine (TOML): kernel, initrd, disks, memory, devices; several times for several
    #[arg(long, value_name = "FILE")]
    pub guest: Vec<PathBuf>,
    /// The kernel's command line
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub command_line: String,
}

impl Choice {
    /// Whether the system runs virtual machines.
    fn has_guests(&self) -> bool {
        !self.guest.is_empty() || self.system.as_deref() == Some(system::OF_GUESTS)
    }

    /// The system that was chosen.
    pub fn system(&self, workspace: &Workspace) -> Result<System> {
        let system = match (&self.root, &self.system) {
            (Some(binary), _) => System::of_program(binary),
            (None, Some(name)) => System::named(workspace, name)?,
            (None, None) if self.guest.is_empty() => System::named(workspace, system::DEFAULT)?,
            (None, None) => System::named(workspace, system::OF_GUESTS)?,
        };
        let system = system.with_command_line(&self.command_line);
        system.with_guests(&self.guest)
    }
}

/// Options of `run` and `gdb`.
#[derive(Args, Clone)]
pub struct RunOptions {
    /// Which system.
    #[command(flatten)]
    pub choice: Choice,
    /// Processors
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    cpus: u32,
    /// Memory in MiB [default: 512, with guests 1536]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(64..=1_048_576))]
    memory: Option<u32>,
    /// UEFI firmware (OVMF) instead of a BIOS
    #[arg(long, conflicts_with = "bochs")]
    uefi: bool,
    /// Bochs, an Intel machine, instead of QEMU, an AMD machine
    #[arg(long)]
    bochs: bool,
    /// No window with the machine's screen, even on a desktop
    #[arg(long)]
    headless: bool,
    /// Count instructions as time: one is one nanosecond (with --cpus 1)
    #[arg(long, conflicts_with = "bochs")]
    icount: bool,
    /// Wait for gdb before the first instruction
    #[arg(long, conflicts_with = "bochs")]
    gdb: bool,
}

impl RunOptions {
    /// The machine they describe.
    pub fn machine(&self) -> Machine {
        Machine {
            kind: if self.bochs { Kind::Bochs } else { Kind::Qemu },
            uefi: self.uefi,
            cpus: self.cpus,
            memory: self.memory(),
            icount: self.icount,
            single_thread: false,
            debugger: self.gdb,
            window: !self.headless,
        }
    }

    /// MiB of memory.
    fn memory(&self) -> u32 {
        let default = if self.choice.has_guests() { 1536 } else { 512 };
        self.memory.unwrap_or(default)
    }

    /// The same with a debugger.
    pub fn with_debugger(mut self) -> Self {
        self.gdb = true;
        self
    }

    /// What has to be installed for them.
    pub fn needs(&self) -> Vec<Need> {
        let mut needs = vec![Need::Iso];
        needs.push(if self.bochs { Need::Bochs } else { Need::Qemu });
        if self.uefi {
            needs.push(Need::Uefi);
        }
        needs
    }

    /// The machine in a few words.
    pub fn machine_name(&self) -> String {
        let emulator = if self.bochs { "Bochs" } else { "QEMU" };
        let firmware = if self.uefi { ", UEFI" } else { "" };
        let cpus = if self.cpus == 1 { "CPU" } else { "CPUs" };
        format!(
            "{emulator} ({} {cpus}, {} MiB{firmware})",
            self.cpus,
            self.memory()
        )
    }
}

/// Options of `test`.
#[derive(Args)]
pub struct TestOptions {
    /// Only tests whose name contains one of these
    pub names: Vec<String>,
    /// List what would run instead of running it
    #[arg(long)]
    pub list: bool,
    /// Run the long tests as well
    #[arg(long)]
    pub long: bool,
    /// Print the results as JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `bench`.
#[derive(Args)]
pub struct BenchOptions {
    /// Print a list of {name, value, unit, note} instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Options of `log`.
#[derive(Args)]
pub struct LogOptions {
    /// Keep printing what comes, until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// Print one JSON object for each entry
    #[arg(long)]
    pub json: bool,
}

/// Options of `graph`.
#[derive(Args)]
pub struct GraphOptions {
    /// A system: the name of a file in capdl/systems
    #[arg(long, value_name = "NAME", default_value = system::DEFAULT)]
    pub system: String,
    /// Where NAME.svg and NAME.dot go [default: target/pagurus]
    #[arg(long, short, value_name = "DIRECTORY")]
    pub output: Option<PathBuf>,
}

/// Options of `guest`.
#[derive(Args)]
pub struct GuestOptions {
    /// Which guest.
    #[command(subcommand)]
    pub command: GuestCommand,
}

/// Guests that can be made.
#[derive(Subcommand)]
pub enum GuestCommand {
    /// Debian's kernel for virtual machines and its drivers, with busybox: a shell on the serial line
    ///
    /// Fetches the packages without installing them, and prints the path of the VM's description, for `run --guest`.
    Debian {
        /// Fetch the newest packages, even if some are there
        #[arg(long)]
        update: bool,
    },
}

/// Options of `audit`.
#[derive(Args)]
pub struct AuditOptions {
    /// Print what the system answers as JSON
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn contradictions_are_refused() {
        for words in [
            &["pagurus", "run", "--bochs", "--uefi"][..],
            &["pagurus", "run", "--cpus", "0"],
            &["pagurus", "run", "--system", "a", "--root", "b"],
            &["pagurus", "run", "--guest", "a", "--root", "b"],
        ] {
            assert!(Cli::try_parse_from(words).is_err(), "{words:?}");
        }
    }
}
