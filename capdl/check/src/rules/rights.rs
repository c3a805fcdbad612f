//! Rights, badges and signals.

use crate::context::{Context, Found, reason};
use pagurus_abi::Rights;
use pagurus_capdl_spec::access::{Access, Reason, cap_rights};
use pagurus_capdl_spec::{ObjectKind, RightsText};
use std::ops::Range;

/// `rights`
pub(crate) fn rights(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component, cap, kind) in context.caps() {
        let possible = kind.possible_rights();
        let name = cap.name.get_ref();
        match &cap.rights {
            Some(rights) if matches!(kind, ObjectKind::Untyped { .. }) => found.add_in(
                component.name(),
                rights.span(),
                format!("`{name}` is untyped memory, which comes with all rights"),
                "leave `rights` out: untyped memory can be moved, not derived",
            ),
            None if kind.default_rights().is_none() => found.add_in(
                component.name(),
                cap.name.span(),
                format!(
                    "`{name}` is a capability to {}: which rights?",
                    with_article(kind)
                ),
                format!("add `rights = \"...\"`: {}", meaning(kind)),
            ),
            Some(rights) if rights.get_ref().0.is_empty() => found.add_in(
                component.name(),
                rights.span(),
                format!("`{name}` permits nothing"),
                format!("{}; or leave the capability out", meaning(kind)),
            ),
            Some(rights) if !possible.contains(rights.get_ref().0) => found.add_in(
                component.name(),
                rights.span(),
                format!(
                    "rights `{}` mean nothing for {}",
                    RightsText(rights.get_ref().0.difference(possible)),
                    with_article(kind)
                ),
                meaning(kind),
            ),
            _ => {}
        }
    }
    for (_, component) in context.components() {
        for map in &component.maps {
            let map = map.get_ref();
            let rights = map.rights.get_ref().0;
            let Some((_, object)) = context.system.object(map.object.get_ref()) else {
                continue;
            };
            let possible = object.kind.possible_rights();
            if !rights.contains(Rights::READ) || !possible.contains(rights) {
                found.add_in(
                    component.name(),
                    map.rights.span(),
                    format!(
                        "{} cannot be mapped with rights `{}`",
                        with_article(&object.kind),
                        map.rights.get_ref()
                    ),
                    "a mapping is `r`, `rw` or, for frames, `rx`; of a boot module `r`",
                );
            }
        }
    }
}

fn with_article(kind: &ObjectKind) -> String {
    match kind {
        ObjectKind::Endpoint | ObjectKind::Irq { .. } => format!("an {}", kind.noun()),
        ObjectKind::Device { .. } | ObjectKind::Untyped { .. } => kind.noun().to_string(),
        _ => format!("a {}", kind.noun()),
    }
}

fn meaning(kind: &ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Endpoint => "`r` receives, `w` sends and calls, `g` sends capabilities along",
        ObjectKind::Notification => "`r` waits, `w` signals",
        ObjectKind::Frame { .. } => "`r`, `w`, `x` map it readable, writable, executable",
        _ => "`r` reads its state, `w` changes it",
    }
}

/// `badge-kind`
pub(crate) fn badge_kind(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component, cap, kind) in context.caps() {
        let name = cap.name.get_ref();
        let sends = cap_rights(cap, kind).contains(Rights::WRITE);
        let badged = matches!(kind, ObjectKind::Endpoint | ObjectKind::Notification);
        let signals = matches!(kind, ObjectKind::Notification) && sends;
        match &cap.badge {
            Some(badge) if !badged => found.add_in(
                component.name(),
                badge.span(),
                format!("`{name}` is {}, which has no badge", with_article(kind)),
                "only capabilities to endpoints and notifications have one; for an interrupt or a timer use `signal`",
            ),
            Some(badge) if !sends => found.add_in(
                component.name(),
                badge.span(),
                format!("`{name}` cannot send, so nobody would ever see its badge"),
                "leave `badge` out, or add the right `w`",
            ),
            Some(badge) if signals && *badge.get_ref() == 0 => found.add_in(
                component.name(),
                badge.span(),
                format!("`{name}` would signal no bit at all"),
                "the badge is the set of bits that are signalled: choose at least one",
            ),
            None if signals => found.add_in(
                component.name(),
                cap.name.span(),
                format!("`{name}` may signal: which bits?"),
                "add `badge = ...`, the set of bits that the waiter sees",
            ),
            _ => {}
        }
    }
}

/// `badge-unique`
pub(crate) fn badge_unique(context: &Context<'_>, found: &mut Found<'_>) {
    for (index, object) in context.objects() {
        if !matches!(object.kind, ObjectKind::Endpoint) {
            continue;
        }
        let senders: Vec<&Access> = context
            .users(index)
            .filter(|a| a.rights.contains(Rights::WRITE) && a.reason != Reason::Bound)
            .collect();
        for (i, sender) in senders.iter().enumerate() {
            let same = senders[..i]
                .iter()
                .find(|o| o.badge == sender.badge && o.component != sender.component);
            if let Some(other) = same {
                found.add_in(
                    context.name(sender.component),
                    sender.span.clone(),
                    format!(
                        "its badge {} at the endpoint `{}` is that of `{}` too ({}, line {})",
                        sender.badge,
                        object.name.get_ref(),
                        context.name(other.component),
                        reason(other.reason),
                        context.line(&other.span)
                    ),
                    "the receiver could not tell the two apart: leave `badge` out, then it is the component's \
                     identifier, or choose one that nobody else has",
                );
            }
        }
    }
}

/// `signal`
pub(crate) fn signal(context: &Context<'_>, found: &mut Found<'_>) {
    let mut taken: Vec<(u16, u64, &str, Range<usize>)> = Vec::new();
    for (id, component, cap, kind) in context.caps() {
        let Some(signal) = &cap.signal else { continue };
        let name = cap.name.get_ref().as_str();
        let bits = *signal.get_ref();
        let mut wrong = |message: String, help: &str| {
            found.add_in(component.name(), signal.span(), message, help);
        };
        if !kind.can_signal() {
            wrong(
                format!("`{name}` is {}, which signals nothing", with_article(kind)),
                "`signal` is for interrupts and timers; what a sender signals is its `badge`",
            );
        } else if bits == 0 {
            wrong(
                format!("`{name}` would signal no bit at all"),
                "choose at least one bit, for example `signal = 1`",
            );
        } else if component.notification.is_none() {
            wrong(
                format!("`{name}` is to signal, but the component has no notification"),
                "declare a `[[notification]]` and add `notification = \"...\"` to the component",
            );
        } else if let Some((_, _, other, span)) = taken
            .iter()
            .find(|(component, other, ..)| *component == id && other & bits != 0)
        {
            wrong(
                format!(
                    "`{name}` signals a bit that `{other}` signals too (line {})",
                    context.line(span)
                ),
                "the component could not tell the two apart: choose another bit",
            );
        }
        taken.push((id, bits, name, cap.name.span()));
    }
}

/// `w-xor-x`
pub(crate) fn write_xor_execute(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component) in context.components() {
        let caps = component.caps.iter().filter_map(|c| {
            let cap = c.get_ref();
            Some((&cap.name, cap.object(), cap.rights.as_ref()?))
        });
        let maps = component.maps.iter().map(|m| {
            let map = m.get_ref();
            (map.name(), &map.object, &map.rights)
        });
        for (name, object, rights) in caps.chain(maps) {
            let executable = context
                .system
                .object(object.get_ref())
                .is_some_and(|(_, o)| o.kind.possible_rights().contains(Rights::EXECUTE));
            let both = Rights::WRITE | Rights::EXECUTE;
            if executable && rights.get_ref().0.contains(both) {
                found.add_in(
                    component.name(),
                    rights.span(),
                    format!("`{}` is writable and executable", name.get_ref()),
                    "memory is either: use `rw` or `rx`",
                );
            }
        }
    }
}

/// `w-xor-x-alias`
pub(crate) fn write_xor_execute_alias(context: &Context<'_>, found: &mut Found<'_>) {
    for (index, object) in context.objects() {
        if !matches!(
            object.kind,
            ObjectKind::Frame {
                wx_alias: false,
                ..
            }
        ) {
            continue;
        }
        let only = |access: &&Access, has: Rights, lacks: Rights| {
            access.rights.contains(has) && !access.rights.contains(lacks)
        };
        let writer = context
            .users(index)
            .find(|a| only(a, Rights::WRITE, Rights::EXECUTE));
        let runner = context
            .users(index)
            .find(|a| only(a, Rights::EXECUTE, Rights::WRITE));
        if let (Some(writer), Some(runner)) = (writer, runner) {
            found.add_in(
                context.name(runner.component),
                runner.span.clone(),
                format!(
                    "executes `{}`, which `{}` writes ({}, line {})",
                    object.name.get_ref(),
                    context.name(writer.component),
                    reason(writer.reason),
                    context.line(&writer.span)
                ),
                "take one of the rights away; if code is made at run time on purpose, declare the frame with \
                 `wx_alias = true`",
            );
        }
    }
}
