//! Debian packages that are not installed, only unpacked: nobody has to be root for that.

use super::packages::{self, can_be_root, candidate};
use crate::process;
use crate::progress::Step;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The first of these packages that the distribution's archive offers.
pub fn first_known<'a>(names: &[&'a str]) -> Result<Option<&'a str>> {
    if process::find("apt-get").is_none() || process::find("dpkg-deb").is_none() {
        bail!("no apt-get or dpkg-deb here: only Debian and Ubuntu have these packages");
    }
    let find = || names.iter().copied().find(|name| candidate(name).is_some());
    match find() {
        Some(name) => Ok(Some(name)),
        // The lists may be missing.
        None => {
            update()?;
            Ok(find())
        }
    }
}

/// The packages that `name` depends on; of alternatives, the first.
pub fn depends(name: &str) -> Result<Vec<String>> {
    let text = process::output(Command::new("apt-cache").args(["depends", name]))?;
    Ok(parse_depends(&text))
}

fn parse_depends(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut alternative = false;
    for line in text.lines().map(str::trim) {
        // `|Depends: a` is followed by its alternatives.
        let (first, rest) = match line.strip_prefix('|') {
            Some(rest) => (!alternative, rest),
            None => (!alternative, line),
        };
        if let Some(name) = rest.strip_prefix("Depends: ") {
            if first && !name.starts_with('<') {
                names.push(name.to_owned());
            }
            alternative = line.starts_with('|');
        }
    }
    names
}

/// The contents of package `name`, in a folder of `directory`; fetched and unpacked if they are not there yet or
/// `fresh` ones are wanted.
pub fn unpacked(name: &str, directory: &Path, fresh: bool) -> Result<PathBuf> {
    let folder = directory.join(name);
    let root = folder.join("root");
    if root.exists() && !fresh {
        return Ok(root);
    }
    let step = Step::start(format!("fetching {name}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("clearing {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder)?;
    if fetch(name, &folder).is_err() {
        // The lists may be older than what the archive has now.
        update()?;
        fetch(name, &folder)?;
    }
    let mut files = std::fs::read_dir(&folder)?
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    let file = files.find(|file| file.extension().is_some_and(|e| e == "deb"));
    let file = file.with_context(|| format!("apt-get fetched {name}, but there is no file"))?;
    // Unpacked beside its place and renamed, so that what is there is whole.
    let partial = folder.join("partial");
    process::output(Command::new("dpkg-deb").arg("-x").args([&file, &partial]))?;
    std::fs::rename(&partial, &root)?;
    std::fs::remove_file(&file)?;
    step.done();
    Ok(root)
}

fn fetch(name: &str, folder: &Path) -> Result<()> {
    let mut command = Command::new("apt-get");
    command
        .current_dir(folder)
        // Root's apt-get would fetch as another user, who may not write here.
        .args(["-qq", "-o", "APT::Sandbox::User=root", "download", name]);
    process::output(&mut command).map(|_| ())
}

fn update() -> Result<()> {
    if !can_be_root() {
        bail!(
            "the lists of packages are missing or too old, this is not root, and there is no sudo. \
             Have root run this, then start again:\n    apt-get update"
        );
    }
    packages::update()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_with_the_first_of_alternatives() {
        let text = "linux-image-6.1\n  Depends: kmod\n |Depends: linux-initramfs-tool\n |Depends: dracut\n  Depends: tiny\n    \
                    initramfs-tools\n  Depends: <virtual>\n  Recommends: firmware\n  Breaks: x\n  Depends: last\n";
        assert_eq!(
            parse_depends(text),
            ["kmod", "linux-initramfs-tool", "last"]
        );
    }

    #[test]
    fn what_is_there_is_not_fetched_again() {
        let place = std::env::temp_dir().join(format!("pagurus-archive-{}", std::process::id()));
        let root = place.join("no-such-package/root");
        std::fs::create_dir_all(&root).unwrap();
        let found = unpacked("no-such-package", &place, false);
        std::fs::remove_dir_all(&place).unwrap();
        assert_eq!(found.unwrap(), root);
    }
}
