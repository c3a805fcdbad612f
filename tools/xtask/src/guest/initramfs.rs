//! An initial RAM file system for Linux: a cpio archive of kind newc (Linux `Documentation/driver-api/early-userspace/
//! buffer-format.rst`). Device nodes are only numbers in it, so that nobody needs to be root.

use anyhow::{Context, Result};
use cpio::NewcBuilder;
use cpio::newc::{ModeFileType, trailer};
use std::collections::BTreeMap;
use std::io::Write;

/// What is in it, by path without a leading slash. Folders come before what is in them, as their paths are shorter.
#[derive(Default)]
pub struct Initramfs(BTreeMap<String, Entry>);

enum Entry {
    Folder,
    File { mode: u32, bytes: Vec<u8> },
    Link { target: String },
    CharacterDevice { major: u32, minor: u32 },
}

impl Initramfs {
    /// Adds a folder, and those that it lies in.
    pub fn folder(&mut self, path: &str) {
        if !path.is_empty() {
            self.add(path, Entry::Folder);
        }
    }

    /// Adds a file with these permissions.
    pub fn file(&mut self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        self.add(path, Entry::File { mode, bytes });
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        let target = target.to_owned();
        self.add(path, Entry::Link { target });
    }

    /// Adds a character device.
    pub fn character_device(&mut self, path: &str, major: u32, minor: u32) {
        self.add(path, Entry::CharacterDevice { major, minor });
    }

    fn add(&mut self, path: &str, entry: Entry) {
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.folder(folder);
        }
        self.0.insert(path.to_owned(), entry);
    }

    /// Writes the archive. Equal contents give equal bytes.
    pub fn write(&self, mut out: impl Write) -> Result<()> {
        for (number, (path, entry)) in (1..).zip(&self.0) {
            // The owner is root, the time 1970.
            let builder = NewcBuilder::new(path).ino(number);
            let (builder, bytes) = match entry {
                Entry::Folder => (
                    builder
                        .mode(0o755)
                        .nlink(2)
                        .set_mode_file_type(ModeFileType::Directory),
                    &[][..],
                ),
                Entry::File { mode, bytes } => (
                    builder
                        .mode(*mode)
                        .set_mode_file_type(ModeFileType::Regular),
                    bytes.as_slice(),
                ),
                Entry::Link { target } => (
                    builder
                        .mode(0o777)
                        .set_mode_file_type(ModeFileType::Symlink),
                    target.as_bytes(),
                ),
                Entry::CharacterDevice { major, minor } => (
                    builder
                        .mode(0o600)
                        .rdev_major(*major)
                        .rdev_minor(*minor)
                        .set_mode_file_type(ModeFileType::Char),
                    &[][..],
                ),
            };
            let length = u32::try_from(bytes.len());
            let length = length.with_context(|| format!("{path} is too large for the archive"))?;
            let mut writer = builder.write(&mut out, length);
            writer.write_all(bytes)?;
            writer.finish()?;
        }
        trailer(&mut out)?;
        out.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpio::NewcReader;
    use std::io::Read;

    #[test]
    fn what_was_added_is_read_back() {
        let mut archive = Initramfs::default();
        archive.file("lib/modules/a.ko", 0o644, b"module".to_vec());
        archive.link("init", "bin/busybox");
        archive.character_device("dev/console", 5, 1);
        archive.folder("proc");
        let mut bytes = Vec::new();
        archive.write(&mut bytes).unwrap();
        let mut rest = bytes.as_slice();
        let mut found = Vec::new();
        loop {
            let mut reader = NewcReader::new(rest).unwrap();
            let entry = reader.entry();
            if entry.is_trailer() {
                break;
            }
            let head = (
                entry.name().to_owned(),
                entry.mode(),
                (entry.rdev_major(), entry.rdev_minor()),
            );
            let mut contents = String::new();
            reader.read_to_string(&mut contents).unwrap();
            found.push((head.0, head.1, head.2, contents));
            rest = reader.finish().unwrap();
        }
        let expected = [
            ("dev", 0o040_755, (0, 0), ""),
            ("dev/console", 0o020_600, (5, 1), ""),
            ("init", 0o120_777, (0, 0), "bin/busybox"),
            ("lib", 0o040_755, (0, 0), ""),
            ("lib/modules", 0o040_755, (0, 0), ""),
            ("lib/modules/a.ko", 0o100_644, (0, 0), "module"),
            ("proc", 0o040_755, (0, 0), ""),
        ];
        let found: Vec<_> = found
            .iter()
            .map(|(name, mode, device, contents)| {
                (name.as_str(), *mode, *device, contents.as_str())
            })
            .collect();
        assert_eq!(found, expected);
    }
}
