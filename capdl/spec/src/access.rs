//! Who can reach which object, and why: the basis of the checks, the start order and the graph.

use crate::component::{CapSpec, ComponentSpec, Service};
use crate::object::ObjectKind;
use crate::system::{ROOT, SystemSpec};
use pagurus_abi::Rights;
use std::ops::Range;

/// One way in which a component can reach an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Identifier of the component; 0 is root.
    pub component: u16,
    /// Index of the object in the system.
    pub object: usize,
    /// What it permits.
    pub rights: Rights,
    /// The badge that a receiver sees.
    pub badge: u64,
    /// Why.
    pub reason: Reason,
    /// Where that is said.
    pub span: Range<usize>,
}

/// Why a component can reach an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Capability number so-and-so of the component.
    Cap(usize),
    /// Mapping number so-and-so of the component.
    Map(usize),
    /// It calls the service.
    Service(Service),
    /// Root receives requests or faults there.
    Serves,
    /// Its faults go there.
    Faults,
    /// It is bound to its thread.
    Bound,
}

/// The rights by which a component calls a service. The memory manager also takes frames back, so
/// capabilities may be sent to it.
pub fn service_rights(service: Service) -> Rights {
    match service {
        Service::Log | Service::Parent => Rights::WRITE,
        Service::Memory => Rights::WRITE.union(Rights::GRANT),
    }
}

/// The rights of a named capability to an object of kind `kind`.
pub fn cap_rights(cap: &CapSpec, kind: &ObjectKind) -> Rights {
    match &cap.rights {
        Some(rights) => rights.get_ref().0,
        None => kind.default_rights().unwrap_or(Rights::empty()),
    }
}

/// The badge of a named capability: senders to endpoints are known by their identifier unless they say
/// otherwise.
pub fn cap_badge(id: u16, cap: &CapSpec, kind: &ObjectKind) -> u64 {
    match &cap.badge {
        Some(badge) => *badge.get_ref(),
        None => {
            let sends = cap_rights(cap, kind).contains(Rights::WRITE);
            if matches!(kind, ObjectKind::Endpoint) && sends {
                u64::from(id)
            } else {
                0
            }
        }
    }
}

/// Every way in which components can reach objects. Unknown names are left out.
pub fn accesses(system: &SystemSpec) -> Vec<Access> {
    let mut all = Vec::new();
    if let Some(parent) = &system.services.parent
        && let Some((object, _)) = system.object(parent.get_ref())
    {
        all.push(Access {
            component: 0,
            object,
            rights: Rights::READ,
            badge: 0,
            reason: Reason::Serves,
            span: parent.span(),
        });
    }
    for (id, component) in system.components_with_id() {
        named(system, id, component, &mut all);
        implied(system, id, component, &mut all);
    }
    all
}

fn named(system: &SystemSpec, id: u16, component: &ComponentSpec, all: &mut Vec<Access>) {
    for (i, cap) in component.caps.iter().enumerate() {
        let span = cap.span();
        let cap = cap.get_ref();
        if let Some((index, object)) = system.object(cap.object().get_ref()) {
            all.push(Access {
                component: id,
                object: index,
                rights: cap_rights(cap, &object.kind),
                badge: cap_badge(id, cap, &object.kind),
                reason: Reason::Cap(i),
                span,
            });
        }
    }
    for (i, map) in component.maps.iter().enumerate() {
        let span = map.span();
        let map = map.get_ref();
        if let Some((index, _)) = system.object(map.object.get_ref()) {
            all.push(Access {
                component: id,
                object: index,
                rights: map.rights.get_ref().0,
                badge: 0,
                reason: Reason::Map(i),
                span,
            });
        }
    }
}

fn implied(system: &SystemSpec, id: u16, component: &ComponentSpec, all: &mut Vec<Access>) {
    let mut add = |name: &str, rights, badge, reason, span| {
        if let Some((object, _)) = system.object(name) {
            all.push(Access {
                component: id,
                object,
                rights,
                badge,
                reason,
                span,
            });
        }
    };
    let badge = u64::from(id);
    for service in &component.uses {
        if let Some(endpoint) = system.services.endpoint(*service.get_ref()) {
            let rights = service_rights(*service.get_ref());
            let reason = Reason::Service(*service.get_ref());
            add(endpoint.get_ref(), rights, badge, reason, service.span());
        }
    }
    if let Some(notification) = &component.notification {
        let span = notification.span();
        add(notification.get_ref(), Rights::RW, 0, Reason::Bound, span);
    }
    if let Some(endpoint) = system.fault_endpoint(component) {
        let span = match &component.faults_to {
            Some(endpoint) => endpoint.span(),
            None => component.name.span(),
        };
        add(
            endpoint.get_ref(),
            Rights::WRITE,
            badge,
            Reason::Faults,
            span,
        );
    }
}

/// The name of the component with this identifier.
pub fn component_name(system: &SystemSpec, id: u16) -> &str {
    match usize::from(id).checked_sub(1) {
        Some(index) => system.components.get(index).map_or("?", |c| c.name()),
        None => ROOT,
    }
}

/// Identifiers of the components in an order in which servers come before their clients, otherwise as in
/// the file. Where components serve each other in a circle, the first in the file comes last of them.
pub fn start_order(system: &SystemSpec) -> Vec<u16> {
    let all = accesses(system);
    let is_endpoint = |object: usize| matches!(system.objects[object].kind, ObjectKind::Endpoint);
    let servers_of = |client: u16| {
        let mut servers: Vec<u16> = all
            .iter()
            .filter(|a| a.component == client && is_endpoint(a.object))
            .filter(|a| a.rights.contains(Rights::WRITE))
            .flat_map(|a| all.iter().filter(move |b| b.object == a.object))
            .filter(|b| b.rights.contains(Rights::READ) && b.component != 0)
            .map(|b| b.component)
            .collect();
        servers.sort_unstable();
        servers
    };
    // Depth first without recursion: a component is finished after all its servers.
    let mut order = Vec::new();
    let mut seen = vec![false; system.components.len() + 1];
    for (id, _) in system.components_with_id() {
        let mut stack = vec![(id, false)];
        while let Some((id, finished)) = stack.pop() {
            if finished {
                order.push(id);
            } else if !std::mem::replace(&mut seen[usize::from(id)], true) {
                stack.push((id, true));
                stack.extend(servers_of(id).into_iter().rev().map(|s| (s, false)));
            }
        }
    }
    order
}
