//! Builds everything that runs on the machine: loader, kernel, root, components, the system's image.

use crate::guest::pack;
use crate::process;
use crate::progress::Step;
use crate::system::System;
use crate::toolchain::{MACHINE, Toolchain};
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Name of the loader's program.
pub const LOADER: &str = "pagurus-loader";
/// Name of the kernel's program.
pub const KERNEL_PROGRAM: &str = "pagurus-kernel";
/// Name of the kernel's boot module.
pub const KERNEL: &str = "kernel";

/// A file that the boot loader hands to the kernel.
pub struct Module {
    /// Its name on the module's command line.
    pub name: String,
    /// Where it lies.
    pub file: PathBuf,
}

/// Everything that goes onto the ISO.
pub struct BootFiles {
    /// The loader, which GRUB starts.
    pub loader: PathBuf,
    /// What GRUB loads beside it, in order.
    pub modules: Vec<Module>,
    /// The kernel's command line.
    pub command_line: String,
    /// The kernel with its symbols.
    pub kernel_symbols: PathBuf,
    /// Programs with their symbols, by name.
    pub symbols: Vec<Module>,
}

/// Builds a system; its files are in `target/pagurus/NAME/`.
pub fn build(workspace: &Workspace, toolchain: &Toolchain, system: &System) -> Result<BootFiles> {
    let place = workspace.output().join(system.name());
    let programs = system.programs();
    let step = Step::start(format!(
        "building the kernel and system `{}`",
        system.name()
    ));
    // One build for each of them: what is built together shares the features of its dependencies, and neither
    // loader nor kernel must get what only components need (a heap, say).
    let components: Vec<_> = programs.iter().map(|p| p.binary.clone()).collect();
    for group in [
        &[LOADER.to_owned()][..],
        &[KERNEL_PROGRAM.to_owned()],
        &components,
    ] {
        cargo_build(workspace, toolchain, group, system.description())?;
    }
    step.done();

    std::fs::create_dir_all(place.join("boot"))?;
    let mut files = BootFiles {
        loader: strip(workspace, LOADER, "loader", &place)?,
        modules: Vec::new(),
        command_line: system.command_line().to_owned(),
        kernel_symbols: symbols(&place, KERNEL),
        symbols: Vec::new(),
    };
    files.modules.push(Module {
        name: KERNEL.into(),
        file: strip(workspace, KERNEL_PROGRAM, KERNEL, &place)?,
    });
    for (index, program) in programs.iter().enumerate() {
        files.modules.push(Module {
            name: program.module.clone(),
            file: strip(workspace, &program.binary, &program.module, &place)?,
        });
        files.symbols.push(Module {
            name: program.module.clone(),
            file: symbols(&place, &program.module),
        });
        // Root first, then what it reads, then everyone else.
        if index == 0
            && let Some(image) = system.image()
        {
            let file = place.join("boot/system");
            std::fs::write(&file, image)?;
            files.modules.push(Module {
                name: "system".into(),
                file,
            });
        }
    }
    files
        .modules
        .extend(pack::write(system.guests(), &place.join("boot"))?);
    Ok(files)
}

/// Builds programs for the machine, with the same features of what they share.
fn cargo_build(
    workspace: &Workspace,
    toolchain: &Toolchain,
    binaries: &[String],
    description: Option<&Path>,
) -> Result<()> {
    let mut command = toolchain.cargo_for_machine("build");
    command.arg("--quiet");
    if let [first, ..] = binaries {
        command.args(["--profile", profile(first)]);
    }
    for binary in binaries {
        let package = workspace.package_of_binary(binary)?;
        command.args(["--package", package.name.as_str(), "--bin", binary]);
    }
    if let Some(path) = description {
        // Components make constants of their capability slots from it, in their build scripts.
        command.env("PAGURUS_SYSTEM", path);
    }
    process::run(&mut command)
}

/// The profile that a program is built with (see the workspace's Cargo.toml), which names its folder too.
fn profile(binary: &str) -> &'static str {
    if binary == KERNEL_PROGRAM {
        "kernel"
    } else {
        "release"
    }
}

fn symbols(place: &Path, name: &str) -> PathBuf {
    place.join(format!("{name}.elf"))
}

/// Keeps a program with its symbols, and makes the copy without them that boots; returns the latter.
fn strip(workspace: &Workspace, binary: &str, name: &str, place: &Path) -> Result<PathBuf> {
    let built = workspace
        .target()
        .join(MACHINE)
        .join(profile(binary))
        .join(binary);
    let whole = symbols(place, name);
    std::fs::copy(&built, &whole).with_context(|| format!("copying {}", built.display()))?;
    let stripped = place.join("boot").join(name);
    process::output(
        Command::new("strip")
            .args(["--strip-all", "-o"])
            .arg(&stripped)
            .arg(&whole),
    )
    .with_context(|| format!("removing the symbols of {name} (package binutils)"))?;
    Ok(stripped)
}
