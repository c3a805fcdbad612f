//! An emulated machine that runs an ISO: started, listened to, ended and reaped.

mod bochs;
mod qemu;

use crate::process;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

pub use qemu::{UEFI_FIRMWARE, gdb_port};

/// Which emulator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// QEMU by software emulation: an AMD machine.
    #[default]
    Qemu,
    /// Bochs: an Intel machine.
    Bochs,
}

/// A machine to run on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Which emulator.
    pub kind: Kind,
    /// UEFI firmware instead of a BIOS (QEMU only).
    pub uefi: bool,
    /// Processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// Time by executed instructions: one instruction is one nanosecond (QEMU with one processor only).
    pub icount: bool,
    /// All processors in one thread of the host, in turns (QEMU only): for programs that would wait for each other most of
    /// the time, which an overcommitted host makes slow.
    pub single_thread: bool,
    /// Wait for a debugger before the first instruction (QEMU only).
    pub debugger: bool,
    /// Show the screen in a window, if this QEMU and this desktop can.
    pub window: bool,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            kind: Kind::Qemu,
            uefi: false,
            cpus: 1,
            memory: 512,
            icount: false,
            single_thread: false,
            debugger: false,
            window: false,
        }
    }
}

/// What an emulated machine does.
#[derive(Debug)]
pub enum Event {
    /// Text on its first serial line.
    Serial(Vec<u8>),
    /// It ended.
    End,
    /// The user, or whoever ends programs, wants us to end (see [`crate::terminal`]).
    Quit,
}

/// A running emulator; dropping it ends and reaps it.
pub struct Emulator {
    child: Child,
    directory: PathBuf,
    /// Into the first serial line.
    input: Option<Box<dyn Write + Send>>,
    events: Receiver<Event>,
    sender: Sender<Event>,
}

/// File names in the directory of a run.
pub mod file {
    /// Everything that came on COM1.
    pub const SERIAL: &str = "serial.log";
    /// Everything that came on COM2.
    pub const DEFMT: &str = "defmt.bin";
    /// Socket of COM3.
    pub const CONTROL: &str = "control.sock";
    /// What the emulator itself had to say.
    pub const EMULATOR: &str = "emulator.log";
}

impl Emulator {
    /// Starts a machine with an ISO; its files go to `directory`.
    pub fn start(machine: &Machine, iso: &Path, directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("creating {}", directory.display()))?;
        for name in [file::DEFMT, file::SERIAL] {
            File::create(directory.join(name))?;
        }
        match machine.kind {
            Kind::Qemu => qemu::start(machine, iso, directory),
            Kind::Bochs => bochs::start(machine, iso, directory),
        }
    }

    fn new(child: Child, directory: &Path) -> Self {
        let (sender, events) = channel();
        Self {
            child,
            directory: directory.to_path_buf(),
            input: None,
            events,
            sender,
        }
    }

    /// Connects the first serial line: everything read goes to the log and to whoever waits for events.
    fn connect(
        &mut self,
        mut output: impl Read + Send + 'static,
        input: impl Write + Send + 'static,
    ) -> Result<()> {
        self.input = Some(Box::new(input));
        let mut log = File::create(self.directory.join(file::SERIAL))?;
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // An error here is the end as well: the emulator is gone.
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                // A full disk must not stop the machine's console.
                let _ = log.write_all(&buffer[..count]);
                if sender
                    .send(Event::Serial(buffer[..count].to_vec()))
                    .is_err()
                {
                    return;
                }
            }
            let _ = sender.send(Event::End);
        });
        Ok(())
    }

    /// What happens, in order.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// To put events of another source among the machine's.
    pub fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }

    /// Takes the writing end of the first serial line.
    pub fn take_input(&mut self) -> Option<Box<dyn Write + Send>> {
        self.input.take()
    }

    /// Writes to the first serial line.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let input = self.input.as_mut().context("the serial line is not open")?;
        input
            .write_all(bytes)
            .context("writing to the serial line")?;
        input.flush().context("writing to the serial line")
    }

    /// Ends the emulator if it still runs, and reaps it.
    pub fn end(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        // There is nothing in it worth saving.
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// What the emulator itself wrote, for error messages.
    pub fn last_words(&self) -> String {
        let text = std::fs::read(self.directory.join(file::EMULATOR)).unwrap_or_default();
        process::tail(&String::from_utf8_lossy(&text), 20)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Dead and reaped either way.
        let _ = self.end();
    }
}

/// A command that runs in `directory`, dies with us, and writes what it has to say to a file there.
fn command(program: &str, directory: &Path) -> Result<Command> {
    let words = File::create(directory.join(file::EMULATOR))?;
    let mut command = if process::find("setpriv").is_some() {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", program]);
        command
    } else {
        Command::new(program)
    };
    command
        .current_dir(directory)
        .stdout(words.try_clone()?)
        .stderr(words)
        .stdin(Stdio::null())
        // Ctrl-C on the terminal is for us, who then end it.
        .process_group(0);
    Ok(command)
}

/// Replaces each `{name}` of a template by its value.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = template.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("{{{name}}}"), value);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled() {
        assert_eq!(fill("-m {memory} {x}", &[("memory", "512")]), "-m 512 {x}");
    }

    #[test]
    fn every_placeholder_of_the_boards_is_known() {
        let (qemu, bochs) = (qemu::ARGUMENTS, bochs::CONFIGURATION);
        for (text, known) in [
            (qemu, &["{cpus}", "{memory}", "{iso}"][..]),
            (bochs, &["{cpus}", "{memory}", "{iso}", "{port}"]),
        ] {
            let lines = text.lines().filter(|l| !l.starts_with('#'));
            let mut rest = lines.collect::<Vec<_>>().join("\n");
            for name in known {
                assert!(rest.contains(name), "{name}");
                rest = rest.replace(name, "");
            }
            assert!(!rest.contains('{'), "{rest}");
        }
    }
}
