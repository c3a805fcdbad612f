//! Text for Graphviz.

use pagurus_abi::Rights;
use pagurus_capdl_spec::access::{Reason, accesses, component_name};
use pagurus_capdl_spec::{ObjectKind, RightsText, SystemSpec};
use std::fmt::Write;

/// The system as a Graphviz digraph: every component, every object, and an edge for every capability,
/// mapping, service and fault endpoint, labelled with its rights.
pub fn dot(system: &SystemSpec) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_dot(&mut out, system);
    out
}

/// A text between quotation marks.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn write_dot(out: &mut String, system: &SystemSpec) -> std::fmt::Result {
    writeln!(out, "digraph {} {{", quoted(system.about.name.get_ref()))?;
    writeln!(
        out,
        "  graph [rankdir=TB];\n  node [fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];"
    )?;
    for id in 0..=system.components.len() {
        let name = component_name(system, id as u16);
        let bold = if system.is_trusted(name) {
            ", style=bold"
        } else {
            ""
        };
        writeln!(out, "  c{id} [shape=box, label={}{bold}];", quoted(name))?;
    }
    for (index, object) in system.objects.iter().enumerate() {
        let shape = match object.kind {
            ObjectKind::Endpoint => "oval",
            ObjectKind::Notification => "diamond",
            ObjectKind::Frame { .. } | ObjectKind::Untyped { .. } => "note",
            _ => "component",
        };
        let label = format!("{}\n{}", object.name.get_ref(), object.kind.noun());
        let label = quoted(&label).replace('\n', "\\n");
        writeln!(out, "  o{index} [shape={shape}, label={label}];")?;
    }
    for access in accesses(system) {
        let component = format!("c{}", access.component);
        let object = format!("o{}", access.object);
        let receives = access.rights.intersects(Rights::READ | Rights::EXECUTE);
        let sends = access.rights.contains(Rights::WRITE);
        let (from, to, direction) = match (sends, receives) {
            (true, true) => (component, object, "both"),
            (false, true) => (object, component, "forward"),
            _ => (component, object, "forward"),
        };
        let mut label = RightsText(access.rights).to_string();
        if access.badge != 0 {
            label += &format!(" badge {}", access.badge);
        }
        let style = match access.reason {
            Reason::Cap(_) | Reason::Service(_) | Reason::Serves => "solid",
            Reason::Map(_) => "bold",
            Reason::Bound => "dashed",
            Reason::Faults => "dotted",
        };
        writeln!(
            out,
            "  {from} -> {to} [label={}, dir={direction}, style={style}];",
            quoted(&label)
        )?;
    }
    writeln!(out, "}}")
}
