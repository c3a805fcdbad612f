//! Where a component finds its capabilities.

use crate::component::ComponentSpec;
use pagurus_abi::kind::MIN_CNODE_BITS;
use pagurus_protocol::slots::FIRST_NAMED;

/// A named capability and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSlot<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its slot, the first one if there are several.
    pub slot: u32,
    /// How many slots.
    pub count: u32,
}

/// The capability space of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotLayout<'a> {
    /// The named capabilities in the order of the description.
    pub named: Vec<NamedSlot<'a>>,
    /// First of the slots for capabilities that come at run time.
    pub dynamic_first: u32,
    /// How many of these.
    pub dynamic_count: u32,
}

impl SlotLayout<'_> {
    /// The first slot that is not used; saturates.
    pub fn end(&self) -> u32 {
        self.dynamic_first.saturating_add(self.dynamic_count)
    }

    /// log2 of the slots of the smallest CNode that holds all of them.
    pub fn needed_bits(&self) -> u8 {
        let slots = u64::from(self.end()).next_power_of_two();
        (slots.trailing_zeros() as u8).max(MIN_CNODE_BITS)
    }
}

/// Gives every capability of `component` its slot: the one that it names, else the next after the one
/// before, from [`FIRST_NAMED`] on. Slots for capabilities that come at run time follow after the highest.
pub fn assign(component: &ComponentSpec) -> SlotLayout<'_> {
    let mut next = FIRST_NAMED;
    let mut end = FIRST_NAMED;
    let mut named = Vec::with_capacity(component.caps.len());
    for cap in &component.caps {
        let cap = cap.get_ref();
        let slot = cap.slot.as_ref().map_or(next, |s| *s.get_ref());
        let count = cap.slots.as_ref().map_or(1, |s| *s.get_ref());
        next = slot.saturating_add(count);
        end = end.max(next);
        named.push(NamedSlot {
            name: cap.name.get_ref(),
            slot,
            count,
        });
    }
    SlotLayout {
        named,
        dynamic_first: end,
        dynamic_count: component
            .dynamic
            .as_ref()
            .map_or(0, |d| *d.get_ref().slots.get_ref()),
    }
}

/// log2 of the slots of the CNode of `component`: as it says, else as many as it needs.
pub fn cnode_bits(component: &ComponentSpec) -> u32 {
    match &component.cnode_bits {
        Some(bits) => *bits.get_ref(),
        None => u32::from(assign(component).needed_bits()),
    }
}

#[cfg(test)]
mod tests {
    use crate::Source;

    const SYSTEM: &str = r#"
        [system]
        name = "t"
        memory = "1M"
        [[component]]
        name = "a"
        dynamic = { slots = 4, kinds = ["frame"] }
        caps = [
            { name = "one" },
            { name = "pool", slots = 8 },
            { name = "far", slot = 40 },
            { name = "next" },
        ]
    "#;

    #[test]
    fn slots_follow_the_order_and_explicit_ones_move_on() {
        let spec = crate::parse(&Source::new("t.toml", SYSTEM)).unwrap();
        let layout = super::assign(&spec.components[0]);
        let slots: Vec<_> = layout.named.iter().map(|n| (n.slot, n.count)).collect();
        assert_eq!(slots, [(16, 1), (17, 8), (40, 1), (41, 1)]);
        assert_eq!((layout.dynamic_first, layout.dynamic_count), (42, 4));
        assert_eq!(layout.needed_bits(), 6);
    }
}
