//! Ranges of addresses and bounded sets of them.

use core::fmt;

/// Bytes of a page.
pub const PAGE: u64 = pagurus_abi::layout::PAGE_SIZE as u64;

/// A half-open range of addresses, `start..end`. Empty if `end <= start`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// First address after the range.
    pub end: u64,
}

impl Range {
    /// Every address but the very last, which no range that matters contains.
    pub const ALL: Range = Range::new(0, u64::MAX);

    /// `start..end`.
    pub const fn new(start: u64, end: u64) -> Range {
        Range { start, end }
    }

    /// `length` bytes from `start`; `None` if that wraps around.
    pub const fn sized(start: u64, length: u64) -> Option<Range> {
        match start.checked_add(length) {
            Some(end) => Some(Range { start, end }),
            None => None,
        }
    }

    /// Length in bytes.
    pub const fn length(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// True if no address lies in it.
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// True if `other` lies wholly inside.
    pub const fn contains(self, other: Range) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// True if both have an address in common.
    pub const fn overlaps(self, other: Range) -> bool {
        !self.intersection(other).is_empty()
    }

    /// What both have in common.
    pub const fn intersection(self, other: Range) -> Range {
        Range {
            start: if self.start > other.start {
                self.start
            } else {
                other.start
            },
            end: if self.end < other.end {
                self.end
            } else {
                other.end
            },
        }
    }

    /// The whole pages inside; may be empty.
    pub const fn pages_inside(self) -> Range {
        let end = self.end & !(PAGE - 1);
        match self.start.checked_next_multiple_of(PAGE) {
            Some(start) => Range { start, end },
            None => Range { start: end, end },
        }
    }

    /// The pages touched. An end in the very last page of the address space is cut to that page's start,
    /// which is beyond every physical address.
    pub const fn pages_touched(self) -> Range {
        if self.is_empty() {
            return Range::new(0, 0);
        }
        let end = match self.end.checked_next_multiple_of(PAGE) {
            Some(end) => end,
            None => self.end & !(PAGE - 1),
        };
        Range {
            start: self.start & !(PAGE - 1),
            end,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start, self.end)
    }
}

/// A set of addresses as at most `N` ranges: sorted, disjoint, not even touching.
///
/// A full set never lies in the dangerous direction: what does not fit is left out, so that memory may be
/// lost but is never given out twice. [`RangeSet::lost`] counts the bytes.
#[derive(Clone, Debug)]
pub struct RangeSet<const N: usize> {
    ranges: [Range; N],
    count: usize,
    lost: u64,
}

impl<const N: usize> Default for RangeSet<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> RangeSet<N> {
    /// The empty set.
    pub const fn new() -> Self {
        RangeSet {
            ranges: [Range::new(0, 0); N],
            count: 0,
            lost: 0,
        }
    }

    /// The ranges in ascending order.
    pub fn ranges(&self) -> &[Range] {
        &self.ranges[..self.count]
    }

    /// Bytes in the set.
    pub fn bytes(&self) -> u64 {
        self.ranges()
            .iter()
            .fold(0, |sum: u64, range| sum.saturating_add(range.length()))
    }

    /// Bytes that were left out because the set was full.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// True if every address of `range` is in the set.
    pub fn contains(&self, range: Range) -> bool {
        range.is_empty() || self.ranges().iter().any(|have| have.contains(range))
    }

    /// True if any address of `range` is in the set.
    pub fn overlaps(&self, range: Range) -> bool {
        self.ranges().iter().any(|have| have.overlaps(range))
    }

    /// Adds a range.
    pub fn insert(&mut self, range: Range) {
        if range.is_empty() {
            return;
        }
        // Everything that overlaps or touches the range melts into one.
        let first = self.ranges().partition_point(|have| have.end < range.start);
        let after = first + self.ranges()[first..].partition_point(|have| have.start <= range.end);
        if first == after {
            if self.count == N {
                self.lost = self.lost.saturating_add(range.length());
                return;
            }
            self.ranges.copy_within(first..self.count, first + 1);
            self.ranges[first] = range;
            self.count += 1;
            return;
        }
        self.ranges[first] = Range {
            start: self.ranges[first].start.min(range.start),
            end: self.ranges[after - 1].end.max(range.end),
        };
        self.ranges.copy_within(after..self.count, first + 1);
        self.count -= after - first - 1;
    }

    /// Takes a range away. If that would split a range and the set is full, the smaller half goes too.
    pub fn remove(&mut self, range: Range) {
        if range.is_empty() {
            return;
        }
        let mut i = self
            .ranges()
            .partition_point(|have| have.end <= range.start);
        while i < self.count && self.ranges[i].start < range.end {
            let have = self.ranges[i];
            let below = Range::new(have.start, range.start);
            let above = Range::new(range.end, have.end);
            match (below.is_empty(), above.is_empty()) {
                (true, true) => {
                    self.ranges.copy_within(i + 1..self.count, i);
                    self.count -= 1;
                }
                (false, true) => {
                    self.ranges[i] = below;
                    i += 1;
                }
                (true, false) => {
                    self.ranges[i] = above;
                    i += 1;
                }
                (false, false) if self.count < N => {
                    self.ranges.copy_within(i..self.count, i + 1);
                    self.ranges[i] = below;
                    self.ranges[i + 1] = above;
                    self.count += 1;
                    return;
                }
                (false, false) => {
                    let (kept, dropped) = if below.length() >= above.length() {
                        (below, above)
                    } else {
                        (above, below)
                    };
                    self.ranges[i] = kept;
                    self.lost = self.lost.saturating_add(dropped.length());
                    return;
                }
            }
        }
    }

    /// Takes all ranges of another set away.
    pub fn remove_all<const M: usize>(&mut self, other: &RangeSet<M>) {
        for range in other.ranges() {
            self.remove(*range);
        }
    }

    /// The lowest `length` bytes in the set that start at a multiple of `align` (a power of two) and lie
    /// wholly inside `within`.
    pub fn find(&self, length: u64, align: u64, within: Range) -> Option<Range> {
        self.ranges().iter().find_map(|have| {
            let have = have.intersection(within);
            let start = have.start.checked_next_multiple_of(align)?;
            let found = Range::sized(start, length)?;
            (length > 0 && found.end <= have.end).then_some(found)
        })
    }
}
