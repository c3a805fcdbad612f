//! What is drawn: components, the objects between them, and the lines that join both.

use pagurus_abi::Rights;
use pagurus_capdl_spec::access::{Access, Reason, accesses, component_name, start_order};
use pagurus_capdl_spec::object::UntypedSize;
use pagurus_capdl_spec::{ObjectKind, SystemSpec};

/// A component as it is drawn.
pub(crate) struct Component {
    pub name: String,
    pub description: String,
    pub trusted: bool,
    /// Objects that nobody else can reach.
    pub owns: Vec<String>,
    /// Row, from 0 at the top: clients stand above their servers.
    pub row: usize,
}

/// An object between components.
pub(crate) struct Shared {
    pub name: String,
    pub look: Look,
    pub links: Vec<Link>,
}

/// How an object is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Look {
    Endpoint,
    Notification,
    Memory,
    Hardware,
}

/// A line between a component and an object.
pub(crate) struct Link {
    /// Identifier of the component.
    pub component: usize,
    pub rights: Rights,
    /// Only faults go this way.
    pub faults: bool,
}

impl Link {
    /// Whether something comes out of the object here.
    pub fn receives(&self) -> bool {
        self.rights.intersects(Rights::READ | Rights::EXECUTE)
    }

    /// Whether something goes into the object here.
    pub fn sends(&self) -> bool {
        self.rights.contains(Rights::WRITE)
    }
}

/// A system as it is drawn.
pub(crate) struct Model {
    pub name: String,
    /// By identifier: root first.
    pub components: Vec<Component>,
    pub shared: Vec<Shared>,
}

impl Model {
    pub fn new(system: &SystemSpec) -> Self {
        let all = visible(system);
        let rows = rows(system, &all);
        let mut components: Vec<Component> = (0..rows.len())
            .map(|id| component(system, id, rows[id]))
            .collect();
        let mut shared = Vec::new();
        let mut owned: Vec<Vec<usize>> = vec![Vec::new(); components.len()];
        for (index, object) in system.objects.iter().enumerate() {
            let links = links(&all, index);
            match links.as_slice() {
                [] => {}
                [only] => owned[only.component].push(index),
                _ => shared.push(Shared {
                    name: object.name.get_ref().clone(),
                    look: look(&object.kind),
                    links,
                }),
            }
        }
        for (component, objects) in components.iter_mut().zip(owned) {
            component.owns = possessions(system, &objects);
        }
        Model {
            name: system.about.name.get_ref().clone(),
            components,
            shared,
        }
    }
}

/// Accesses that are worth a line: that every component's faults go to root is not.
fn visible(system: &SystemSpec) -> Vec<Access> {
    let mut all = accesses(system);
    all.retain(|a| {
        let to_parent = || {
            let parent = system.services.parent.as_ref();
            parent.map(|p| p.get_ref()) == Some(system.objects[a.object].name.get_ref())
        };
        a.reason != Reason::Faults || !to_parent()
    });
    all
}

fn component(system: &SystemSpec, id: usize, row: usize) -> Component {
    let name = component_name(system, id as u16).to_string();
    let description = match id.checked_sub(1) {
        Some(index) => system.components[index].description.clone(),
        None => "builds the system, gets its faults".to_string(),
    };
    Component {
        trusted: system.is_trusted(&name),
        name,
        description,
        owns: Vec::new(),
        row,
    }
}

/// One link for each component that can reach the object, with all its rights.
fn links(all: &[Access], object: usize) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    for access in all.iter().filter(|a| a.object == object) {
        let component = usize::from(access.component);
        // Who is bound to a notification waits; that it may also signal itself is of no interest here.
        let rights = match access.reason {
            Reason::Bound => Rights::READ,
            _ => access.rights,
        };
        let faults = access.reason == Reason::Faults;
        match links.iter_mut().find(|l| l.component == component) {
            Some(link) => {
                link.rights |= rights;
                link.faults &= faults;
            }
            None => links.push(Link {
                component,
                rights,
                faults,
            }),
        }
    }
    links
}

fn look(kind: &ObjectKind) -> Look {
    match kind {
        ObjectKind::Endpoint => Look::Endpoint,
        ObjectKind::Notification => Look::Notification,
        ObjectKind::Frame { .. } | ObjectKind::Untyped { .. } | ObjectKind::Module => Look::Memory,
        ObjectKind::Device { .. }
        | ObjectKind::Irq { .. }
        | ObjectKind::Ports { .. }
        | ObjectKind::TraceBuffer { .. }
        | ObjectKind::Timer
        | ObjectKind::Cpu { .. } => Look::Hardware,
    }
}

/// The row of each component, root first: a server stands below all its clients, root below everybody.
fn rows(system: &SystemSpec, all: &[Access]) -> Vec<usize> {
    let order = start_order(system);
    let mut place = vec![0; system.components.len() + 1];
    for (i, id) in order.iter().enumerate() {
        place[usize::from(*id)] = i;
    }
    let servers = |client: u16, wanted: fn(&ObjectKind) -> bool| {
        let mut servers: Vec<usize> = all
            .iter()
            .filter(|a| a.component == client && a.rights.contains(Rights::WRITE))
            .filter(|a| wanted(&system.objects[a.object].kind) && a.reason != Reason::Bound)
            .flat_map(|a| all.iter().filter(move |b| b.object == a.object))
            .filter(|b| b.rights.contains(Rights::READ) && b.component != 0)
            .map(|b| usize::from(b.component))
            .collect();
        servers.retain(|s| *s != usize::from(client));
        servers
    };
    let calls = |client| servers(client, |kind| matches!(kind, ObjectKind::Endpoint));
    let mut rows = vec![0usize; system.components.len() + 1];
    let mut called = vec![false; rows.len()];
    // Clients come after their servers in the start order, except where servers call each other in a circle.
    for client in order.iter().rev() {
        for server in calls(*client) {
            if place[server] < place[usize::from(*client)] {
                rows[server] = rows[server].max(rows[usize::from(*client)] + 1);
                called[server] = true;
            }
        }
    }
    // Whoever is called by nobody stands just above whom it reaches.
    for (id, _) in system.components_with_id() {
        let this = usize::from(id);
        let nearest = servers(id, |_| true).into_iter().map(|s| rows[s]).min();
        if let Some(nearest) = nearest
            && !called[this]
        {
            rows[this] = rows[this].max(nearest.saturating_sub(1));
        }
    }
    rows[0] = rows.iter().max().map_or(0, |row| row + 1);
    rows
}

/// What a component alone has, in few words: trace buffers together, everything else one by one.
fn possessions(system: &SystemSpec, objects: &[usize]) -> Vec<String> {
    let mut words = Vec::new();
    let mut traces = Vec::new();
    for index in objects {
        let object = &system.objects[*index];
        let name = object.name.get_ref();
        words.push(match &object.kind {
            ObjectKind::TraceBuffer { cpu, .. } => {
                traces.push(*cpu.get_ref());
                continue;
            }
            ObjectKind::Ports { first, last } => {
                format!("{name} {:x}\u{2013}{:x}", first.get_ref(), last.get_ref())
            }
            ObjectKind::Irq { gsi, .. } => format!("IRQ {}", gsi.get_ref()),
            ObjectKind::Device { address, .. } => format!("{name} {:x}", address.get_ref()),
            ObjectKind::Frame { size, .. } => format!("{name} {}", size.get_ref()),
            ObjectKind::Untyped { size } => match size.get_ref() {
                UntypedSize::Bytes(bytes) => format!("{name} {bytes}"),
                UntypedSize::Rest => "all free memory".to_string(),
            },
            ObjectKind::Cpu { index, .. } => format!("CPU {}", index.get_ref()),
            ObjectKind::Module => format!("module {name}"),
            ObjectKind::Timer => format!("timer {name}"),
            ObjectKind::Endpoint | ObjectKind::Notification => name.clone(),
        });
    }
    traces.sort_unstable();
    match traces.as_slice() {
        [] => {}
        [one] => words.push(format!("trace CPU {one}")),
        [first, .., last] => words.push(format!("trace CPU {first}\u{2013}{last}")),
    }
    words
}
