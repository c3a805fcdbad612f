//! Tests in an emulator: builds their images once, runs each machine, and judges what it says.

use super::protocol::Report;
use super::result::TestResult;
use super::table::{MachineTest, Step};
use crate::control::Control;
use crate::emulator::{Emulator, Kind, file};
use crate::harness::Watch;
use crate::setup::Need;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;
use crate::{compile, iso, process};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Lines of serial output that a failure shows.
const TAIL: usize = 30;

/// What a machine boots.
#[derive(Clone, Debug)]
pub struct Image {
    iso: PathBuf,
    /// The kernel with its symbols.
    kernel: PathBuf,
    /// Where its sources lie.
    sources: PathBuf,
}

/// ISOs of the systems that tests run, each built once.
#[derive(Default)]
pub struct Images {
    built: BTreeMap<(String, String), Image>,
}

impl Images {
    /// The ISO for a test.
    pub fn get(
        &mut self,
        workspace: &Workspace,
        toolchain: &Toolchain,
        test: &MachineTest,
    ) -> Result<Image> {
        let key = test.image_key();
        if let Some(image) = self.built.get(&key) {
            return Ok(image.clone());
        }
        let system = test.system(workspace)?;
        let files = compile::build(workspace, toolchain, &system)?;
        let place = workspace.output().join("test").join("images");
        std::fs::create_dir_all(&place)?;
        let iso = place.join(format!("{}-{}.iso", system.name(), self.built.len()));
        iso::write(&files, &iso, &place.join("iso"))?;
        let image = Image {
            iso,
            kernel: files.kernel_symbols,
            sources: workspace.root().to_path_buf(),
        };
        self.built.insert(key, image.clone());
        Ok(image)
    }
}

/// What the machines of these tests need.
pub fn needs(tests: &[&MachineTest]) -> Vec<Need> {
    let mut needs = vec![Need::Iso];
    for test in tests {
        needs.push(match test.machine {
            Kind::Qemu => Need::Qemu,
            Kind::Bochs => Need::Bochs,
        });
        if test.uefi {
            needs.push(Need::Uefi);
        }
        if test.guest.is_some() {
            needs.push(Need::Guest);
        }
    }
    needs
}

/// Runs a test; its results, each named below the test's own name.
pub fn run(
    test: &MachineTest,
    image: &Image,
    place: &Path,
    failure_signs: &[String],
) -> Vec<TestResult> {
    let started = Instant::now();
    let directory = place.join(&test.name);
    let mut results = Vec::new();
    let outcome = attempt(test, image, &directory, failure_signs, &mut results);
    let log = place.join(format!("{}.log", test.name));
    let serial = std::fs::read(directory.join(file::SERIAL)).unwrap_or_default();
    let kept = std::fs::write(&log, &serial).with_context(|| format!("writing {}", log.display()));
    let outcome = outcome.and(kept);
    // A program's own results say all there is to say, unless something is wrong with the run itself.
    if outcome.is_err() || !test.steps.is_empty() {
        results.push(TestResult::new(
            if test.steps.is_empty() {
                format!("{}/run", test.name)
            } else {
                test.name.clone()
            },
            outcome.map_err(|error| format!("{error:#}")),
            started.elapsed(),
        ));
    }
    let text = crate::plain_text::PlainText::default().push(&serial);
    if let Some(last) = results.iter_mut().rfind(|r| !r.passed()) {
        last.explain(&format!(
            "the end of {}:\n{}",
            log.display(),
            process::tail(&text, TAIL)
        ));
    }
    results
}

fn attempt(
    test: &MachineTest,
    image: &Image,
    directory: &Path,
    failure_signs: &[String],
    results: &mut Vec<TestResult>,
) -> Result<()> {
    let emulator = Emulator::start(&test.machine(), &image.iso, directory)?;
    let mut watch = Watch::new(emulator, test.limit(), failure_signs);
    if test.steps.is_empty() {
        follow_program(test, &mut watch, results)
    } else {
        test.steps.iter().enumerate().try_for_each(|(index, step)| {
            follow_step(step, &mut watch, image, directory)
                .with_context(|| format!("step {}", index + 1))
        })
    }
}

fn follow_program(
    test: &MachineTest,
    watch: &mut Watch,
    results: &mut Vec<TestResult>,
) -> Result<()> {
    let mut report = Report::default();
    let mut before = Instant::now();
    let mut ended = Ok(());
    loop {
        let done = match watch.next_line() {
            Ok(Some(line)) => report.take(&line),
            Ok(None) => true,
            Err(error) => {
                ended = Err(error);
                true
            }
        };
        for (name, failure) in &report.tests[results.len()..] {
            results.push(TestResult::new(
                format!("{}/{name}", test.name),
                failure.clone().map_or(Ok(()), Err),
                before.elapsed(),
            ));
            before = Instant::now();
        }
        if done {
            break;
        }
    }
    ended?;
    match report.fault() {
        None => Ok(()),
        Some(fault) => bail!(fault),
    }
}

fn follow_step(step: &Step, watch: &mut Watch, image: &Image, directory: &Path) -> Result<()> {
    match step {
        Step::Wait(text) => watch.wait(text),
        Step::Send(text) => watch.send_line(text),
        Step::Absent(text) => watch.absent(text),
        Step::End(_) => watch.wait_for_end(),
        Step::Log(text) => {
            let log = directory.join(file::DEFMT);
            let lines = crate::log::lines(&image.kernel, &image.sources, &log)?;
            if !lines.iter().any(|line| line.contains(text)) {
                bail!(
                    "no line of the kernel's log holds {text:?}:\n{}",
                    lines.join("\n")
                );
            }
            Ok(())
        }
        Step::Ask(ask) => {
            let records = Control::connect_in(directory)?.request(&ask.command)?;
            let answer = serde_json::to_string(&records)?;
            if !answer.contains(&ask.answer) {
                bail!(
                    "the answer to {:?} does not hold {:?}: {answer}",
                    ask.command,
                    ask.answer
                );
            }
            Ok(())
        }
    }
}
