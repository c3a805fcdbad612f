//! The audit: what components hold now, compared with what the description says.
//!
//! Two comparisons. Slot by slot, every running component's capability space against the image
//! (`pagurus-capdl-image`'s audit). And over the kernel's whole derivation tree: a capability in a container that is
//! neither root's nor a component's capability space lies where the first comparison does not look. A component whose
//! description lets it have CNodes may make some, and keep in them the kinds of capabilities that it may have.

use crate::objects::Made;
use crate::own;
use crate::system::System;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use pagurus_abi::Kind;
use pagurus_abi::boot::slot;
use pagurus_abi::method::SlotInfo;
use pagurus_capdl_image::audit::{
    Audit, AuditError, Difference, Expected, Identity, LiveSlot, Wrong,
};
use pagurus_capdl_image::{Image, Target};
use pagurus_protocol::root::AuditSummary;
use pagurus_protocol::{Failure, Reason};
use pagurus_rt::Cap;
use pagurus_rt::object::CNode;

/// A CNode that a component made, or that lies in one that it made.
struct MadeCNode {
    /// Its identity.
    object: u64,
    /// The component's identifier.
    component: u16,
    /// Kinds of capabilities that may be in it: bit n for the kind of number n.
    kinds: u32,
}

impl MadeCNode {
    fn allows(&self, kind: Kind) -> bool {
        self.kinds & (1 << (kind as u32)) != 0
    }
}

/// A difference, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The component's identifier; 0 if it is nobody's.
    pub component: u16,
    /// The slot, or 0.
    pub slot: u32,
    /// What is wrong.
    pub text: String,
}

impl System {
    /// Compares; the findings are kept until the next time.
    ///
    /// # Errors
    /// If the kernel refuses to tell.
    pub fn audit(&mut self) -> Result<AuditSummary, Failure> {
        let mut findings = Vec::new();
        let (seen, made) = self.compare_slots(&mut findings)?;
        let made = follow(made)?;
        self.look_elsewhere(&made, &mut findings)?;
        let differences = findings.len() as u64;
        self.findings = findings;
        Ok(AuditSummary {
            capabilities: seen,
            differences,
        })
    }

    /// How many capabilities were seen, and the CNodes among them that components may make.
    fn compare_slots(&self, findings: &mut Vec<Finding>) -> Result<(u64, Vec<MadeCNode>), Failure> {
        let image = self.image;
        let mut made = Vec::new();
        let mut table = self.identities()?;
        let mut audit = Audit::new(image, &mut table).map_err(bug)?;
        let mut report = |difference: Difference<'_>| findings.push(finding(&image, difference));
        let mut seen = 0;
        for member in &self.members {
            let Some(cnode) = self.cnode(member.id) else {
                audit.skip(member.id, &mut report).map_err(bug)?;
                continue;
            };
            for slot in FIRST_SLOT..slots_of(cnode)? {
                let found = cnode.inspect(slot)?;
                if found.info.kind() == Some(Kind::Empty) {
                    continue;
                }
                seen += 1;
                let live = LiveSlot::new(member.id, slot, found.info, found.object, found.badge);
                let dynamic = image.component(member.id).map(|c| c.dynamic);
                let dynamic = dynamic.filter(|dynamic| dynamic.allows(slot, live.kind));
                if let (Some(dynamic), Kind::CNode) = (dynamic, live.kind) {
                    made.push(MadeCNode {
                        object: live.identity,
                        component: member.id,
                        kinds: dynamic.kinds,
                    });
                }
                audit.observe(live, &mut report).map_err(bug)?;
            }
        }
        audit.finish(&mut report);
        Ok((seen, made))
    }

    /// Which kernel object each object of the description is, as far as root made it itself.
    fn identities(&self) -> Result<Vec<Identity>, Failure> {
        let image = &self.image;
        let mut table = vec![Identity::Unknown; Audit::table_entries(image)];
        for object in image.objects() {
            let identity = match self.objects.get(object.index) {
                Made::Absent => Identity::Absent,
                Made::Original(slot) => Identity::Known(own::CNODE.inspect(*slot)?.object),
                Made::Ports { .. } | Made::Cpu { .. } | Made::Untyped(_) | Made::Module(_) => {
                    continue;
                }
            };
            if let Some(entry) = table.get_mut(object.index as usize) {
                *entry = identity;
            }
        }
        for member in &self.members {
            let (Some(prepared), Some(running)) = (&member.prepared, &member.running) else {
                continue;
            };
            let plan = &prepared.plan;
            let own_objects = [
                (Target::OwnCNode, running.cnode(plan).map(Cap::index)),
                (Target::OwnAddressSpace, running.space(plan).map(Cap::index)),
                (Target::OwnThread, running.thread(plan).map(Cap::index)),
            ];
            for (target, place) in own_objects {
                let entry = Audit::table_index(image, member.id, target)
                    .and_then(|index| table.get_mut(index));
                if let (Some(entry), Some(place)) = (entry, place) {
                    *entry = Identity::Known(own::CNODE.inspect(place)?.object);
                }
            }
        }
        Ok(table)
    }

    /// Finds capabilities in containers that are no capability space known to root.
    fn look_elsewhere(
        &self,
        made: &[MadeCNode],
        findings: &mut Vec<Finding>,
    ) -> Result<(), Failure> {
        let mut known = vec![own::CNODE.inspect(slot::CNODE)?.object];
        for member in &self.members {
            if let Some(cnode) = self.cnode(member.id) {
                known.push(own::CNODE.inspect(cnode.index())?.object);
            }
        }
        // The tree begins with the memory of root's own objects, in a CNode that nobody can name.
        if let Some(first) = own::KERNEL.describe(0)? {
            known.push(first.container);
        }
        let mut position = 0;
        while let Some(found) = own::KERNEL.describe(position)? {
            position += 1;
            let bound = found.info.0 & SlotInfo::BINDING != 0;
            if bound || known.contains(&found.container) {
                continue;
            }
            let kind = found.info.kind().unwrap_or(Kind::Empty);
            let owner = made.iter().find(|cnode| cnode.object == found.container);
            let whose = match owner {
                Some(owner) if owner.allows(kind) => continue,
                Some(owner) => {
                    let name = self
                        .image
                        .component(owner.component)
                        .map_or("?", |c| c.name);
                    format!("which {name} made, but which may hold no such capability")
                }
                None => String::from("which is no component's capability space"),
            };
            findings.push(Finding {
                component: owner.map_or(0, |owner| owner.component),
                slot: 0,
                text: format!(
                    "a capability to {} {:#x} lies in slot {} of the CNode at {:#x}, {whose}",
                    kind.name(),
                    found.object,
                    found.index,
                    found.container
                ),
            });
        }
        Ok(())
    }
}

/// Adds the CNodes to which there are capabilities in CNodes that components made, at any depth.
fn follow(mut made: Vec<MadeCNode>) -> Result<Vec<MadeCNode>, Failure> {
    let mut before = 0;
    // Each round goes one level deeper.
    while before < made.len() {
        before = made.len();
        let mut position = 0;
        while let Some(found) = own::KERNEL.describe(position)? {
            position += 1;
            let is_cnode = found.info.kind() == Some(Kind::CNode);
            let holder = made.iter().find(|cnode| cnode.object == found.container);
            let Some(holder) = holder.filter(|holder| is_cnode && holder.allows(Kind::CNode))
            else {
                continue;
            };
            let (component, kinds) = (holder.component, holder.kinds);
            if made.iter().all(|cnode| cnode.object != found.object) {
                made.push(MadeCNode {
                    object: found.object,
                    component,
                    kinds,
                });
            }
        }
    }
    Ok(made)
}

/// Slot 0 is no slot.
const FIRST_SLOT: u32 = 1;

fn slots_of(cnode: Cap<CNode>) -> Result<u32, Failure> {
    u32::try_from(cnode.size()?).map_err(|_| Reason::InvalidArgument.into())
}

/// The audit's own rules were not kept, which only a mistake in this file can cause.
fn bug(error: AuditError) -> Failure {
    log::error!("audit: {error}");
    Reason::Unavailable.into()
}

fn finding(image: &Image<'_>, difference: Difference<'_>) -> Finding {
    let (component, slot) = match &difference {
        Difference::Missing(expected) => (expected.component, expected.slot),
        Difference::Extra(live) | Difference::Wrong { live, .. } => (live.component, live.slot),
    };
    let name = image.component(component).map_or("?", |c| c.name);
    let text = match difference {
        Difference::Missing(expected) => format!(
            "{name}, slot {slot}: the capability {} is missing",
            wanted(image, &expected)
        ),
        Difference::Extra(live) => format!(
            "{name}, slot {slot}: holds a capability to {} {:#x} ({:?}) that the description does not give",
            live.kind.name(),
            live.identity,
            live.rights
        ),
        Difference::Wrong {
            live,
            expected,
            what,
        } => {
            let wanted = wanted(image, &expected);
            match what {
                Wrong::Kind => format!(
                    "{name}, slot {slot}: holds a capability to {}, not {wanted}",
                    live.kind.name()
                ),
                Wrong::Rights => format!(
                    "{name}, slot {slot}: {wanted} has rights {:?}, not {:?}",
                    live.rights, expected.rights
                ),
                Wrong::Word => format!(
                    "{name}, slot {slot}: {wanted} has badge or range {:#x}, not {:#x}",
                    live.word, expected.word
                ),
                Wrong::Size => format!(
                    "{name}, slot {slot}: {wanted} has 2^{} bytes or slots, not 2^{}",
                    live.size_bits,
                    expected.size_bits.unwrap_or(0)
                ),
                Wrong::Object { right } => format!(
                    "{name}, slot {slot}: {wanted} names object {:#x}, not {right:#x}",
                    live.identity
                ),
                Wrong::Alias { other, of } => format!(
                    "{name}, slot {slot}: {wanted} names {}",
                    target(image, of, other)
                ),
            }
        }
    };
    Finding {
        component,
        slot,
        text,
    }
}

fn wanted(image: &Image<'_>, expected: &Expected<'_>) -> String {
    let target = target(image, expected.component, expected.target);
    match expected.name {
        "" => format!("to {target}"),
        name => format!("`{name}` to {target}"),
    }
}

fn target(image: &Image<'_>, component: u16, target: Target) -> String {
    let own = match target {
        Target::Object(index) => {
            let name = image.object(index).map_or("?", |object| object.name);
            return format!("object `{name}`");
        }
        Target::OwnCNode => "capability space",
        Target::OwnAddressSpace => "address space",
        Target::OwnThread => "thread",
        Target::OwnReply => "reply",
    };
    let name = image.component(component).map_or("?", |c| c.name);
    format!("the {own} of {name}")
}
