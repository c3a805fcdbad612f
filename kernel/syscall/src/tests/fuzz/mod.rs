//! Random system calls with random arguments, on several processors, with interrupts, faults and preemption.
//!
//! `PAGURUS_FUZZ_CASES` and `PAGURUS_FUZZ_STEPS` make it longer, `PAGURUS_FUZZ_SEED` repeats one case.

mod generate;
mod world;

use crate::sim::{Event, Preemption, random};
use world::{Outcomes, World};

/// A generator of random choices.
pub struct Choice(u64);

impl Choice {
    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        random(&mut self.0) % n.max(1)
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        random(&mut self.0)
    }
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => default,
    }
}

fn step(w: &mut World, c: &mut Choice) {
    for cpu in 0..w.system.kernel.machine.processors.len() {
        if c.one_in(4) {
            w.system.touch(cpu, generate::address(c));
        }
    }
    let cpus = w.system.kernel.machine.processors.len() as u64;
    let cpu = c.below(cpus) as usize;
    if w.system.kernel.machine.processors[cpu].waiting.is_some() {
        w.log(format!("{cpu}: gets the lock"));
        w.system.proceed(cpu);
        return;
    }
    let running = w.system.running(cpu);
    match c.below(100) {
        0..70 => {
            let Some(t) = running else {
                let ns = c.below(2_000_000);
                w.log(format!("{ns} ns pass"));
                w.system.advance(ns);
                return;
            };
            w.note_answer(t);
            let args = match w.system.restarting(t) {
                Some(args) => args,
                None => generate::call(w, c, t),
            };
            w.asked.insert(t, args);
            w.log(format!("{cpu}: {t:x?} {}", generate::describe(&args)));
            if cpus > 1 && c.one_in(8) {
                w.system.syscall_waits(cpu, &args);
            } else {
                w.system.syscall(cpu, &args);
            }
        }
        70..80 => {
            let ns = c.of(&[1000, 20_000, 500_000, 20_000_000]);
            w.log(format!("{ns} ns pass"));
            w.system.advance(ns);
        }
        80..86 => {
            if let Some(event) = w.system.due(cpu) {
                w.log(format!("{cpu}: {event:?}"));
                w.system.event(cpu, event);
            }
        }
        86..90 => {
            let gsi = c.below(6) as u32;
            let line = w.system.kernel.machine.lines[gsi as usize];
            if let Some((_, cpu)) = line.route
                && w.system.kernel.machine.processors[cpu].waiting.is_none()
            {
                w.log(format!("interrupt {gsi}"));
                w.system.ring(gsi);
            }
        }
        90..93 => {
            if running.is_some_and(|t| w.system.restarting(t).is_none()) {
                let vector = c.of(&[0, 6, 13, 14]);
                w.log(format!("{cpu}: fault {vector}"));
                let fault = Event::Fault {
                    vector,
                    code: c.below(32),
                    address: c.any(),
                };
                w.system.event(cpu, fault);
            }
        }
        _ => {
            w.system.kernel.machine.preemption = match c.below(4) {
                0 => Preemption::Never,
                1 => Preemption::Always,
                _ => Preemption::Random {
                    seed: c.any(),
                    one_in: 1 + c.below(8) as u32,
                },
            };
        }
    }
}

/// One case. The world prints what it did last if a panic ends it.
fn case(seed: u64, steps: u64, outcomes: &mut Outcomes) {
    let mut c = Choice(seed);
    let cpus = 1 + c.below(4) as usize;
    let mut w = World::new(seed, cpus, &mut c);
    for n in 0..steps {
        if n % 64 == 63 && w.is_dead() {
            w.take_back_everything();
            outcomes.append(&mut w.outcomes);
            w = World::new(seed, cpus, &mut c);
        }
        step(&mut w, &mut c);
    }
    w.take_back_everything();
    outcomes.append(&mut w.outcomes);
}

#[test]
fn random_system_calls_break_no_invariant_and_lose_no_memory() {
    let steps = number("PAGURUS_FUZZ_STEPS", 3000);
    let mut outcomes = Outcomes::new();
    if let Ok(seed) = std::env::var("PAGURUS_FUZZ_SEED") {
        return case(seed.parse().expect("a number"), steps, &mut outcomes);
    }
    let cases = number("PAGURUS_FUZZ_CASES", 32);
    for seed in 0..cases {
        case(seed, steps, &mut outcomes);
    }
    // A fuzzer whose calls are all refused finds nothing.
    let refused = |call: &&str| !outcomes.contains(&(call.to_string(), None));
    let calls: Vec<String> = generate::all_calls();
    let never: Vec<_> = calls.iter().map(String::as_str).filter(refused).collect();
    assert!(never.is_empty(), "never succeeded: {never:?}");
    if std::env::var("PAGURUS_FUZZ_OUTCOMES").is_ok() {
        for (call, error) in &outcomes {
            println!("{call}: {error:?}");
        }
    }
}
