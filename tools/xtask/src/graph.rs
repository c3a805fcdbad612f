//! Draws a system from its description.

use crate::cli::GraphOptions;
use crate::system;
use crate::toolchain::Toolchain;
use crate::workspace::{self, Workspace};
use anyhow::{Context, Result, anyhow};

/// `tools/pagurus graph`.
pub fn graph(options: &GraphOptions) -> Result<()> {
    let workspace = Workspace::load(&Toolchain::current())?;
    let description = system::existing(&workspace, &options.system)?;
    let (_, spec) = pagurus_capdl_spec::parse_file(&description)
        // Diagnostics are laid out over several lines.
        .map_err(|faults| anyhow!("system `{}` is not sound\n{faults}", options.system))?;
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
