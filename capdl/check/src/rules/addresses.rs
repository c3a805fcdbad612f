//! Mappings.

use crate::context::{Context, Found};
use pagurus_abi::layout::{PAGE_SIZE, USER_END, USER_START};
use pagurus_capdl_spec::addresses::{Purpose, Region, map_bytes, regions};
use pagurus_capdl_spec::{Bytes, ComponentSpec};
use std::ops::Range;

const PAGE: u64 = PAGE_SIZE as u64;

/// `map-alignment`
pub(crate) fn alignment(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component) in context.components() {
        for map in &component.maps {
            let map = map.get_ref();
            let parts = [
                map.at.as_ref().map(|at| ("at", *at.get_ref(), at.span())),
                map.offset
                    .as_ref()
                    .map(|o| ("offset", o.get_ref().0, o.span())),
                map.length
                    .as_ref()
                    .map(|l| ("length", l.get_ref().0, l.span())),
            ];
            for (key, value, span) in parts.into_iter().flatten() {
                if !value.is_multiple_of(PAGE) {
                    found.add_in(
                        component.name(),
                        span,
                        format!("`{key}` is {value:#x}, which is not a multiple of a page"),
                        "pages have 4 KiB (0x1000)",
                    );
                }
            }
        }
    }
}

/// `map-range`
pub(crate) fn range(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component) in context.components() {
        for map in &component.maps {
            let span = map.span();
            let map = map.get_ref();
            let Some((_, object)) = context.system.object(map.object.get_ref()) else {
                continue;
            };
            let Some(whole) = object.kind.mappable_bytes() else {
                continue;
            };
            let offset = map.offset.as_ref().map_or(0, |o| o.get_ref().0);
            let bytes = map_bytes(context.system, map);
            if bytes == 0 || offset.checked_add(bytes).is_none_or(|end| end > whole) {
                found.add_in(
                    component.name(),
                    span,
                    format!(
                        "the mapping covers nothing of `{}` or more than it has ({})",
                        map.object.get_ref(),
                        Bytes(whole)
                    ),
                    "`offset` and `length` must lie within the frame",
                );
            }
        }
        for region in regions(context.system, component) {
            if region.bytes > 0 && (region.start < USER_START || region.end() > USER_END) {
                found.add_in(
                    component.name(),
                    place(component, &region),
                    format!(
                        "{} would be at {:#x} to {:#x}",
                        what(component, &region),
                        region.start,
                        region.end()
                    ),
                    format!("components have the addresses from {USER_START:#x} to {USER_END:#x}"),
                );
            }
        }
    }
}

/// `map-overlap`
pub(crate) fn overlap(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component) in context.components() {
        let regions = regions(context.system, component);
        for (i, region) in regions.iter().enumerate() {
            let other = regions[..i].iter().find(|o| o.overlaps(region));
            if let Some(other) = other {
                found.add_in(
                    component.name(),
                    place(component, region),
                    format!(
                        "{} at {:#x} to {:#x} lies over {}, which is at {:#x} to {:#x}",
                        what(component, region),
                        region.start,
                        region.end(),
                        what(component, other),
                        other.start,
                        other.end()
                    ),
                    "leave `at` out: a free place is chosen",
                );
            }
        }
    }
}

fn what(component: &ComponentSpec, region: &Region) -> String {
    match region.purpose {
        Purpose::Image => "the program".to_string(),
        Purpose::Stack => "the stack with its guard page".to_string(),
        Purpose::Heap => "the heap".to_string(),
        Purpose::IpcBuffer => "the IPC buffer".to_string(),
        Purpose::StartInfo => "the start page".to_string(),
        Purpose::Map(i) => {
            let map = component.maps.get(i).map(|m| m.get_ref());
            format!("`{}`", map.map_or("?", |m| m.name().get_ref()))
        }
    }
}

fn place(component: &ComponentSpec, region: &Region) -> Range<usize> {
    let size = match region.purpose {
        Purpose::Image => component.image.as_ref(),
        Purpose::Stack => component.stack.as_ref(),
        Purpose::Heap => component.heap.as_ref(),
        Purpose::IpcBuffer | Purpose::StartInfo => None,
        Purpose::Map(i) => {
            if let Some(map) = component.maps.get(i) {
                return map.get_ref().at.as_ref().map_or(map.span(), |at| at.span());
            }
            None
        }
    };
    size.map_or(component.name.span(), |s| s.span())
}
