//! Checks of the source itself: its format and its style.

use super::result::TestResult;
use crate::graph;
use crate::process;
use crate::system;
use crate::toolchain::{MACHINE, Toolchain};
use crate::workspace::Workspace;
use anyhow::Result;
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
        FORMAT => succeeds(format(toolchain))?,
        LINT_HOST => succeeds(lint_host(workspace, toolchain))?,
        LINT_MACHINE => succeeds(lint_machine(workspace, toolchain))?,
        _ => graph::check_picture(workspace).map_err(|error| format!("{error:#}")),
    };
    Ok(TestResult::new(name, outcome, started.elapsed()))
}

/// Runs a command; what it said if it failed.
fn succeeds(mut command: Command) -> Result<Result<(), String>> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let text = [output.stdout, output.stderr].concat();
    Ok(Err(process::tail(&String::from_utf8_lossy(&text), 100)))
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

fn lint_machine(workspace: &Workspace, toolchain: &Toolchain) -> Command {
    let mut command = toolchain.cargo();
    command.args(["clippy", "--quiet", "--release", "--target", MACHINE]);
    for package in workspace.machine_packages() {
        command.args(["--package", package.name.as_str()]);
    }
    command.args(["--", "-D", "warnings"]);
    command.env("PAGURUS_SYSTEM", system::path(workspace, system::DEFAULT));
    command
}
