use super::*;
use crate::context::SchedContext;
use proptest::prelude::*;

struct Table(Vec<SchedContext>);

impl Contexts for Table {
    fn sc(&self, id: ScId) -> &SchedContext {
        &self.0[id.address() - 1]
    }
    fn sc_mut(&mut self, id: ScId) -> &mut SchedContext {
        &mut self.0[id.address() - 1]
    }
}

fn id(n: usize) -> ScId {
    ScId::new(n + 1).unwrap()
}

fn context(priority: u8, budget: u64, period: u64) -> SchedContext {
    SchedContext {
        priority,
        budget,
        period,
        ..SchedContext::default()
    }
}

#[test]
fn unconfigured_time_never_runs() {
    let mut t = Table(vec![SchedContext::default()]);
    let mut cpu = CpuScheduler::new();
    cpu.wake(&mut t, id(0), 5);
    assert_eq!(cpu.pick(&mut t, 5), None);
    assert_eq!(cpu.deadline(&t), None);
}

#[test]
fn higher_priority_preempts_and_the_preempted_stays_first_among_equals() {
    let mut t = Table(vec![
        context(1, 10, 10),
        context(1, 10, 10),
        context(2, 10, 10),
    ]);
    let mut cpu = CpuScheduler::new();
    cpu.wake(&mut t, id(0), 0);
    cpu.wake(&mut t, id(1), 0);
    assert_eq!(cpu.pick(&mut t, 0), Some(id(0)));
    cpu.wake(&mut t, id(2), 3);
    assert!(cpu.should_switch(&t));
    assert_eq!(cpu.pick(&mut t, 3), Some(id(2)));
    cpu.sleep(&mut t, id(2), 5);
    assert_eq!(
        cpu.pick(&mut t, 5),
        Some(id(0)),
        "not the end of the queue: it did not use its budget"
    );
    assert_eq!(t.0[0].remaining, 7);
}

#[test]
fn equals_take_turns_after_each_budget() {
    let mut t = Table(vec![context(1, 10, 10), context(1, 10, 10)]);
    let mut cpu = CpuScheduler::new();
    cpu.wake(&mut t, id(0), 0);
    cpu.wake(&mut t, id(1), 0);
    let turns: Vec<_> = (0..6).map(|i| cpu.pick(&mut t, i * 10).unwrap()).collect();
    assert_eq!(turns, [id(0), id(1), id(0), id(1), id(0), id(1)]);
}

#[test]
fn out_of_budget_waits_for_the_period() {
    let mut t = Table(vec![context(9, 10, 100), context(1, 50, 50)]);
    let mut cpu = CpuScheduler::new();
    cpu.wake(&mut t, id(0), 0);
    cpu.wake(&mut t, id(1), 0);
    assert_eq!(cpu.pick(&mut t, 0), Some(id(0)));
    assert_eq!(cpu.deadline(&t), Some(10));
    assert_eq!(cpu.pick(&mut t, 10), Some(id(1)));
    assert_eq!(t.0[0].state, ContextState::Depleted);
    assert_eq!(cpu.deadline(&t), Some(60));
    assert_eq!(cpu.pick(&mut t, 60), Some(id(1)));
    assert_eq!(
        cpu.deadline(&t),
        Some(100),
        "the release comes before the end of the budget"
    );
    assert_eq!(cpu.pick(&mut t, 100), Some(id(0)));
}

#[test]
fn a_late_timer_is_paid_back() {
    let mut t = Table(vec![context(9, 10, 100), context(1, 50, 50)]);
    let mut cpu = CpuScheduler::new();
    cpu.wake(&mut t, id(0), 0);
    cpu.wake(&mut t, id(1), 0);
    assert_eq!(cpu.pick(&mut t, 0), Some(id(0)));
    // 25 ticks late: two periods and a half are used up.
    assert_eq!(cpu.pick(&mut t, 35), Some(id(1)));
    assert_eq!(
        cpu.pick(&mut t, 100),
        Some(id(1)),
        "owes 25, of which 10 are paid"
    );
    assert_eq!(cpu.pick(&mut t, 200), Some(id(1)), "owes 15");
    assert_eq!(cpu.pick(&mut t, 300), Some(id(0)), "5 are left");
    assert_eq!(cpu.deadline(&t), Some(305));
    assert_eq!(cpu.pick(&mut t, 305), Some(id(1)));
    assert_eq!(cpu.pick(&mut t, 400), Some(id(0)));
    assert_eq!(cpu.deadline(&t), Some(410));
}

#[derive(Clone, Debug)]
enum Op {
    Wake(usize),
    Sleep(usize),
    Yield,
    Pick(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..6usize).prop_map(Op::Wake),
        (0..6usize).prop_map(Op::Sleep),
        Just(Op::Yield),
        (0..30u64).prop_map(Op::Pick),
    ]
}

proptest! {
    /// Whatever happens: what runs is the most important that may run, nothing runs beyond its budget in a
    /// period, every queue agrees with the states, and no context is lost.
    #[test]
    fn the_most_important_runs_and_nobody_exceeds_the_budget(
        params in prop::collection::vec((0..4u8, 1..20u64, 0..40u64), 6),
        ops in prop::collection::vec(op(), 1..200),
    ) {
        let mut t = Table(params.iter().map(|(p, b, extra)| context(*p, *b, b + extra)).collect());
        let mut cpu = CpuScheduler::new();
        let mut wants = [false; 6];
        let mut now = 0;
        // (end of the period, use in it) for each context, counted independently.
        let mut used = [0u64; 6];
        for op in ops {
            let release: Vec<u64> = t.0.iter().map(|s| s.release).collect();
            match op {
                Op::Wake(n) => { cpu.wake(&mut t, id(n), now); wants[n] = true; }
                Op::Sleep(n) => { cpu.sleep(&mut t, id(n), now); wants[n] = false; }
                Op::Yield => cpu.give_up(&mut t, now),
                Op::Pick(dt) => {
                    // The timer never rings late.
                    let before = cpu.current;
                    let dt = cpu.deadline(&t).map_or(dt, |d| dt.min(d.saturating_sub(now)));
                    now += dt;
                    if let Some(c) = before { used[c.address() - 1] += dt; }
                    let picked = cpu.pick(&mut t, now);
                    let best = (0..6)
                        .filter(|n| matches!(t.0[*n].state, ContextState::Ready | ContextState::Current))
                        .map(|n| t.0[n].priority).max();
                    prop_assert_eq!(picked.map(|p| t.sc(p).priority), best);
                    if let Some(p) = picked { prop_assert!(t.sc(p).remaining > 0); }
                }
            }
            for n in 0..6 {
                let sc = &t.0[n];
                prop_assert!(used[n] <= sc.budget, "used {} of {}", used[n], sc.budget);
                if sc.release != release[n] {
                    used[n] = 0;
                }
                prop_assert_eq!(sc.state != ContextState::Idle, wants[n]);
                prop_assert_eq!(sc.state == ContextState::Current, cpu.current == Some(id(n)));
                if sc.state == ContextState::Depleted { prop_assert!(!sc.unlimited()); }
            }
        }
    }
}
