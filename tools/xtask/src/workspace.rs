//! Where things lie: the source tree, cargo's target directory, and which package makes which program.

use crate::toolchain::Toolchain;
use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The source tree and what cargo knows about it.
pub struct Workspace {
    metadata: Metadata,
}

/// The directory that the source tree starts at.
pub fn root() -> PathBuf {
    // Set by `cargo run`; right even after the tree was moved.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest
        .ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .unwrap_or(manifest)
}

/// Turns a path that the user gave, relative to where `tools/pagurus` was called, into an absolute one.
pub fn user_path(path: &Path) -> PathBuf {
    std::env::var_os("PAGURUS_CWD")
        .map_or_else(|| path.to_path_buf(), |cwd| Path::new(&cwd).join(path))
}

impl Workspace {
    /// Asks cargo what is in the workspace. Needs no network.
    pub fn load(toolchain: &Toolchain) -> Result<Self> {
        let mut command = MetadataCommand::new();
        command
            .cargo_path(toolchain.cargo_path())
            .current_dir(root())
            .no_deps();
        let metadata = command.exec().context("asking cargo about the workspace")?;
        Ok(Self { metadata })
    }

    /// The source tree.
    pub fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Cargo's target directory.
    pub fn target(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// Where everything goes that cargo does not make itself.
    pub fn output(&self) -> PathBuf {
        self.target().join("pagurus")
    }

    /// Files of the running, or last, system.
    pub fn run_directory(&self) -> PathBuf {
        self.output().join("run")
    }

    /// The package that has a program of this name.
    pub fn package_of_binary(&self, binary: &str) -> Result<&Package> {
        let mut makers = self
            .metadata
            .workspace_packages()
            .into_iter()
            .filter(|p| p.targets.iter().any(|t| t.is_bin() && t.name == binary));
        match (makers.next(), makers.next()) {
            (Some(package), None) => Ok(package),
            (None, _) => bail!(
                "no package of the workspace makes a program `{binary}`; \
                 add a crate with this [[bin]] name to `members` in Cargo.toml, or correct the name in the system"
            ),
            (Some(a), Some(b)) => bail!(
                "both {} and {} make a program `{binary}`; names of programs must differ",
                a.name,
                b.name
            ),
        }
    }

    /// Every package that builds and tests on the host.
    pub fn host_packages(&self) -> Vec<&Package> {
        let default = &self.metadata.workspace_default_members;
        let mut packages = self.metadata.workspace_packages();
        packages.retain(|p| default.contains(&p.id));
        packages
    }

    /// The packages of these programs, and every package of ours that is built into them.
    pub fn packages_within(&self, binaries: &BTreeSet<String>) -> Result<BTreeSet<&str>> {
        let all = self.metadata.workspace_packages();
        let mut found = BTreeSet::new();
        let mut open = Vec::new();
        for binary in binaries {
            open.push(self.package_of_binary(binary)?);
        }
        while let Some(package) = open.pop() {
            if !found.insert(package.name.as_str()) {
                continue;
            }
            // What is optional is for the host's side of a package.
            let needed = package
                .dependencies
                .iter()
                .filter(|d| d.kind == DependencyKind::Normal && d.path.is_some() && !d.optional);
            for dependency in needed {
                open.extend(all.iter().filter(|p| p.name.as_str() == dependency.name));
            }
        }
        Ok(found)
    }
}
