//! Runs every test and counts them: checks of the source, tests on the host, tests in emulators.

mod checks;
mod host;
mod machine;
pub mod protocol;
mod result;
mod select;
mod table;

use crate::cli::TestOptions;
use crate::progress::Step;
use crate::setup::{self, Need};
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;
use anyhow::{Result, bail};
use result::{Results, TestResult};
use select::Selection;
use std::time::Duration;
use table::{MachineTest, Table};

/// `tools/pagurus test`; did all tests pass?
pub fn test(options: &TestOptions) -> Result<bool> {
    let table = Table::load()?;
    let selection = Selection::new(&options.names);
    let checks: Vec<&str> = checks::ALL
        .into_iter()
        .filter(|name| selection.wants(name))
        .collect();
    let machines: Vec<&MachineTest> = table
        .tests(options.long)
        .filter(|test| selection.wants(&test.name))
        .collect();
    let known: Vec<&str> = checks
        .iter()
        .copied()
        .chain(machines.iter().map(|t| t.name.as_str()))
        .collect();
    let with_host = selection.asks_beyond(&known);

    let mut needs = Vec::new();
    if !checks.is_empty() {
        needs.push(Need::Checks);
    }
    if !machines.is_empty() && !options.list {
        needs.extend(machine::needs(&machines));
    }
    let toolchain = setup::ensure(&needs)?;
    let workspace = Workspace::load(&toolchain)?;
    let run = Run {
        workspace,
        toolchain,
        selection,
        failure_signs: table.failure_signs.clone(),
    };
    if options.list {
        run.list(&known, with_host)?;
        return Ok(true);
    }

    let mut results = Results::new(options.json);
    for name in checks {
        let step = Step::start(format!("checking {name}"));
        results.add([checks::run(name, &run.workspace, &run.toolchain)?]);
        step.done();
    }
    if with_host {
        run.host(&mut results);
    }
    run.machines(&machines, &mut results);
    if results.is_empty() {
        bail!("no test has such a name; `tools/pagurus test --list` lists them");
    }
    Ok(results.finish()?)
}

/// Texts on a machine's serial line after which there is nothing more to wait for.
pub fn failure_signs() -> Result<Vec<String>> {
    Ok(Table::load()?.failure_signs)
}

struct Run {
    workspace: Workspace,
    toolchain: Toolchain,
    selection: Selection,
    failure_signs: Vec<String>,
}

impl Run {
    fn list(&self, known: &[&str], with_host: bool) -> Result<()> {
        for name in known {
            println!("{name}");
        }
        if with_host {
            for program in host::build(&self.workspace, &self.toolchain)? {
                for name in program.list()?.iter().filter(|n| self.selection.wants(n)) {
                    println!("{name}");
                }
            }
        }
        Ok(())
    }

    /// Tests on the host. What cannot even be built counts as one failure.
    fn host(&self, results: &mut Results) {
        let programs = match host::build(&self.workspace, &self.toolchain) {
            Ok(programs) => programs,
            Err(error) => {
                results.add([failed("host", &error)]);
                return;
            }
        };
        let step = Step::start("running the host tests");
        for program in programs {
            match program.run(&self.selection) {
                Ok(all) => results.add(all),
                Err(error) => results.add([failed("host", &error)]),
            }
        }
        step.done();
        let step = Step::start("running the examples in the documentation");
        match host::run_documentation(&self.workspace, &self.toolchain, &self.selection) {
            Ok(all) => results.add(all),
            Err(error) => results.add([failed("doc", &error)]),
        }
        step.done();
    }

    fn machines(&self, tests: &[&MachineTest], results: &mut Results) {
        let place = self.workspace.output().join("test");
        let mut images = machine::Images::default();
        for test in tests {
            let image = match images.get(&self.workspace, &self.toolchain, test) {
                Ok(image) => image,
                Err(error) => {
                    results.add([failed(&test.name, &error)]);
                    continue;
                }
            };
            let step = Step::start(format!("running {}", test.name));
            results.add(machine::run(test, &image, &place, &self.failure_signs));
            step.done();
        }
    }
}

fn failed(name: &str, error: &anyhow::Error) -> TestResult {
    TestResult::new(name, Err(format!("{error:#}")), Duration::ZERO)
}
