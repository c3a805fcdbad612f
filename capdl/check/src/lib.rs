//! Static checks of a system's description.
//!
//! Each rule is one small function with a name by which its messages call it; [`NAME_RULES`] and [`RULES`]
//! list them. [`check()`] runs them all, so that one build shows everything that is wrong.
#![forbid(unsafe_code)]

mod context;
mod rules;

use context::{Context, Found};
use pagurus_capdl_spec::{Diagnostics, Source, SystemSpec};
pub use rules::{NAME_RULES, RULES};

/// A rule.
pub struct Rule {
    /// Its name, as it stands in messages.
    pub name: &'static str,
    /// What it demands, in one sentence.
    pub demands: &'static str,
    run: fn(&Context<'_>, &mut Found<'_>),
}

/// Checks `system`, which was read from `source`, against [`NAME_RULES`] and, if the names are right, against
/// [`RULES`]. The error lists everything that is wrong, in the order of the lines.
pub fn check(source: &Source, system: &SystemSpec) -> Result<(), Diagnostics> {
    let context = Context::new(source, system);
    for rules in [NAME_RULES, RULES] {
        let mut all = Diagnostics::default();
        for rule in rules {
            let mut found = Found::new(rule.name, source);
            (rule.run)(&context, &mut found);
            all.0.extend(found.into_diagnostics());
        }
        if !all.is_empty() {
            return Err(all.sorted());
        }
    }
    Ok(())
}
