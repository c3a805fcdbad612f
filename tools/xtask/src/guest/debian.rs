//! A Debian guest to try: the distribution's own kernel and drivers, with busybox around them.

use super::initramfs::Initramfs;
use super::kernel_modules::KernelModules;
use crate::process;
use crate::progress::Step;
use crate::setup::archive;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packages that depend on the kernel for virtual machines: Debian's, then Ubuntu's.
const KERNELS: [&str; 2] = ["linux-image-cloud-amd64", "linux-image-virtual"];
/// What the name of a package begins with that holds a part of a kernel.
const KERNEL_PARTS: [&str; 2] = ["linux-image-", "linux-modules-"];
/// Drivers of devices that no virtual machine has.
const NO_KERNEL_PART: &str = "linux-modules-extra-";
const BUSYBOX: &str = "busybox-static";

/// The drivers of a virtual machine's devices.
const DRIVERS: [&str; 6] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "virtio_rng",
    "virtio_balloon",
];

/// Files of the guest.
const INITTAB: &str = include_str!("debian/inittab");
const START: &str = include_str!("debian/start.sh");
const PROFILE: &str = include_str!("debian/profile.sh");
/// The description of the VM.
const DESCRIPTION: &str = include_str!("debian/vm.toml");

/// Makes the guest in `place`; `update` fetches the kernel anew. Returns the description of its VM.
pub fn make(place: &Path, update: bool) -> Result<PathBuf> {
    let packages = place.join("packages");
    std::fs::create_dir_all(&packages)?;
    let names = names(&packages.join("list"), update)?;
    let mut roots = Vec::new();
    for name in &names {
        roots.push(archive::unpacked(name, &packages, update)?);
    }

    let step = Step::start("assembling the guest's initial RAM file system");
    let kernel = existing(&roots, |root| first(&root.join("boot"), "vmlinuz-"))?;
    let modules = existing(&roots, modules)?;
    let busybox = existing(&roots, |root| Some(root.join("bin/busybox")))?;
    replace(&place.join("vmlinuz"), |file| {
        std::fs::copy(&kernel, file)
            .map(|_| ())
            .with_context(|| format!("copying {}", kernel.display()))
    })?;
    let archive = initramfs(&busybox, &KernelModules::find(&modules)?)?;
    replace(&place.join("initrd"), |file| {
        archive
            .write(BufWriter::new(File::create(file)?))
            .context("writing the initial RAM file system")
    })?;
    let description = place.join("vm.toml");
    std::fs::write(&description, DESCRIPTION)?;
    step.done();
    Ok(description)
}

/// The packages that the guest is made from. Noted in the file `list`, so that the same are taken the next time.
fn names(list: &Path, update: bool) -> Result<Vec<String>> {
    if !update && let Ok(noted) = std::fs::read_to_string(list) {
        return Ok(noted.lines().map(str::to_owned).collect());
    }
    let Some(kernel) = archive::first_known(&KERNELS)? else {
        bail!(
            "neither {} is offered by this distribution's archive, but a guest needs a kernel; \
             describe one of your own and run it with `tools/pagurus run --guest`",
            KERNELS.join(" nor ")
        );
    };
    let mut names = vec![BUSYBOX.to_owned()];
    let mut open = vec![kernel.to_owned()];
    while let Some(name) = open.pop() {
        for needed in archive::depends(&name)? {
            let is_part = KERNEL_PARTS.iter().any(|part| needed.starts_with(part));
            if is_part && !needed.starts_with(NO_KERNEL_PART) && !names.contains(&needed) {
                names.push(needed.clone());
                open.push(needed);
            }
        }
    }
    std::fs::write(list, names.join("\n"))?;
    Ok(names)
}

/// What `find` finds in the first of the packages that has it.
fn existing(roots: &[PathBuf], find: impl Fn(&Path) -> Option<PathBuf>) -> Result<PathBuf> {
    let mut found = roots.iter().filter_map(|root| find(root));
    found
        .find(|path| path.exists())
        .context("the packages of the kernel and of busybox do not hold what they used to; please report this")
}

/// The folder of a package's kernel modules.
fn modules(root: &Path) -> Option<PathBuf> {
    let places = ["lib/modules", "usr/lib/modules"].map(|place| root.join(place));
    // A package of the kernel may have the folder without the modules, which come in another one.
    let mut folders = places.iter().filter_map(|place| first(place, ""));
    folders.find(|folder| folder.join("modules.builtin").exists())
}

/// The entry of a folder whose name begins so.
fn first(folder: &Path, prefix: &str) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let entry = entries.find(|entry| entry.file_name().to_string_lossy().starts_with(prefix))?;
    Some(entry.path())
}

/// Writes a file beside its place and renames it, so that an interrupted run leaves no half file.
fn replace(file: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let partial = file.with_extension("partial");
    write(&partial)?;
    std::fs::rename(&partial, file).with_context(|| format!("writing {}", file.display()))
}

fn initramfs(busybox: &Path, modules: &KernelModules) -> Result<Initramfs> {
    let mut archive = Initramfs::default();
    for folder in ["proc", "sys", "tmp", "root", "mnt", "etc", "dev"] {
        archive.folder(folder);
    }
    // Where the kernel sends what its first process writes, before there are other devices.
    archive.character_device("dev/console", 5, 1);
    archive.file("bin/busybox", 0o755, std::fs::read(busybox)?);
    let applets = process::output(Command::new(busybox).arg("--list"));
    let applets = applets.context("asking busybox for its commands")?;
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        archive.link(&format!("bin/{applet}"), "busybox");
    }
    archive.link("sbin", "bin");
    archive.link("init", "bin/busybox");
    archive.file("etc/inittab", 0o644, INITTAB);
    archive.file("etc/start", 0o755, START);
    archive.file("etc/profile", 0o644, PROFILE);
    archive.file("etc/passwd", 0o644, "root::0:0:root:/root:/bin/sh\n");
    archive.file("etc/group", 0o644, "root:x:0:\n");
    let mut order = String::new();
    for module in modules.in_order(&DRIVERS)? {
        order += &format!("{}\n", module.name);
        archive.file(
            &format!("lib/modules/{}.ko", module.name),
            0o644,
            module.bytes,
        );
    }
    archive.file("lib/modules/order", 0o644, order);
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pagurus_capdl_spec::Source;
    use pagurus_vm_spec::host::Description;

    #[test]
    fn the_description_is_sound() {
        let place = std::env::temp_dir().join(format!("pagurus-debian-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        for name in ["vmlinuz", "initrd"] {
            std::fs::write(place.join(name), "contents").unwrap();
        }
        let read = Description::parse(&Source::new(place.join("vm.toml"), DESCRIPTION));
        std::fs::remove_dir_all(&place).unwrap();
        let spec = read.unwrap_or_else(|faults| panic!("{faults}")).spec;
        assert_eq!(spec.name, "debian");
        assert!(spec.initrd.is_some() && spec.command_line.contains("console=ttyS0"));
    }

    /// The shell that reads it is busybox', which takes what POSIX says.
    #[test]
    fn the_start_script_is_a_shell_script() {
        for script in [START, PROFILE] {
            let mut command = Command::new("sh");
            command.args(["-n", "-c", script]);
            process::output(&mut command).unwrap();
        }
    }

    #[test]
    fn commands_are_found_on_the_kernels_command_line() {
        let filter = START
            .lines()
            .find(|line| line.starts_with("wanted="))
            .unwrap();
        for (line, wanted) in [
            (
                "console=ttyS0 pagurus.run=\"cat /proc/cmdline; ls\" quiet",
                "cat /proc/cmdline; ls",
            ),
            ("\"pagurus.run=dd if=/dev/vda\" quiet", "dd if=/dev/vda"),
            ("quiet pagurus.run=ls", "ls"),
            ("console=ttyS0", ""),
        ] {
            let place =
                std::env::temp_dir().join(format!("pagurus-cmdline-{}", std::process::id()));
            std::fs::write(&place, format!("{line}\n")).unwrap();
            let filter = filter.replace("/proc/cmdline)", &format!("{})", place.display()));
            let script = format!("{filter}\nprintf %s \"$wanted\"");
            let found = process::output(Command::new("sh").args(["-c", &script])).unwrap();
            std::fs::remove_file(&place).unwrap();
            assert_eq!(found, wanted, "{line}");
        }
    }
}
