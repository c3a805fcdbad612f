//! Sizes of text, without a font at hand.

/// Width of `text` in a sans-serif font of `size` pixels, rather too much than too little.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let ems: f64 = text.chars().map(character).sum();
    ems * size
}

/// Width of a character in parts of the font size, after Helvetica and its relatives.
fn character(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | '\'' | '|' | '!' => 0.30,
        'f' | 't' | 'r' | ' ' | '(' | ')' | '/' | '-' => 0.38,
        'm' | 'w' | 'M' | 'W' => 0.90,
        'A'..='Z' => 0.72,
        _ => 0.58,
    }
}

/// `text` in lines of at most `limit` pixels, broken at spaces.
pub(crate) fn wrap(text: &str, size: f64, limit: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(" ", size) + width(word, size) <= limit => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// `text` as it stands in XML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 has no way to write other control characters.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_to_the_limit_and_lose_no_word() {
        let text = "hands out memory, within quotas";
        let lines = wrap(text, 12.0, 100.0);
        assert!(lines.len() > 1);
        assert!(lines.iter().all(|l| width(l, 12.0) <= 100.0));
        assert_eq!(lines.join(" "), text);
        assert_eq!(wrap("incomprehensibilities", 12.0, 10.0).len(), 1);
    }

    #[test]
    fn xml_is_escaped() {
        assert_eq!(escape("a<b>&\"c\"\u{1}"), "a&lt;b&gt;&amp;&quot;c&quot; ");
    }
}
