//! Places in capability spaces.

use crate::context::{Context, Found};
use pagurus_abi::kind::{MAX_CNODE_BITS, MIN_CNODE_BITS};
use pagurus_capdl_spec::object::UntypedSize;
use pagurus_capdl_spec::slots::{NamedSlot, assign, cnode_bits};
use pagurus_capdl_spec::{ComponentSpec, ObjectKind};
use pagurus_protocol::slots::FIRST_NAMED;

/// `slot-collision`
pub(crate) fn collision(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component) in context.components() {
        let layout = assign(component);
        for (i, slot) in layout.named.iter().enumerate() {
            let other = layout.named[..i].iter().position(|o| overlap(o, slot));
            if let Some(other) = other {
                let first = component.caps[other].get_ref();
                let cap = component.caps[i].get_ref();
                found.add_in(
                    component.name(),
                    cap.slot.as_ref().map_or(cap.name.span(), |s| s.span()),
                    format!(
                        "`{}` is in slot {}, where `{}` is already (line {})",
                        slot.name,
                        slot.slot,
                        layout.named[other].name,
                        context.line(&first.name.span())
                    ),
                    "leave `slot` out: the next free one is taken",
                );
            }
        }
    }
}

fn overlap(a: &NamedSlot<'_>, b: &NamedSlot<'_>) -> bool {
    a.slot < b.slot.saturating_add(b.count) && b.slot < a.slot.saturating_add(a.count)
}

/// `slot-range`
pub(crate) fn range(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component) in context.components() {
        for cap in &component.caps {
            if let Some(slot) = &cap.get_ref().slot
                && *slot.get_ref() < FIRST_NAMED
            {
                found.add_in(
                    component.name(),
                    slot.span(),
                    format!(
                        "slot {} is one of the fixed slots of every component",
                        slot.get_ref()
                    ),
                    format!("named capabilities begin at slot {FIRST_NAMED}"),
                );
            }
        }
    }
}

/// `slot-count`
pub(crate) fn count(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component, cap, kind) in context.caps() {
        let Some(slots) = &cap.slots else { continue };
        let rest =
            matches!(kind, ObjectKind::Untyped { size } if *size.get_ref() == UntypedSize::Rest);
        let name = cap.name.get_ref();
        if *slots.get_ref() == 0 {
            found.add_in(
                component.name(),
                slots.span(),
                format!("`{name}` has no slot"),
                "give it at least one",
            );
        } else if *slots.get_ref() > 1 && !rest {
            found.add_in(
                component.name(),
                slots.span(),
                format!("`{name}` is one capability and fills one slot"),
                "only untyped memory of size \"rest\" comes in several pieces",
            );
        }
    }
    for (_, component) in context.components() {
        if let Some(dynamic) = &component.dynamic
            && (*dynamic.get_ref().slots.get_ref() == 0 || dynamic.get_ref().kinds.is_empty())
        {
            found.add_in(
                component.name(),
                dynamic.span(),
                "no capability could ever come into these slots",
                "say how many slots and which kinds, or leave `dynamic` out",
            );
        }
    }
}

/// `cnode-size`
pub(crate) fn cnode_size(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component) in context.components() {
        let bits = cnode_bits(component);
        let place = match &component.cnode_bits {
            Some(bits) => bits.span(),
            None => component.name.span(),
        };
        if !(u32::from(MIN_CNODE_BITS)..=u32::from(MAX_CNODE_BITS)).contains(&bits) {
            found.add_in(
                component.name(),
                place,
                format!("a CNode of 2^{bits} slots cannot be made"),
                format!("from 2^{MIN_CNODE_BITS} to 2^{MAX_CNODE_BITS} slots are possible"),
            );
        } else if u64::from(assign(component).end()) > 1 << bits {
            found.add_in(
                component.name(),
                place,
                format!(
                    "a CNode of 2^{bits} slots is too small for slot {}",
                    assign(component).end() - 1
                ),
                "leave `cnode_bits` out: the smallest that fits is taken",
            );
        }
    }
}

/// `binary-slots`
pub(crate) fn binary_slots(context: &Context<'_>, found: &mut Found<'_>) {
    for (id, component) in context.components() {
        let first = context
            .components()
            .find(|(_, c)| c.binary() == component.binary());
        let Some((first_id, first)) = first else {
            continue;
        };
        if first_id != id && places(context, first) != places(context, component) {
            found.add_in(
                component.name(),
                component.name.span(),
                format!(
                    "runs the program `{}` as `{}` does (line {}), but its capabilities or mappings have other \
                     names or places",
                    component.binary(),
                    first.name(),
                    context.line(&first.name.span())
                ),
                "the program is built once: give both the same names in the same order, or build it twice \
                 under two names",
            );
        }
    }
}

/// Everything by which a program knows its surroundings.
fn places(context: &Context<'_>, component: &ComponentSpec) -> Vec<(String, String)> {
    pagurus_capdl_spec::constants::constants(context.system, 0, component)
        .into_iter()
        .map(|c| (c.name, c.value))
        .collect()
}
