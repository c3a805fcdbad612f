//! The constants by which a component knows what it was given.

use crate::access::{cap_badge, cap_rights};
use crate::addresses::{map_addresses, map_bytes};
use crate::component::ComponentSpec;
use crate::object::ObjectKind;
use crate::quantity::RightsText;
use crate::slots;
use crate::system::{ROOT, SystemSpec};
use std::ops::Range;

/// A constant in Rust source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Its value, as Rust writes it.
    pub value: String,
    /// What it means, one line.
    pub doc: String,
    /// What it comes from in the file, for those that come from a name there.
    pub span: Option<Range<usize>>,
}

impl Constant {
    fn new(name: impl Into<String>, kind: &str, value: impl ToString, doc: &str) -> Self {
        Constant {
            name: name.into(),
            kind: kind.to_string(),
            value: value.to_string(),
            doc: doc.to_string(),
            span: None,
        }
    }

    fn from(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }
}

/// `com1-irq` becomes `COM1_IRQ`.
pub fn constant_name(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

/// Every constant of `component`, which has identifier `id`:
///
/// | constant | is |
/// | --- | --- |
/// | `NAME: u32` | slot of the capability `name` |
/// | `NAME_SLOTS: u32` | how many slots it may fill, if several |
/// | `NAME_SIGNAL: u64` | bits that the interrupt or timer `name` signals |
/// | `NAME_BADGE: u64` | badge of a sender, if the description chose it |
/// | `NAME_ADDRESS: usize`, `NAME_BYTES: usize` | where the mapping `name` is; a boot module has no `NAME_BYTES` |
/// | `DYNAMIC_FIRST: u32`, `DYNAMIC_SLOTS: u32` | slots for capabilities that come at run time |
/// | `CNODE_BITS: u8` | log2 of the slots of the CNode |
/// | `HEAP_BYTES: usize` | bytes of the heap |
/// | `CAPS: [(&str, u32); N]` | names and slots of the capabilities |
/// | `MAPS: [(&str, usize, usize); N]` | names, addresses and bytes of the mappings that are no boot modules |
/// | `SIGNALS: [(&str, u64); N]` | components that signal the component's notification, and the bits they set |
/// | `COMPONENTS: [&str; N]` | names by identifier (which is the badge), root first |
/// | `MEMORY_QUOTAS: [u64; N]` | bytes that each may ask the memory manager for |
pub fn constants(system: &SystemSpec, id: u16, component: &ComponentSpec) -> Vec<Constant> {
    let mut all = Vec::new();
    caps(system, id, component, &mut all);
    maps(system, component, &mut all);
    whole(component, &mut all);
    tables(system, component, &mut all);
    components(system, &mut all);
    all
}

fn caps(system: &SystemSpec, id: u16, component: &ComponentSpec, all: &mut Vec<Constant>) {
    for (cap, place) in component.caps.iter().zip(slots::assign(component).named) {
        let cap = cap.get_ref();
        let Some((_, object)) = system.object(cap.object().get_ref()) else {
            continue;
        };
        let span = cap.name.span();
        let name = constant_name(place.name);
        let what = format!("{} `{}`", object.kind.noun(), object.name.get_ref());
        let mut doc = format!("Slot of the {what}");
        if !matches!(object.kind, ObjectKind::Untyped { .. }) {
            let rights = RightsText(cap_rights(cap, &object.kind));
            doc += &format!(", rights `{rights}`");
        }
        doc.push('.');
        if object.optional {
            doc.push_str(" It is empty if the machine lacks it.");
        }
        all.push(Constant::new(&name, "u32", place.slot, &doc).from(span.clone()));
        if place.count > 1 {
            let doc = format!("How many slots from [`{name}`] on; the last ones may be empty.");
            let slots = format!("{name}_SLOTS");
            all.push(Constant::new(slots, "u32", place.count, &doc).from(span.clone()));
        }
        if let Some(signal) = &cap.signal {
            let doc = format!("Bits that the {what} signals to the component's notification.");
            let value = format!("{:#x}", signal.get_ref());
            let signal = format!("{name}_SIGNAL");
            all.push(Constant::new(signal, "u64", value, &doc).from(span.clone()));
        }
        if cap.badge.is_some() && matches!(object.kind, ObjectKind::Endpoint) {
            let doc = format!("By this badge the server of the {what} knows this component.");
            let value = cap_badge(id, cap, &object.kind);
            let badge = format!("{name}_BADGE");
            all.push(Constant::new(badge, "u64", value, &doc).from(span));
        }
    }
}

fn maps(system: &SystemSpec, component: &ComponentSpec, all: &mut Vec<Constant>) {
    for (map, address) in component.maps.iter().zip(map_addresses(system, component)) {
        let map = map.get_ref();
        let span = map.name().span();
        let name = constant_name(map.name().get_ref());
        let what = format!("the mapping of `{}`", map.object.get_ref());
        let mut doc = format!("Address of {what}, rights `{}`.", map.rights.get_ref());
        if map.is_module {
            doc.push_str(" The start page says how long it is, if it is there.");
        }
        let value = format!("{address:#x}");
        let address = format!("{name}_ADDRESS");
        all.push(Constant::new(address, "usize", value, &doc).from(span.clone()));
        if map.is_module {
            continue;
        }
        let bytes = map_bytes(system, map);
        let doc = format!("Bytes of {what}.");
        all.push(Constant::new(format!("{name}_BYTES"), "usize", bytes, &doc).from(span));
    }
}

fn whole(component: &ComponentSpec, all: &mut Vec<Constant>) {
    let layout = slots::assign(component);
    let bits = slots::cnode_bits(component);
    all.extend([
        Constant::new(
            "DYNAMIC_FIRST",
            "u32",
            layout.dynamic_first,
            "First slot for capabilities that come at run time.",
        ),
        Constant::new(
            "DYNAMIC_SLOTS",
            "u32",
            layout.dynamic_count,
            "How many slots there are for capabilities that come at run time.",
        ),
        Constant::new("CNODE_BITS", "u8", bits, "log2 of the slots of the CNode."),
        Constant::new(
            "HEAP_BYTES",
            "usize",
            component.heap(),
            "Bytes of the heap.",
        ),
    ]);
}

/// What programs find by name that work in several systems, or with several of a kind.
fn tables(system: &SystemSpec, component: &ComponentSpec, all: &mut Vec<Constant>) {
    let caps: Vec<_> = slots::assign(component)
        .named
        .iter()
        .map(|place| format!("({:?}, {})", place.name, place.slot))
        .collect();
    let maps: Vec<_> = component
        .maps
        .iter()
        .zip(map_addresses(system, component))
        .map(|(map, address)| (map.get_ref(), address))
        .filter(|(map, _)| !map.is_module)
        .map(|(map, address)| {
            let (name, bytes) = (map.name().get_ref(), map_bytes(system, map));
            format!("({name:?}, {address:#x}, {bytes})")
        })
        .collect();
    let signals = signals(system, component);
    let mut add = |name: &str, entry: &str, values: Vec<String>, doc: &str| {
        let kind = format!("[{entry}; {}]", values.len());
        all.push(Constant::new(
            name,
            &kind,
            format!("[{}]", values.join(", ")),
            doc,
        ));
    };
    add(
        "CAPS",
        "(&str, u32)",
        caps,
        "Names and slots of the capabilities.",
    );
    add(
        "MAPS",
        "(&str, usize, usize)",
        maps,
        "Names, addresses and bytes of the mappings that are no boot modules.",
    );
    add(
        "SIGNALS",
        "(&str, u64)",
        signals,
        "Components that signal the component's notification, and the bits they set.",
    );
}

fn signals(system: &SystemSpec, component: &ComponentSpec) -> Vec<String> {
    let Some(own) = &component.notification else {
        return Vec::new();
    };
    let senders = system.components.iter().flat_map(|sender| {
        let to_us = sender
            .caps
            .iter()
            .map(|cap| cap.get_ref())
            .filter(|cap| cap.object().get_ref() == own.get_ref());
        to_us.filter_map(|cap| Some((sender.name(), *cap.badge.as_ref()?.get_ref())))
    });
    senders
        .map(|(name, bits)| format!("({name:?}, {bits:#x})"))
        .collect()
}

fn components(system: &SystemSpec, all: &mut Vec<Constant>) {
    let mut names = vec![format!("{ROOT:?}")];
    let mut quotas = vec![0];
    for component in &system.components {
        names.push(format!("{:?}", component.name()));
        let quota = component.memory_quota.as_ref();
        quotas.push(quota.map_or(0, |q| q.get_ref().0));
    }
    let count = names.len();
    all.extend([
        Constant::new(
            "COMPONENTS",
            &format!("[&str; {count}]"),
            format!("[{}]", names.join(", ")),
            "Names of the components by identifier, which is also the badge of their requests.",
        ),
        Constant::new(
            "MEMORY_QUOTAS",
            &format!("[u64; {count}]"),
            format!("{quotas:?}"),
            "Bytes that each component, by identifier, may ask the memory manager for.",
        ),
    ]);
}
