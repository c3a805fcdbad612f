//! Bundles: the boot modules that bring the user's guests to the machine.

use crate::compile::Module;
use crate::progress::Step;
use crate::workspace::user_path;
use anyhow::{Context, Result, anyhow, bail};
use pagurus_capdl_spec::SystemSpec;
use pagurus_vm_spec::host::Description;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// A guest and the boot module that it becomes.
pub struct Guest {
    /// Name of the boot module: `vm0`, `vm1`, ...
    module: String,
    description: Description,
}

/// Reads the descriptions of guests in `files`, as the user names them, for a system that has boot modules for them.
pub fn read(files: &[PathBuf], system: &SystemSpec) -> Result<Vec<Guest>> {
    let mut known: BTreeMap<String, &Path> = BTreeMap::new();
    let mut guests = Vec::new();
    for (n, file) in files.iter().enumerate() {
        // Diagnostics are laid out over several lines.
        let description = Description::read(&user_path(file))
            .map_err(|faults| anyhow!("the guest cannot be run\n{faults}"))?;
        if let Some(other) = known.insert(description.spec.name.clone(), file) {
            bail!(
                "{} and {} both describe a VM called `{}`; give one another name",
                other.display(),
                file.display(),
                description.spec.name
            );
        }
        guests.push(Guest {
            module: format!("vm{n}"),
            description,
        });
    }
    check(&guests, system)?;
    Ok(guests)
}

/// Whether the system has a place for each of the guests, and lacks none.
fn check(guests: &[Guest], system: &SystemSpec) -> Result<()> {
    let modules: Vec<(&str, bool)> = system.modules().collect();
    let name = system.about.name.get_ref();
    let taken = |module: &str| guests.iter().any(|guest| guest.module == module);
    for guest in guests {
        if !modules.iter().any(|(module, _)| guest.module == *module) {
            let places = (0..).take_while(|n| modules.iter().any(|(m, _)| *m == format!("vm{n}")));
            bail!(
                "system `{name}` has place for {} guests (its boot modules vm0, vm1, ...); leave out some --guest",
                places.count()
            );
        }
    }
    match modules
        .iter()
        .find(|(module, optional)| !optional && !taken(module))
    {
        Some((module, _)) => {
            bail!("system `{name}` does not start without `{module}`; name a guest with --guest")
        }
        None => Ok(()),
    }
}

/// Writes the bundles into `directory` and returns them as boot modules.
pub fn write(guests: &[Guest], directory: &Path) -> Result<Vec<Module>> {
    let mut modules = Vec::new();
    for guest in guests {
        let name = &guest.description.spec.name;
        let step = Step::start(format!("packing guest `{name}` as {}", guest.module));
        let file = directory.join(&guest.module);
        let out = File::create(&file).with_context(|| format!("creating {}", file.display()))?;
        guest
            .description
            .pack(&mut BufWriter::with_capacity(1 << 20, out))
            .with_context(|| format!("packing guest `{name}` into {}", file.display()))?;
        step.done();
        modules.push(Module {
            name: guest.module.clone(),
            file,
        });
    }
    Ok(modules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pagurus_capdl_spec::{Source, parse};
    use pagurus_vm_spec::Bundle;

    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Folder {
            let path =
                std::env::temp_dir().join(format!("pagurus-pack-{test}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("kernel"), [7; 5000]).unwrap();
            Folder(path)
        }

        fn guest(&self, name: &str) -> PathBuf {
            let file = self.0.join(format!("{name}.toml"));
            let text = format!("name = \"{name}\"\nmemory = \"64M\"\nkernel = \"kernel\"\n");
            std::fs::write(&file, text).unwrap();
            file
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn system(modules: &str) -> SystemSpec {
        let text = format!("[system]\nname = \"vms\"\nmemory = \"64M\"\n{modules}");
        parse(&Source::new("vms.toml", text)).unwrap()
    }

    const TWO: &str = "[[module]]\nname = \"vm0\"\noptional = true\n[[module]]\nname = \"vm1\"\noptional = true\n";

    #[test]
    fn guests_become_boot_modules_in_order() {
        let folder = Folder::new("order");
        let files = [folder.guest("b"), folder.guest("a")];
        let guests = read(&files, &system(TWO)).unwrap();
        let modules = write(&guests, &folder.0).unwrap();
        let names: Vec<&str> = modules.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["vm0", "vm1"]);
        let bytes = std::fs::read(&modules[0].file).unwrap();
        let bundle = Bundle::parse(&bytes).unwrap();
        assert_eq!(bundle.spec().name, "b");
        assert_eq!(bundle.file(bundle.spec().kernel).bytes, [7; 5000]);
    }

    #[test]
    fn what_does_not_fit_the_system_is_refused() {
        let folder = Folder::new("refused");
        let refused = |files: &[PathBuf], modules| {
            let error = read(files, &system(modules)).err().expect("it is refused");
            format!("{error:#}")
        };
        let (a, b, c) = (folder.guest("a"), folder.guest("b"), folder.guest("c"));
        let error = refused(&[a.clone(), b.clone(), c], TWO);
        assert!(error.contains("has place for 2 guests"), "{error}");
        let error = refused(&[a.clone(), a.clone()], TWO);
        assert!(error.contains("both describe a VM called `a`"), "{error}");
        let error = refused(&[], "[[module]]\nname = \"vm0\"\n");
        assert!(error.contains("does not start without `vm0`"), "{error}");
        let error = refused(&[folder.0.join("none.toml")], TWO);
        assert!(
            error.contains("none.toml") && error.contains("cannot be read"),
            "{error}"
        );
    }
}
