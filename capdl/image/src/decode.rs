//! From bytes to typed records, refusing what is wrong.

use crate::error::Fault;
use crate::layout::{self, RawCap, RawComponent, RawMap, RawObject, Text, object_kind, target};
use crate::record::{Cap, ComponentInfo, Dynamic, Map, Object, ObjectKind, Restarts, Target, Time};
use pagurus_abi::layout::{
    MAX_CPUS, MAX_PERIOD_NS, MIN_BUDGET_NS, PAGE_SIZE, USER_END, USER_START,
};
use pagurus_abi::method::CacheMode;
use pagurus_abi::{Kind, Rights};

const PAGE: u64 = PAGE_SIZE as u64;
/// Bits of a physical address (AMD64 manual volume 2, section 5.1).
const PHYSICAL_BITS: u8 = 52;

/// The name at `text`.
pub(crate) fn name(all: &[u8], text: Text) -> Result<&str, Fault> {
    let length = text.length.get() as usize;
    if length == 0 || length > layout::MAX_NAME {
        return Err(Fault::Name);
    }
    piece(all, text)
}

/// The name at `text`, which may be empty.
fn name_or_nothing(all: &[u8], text: Text) -> Result<&str, Fault> {
    if text.length.get() == 0 && text.offset.get() == 0 {
        return Ok("");
    }
    name(all, text)
}

/// The argument of a component, which may be empty.
pub(crate) fn argument(all: &[u8], text: Text) -> Result<&str, Fault> {
    only_if(
        text.length.get() as usize <= layout::MAX_ARGUMENT,
        Fault::Name,
    )?;
    piece(all, text)
}

fn piece(all: &[u8], text: Text) -> Result<&str, Fault> {
    let start = text.offset.get() as usize;
    let end = start
        .checked_add(text.length.get() as usize)
        .ok_or(Fault::Name)?;
    let bytes = all.get(start..end).ok_or(Fault::Name)?;
    core::str::from_utf8(bytes).map_err(|_| Fault::Name)
}

/// A processor that the system may name.
fn cpu(index: u64, cpus: u32) -> Result<u8, Fault> {
    if index >= u64::from(cpus) || index >= MAX_CPUS as u64 {
        return Err(Fault::Cpu);
    }
    Ok(index as u8)
}

/// log2 of the size of an object of kind `kind`.
fn size(kind: Kind, bits: u8) -> Result<u8, Fault> {
    kind.object_bits(bits).ok_or(Fault::Size).map(|_| bits)
}

fn only_if(condition: bool, fault: Fault) -> Result<(), Fault> {
    if condition { Ok(()) } else { Err(fault) }
}

pub(crate) fn object<'a>(
    text: &'a [u8],
    cpus: u32,
    index: u32,
    raw: &RawObject,
) -> Result<Object<'a>, Fault> {
    let (value, extra, size_bits) = (raw.value.get(), raw.extra.get(), raw.size_bits);
    let kind = match raw.kind {
        object_kind::ENDPOINT => ObjectKind::Endpoint,
        object_kind::NOTIFICATION => ObjectKind::Notification,
        object_kind::FRAME => ObjectKind::Frame {
            size_bits: size(Kind::Frame, size_bits)?,
        },
        object_kind::DEVICE => {
            let size_bits = size(Kind::Frame, size_bits)?;
            let end = value.checked_add(1 << size_bits).ok_or(Fault::Address)?;
            let aligned = value.is_multiple_of(1 << size_bits);
            only_if(aligned && end <= 1 << PHYSICAL_BITS, Fault::Address)?;
            ObjectKind::Device {
                address: value,
                size_bits,
            }
        }
        object_kind::IRQ => {
            only_if(
                extra & !(layout::IRQ_LEVEL | layout::IRQ_LOW) == 0,
                Fault::Reserved,
            )?;
            ObjectKind::Irq {
                gsi: u32::try_from(value).map_err(|_| Fault::Address)?,
                level: extra & layout::IRQ_LEVEL != 0,
                active_low: extra & layout::IRQ_LOW != 0,
            }
        }
        object_kind::PORTS => {
            let first = u16::try_from(value).map_err(|_| Fault::Address)?;
            let last = u16::try_from(extra).map_err(|_| Fault::Address)?;
            only_if(first <= last, Fault::Address)?;
            ObjectKind::Ports { first, last }
        }
        object_kind::UNTYPED => ObjectKind::Untyped {
            size_bits: size(Kind::Untyped, size_bits)?,
        },
        object_kind::UNTYPED_REST => ObjectKind::UntypedRest,
        object_kind::TRACE_BUFFER => ObjectKind::TraceBuffer {
            size_bits: size(Kind::TraceBuffer, size_bits)?,
            cpu: cpu(value, cpus)?,
        },
        object_kind::TIMER => ObjectKind::Timer,
        object_kind::CPU => ObjectKind::Cpu {
            index: cpu(value, cpus)?,
            max_priority: u8::try_from(extra).map_err(|_| Fault::Size)?,
        },
        object_kind::MODULE => ObjectKind::Module,
        _ => return Err(Fault::Kind),
    };
    only_if(
        raw.flags & !(layout::FLAG_SHARED | layout::FLAG_OPTIONAL) == 0 && raw.reserved == 0,
        Fault::Reserved,
    )?;
    Ok(Object {
        index,
        name: name(text, raw.name)?,
        kind,
        shared: raw.flags & layout::FLAG_SHARED != 0,
        optional: raw.flags & layout::FLAG_OPTIONAL != 0,
    })
}

fn optional_index(index: u32) -> Option<u32> {
    (index != layout::NONE).then_some(index)
}

fn memory(bytes: u64) -> Result<u64, Fault> {
    only_if(
        bytes.is_multiple_of(PAGE) && bytes <= layout::MAX_COMPONENT_MEMORY,
        Fault::Size,
    )?;
    Ok(bytes)
}

fn time(raw: &RawComponent, cpus: u32) -> Result<Option<Time>, Fault> {
    let (budget, period) = (raw.budget.get(), raw.period.get());
    if budget == 0 && period == 0 {
        return Ok(None);
    }
    only_if(
        budget >= MIN_BUDGET_NS && budget <= period && period <= MAX_PERIOD_NS,
        Fault::Time,
    )?;
    Ok(Some(Time {
        priority: raw.priority,
        cpu: cpu(u64::from(raw.cpu), cpus)?,
        budget,
        period,
    }))
}

pub(crate) fn component<'a>(
    text: &'a [u8],
    cpus: u32,
    id: u16,
    raw: &RawComponent,
) -> Result<ComponentInfo<'a>, Fault> {
    only_if(
        raw.flags & !layout::FLAG_FPU == 0 && raw.reserved == [0; 3],
        Fault::Reserved,
    )?;
    size(Kind::CNode, raw.cnode_bits)?;
    size(Kind::AddressSpace, raw.address_space_bits)?;
    only_if(raw.stack.get() > 0 && raw.image.get() > 0, Fault::Size)?;
    argument(text, raw.argument)?;
    let dynamic = Dynamic {
        first: raw.dynamic_first.get(),
        count: raw.dynamic_count.get(),
        kinds: raw.dynamic_kinds.get(),
    };
    let end = dynamic
        .first
        .checked_add(dynamic.count)
        .ok_or(Fault::Slot)?;
    only_if(end <= 1 << raw.cnode_bits, Fault::Slot)?;
    only_if(dynamic.count == 0 || dynamic.first > 0, Fault::Slot)?;
    only_if(dynamic.kinds >> Kind::ALL.len() == 0, Fault::Kind)?;
    Ok(ComponentInfo {
        id,
        name: name(text, raw.name)?,
        binary: name(text, raw.binary)?,
        time: time(raw, cpus)?,
        stack: memory(raw.stack.get())?,
        heap: memory(raw.heap.get())?,
        image: memory(raw.image.get())?,
        memory_quota: raw.memory_quota.get(),
        cnode_bits: raw.cnode_bits,
        address_space_bits: raw.address_space_bits,
        fpu: raw.flags & layout::FLAG_FPU != 0,
        fault_endpoint: optional_index(raw.fault_endpoint.get()),
        notification: optional_index(raw.notification.get()),
        restarts: match raw.restarts.get() {
            u32::MAX => Restarts::Always,
            times => Restarts::UpTo(times),
        },
        dynamic,
    })
}

/// Whether `index` names an object of a kind that `wanted` accepts.
pub(crate) fn refers(
    objects: &[RawObject],
    index: u32,
    wanted: impl Fn(u8) -> bool,
) -> Result<&RawObject, Fault> {
    objects
        .get(index as usize)
        .filter(|o| wanted(o.kind))
        .ok_or(Fault::Reference)
}

fn rights(bits: u8) -> Result<Rights, Fault> {
    Rights::from_bits(bits).ok_or(Fault::Rights)
}

pub(crate) fn cap<'a>(
    text: &'a [u8],
    objects: &[RawObject],
    raw: &RawCap,
) -> Result<Cap<'a>, Fault> {
    let object = raw.object.get();
    let target = match raw.target {
        target::OBJECT => Target::Object(object),
        target::CNODE => Target::OwnCNode,
        target::ADDRESS_SPACE => Target::OwnAddressSpace,
        target::THREAD => Target::OwnThread,
        target::REPLY => Target::OwnReply,
        _ => return Err(Fault::Kind),
    };
    let kind = match target {
        Target::Object(index) => {
            // A boot module is several frames: there is no one capability to it.
            refers(objects, index, |kind| kind != object_kind::MODULE)?.kind
        }
        _ => {
            only_if(object == layout::NONE, Fault::Reference)?;
            0
        }
    };
    let badged = matches!(kind, object_kind::ENDPOINT | object_kind::NOTIFICATION);
    let (badge, signal, count) = (raw.badge.get(), raw.signal.get(), raw.count.get());
    only_if(badge == 0 || badged, Fault::Badge)?;
    let signals = matches!(kind, object_kind::IRQ | object_kind::TIMER);
    only_if(signal == 0 || signals, Fault::Badge)?;
    only_if(
        count == 1 || (count > 1 && kind == object_kind::UNTYPED_REST),
        Fault::Badge,
    )?;
    only_if(raw.reserved.get() == 0, Fault::Reserved)?;
    Ok(Cap {
        name: name_or_nothing(text, raw.name)?,
        slot: raw.slot.get(),
        count,
        target,
        rights: rights(raw.rights)?,
        badge,
        signal,
    })
}

pub(crate) fn map(objects: &[RawObject], raw: &RawMap) -> Result<Map, Fault> {
    let (address, offset, length) = (raw.address.get(), raw.offset.get(), raw.length.get());
    let object = refers(objects, raw.object.get(), |kind| {
        matches!(
            kind,
            object_kind::FRAME | object_kind::DEVICE | object_kind::MODULE
        )
    })?;
    let is_module = object.kind == object_kind::MODULE;
    if is_module {
        only_if(offset == 0 && length == 0, Fault::Size)?;
    } else {
        let whole = 1u64
            .checked_shl(u32::from(object.size_bits))
            .ok_or(Fault::Size)?;
        let end = offset.checked_add(length).ok_or(Fault::Size)?;
        let pages = offset.is_multiple_of(PAGE) && length.is_multiple_of(PAGE);
        only_if(length > 0 && end <= whole && pages, Fault::Size)?;
    }
    let top = address
        .checked_add(length.max(PAGE))
        .ok_or(Fault::Address)?;
    only_if(
        address.is_multiple_of(PAGE) && address >= USER_START && top <= USER_END,
        Fault::Address,
    )?;
    let rights = rights(raw.rights)?;
    only_if(!is_module || rights == Rights::READ, Fault::Rights)?;
    only_if(
        rights.contains(Rights::READ)
            && !rights.contains(Rights::GRANT)
            && !rights.contains(Rights::WRITE | Rights::EXECUTE),
        Fault::Rights,
    )?;
    only_if(raw.reserved.get() == 0, Fault::Reserved)?;
    Ok(Map {
        object: raw.object.get(),
        address,
        offset,
        length,
        rights,
        cache: CacheMode::from_u64(u64::from(raw.cache)).ok_or(Fault::Kind)?,
    })
}
