//! What the build script of a component says to the linker.
//!
//! A component's `build.rs` calls [`link_component`] from its `main` and does nothing else.
//!
//! The result is a static ELF64 file of type `ET_EXEC`, linked at `pagurus_abi::layout::IMAGE_BASE`, with
//! three segments on page boundaries: code (read, execute), constants (read), data (read, write). It works
//! with `rust-lld` and with GNU `ld`.
#![forbid(unsafe_code)]

use std::{env, fs, path::PathBuf};

/// The linker script.
pub const SCRIPT: &str = include_str!("../component.ld");

/// Passes the linker script and its arguments for all binaries of the package, unless the package is built
/// for the host (tests).
///
/// # Panics
/// Outside a build script, and if `OUT_DIR` cannot be written.
pub fn link_component() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let directory = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let script = directory.join("component.ld");
    fs::write(&script, SCRIPT).expect("the linker script can be written to OUT_DIR");
    println!("cargo:rustc-link-arg-bins=-T{}", script.display());
    // The target's default is a position-independent executable, which would need a loader that relocates.
    println!("cargo:rustc-link-arg-bins=-no-pie");
    println!("cargo:rustc-link-arg-bins=-zmax-page-size=4096");
    println!("cargo:rustc-link-arg-bins=-znoexecstack");
    println!("cargo:rustc-link-arg-bins=--build-id=none");
}
