//! What test programs print on their serial line.
//!
//! ```text
//! TEST name ... ok
//! TEST name ... FAILED reason
//! DONE n
//! ```
//!
//! `DONE n` is the last line and counts the tests that were run, so that none can get lost.

/// What a line of a test program says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A test passed.
    Passed(String),
    /// A test failed for this reason.
    Failed(String, String),
    /// All is done: so many tests were run.
    Done(u64),
}

/// Reads one line; `None` if it is none of the protocol's.
pub fn parse(line: &str) -> Option<Line> {
    let line = line.trim();
    if let Some(count) = line.strip_prefix("DONE ") {
        return count.trim().parse().ok().map(Line::Done);
    }
    let (name, outcome) = line.strip_prefix("TEST ")?.split_once(" ... ")?;
    let name = name.trim();
    if name.is_empty() {
        return None;
    }
    match outcome.split_once(' ').unwrap_or((outcome, "")) {
        ("ok", "") => Some(Line::Passed(name.into())),
        ("FAILED", reason) => Some(Line::Failed(name.into(), reason.trim().into())),
        _ => None,
    }
}

/// What a test program has reported so far.
#[derive(Debug, Default)]
pub struct Report {
    /// Each test with the reason why it failed, if it did.
    pub tests: Vec<(String, Option<String>)>,
    done: Option<u64>,
}

impl Report {
    /// Takes a line; was it the last of the protocol?
    pub fn take(&mut self, line: &str) -> bool {
        match parse(line) {
            Some(Line::Passed(name)) => self.tests.push((name, None)),
            Some(Line::Failed(name, reason)) => self.tests.push((name, Some(reason))),
            Some(Line::Done(count)) => self.done = Some(count),
            None => {}
        }
        self.done.is_some()
    }

    /// What is wrong with the report itself, if anything is.
    pub fn fault(&self) -> Option<String> {
        let seen = self.tests.len() as u64;
        match self.done {
            None => Some("the program did not say DONE".into()),
            Some(0) => Some("the program ran no tests".into()),
            Some(count) if count != seen => Some(format!(
                "the program says it ran {count} tests, but {seen} reported"
            )),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms() {
        assert_eq!(
            parse("TEST revoke.deep ... ok\r"),
            Some(Line::Passed("revoke.deep".into()))
        );
        assert_eq!(
            parse("TEST ipc.call ... FAILED expected 3, got 4"),
            Some(Line::Failed("ipc.call".into(), "expected 3, got 4".into()))
        );
        assert_eq!(
            parse("TEST x ... FAILED"),
            Some(Line::Failed("x".into(), String::new()))
        );
        assert_eq!(parse("DONE 12"), Some(Line::Done(12)));
    }

    #[test]
    fn nothing_else_is_taken_for_a_result() {
        for line in [
            "",
            "TEST",
            "TEST a",
            "TEST a ... perhaps",
            "TEST a ... okay",
            "TEST a ... ok then",
            "TEST  ... ok",
            "DONE",
            "DONE x",
            "root: TEST a ... ok",
        ] {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }

    fn report(lines: &[&str]) -> Report {
        let mut report = Report::default();
        for line in lines {
            report.take(line);
        }
        report
    }

    #[test]
    fn a_report_must_be_whole() {
        assert_eq!(report(&["TEST a ... ok", "DONE 1"]).fault(), None);
        assert_eq!(report(&["TEST a ... FAILED x", "DONE 1"]).fault(), None);
        assert!(report(&["TEST a ... ok"]).fault().is_some());
        assert!(report(&["TEST a ... ok", "DONE 2"]).fault().is_some());
        assert!(report(&["DONE 0"]).fault().is_some());
    }
}
