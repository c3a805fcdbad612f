//! Slot constants of a component, generated from the description of its system.
//!
//! A component's `build.rs` is
//!
//! ```no_run
//! pagurus_capdl_slots::build("console", "capdl/systems/default.toml");
//! ```
//!
//! and the component has
//!
//! ```text
//! mod slots {
//!     include!(concat!(env!("OUT_DIR"), "/slots.rs"));
//! }
//! ```
//!
//! Then a capability that the description calls `com1-irq` is at `slots::COM1_IRQ`. Which description is
//! used says the environment variable [`SYSTEM_VARIABLE`]; without it the one that the build script names,
//! so that a plain `cargo build` works.
//! [`pagurus_capdl_spec::constants::constants`] lists everything that is generated.
#![forbid(unsafe_code)]

mod generate;

pub use generate::generate;
use pagurus_capdl_spec::{Diagnostic, Diagnostics, did_you_mean};
use std::path::{Path, PathBuf};

/// The environment variable with the path of the system's description.
pub const SYSTEM_VARIABLE: &str = "PAGURUS_SYSTEM";

/// For build scripts: writes `slots.rs` for program `binary` into `OUT_DIR` and tells cargo when to do it
/// again. `default_system` is relative to the root of the workspace. Ends the build with a readable
/// message if the description is wrong.
pub fn build(binary: &str, default_system: &str) {
    println!("cargo::rerun-if-env-changed={SYSTEM_VARIABLE}");
    let out = std::env::var_os("OUT_DIR").map(PathBuf::from);
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let (Some(out), Some(manifest)) = (out, manifest) else {
        stop("OUT_DIR is not set: call this from a build script");
    };
    let system = match std::env::var_os(SYSTEM_VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => match find_upwards(&manifest, default_system) {
            Some(path) => path,
            None => stop(&format!(
                "{default_system} is not in {} nor in a folder above; set {SYSTEM_VARIABLE}",
                manifest.display()
            )),
        },
    };
    println!("cargo::rerun-if-changed={}", system.display());
    let text = from_file(&system, binary).unwrap_or_else(|error| stop(&error.to_string()));
    let file = out.join("slots.rs");
    if let Err(error) = std::fs::write(&file, text) {
        stop(&format!("{}: {error}", file.display()));
    }
}

/// The source text for program `binary` in the system that file `system` describes.
pub fn from_file(system: &Path, binary: &str) -> Result<String, Diagnostics> {
    let (source, spec) = pagurus_capdl_spec::parse_file(system)?;
    pagurus_capdl_check::check(&source, &spec)?;
    generate(&spec, binary).ok_or_else(|| {
        let binaries = spec.binaries();
        let mut diagnostic = Diagnostic::of_file(
            system,
            "name-unknown",
            format!("no component runs the program `{binary}`"),
        );
        let known = binaries.iter().map(String::as_str);
        diagnostic.help = did_you_mean(binary, known).or_else(|| {
            Some(format!(
                "set {SYSTEM_VARIABLE} to a system that has it; this one has {}",
                binaries.join(", ")
            ))
        });
        diagnostic.into()
    })
}

/// `relative` in `folder` or the nearest folder above that has it.
fn find_upwards(folder: &Path, relative: &str) -> Option<PathBuf> {
    folder
        .ancestors()
        .map(|f| f.join(relative))
        .find(|p| p.is_file())
}

/// Ends the build. Cargo shows what a failing build script wrote to its standard error.
fn stop(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(1);
}
