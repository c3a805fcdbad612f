//! Text that comes from components and goes to an operator's terminal.

use crate::store::TEXT_BYTES;

/// What stands in the place of characters that a terminal would obey instead of showing.
const REPLACEMENT: char = '.';

/// Whether a character is shown rather than obeyed.
fn is_shown(c: char) -> bool {
    // Controls include the C1 set, which some terminals obey too. The bidirectional controls could make a line read as
    // something else than it says.
    !c.is_control() && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The characters of `text`, with a replacement for each that is not shown; tabs become spaces.
pub fn shown(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().map(|c| match c {
        '\t' => ' ',
        c if is_shown(c) => c,
        _ => REPLACEMENT,
    })
}

/// Cuts text into pieces of one line each: at line feeds, and where a piece would be longer than a line can be. Empty
/// pieces at the end are left out.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.trim_end_matches(['\n', '\r'])
        .split('\n')
        .flat_map(|line| {
            let mut rest = Some(line.trim_end_matches('\r'));
            core::iter::from_fn(move || {
                let text = rest?;
                let (piece, after) = text.split_at(text.floor_char_boundary(TEXT_BYTES));
                rest = (!after.is_empty()).then_some(after);
                Some(piece)
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_terminal_has_nothing_to_obey() {
        let text: String = shown("\x1b[2Jgone\x07\u{9b}31m\tred \u{202e}txt\u{7f}é").collect();
        assert_eq!(text, ".[2Jgone..31m red .txt.é");
    }

    #[test]
    fn lines_are_split_at_line_feeds() {
        let all: Vec<_> = pieces("one\r\n\ntwo\n\n").collect();
        assert_eq!(all, ["one", "", "two"]);
        assert_eq!(pieces("").collect::<Vec<_>>(), [""]);
    }

    proptest! {
        #[test]
        fn pieces_fit_and_lose_nothing(text in "[a-zé𝄞]{0,900}") {
            let all: Vec<_> = pieces(&text).collect();
            prop_assert!(all.iter().all(|p| p.len() <= TEXT_BYTES));
            prop_assert_eq!(all.concat(), text);
        }

        #[test]
        fn cleaned_text_is_no_longer(text in "\\PC{0,50}|[\u{0}-\u{1f}\u{80}-\u{9f}]{0,50}") {
            let clean: String = shown(&text).collect();
            prop_assert!(clean.len() <= text.len());
            prop_assert!(!clean.chars().any(char::is_control));
        }
    }
}
