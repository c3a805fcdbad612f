//! Completion of what is being typed.

use crate::command::{self, Argument, COMMANDS};
use heapless::Vec;

/// Most candidates that are told apart.
pub const MAX_CANDIDATES: usize = 64;

/// What may stand at the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion<'a> {
    /// The part of the word that is there already.
    pub typed: &'a str,
    /// The words that begin with it.
    pub candidates: Vec<&'a str, MAX_CANDIDATES>,
}

impl<'a> Completion<'a> {
    /// What all candidates have in common after what was typed.
    pub fn common(&self) -> &'a str {
        let Some((first, rest)) = self.candidates.split_first() else {
            return "";
        };
        let mut end = first.len();
        for other in rest {
            let same = first.bytes().zip(other.bytes()).take_while(|(a, b)| a == b);
            end = end.min(same.count());
        }
        first.get(self.typed.len()..end).unwrap_or("")
    }
}

/// The candidates for the word that ends at the cursor.
pub fn complete<'a>(
    before_cursor: &'a str,
    components: impl Iterator<Item = &'a str>,
) -> Completion<'a> {
    let start = before_cursor.rfind(' ').map_or(0, |space| space + 1);
    let (before, typed) = before_cursor.split_at(start);
    let mut words = before.split_ascii_whitespace();
    let candidates = match (words.next(), words.next_back()) {
        (None, _) => matching(typed, COMMANDS.iter().map(|c| c.name)),
        (Some("vm"), Some("attach")) => matching(typed, components),
        (Some("log"), Some("-l")) => matching(typed, levels()),
        (Some("log"), Some("-n")) => Vec::new(),
        (Some("log"), _) if !typed.starts_with('-') => matching(typed, components),
        (Some("log"), _) => argument(Argument::Words(&["-f", "-l", "-n"]), typed, components),
        (Some(name), None) => match command::find(name) {
            Some(help) => argument(help.first_argument, typed, components),
            None => Vec::new(),
        },
        _ => Vec::new(),
    };
    Completion { typed, candidates }
}

fn argument<'a>(
    what: Argument,
    typed: &str,
    components: impl Iterator<Item = &'a str>,
) -> Vec<&'a str, MAX_CANDIDATES> {
    match what {
        Argument::None => Vec::new(),
        Argument::Component => matching(typed, components),
        Argument::Command => matching(typed, COMMANDS.iter().map(|c| c.name)),
        Argument::Words(words) => matching(typed, words.iter().copied()),
    }
}

fn levels() -> impl Iterator<Item = &'static str> {
    ["error", "warn", "info", "debug", "trace"].into_iter()
}

fn matching<'a>(typed: &str, words: impl Iterator<Item = &'a str>) -> Vec<&'a str, MAX_CANDIDATES> {
    words
        .filter(|w| w.starts_with(typed))
        .take(MAX_CANDIDATES)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(line: &str) -> (std::string::String, std::vec::Vec<&str>) {
        let names = ["root", "console", "log", "memory-manager", "ping", "pong"];
        let completion = complete(line, names.into_iter());
        let common = completion.common().to_string();
        (common, completion.candidates.iter().copied().collect())
    }

    #[test]
    fn commands_and_arguments() {
        assert_eq!(candidates("re"), ("start".into(), vec!["restart"]));
        assert_eq!(candidates("caps p"), ("".into(), vec!["ping", "pong"]));
        assert_eq!(candidates("caps pi"), ("ng".into(), vec!["ping"]));
        assert_eq!(candidates("caps x"), ("".into(), vec![]));
        assert_eq!(candidates("caps ping "), ("".into(), vec![]));
        assert_eq!(candidates("ps "), ("".into(), vec![]));
        assert_eq!(candidates("nonsense "), ("".into(), vec![]));
        assert_eq!(candidates("help ec"), ("ho".into(), vec!["echo"]));
        assert_eq!(
            candidates("c").1,
            ["caps", "check", "cpus", "color", "clear"]
        );
        assert_eq!(candidates("").1.len(), COMMANDS.len());
        assert_eq!(candidates("color o"), ("".into(), vec!["off", "on"]));
        assert_eq!(candidates("vm a"), ("ttach".into(), vec!["attach"]));
        assert_eq!(candidates("vm attach pi").1, ["ping"]);
    }

    #[test]
    fn the_log_has_options_and_components() {
        assert_eq!(candidates("log -"), ("".into(), vec!["-f", "-l", "-n"]));
        assert_eq!(
            candidates("log -f mem"),
            ("ory-manager".into(), vec!["memory-manager"])
        );
        assert_eq!(candidates("log -l w"), ("arn".into(), vec!["warn"]));
        assert_eq!(candidates("log -n "), ("".into(), vec![]));
    }

    #[test]
    fn several_candidates_share_a_beginning() {
        let completion = complete("restart p", ["ping", "pingpong", "pin"].into_iter());
        assert_eq!(completion.common(), "in");
    }
}
