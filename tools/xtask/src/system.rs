//! What is to be run: a system that capDL describes, or one program in root's place.

use crate::guest::pack::{self, Guest};
use crate::workspace::Workspace;
use anyhow::{Context, Result, anyhow, bail};
use pagurus_capdl_spec::SystemSpec;
use std::path::{Path, PathBuf};

/// The system that `tools/pagurus run` starts.
pub const DEFAULT: &str = "default";
/// The system that runs the user's guests.
pub const OF_GUESTS: &str = "vms";
/// Name of the boot module that the kernel starts.
const ROOT: &str = "root";

/// A program on the ISO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Name of its binary in the workspace.
    pub binary: String,
    /// Name of its boot module.
    pub module: String,
}

/// A system to build and run.
pub struct System {
    name: String,
    programs: Vec<Program>,
    description: Option<PathBuf>,
    image: Option<Vec<u8>>,
    spec: Option<SystemSpec>,
    guests: Vec<Guest>,
    command_line: String,
}

/// Where the description of a system lies.
pub fn path(workspace: &Workspace, name: &str) -> PathBuf {
    workspace
        .root()
        .join("capdl/systems")
        .join(format!("{name}.toml"))
}

impl System {
    /// A program that the kernel starts in root's place, with all rights: kernel tests, benchmarks.
    pub fn of_program(binary: &str) -> Self {
        Self {
            name: binary.to_owned(),
            programs: vec![Program {
                binary: binary.to_owned(),
                module: ROOT.to_owned(),
            }],
            description: None,
            image: None,
            spec: None,
            guests: Vec::new(),
            command_line: String::new(),
        }
    }

    /// The same with this kernel command line.
    pub fn with_command_line(mut self, text: &str) -> Self {
        self.command_line = text.to_owned();
        self
    }

    /// The same with the guests that these files describe.
    ///
    /// # Errors
    /// What is wrong with a description, or that the system has no place for so many.
    pub fn with_guests(mut self, files: &[PathBuf]) -> Result<Self> {
        if let Some(spec) = &self.spec {
            self.guests = pack::read(files, spec)?;
        }
        Ok(self)
    }

    /// The guests that go with it.
    pub fn guests(&self) -> &[Guest] {
        &self.guests
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its programs, root first.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// The file that describes it, if one does.
    pub fn description(&self) -> Option<&Path> {
        self.description.as_deref()
    }

    /// The kernel's command line.
    pub fn command_line(&self) -> &str {
        &self.command_line
    }

    /// The binary image of its description, if it has one.
    pub fn image(&self) -> Option<&[u8]> {
        self.image.as_deref()
    }

    /// The system of this name in `capdl/systems`, after all checks.
    pub fn named(workspace: &Workspace, name: &str) -> Result<Self> {
        let description = existing(workspace, name)?;
        let compiled = pagurus_capdl_compile::compile(&description)
            // Diagnostics are laid out over several lines.
            .map_err(|faults| anyhow!("system `{name}` is not sound\n{faults}"))?;
        let programs = std::iter::once(ROOT.to_owned())
            .chain(compiled.binaries)
            .map(|binary| Program {
                module: binary.clone(),
                binary,
            })
            .collect();
        Ok(Self {
            name: name.to_owned(),
            programs,
            description: Some(description),
            image: Some(compiled.image_bytes),
            spec: Some(compiled.spec),
            guests: Vec::new(),
            command_line: String::new(),
        })
    }
}

/// The description of a system, which must be there.
pub fn existing(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let description = path(workspace, name);
    if !description.exists() {
        bail!(
            "no system `{name}`: there is no {}; there are {}",
            description.display(),
            names(workspace)?.join(", ")
        );
    }
    Ok(description)
}

/// The systems in `capdl/systems`.
pub fn names(workspace: &Workspace) -> Result<Vec<String>> {
    let directory = workspace.root().join("capdl/systems");
    let mut names = Vec::new();
    for entry in
        std::fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml")
            && let Some(name) = path.file_stem()
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
