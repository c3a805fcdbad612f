//! Counts lines of Rust code: lines that hold a token of the language. Comments, documentation and empty
//! lines hold none. Items that only tests, simulations for tests or proofs get do not count.

use anyhow::{Context, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A source file, counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    lines: BTreeSet<usize>,
    /// Modules in files of their own that are only for tests.
    test_modules: Vec<String>,
}

/// Lines of code in all `src` directories below a directory.
pub fn count_below(directory: &Path) -> Result<usize> {
    let mut files = Vec::new();
    collect(directory, false, &mut files)?;
    let mut counted = Vec::new();
    let mut excluded = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("reading {}", file.display()))?;
        let result = count(&text).with_context(|| format!("counting {}", file.display()))?;
        for module in &result.test_modules {
            excluded.extend(files_of_module(&file, module));
        }
        counted.push((file, result.lines.len()));
    }
    Ok(counted
        .iter()
        .filter(|(file, _)| !file.ancestors().any(|part| excluded.contains(part)))
        .map(|(_, lines)| lines)
        .sum())
}

fn collect(directory: &Path, in_source: bool, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        std::fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, in_source || path.ends_with("src"), files)?;
        } else if in_source && path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Where a module that a file declares may lie: its file, and the directory of its own modules.
fn files_of_module(file: &Path, module: &str) -> [PathBuf; 2] {
    let stem = file.file_stem().unwrap_or_default();
    let mut place = file.parent().unwrap_or(Path::new("")).to_path_buf();
    if stem != "lib" && stem != "main" && stem != "mod" {
        place.push(stem);
    }
    [place.join(format!("{module}.rs")), place.join(module)]
}

/// Lines of code in a source text.
fn count(text: &str) -> Result<Counted> {
    let tokens: TokenStream = text.parse().map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut counted = Counted::default();
    walk(tokens, text, &mut counted);
    Ok(counted)
}

fn walk(tokens: TokenStream, text: &str, counted: &mut Counted) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if is_punct(&token, '#') {
            // `#![...]` is an attribute as well.
            let inner = tokens.next_if(|t| is_punct(t, '!')).is_some();
            if let Some(TokenTree::Group(group)) = tokens.peek()
                && group.delimiter() == Delimiter::Bracket
            {
                let attribute = compact(&group.stream());
                if is_for_tests(&attribute) && !inner {
                    tokens.next();
                    skip_item(&mut tokens, counted);
                    continue;
                }
                // A documentation comment is an attribute to the compiler, but no code.
                if attribute.starts_with("doc=") && is_comment(&token, text) {
                    tokens.next();
                    continue;
                }
            }
        }
        mark(&token, text, counted);
    }
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == character)
}

/// Does an attribute keep an item out of the kernel: for tests, simulations for tests, and proofs?
fn is_for_tests(attribute: &str) -> bool {
    ["cfg(test)", "cfg(kani)"].contains(&attribute) || attribute.starts_with("cfg(any(test,")
}

fn compact(tokens: &TokenStream) -> String {
    tokens.to_string().split_whitespace().collect()
}

/// Does this token stand where a comment starts in the text?
fn is_comment(token: &TokenTree, text: &str) -> bool {
    let range = token.span().byte_range();
    text.get(range.start..)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// Skips what an attribute belongs to: an item up to its body or its semicolon, a field up to its comma.
fn skip_item(tokens: &mut impl Iterator<Item = TokenTree>, counted: &mut Counted) {
    const WITH_BODY: [&str; 6] = ["fn", "mod", "impl", "struct", "enum", "trait"];
    const WITH_SEMICOLON: [&str; 4] = ["use", "const", "static", "type"];
    let mut words: Vec<String> = Vec::new();
    for token in tokens {
        let has = |keywords: &[&str]| words.iter().any(|w| keywords.contains(&w.as_str()));
        let (body, semicolon) = (has(&WITH_BODY), has(&WITH_SEMICOLON));
        match token {
            TokenTree::Group(group)
                if group.delimiter() == Delimiter::Brace && (body || !semicolon) =>
            {
                return;
            }
            TokenTree::Punct(p) if p.as_char() == ',' && !body && !semicolon => return,
            TokenTree::Punct(p) if p.as_char() == ';' => {
                if let [.., keyword, name] = words.as_slice()
                    && keyword == "mod"
                {
                    counted.test_modules.push(name.clone());
                }
                return;
            }
            TokenTree::Ident(word) => words.push(word.to_string()),
            _ => {}
        }
    }
}

fn mark(token: &TokenTree, text: &str, counted: &mut Counted) {
    match token {
        TokenTree::Group(group) => {
            counted.lines.insert(group.span_open().start().line);
            counted.lines.insert(group.span_close().end().line);
            walk(group.stream(), text, counted);
        }
        other => {
            let span = other.span();
            // A text literal may go over several lines.
            counted.lines.extend(span.start().line..=span.end().line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        count(text).unwrap().lines.into_iter().collect()
    }

    #[test]
    fn comments_documentation_and_empty_lines_are_no_code() {
        let text =
            "//! crate\n#![no_std]\n\n/// doc\nfn f() { // end\n    /* a\n    b */\n    g();\n}\n";
        assert_eq!(lines(text), [2, 5, 8, 9]);
    }

    #[test]
    fn what_only_looks_like_a_comment_counts() {
        let text = "const A: &str = \"\n// no comment\n\";\n#[doc = \"x\"]\nfn f() {}\n";
        assert_eq!(lines(text), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn tests_do_not_count() {
        let text = "fn f() {}\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\n#[cfg(test)]\nmod sim;\n\
                    #[cfg(not(test))]\nfn h() {}\n#[cfg(test)]\nuse x::y;\n";
        let counted = count(text).unwrap();
        assert_eq!(counted.lines.into_iter().collect::<Vec<_>>(), [1, 8, 9]);
        assert_eq!(counted.test_modules, ["sim"]);
        assert_eq!(
            lines("#[cfg(any(test, feature = \"sim\"))]\npub mod sim {}\n"),
            [0usize; 0]
        );
        assert_eq!(
            lines("#[cfg(kani)]\nmod proofs;\n#[cfg(feature = \"x\")]\nfn f() {}\n"),
            [3, 4]
        );
    }

    #[test]
    fn attributes_of_tests_do_not_hide_what_follows() {
        let text = "#[cfg(test)]\n#[allow(dead_code)]\nfn only_in_tests() {}\nfn f() {}\n";
        assert_eq!(lines(text), [4]);
    }

    #[test]
    fn every_kind_of_item_ends_where_it_ends() {
        assert_eq!(lines("#[cfg(test)]\nuse x::{a, b};\nfn f() {}\n"), [3]);
        assert_eq!(
            lines("#[cfg(test)]\nconst A: S = S { a: 1 };\nfn f() {}\n"),
            [3]
        );
        assert_eq!(
            lines("#[cfg(test)]\nconst fn a<A, B>() {}\nfn f() {}\n"),
            [3]
        );
        assert_eq!(
            lines("struct S {\n#[cfg(test)]\na: u8,\nb: u8,\n}\n"),
            [1, 4, 5]
        );
    }

    #[test]
    fn files_of_test_modules_are_found_where_rust_looks() {
        let lib = files_of_module(Path::new("a/src/lib.rs"), "sim");
        assert_eq!(lib[0], Path::new("a/src/sim.rs"));
        let deep = files_of_module(Path::new("a/src/cpu.rs"), "tests");
        assert_eq!(deep[0], Path::new("a/src/cpu/tests.rs"));
        assert_eq!(deep[1], Path::new("a/src/cpu/tests"));
    }

    #[test]
    fn a_tree_is_counted_without_its_tests() {
        let place = std::env::temp_dir().join(format!("pagurus-lines-{}", std::process::id()));
        let write = |name: &str, text: &str| {
            let path = place.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("k/src/lib.rs", "mod a;\n#[cfg(test)]\nmod sim;\n");
        write("k/src/a.rs", "fn f() {}\n// x\n");
        write("k/src/sim.rs", "fn long() {\n}\n");
        write("k/tests/it.rs", "fn outside() {}\n");
        write("k/build.rs", "fn main() {}\n");
        assert_eq!(count_below(&place).unwrap(), 2);
        std::fs::remove_dir_all(place).unwrap();
    }
}
