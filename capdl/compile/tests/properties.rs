//! Whatever is done to a description, the answer is an image that root accepts or a readable message.

use pagurus_capdl_compile::compile_source;
use pagurus_capdl_image::Image;
use pagurus_capdl_spec::Source;
use proptest::prelude::*;
use std::sync::LazyLock;

/// Descriptions with everything in them.
static ORIGINALS: LazyLock<Vec<String>> = LazyLock::new(|| {
    [
        "../systems/default.toml",
        "../check/tests/good/sharing.toml",
        "../check/tests/good/supervised.toml",
        "../check/tests/good/separate.toml",
        "../check/tests/good/monitors.toml",
    ]
    .iter()
    .map(|path| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    })
    .collect()
});

/// Words that mean something somewhere.
const WORDS: &[&str] = &[
    "0",
    "1",
    "3",
    "15",
    "16",
    "255",
    "256",
    "65536",
    "-1",
    "4294967295",
    "0x7fff_ffff_ffff_f000",
    "9223372036854775807",
    "true",
    "\"4K\"",
    "\"12K\"",
    "\"64T\"",
    "\"8388608T\"",
    "\"1ns\"",
    "\"3600s\"",
    "\"r\"",
    "\"w\"",
    "\"rwx\"",
    "\"rwxg\"",
    "\"\"",
    "\"root\"",
    "\"log\"",
    "\"ping\"",
    "\"rest\"",
    "\"always\"",
    "[]",
    "{}",
    "slot = 16",
    "slot = 4294967295",
    "slots = 4294967295",
    "badge = 1",
    "signal = 1",
    "at = 0x1000",
    "offset = \"4K\"",
    "length = 0",
    "shared = true",
    "passive = true",
    "cnode_bits = 20",
    "cnode_bits = 64",
    "address_space = \"4G\"",
    "heap = \"1T\"",
    "heap = \"8388608T\"",
    "stack = \"64T\"",
    "image = 0",
    "memory = \"64T\"",
    "cpus = 64",
    "[[component]]",
    "[[frame]]",
    "\n",
];

/// An edit: which word or line, and what becomes of it.
#[derive(Clone, Debug)]
enum Edit {
    ReplaceWord(usize, usize),
    InsertLine(usize, usize),
    DeleteLine(usize),
    RepeatLine(usize, usize),
    SwapWords(usize, usize),
    Character(usize, char),
}

fn edit() -> impl Strategy<Value = Edit> {
    let place = 0usize..10_000;
    prop_oneof![
        4 => (place.clone(), 0..WORDS.len()).prop_map(|(a, w)| Edit::ReplaceWord(a, w)),
        2 => (place.clone(), 0..WORDS.len()).prop_map(|(a, w)| Edit::InsertLine(a, w)),
        1 => place.clone().prop_map(Edit::DeleteLine),
        1 => (place.clone(), place.clone()).prop_map(|(a, b)| Edit::RepeatLine(a, b)),
        2 => (place.clone(), place.clone()).prop_map(|(a, b)| Edit::SwapWords(a, b)),
        1 => (place, any::<char>()).prop_map(|(a, c)| Edit::Character(a, c)),
    ]
}

/// Values: what follows an equals sign or stands between commas.
fn values(text: &str) -> Vec<(usize, usize)> {
    let mut values = Vec::new();
    let mut start = None;
    for (i, c) in text.char_indices() {
        let inside = c.is_ascii_alphanumeric() || "\"-_.".contains(c);
        match (start, inside) {
            (None, true) => start = Some(i),
            (Some(from), false) => {
                values.push((from, i));
                start = None;
            }
            _ => {}
        }
    }
    values
}

fn apply(text: &str, edit: &Edit) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let count = lines.len().max(1);
    match *edit {
        Edit::ReplaceWord(at, word) => {
            let values = values(text);
            let Some((from, to)) = values.get(at % values.len().max(1)) else {
                return text.to_string();
            };
            format!("{}{}{}", &text[..*from], WORDS[word], &text[*to..])
        }
        Edit::InsertLine(at, word) => {
            lines.insert(at % count, WORDS[word]);
            lines.join("\n")
        }
        Edit::DeleteLine(at) => {
            if !lines.is_empty() {
                lines.remove(at % count);
            }
            lines.join("\n")
        }
        Edit::RepeatLine(from, to) => {
            if let Some(line) = lines.get(from % count).copied() {
                lines.insert(to % count, line);
            }
            lines.join("\n")
        }
        Edit::SwapWords(a, b) => {
            let values = values(text);
            let (Some(a), Some(b)) = (
                values.get(a % values.len().max(1)),
                values.get(b % values.len().max(1)),
            ) else {
                return text.to_string();
            };
            let (first, second) = if a.0 <= b.0 { (a, b) } else { (b, a) };
            if first.1 > second.0 {
                return text.to_string();
            }
            [
                &text[..first.0],
                &text[second.0..second.1],
                &text[first.1..second.0],
                &text[first.0..first.1],
                &text[second.1..],
            ]
            .concat()
        }
        Edit::Character(at, new) => {
            let count = text.chars().count().max(1);
            let place = at % count;
            text.chars()
                .enumerate()
                .map(|(i, c)| if i == place { new } else { c })
                .collect()
        }
    }
}

/// An image that root accepts, or messages that name a line and are no fault of the checks.
fn verdict(text: String) -> Result<bool, TestCaseError> {
    let lines = text.lines().count();
    match compile_source(&Source::new("edited.toml", text)) {
        Ok(system) => {
            let image = Image::parse(&system.image_bytes).expect("root would refuse it");
            let components = system.spec.components.len();
            prop_assert_eq!(image.components().count(), components);
            prop_assert_eq!(image.start_order().count(), components);
            Ok(true)
        }
        Err(diagnostics) => {
            prop_assert!(!diagnostics.is_empty());
            for diagnostic in diagnostics.iter() {
                prop_assert!(diagnostic.rule != "image", "{diagnostic}");
                prop_assert!((1..=lines + 1).contains(&diagnostic.line), "{diagnostic}");
            }
            prop_assert!(!diagnostics.to_string().is_empty());
            Ok(false)
        }
    }
}

/// More cases than usual by `PROPTEST_CASES=...`.
static CONFIG: LazyLock<ProptestConfig> = LazyLock::new(|| ProptestConfig {
    cases: std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1000),
    failure_persistence: None,
    ..ProptestConfig::default()
});

proptest! {
    #![proptest_config(CONFIG.clone())]

    #[test]
    fn edited_descriptions_compile_or_are_refused(
        which in 0usize..4,
        edits in prop::collection::vec(edit(), 1..4),
    ) {
        let mut text = ORIGINALS[which].clone();
        for edit in &edits {
            text = apply(&text, edit);
        }
        verdict(text)?;
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        prop_assert!(!verdict(text)?);
    }
}

#[test]
fn the_originals_compile() {
    for text in ORIGINALS.iter() {
        assert!(verdict(text.clone()).unwrap());
    }
}
