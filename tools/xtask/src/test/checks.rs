//! Checks of the source itself: its format and its style.

use super::result::TestResult;
use crate::process;
use crate::system;
use crate::toolchain::{MACHINE, Toolchain};
use crate::workspace::Workspace;
use anyhow::Result;
use std::process::Command;
use std::time::Instant;

/// Format of every crate.
pub const FORMAT: &str = "format";
/// Style of what builds on the host.
pub const LINT_HOST: &str = "lint/host";
/// Style of what is built for the machine.
pub const LINT_MACHINE: &str = "lint/machine";
/// All of them.
pub const ALL: [&str; 3] = [FORMAT, LINT_HOST, LINT_MACHINE];

/// Runs one of the checks.
pub fn run(name: &str, workspace: &Workspace, toolchain: &Toolchain) -> Result<TestResult> {
    let mut command = match name {
        FORMAT => format(toolchain),
        LINT_HOST => lint_host(workspace, toolchain),
        _ => lint_machine(workspace, toolchain),
    };
    let started = Instant::now();
    let output = command.output()?;
    let outcome = if output.status.success() {
        Ok(())
    } else {
        let text = [output.stdout, output.stderr].concat();
        Err(process::tail(&String::from_utf8_lossy(&text), 100))
    };
    Ok(TestResult::new(name, outcome, started.elapsed()))
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
