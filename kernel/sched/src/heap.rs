//! What waits for a time, the earliest first.
//!
//! A radix priority search tree (E. M. McCreight, "Priority search trees", SIAM Journal on Computing 14(2), 1985): a heap by
//! time in which the way down is told by the bits of an object's address. It needs no memory but two links in each
//! object and is never balanced anew, because it cannot be deeper than an address has bits: two objects that shared
//! a place on every level would be the same object. Objects that lie side by side fill it evenly, so its depth is then the
//! logarithm of their number.

use pagurus_abi::Kind;

/// Names something that waits.
pub trait Addressed: Copy + PartialEq {
    /// Its address, which nothing else in the same heap has.
    fn address(self) -> usize;
}

/// Where what waits is kept.
pub trait Waiting<Id> {
    /// The time that it waits for.
    fn time(&self, id: Id) -> u64;
    /// What is below it in the heap.
    fn below(&self, id: Id) -> [Option<Id>; 2];
    /// Sets what is below it in the heap.
    fn set_below(&mut self, id: Id, below: [Option<Id>; 2]);
}

/// log2 of the bytes of what waits. Lower bits of the addresses do not differ, so they come last.
const OBJECT_BITS: u32 = 7;

const _: () = {
    assert!(matches!(Kind::SchedContext.object_bits(0), Some(7)));
    assert!(matches!(Kind::Timer.object_bits(0), Some(7)));
};

/// Levels, at most.
pub const MAX_DEPTH: u32 = usize::BITS + 1;

/// On which side of an object at `depth` this one belongs.
#[inline]
fn side<Id: Addressed>(id: Id, depth: u32) -> usize {
    let way = id.address().rotate_right(OBJECT_BITS);
    way.checked_shr(depth).unwrap_or(0) & 1
}

/// A heap of what waits for a time. Inserting and removing take at most [`MAX_DEPTH`] steps.
///
/// Those that wait for the same time come out in no particular order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeHeap<Id> {
    root: Option<Id>,
}

impl<Id: Addressed> TimeHeap<Id> {
    /// An empty heap.
    pub const fn new() -> Self {
        TimeHeap { root: None }
    }

    /// One of those that wait for the earliest time.
    #[inline]
    pub fn first(&self) -> Option<Id> {
        self.root
    }

    /// Puts in what is not in it.
    #[inline]
    pub fn insert<W: Waiting<Id> + ?Sized>(&mut self, w: &mut W, id: Id) {
        let mut above = None;
        // What is carried down, and has nothing below it.
        let mut carried = id;
        w.set_below(carried, [None; 2]);
        let mut next = self.root;
        let mut depth = 0;
        while let Some(at) = next {
            let at = if w.time(carried) < w.time(at) {
                let below = w.below(at);
                w.set_below(at, [None; 2]);
                w.set_below(carried, below);
                self.link(w, above, Some(carried));
                core::mem::replace(&mut carried, at)
            } else {
                at
            };
            let side = side(carried, depth);
            above = Some((at, side));
            next = w.below(at)[side];
            depth += 1;
        }
        self.link(w, above, Some(carried));
    }

    /// Takes out what is in it; changes nothing if it is not.
    #[inline]
    pub fn remove<W: Waiting<Id> + ?Sized>(&mut self, w: &mut W, id: Id) {
        let Some(mut above) = self.find(w, id) else {
            return;
        };
        // It goes down, the earlier of those below it in its place, until nothing is below it.
        loop {
            let below = w.below(id);
            let (side, up) = match below {
                [None, None] => break,
                [Some(a), None] => (0, a),
                [None, Some(b)] => (1, b),
                [Some(a), Some(b)] if w.time(b) < w.time(a) => (1, b),
                [Some(a), Some(_)] => (0, a),
            };
            let mut its = below;
            its[side] = Some(id);
            w.set_below(id, w.below(up));
            w.set_below(up, its);
            self.link(w, above, Some(up));
            above = Some((up, side));
        }
        self.link(w, above, None);
    }

    /// Whether it is in the heap, at its place, and nothing above it waits longer.
    pub fn holds<W: Waiting<Id> + ?Sized>(&self, w: &W, id: Id) -> bool {
        match self.find(w, id) {
            Some(Some((above, _))) => w.time(above) <= w.time(id),
            Some(None) => true,
            None => false,
        }
    }

    /// What is directly above `id`, and on which side of that it is; `None` within if it is the first.
    fn find<W: Waiting<Id> + ?Sized>(&self, w: &W, id: Id) -> Option<Option<(Id, usize)>> {
        let mut above = None;
        let mut next = self.root;
        for depth in 0..MAX_DEPTH {
            let at = next?;
            if at == id {
                return Some(above);
            }
            let side = side(id, depth);
            above = Some((at, side));
            next = w.below(at)[side];
        }
        None
    }

    fn link<W: Waiting<Id> + ?Sized>(
        &mut self,
        w: &mut W,
        above: Option<(Id, usize)>,
        to: Option<Id>,
    ) {
        match above {
            None => self.root = to,
            Some((above, side)) => {
                let mut below = w.below(above);
                below[side] = to;
                w.set_below(above, below);
            }
        }
    }
}

impl<Id: Addressed> Default for TimeHeap<Id> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
