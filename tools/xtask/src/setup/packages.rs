//! System packages: which are needed for what, how to see that they are there, how to get them.

use crate::process;
use crate::progress::note;
use crate::toolchain::Toolchain;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// What a command is going to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Make the ISO.
    Iso,
    /// Run it in QEMU.
    Qemu,
    /// Run it in QEMU with UEFI firmware.
    Uefi,
    /// Run it in Bochs.
    Bochs,
    /// Debug it.
    Debugger,
    /// Check format and style of the source.
    Checks,
    /// Make a guest from packages.
    Guest,
}

impl Need {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Iso,
        Self::Qemu,
        Self::Uefi,
        Self::Bochs,
        Self::Debugger,
        Self::Checks,
        Self::Guest,
    ];
}

/// A sign that a package is installed.
enum Sign {
    Program(&'static str),
    /// Any of these files: releases of Debian differ in where they put them.
    File(&'static [&'static str]),
}

struct Package {
    name: &'static str,
    sign: Sign,
    need: Need,
}

const fn program(name: &'static str, program: &'static str, need: Need) -> Package {
    Package {
        name,
        sign: Sign::Program(program),
        need,
    }
}

const fn file(name: &'static str, files: &'static [&'static str], need: Need) -> Package {
    Package {
        name,
        sign: Sign::File(files),
        need,
    }
}

const PACKAGES: &[Package] = &[
    program("binutils", "strip", Need::Iso),
    program("grub-common", "grub-mkrescue", Need::Iso),
    file(
        "grub-pc-bin",
        &["/usr/lib/grub/i386-pc/multiboot2.mod"],
        Need::Iso,
    ),
    file(
        "grub-efi-amd64-bin",
        &["/usr/lib/grub/x86_64-efi/multiboot2.mod"],
        Need::Iso,
    ),
    program("xorriso", "xorriso", Need::Iso),
    program("mtools", "mformat", Need::Iso),
    program("qemu-system-x86", "qemu-system-x86_64", Need::Qemu),
    file("ovmf", crate::emulator::UEFI_FIRMWARE, Need::Uefi),
    program("bochs", "bochs", Need::Bochs),
    file(
        "bochsbios",
        &["/usr/share/bochs/BIOS-bochs-latest"],
        Need::Bochs,
    ),
    file(
        "vgabios",
        &["/usr/share/bochs/VGABIOS-lgpl-latest"],
        Need::Bochs,
    ),
    program("gdb", "gdb", Need::Debugger),
    // Compressed kernel modules: Debian's, Ubuntu's.
    program("xz-utils", "xz", Need::Guest),
    program("zstd", "zstd", Need::Guest),
];

impl Sign {
    fn is_there(&self) -> bool {
        match self {
            Self::Program(name) => process::find(name).is_some(),
            // `exists` follows links: a link into a package that is missing does not count.
            Self::File(files) => files.iter().any(|f| Path::new(f).exists()),
        }
    }
}

fn missing(packages: &[Package], needs: &[Need]) -> Vec<&'static str> {
    packages
        .iter()
        .filter(|p| needs.contains(&p.need) && !p.sign.is_there())
        .map(|p| p.name)
        .collect()
}

/// Installs the packages that are missing.
pub fn ensure(needs: &[Need]) -> Result<()> {
    let names = missing(PACKAGES, needs);
    if names.is_empty() {
        return Ok(());
    }
    if !can_be_root() {
        // Whoever has to ask somebody else asks once, for all that any command needs.
        check_can_install(&missing(PACKAGES, &Need::ALL))?;
    }
    install(&names)?;
    let still = missing(PACKAGES, needs);
    if !still.is_empty() {
        bail!(
            "installed {}, but what they should bring is still not there; \
             is this another distribution than Debian or Ubuntu?",
            still.join(", ")
        );
    }
    Ok(())
}

/// Fails, with the command for whoever can, if these packages cannot be installed from here.
pub fn check_can_install(names: &[&str]) -> Result<()> {
    let names = names.join(" ");
    if process::find("apt-get").is_none() {
        bail!("no apt-get here; install what these Debian packages hold: {names}");
    }
    if !can_be_root() {
        bail!(
            "Debian packages are missing, this is not root, and there is no sudo. \
             Have root run this, then start again:\n    \
             apt-get update && apt-get install --no-install-recommends {names}"
        );
    }
    Ok(())
}

/// Installs Debian packages; fetches the package lists only if that fails without them. Never removes one.
pub fn install(names: &[&str]) -> Result<()> {
    check_can_install(names)?;
    note(format!("installing packages: {}", names.join(" ")));
    let quiet = as_root(&apt_install(names))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("starting apt-get")?;
    if quiet.success() {
        return Ok(());
    }
    update()?;
    process::run(&mut as_root(&apt_install(names)))
}

/// Fetches the package lists.
pub fn update() -> Result<()> {
    process::run(&mut as_root(&["apt-get", "update", "-qq"]))
}

/// The version that apt-get would install, if it knows the package.
pub fn candidate(name: &str) -> Option<String> {
    let policy = process::output(Command::new("apt-cache").args(["policy", name])).ok()?;
    parse_candidate(&policy)
}

fn parse_candidate(policy: &str) -> Option<String> {
    let version = policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then(|| version.to_owned())
}

fn apt_install<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec![
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
        "-qq",
        "-y",
        "--no-install-recommends",
        "--no-remove",
    ];
    words.extend(names);
    words
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether commands can be run as root.
pub fn can_be_root() -> bool {
    is_root() || process::find("sudo").is_some()
}

/// The command as root: as it is, or by sudo. The first words may set variables.
fn as_root(words: &[&str]) -> Command {
    let mut command = if is_root() {
        Command::new("env")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    };
    command.args(words);
    command
}

/// Makes sure that the tool chain has its formatter and its linter.
pub fn ensure_checkers(toolchain: &Toolchain) -> Result<()> {
    let has = |subcommand: &str| {
        process::output(toolchain.cargo().args([subcommand, "--version"])).is_ok()
    };
    let missing: Vec<&str> = ["fmt", "clippy"].into_iter().filter(|s| !has(s)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if toolchain.cargo_path() == Path::new("/usr/bin/cargo") {
        let packages: Vec<&str> = missing
            .iter()
            .map(|s| {
                if *s == "fmt" {
                    "rustfmt-web"
                } else {
                    "rust-web-clippy"
                }
            })
            .collect();
        return install(&packages);
    }
    let components = missing
        .iter()
        .map(|s| if *s == "fmt" { "rustfmt" } else { "clippy" });
    note("rustup: adding the formatter and the linter");
    process::run(
        Command::new("rustup")
            .current_dir(crate::workspace::root())
            .args(["component", "add"])
            .args(components),
    )
    .context("the tool chain lacks `cargo fmt` or `cargo clippy`, and rustup could not add them")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: Package = program("dash", "sh", Need::Iso);
    const ABSENT: Package = program("absent", "no-such-program-here", Need::Iso);
    const EITHER: Package = file("either", &["/no/such/file", "/"], Need::Qemu);
    const NEITHER: Package = file("neither", &["/no/such/file"], Need::Qemu);

    #[test]
    fn only_what_is_missing_and_needed_is_named() {
        let all = [SHELL, ABSENT, EITHER, NEITHER];
        assert_eq!(missing(&all, &[Need::Iso]), ["absent"]);
        assert_eq!(missing(&all, &[Need::Qemu]), ["neither"]);
        assert_eq!(
            missing(&all, &[Need::Iso, Need::Qemu]),
            ["absent", "neither"]
        );
        assert!(missing(&all, &[Need::Bochs]).is_empty());
    }

    #[test]
    fn the_candidate_is_read_from_the_policy() {
        let policy = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n";
        assert_eq!(parse_candidate(policy).unwrap(), "1.96.0+dfsg1-1~deb12u2");
        assert_eq!(
            parse_candidate("x:\n  Installed: (none)\n  Candidate: (none)\n"),
            None
        );
        assert_eq!(parse_candidate(""), None);
    }

    #[test]
    fn apt_never_removes_and_never_asks() {
        let words = apt_install(&["a", "b"]);
        assert!(words.contains(&"--no-remove") && words.contains(&"-y"));
        assert!(words.contains(&"--no-install-recommends"));
        assert_eq!(words[words.len() - 2..], ["a", "b"]);
    }
}
