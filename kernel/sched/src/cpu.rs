//! What one processor runs.

use crate::context::{ContextState, Contexts, ScId};
use crate::queue::{ReadyQueue, ReleaseQueue};

/// The scheduler of one processor.
///
/// The current context is in no queue. A context that is made ready while it is not configured, or out of budget, waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuScheduler {
    /// Contexts that want to run.
    pub ready: ReadyQueue,
    /// Contexts out of budget.
    pub release: ReleaseQueue,
    /// The context whose time is being used.
    pub current: Option<ScId>,
    /// Since when its use has not been charged.
    pub charged_until: u64,
}

impl CpuScheduler {
    /// A processor with nothing to do.
    pub const fn new() -> Self {
        CpuScheduler {
            ready: ReadyQueue::new(),
            release: ReleaseQueue::new(),
            current: None,
            charged_until: 0,
        }
    }

    /// Charges the current context for the time until `now`.
    #[inline]
    pub fn charge<C: Contexts + ?Sized>(&mut self, c: &mut C, now: u64) {
        if let Some(id) = self.current {
            let used = now.saturating_sub(self.charged_until);
            c.sc_mut(id).charge(used);
        }
        self.charged_until = now;
    }

    /// Somebody wants to run on `id`, which is idle: queues it as ready, or until it has budget.
    #[inline]
    pub fn wake<C: Contexts + ?Sized>(&mut self, c: &mut C, id: ScId, now: u64) {
        if !self.wake_at_once(c, id, now) {
            self.release.insert(c, id);
        }
    }

    /// The part of [`CpuScheduler::wake`] that is short; `false` if `id` is out of budget and to be put into the release
    /// queue.
    #[inline]
    pub fn wake_at_once<C: Contexts + ?Sized>(&mut self, c: &mut C, id: ScId, now: u64) -> bool {
        let sc = c.sc_mut(id);
        if sc.state != ContextState::Idle || sc.budget == 0 {
            return true;
        }
        sc.replenish(now);
        if sc.remaining == 0 {
            return false;
        }
        self.ready.insert(c, id, false);
        true
    }

    /// Nobody wants to run on `id` any more, wherever it is. Returns whether it was the current one.
    #[inline]
    pub fn sleep<C: Contexts + ?Sized>(&mut self, c: &mut C, id: ScId, now: u64) -> bool {
        match c.sc(id).state {
            ContextState::Idle => {}
            ContextState::Ready => self.ready.remove(c, id),
            ContextState::Depleted => self.release.remove(c, id),
            ContextState::Current => {
                self.charge(c, now);
                self.current = None;
                c.sc_mut(id).state = ContextState::Idle;
                return true;
            }
        }
        false
    }

    /// The current context gives up the rest of its budget (`Yield`).
    pub fn give_up<C: Contexts + ?Sized>(&mut self, c: &mut C, now: u64) {
        self.charge(c, now);
        if let Some(id) = self.current {
            c.sc_mut(id).remaining = 0;
        }
    }

    /// Decides what runs from now on and returns it; `None` is idle.
    ///
    /// Contexts whose period is over become ready; the current one goes on unless it is out of budget or something more
    /// important is ready. Among equals the one that used up its budget goes to the end, one that was preempted to
    /// the front.
    pub fn pick<C: Contexts + ?Sized>(&mut self, c: &mut C, now: u64) -> Option<ScId> {
        self.charge(c, now);
        while let Some(id) = self.release.first()
            && c.sc(id).release <= now
        {
            self.release.remove(c, id);
            c.sc_mut(id).replenish(now);
            if c.sc(id).remaining == 0 {
                self.release.insert(c, id);
            } else {
                self.ready.insert(c, id, false);
            }
        }
        if let Some(id) = self.current {
            let sc = c.sc_mut(id);
            if sc.remaining == 0 {
                sc.replenish(now);
                self.current = None;
                if c.sc(id).remaining == 0 {
                    self.release.insert(c, id);
                } else {
                    self.ready.insert(c, id, false);
                }
            } else if let Some(highest) = self.ready.highest()
                && highest > sc.priority
            {
                self.current = None;
                self.ready.insert(c, id, true);
            }
        }
        if self.current.is_none()
            && let Some(id) = self.ready.first()
        {
            self.ready.remove(c, id);
            c.sc_mut(id).state = ContextState::Current;
            self.current = Some(id);
        }
        self.current
    }

    /// When the timer must ring next: the current budget ends, or a period that is waited for.
    pub fn deadline<C: Contexts + ?Sized>(&self, c: &C) -> Option<u64> {
        let budget = self
            .current
            .map(|id| self.charged_until.saturating_add(c.sc(id).remaining));
        let release = self.release.first().map(|id| c.sc(id).release);
        match (budget, release) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Whether something ready is more important than what runs.
    #[inline]
    pub fn should_switch<C: Contexts + ?Sized>(&self, c: &C) -> bool {
        match (self.ready.highest(), self.current) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(h), Some(id)) => h > c.sc(id).priority,
        }
    }
}

impl Default for CpuScheduler {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
