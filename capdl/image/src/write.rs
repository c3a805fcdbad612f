//! Writing an image (host only).

use crate::error::ImageError;
use crate::layout::{
    self, Header, RawCap, RawComponent, RawMap, RawObject, Section, Text, object_kind, target,
};
use crate::reader::Image;
use crate::record::{Cap, ComponentInfo, Map, Object, ObjectKind, Restarts, Target};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32, U64};

/// What an image is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents<'a> {
    /// The name of the system.
    pub name: &'a str,
    /// Processors that it may name.
    pub cpus: u32,
    /// Objects of the services log, parent and memory.
    pub services: [Option<u32>; 3],
    /// The objects; each one's `index` is its position.
    pub objects: Vec<Object<'a>>,
    /// The components; each one's `id` is its position and 1.
    pub components: Vec<Parts<'a>>,
    /// Their identifiers in the order in which to start them.
    pub order: Vec<u16>,
}

/// A component with its capabilities (by ascending slot) and mappings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The component.
    pub info: ComponentInfo<'a>,
    /// Text for its start page.
    pub argument: &'a str,
    /// Its capabilities.
    pub caps: Vec<Cap<'a>>,
    /// Its mappings.
    pub maps: Vec<Map>,
}

/// The text section while it grows; equal names are stored once.
#[derive(Default)]
struct Names {
    bytes: Vec<u8>,
    known: std::collections::BTreeMap<String, Text>,
}

impl Names {
    fn add(&mut self, name: &str) -> Text {
        if name.is_empty() {
            return Text::default();
        }
        let (bytes, known) = (&mut self.bytes, &mut self.known);
        *known.entry(name.to_string()).or_insert_with(|| {
            let text = Text {
                offset: U32::new(bytes.len() as u32),
                length: U32::new(name.len() as u32),
            };
            bytes.extend_from_slice(name.as_bytes());
            text
        })
    }
}

fn index(object: Option<u32>) -> U32 {
    U32::new(object.unwrap_or(layout::NONE))
}

fn raw_object(names: &mut Names, object: &Object<'_>) -> RawObject {
    let (kind, size_bits, value, extra) = match object.kind {
        ObjectKind::Endpoint => (object_kind::ENDPOINT, 0, 0, 0),
        ObjectKind::Notification => (object_kind::NOTIFICATION, 0, 0, 0),
        ObjectKind::Frame { size_bits } => (object_kind::FRAME, size_bits, 0, 0),
        ObjectKind::Device { address, size_bits } => (object_kind::DEVICE, size_bits, address, 0),
        ObjectKind::Irq {
            gsi,
            level,
            active_low,
        } => {
            let level = if level { layout::IRQ_LEVEL } else { 0 };
            let low = if active_low { layout::IRQ_LOW } else { 0 };
            (object_kind::IRQ, 0, u64::from(gsi), level | low)
        }
        ObjectKind::Ports { first, last } => {
            (object_kind::PORTS, 0, u64::from(first), u32::from(last))
        }
        ObjectKind::Untyped { size_bits } => (object_kind::UNTYPED, size_bits, 0, 0),
        ObjectKind::UntypedRest => (object_kind::UNTYPED_REST, 0, 0, 0),
        ObjectKind::TraceBuffer { size_bits, cpu } => {
            (object_kind::TRACE_BUFFER, size_bits, u64::from(cpu), 0)
        }
        ObjectKind::Module => (object_kind::MODULE, 0, 0, 0),
        ObjectKind::Timer => (object_kind::TIMER, 0, 0, 0),
        ObjectKind::Cpu {
            index,
            max_priority,
        } => (
            object_kind::CPU,
            0,
            u64::from(index),
            u32::from(max_priority),
        ),
    };
    let shared = if object.shared {
        layout::FLAG_SHARED
    } else {
        0
    };
    let optional = if object.optional {
        layout::FLAG_OPTIONAL
    } else {
        0
    };
    RawObject {
        name: names.add(object.name),
        value: U64::new(value),
        extra: U32::new(extra),
        kind,
        size_bits,
        flags: shared | optional,
        reserved: 0,
    }
}

fn raw_component(names: &mut Names, parts: &Parts<'_>) -> RawComponent {
    let info = &parts.info;
    let time = info.time;
    RawComponent {
        name: names.add(info.name),
        binary: names.add(info.binary),
        argument: names.add(parts.argument),
        stack: U64::new(info.stack),
        heap: U64::new(info.heap),
        image: U64::new(info.image),
        memory_quota: U64::new(info.memory_quota),
        budget: U64::new(time.map_or(0, |t| t.budget)),
        period: U64::new(time.map_or(0, |t| t.period)),
        fault_endpoint: index(info.fault_endpoint),
        notification: index(info.notification),
        restarts: U32::new(match info.restarts {
            Restarts::UpTo(times) => times,
            Restarts::Always => u32::MAX,
        }),
        caps: U32::new(parts.caps.len() as u32),
        maps: U32::new(parts.maps.len() as u32),
        dynamic_first: U32::new(info.dynamic.first),
        dynamic_count: U32::new(info.dynamic.count),
        dynamic_kinds: U32::new(info.dynamic.kinds),
        cnode_bits: info.cnode_bits,
        address_space_bits: info.address_space_bits,
        priority: time.map_or(0, |t| t.priority),
        cpu: time.map_or(0, |t| t.cpu),
        flags: if info.fpu { layout::FLAG_FPU } else { 0 },
        reserved: [0; 3],
    }
}

fn raw_cap(names: &mut Names, cap: &Cap<'_>) -> RawCap {
    let (target, object) = match cap.target {
        Target::Object(object) => (target::OBJECT, Some(object)),
        Target::OwnCNode => (target::CNODE, None),
        Target::OwnAddressSpace => (target::ADDRESS_SPACE, None),
        Target::OwnThread => (target::THREAD, None),
        Target::OwnReply => (target::REPLY, None),
    };
    RawCap {
        name: names.add(cap.name),
        badge: U64::new(cap.badge),
        signal: U64::new(cap.signal),
        slot: U32::new(cap.slot),
        count: U32::new(cap.count),
        object: index(object),
        target,
        rights: cap.rights.bits(),
        reserved: U16::new(0),
    }
}

fn raw_map(map: &Map) -> RawMap {
    RawMap {
        address: U64::new(map.address),
        offset: U64::new(map.offset),
        length: U64::new(map.length),
        object: U32::new(map.object),
        rights: map.rights.bits(),
        cache: map.cache as u8,
        reserved: U16::new(0),
    }
}

/// Appends the records of a section to `out`.
fn append<T: IntoBytes + zerocopy::Immutable>(out: &mut Vec<u8>, records: &[T]) -> Section {
    let section = Section {
        offset: U32::new(out.len() as u32),
        count: U32::new(records.len() as u32),
    };
    out.extend_from_slice(records.as_bytes());
    section
}

/// Writes an image and reads it back, so that whatever root would refuse is refused here. Equal contents
/// give equal bytes.
pub fn write(contents: &Contents<'_>) -> Result<Vec<u8>, ImageError> {
    let mut names = Names::default();
    let name = names.add(contents.name);
    let objects: Vec<_> = contents
        .objects
        .iter()
        .map(|o| raw_object(&mut names, o))
        .collect();
    let mut components = Vec::new();
    let mut caps = Vec::new();
    let mut maps = Vec::new();
    for parts in &contents.components {
        components.push(raw_component(&mut names, parts));
        caps.extend(parts.caps.iter().map(|c| raw_cap(&mut names, c)));
        maps.extend(parts.maps.iter().map(raw_map));
    }
    let order: Vec<U16> = contents.order.iter().map(|id| U16::new(*id)).collect();

    let mut out = vec![0; size_of::<Header>()];
    let mut header = Header {
        magic: layout::MAGIC,
        version: U32::new(layout::VERSION),
        name,
        cpus: U32::new(contents.cpus),
        services: contents.services.map(index),
        components: append(&mut out, &components),
        objects: append(&mut out, &objects),
        caps: append(&mut out, &caps),
        maps: append(&mut out, &maps),
        order: append(&mut out, &order),
        text: append(&mut out, &names.bytes),
        ..Header::default()
    };
    header.length = U32::new(out.len() as u32);
    out[..size_of::<Header>()].copy_from_slice(header.as_bytes());
    Image::parse(&out)?;
    Ok(out)
}

/// What an image was made from.
pub fn contents<'a>(image: &Image<'a>) -> Contents<'a> {
    use crate::record::Service;
    Contents {
        name: image.name(),
        cpus: image.cpus(),
        services: [Service::Log, Service::Parent, Service::Memory].map(|s| image.service(s)),
        objects: image.objects().collect(),
        components: image
            .components()
            .map(|c| Parts {
                info: c.info(),
                argument: c.argument(),
                caps: c.caps().collect(),
                maps: c.maps().collect(),
            })
            .collect(),
        order: image.start_order().map(|c| c.id).collect(),
    }
}
