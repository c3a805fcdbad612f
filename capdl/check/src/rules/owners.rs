//! That hardware and memory have one owner each, unless they are shared on purpose.

use crate::context::{Context, Found};
use pagurus_abi::Rights;
use pagurus_capdl_spec::access::Access;
use pagurus_capdl_spec::{ObjectKind, ObjectSpec};

/// Finds objects of the wanted kind that several components use though they are not shared.
fn one_owner(
    context: &Context<'_>,
    found: &mut Found<'_>,
    wanted: impl Fn(&ObjectKind) -> bool,
    owns: impl Fn(&Access) -> bool + Copy,
    verb: &str,
    help: &str,
) {
    for (index, object) in context.objects() {
        if object.shared || !wanted(&object.kind) {
            continue;
        }
        let owners = context.owners(index, owns);
        let Some((first, others)) = owners.split_first() else {
            continue;
        };
        for other in others {
            found.add_in(
                context.name(other.component),
                other.span.clone(),
                format!(
                    "{verb} the {} `{}`, which belongs to `{}` (line {})",
                    object.kind.noun(),
                    object.name.get_ref(),
                    context.name(first.component),
                    context.line(&first.span)
                ),
                help,
            );
        }
    }
}

/// Finds pairs of objects that stand for the same hardware.
fn same_hardware(
    context: &Context<'_>,
    found: &mut Found<'_>,
    same: impl Fn(&ObjectSpec, &ObjectSpec) -> Option<String>,
    help: &str,
) {
    let objects = &context.system.objects;
    for (i, object) in objects.iter().enumerate() {
        for other in &objects[..i] {
            if let Some(what) = same(other, object) {
                found.add(
                    object.name.span(),
                    format!(
                        "`{}` and `{}` (line {}) are both {what}",
                        object.name.get_ref(),
                        other.name.get_ref(),
                        context.line(&other.name.span())
                    ),
                    help,
                );
            }
        }
    }
}

/// What two ranges have in common, first and last included.
fn common(a: (u64, u64), b: (u64, u64)) -> Option<(u64, u64)> {
    let (first, last) = (a.0.max(b.0), a.1.min(b.1));
    (first <= last).then_some((first, last))
}

/// `irq-owner`
pub(crate) fn irq(context: &Context<'_>, found: &mut Found<'_>) {
    one_owner(
        context,
        found,
        |kind| matches!(kind, ObjectKind::Irq { .. }),
        |_| true,
        "uses",
        "give it to one component only, or declare the interrupt with `shared = true`",
    );
    same_hardware(
        context,
        found,
        |a, b| match (&a.kind, &b.kind) {
            (ObjectKind::Irq { gsi: a, .. }, ObjectKind::Irq { gsi: b, .. }) => {
                (a.get_ref() == b.get_ref()).then(|| format!("interrupt {}", a.get_ref()))
            }
            _ => None,
        },
        "an interrupt line has one handler: declare it once",
    );
}

/// `port-owner`
pub(crate) fn ports(context: &Context<'_>, found: &mut Found<'_>) {
    one_owner(
        context,
        found,
        |kind| matches!(kind, ObjectKind::Ports { .. }),
        |_| true,
        "uses",
        "give it to one component only, or declare the ports with `shared = true`",
    );
    let range = |object: &ObjectSpec| match &object.kind {
        ObjectKind::Ports { first, last } => {
            Some((u64::from(*first.get_ref()), u64::from(*last.get_ref())))
        }
        _ => None,
    };
    same_hardware(
        context,
        found,
        |a, b| {
            let (first, last) = common(range(a)?, range(b)?)?;
            (!(a.shared && b.shared)).then(|| format!("ports {first:#x} to {last:#x}"))
        },
        "shrink one of the ranges, or declare both with `shared = true`",
    );
    for (_, object) in context.objects() {
        if let ObjectKind::Ports { first, last } = &object.kind
            && first.get_ref() > last.get_ref()
        {
            found.add(
                last.span(),
                format!("`{}` ends before it begins", object.name.get_ref()),
                "`first` and `last` are both included",
            );
        }
    }
}

/// `device-owner`
pub(crate) fn device(context: &Context<'_>, found: &mut Found<'_>) {
    one_owner(
        context,
        found,
        |kind| matches!(kind, ObjectKind::Device { .. }),
        |_| true,
        "uses",
        "give it to one component only, or declare the device memory with `shared = true`",
    );
    let range = |object: &ObjectSpec| match &object.kind {
        ObjectKind::Device { address, size } => {
            let first = *address.get_ref();
            Some((
                first,
                first.saturating_add(size.get_ref().0).saturating_sub(1),
            ))
        }
        _ => None,
    };
    same_hardware(
        context,
        found,
        |a, b| {
            let (first, last) = common(range(a)?, range(b)?)?;
            (!(a.shared && b.shared)).then(|| format!("physical memory {first:#x} to {last:#x}"))
        },
        "declare each piece of device memory once, or both with `shared = true`",
    );
}

/// `frame-owner`
pub(crate) fn frame(context: &Context<'_>, found: &mut Found<'_>) {
    one_owner(
        context,
        found,
        |kind| matches!(kind, ObjectKind::Frame { .. }),
        |_| true,
        "uses",
        "give it to one component only, or declare the frame with `shared = true`",
    );
}

/// `module-owner`
pub(crate) fn module(context: &Context<'_>, found: &mut Found<'_>) {
    one_owner(
        context,
        found,
        |kind| matches!(kind, ObjectKind::Module),
        |_| true,
        "maps",
        "map it for one component only, or declare the boot module with `shared = true`",
    );
}

/// `untyped-owner`
pub(crate) fn untyped(context: &Context<'_>, found: &mut Found<'_>) {
    one_owner(
        context,
        found,
        |kind| matches!(kind, ObjectKind::Untyped { .. }),
        |_| true,
        "uses",
        "untyped memory has exactly one owner: declare another piece",
    );
    let is_rest = |kind: &ObjectKind| {
        use pagurus_capdl_spec::object::UntypedSize;
        matches!(kind, ObjectKind::Untyped { size } if *size.get_ref() == UntypedSize::Rest)
    };
    same_hardware(
        context,
        found,
        |a, b| {
            (is_rest(&a.kind) && is_rest(&b.kind)).then(|| "all the rest of the memory".to_string())
        },
        "only one can be the rest: give the other a size",
    );
    // Within a component as well: untyped memory cannot be copied.
    for (index, object) in context.objects() {
        if !matches!(object.kind, ObjectKind::Untyped { .. }) {
            continue;
        }
        let uses: Vec<_> = context.users(index).collect();
        for (i, use_) in uses.iter().enumerate() {
            let first = uses[..i].iter().find(|o| o.component == use_.component);
            if let Some(first) = first {
                found.add_in(
                    context.name(use_.component),
                    use_.span.clone(),
                    format!(
                        "holds the untyped memory `{}` a second time (line {})",
                        object.name.get_ref(),
                        context.line(&first.span)
                    ),
                    "capabilities to untyped memory cannot be copied: leave one out",
                );
            }
        }
    }
}

/// `trace-owner`
pub(crate) fn trace(context: &Context<'_>, found: &mut Found<'_>) {
    one_owner(
        context,
        found,
        |kind| matches!(kind, ObjectKind::TraceBuffer { .. }),
        |_| true,
        "uses",
        "give it to one component only, or declare the trace buffer with `shared = true`",
    );
    same_hardware(
        context,
        found,
        |a, b| match (&a.kind, &b.kind) {
            (ObjectKind::TraceBuffer { cpu: a, .. }, ObjectKind::TraceBuffer { cpu: b, .. }) => {
                (a.get_ref() == b.get_ref())
                    .then(|| format!("the trace buffer of processor {}", a.get_ref()))
            }
            _ => None,
        },
        "the records of a processor go to one buffer: declare one for each processor",
    );
}

/// `timer-owner`
pub(crate) fn timer(context: &Context<'_>, found: &mut Found<'_>) {
    one_owner(
        context,
        found,
        |kind| matches!(kind, ObjectKind::Timer),
        |_| true,
        "uses",
        "give it to one component only, or declare the timer with `shared = true`",
    );
}

/// `receiver`
pub(crate) fn receiver(context: &Context<'_>, found: &mut Found<'_>) {
    one_owner(
        context,
        found,
        |kind| matches!(kind, ObjectKind::Endpoint | ObjectKind::Notification),
        |access| access.rights.contains(Rights::READ),
        "receives from",
        "what is sent could go to either: take the right `r` away from one, or declare the object with \
         `shared = true`",
    );
}

/// `object-unused`
pub(crate) fn unused(context: &Context<'_>, found: &mut Found<'_>) {
    for (index, object) in context.objects() {
        if context.users(index).next().is_none() {
            found.add(
                object.name.span(),
                format!(
                    "nobody uses the {} `{}`",
                    object.kind.noun(),
                    object.name.get_ref()
                ),
                "give a component a capability to it, or delete it",
            );
        }
    }
}
