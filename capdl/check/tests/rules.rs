//! Every rule refuses what it should, with the message that stands beside the description.
//!
//! `bad/RULE-VARIANT.toml` breaks `RULE` and nothing else; `RULE-VARIANT.expected` is what a person sees.
//! After a message was changed on purpose, `PAGURUS_BLESS=1 cargo test` writes the `.expected` files anew.

use pagurus_capdl_check::{NAME_RULES, RULES, Rule, check};
use pagurus_capdl_spec::{Diagnostics, Source, parse};
use std::fs;
use std::path::{Path, PathBuf};

/// Rules of the parser.
const SYNTAX: &str = "syntax";

fn descriptions(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

/// Checks a file under its bare name, so that messages do not depend on where the project lies.
fn check_file(path: &Path) -> Result<(), Diagnostics> {
    let text = fs::read_to_string(path).unwrap();
    let source = Source::new(path.file_name().unwrap(), text);
    check(&source, &parse(&source)?)
}

fn all_rules() -> impl Iterator<Item = &'static Rule> {
    NAME_RULES.iter().chain(RULES)
}

/// The rule that a file is named for: the longest whose name it begins with.
fn rule_of(stem: &str) -> &'static str {
    all_rules()
        .map(|r| r.name)
        .chain([SYNTAX])
        .filter(|name| {
            stem.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
        .max_by_key(|name| name.len())
        .unwrap_or_else(|| panic!("{stem} is not named for a rule"))
}

#[test]
fn bad_descriptions_are_refused_with_the_expected_message() {
    let bless = std::env::var_os("PAGURUS_BLESS").is_some();
    let mut wrong = String::new();
    for path in descriptions("bad") {
        let name = stem(&path);
        let Err(diagnostics) = check_file(&path) else {
            wrong += &format!("--- {name}: nothing was found\n");
            continue;
        };
        for diagnostic in diagnostics.iter() {
            if diagnostic.rule != rule_of(name) || diagnostic.line == 0 {
                wrong += &format!("--- {name}: another rule is broken:\n{diagnostic}\n");
            }
        }
        let shown = format!("{diagnostics}\n");
        let expected = path.with_extension("expected");
        if bless {
            fs::write(&expected, &shown).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != shown {
            wrong += &format!("--- {name}: unexpected message:\n{shown}");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_rule_has_a_description_that_breaks_it() {
    let files = descriptions("bad");
    for rule in all_rules() {
        let tested = files.iter().any(|path| rule_of(stem(path)) == rule.name);
        assert!(tested, "no tests/bad/{}*.toml", rule.name);
    }
}

#[test]
fn good_descriptions_pass() {
    let systems = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systems");
    let shipped = fs::read_dir(systems).unwrap().map(|e| e.unwrap().path());
    let shipped = shipped.filter(|p| p.extension().is_some_and(|e| e == "toml"));
    for path in descriptions("good").into_iter().chain(shipped) {
        if let Err(diagnostics) = check_file(&path) {
            panic!("{}:\n{diagnostics}", path.display());
        }
    }
}

/// This one would be too long for a file.
#[test]
fn more_than_an_image_holds_is_refused() {
    let mut text = String::from(
        "[system]\nname = \"many\"\nmemory = \"4G\"\n[services]\nparent = \"root\"\n\
         [[endpoint]]\nname = \"root\"\n",
    );
    for i in 0..=pagurus_capdl_image::layout::MAX_COMPONENTS {
        text += &format!("[[component]]\nname = \"c{i}\"\n");
    }
    let source = Source::new("many.toml", text);
    let diagnostics = check(&source, &parse(&source).unwrap()).unwrap_err();
    assert_eq!(diagnostics.0.len(), 1);
    assert_eq!(diagnostics.0[0].rule, "limits");
    assert_eq!(diagnostics.0[0].message, "257 components are too many");
}

#[test]
fn rule_names_are_unique() {
    for (i, rule) in all_rules().enumerate() {
        assert!(!rule.demands.is_empty());
        assert!(all_rules().take(i).all(|other| other.name != rule.name));
    }
}
