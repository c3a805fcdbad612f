//! Tests that run on the host: unit tests, integration tests, examples in the documentation.
//!
//! Each test program is started here and not by cargo, so that every test has the name of its package, a
//! program that crashes or hangs fails by name, and the list is the same on every machine.

use super::result::TestResult;
use super::select::Selection;
use crate::process::{self, Limited};
use crate::progress::Step;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use cargo_metadata::Message;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Time for one test program.
const LIMIT: Duration = Duration::from_secs(900);

/// A test program.
pub struct Program {
    /// `host/PACKAGE`, or `host/PACKAGE/FILE` for integration tests.
    name: String,
    executable: PathBuf,
    /// Directory of its package: where tests expect to start.
    directory: PathBuf,
}

/// Builds the test programs of every package that runs on the host.
pub fn build(workspace: &Workspace, toolchain: &Toolchain) -> Result<Vec<Program>> {
    let step = Step::start("building the host tests");
    let mut command = toolchain.cargo();
    command.args(["test", "--no-run", "--quiet", "--lib", "--bins", "--tests"]);
    command.arg("--message-format=json-render-diagnostics");
    for package in workspace.host_packages() {
        command.args(["--package", package.name.as_str()]);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting cargo")?;
    let output = child.stdout.take().context("no output of cargo")?;
    let mut programs = Vec::new();
    for message in Message::parse_stream(BufReader::new(output)) {
        let Message::CompilerArtifact(artifact) = message? else {
            continue;
        };
        let Some(executable) = artifact.executable.filter(|_| artifact.profile.test) else {
            continue;
        };
        let package = workspace
            .host_packages()
            .into_iter()
            .find(|p| p.id == artifact.package_id)
            .with_context(|| format!("cargo built {executable}, which is of no package"))?;
        let mut name = format!("host/{}", package.name);
        if artifact.target.is_test() || artifact.target.is_bin() {
            name.push_str(&format!("/{}", artifact.target.name));
        }
        programs.push(Program {
            name,
            executable: executable.into(),
            directory: package
                .manifest_path
                .parent()
                .context("a package without a directory")?
                .into(),
        });
    }
    if !child.wait()?.success() {
        bail!("the host tests do not build");
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    step.done();
    Ok(programs)
}

impl Program {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .current_dir(&self.directory)
            // As cargo would: tests find their files by it.
            .env("CARGO_MANIFEST_DIR", &self.directory)
            .args(["--color", "never"]);
        command
    }

    /// Names of its tests, whole.
    pub fn list(&self) -> Result<Vec<String>> {
        let text = process::output(self.command().args(["--list", "--format", "terse"]))?;
        Ok(text
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            .map(|test| format!("{}/{test}", self.name))
            .collect())
    }

    /// Runs the tests that are selected.
    pub fn run(&self, selection: &Selection) -> Result<Vec<TestResult>> {
        let mut command = self.command();
        if !selection.is_everything() {
            let all = self.list()?;
            let prefix = self.name.len() + 1;
            let wanted: Vec<&str> = all
                .iter()
                .filter(|name| selection.wants(name))
                .map(|name| &name[prefix..])
                .collect();
            if wanted.is_empty() {
                return Ok(Vec::new());
            }
            command.arg("--exact").args(wanted);
        }
        let started = Instant::now();
        let ended = process::run_limited(command, LIMIT)?;
        Ok(results(&self.name, &ended, started.elapsed()))
    }
}

/// Runs the examples in the documentation.
pub fn run_documentation(
    workspace: &Workspace,
    toolchain: &Toolchain,
    selection: &Selection,
) -> Result<Vec<TestResult>> {
    let mut command = toolchain.cargo();
    command.args(["test", "--quiet", "--doc"]);
    for package in workspace.host_packages() {
        if package.targets.iter().any(|t| t.is_lib()) {
            command.args(["--package", package.name.as_str()]);
        }
    }
    command.args(["--", "--color", "never", "--format", "pretty"]);
    let started = Instant::now();
    let ended = process::run_limited(command, LIMIT)?;
    let mut results = results("doc", &ended, started.elapsed());
    results.retain(|r| selection.wants(r.name()));
    Ok(results)
}

/// Reads what a test program printed. What it did not finish counts as failed.
fn results(program: &str, ended: &Limited, took: Duration) -> Vec<TestResult> {
    let mut results: Vec<TestResult> = ended
        .stdout
        .lines()
        .filter_map(parse)
        .filter_map(|(name, outcome)| {
            let outcome = match outcome {
                "ok" => Ok(()),
                "FAILED" => Err(failure(&ended.stdout, name)),
                // Tests that their authors switched off are not counted at all.
                _ => return None,
            };
            Some(TestResult::new(
                format!("{program}/{name}"),
                outcome,
                Duration::ZERO,
            ))
        })
        .collect();
    let problem = match ended.status {
        None => Some(format!("it did not end within {} s", LIMIT.as_secs())),
        Some(status) if !status.success() && results.iter().all(TestResult::passed) => {
            Some(format!("it ended with {status} before its tests were done"))
        }
        Some(_) => None,
    };
    if let Some(problem) = problem {
        let words = process::tail(&format!("{}{}", ended.stdout, ended.stderr), 30);
        results.push(TestResult::new(
            program,
            Err(format!("{problem}\n{words}")),
            took,
        ));
    }
    results
}

/// `test NAME ... OUTCOME` of Rust's test programs.
fn parse(line: &str) -> Option<(&str, &str)> {
    let (name, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    // A test that should panic says so after its name.
    let name = name.strip_suffix(" - should panic").unwrap_or(name);
    let outcome = outcome.split([' ', ',', '<']).next()?;
    Some((name, outcome))
}

/// The part of the output that explains a failure.
fn failure(output: &str, test: &str) -> String {
    let heading = format!("---- {test} stdout ----");
    let Some((_, rest)) = output.split_once(&heading) else {
        return String::new();
    };
    let end = rest
        .find("\n---- ")
        .or_else(|| rest.find("\nfailures:"))
        .unwrap_or(rest.len());
    rest[..end].trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn ended(stdout: &str, status: Option<i32>) -> Limited {
        Limited {
            status: status.map(ExitStatus::from_raw),
            stdout: stdout.into(),
            stderr: String::new(),
        }
    }

    #[test]
    fn lines_of_test_programs() {
        assert_eq!(parse("test a::b ... ok"), Some(("a::b", "ok")));
        assert_eq!(parse("test a - should panic ... ok"), Some(("a", "ok")));
        assert_eq!(parse("test a ... FAILED"), Some(("a", "FAILED")));
        assert_eq!(parse("test a ... ignored, slow"), Some(("a", "ignored")));
        assert_eq!(
            parse("test src/lib.rs - f (line 3) ... ok"),
            Some(("src/lib.rs - f (line 3)", "ok"))
        );
        assert_eq!(parse("test result: ok. 3 passed"), None);
        assert_eq!(parse("running 3 tests"), None);
    }

    #[test]
    fn a_failure_carries_its_output() {
        let output = "test a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nassertion failed\n\n\
            failures:\n    b\n\ntest result: FAILED. 1 passed; 1 failed\n";
        let results = results("host/p", &ended(output, Some(101 << 8)), Duration::ZERO);
        assert_eq!(results.len(), 2);
        assert!(results[0].passed());
        assert_eq!(results[1].reason(), Some("assertion failed"));
        assert_eq!(results[1].name(), "host/p/b");
    }

    #[test]
    fn a_crash_or_a_hang_is_a_failure_of_the_program() {
        let crashed = results(
            "host/p",
            &ended("test a ... ok\n", Some(11)),
            Duration::ZERO,
        );
        assert_eq!(crashed.len(), 2);
        assert!(!crashed[1].passed() && crashed[1].name() == "host/p");
        let hung = results("host/p", &ended("test a ... ok\n", None), Duration::ZERO);
        assert!(!hung[1].passed());
    }
}
