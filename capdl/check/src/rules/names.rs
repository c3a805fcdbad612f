//! Names: their form, that each is there once, and that each that is used exists.

use crate::context::{Context, Found};
use pagurus_capdl_image::layout::MAX_NAME;
use pagurus_capdl_spec::constants::constants;
use pagurus_capdl_spec::{ObjectKind, ROOT, Spanned, did_you_mean};
use std::collections::HashMap;

/// Boot modules that are not programs of components.
const RESERVED_MODULES: [&str; 3] = ["kernel", ROOT, "system"];

fn well_formed(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(inner)
        && !name.ends_with('-')
        && !name.contains("--")
        && name.len() <= MAX_NAME
}

/// `name-form`
pub(crate) fn form(context: &Context<'_>, found: &mut Found<'_>) {
    let help = format!(
        "use lower-case letters, digits and single hyphens, a letter first, at most {MAX_NAME} in all"
    );
    let mut check = |name: &Spanned<String>| {
        if !well_formed(name.get_ref()) {
            let message = format!("`{}` is no name", name.get_ref());
            found.add(name.span(), message, help.as_str());
        }
    };
    check(&context.system.about.name);
    for (_, object) in context.objects() {
        check(&object.name);
    }
    for (_, component) in context.components() {
        check(&component.name);
        component.binary.iter().for_each(&mut check);
        for cap in &component.caps {
            check(&cap.get_ref().name);
        }
        for map in &component.maps {
            map.get_ref().name.iter().for_each(&mut check);
        }
    }
}

/// `name-reserved`
pub(crate) fn reserved(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component) in context.components() {
        if component.name() == ROOT {
            found.add(
                component.name.span(),
                "`root` is the component that the kernel starts; it is always there",
                "choose another name, and delete this table if root was meant",
            );
        } else if RESERVED_MODULES.contains(&component.binary()) {
            let place = component.binary.as_ref().unwrap_or(&component.name);
            found.add_in(
                component.name(),
                place.span(),
                format!(
                    "the boot module `{}` is not the program of a component",
                    component.binary()
                ),
                "give the program another name with `binary = \"...\"`",
            );
        }
    }
    let programs = context.system.binaries();
    for (_, object) in context.objects() {
        let name = object.name.get_ref();
        let taken = RESERVED_MODULES.contains(&name.as_str()) || programs.contains(name);
        if matches!(object.kind, ObjectKind::Module) && taken {
            found.add(
                object.name.span(),
                format!("the boot module `{name}` is a program or the description"),
                "choose another name for the file that is to be mapped",
            );
        }
    }
}

/// `name-duplicate`
pub(crate) fn duplicate(context: &Context<'_>, found: &mut Found<'_>) {
    let objects = context.objects().map(|(_, o)| &o.name);
    twice(context, found, None, "an object", objects);
    let components = context.components().map(|(_, c)| &c.name);
    twice(context, found, None, "a component", components);
    for (id, component) in context.components() {
        let name = Some(component.name());
        let caps = component.caps.iter().map(|c| &c.get_ref().name);
        twice(context, found, name, "a capability", caps);
        let maps = component.maps.iter().map(|m| m.get_ref().name());
        twice(context, found, name, "a mapping", maps);
        repeated(found, component.name(), "uses", &component.uses);
        repeated(found, component.name(), "own", &component.own);

        // Different names can still give the same constant: `a` with a signal and `a-signal`.
        let mut known = HashMap::new();
        for constant in constants(context.system, id, component) {
            let Some(span) = constant.span else {
                continue;
            };
            match known.get(&constant.name) {
                Some(other) if !context.same_text(other, &span) => found.add_in(
                    component.name(),
                    span.clone(),
                    format!(
                        "the constant `{}` comes from the name in line {} too",
                        constant.name,
                        context.line(other)
                    ),
                    "rename one of the two",
                ),
                _ => {
                    known.insert(constant.name, span);
                }
            }
        }
    }
}

fn twice<'a>(
    context: &Context<'_>,
    found: &mut Found<'_>,
    component: Option<&str>,
    what: &str,
    names: impl Iterator<Item = &'a Spanned<String>>,
) {
    let mut known: HashMap<&str, &Spanned<String>> = HashMap::new();
    for name in names {
        if let Some(first) = known.get(name.get_ref().as_str()) {
            let line = context.line(&first.span());
            let message = format!(
                "{what} is called `{}` already (line {line})",
                name.get_ref()
            );
            let help = "give each its own name";
            match component {
                Some(component) => found.add_in(component, name.span(), message, help),
                None => found.add(name.span(), message, help),
            }
        } else {
            known.insert(name.get_ref(), name);
        }
    }
}

fn repeated<T: PartialEq>(
    found: &mut Found<'_>,
    component: &str,
    key: &str,
    entries: &[Spanned<T>],
) {
    for (i, entry) in entries.iter().enumerate() {
        if entries[..i].iter().any(|e| e.get_ref() == entry.get_ref()) {
            found.add_in(
                component,
                entry.span(),
                format!("stands twice in `{key}`"),
                "once is enough",
            );
        }
    }
}

/// `constant-reserved`
pub(crate) fn constant_reserved(context: &Context<'_>, found: &mut Found<'_>) {
    for (id, component) in context.components() {
        let all = constants(context.system, id, component);
        let (named, general): (Vec<_>, Vec<_>) = all.into_iter().partition(|c| c.span.is_some());
        for constant in named {
            if general.iter().any(|g| g.name == constant.name) {
                let span = constant.span.unwrap_or(0..0);
                found.add_in(
                    component.name(),
                    span,
                    format!("`{}` is a constant that every component has", constant.name),
                    "choose another name",
                );
            }
        }
    }
}

/// `name-unknown`
pub(crate) fn unknown(context: &Context<'_>, found: &mut Found<'_>) {
    let system = context.system;
    for (service, endpoint) in system.services.iter() {
        let place = Place::system(format!("the service `{}`", service.name()));
        object(context, found, place, endpoint, Wanted::Endpoint);
    }
    for (_, component) in context.components() {
        let place = |use_: &str| Place::component(component.name(), use_.to_string());
        for cap in &component.caps {
            let name = cap.get_ref().object();
            object(
                context,
                found,
                place("a capability"),
                name,
                Wanted::Nameable,
            );
        }
        for map in &component.maps {
            let map = map.get_ref();
            let wanted = if map.is_module {
                Wanted::Module
            } else {
                Wanted::Mappable
            };
            object(context, found, place("a mapping"), &map.object, wanted);
        }
        if let Some(name) = &component.notification {
            let place = place("`notification`");
            object(context, found, place, name, Wanted::Notification);
        }
        if let Some(name) = &component.faults_to {
            object(context, found, place("`faults_to`"), name, Wanted::Endpoint);
        }
    }
    let mut named: Vec<_> = system.about.trusted.iter().collect();
    named.extend(system.about.separate.iter().flat_map(|s| s.get_ref()));
    for name in named {
        if name.get_ref() != ROOT && system.component(name.get_ref()).is_none() {
            let known = system.components.iter().map(|c| c.name());
            found.add(
                name.span(),
                format!("there is no component `{}`", name.get_ref()),
                did_you_mean(name.get_ref(), known)
                    .unwrap_or_else(|| "components are the `[[component]]` tables".into()),
            );
        }
    }
}

/// Who names an object.
struct Place<'a> {
    component: Option<&'a str>,
    use_: String,
}

impl<'a> Place<'a> {
    fn system(use_: String) -> Self {
        Place {
            component: None,
            use_,
        }
    }

    fn component(component: &'a str, use_: String) -> Self {
        Place {
            component: Some(component),
            use_,
        }
    }
}

/// What kind of object is wanted.
#[derive(Clone, Copy)]
enum Wanted {
    /// There are capabilities to it.
    Nameable,
    Endpoint,
    Notification,
    Mappable,
    Module,
}

impl Wanted {
    fn fits(self, kind: &ObjectKind) -> bool {
        match self {
            Wanted::Nameable => !matches!(kind, ObjectKind::Module),
            Wanted::Endpoint => matches!(kind, ObjectKind::Endpoint),
            Wanted::Notification => matches!(kind, ObjectKind::Notification),
            Wanted::Mappable => kind.mappable_bytes().is_some(),
            Wanted::Module => matches!(kind, ObjectKind::Module),
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Wanted::Nameable => "object",
            Wanted::Endpoint => "endpoint",
            Wanted::Notification => "notification",
            Wanted::Mappable => "frame or device memory",
            Wanted::Module => "boot module",
        }
    }
}

fn object(
    context: &Context<'_>,
    found: &mut Found<'_>,
    place: Place<'_>,
    name: &Spanned<String>,
    wanted: Wanted,
) {
    let message = match context.system.object(name.get_ref()) {
        Some((_, object)) if wanted.fits(&object.kind) => return,
        Some((_, object)) => format!(
            "{} needs {} {}, but `{}` is {} {}",
            place.use_,
            article(wanted.noun()),
            wanted.noun(),
            name.get_ref(),
            article(object.kind.noun()),
            object.kind.noun()
        ),
        None => format!(
            "{} names `{}`, but there is no {} of that name",
            place.use_,
            name.get_ref(),
            wanted.noun()
        ),
    };
    let is_module = |name: &str| {
        let object = context.system.object(name);
        object.is_some_and(|(_, object)| matches!(object.kind, ObjectKind::Module))
    };
    let known = context.system.object_names(|kind| wanted.fits(kind));
    let help = if is_module(name.get_ref()) {
        format!(
            "write `maps = [{{ module = \"{}\", rights = \"r\" }}]`",
            name.get_ref()
        )
    } else {
        did_you_mean(name.get_ref(), known).unwrap_or_else(|| {
            format!(
                "name {} {} that is declared",
                article(wanted.noun()),
                wanted.noun()
            )
        })
    };
    match place.component {
        Some(component) => found.add_in(component, name.span(), message, help),
        None => found.add(name.span(), message, help),
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'I']) {
        "an"
    } else {
        "a"
    }
}

/// `service-missing`
pub(crate) fn service_missing(context: &Context<'_>, found: &mut Found<'_>) {
    for (_, component) in context.components() {
        for service in &component.uses {
            let name = service.get_ref().name();
            if context
                .system
                .services
                .endpoint(*service.get_ref())
                .is_none()
            {
                found.add_in(
                    component.name(),
                    service.span(),
                    format!("uses `{name}`, but the system has no such service"),
                    format!("add `{name} = \"...\"` with the name of an endpoint to `[services]`"),
                );
            }
        }
    }
}
