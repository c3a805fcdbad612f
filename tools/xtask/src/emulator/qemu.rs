//! QEMU: the AMD machine.

use super::{Emulator, Machine, command, fill};
use crate::process;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// The words of its command line that are the same for every run.
pub const ARGUMENTS: &str = include_str!("../../../../board-support/qemu/arguments");

/// Firmware images, in order of preference: a whole image, or code whose variables lie beside it.
pub const UEFI_FIRMWARE: &[&str] = &["/usr/share/ovmf/OVMF.fd", "/usr/share/OVMF/OVMF_CODE_4M.fd"];

/// Where QEMU waits for a debugger.
pub fn gdb_port() -> u16 {
    1234
}

pub fn start(machine: &Machine, iso: &Path, directory: &Path) -> Result<Emulator> {
    if machine.icount && machine.cpus != 1 {
        bail!("counting instructions works with one processor only; leave out --icount or --cpus");
    }
    let mut qemu = command("qemu-system-x86_64", directory)?;
    qemu.args(arguments(machine, iso));
    if machine.uefi {
        qemu.args(firmware(directory)?);
    }
    qemu.args(["-display", display(machine)]);
    // A socket of an earlier run that was killed.
    let _ = std::fs::remove_file(directory.join(super::file::CONTROL));
    let mut child = qemu
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting qemu-system-x86_64 (package qemu-system-x86)")?;
    let output = child.stdout.take().context("no output of QEMU")?;
    let input = child.stdin.take().context("no input of QEMU")?;
    let mut emulator = Emulator::new(child, directory);
    emulator.connect(output, input)?;
    Ok(emulator)
}

/// The word of the template for software emulation.
const ACCELERATOR: &str = "tcg";

fn arguments(machine: &Machine, iso: &Path) -> Vec<String> {
    let (cpus, memory) = (machine.cpus.to_string(), machine.memory.to_string());
    let iso = iso.to_string_lossy();
    let mut words: Vec<String> = ARGUMENTS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace)
        // Filled after the words are apart: a path may have spaces.
        .map(|word| fill(word, &[("cpus", &cpus), ("memory", &memory), ("iso", &iso)]))
        .collect();
    if machine.single_thread
        && let Some(word) = words.iter_mut().find(|word| *word == ACCELERATOR)
    {
        word.push_str(",thread=single");
    }
    if machine.icount {
        words.extend(["-icount".into(), "shift=0,sleep=off".into()]);
    }
    if machine.debugger {
        words.extend([
            "-gdb".into(),
            format!("tcp:127.0.0.1:{}", gdb_port()),
            "-S".into(),
        ]);
    }
    words
}

/// Arguments for UEFI firmware; its variables are a copy that the run may change.
fn firmware(directory: &Path) -> Result<Vec<String>> {
    let Some(image) = UEFI_FIRMWARE.iter().find(|f| Path::new(f).exists()) else {
        bail!(
            "no UEFI firmware: looked for {} (package ovmf)",
            UEFI_FIRMWARE.join(" and ")
        );
    };
    if !image.contains("_CODE") {
        return Ok(vec!["-bios".into(), (*image).into()]);
    }
    std::fs::copy(
        image.replace("_CODE", "_VARS"),
        directory.join("uefi-variables.fd"),
    )
    .context("copying the firmware's variables")?;
    Ok(vec![
        "-drive".into(),
        format!("if=pflash,format=raw,readonly=on,file={image}"),
        "-drive".into(),
        "if=pflash,format=raw,file=uefi-variables.fd".into(),
    ])
}

/// A window where there is a desktop and a QEMU that can draw on it.
fn display(machine: &Machine) -> &'static str {
    let desktop = ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()));
    if !machine.window || !desktop {
        return "none";
    }
    let known = process::output(Command::new("qemu-system-x86_64").args(["-display", "help"]))
        .unwrap_or_default();
    ["gtk", "sdl"]
        .into_iter()
        .find(|name| known.lines().any(|line| line.trim() == *name))
        .unwrap_or("none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_follow_the_machine() {
        let machine = Machine {
            cpus: 1,
            memory: 300,
            icount: true,
            ..Machine::default()
        };
        let words = arguments(&machine, Path::new("/a b/x.iso"));
        let follows =
            |name: &str, value: &str| words.windows(2).any(|w| w[0] == name && w[1] == value);
        assert!(follows("-m", "300") && follows("-smp", "1"));
        assert!(follows("-cdrom", "/a b/x.iso"));
        assert!(follows("-icount", "shift=0,sleep=off"));
        assert!(!words.iter().any(|w| w == "-S"));
        assert!(follows("-accel", "tcg"));
        let single = Machine {
            single_thread: true,
            ..Machine::default()
        };
        let words = arguments(&single, Path::new("x.iso"));
        assert!(words.iter().any(|w| w == "tcg,thread=single"));
    }

    #[test]
    fn icount_refuses_more_than_one_processor() {
        let machine = Machine {
            cpus: 2,
            icount: true,
            ..Machine::default()
        };
        let Err(error) = start(&machine, Path::new("x.iso"), Path::new("/tmp")) else {
            panic!("started");
        };
        assert!(error.to_string().contains("--icount"));
    }
}
