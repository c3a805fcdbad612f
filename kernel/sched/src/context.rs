//! Scheduling contexts.

use core::num::NonZeroUsize;

/// Names a scheduling context: in the kernel its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct ScId(NonZeroUsize);

impl ScId {
    /// The context at this address, unless it is 0.
    pub const fn new(address: usize) -> Option<ScId> {
        match NonZeroUsize::new(address) {
            Some(a) => Some(ScId(a)),
            None => None,
        }
    }

    /// Its address.
    pub const fn address(self) -> usize {
        self.0.get()
    }
}

/// Where a context is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum ContextState {
    /// Nobody wants to run on it.
    #[default]
    Idle = 0,
    /// In its processor's ready queue.
    Ready = 1,
    /// Its processor runs on it.
    Current = 2,
    /// Out of budget, in its processor's release queue until the period ends.
    Depleted = 3,
}

/// Time: `budget` ticks in every `period` at a priority on one processor.
///
/// All zero (fresh memory) is a context that was not configured: it has no budget, and whatever is bound to it does
/// not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SchedContext {
    /// Ready: next in the queue. Depleted: one of those below it in the heap.
    pub next: Option<ScId>,
    /// Ready: previous in the queue. Depleted: the other one below it.
    pub prev: Option<ScId>,
    /// Thread that runs on it now: its own, or one that was lent it by a call. 0 for none.
    pub thread: usize,
    /// Thread that it is bound to. 0 for none.
    pub home: usize,
    /// Ticks in every period.
    pub budget: u64,
    /// The period in ticks.
    pub period: u64,
    /// Ticks left in this period.
    pub remaining: u64,
    /// Ticks used beyond the budget, because a timer interrupt came late; taken off the next periods, all of them: the
    /// share in the long run is what others rely on.
    pub debt: u64,
    /// When this period ends.
    pub release: u64,
    /// Ticks used in all.
    pub consumed: u64,
    /// Processor.
    pub cpu: u8,
    /// Priority.
    pub priority: u8,
    /// Where it is.
    pub state: ContextState,
}

const _: () = assert!(core::mem::size_of::<SchedContext>() <= 128);

impl SchedContext {
    /// Whether it may run without ever being out of time.
    pub const fn unlimited(&self) -> bool {
        self.budget == self.period && self.budget != 0
    }

    /// Charges ticks of use.
    #[inline]
    pub(crate) fn charge(&mut self, used: u64) {
        self.consumed = self.consumed.wrapping_add(used);
        if used > self.remaining && !self.unlimited() {
            self.debt = self.debt.saturating_add(used - self.remaining);
        }
        self.remaining = self.remaining.saturating_sub(used);
    }

    /// Begins a new period if the last one is over. What is owed may leave nothing of it.
    #[inline]
    pub(crate) fn replenish(&mut self, now: u64) {
        if self.remaining == 0 && self.unlimited() || now >= self.release {
            self.remaining = self.budget.saturating_sub(self.debt);
            self.debt = self.debt.saturating_sub(self.budget);
            self.release = now.saturating_add(self.period);
        }
    }
}

/// Where scheduling contexts are kept.
pub trait Contexts {
    /// The context with this id.
    fn sc(&self, id: ScId) -> &SchedContext;
    /// The context with this id, to change it.
    fn sc_mut(&mut self, id: ScId) -> &mut SchedContext;
}
