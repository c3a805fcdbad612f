//! The source text.

use pagurus_capdl_spec::access::{cap_badge, cap_rights};
use pagurus_capdl_spec::addresses::{map_addresses, map_bytes};
use pagurus_capdl_spec::{ComponentSpec, ObjectKind, ROOT, RightsText, SystemSpec, slots};
use std::fmt::Write;

/// The source text for program `binary` in `system`, or `None` if no component runs it.
///
/// | constant | is |
/// | --- | --- |
/// | `NAME: u32` | slot of the capability `name` |
/// | `NAME_SLOTS: u32` | how many slots it may fill, if several |
/// | `NAME_SIGNAL: u64` | bits that the interrupt `name` signals |
/// | `NAME_BADGE: u64` | badge of a sender, if the description names it |
/// | `NAME_ADDRESS: usize`, `NAME_BYTES: usize` | where the mapping `name` is |
/// | `DYNAMIC_FIRST: u32`, `DYNAMIC_SLOTS: u32` | slots for capabilities that come at run time |
/// | `CNODE_BITS: u8` | log2 of the slots of the CNode |
/// | `HEAP_BYTES: usize` | bytes of the heap |
/// | `COMPONENTS: [&str; N]` | names by identifier (which is the badge), root first |
/// | `MEMORY_QUOTAS: [u64; N]` | bytes that each may ask the memory manager for |
///
/// If several components run the program, the checks saw to it that all have the same slots.
pub fn generate(system: &SystemSpec, binary: &str) -> Option<String> {
    let (id, component) = system
        .components_with_id()
        .find(|(_, c)| c.binary() == binary)?;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(&mut out, system, id, component);
    Some(out)
}

fn write_all(
    out: &mut String,
    system: &SystemSpec,
    id: u16,
    component: &ComponentSpec,
) -> std::fmt::Result {
    let name = component.name();
    writeln!(
        out,
        "// Generated from the system `{}`. Do not edit.\n",
        system.about.name.get_ref()
    )?;
    write_caps(out, system, id, component)?;
    write_maps(out, system, component)?;
    let layout = slots::assign(component);
    constant(
        out,
        "DYNAMIC_FIRST",
        "u32",
        layout.dynamic_first,
        "First slot for capabilities that come at run time.",
    )?;
    constant(
        out,
        "DYNAMIC_SLOTS",
        "u32",
        layout.dynamic_count,
        "How many slots there are for capabilities that come at run time.",
    )?;
    constant(
        out,
        "CNODE_BITS",
        "u8",
        slots::cnode_bits(component),
        &format!("log2 of the slots of `{name}`'s CNode."),
    )?;
    constant(
        out,
        "HEAP_BYTES",
        "usize",
        component.heap(),
        &format!("Bytes of `{name}`'s heap."),
    )?;
    write_components(out, system)
}

fn constant(
    out: &mut String,
    name: &str,
    kind: &str,
    value: impl std::fmt::Display,
    doc: &str,
) -> std::fmt::Result {
    writeln!(
        out,
        "/// {doc}\n#[allow(dead_code)]\npub const {name}: {kind} = {value};\n"
    )
}

/// `com1-irq` becomes `COM1_IRQ`.
fn upper(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

fn write_caps(
    out: &mut String,
    system: &SystemSpec,
    id: u16,
    component: &ComponentSpec,
) -> std::fmt::Result {
    for (cap, place) in component.caps.iter().zip(slots::assign(component).named) {
        let cap = cap.get_ref();
        let Some((_, object)) = system.object(cap.object().get_ref()) else {
            continue;
        };
        let name = upper(place.name);
        let rights = RightsText(cap_rights(cap, &object.kind));
        let what = format!("{} `{}`", object.kind.noun(), object.name.get_ref());
        let doc = match optional(object.optional) {
            Some(note) => format!("The {what}, rights `{rights}`. {note}"),
            None => format!("The {what}, rights `{rights}`."),
        };
        constant(out, &name, "u32", place.slot, &doc)?;
        if place.count > 1 {
            let doc = format!("Slots from [`{name}`] on; the last ones may be empty.");
            constant(out, &format!("{name}_SLOTS"), "u32", place.count, &doc)?;
        }
        if let Some(signal) = &cap.signal {
            let doc = format!("Bits that the {what} signals to the component's notification.");
            let value = format!("{:#x}", signal.get_ref());
            constant(out, &format!("{name}_SIGNAL"), "u64", value, &doc)?;
        }
        if cap.badge.is_some() && matches!(object.kind, ObjectKind::Endpoint) {
            let doc = format!("The badge by which the server of {what} knows this component.");
            let badge = cap_badge(id, cap, &object.kind);
            constant(out, &format!("{name}_BADGE"), "u64", badge, &doc)?;
        }
    }
    Ok(())
}

fn optional(optional: bool) -> Option<&'static str> {
    optional.then_some("The slot is empty if the machine lacks it.")
}

fn write_maps(
    out: &mut String,
    system: &SystemSpec,
    component: &ComponentSpec,
) -> std::fmt::Result {
    for (map, address) in component.maps.iter().zip(map_addresses(system, component)) {
        let map = map.get_ref();
        let name = upper(map.name().get_ref());
        let what = format!("the mapping of `{}`", map.frame.get_ref());
        let rights = map.rights.get_ref();
        let doc = format!("Address of {what}, rights `{rights}`.");
        let value = format!("{address:#x}");
        constant(out, &format!("{name}_ADDRESS"), "usize", value, &doc)?;
        let bytes = map_bytes(system, map);
        let doc = format!("Bytes of {what}.");
        constant(out, &format!("{name}_BYTES"), "usize", bytes, &doc)?;
    }
    Ok(())
}

fn write_components(out: &mut String, system: &SystemSpec) -> std::fmt::Result {
    let mut names = vec![format!("{ROOT:?}")];
    let mut quotas = vec![0];
    for component in &system.components {
        names.push(format!("{:?}", component.name()));
        let quota = component.memory_quota.as_ref();
        quotas.push(quota.map_or(0, |q| q.get_ref().0));
    }
    let count = names.len();
    constant(
        out,
        "COMPONENTS",
        &format!("[&str; {count}]"),
        format!("[{}]", names.join(", ")),
        "Names of the components by identifier, which is also the badge of their requests; root is 0.",
    )?;
    constant(
        out,
        "MEMORY_QUOTAS",
        &format!("[u64; {count}]"),
        format!("{quotas:?}"),
        "Bytes that each component, by identifier, may ask the memory manager for.",
    )
}
