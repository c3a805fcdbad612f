//! The generated source text: exactly as expected, and accepted by the compiler.

use pagurus_capdl_slots::{from_file, generate};
use pagurus_capdl_spec::{Source, parse};
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The constants of the program `server` in `tests/example.toml`.
fn example() -> String {
    from_file(&folder().join("tests/example.toml"), "server").unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_text_is_as_expected() {
    let expected = folder().join("tests/example.rs.expected");
    if std::env::var_os("PAGURUS_BLESS").is_some() {
        std::fs::write(&expected, example()).unwrap();
    }
    assert_eq!(example(), std::fs::read_to_string(expected).unwrap());
}

/// The text of every program of every shipped system compiles without warnings.
#[test]
fn the_compiler_accepts_it() {
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let mut text = String::from("#![no_std]\n#![deny(warnings, missing_docs)]\n//! Test.\n");
    let mut modules = 0;
    let mut add = |source: &Source| {
        let system = parse(source).unwrap_or_else(|e| panic!("{e}"));
        for binary in system.binaries() {
            let constants = generate(&system, &binary).unwrap();
            text += &format!("/// M.\npub mod m{modules} {{\n{constants}}}\n");
            modules += 1;
        }
    };
    add(&Source::read(&folder().join("tests/example.toml")).unwrap());
    for file in std::fs::read_dir(folder().join("../systems")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            add(&Source::read(&path).unwrap());
        }
    }
    assert!(modules > 2);
    let file = out.join("constants.rs");
    std::fs::write(&file, text).unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let output = Command::new(rustc)
        .args(["--edition=2024", "--crate-type=lib", "--emit=metadata"])
        .arg("--out-dir")
        .arg(&out)
        .arg(&file)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

#[test]
fn an_unknown_program_is_named_with_the_likely_one() {
    let path = folder().join("tests/example.toml");
    let error = from_file(&path, "serve").unwrap_err().to_string();
    assert!(
        error.contains("no component runs the program `serve`"),
        "{error}"
    );
    assert!(error.contains("did you mean `server`?"), "{error}");
}

#[test]
fn a_wrong_description_ends_in_its_diagnostics() {
    let path = folder().join("../check/tests/bad/irq-owner.toml");
    let error = from_file(&path, "console").unwrap_err().to_string();
    assert!(error.contains("irq-owner: component `log`"), "{error}");
    let error = from_file(Path::new("nowhere.toml"), "console").unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}
