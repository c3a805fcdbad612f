//! What is wrong with a description, said so that it can be mended.

use crate::source::Source;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// One fault in a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The rule that is broken, for example `irq-owner`.
    pub rule: &'static str,
    /// The file.
    pub file: PathBuf,
    /// Line, from 1; 0 if the fault has no place in the text (the file cannot be read).
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The component in which it stands, if it is in one.
    pub component: Option<String>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// The line of the text.
    excerpt: String,
    /// Characters to underline.
    width: usize,
}

impl Diagnostic {
    /// A fault at `span` of `source`.
    pub fn new(
        source: &Source,
        rule: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        let position = source.position(span.start);
        Diagnostic {
            rule,
            file: source.path().to_path_buf(),
            line: position.line,
            column: position.column,
            component: None,
            message: message.into(),
            help: None,
            excerpt: source.line(position.line).to_string(),
            width: source.width(&span),
        }
    }

    /// A fault of a file as a whole.
    pub fn of_file(
        file: impl Into<PathBuf>,
        rule: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Diagnostic {
            rule,
            file: file.into(),
            line: 0,
            column: 0,
            component: None,
            message: message.into(),
            help: None,
            excerpt: String::new(),
            width: 0,
        }
    }

    /// The same, in component `name`.
    pub fn in_component(mut self, name: impl Into<String>) -> Self {
        self.component = Some(name.into());
        self
    }

    /// The same, with advice.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    /// `file:line:column: rule: component: message`, the line with the place underlined, and the advice.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        write!(f, " {}: ", self.rule)?;
        if let Some(component) = &self.component {
            write!(f, "component `{component}`: ")?;
        }
        write!(f, "{}", self.message)?;
        if self.line > 0 && !self.excerpt.trim().is_empty() {
            let number = self.line.to_string();
            let gutter = " ".repeat(number.len());
            let room = self.excerpt.chars().count() + 1 - self.column.min(self.excerpt.len());
            let indent: String = self.excerpt.chars().take(self.column - 1).collect();
            // Tabs stay tabs, so that the mark stands below its text in every terminal.
            let indent: String = indent
                .chars()
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let mark = "^".repeat(self.width.clamp(1, room.max(1)));
            write!(
                f,
                "\n {number} | {}\n {gutter} | {indent}{mark}",
                self.excerpt
            )?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n   help: {help}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a description; never empty when it is an error.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Adds a fault.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults in the order of the lines of the file.
    pub fn sorted(mut self) -> Self {
        self.0.sort_by_key(|d| (d.line, d.column));
        self
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Diagnostics(vec![diagnostic])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.0 {
            writeln!(f, "{diagnostic}")?;
        }
        match self.0.len() {
            1 => write!(f, "1 error in the description"),
            n => write!(f, "{n} errors in the description"),
        }
    }
}

impl std::error::Error for Diagnostics {}

/// The name among `known` that `name` may be a slip of, as a question; empty if none is near.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_line_and_marks_the_place() {
        let source = Source::new("s.toml", "a = 1\nbudget = \"5s\"\n");
        let d = Diagnostic::new(&source, "budget-range", 15..19, "too long")
            .in_component("console")
            .with_help("say less");
        assert_eq!(
            d.to_string(),
            "s.toml:2:10: budget-range: component `console`: too long\n \
             2 | budget = \"5s\"\n   |          ^^^^\n   help: say less"
        );
    }

    #[test]
    fn slips_are_recognised() {
        let known = ["console", "log", "memory-manager"];
        assert_eq!(
            did_you_mean("consle", known).as_deref(),
            Some("did you mean `console`?")
        );
        assert_eq!(did_you_mean("zebra", known), None);
    }
}
