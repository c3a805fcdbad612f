//! Processors, priorities and budgets.

use crate::context::{Context, Found};
use pagurus_abi::layout::{MAX_CPUS, MAX_PERIOD_NS, MIN_BUDGET_NS, PRIORITIES};
use pagurus_capdl_spec::{Nanoseconds, ObjectKind};

/// `priority-range`
pub(crate) fn priority(context: &Context<'_>, found: &mut Found<'_>) {
    let highest = PRIORITIES as u32 - 1;
    let help = format!("priorities go from 0, the lowest, to {highest}");
    for (_, component) in context.components() {
        if let Some(priority) = &component.priority
            && *priority.get_ref() > highest
        {
            found.add_in(
                component.name(),
                priority.span(),
                format!("there is no priority {}", priority.get_ref()),
                &help,
            );
        }
    }
    for (_, object) in context.objects() {
        if let ObjectKind::Cpu { max_priority, .. } = &object.kind
            && *max_priority.get_ref() > highest
        {
            let message = format!("there is no priority {}", max_priority.get_ref());
            found.add(max_priority.span(), message, &help);
        }
    }
}

/// `budget-range`
pub(crate) fn budget(context: &Context<'_>, found: &mut Found<'_>) {
    let shortest = Nanoseconds(MIN_BUDGET_NS);
    let longest = Nanoseconds(MAX_PERIOD_NS);
    for (_, component) in context.components() {
        let (budget, period) = match (&component.budget, &component.period) {
            (None, None) => continue,
            (Some(one), None) | (None, Some(one)) => {
                found.add_in(
                    component.name(),
                    one.span(),
                    "`budget` and `period` go together",
                    "give both, or neither: then it is never out of time and takes turns with its equals",
                );
                continue;
            }
            (Some(budget), Some(period)) => (budget, period),
        };
        if *budget.get_ref() < shortest {
            found.add_in(
                component.name(),
                budget.span(),
                format!("a budget of {} is too short", budget.get_ref()),
                format!("at least {shortest}: below, the time would go into switching"),
            );
        }
        if budget.get_ref() > period.get_ref() {
            found.add_in(
                component.name(),
                budget.span(),
                format!(
                    "{} do not fit in a period of {}",
                    budget.get_ref(),
                    period.get_ref()
                ),
                "a budget as long as the period means: never out of time",
            );
        }
        if *period.get_ref() > longest {
            found.add_in(
                component.name(),
                period.span(),
                format!("a period of {} is too long", period.get_ref()),
                format!("at most {longest}"),
            );
        }
    }
}

/// `cpu-range`
pub(crate) fn cpu(context: &Context<'_>, found: &mut Found<'_>) {
    let cpus = &context.system.about.cpus;
    if !(1..=MAX_CPUS as u32).contains(cpus.get_ref()) {
        found.add(
            cpus.span(),
            format!("a system cannot have {} processors", cpus.get_ref()),
            format!("from 1 to {MAX_CPUS} are possible"),
        );
        return;
    }
    let message = |index: u32| format!("there is no processor {index}");
    let help = format!(
        "the system declares `cpus = {}`: they are 0 to {}",
        cpus.get_ref(),
        cpus.get_ref() - 1
    );
    for (_, component) in context.components() {
        if let Some(cpu) = &component.cpu
            && cpu.get_ref() >= cpus.get_ref()
        {
            found.add_in(component.name(), cpu.span(), message(*cpu.get_ref()), &help);
        }
    }
    for (_, object) in context.objects() {
        if let ObjectKind::TraceBuffer { cpu: index, .. } | ObjectKind::Cpu { index, .. } =
            &object.kind
            && index.get_ref() >= cpus.get_ref()
        {
            found.add(index.span(), message(*index.get_ref()), &help);
        }
    }
}

/// `passive-time`
pub(crate) fn passive(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component) in context.components().filter(|(_, c)| c.is_passive()) {
        let times = [
            component.priority.as_ref().map(|p| ("priority", p.span())),
            component.budget.as_ref().map(|b| ("budget", b.span())),
            component.period.as_ref().map(|p| ("period", p.span())),
            component.cpu.as_ref().map(|c| ("cpu", c.span())),
        ];
        for (key, span) in times.into_iter().flatten() {
            found.add_in(
                component.name(),
                span,
                format!("is passive, so its `{key}` would mean nothing"),
                "it runs on the time that somebody gives it: leave this out, or `passive`",
            );
        }
    }
}
