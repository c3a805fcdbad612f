//! Sizes, and that everything fits.

use crate::context::{Context, Found};
use pagurus_abi::Kind;
use pagurus_abi::layout::PAGE_SIZE;
use pagurus_capdl_spec::addresses::{address_space_bits, needed_tables};
use pagurus_capdl_spec::component::{DEFAULT_HEAP, DEFAULT_IMAGE, DEFAULT_STACK};
use pagurus_capdl_spec::object::UntypedSize;
use pagurus_capdl_spec::slots::cnode_bits;
use pagurus_capdl_spec::{Bytes, ComponentSpec, ObjectKind, Spanned};

const PAGE: u64 = PAGE_SIZE as u64;

/// Smallest stack: a component's start-up code and one level of formatting need about half of it.
const MIN_STACK: Bytes = Bytes(8 * 1024);

/// log2 of `bytes` if it is a power of two.
fn exact_bits(bytes: u64) -> Option<u8> {
    bytes
        .is_power_of_two()
        .then(|| bytes.trailing_zeros() as u8)
}

/// The sizes of which an object of `kind` can be made, for people.
fn possible_sizes(kind: Kind) -> String {
    let mut possible = (0..64u8).filter(|bits| kind.object_bits(*bits).is_some());
    let smallest = possible.next().unwrap_or(0);
    let largest = possible.next_back().unwrap_or(smallest);
    format!(
        "powers of two from {} to {} are possible",
        Bytes(1 << smallest),
        Bytes(1 << largest)
    )
}

/// `object-size`
pub(crate) fn object_size(context: &Context<'_>, found: &mut Found<'_>) {
    let mut check = |name: &str, kind: Kind, size: Bytes, span| {
        let possible = exact_bits(size.0).and_then(|bits| kind.object_bits(bits));
        if possible.is_none() {
            let message = format!("`{name}` cannot have {size}");
            found.add(span, message, possible_sizes(kind));
        }
    };
    for (_, object) in context.objects() {
        let name = object.name.get_ref();
        match &object.kind {
            ObjectKind::Frame { size, .. } | ObjectKind::Device { size, .. } => {
                check(name, Kind::Frame, *size.get_ref(), size.span());
            }
            ObjectKind::TraceBuffer { size, .. } => {
                check(name, Kind::TraceBuffer, *size.get_ref(), size.span());
            }
            ObjectKind::Untyped { size } => {
                if let UntypedSize::Bytes(bytes) = size.get_ref() {
                    check(name, Kind::Untyped, *bytes, size.span());
                }
            }
            _ => {}
        }
    }
}

/// Bits of a physical address (AMD64 manual volume 2, section 5.1).
const PHYSICAL_BITS: u32 = 52;

/// `device-address`
pub(crate) fn device_address(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, object) in context.objects() {
        let ObjectKind::Device { address, size } = &object.kind else {
            continue;
        };
        let (start, bytes) = (*address.get_ref(), size.get_ref().0);
        let name = object.name.get_ref();
        if bytes.is_power_of_two() && !start.is_multiple_of(bytes) {
            found.add(
                address.span(),
                format!(
                    "`{name}` is at {start:#x}, which is not a multiple of its size {}",
                    size.get_ref()
                ),
                "frames are aligned to their size: take a smaller one, or several",
            );
        }
        if start
            .checked_add(bytes)
            .is_none_or(|end| end > 1 << PHYSICAL_BITS)
        {
            found.add(
                address.span(),
                format!("`{name}` would lie beyond the physical addresses"),
                format!("they have {PHYSICAL_BITS} bits"),
            );
        }
    }
}

/// `stack-size`
pub(crate) fn stack_size(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component) in context.components() {
        let bytes = component.stack();
        if bytes < MIN_STACK.0 || !bytes.is_multiple_of(PAGE) {
            let place = component.stack.as_ref().map_or(0..0, Spanned::span);
            found.add_in(
                component.name(),
                place,
                format!("a stack of {} cannot be", Bytes(bytes)),
                format!(
                    "at least {MIN_STACK}, a multiple of 4K; without `stack` it is {DEFAULT_STACK}"
                ),
            );
        }
    }
}

/// `heap-size`
pub(crate) fn heap_size(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component) in context.components() {
        let bytes = component.heap();
        if !bytes.is_multiple_of(PAGE) {
            let place = component.heap.as_ref().map_or(0..0, Spanned::span);
            found.add_in(
                component.name(),
                place,
                format!("a heap of {} cannot be", Bytes(bytes)),
                format!("a multiple of 4K, or 0 for none; without `heap` it is {DEFAULT_HEAP}"),
            );
        }
    }
}

/// `image-size`
pub(crate) fn image_size(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component) in context.components() {
        let bytes = component.image();
        if bytes == 0 || !bytes.is_multiple_of(PAGE) {
            let place = component.image.as_ref().map_or(0..0, Spanned::span);
            found.add_in(
                component.name(),
                place,
                format!("{} for the program cannot be", Bytes(bytes)),
                format!("a multiple of 4K; without `image` it is {DEFAULT_IMAGE}"),
            );
        }
    }
}

/// `address-space-size`
pub(crate) fn address_space_size(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component) in context.components() {
        let bits = address_space_bits(context.system, component);
        let needed = needed_tables(context.system, component);
        let place = match &component.address_space {
            Some(size) => size.span(),
            None => component.name.span(),
        };
        if Kind::AddressSpace.object_bits(bits).is_none() {
            found.add_in(
                component.name(),
                place,
                format!("an address space cannot have {}", Bytes(1 << bits)),
                possible_sizes(Kind::AddressSpace),
            );
        } else if needed > (1u64 << bits) / PAGE {
            found.add_in(
                component.name(),
                place,
                format!(
                    "{} hold {} page tables, but what is mapped at the start takes {needed}",
                    Bytes(1 << bits),
                    (1u64 << bits) / PAGE
                ),
                "leave `address_space` out: enough for the start and a quarter more is taken",
            );
        }
    }
}

/// Bytes that `component` takes: root makes all its objects from one piece of memory, a power of two.
fn component_bytes(context: &Context<'_>, component: &ComponentSpec) -> u128 {
    let object = |kind: Kind, bits: u8| 1u128 << kind.object_bits(bits).unwrap_or(0);
    let cnode = u8::try_from(cnode_bits(component)).unwrap_or(u8::MAX);
    let address_space = address_space_bits(context.system, component);
    let memory = [
        component.stack(),
        component.heap(),
        component.image(),
        // IPC buffer and start page.
        2 * PAGE,
    ];
    let bytes = memory.map(u128::from).iter().sum::<u128>()
        + object(Kind::CNode, cnode)
        + object(Kind::AddressSpace, address_space)
        + object(Kind::Thread, 0)
        + object(Kind::SchedContext, 0)
        + object(Kind::Reply, 0);
    bytes.next_power_of_two()
}

/// Bytes that a named object takes of the machine's memory.
fn object_bytes(kind: &ObjectKind) -> u128 {
    match kind {
        ObjectKind::Frame { size, .. } | ObjectKind::TraceBuffer { size, .. } => {
            u128::from(size.get_ref().0)
        }
        ObjectKind::Untyped { size } => match size.get_ref() {
            UntypedSize::Bytes(bytes) => u128::from(bytes.0),
            UntypedSize::Rest => 0,
        },
        ObjectKind::Endpoint | ObjectKind::Notification | ObjectKind::Timer => {
            1 << kind.kind().object_bits(0).unwrap_or(0)
        }
        ObjectKind::Device { .. }
        | ObjectKind::Irq { .. }
        | ObjectKind::Ports { .. }
        | ObjectKind::Module
        | ObjectKind::Cpu { .. } => 0,
    }
}

/// `memory-fits`
pub(crate) fn fits(context: &Context<'_>, found: &mut Found<'_>) {
    let mut parts: Vec<(u128, &str)> = context
        .components()
        .map(|(_, c)| (component_bytes(context, c), c.name()))
        .collect();
    let objects = context.objects();
    parts.extend(objects.map(|(_, o)| (object_bytes(&o.kind), o.name.get_ref().as_str())));
    parts.sort_by(|a, b| b.cmp(a));
    let memory = &context.system.about.memory;
    let sum: u128 = parts.iter().map(|p| p.0).sum();
    if sum > u128::from(memory.get_ref().0) {
        let largest: Vec<String> = parts
            .iter()
            .filter(|(bytes, _)| *bytes >= u128::from(PAGE))
            .take(3)
            .map(|(bytes, name)| format!("`{name}` {}", kibibytes(*bytes)))
            .collect();
        found.add(
            memory.span(),
            format!(
                "the system takes {}, but {} are declared",
                kibibytes(sum),
                memory.get_ref()
            ),
            format!("the largest parts: {}", largest.join(", ")),
        );
    }
}

fn kibibytes(bytes: u128) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}
