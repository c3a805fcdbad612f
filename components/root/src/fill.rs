//! What is in a component's memory when it starts: its program, its start page.

use crate::builder::{Blueprint, NO_OBJECT, Running};
use crate::modules::Modules;
use crate::objects::{Failed, to};
use crate::plan::{Content, Memory, Role};
use crate::window::Filler;
use pagurus_abi::Rights;
use pagurus_abi::boot::BootInfo;
use pagurus_abi::method::CacheMode;
use pagurus_capdl_image::{Cap as Wanted, Image, Service, Target};
use pagurus_protocol::name::Name;
use pagurus_protocol::start::StartInfo;
use pagurus_rt::Cap;
use pagurus_rt::object::{Frame, Mapping};
use zerocopy::IntoBytes;

/// Fills and maps the component's own memory.
///
/// # Errors
/// As the kernel says.
pub fn fill_memory(
    image: &Image<'_>,
    boot: &BootInfo,
    b: &Blueprint<'_>,
    running: &Running,
    filler: &mut Filler,
) -> Result<(), Failed> {
    let space = running.space(b.plan).ok_or(NO_OBJECT)?;
    for (part, slot) in b.plan.parts.iter().zip(running.parts()) {
        let Role::Memory(memory) = part.role else {
            continue;
        };
        let frame = Cap::<Frame>::new(*slot);
        let bytes = 1u64 << part.size_bits;
        match memory.content {
            Content::Zero | Content::IpcBuffer => Ok(()),
            Content::StartInfo => filler.fill(frame, 0, start_info(image, boot, b).as_bytes()),
            Content::Segment { number, offset } => {
                let (at, data) = segment_bytes(b, number, offset, bytes);
                filler.fill(frame, at, data)
            }
        }
        .map_err(to("fill the component's memory"))?;
        frame
            .map(space, own_mapping(&memory, bytes))
            .map_err(to("map the component's memory"))?;
    }
    Ok(())
}

fn own_mapping(memory: &Memory, length: u64) -> Mapping {
    Mapping {
        address: memory.address,
        offset: 0,
        length,
        rights: memory.rights,
        cache: CacheMode::Default,
    }
}

/// The bytes of segment `number` that belong into its memory `offset..offset + bytes`, and where in that they begin.
fn segment_bytes<'a>(b: &Blueprint<'a>, number: usize, offset: u64, bytes: u64) -> (u64, &'a [u8]) {
    let Some(segment) = b.program.segments.get(number) else {
        return (0, &[]);
    };
    let file = b.file.get(segment.file.clone()).unwrap_or(&[]);
    let from = segment.lead.max(offset);
    let to = (segment.lead + file.len() as u64).min(offset + bytes);
    if from >= to {
        return (0, &[]);
    }
    let data = &file[(from - segment.lead) as usize..(to - segment.lead) as usize];
    (from - offset, data)
}

fn start_info(image: &Image<'_>, boot: &BootInfo, b: &Blueprint<'_>) -> StartInfo {
    let component = b.component;
    let mut start = StartInfo::new(component.id.into(), Name::new(component.name));
    start.heap_bytes = component.heap;
    start.stack_bytes = component.stack;
    start.tsc_khz = boot.tsc_khz;
    start.cnode_bits = component.cnode_bits.into();
    start.first_free_slot = component.dynamic.first;
    start.free_slots = component.dynamic.count;
    start.restarts = u32::try_from(b.restarts).unwrap_or(u32::MAX);
    if !start.set_argument(component.argument()) {
        // The image's reader accepts no longer ones.
        log::warn!("component `{}`: its argument is too long", component.name);
    }
    let modules = Modules(boot.modules());
    for (entry, mapping) in start
        .modules
        .iter_mut()
        .zip(modules.mapped(image, component))
    {
        *entry = mapping;
    }
    let memory = image.service(Service::Memory).map(Target::Object);
    let serves = |c: &Wanted<'_>| Some(c.target) == memory && c.rights.contains(Rights::READ);
    if component.caps().any(|c| serves(&c)) {
        for (quota, client) in start.memory_quotas.iter_mut().zip(image.components()) {
            *quota = client.memory_quota;
        }
    }
    start
}
