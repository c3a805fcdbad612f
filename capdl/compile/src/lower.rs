//! From a checked description to the contents of an image.

use pagurus_abi::Rights;
use pagurus_abi::layout::PAGE_SIZE;
use pagurus_abi::method::CacheMode;
use pagurus_capdl_image::write::{Contents, Parts};
use pagurus_capdl_image::{
    Cap, ComponentInfo, Dynamic, Map, Object, ObjectKind as ImageKind, Restarts as ImageRestarts,
    Target, Time,
};
use pagurus_capdl_spec::access::{cap_badge, cap_rights, service_rights, start_order};
use pagurus_capdl_spec::addresses::{address_space_bits, map_addresses, map_bytes};
use pagurus_capdl_spec::component::{Cache, TIME_SLICE};
use pagurus_capdl_spec::object::{Polarity, Trigger, UntypedSize};
use pagurus_capdl_spec::{
    ComponentSpec, ObjectKind, ObjectSpec, OwnObject, Restarts, Service, Spanned, SystemSpec, slots,
};
use pagurus_protocol::slots as fixed;

/// What cannot be put into an image. None of it passes the checks; the image's reader would refuse it too.
pub(crate) type Impossible = &'static str;

/// log2 of `bytes`, which the checks found to be a power of two.
fn bits(bytes: u64) -> u8 {
    bytes.trailing_zeros() as u8
}

fn narrow<T: TryFrom<u64>>(number: impl Into<u64>, what: Impossible) -> Result<T, Impossible> {
    T::try_from(number.into()).map_err(|_| what)
}

fn pages(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE_SIZE as u64)
}

fn object(index: usize, object: &ObjectSpec) -> Result<Object<'_>, Impossible> {
    let kind = match &object.kind {
        ObjectKind::Endpoint => ImageKind::Endpoint,
        ObjectKind::Notification => ImageKind::Notification,
        ObjectKind::Frame { size, .. } => ImageKind::Frame {
            size_bits: bits(size.get_ref().0),
        },
        ObjectKind::Device { address, size } => ImageKind::Device {
            address: *address.get_ref(),
            size_bits: bits(size.get_ref().0),
        },
        ObjectKind::Irq {
            gsi,
            trigger,
            polarity,
        } => ImageKind::Irq {
            gsi: *gsi.get_ref(),
            level: *trigger == Trigger::Level,
            active_low: *polarity == Polarity::Low,
        },
        ObjectKind::Ports { first, last } => ImageKind::Ports {
            first: *first.get_ref(),
            last: *last.get_ref(),
        },
        ObjectKind::Untyped { size } => match size.get_ref() {
            UntypedSize::Bytes(bytes) => ImageKind::Untyped {
                size_bits: bits(bytes.0),
            },
            UntypedSize::Rest => ImageKind::UntypedRest,
        },
        ObjectKind::TraceBuffer { cpu, size } => ImageKind::TraceBuffer {
            size_bits: bits(size.get_ref().0),
            cpu: narrow(*cpu.get_ref(), "a processor index above 255")?,
        },
        ObjectKind::Module => ImageKind::Module,
        ObjectKind::Timer => ImageKind::Timer,
        ObjectKind::Cpu {
            index,
            max_priority,
        } => ImageKind::Cpu {
            index: narrow(*index.get_ref(), "a processor index above 255")?,
            max_priority: narrow(*max_priority.get_ref(), "a priority above 255")?,
        },
    };
    Ok(Object {
        index: index as u32,
        name: object.name.get_ref(),
        kind,
        shared: object.shared,
        optional: object.optional,
    })
}

fn index_of(system: &SystemSpec, name: &Spanned<String>) -> Result<u32, Impossible> {
    system
        .object(name.get_ref())
        .map(|(index, _)| index as u32)
        .ok_or("the name of an object that there is not")
}

fn time(component: &ComponentSpec) -> Result<Option<Time>, Impossible> {
    if component.is_passive() {
        return Ok(None);
    }
    let or_slice = |time: &Option<Spanned<_>>| time.as_ref().map_or(TIME_SLICE, |t| *t.get_ref()).0;
    Ok(Some(Time {
        priority: narrow(component.priority(), "a priority above 255")?,
        cpu: narrow(component.cpu(), "a processor index above 255")?,
        budget: or_slice(&component.budget),
        period: or_slice(&component.period),
    }))
}

/// A capability in a fixed slot.
fn fixed_cap(slot: u32, target: Target, rights: Rights, badge: u64) -> Cap<'static> {
    Cap {
        name: "",
        slot,
        count: 1,
        target,
        rights,
        badge,
        signal: 0,
    }
}

fn fixed_caps<'a>(
    system: &'a SystemSpec,
    id: u16,
    component: &'a ComponentSpec,
) -> Result<Vec<Cap<'a>>, Impossible> {
    // A Reply cannot be derived: it stays as it was made.
    let mut caps = vec![fixed_cap(fixed::REPLY, Target::OwnReply, Rights::all(), 0)];
    for own in &component.own {
        let (slot, target) = match own.get_ref() {
            OwnObject::CNode => (fixed::CNODE, Target::OwnCNode),
            OwnObject::AddressSpace => (fixed::ADDRESS_SPACE, Target::OwnAddressSpace),
            OwnObject::Thread => (fixed::THREAD, Target::OwnThread),
        };
        caps.push(fixed_cap(slot, target, Rights::RW, 0));
    }
    for service in &component.uses {
        let service = *service.get_ref();
        let slot = match service {
            Service::Log => fixed::LOG,
            Service::Parent => fixed::PARENT,
            Service::Memory => fixed::MEMORY,
        };
        let endpoint = system
            .services
            .endpoint(service)
            .ok_or("a service without an endpoint")?;
        let target = Target::Object(index_of(system, endpoint)?);
        let badge = u64::from(id);
        caps.push(fixed_cap(slot, target, service_rights(service), badge));
    }
    if let Some(notification) = &component.notification {
        let target = Target::Object(index_of(system, notification)?);
        caps.push(fixed_cap(fixed::NOTIFICATION, target, Rights::RW, 0));
    }
    Ok(caps)
}

fn named_caps<'a>(
    system: &'a SystemSpec,
    id: u16,
    component: &'a ComponentSpec,
) -> Result<Vec<Cap<'a>>, Impossible> {
    let layout = slots::assign(component);
    let mut caps = Vec::new();
    for (cap, slot) in component.caps.iter().zip(layout.named) {
        let cap = cap.get_ref();
        let index = index_of(system, cap.object())?;
        let kind = &system.objects[index as usize].kind;
        caps.push(Cap {
            name: slot.name,
            slot: slot.slot,
            count: slot.count,
            target: Target::Object(index),
            rights: cap_rights(cap, kind),
            badge: cap_badge(id, cap, kind),
            signal: cap.signal.as_ref().map_or(0, |s| *s.get_ref()),
        });
    }
    Ok(caps)
}

fn maps(system: &SystemSpec, component: &ComponentSpec) -> Result<Vec<Map>, Impossible> {
    let addresses = map_addresses(system, component);
    let mut maps = Vec::new();
    for (map, address) in component.maps.iter().zip(addresses) {
        let map = map.get_ref();
        maps.push(Map {
            object: index_of(system, &map.object)?,
            address,
            offset: map.offset.as_ref().map_or(0, |o| o.get_ref().0),
            length: if map.is_module {
                0
            } else {
                map_bytes(system, map)
            },
            rights: map.rights.get_ref().0,
            cache: match map.cache {
                Cache::Default => CacheMode::Default,
                Cache::Uncached => CacheMode::Uncached,
                Cache::WriteCombining => CacheMode::WriteCombining,
            },
        });
    }
    Ok(maps)
}

fn dynamic(component: &ComponentSpec) -> Dynamic {
    let layout = slots::assign(component);
    let kinds = component.dynamic.iter().flat_map(|d| &d.get_ref().kinds);
    Dynamic {
        first: layout.dynamic_first,
        count: layout.dynamic_count,
        kinds: kinds.fold(0, |set, kind| set | 1 << (kind.get_ref().0 as u32)),
    }
}

fn parts<'a>(
    system: &'a SystemSpec,
    id: u16,
    component: &'a ComponentSpec,
) -> Result<Parts<'a>, Impossible> {
    let index = |name: Option<&Spanned<String>>| name.map(|n| index_of(system, n)).transpose();
    let mut caps = fixed_caps(system, id, component)?;
    caps.extend(named_caps(system, id, component)?);
    caps.sort_by_key(|c| c.slot);
    Ok(Parts {
        info: ComponentInfo {
            id,
            name: component.name(),
            binary: component.binary(),
            time: time(component)?,
            stack: pages(component.stack()),
            heap: pages(component.heap()),
            image: pages(component.image()),
            memory_quota: component.memory_quota.as_ref().map_or(0, |q| q.get_ref().0),
            cnode_bits: narrow(slots::cnode_bits(component), "too many slots")?,
            address_space_bits: address_space_bits(system, component),
            fpu: component.fpu,
            fault_endpoint: index(system.fault_endpoint(component))?,
            notification: index(component.notification.as_ref())?,
            restarts: match component.restarts() {
                Restarts::UpTo(times) => ImageRestarts::UpTo(times),
                Restarts::Always => ImageRestarts::Always,
            },
            dynamic: dynamic(component),
        },
        argument: component.argument.as_ref().map_or("", |a| a.get_ref()),
        caps,
        maps: maps(system, component)?,
    })
}

/// The contents of the image of `system`.
pub(crate) fn lower(system: &SystemSpec) -> Result<Contents<'_>, Impossible> {
    let mut services = [None; 3];
    for (service, endpoint) in system.services.iter() {
        let place = match service {
            Service::Log => 0,
            Service::Parent => 1,
            Service::Memory => 2,
        };
        services[place] = Some(index_of(system, endpoint)?);
    }
    let objects = system.objects.iter().enumerate();
    Ok(Contents {
        name: system.about.name.get_ref(),
        cpus: *system.about.cpus.get_ref(),
        services,
        objects: objects
            .map(|(i, o)| object(i, o))
            .collect::<Result<_, _>>()?,
        components: system
            .components_with_id()
            .map(|(id, c)| parts(system, id, c))
            .collect::<Result<_, _>>()?,
        order: start_order(system),
    })
}
