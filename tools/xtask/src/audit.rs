//! Compares the capabilities of the running system with its description: the system does it, on request.

use crate::cli::AuditOptions;
use crate::control::Control;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// `tools/pagurus audit`; is the system as described?
pub fn audit(options: &AuditOptions) -> Result<bool> {
    let workspace = Workspace::load(&Toolchain::current())?;
    let records = Control::connect(&workspace)?.request("audit")?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&records)?);
    }
    let (lines, clean) = report(&records)?;
    if !options.json {
        for line in lines {
            println!("{line}");
        }
    }
    Ok(clean)
}

/// The report as text, and whether there are no differences.
fn report(records: &[Value]) -> Result<(Vec<String>, bool)> {
    let of = |kind: &'static str| records.iter().filter(move |r| r["record"] == kind);
    let summary = of("audit")
        .next()
        .context("the system's answer has no result of an audit")?;
    let number = |field: &str| {
        summary[field]
            .as_u64()
            .with_context(|| format!("the result of the audit has no `{field}`"))
    };
    let (capabilities, count) = (number("capabilities")?, number("differences")?);
    let mut lines: Vec<String> = of("difference").map(difference).collect();
    ensure!(
        lines.len() as u64 == count || !lines.is_empty() && (lines.len() as u64) < count,
        "the system counts {count} differences but lists {}",
        lines.len()
    );
    lines.push(match count {
        0 => format!("{capabilities} capabilities, as described"),
        1 => format!("{capabilities} capabilities, 1 difference"),
        _ => format!("{capabilities} capabilities, {count} differences"),
    });
    Ok((lines, count == 0))
}

fn difference(record: &Value) -> String {
    let component = match record["name"].as_str() {
        Some(name) => name.to_owned(),
        None => format!("component {}", record["component"]),
    };
    let text = record["text"].as_str().unwrap_or("differs");
    match record["slot"].as_u64() {
        Some(slot @ 1..) => format!("{component}, slot {slot}: {text}"),
        _ => format!("{component}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_clean_system() {
        let records = [json!({"record":"audit","capabilities":120,"differences":0})];
        let (lines, clean) = report(&records).unwrap();
        assert!(clean);
        assert_eq!(lines, ["120 capabilities, as described"]);
    }

    #[test]
    fn differences_are_listed_and_counted() {
        let records = [
            json!({"record":"difference","component":2,"name":"log","slot":17,"text":"not described"}),
            json!({"record":"difference","component":9,"name":null,"slot":0,"text":"missing"}),
            json!({"record":"audit","capabilities":3,"differences":2}),
        ];
        let (lines, clean) = report(&records).unwrap();
        assert!(!clean);
        assert_eq!(
            lines,
            [
                "log, slot 17: not described",
                "component 9: missing",
                "3 capabilities, 2 differences"
            ]
        );
    }

    #[test]
    fn an_answer_that_contradicts_itself_is_no_success() {
        assert!(report(&[]).is_err());
        assert!(report(&[json!({"record":"audit","capabilities":3,"differences":1})]).is_err());
        let none = [
            json!({"record":"difference","component":2,"slot":17,"text":"x"}),
            json!({"record":"audit","capabilities":3,"differences":0}),
        ];
        assert!(report(&none).is_err());
    }
}
