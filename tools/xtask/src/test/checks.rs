//! Checks of the source itself: its format and its style.

use super::result::TestResult;
use super::table::Table;
use crate::system::{self, System};
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;
use crate::{bench, compile, graph, process};
use anyhow::Result;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

/// Format of every crate.
const FORMAT: &str = "format";
/// Style of what builds on the host.
const LINT_HOST: &str = "lint/host";
/// Style of what is built for the machine.
const LINT_MACHINE: &str = "lint/machine";
/// The picture in the documentation.
const PICTURE: &str = "picture";
/// All of them.
pub const ALL: [&str; 4] = [FORMAT, PICTURE, LINT_HOST, LINT_MACHINE];

/// Runs one of the checks.
pub fn run(name: &str, workspace: &Workspace, toolchain: &Toolchain) -> Result<TestResult> {
    let started = Instant::now();
    let outcome = match name {
        FORMAT => succeed([format(toolchain)])?,
        LINT_HOST => succeed([lint_host(workspace, toolchain)])?,
        LINT_MACHINE => succeed(lint_machine(workspace, toolchain)?)?,
        _ => graph::check_picture(workspace).map_err(|error| format!("{error:#}")),
    };
    Ok(TestResult::new(name, outcome, started.elapsed()))
}

/// Runs commands; what the first that failed had to say.
fn succeed(commands: impl IntoIterator<Item = Command>) -> Result<Result<(), String>> {
    for mut command in commands {
        let output = command.output()?;
        if !output.status.success() {
            let text = [output.stdout, output.stderr].concat();
            return Ok(Err(process::tail(&String::from_utf8_lossy(&text), 100)));
        }
    }
    Ok(Ok(()))
}

fn format(toolchain: &Toolchain) -> Command {
    let mut command = toolchain.cargo();
    command.args(["fmt", "--all", "--check"]);
    command
}

fn lint_host(workspace: &Workspace, toolchain: &Toolchain) -> Command {
    let mut command = toolchain.cargo();
    command.args(["clippy", "--quiet", "--all-targets"]);
    for package in workspace.host_packages() {
        command.args(["--package", package.name.as_str()]);
    }
    command.args(["--", "-D", "warnings"]);
    command
}

/// One command for the loader, one for the kernel and one for all components, as they are built.
fn lint_machine(workspace: &Workspace, toolchain: &Toolchain) -> Result<Vec<Command>> {
    let mut components: BTreeSet<String> = [bench::PROGRAM.to_owned()].into();
    components.extend(Table::load()?.tests(true).filter_map(|t| t.root.clone()));
    for name in system::names(workspace)? {
        let system = System::named(workspace, &name)?;
        components.extend(system.programs().iter().map(|p| p.binary.clone()));
    }
    let single = |program: &str| BTreeSet::from([program.to_owned()]);
    let groups = [
        single(compile::LOADER),
        single(compile::KERNEL_PROGRAM),
        components,
    ];
    let command = |programs| {
        let mut command = toolchain.cargo_for_machine("clippy");
        command.args(["--quiet", "--release"]);
        for package in workspace.packages_within(programs)? {
            command.args(["--package", package]);
        }
        command.args(["--", "-D", "warnings"]);
        // Every component is built for the system that its build script names: no one system has them all.
        command.env_remove("PAGURUS_SYSTEM");
        Ok(command)
    };
    groups.iter().map(command).collect()
}
