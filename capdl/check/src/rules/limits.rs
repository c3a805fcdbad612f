//! What an image can hold.

use crate::context::{Context, Found};
use pagurus_capdl_image::layout::{MAX_ARGUMENT, MAX_CAPS, MAX_COMPONENTS, MAX_MAPS, MAX_OBJECTS};
use pagurus_protocol::start::MAX_MODULES;
use std::ops::Range;

/// Capabilities in fixed slots that a component may have besides those that it lists.
const FIXED: usize = 8;

/// `limits`
pub(crate) fn limits(context: &Context<'_>, found: &mut Found<'_>) {
    let system = context.system;
    let mut check = |count: usize, limit: usize, what: &str, span: Option<Range<usize>>| {
        if count > limit {
            found.add(
                span.unwrap_or(0..0),
                format!("{count} {what} are too many"),
                format!("an image can hold {limit}"),
            );
        }
    };
    let components = &system.components;
    let caps = components.iter().map(|c| c.caps.len() + FIXED).sum();
    let maps = components.iter().map(|c| c.maps.len()).sum();
    let last_component = components.last().map(|c| c.name.span());
    let last_object = system.objects.last().map(|o| o.name.span());
    check(
        components.len(),
        MAX_COMPONENTS,
        "components",
        last_component.clone(),
    );
    check(system.objects.len(), MAX_OBJECTS, "objects", last_object);
    check(caps, MAX_CAPS, "capabilities", last_component.clone());
    check(maps, MAX_MAPS, "mappings", last_component);
    for (_, component) in context.components() {
        let modules = component.maps.iter().filter(|m| m.get_ref().is_module);
        if let Some(extra) = modules.clone().nth(MAX_MODULES) {
            found.add_in(
                component.name(),
                extra.span(),
                format!("{} boot modules are too many", modules.count()),
                format!("the start page tells of {MAX_MODULES}"),
            );
        }
        if let Some(argument) = &component.argument
            && argument.get_ref().len() > MAX_ARGUMENT
        {
            let length = argument.get_ref().len();
            found.add_in(
                component.name(),
                argument.span(),
                format!("an argument of {length} bytes is too long"),
                format!("the start page holds {MAX_ARGUMENT}"),
            );
        }
    }
}
