//! The store against a plain list.

use log_collector::store::{LineStore, StoredLine};
use proptest::prelude::*;

const LINES: usize = 24;
const SENDERS: usize = 4;

fn line(sender: u32, n: u64) -> StoredLine {
    StoredLine {
        sender,
        ticks: n,
        text: format!("line {n}").parse().unwrap(),
        ..StoredLine::default()
    }
}

/// What a list without cleverness would keep.
#[derive(Default)]
struct Oracle {
    kept: Vec<(u64, u32)>,
    end: u64,
}

impl Oracle {
    fn append(&mut self, sender: u32) {
        if self.kept.len() == LINES {
            let count =
                |s| self.kept.iter().filter(|(_, k)| *k == s).count() + usize::from(s == sender);
            let most = self.kept.iter().map(|(_, s)| count(*s)).max().unwrap();
            let victim = self
                .kept
                .iter()
                .position(|(_, s)| count(*s) == most)
                .unwrap();
            self.kept.remove(victim);
        }
        self.kept.push((self.end, sender));
        self.end += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn keeps_what_the_oracle_keeps(senders in prop::collection::vec(0u32..SENDERS as u32, 0..200), from in 0u64..220) {
        let mut store = LineStore::<LINES, SENDERS>::new();
        let mut oracle = Oracle::default();
        for (n, sender) in senders.into_iter().enumerate() {
            prop_assert_eq!(store.append(line(sender, n as u64)), Some(oracle.end));
            oracle.append(sender);
            prop_assert_eq!(store.end(), oracle.end);
        }
        let kept: Vec<_> = store.lines_from(0).map(|l| (l.sequence, l.sender)).collect();
        prop_assert_eq!(&kept, &oracle.kept);
        for line in store.lines_from(0) {
            prop_assert_eq!(line.ticks, line.sequence);
            prop_assert_eq!(line.text.as_str(), format!("line {}", line.sequence));
        }
        let late: Vec<_> = store.lines_from(from).map(|l| l.sequence).collect();
        let expected: Vec<_> = kept.iter().map(|(s, _)| *s).filter(|s| *s >= from).collect();
        prop_assert_eq!(late, expected);
    }

    /// However much one sender floods: those that keep to their share lose nothing.
    #[test]
    fn nobody_within_its_share_loses_a_line(flood in prop::collection::vec(prop_oneof![9 => Just(0u32), 1 => 1u32..SENDERS as u32], 0..400)) {
        let mut store = LineStore::<LINES, SENDERS>::new();
        let mut said = [0usize; SENDERS];
        for sender in flood {
            if sender != 0 && said[sender as usize] == LINES / SENDERS {
                continue;
            }
            said[sender as usize] += 1;
            store.append(line(sender, 0));
        }
        for (sender, said) in said.into_iter().enumerate().skip(1) {
            let kept = store.lines_from(0).filter(|l| l.sender == sender as u32).count();
            prop_assert_eq!(kept, said);
        }
    }
}

#[test]
fn one_sender_too_many_takes_the_account_of_one_without_lines() {
    let mut store = LineStore::<2, 3>::new();
    assert_eq!(store.append(line(1, 0)), Some(0));
    assert_eq!(store.append(line(2, 0)), Some(1));
    // All have the same share: the oldest line goes, and it was all that sender 1 had.
    assert_eq!(store.append(line(3, 0)), Some(2));
    assert_eq!(store.append(line(4, 0)), Some(3));
    let senders: Vec<_> = store.lines_from(0).map(|l| l.sender).collect();
    assert_eq!(senders, [3, 4]);
}

#[test]
fn without_an_idle_account_a_new_sender_is_refused() {
    let mut store = LineStore::<4, 2>::new();
    store.append(line(1, 0));
    store.append(line(2, 0));
    assert_eq!(store.append(line(3, 0)), None);
    assert_eq!(store.append(line(2, 0)), Some(2));
}
