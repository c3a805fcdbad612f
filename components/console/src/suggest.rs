//! What was meant instead of what was typed.

/// Longest word that is compared; nothing longer is a name here.
const LONGEST: usize = 48;

/// The candidate nearest to `word`, if one is near enough to have been meant.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // One slip in a short word, two in a longer one.
    let limit = if word.len() <= 3 { 1 } else { 2 };
    candidates
        .filter_map(|c| Some((distance(word, c)?, c)))
        .filter(|(d, c)| *d <= limit && *d < c.len())
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// Letters inserted, left out, changed or swapped with a neighbour (optimal string alignment), regardless of case.
/// `None` for words that are too long to compare.
pub fn distance(a: &str, b: &str) -> Option<usize> {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() > LONGEST || b.len() > LONGEST {
        return None;
    }
    // Three rows of the matrix of distances between all beginnings of the two words.
    let mut row: [usize; LONGEST + 1] = core::array::from_fn(|j| j);
    let mut last = row;
    let same = |i: usize, j: usize| a[i].eq_ignore_ascii_case(&b[j]);
    for i in 0..a.len() {
        let before_last = core::mem::replace(&mut last, row);
        row[0] = i + 1;
        for j in 0..b.len() {
            let mut best = (last[j] + usize::from(!same(i, j)))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && same(i, j - 1) && same(i - 1, j) {
                best = best.min(before_last[j - 1] + 1);
            }
            row[j + 1] = best;
        }
    }
    Some(row[b.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slips_are_counted() {
        for (a, b, d) in [
            ("", "", 0),
            ("ps", "ps", 0),
            ("PS", "ps", 0),
            ("sp", "ps", 1),
            ("hlep", "help", 1),
            ("restrat", "restart", 1),
            ("memm", "mem", 1),
            ("", "mem", 3),
            ("abc", "xyz", 3),
        ] {
            assert_eq!(distance(a, b), Some(d), "{a} {b}");
            assert_eq!(distance(b, a), Some(d), "{b} {a}");
        }
    }

    #[test]
    fn far_away_is_no_suggestion() {
        let names = ["ps", "mem", "restart"];
        assert_eq!(nearest("restrat", names.into_iter()), Some("restart"));
        assert_eq!(nearest("men", names.into_iter()), Some("mem"));
        assert_eq!(nearest("x", names.into_iter()), None);
        assert_eq!(nearest("", names.into_iter()), None);
        assert_eq!(nearest("frobnicate", names.into_iter()), None);
        assert_eq!(nearest(&"r".repeat(500), names.into_iter()), None);
    }

    proptest! {
        #[test]
        fn is_a_distance(a in "[a-d]{0,9}", b in "[a-d]{0,9}") {
            let d = distance(&a, &b).unwrap();
            prop_assert_eq!(d == 0, a == b);
            prop_assert_eq!(Some(d), distance(&b, &a));
            prop_assert!(d >= a.len().abs_diff(b.len()));
            prop_assert!(d <= a.len().max(b.len()));
        }

        #[test]
        fn one_slip_is_one(word in "[a-z]{2,12}", at in any::<prop::sample::Index>(), c in "[A-Z]") {
            let i = at.index(word.len());
            let inserted = format!("{}{c}{}", &word[..i], &word[i..]);
            prop_assert_eq!(distance(&word, &inserted), Some(1));
        }
    }
}
