//! Guests of virtual machines: packing those that the user describes, and making ones to try.

mod debian;
mod initramfs;
mod kernel_modules;
pub mod pack;

use crate::cli::GuestCommand;
use crate::progress::note;
use crate::setup::{self, Need};
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::PathBuf;

/// The Debian guest, made if it is not there yet: its description.
pub fn debian(workspace: &Workspace) -> Result<PathBuf> {
    debian::make(&debian_place(workspace), false)
}

fn debian_place(workspace: &Workspace) -> PathBuf {
    workspace.output().join("guests/debian")
}

/// `tools/pagurus guest`.
pub fn guest(command: &GuestCommand) -> Result<()> {
    match command {
        GuestCommand::Debian { update } => {
            let toolchain = setup::ensure(&[Need::Guest])?;
            let place = debian_place(&Workspace::load(&toolchain)?);
            let description = debian::make(&place, *update)?;
            note(format!(
                "start it with `tools/pagurus run --guest {}`",
                description.display()
            ));
            println!("{}", description.display());
        }
    }
    Ok(())
}
