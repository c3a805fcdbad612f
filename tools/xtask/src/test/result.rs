//! The result of a test, and the report of all.

use crate::progress::Paint;
use serde::Serialize;
use std::time::Duration;

/// One test that was run.
#[derive(Clone, Debug, Serialize)]
pub struct TestResult {
    name: String,
    passed: bool,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl TestResult {
    /// A test that took this long and passed, or failed for a reason.
    pub fn new(name: impl Into<String>, outcome: Result<(), String>, took: Duration) -> Self {
        Self {
            name: name.into(),
            passed: outcome.is_ok(),
            seconds: (took.as_secs_f64() * 1000.0).round() / 1000.0,
            reason: outcome.err(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it failed, if it did.
    #[cfg(test)]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Did it pass?
    pub fn passed(&self) -> bool {
        self.passed
    }

    /// Adds to the reason of a failure.
    pub fn explain(&mut self, text: &str) {
        let reason = self.reason.get_or_insert_default();
        if !reason.is_empty() {
            reason.push('\n');
        }
        reason.push_str(text);
    }

    fn text(&self, paint: Paint) -> String {
        let outcome = if self.passed {
            paint.good("ok")
        } else {
            paint.bad("FAILED")
        };
        let mut text = format!("test {} ... {outcome}", self.name);
        for line in self.reason.iter().flat_map(|r| r.lines()) {
            text.push_str("\n    ");
            text.push_str(line);
        }
        text
    }
}

/// All results so far; prints each as it comes.
pub struct Results {
    all: Vec<TestResult>,
    json: bool,
}

#[derive(Serialize)]
struct Summary<'a> {
    passed: usize,
    failed: usize,
    tests: &'a [TestResult],
}

impl Results {
    /// None yet; for people, or as JSON.
    pub fn new(json: bool) -> Self {
        Self {
            all: Vec::new(),
            json,
        }
    }

    /// Takes results and prints them.
    pub fn add(&mut self, results: impl IntoIterator<Item = TestResult>) {
        for result in results {
            if !self.json {
                println!("{}", result.text(Paint::stdout()));
            }
            self.all.push(result);
        }
    }

    /// Nothing was run.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn count(&self) -> (usize, usize) {
        let passed = self.all.iter().filter(|r| r.passed).count();
        (passed, self.all.len() - passed)
    }

    /// Prints the end of the report; did all pass?
    pub fn finish(&self) -> serde_json::Result<bool> {
        let (passed, failed) = self.count();
        if self.json {
            let summary = Summary {
                passed,
                failed,
                tests: &self.all,
            };
            println!("{}", serde_json::to_string_pretty(&summary)?);
        } else {
            let failures = self.all.iter().filter(|r| !r.passed);
            for (index, failure) in failures.enumerate() {
                if index == 0 {
                    println!("\nfailures:");
                }
                println!("    {}", failure.name);
            }
            println!("\n{passed} passed, {failed} failed");
        }
        Ok(failed == 0 && passed > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_its_reason() {
        let mut result = TestResult::new(
            "a/b",
            Err("expected 1\ngot 2".into()),
            Duration::from_millis(1500),
        );
        result.explain("the end of x.log:");
        assert_eq!(
            result.text(Paint::none()),
            "test a/b ... FAILED\n    expected 1\n    got 2\n    the end of x.log:"
        );
        assert!((result.seconds - 1.5).abs() < 1e-9);
    }

    #[test]
    fn nothing_tested_is_no_success() {
        let mut results = Results::new(false);
        assert!(!results.finish().unwrap());
        results.add([TestResult::new("a", Ok(()), Duration::ZERO)]);
        assert!(results.finish().unwrap());
        results.add([TestResult::new("b", Err(String::new()), Duration::ZERO)]);
        assert_eq!(results.count(), (1, 1));
        assert!(!results.finish().unwrap());
    }
}
