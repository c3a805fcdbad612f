//! The bootable image: hybrid for BIOS and UEFI, made by GRUB.

use crate::compile::BootFiles;
use crate::emulator::fill;
use crate::process;
use crate::progress::Step;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

/// GRUB's menu.
const MENU: &str = include_str!("../../../board-support/grub.cfg");

/// Writes the ISO image of a system.
pub fn write(files: &BootFiles, iso: &Path, scratch: &Path) -> Result<()> {
    let step = Step::start(format!("writing {}", iso.display()));
    if scratch.exists() {
        std::fs::remove_dir_all(scratch)
            .with_context(|| format!("clearing {}", scratch.display()))?;
    }
    let boot = scratch.join("boot");
    std::fs::create_dir_all(boot.join("grub"))?;
    copy(&files.loader, &boot.join("loader"))?;
    for module in &files.modules {
        copy(&module.file, &boot.join(&module.name))?;
    }
    let names: Vec<&str> = files.modules.iter().map(|m| m.name.as_str()).collect();
    std::fs::write(
        boot.join("grub/grub.cfg"),
        menu(&names, &files.command_line)?,
    )?;
    // Written beside its place and renamed, so that an interrupted run leaves no half image.
    let partial = iso.with_extension("iso.partial");
    process::output(
        Command::new("grub-mkrescue")
            .arg("-o")
            .arg(&partial)
            .arg(scratch)
            // Fonts, themes and languages are for menus that people see.
            .args(["--fonts=", "--themes=", "--locales="]),
    )
    .context("making the ISO image (packages grub-common, grub-pc-bin, grub-efi-amd64-bin, xorriso, mtools)")?;
    std::fs::rename(&partial, iso).with_context(|| format!("writing {}", iso.display()))?;
    step.done();
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
    Ok(())
}

fn menu(modules: &[&str], command_line: &str) -> Result<String> {
    for text in modules.iter().chain([&command_line]) {
        ensure!(
            text.chars().all(|c| c.is_ascii_graphic() || c == ' ')
                && !text.contains(['"', '\'', '$', ';', '{', '}']),
            "GRUB cannot carry {text:?}: only plain ASCII without quotes, `$`, `;` and braces"
        );
    }
    let lines: Vec<String> = modules
        .iter()
        .map(|name| format!("    module2 /boot/{name} {name}"))
        .collect();
    Ok(fill(
        MENU,
        &[
            ("command_line", command_line),
            ("modules", &lines.join("\n")),
        ],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn menu_names_every_module_in_order() {
        let text = menu(&["kernel", "root"], "verbose cpus=2").unwrap();
        assert!(text.contains("multiboot2 /boot/loader verbose cpus=2\n"));
        let kernel = text.find("module2 /boot/kernel kernel\n").unwrap();
        let root = text.find("module2 /boot/root root\n").unwrap();
        assert!(kernel < root);
        assert!(!text.contains("{modules}") && !text.contains("{command_line}"));
    }

    #[test]
    fn what_grub_would_take_for_syntax_is_refused() {
        assert!(menu(&["kernel"], "a; reboot").is_err());
        assert!(menu(&["ker\"nel"], "").is_err());
    }
}
