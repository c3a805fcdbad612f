//! Measures the kernel and sets the figures beside those of other kernels.

mod lines;
mod reference;
mod table;

use crate::cli::BenchOptions;
use crate::compile::{self, BootFiles};
use crate::emulator::{Emulator, Machine};
use crate::harness::Watch;
use crate::iso;
use crate::progress::Step;
use crate::setup::{self, Need};
use crate::system::{self, System};
use crate::terminal::READY;
use crate::test::failure_signs;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail, ensure};
use elf::ElfBytes;
use elf::endian::LittleEndian;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The program that measures, in root's place.
pub const PROGRAM: &str = "bench";
/// Time for one machine.
const LIMIT: Duration = Duration::from_secs(300);

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// What was measured.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: String,
    /// How.
    #[serde(default)]
    pub note: String,
}

impl Measure {
    fn new(name: &str, value: f64, unit: &str, note: &str) -> Self {
        Self {
            name: name.into(),
            value,
            unit: unit.into(),
            note: note.into(),
        }
    }
}

/// `tools/pagurus bench`.
pub fn bench(options: &BenchOptions) -> Result<()> {
    let toolchain = setup::ensure(&[Need::Iso, Need::Qemu])?;
    let workspace = Workspace::load(&toolchain)?;
    let bench = Bench {
        workspace,
        toolchain,
    };
    let mut measures = bench.kernel_paths()?;
    measures.extend(bench.boot()?);
    if options.json {
        println!("{}", serde_json::to_string_pretty(&measures)?);
    } else {
        print!("{}", table::format(&measures));
    }
    Ok(())
}

/// A system on an ISO.
struct Image {
    files: BootFiles,
    iso: PathBuf,
    /// Where its machine's files go.
    directory: PathBuf,
}

struct Bench {
    workspace: Workspace,
    toolchain: Toolchain,
}

impl Bench {
    /// What the program on the machine measures, and the size of the kernel under it.
    fn kernel_paths(&self) -> Result<Vec<Measure>> {
        let image = self.image(&System::of_program(PROGRAM))?;
        let mut watch = self.start(&image, true)?;
        let step = Step::start("measuring in QEMU, counting instructions");
        let mut measures = Vec::new();
        loop {
            let line = watch
                .next_line()?
                .context("the program ended before it said DONE")?;
            match parse(&line)? {
                Some(Line::Measure(measure)) => measures.push(measure),
                Some(Line::Done(count)) => {
                    ensure!(
                        count == measures.len() && count > 0,
                        "the program says it measured {count} things, but {} came",
                        measures.len()
                    );
                    break;
                }
                None => {}
            }
        }
        step.done();
        measures.extend(self.sizes(&image.files)?);
        Ok(measures)
    }

    /// How long it takes from the machine's start to the console's prompt.
    fn boot(&self) -> Result<Vec<Measure>> {
        let system = System::named(&self.workspace, system::DEFAULT)?;
        let image = self.image(&system)?;
        let step = Step::start("measuring the way to the console");
        let ticks = ready_ticks(&mut self.start(&image, true)?)?;
        let started = Instant::now();
        ready_ticks(&mut self.start(&image, false)?)?;
        let seconds = started.elapsed().as_secs_f64();
        step.done();
        Ok(vec![
            Measure::new(
                "boot_to_console",
                ticks,
                "instructions",
                "from reset, with SeaBIOS and GRUB; waiting counts one per nanosecond",
            ),
            Measure::new(
                "boot_to_console_seconds",
                (seconds * 1000.0).round() / 1000.0,
                "s",
                "wall time on this host, from QEMU's start",
            ),
        ])
    }

    fn image(&self, system: &System) -> Result<Image> {
        let files = compile::build(&self.workspace, &self.toolchain, system)?;
        let place = self.workspace.output().join("bench");
        std::fs::create_dir_all(&place)?;
        let iso = place.join(format!("{}.iso", system.name()));
        iso::write(&files, &iso, &place.join("iso"))?;
        Ok(Image {
            directory: place.join(system.name()),
            files,
            iso,
        })
    }

    fn start(&self, image: &Image, icount: bool) -> Result<Watch> {
        let machine = Machine {
            icount,
            ..Machine::default()
        };
        let emulator = Emulator::start(&machine, &image.iso, &image.directory)?;
        Ok(Watch::new(emulator, LIMIT, &failure_signs()?))
    }

    fn sizes(&self, files: &BootFiles) -> Result<Vec<Measure>> {
        let kernel = files
            .modules
            .iter()
            .find(|m| m.name == compile::KERNEL)
            .context("the system has no kernel")?;
        let bytes = std::fs::read(&kernel.file)?;
        let lines = lines::count_below(&self.workspace.root().join("kernel"))?;
        Ok(vec![
            Measure::new(
                "kernel_image_bytes",
                bytes.len() as f64,
                "bytes",
                "ELF file without symbols",
            ),
            Measure::new(
                "kernel_text_bytes",
                text_bytes(&bytes)? as f64,
                "bytes",
                "executable segments",
            ),
            Measure::new(
                "kernel_lines",
                lines as f64,
                "lines",
                "Rust under kernel/ without comments, documentation, empty lines and tests",
            ),
        ])
    }
}

/// Bytes of the segments that the processor may execute.
fn text_bytes(file: &[u8]) -> Result<u64> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).context("the kernel is no ELF file")?;
    let segments = elf.segments().context("the kernel has no segments")?;
    Ok(segments
        .iter()
        .filter(|s| s.p_type == elf::abi::PT_LOAD && s.p_flags & elf::abi::PF_X != 0)
        .map(|s| s.p_memsz)
        .sum())
}

enum Line {
    Measure(Measure),
    Done(usize),
}

/// A line of the program that measures: `BENCH {json}`, and `DONE n` at the end.
fn parse(line: &str) -> Result<Option<Line>> {
    let line = line.trim();
    if let Some(json) = line.strip_prefix("BENCH ") {
        let measure =
            serde_json::from_str(json).with_context(|| format!("the program printed {line:?}"))?;
        return Ok(Some(Line::Measure(measure)));
    }
    let Some(count) = line.strip_prefix("DONE ") else {
        return Ok(None);
    };
    let count = count
        .parse()
        .with_context(|| format!("the program printed {line:?}"))?;
    Ok(Some(Line::Done(count)))
}

/// Waits for the console; the time stamp counter at its prompt.
fn ready_ticks(watch: &mut Watch) -> Result<f64> {
    loop {
        let line = watch
            .next_line()?
            .context("the machine ended before its console was ready")?;
        let Some((_, rest)) = line.split_once(READY) else {
            continue;
        };
        let ticks = rest
            .split_whitespace()
            .find_map(|word| word.strip_prefix("tsc="));
        let Some(ticks) = ticks.and_then(|text| text.parse::<u64>().ok()) else {
            bail!("the console says {line:?} without its time stamp (tsc=N)");
        };
        return Ok(ticks as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_program() {
        let line = "BENCH {\"name\":\"signal\",\"value\":120,\"unit\":\"instructions\"}\r";
        let Some(Line::Measure(measure)) = parse(line).unwrap() else {
            panic!("no measure");
        };
        assert_eq!(measure, Measure::new("signal", 120.0, "instructions", ""));
        assert!(matches!(parse("DONE 3").unwrap(), Some(Line::Done(3))));
        assert!(parse("hello").unwrap().is_none());
        assert!(parse("BENCH nonsense").is_err());
        assert!(parse("DONE many").is_err());
    }

    #[test]
    fn text_is_what_may_be_executed() {
        let us = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let text = text_bytes(&us).unwrap();
        assert!(text > 10_000 && text < us.len() as u64);
        assert!(text_bytes(b"no ELF file").is_err());
    }
}
