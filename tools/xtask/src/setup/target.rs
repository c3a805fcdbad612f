//! The standard library for the machine's target, from wherever it is to be had.

use super::packages;
use crate::process;
use crate::progress::{Step, note};
use crate::toolchain::{MACHINE, Toolchain};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Oldest compiler that builds the project: Rust 1.95.
const REQUIRED_MINOR: u32 = 95;
/// The libraries that a program without an operating system needs.
const LIBRARIES: [&str; 3] = ["core", "alloc", "compiler_builtins"];

/// Finds a tool chain that can build for the machine; brings the target where none can, by rustup first and
/// then by Debian's packages.
pub fn ensure() -> Result<Toolchain> {
    let current = Toolchain::current();
    if current.has_machine_target() {
        return Ok(current);
    }
    if let Some(debian) = Toolchain::debian().filter(recent) {
        let built = library_directory().map(|place| debian.clone().with_libraries(&place));
        let built = built.ok().filter(Toolchain::has_machine_target);
        if let Some(toolchain) = built.or(Some(debian).filter(Toolchain::has_machine_target)) {
            return Ok(toolchain);
        }
    }
    if process::find("rustup").is_some() {
        note(format!("rustup: adding the target {MACHINE}"));
        let added = process::run(
            Command::new("rustup")
                .current_dir(crate::workspace::root())
                .args(["target", "add", MACHINE]),
        );
        match added {
            Ok(()) if current.has_machine_target() => return Ok(current),
            Ok(()) => note("rustup says it did, but the compiler still has no such target"),
            Err(error) => note(format!("{error:#}")),
        }
    }
    from_debian().with_context(|| {
        format!(
            "no standard library for {MACHINE}: neither rustup nor Debian's packages could bring it \
             (by hand: `rustup target add {MACHINE}`)"
        )
    })
}

fn debian_offers_rust() -> bool {
    packages::candidate("rustc-web")
        .and_then(|version| minor_of_package(&version))
        .is_some_and(|minor| minor >= REQUIRED_MINOR)
}

/// 96 of `1.96.0+dfsg1-1~deb12u2`.
fn minor_of_package(version: &str) -> Option<u32> {
    version.strip_prefix("1.")?.split('.').next()?.parse().ok()
}

fn recent(toolchain: &Toolchain) -> bool {
    toolchain.minor_version().is_ok_and(|v| v >= REQUIRED_MINOR)
}

/// Debian ships the compiler and the library's source, but not the library for this target.
fn from_debian() -> Result<Toolchain> {
    let toolchain = match Toolchain::debian().filter(recent) {
        Some(toolchain) => toolchain,
        None => install_compiler()?,
    };
    if !source_is_there(&toolchain)? {
        packages::install(&["rust-web-src"])?;
    }
    let place = library_directory()?;
    let step = Step::start(format!(
        "building the standard library for {MACHINE} (once)"
    ));
    let scratch = std::env::temp_dir().join(format!("pagurus-std-{}", std::process::id()));
    let result = build_and_copy(&toolchain, &scratch, Path::new(&place));
    // What remains in the temporary directory is only untidy.
    let _ = std::fs::remove_dir_all(&scratch);
    result?;
    step.done();
    let toolchain = toolchain.with_libraries(&place);
    if !toolchain.has_machine_target() {
        bail!("the standard library was built in {place}, but the compiler does not accept it");
    }
    Ok(toolchain)
}

fn install_compiler() -> Result<Toolchain> {
    let names = ["rustc-web", "cargo-web", "rust-web-src"];
    packages::check_can_install(&names)?;
    // The lists may be missing, or from before it came.
    if !debian_offers_rust() {
        packages::update()?;
    }
    if !debian_offers_rust() {
        bail!("this distribution has no package rustc-web of Rust 1.{REQUIRED_MINOR} or later");
    }
    packages::install(&names)?;
    Toolchain::debian().filter(recent).with_context(|| {
        format!(
            "the packages rustc-web and cargo-web did not bring Rust 1.{REQUIRED_MINOR} or later"
        )
    })
}

/// Where the libraries go that are built here: to the user's other caches, because what lies beside the compiler
/// belongs to Debian's packages.
fn library_directory() -> Result<String> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let cache = absolute("XDG_CACHE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".cache")))
        .context("neither HOME nor XDG_CACHE_HOME names a directory")?;
    directory_in(&cache)
}

fn directory_in(cache: &Path) -> Result<String> {
    let place = cache.join("pagurus").join(MACHINE);
    match place.to_str() {
        Some(text) if !text.contains(char::is_whitespace) => Ok(text.to_owned()),
        _ => bail!(
            "{} has a space in its name, or characters that are not UTF-8: cargo could not pass it on. \
             Let XDG_CACHE_HOME name another directory",
            place.display()
        ),
    }
}

fn build_and_copy(toolchain: &Toolchain, scratch: &Path, place: &Path) -> Result<()> {
    let libraries = build_standard_library(toolchain, scratch)?;
    note(format!("copying it to {}", place.display()));
    // Those of another compiler.
    if place.exists() {
        std::fs::remove_dir_all(place).with_context(|| format!("clearing {}", place.display()))?;
    }
    std::fs::create_dir_all(place).with_context(|| format!("creating {}", place.display()))?;
    for library in libraries {
        let name = library.file_name().context("a library without a name")?;
        std::fs::copy(&library, place.join(name))
            .with_context(|| format!("copying {}", library.display()))?;
    }
    Ok(())
}

fn source_is_there(toolchain: &Toolchain) -> Result<bool> {
    Ok(toolchain
        .sysroot()?
        .join("lib/rustlib/src/rust/library/core/Cargo.toml")
        .exists())
}

/// Builds the libraries, in a package of their own; returns their files.
fn build_standard_library(toolchain: &Toolchain, place: &Path) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(place.join("src"))?;
    std::fs::write(place.join("src/lib.rs"), "#![no_std]\n")?;
    std::fs::write(
        place.join("Cargo.toml"),
        "[package]\nname = \"standard-library\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n",
    )?;
    process::run(
        toolchain
            .cargo()
            .current_dir(place)
            // The flag for the library's source is not stable; the compiler is the one that came with it.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", place.join("target"))
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            // As in the libraries that rustup brings: the kernel is optimised together with them.
            .env("RUSTFLAGS", "-Cembed-bitcode=yes")
            .args(["build", "--release", "--target", MACHINE])
            .arg(format!("-Zbuild-std={}", LIBRARIES.join(",")))
            .arg("-Zbuild-std-features=compiler-builtins-mem"),
    )?;
    let built = place.join("target").join(MACHINE).join("release/deps");
    let mut libraries = Vec::new();
    for entry in std::fs::read_dir(&built)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if is_library(&name) {
            libraries.push(path);
        }
    }
    if libraries.len() != LIBRARIES.len() {
        bail!(
            "{} has {} libraries, not {}",
            built.display(),
            libraries.len(),
            LIBRARIES.len()
        );
    }
    Ok(libraries)
}

/// `libcore-HASH.rlib` and the like.
fn is_library(file: &str) -> bool {
    LIBRARIES.iter().any(|library| {
        file.strip_prefix("lib")
            .and_then(|rest| rest.strip_prefix(library))
            .is_some_and(|rest| rest.starts_with('-') && rest.ends_with(".rlib"))
    })
}

#[cfg(test)]
mod tests {
    use super::{directory_in, is_library, minor_of_package};
    use std::path::Path;

    #[test]
    fn versions_of_packages() {
        assert_eq!(minor_of_package("1.96.0+dfsg1-1~deb12u2"), Some(96));
        assert_eq!(minor_of_package("2.0.0"), None);
    }

    #[test]
    fn a_directory_that_cargo_cannot_name_is_refused() {
        let place = directory_in(Path::new("/home/a/.cache")).unwrap();
        assert!(place.starts_with("/home/a/.cache/pagurus/"));
        let error = directory_in(Path::new("/home/a b")).unwrap_err();
        assert!(error.to_string().contains("XDG_CACHE_HOME"));
    }

    #[test]
    fn only_the_three_libraries_are_taken() {
        assert!(is_library("libcore-0123456789abcdef.rlib"));
        assert!(is_library("liballoc-0123.rlib"));
        assert!(is_library("libcompiler_builtins-0123.rlib"));
        assert!(!is_library("libcore-0123.rmeta"));
        assert!(!is_library("libcoreaudio-0123.rlib"));
        assert!(!is_library("libstandard_library-0123.rlib"));
    }
}
