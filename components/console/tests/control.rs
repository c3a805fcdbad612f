//! The control channel, read back by another JSON reader.

mod support;

use console::control::Control;
use pagurus_protocol::log::Level;
use pagurus_protocol::root::AuditText;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::Fake;

fn send(fake: &mut Fake, bytes: &[u8]) -> Vec<Value> {
    let (mut control, mut out) = (Control::new(), String::new());
    for byte in bytes {
        control.push(*byte, fake, &mut out);
    }
    assert!(out.is_empty() || out.ends_with('\n'));
    let lines = out.lines();
    lines
        .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
        .collect()
}

fn ok(fake: &mut Fake, line: &str) -> Vec<Value> {
    let mut all = send(fake, format!("{line}\n").as_bytes());
    assert_eq!(all.pop(), Some(json!({"ok": true})), "{line}: {all:?}");
    all
}

fn error(fake: &mut Fake, bytes: &[u8]) -> String {
    let mut all = send(fake, bytes);
    let last = all.pop().expect("an answer");
    assert_eq!(last["ok"], json!(false));
    last["error"].as_str().expect("a text").to_string()
}

#[test]
fn ping_and_nothing_unasked() {
    let mut fake = Fake::new();
    assert_eq!(ok(&mut fake, "ping"), [json!({"record": "pong"})]);
    assert!(send(&mut fake, b"\r\n\n  \n").is_empty());
    assert!(
        send(&mut fake, b"ping").is_empty(),
        "not before the line ends"
    );
}

#[test]
fn components() {
    let all = ok(&mut Fake::new(), "ps");
    assert_eq!(all.len(), 5);
    assert_eq!(
        all[4],
        json!({
            "record": "component", "id": 4, "name": "ping", "state": "faulted",
            "thread": "inactive", "priority": 104, "cpu": 0, "restarts": 3,
            "memory_bytes": 0x40_0000, "cpu_ns": 49_382_712
        })
    );
}

#[test]
fn capabilities() {
    let all = ok(&mut Fake::new(), "caps ping");
    assert_eq!(all.len(), 4);
    assert_eq!(
        all[0],
        json!({
            "record": "capability", "slot": 1, "kind": "cnode", "read": true, "write": true,
            "execute": false, "grant": false, "size_bits": 6, "depth": 2, "original": true,
            "device": false, "binding": false, "object": 0x10_0040, "badge": 0, "mapping": 0
        })
    );
}

#[test]
fn memory_log_audit_check() {
    let mut fake = Fake::new();
    fake.say(4, Level::Warn, "quotes \" and \\ and \t tabs");
    fake.differences.push(AuditText {
        component: 4,
        slot: 9,
    });
    let memory = ok(&mut fake, "mem");
    assert_eq!(memory[0]["total"], json!(255u64 << 20));
    assert_eq!(memory[2]["name"], json!("ping"));
    assert_eq!(memory[3]["name"], Value::Null);
    let log = ok(&mut fake, "log 5");
    assert_eq!(log[0]["text"], json!("quotes \" and \\ and \t tabs"));
    assert_eq!(log[0]["level"], json!("WARN"));
    let audit = ok(&mut fake, "audit");
    assert_eq!(audit[0]["slot"], json!(9));
    assert_eq!(
        audit[1],
        json!({"record": "audit", "capabilities": 321, "differences": 1})
    );
    let check = ok(&mut fake, "check");
    assert_eq!(check[0]["broken"], json!(0));
}

#[test]
fn orders() {
    let mut fake = Fake::new();
    assert_eq!(
        ok(&mut fake, "restart ping"),
        [json!({"record": "restarted", "name": "ping"})]
    );
    assert_eq!(fake.restarted, [4]);
    let answer = send(&mut fake, b"shutdown 7\n");
    assert_eq!(
        answer[..2],
        [json!({"record": "shutting_down"}), json!({"ok": true})]
    );
    assert_eq!(fake.shut_down, Some(7));
    fake.denied = true;
    assert!(error(&mut fake, b"restart ping\n").starts_with("cannot restart it: not permitted"));
}

/// The answer is complete before the order is given: afterwards nobody is there to give it.
#[test]
fn restart_of_the_console_itself() {
    let mut fake = Fake::new();
    let answer = send(&mut fake, b"restart console\n");
    assert_eq!(
        answer[..2],
        [json!({"record": "restarting"}), json!({"ok": true})]
    );
    assert_eq!(fake.restarted, [3]);
}

#[test]
fn errors() {
    let mut fake = Fake::new();
    assert_eq!(
        error(&mut fake, b"caps nobody\n"),
        "there is no component `nobody`; `ps` lists them"
    );
    assert_eq!(
        error(&mut fake, b"help\n"),
        "this command is for people; use the console"
    );
    assert_eq!(
        error(&mut fake, &[&[b'x'; 300][..], b"\n"].concat()),
        "a command has at most 256 bytes"
    );
    assert_eq!(
        error(&mut fake, "ps \u{e9}\n".as_bytes()),
        "a command is printable ASCII"
    );
    // The next command is not affected.
    let all = send(&mut fake, &[&[b'x'; 300][..], b"\nping\n"].concat());
    assert_eq!(all.len(), 3);
    assert_eq!(all[2], json!({"ok": true}));
}

proptest! {
    /// Whatever comes in, what goes out is JSON lines with one status for each line that was not blank.
    #[test]
    fn any_input_gets_a_status(bytes in prop::collection::vec(prop_oneof![
        4 => any::<u8>(),
        1 => Just(b'\n'),
        2 => prop::sample::select(b"ps log -n caps ping restart audit shutdown ".to_vec()),
    ], 0..400)) {
        let answers = send(&mut Fake::new(), &bytes);
        let statuses = answers.iter().filter(|a| a.get("ok").is_some()).count();
        let lines = bytes.split(|b| *b == b'\n' || *b == b'\r');
        let complete = lines.clone().count() - 1;
        let asked = lines
            .take(complete)
            .filter(|l| !l.iter().all(|b| b" \t".contains(b)) )
            .count();
        // A shutdown answers first, and the invented system survives it.
        let twice = answers.iter().filter(|a| a["record"] == "shutting_down" || a["record"] == "restarting").count();
        prop_assert_eq!(statuses, asked + twice);
    }

    #[test]
    fn any_text_survives(text in "[ -~\u{a0}-\u{2ff}\t\u{1}]{0,300}") {
        let mut fake = Fake::new();
        fake.say(1, Level::Info, &text);
        let answers = ok(&mut fake, "log");
        prop_assert_eq!(answers[0]["text"].as_str(), Some(text.as_str()));
    }
}
