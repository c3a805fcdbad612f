//! The Rust tool chain that builds everything: which cargo, which compiler, which linker.

use crate::process;
use anyhow::{Context, Result};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The target of everything that runs on the machine itself.
pub const MACHINE: &str = "x86_64-unknown-none";

/// A cargo with the compiler that belongs to it.
#[derive(Clone, Debug)]
pub struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    /// Set where the tool chain does not carry `rust-lld`.
    linker: Option<&'static str>,
    /// Set where the libraries for the machine lie elsewhere than with the compiler.
    libraries: Option<String>,
    environment: Vec<(&'static str, OsString)>,
}

impl Toolchain {
    /// The one that this program was built and started with.
    pub fn current() -> Self {
        let variable = |name: &str, default: &str| {
            std::env::var_os(name).map_or_else(|| PathBuf::from(default), PathBuf::from)
        };
        let mut toolchain = Self {
            cargo: variable("CARGO", "cargo"),
            rustc: variable("RUSTC", "rustc"),
            linker: None,
            libraries: None,
            environment: Vec::new(),
        };
        toolchain.find_linker();
        toolchain
    }

    /// Debian's packages `rustc-web` and `cargo-web`, if they are installed.
    pub fn debian() -> Option<Self> {
        if !Path::new("/usr/bin/cargo").exists() || !Path::new("/usr/bin/rustc").exists() {
            return None;
        }
        let mut path = OsString::from("/usr/bin:");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut toolchain = Self {
            cargo: "/usr/bin/cargo".into(),
            rustc: "/usr/bin/rustc".into(),
            linker: None,
            libraries: None,
            // Without these, cargo takes whatever stands first in PATH.
            environment: vec![
                ("RUSTC", "/usr/bin/rustc".into()),
                ("RUSTDOC", "/usr/bin/rustdoc".into()),
                ("RUSTFMT", "/usr/bin/rustfmt".into()),
                ("PATH", path),
            ],
        };
        toolchain.find_linker();
        Some(toolchain)
    }

    /// The same tool chain, with the libraries for the machine from a directory of their own.
    pub fn with_libraries(mut self, directory: &str) -> Self {
        self.libraries = Some(directory.to_owned());
        self
    }

    fn find_linker(&mut self) {
        let carried = self.sysroot().is_ok_and(|sysroot| {
            std::fs::read_dir(sysroot.join("lib/rustlib")).is_ok_and(|entries| {
                entries
                    .flatten()
                    .any(|e| e.path().join("bin/rust-lld").exists())
            })
        });
        if !carried && process::find("rust-lld").is_none() {
            self.linker = Some("ld");
        }
    }

    /// The cargo program.
    pub fn cargo_path(&self) -> &Path {
        &self.cargo
    }

    /// A cargo command that runs in the source tree.
    pub fn cargo(&self) -> Command {
        let mut command = self.command(&self.cargo);
        command.current_dir(crate::workspace::root());
        command
    }

    /// A cargo command on what is built for the machine.
    pub fn cargo_for_machine(&self, subcommand: &str) -> Command {
        let mut command = self.cargo();
        command.args([subcommand, "--target", MACHINE]);
        if let Some(linker) = self.linker {
            command.env("CARGO_TARGET_X86_64_UNKNOWN_NONE_LINKER", linker);
        }
        if let Some(directory) = &self.libraries {
            let (name, value) = search_flags(directory, |name| std::env::var(name).ok());
            command.env(name, value);
        }
        command
    }

    /// A compiler command.
    pub fn rustc(&self) -> Command {
        let mut command = self.command(&self.rustc);
        command.current_dir(crate::workspace::root());
        command
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        // `cargo run` points this at its own tool chain's libraries.
        command.env_remove("LD_LIBRARY_PATH");
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command
    }

    /// Where the compiler looks for libraries.
    pub fn sysroot(&self) -> Result<PathBuf> {
        let text = process::output(self.rustc().args(["--print", "sysroot"]))?;
        Ok(PathBuf::from(text.trim()))
    }

    /// The minor version: 95 of Rust 1.95.
    pub fn minor_version(&self) -> Result<u32> {
        let text = process::output(self.rustc().arg("--version"))?;
        parse_minor(&text).with_context(|| format!("`rustc --version` says {text:?}"))
    }

    /// Can it build for the machine? Tries it, because a directory that is there may be of another compiler.
    pub fn has_machine_target(&self) -> bool {
        let directory = std::env::temp_dir();
        let metadata = directory.join(format!("pagurus-probe-{}.rmeta", std::process::id()));
        let mut command = self.rustc();
        command
            .args(["--edition=2024", "--crate-name=probe", "--crate-type=rlib"])
            .args(["--emit=metadata", "--target", MACHINE, "-o"])
            .arg(&metadata)
            .args(self.libraries.iter().flat_map(|l| ["-L", l]))
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let works = process::feed(command, b"#![no_std]\nextern crate alloc;\n").unwrap_or(false);
        // Nothing is there when the compiler refused.
        let _ = std::fs::remove_file(metadata);
        works
    }
}

/// The variable, and its value, by which cargo lets the compiler look for libraries in a directory, beside what
/// the user's variables say. The name of the directory has no spaces.
fn search_flags(
    directory: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> (&'static str, String) {
    const ENCODED: &str = "CARGO_ENCODED_RUSTFLAGS";
    const GENERAL: &str = "RUSTFLAGS";
    const TARGET: &str = "CARGO_TARGET_X86_64_UNKNOWN_NONE_RUSTFLAGS";
    // Cargo looks only at the first of them that is set.
    let (name, separator) = [(ENCODED, "\x1f"), (GENERAL, " "), (TARGET, " ")]
        .into_iter()
        .find(|(name, _)| variable(name).is_some())
        .unwrap_or((TARGET, " "));
    let before = variable(name).filter(|flags| !flags.is_empty());
    let flags = before.iter().map(String::as_str).chain(["-L", directory]);
    (name, flags.collect::<Vec<_>>().join(separator))
}

fn parse_minor(version: &str) -> Option<u32> {
    version
        .strip_prefix("rustc 1.")?
        .split('.')
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_user_stay() {
        let flags = |set: &[(&str, &str)]| {
            let variable = |name: &str| set.iter().find(|s| s.0 == name).map(|s| s.1.to_owned());
            search_flags("/l", variable)
        };
        let target = "CARGO_TARGET_X86_64_UNKNOWN_NONE_RUSTFLAGS";
        assert_eq!(flags(&[]), (target, "-L /l".into()));
        assert_eq!(flags(&[(target, "-g")]), (target, "-g -L /l".into()));
        assert_eq!(
            flags(&[(target, "-g"), ("RUSTFLAGS", "-Dwarnings")]),
            ("RUSTFLAGS", "-Dwarnings -L /l".into())
        );
        assert_eq!(
            flags(&[("RUSTFLAGS", "-a"), ("CARGO_ENCODED_RUSTFLAGS", "-b")]),
            ("CARGO_ENCODED_RUSTFLAGS", "-b\x1f-L\x1f/l".into())
        );
        assert_eq!(
            flags(&[("CARGO_ENCODED_RUSTFLAGS", "")]),
            ("CARGO_ENCODED_RUSTFLAGS", "-L\x1f/l".into())
        );
    }

    #[test]
    fn minor_version_is_read() {
        assert_eq!(
            parse_minor("rustc 1.95.0 (59807616e 2026-04-14)\n"),
            Some(95)
        );
        assert_eq!(
            parse_minor("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)"),
            Some(96)
        );
        assert_eq!(parse_minor("rustc 2.0.0"), None);
    }
}
