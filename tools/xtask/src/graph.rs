//! Draws a system from its description.

use crate::cli::GraphOptions;
use crate::system;
use crate::toolchain::Toolchain;
use crate::workspace::{self, Workspace};
use anyhow::{Context, Result, anyhow, ensure};
use pagurus_capdl_spec::SystemSpec;
use std::path::Path;

/// `tools/pagurus graph`.
pub fn graph(options: &GraphOptions) -> Result<()> {
    let workspace = Workspace::load(&Toolchain::current())?;
    let description = system::existing(&workspace, &options.system)?;
    let spec = read(&description)?;
    let directory = match &options.output {
        Some(path) => workspace::user_path(path),
        None => workspace.output(),
    };
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("creating {}", directory.display()))?;
    for (extension, text) in [
        ("svg", pagurus_capdl_graph::svg(&spec)),
        ("dot", pagurus_capdl_graph::dot(&spec)),
    ] {
        let file = directory.join(format!("{}.{extension}", options.system));
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        println!("{}", file.display());
    }
    Ok(())
}

fn read(description: &Path) -> Result<SystemSpec> {
    let (_, spec) = pagurus_capdl_spec::parse_file(description)
        // Diagnostics are laid out over several lines.
        .map_err(|faults| anyhow!("the system is not sound\n{faults}"))?;
    Ok(spec)
}

/// Makes sure that the picture in the documentation shows the default system as it is.
pub fn check_picture(workspace: &Workspace) -> Result<()> {
    let description = system::existing(workspace, system::DEFAULT)?;
    let picture = description.with_extension("svg");
    let shown = std::fs::read_to_string(&picture).unwrap_or_default();
    ensure!(
        shown == pagurus_capdl_graph::svg(&read(&description)?),
        "{} does not show the system as it is; write it anew: tools/pagurus graph --output {}",
        picture.display(),
        picture.parent().unwrap_or(&picture).display()
    );
    Ok(())
}
