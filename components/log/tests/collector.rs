//! The collector through its messages.

use log_collector::collector::Collector;
use log_collector::rate::RateLimit;
use pagurus_protocol::Reason;
use pagurus_protocol::log::{Append, Level, Lines, Read, lines};
use proptest::prelude::*;

const LIMIT: RateLimit = RateLimit {
    interval: 100,
    burst: 10,
};

type TestCollector = Collector<64, 4>;

fn append(collector: &mut TestCollector, now: u64, sender: u32, text: &str) -> Result<u64, Reason> {
    let request = Append {
        level: Level::Info as u8,
        target_bytes: 4,
        ..Append::default()
    };
    let tail = format!("unit{text}");
    collector
        .append(now, sender, request, tail.as_bytes())
        .map(|a| a.sequence)
        .map_err(|f| f.reason)
}

fn read(collector: &TestCollector, from: u64, level: Level, room: usize) -> (Lines, Vec<String>) {
    let mut out = vec![0; room];
    let request = Read {
        from,
        level: level as u8,
        ..Read::default()
    };
    let (answer, used) = collector.read(request, &mut out).unwrap();
    let texts: Vec<_> = lines(&out[..used])
        .map(|l| format!("{} {} {}", l.head.sender, l.target, l.text))
        .collect();
    assert_eq!(texts.len() as u64, answer.count);
    (answer, texts)
}

#[test]
fn lines_come_back_in_pages() {
    let mut collector = TestCollector::new(LIMIT);
    for i in 0..10 {
        assert_eq!(
            append(&mut collector, i * 1000, 1, &format!("line {i}")),
            Ok(i)
        );
    }
    let (mut from, mut all) = (0, Vec::new());
    while from < 10 {
        let (answer, texts) = read(&collector, from, Level::Trace, 110);
        assert_eq!(texts.len().min(3), 3.min((10 - from) as usize));
        assert_eq!((answer.end, answer.dropped), (10, 0));
        from = answer.next;
        all.extend(texts);
    }
    let expected: Vec<_> = (0..10).map(|i| format!("1 unit line {i}")).collect();
    assert_eq!(all, expected);
}

#[test]
fn a_page_without_room_makes_no_progress_but_says_so() {
    let mut collector = TestCollector::new(LIMIT);
    append(&mut collector, 0, 1, "x").unwrap();
    let (answer, texts) = read(&collector, 0, Level::Trace, 5);
    assert_eq!((answer.next, texts.len()), (0, 0));
}

#[test]
fn levels_are_filtered_and_not_counted_as_dropped() {
    let mut collector = TestCollector::new(LIMIT);
    for level in [1u8, 3, 5] {
        let request = Append {
            level,
            ..Append::default()
        };
        collector.append(0, 1, request, b"x").unwrap();
    }
    let (answer, texts) = read(&collector, 0, Level::Info, 1000);
    assert_eq!((texts.len(), answer.dropped, answer.next), (2, 0, 3));
    for level in [0, 6, 255] {
        let request = Append {
            level,
            ..Append::default()
        };
        let refusal = collector.append(0, 1, request, b"x").unwrap_err();
        assert_eq!(refusal.reason, Reason::InvalidArgument);
    }
}

#[test]
fn a_flood_is_cut_off_and_named_and_others_go_on() {
    let mut collector = TestCollector::new(LIMIT);
    for i in 0..10 {
        assert!(append(&mut collector, 0, 1, &format!("flood {i}")).is_ok());
    }
    for _ in 0..90 {
        assert_eq!(append(&mut collector, 0, 1, "flood"), Err(Reason::Busy));
    }
    assert!(append(&mut collector, 0, 2, "calm").is_ok());
    assert!(append(&mut collector, 150, 1, "slower now").is_ok());
    let (answer, texts) = read(&collector, 10, Level::Trace, 2000);
    assert_eq!(
        texts,
        [
            "2 unit calm",
            "1 log (90 lines left out: too fast)",
            "1 unit slower now"
        ]
    );
    assert_eq!(answer.dropped, 0);
}

#[test]
fn long_and_broken_text_takes_several_lines() {
    let mut collector = TestCollector::new(LIMIT);
    let long = "é".repeat(300);
    append(&mut collector, 0, 1, &format!("first\n{long}")).unwrap();
    let (_, texts) = read(&collector, 0, Level::Trace, 4000);
    assert_eq!(texts.len(), 4);
    assert_eq!(texts[0], "1 unit first");
    let rest: String = texts[1..].iter().map(|t| &t["1 unit ".len()..]).collect();
    assert_eq!(rest, long);
}

#[test]
fn dropped_lines_are_counted_wherever_they_were() {
    let mut collector = Collector::<4, 4>::new(RateLimit {
        interval: 0,
        burst: 1,
    });
    let request = Append {
        level: 3,
        ..Append::default()
    };
    for sender in [1, 2, 2, 2, 2, 1] {
        collector.append(0, sender, request, b"x").unwrap();
    }
    // Sender 2 had most when room was needed: its lines 1 and 2 went.
    let mut out = [0; 1000];
    let read = |from| Read {
        from,
        level: 5,
        ..Read::default()
    };
    let (answer, _) = collector.read(read(0), &mut out).unwrap();
    assert_eq!((answer.count, answer.dropped, answer.end), (4, 2, 6));
    let (answer, _) = collector.read(read(3), &mut out).unwrap();
    assert_eq!((answer.count, answer.dropped), (3, 0));
    let (answer, _) = collector.read(read(u64::MAX), &mut out).unwrap();
    assert_eq!((answer.count, answer.dropped, answer.next), (0, 0, 6));
}

#[test]
fn too_many_senders_are_refused() {
    let mut collector = TestCollector::new(LIMIT);
    for sender in 0..4 {
        append(&mut collector, 0, sender, "x").unwrap();
    }
    assert_eq!(append(&mut collector, 0, 4, "x"), Err(Reason::Unavailable));
    assert!(append(&mut collector, 0, 0, "x").is_ok());
}

proptest! {
    /// Whatever arrives: an answer, and what is kept can be shown.
    #[test]
    fn any_message_is_answered(
        level: u8, target_bytes: u8, continues: u8, tail in prop::collection::vec(any::<u8>(), 0..1900)
    ) {
        let mut collector = TestCollector::new(LIMIT);
        let request = Append { level, target_bytes, continues, ..Append::default() };
        let result = collector.append(0, 1, request, &tail);
        let (answer, texts) = read(&collector, 0, Level::Trace, 8000);
        prop_assert_eq!(result.is_ok(), answer.end > 0);
        for text in texts {
            prop_assert!(!text.chars().any(char::is_control));
        }
    }
}
