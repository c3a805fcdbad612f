//! The tests that run in an emulator, as data: `tools/xtask/emulator-tests.toml`.

use crate::emulator::{Kind, Machine};
use crate::guest;
use crate::system::{self, System};
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::Duration;

const TABLE: &str = include_str!("../../emulator-tests.toml");

/// The whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Texts on the serial line after which there is nothing more to wait for.
    pub failure_signs: Vec<String>,
    #[serde(rename = "test")]
    tests: Vec<MachineTest>,
}

/// A guest that a machine can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuestKind {
    /// What `tools/pagurus guest debian` makes.
    Debian,
}

/// One run of a machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineTest {
    /// Its name; the tests that it reports get names below it.
    pub name: String,
    /// A system in `capdl/systems`; the default one if neither this nor `root` is there.
    system: Option<String>,
    /// A program in root's place.
    pub root: Option<String>,
    /// A guest, in the system with virtual machines.
    pub guest: Option<GuestKind>,
    /// The kernel's command line.
    #[serde(default)]
    command_line: String,
    /// Which emulator.
    #[serde(default)]
    pub machine: Kind,
    /// UEFI firmware.
    #[serde(default)]
    pub uefi: bool,
    #[serde(default = "one")]
    cpus: u32,
    /// MiB.
    memory: Option<u32>,
    #[serde(default)]
    icount: bool,
    #[serde(default)]
    single_thread: bool,
    /// Runs only with `--long`.
    #[serde(default)]
    pub long: bool,
    /// Seconds until it has failed.
    limit: u64,
    /// What to do; without any, the machine runs a test program that reports by itself.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// A step of a script on the machine's console.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Step {
    /// Wait until this text comes, after where the last one was found.
    Wait(String),
    /// Type this line.
    Send(String),
    /// This text must not have come since the last one was found.
    Absent(String),
    /// Wait until the machine ends by itself.
    End(bool),
    /// A line of the kernel's log must hold this text (see `pagurus log`); after `end`, when all of it is there.
    Log(String),
    /// Ask this on the control line; the answer must hold this text.
    Ask(Ask),
}

/// A question on the control line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The command.
    pub command: String,
    /// What the answer, a list of records as JSON without spaces, must hold.
    pub answer: String,
}

fn one() -> u32 {
    1
}

impl Table {
    /// Reads the table.
    pub fn load() -> Result<Self> {
        Self::parse(TABLE).context("in tools/xtask/emulator-tests.toml")
    }

    fn parse(text: &str) -> Result<Self> {
        let table: Self = toml::from_str(text)?;
        let mut names = BTreeSet::new();
        for test in &table.tests {
            let name = &test.name;
            ensure!(names.insert(name), "two tests are called {name}");
            ensure!(
                test.system.is_none() || test.root.is_none(),
                "{name}: either `system` or `root`, not both"
            );
            ensure!(test.limit > 0, "{name}: a limit of 0 seconds");
            ensure!(
                !test.icount || test.cpus == 1,
                "{name}: `icount` works with one processor only"
            );
            ensure!(
                test.machine == Kind::Qemu || !(test.uefi || test.icount || test.single_thread),
                "{name}: `uefi`, `icount` and `single_thread` are for QEMU"
            );
            let ended = test.steps.iter().position(|s| matches!(s, Step::End(_)));
            let logs = test.steps.iter().position(|s| matches!(s, Step::Log(_)));
            ensure!(
                logs.is_none_or(|log| ended.is_some_and(|end| end < log)),
                "{name}: `log` comes after `end`"
            );
            ensure!(
                test.root.is_some() || !test.steps.is_empty(),
                "{name}: a system without steps would test nothing"
            );
        }
        Ok(table)
    }

    /// The tests; the long ones only if wanted.
    pub fn tests(&self, long: bool) -> impl Iterator<Item = &MachineTest> {
        self.tests.iter().filter(move |t| long || !t.long)
    }
}

impl MachineTest {
    /// The machine it runs on.
    pub fn machine(&self) -> Machine {
        let default = Machine::default();
        Machine {
            kind: self.machine,
            uefi: self.uefi,
            cpus: self.cpus,
            memory: self.memory.unwrap_or(default.memory),
            icount: self.icount,
            single_thread: self.single_thread,
            ..default
        }
    }

    /// The time after which it has failed.
    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.limit)
    }

    /// Tests with the same key run the same ISO.
    pub fn image_key(&self) -> (String, String) {
        let name = match &self.root {
            Some(binary) => format!("root={binary}"),
            None => format!("{} {:?}", self.system_name(), self.guest),
        };
        (name, self.command_line.clone())
    }

    fn system_name(&self) -> &str {
        let default = match self.guest {
            Some(_) => system::OF_GUESTS,
            None => system::DEFAULT,
        };
        self.system.as_deref().unwrap_or(default)
    }

    /// What it runs.
    pub fn system(&self, workspace: &Workspace) -> Result<System> {
        let system = match &self.root {
            Some(binary) => System::of_program(binary),
            None => System::named(workspace, self.system_name())?,
        };
        let guests = match self.guest {
            Some(GuestKind::Debian) => vec![guest::debian(workspace)?],
            None => Vec::new(),
        };
        system
            .with_command_line(&self.command_line)
            .with_guests(&guests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let table = Table::load().unwrap();
        assert!(table.tests(true).count() >= table.tests(false).count());
        assert!(!table.failure_signs.is_empty());
    }

    fn refused(test: &str) -> String {
        let text = format!("failure_signs = []\n[[test]]\n{test}");
        format!("{:#}", Table::parse(&text).unwrap_err())
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(refused("name='a'\nlimit=1").contains("nothing"));
        assert!(refused("name='a'\nroot='x'\nsystem='y'\nlimit=1").contains("not both"));
        assert!(refused("name='a'\nroot='x'\nlimit=0").contains("limit"));
        assert!(refused("name='a'\nroot='x'\nlimit=1\nicount=true\ncpus=2").contains("icount"));
        assert!(
            refused("name='a'\nroot='x'\nlimit=1\nmachine='bochs'\nuefi=true").contains("QEMU")
        );
        assert!(refused("name='a'\nroot='x'\nlimit=1\ncpu=2").contains("unknown field"));
        assert!(refused("name='a'\nlimit=1\nsteps=[{log='x'},{end=true}]").contains("after `end`"));
        assert!(
            refused("name='a'\nroot='x'\nlimit=1\n[[test]]\nname='a'\nroot='x'\nlimit=1")
                .contains("two")
        );
    }

    #[test]
    fn steps_are_read() {
        let text = "failure_signs = []\n[[test]]\nname='a'\nlimit=1\n\
            steps=[{wait='x'},{send='y'},{absent='z'},{ask={command='c',answer='d'}},{end=true}]";
        let table = Table::parse(text).unwrap();
        let steps = &table.tests(false).next().unwrap().steps;
        assert_eq!(steps[0], Step::Wait("x".into()));
        assert_eq!(steps[4], Step::End(true));
        assert_eq!(steps.len(), 5);
    }
}
