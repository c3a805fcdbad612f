//! Modules of a Linux kernel: which ones it takes to have a driver, and in which order to load them.

use crate::process;
use anyhow::{Context, Result, bail};
use elf::ElfBytes;
use elf::endian::AnyEndian;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A module to load.
#[derive(Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name, with `_` for `-`.
    pub name: String,
    /// The file as the kernel takes it: not compressed.
    pub bytes: Vec<u8>,
}

/// The modules of one kernel.
pub struct KernelModules {
    files: BTreeMap<String, PathBuf>,
    built_in: BTreeSet<String>,
}

/// The name of the module in file `path`: the kernel takes `-` and `_` for the same.
fn module_name(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let (name, _) = file.split_once(".ko")?;
    Some(name.replace('-', "_"))
}

impl KernelModules {
    /// Finds the modules in `directory`, which is `lib/modules/VERSION` of a kernel's package.
    pub fn find(directory: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        let mut open = vec![directory.to_path_buf()];
        while let Some(folder) = open.pop() {
            let entries = std::fs::read_dir(&folder)
                .with_context(|| format!("reading {}", folder.display()))?;
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    open.push(entry.path());
                } else if let Some(name) = module_name(&entry.path()) {
                    files.insert(name, entry.path());
                }
            }
        }
        let list = directory.join("modules.builtin");
        let built_in = std::fs::read_to_string(&list)
            .with_context(|| format!("reading {}", list.display()))?;
        let built_in = built_in
            .lines()
            .filter_map(|line| module_name(Path::new(line)));
        Ok(Self {
            built_in: built_in.collect(),
            files,
        })
    }

    /// The modules that bring the drivers `wanted`, each after those that it depends on. What is built into the kernel
    /// is left out.
    pub fn in_order(&self, wanted: &[&str]) -> Result<Vec<Module>> {
        let mut order = Vec::new();
        for name in wanted {
            self.add(name, &mut order, &mut Vec::new())?;
        }
        Ok(order)
    }

    fn add(&self, name: &str, order: &mut Vec<Module>, above: &mut Vec<String>) -> Result<()> {
        let known = order.iter().any(|module| module.name == name);
        if known || self.built_in.contains(name) {
            return Ok(());
        }
        if above.iter().any(|other| other == name) {
            bail!(
                "kernel module {name} depends on itself: {}",
                above.join(", ")
            );
        }
        let Some(file) = self.files.get(name) else {
            bail!("the kernel's package has no module {name}, nor is it built in");
        };
        let bytes = contents(file)?;
        above.push(name.to_owned());
        for needed in dependencies(&bytes).with_context(|| format!("reading {}", file.display()))? {
            self.add(&needed, order, above)?;
        }
        above.pop();
        order.push(Module {
            name: name.to_owned(),
            bytes,
        });
        Ok(())
    }
}

/// The contents of a module's file, decompressed if it is compressed.
fn contents(file: &Path) -> Result<Vec<u8>> {
    let program = match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return std::fs::read(file).with_context(|| format!("reading {}", file.display())),
    };
    let output = Command::new(program)
        .args(["-d", "-c", "-q"])
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {program}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{program} cannot read {}: {}",
            file.display(),
            process::tail(&words, 5)
        );
    }
    Ok(output.stdout)
}

/// The modules that a module depends on, which it says in its section `.modinfo`: `name=value`, each ended by a zero.
fn dependencies(bytes: &[u8]) -> Result<Vec<String>> {
    let elf = ElfBytes::<AnyEndian>::minimal_parse(bytes).context("this is no ELF file")?;
    let section = elf.section_header_by_name(".modinfo")?;
    let section = section.context("this is no kernel module: it has no section .modinfo")?;
    let (data, _) = elf.section_data(&section)?;
    let mut entries = data
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok());
    let list = entries
        .find_map(|entry| entry.strip_prefix("depends="))
        .unwrap_or("");
    let names = list.split(',').filter(|name| !name.is_empty());
    Ok(names.map(|name| name.replace('-', "_")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        /// Modules with what they depend on, as the linker would make them.
        fn new(test: &str, modules: &[(&str, &str)]) -> Folder {
            let path =
                std::env::temp_dir().join(format!("pagurus-modules-{test}-{}", std::process::id()));
            std::fs::create_dir_all(path.join("kernel/drivers")).unwrap();
            std::fs::write(path.join("modules.builtin"), "kernel/lib/built-in.ko\n").unwrap();
            for (name, depends) in modules {
                let file = path.join("kernel/drivers").join(name);
                std::fs::write(file, module(&format!("license=GPL\0depends={depends}\0"))).unwrap();
            }
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// An ELF file with a section `.modinfo` (ELF-64 object file format, version 1.5: header, data, section headers).
    fn module(modinfo: &str) -> Vec<u8> {
        let names = b"\0.modinfo\0.shstrtab\0";
        let data = [modinfo.as_bytes(), names].concat();
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend([1u16, 62].iter().flat_map(|n| n.to_le_bytes()));
        file.extend(1u32.to_le_bytes());
        file.extend(
            [0u64, 0, 64 + data.len() as u64]
                .iter()
                .flat_map(|n| n.to_le_bytes()),
        );
        file.extend(0u32.to_le_bytes());
        file.extend([64u16, 0, 0, 64, 3, 2].iter().flat_map(|n| n.to_le_bytes()));
        file.extend(&data);
        let mut section = |name: u32, kind: u32, offset: usize, size: usize| {
            file.extend([name, kind].iter().flat_map(|n| n.to_le_bytes()));
            let fields = [0, 0, offset as u64, size as u64, 0, 1, 0];
            file.extend(fields.iter().flat_map(|n: &u64| n.to_le_bytes()));
        };
        section(0, 0, 0, 0);
        section(1, 1, 64, modinfo.len());
        section(10, 3, 64 + modinfo.len(), names.len());
        file
    }

    fn names(folder: &Folder, wanted: &[&str]) -> Result<Vec<String>> {
        let modules = KernelModules::find(&folder.0)?.in_order(wanted)?;
        Ok(modules.into_iter().map(|module| module.name).collect())
    }

    #[test]
    fn modules_come_after_what_they_depend_on() {
        let folder = Folder::new(
            "order",
            &[
                ("top.ko", "middle,built_in"),
                ("middle.ko", "low-level"),
                ("low-level.ko", ""),
                ("other.ko", "low_level"),
            ],
        );
        let order = names(&folder, &["top", "other", "built_in"]).unwrap();
        assert_eq!(order, ["low_level", "middle", "top", "other"]);
    }

    #[test]
    fn what_cannot_be_loaded_is_named() {
        let folder = Folder::new("missing", &[("a.ko", "b"), ("b.ko", "a"), ("c.ko", "gone")]);
        let error = names(&folder, &["c"]).unwrap_err().to_string();
        assert!(error.contains("no module gone"), "{error}");
        let error = names(&folder, &["a"]).unwrap_err().to_string();
        assert!(error.contains("a depends on itself"), "{error}");
        std::fs::write(folder.0.join("kernel/drivers/bad.ko"), "text").unwrap();
        let error = format!("{:#}", names(&folder, &["bad"]).unwrap_err());
        assert!(
            error.contains("bad.ko") && error.contains("no ELF file"),
            "{error}"
        );
    }
}
