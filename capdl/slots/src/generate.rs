//! The source text.

use pagurus_capdl_spec::SystemSpec;
use pagurus_capdl_spec::constants::constants;
use std::fmt::Write;

/// The source text for program `binary` in `system`, or `None` if no component runs it: a Rust constant for
/// each of the [`constants`] of the component. If several components run the program, those of the first;
/// the checks saw to it that all have the same capabilities in the same slots.
pub fn generate(system: &SystemSpec, binary: &str) -> Option<String> {
    let (id, component) = system
        .components_with_id()
        .find(|(_, c)| c.binary() == binary)?;
    let mut out = format!(
        "// Generated from the system `{}`. Do not edit.\n",
        system.about.name.get_ref()
    );
    for constant in constants(system, id, component) {
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "\n/// {}\n#[allow(dead_code)]\npub const {}: {} = {};\n",
            constant.doc, constant.name, constant.kind, constant.value
        );
    }
    Some(out)
}
