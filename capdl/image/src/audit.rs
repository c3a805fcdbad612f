//! Comparing what components hold with what the image says they hold.
//!
//! The live state comes as a stream of slots in ascending order ([`LiveSlot`]: what `CNodeInspect` or
//! `KernelDescribe` say), the expected state from the [`Image`]; what differs goes to the caller one by
//! one. Nothing is allocated: the caller lends a table with one entry for each object, in which the audit
//! notes which kernel object it took for which object of the image.
//!
//! ```
//! use pagurus_capdl_image::audit::{Audit, Identity, LiveSlot};
//! # fn run(image: pagurus_capdl_image::Image<'_>, live: &[LiveSlot]) -> Result<(), pagurus_capdl_image::audit::AuditError> {
//! let mut identities = [Identity::Unknown; 256];
//! let mut audit = Audit::new(image, &mut identities)?;
//! for slot in live {
//!     audit.observe(*slot, &mut |difference| { /* show it */ })?;
//! }
//! audit.finish(&mut |difference| { /* show it */ });
//! # Ok(())
//! # }
//! ```

use crate::reader::{Component, Image};
use crate::record::{Cap, ObjectKind, Target};
use core::fmt;
use pagurus_abi::method::SlotInfo;
use pagurus_abi::{Kind, Rights};

/// Objects of its own that a component has.
const OWN_OBJECTS: usize = 4;

/// A slot of a component as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveSlot {
    /// The component's identifier.
    pub component: u16,
    /// The slot.
    pub slot: u32,
    /// What the capability names; [`Kind::Empty`] for an empty slot.
    pub kind: Kind,
    /// What it permits.
    pub rights: Rights,
    /// log2 of the size, for memory and CNodes.
    pub size_bits: u8,
    /// What tells the object from every other of its kind: its physical address, or number.
    pub identity: u64,
    /// Badge of an Endpoint or Notification, first and last port of an IoPort, highest priority of a Cpu.
    pub word: u64,
}

impl LiveSlot {
    /// What `CNodeInspect` said about a slot: `info`, `identity` and `word` are its first three results.
    pub fn new(component: u16, slot: u32, info: SlotInfo, identity: u64, word: u64) -> Self {
        LiveSlot {
            component,
            slot,
            kind: info.kind().unwrap_or(Kind::Empty),
            rights: info.rights(),
            size_bits: info.size_bits(),
            identity,
            word,
        }
    }
}

/// What a slot is expected to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The component's identifier.
    pub component: u16,
    /// The slot, or the first of several.
    pub slot: u32,
    /// How many slots.
    pub count: u32,
    /// The name of the capability, empty in fixed slots.
    pub name: &'a str,
    /// The object.
    pub target: Target,
    /// The kind of kernel object.
    pub kind: Kind,
    /// What it permits.
    pub rights: Rights,
    /// log2 of the size, where it is known.
    pub size_bits: Option<u8>,
    /// The identity of the object, where the description says it.
    pub identity: Option<u64>,
    /// See [`LiveSlot::word`].
    pub word: u64,
    /// The slots may be empty.
    pub may_be_empty: bool,
}

impl<'a> Expected<'a> {
    fn new(image: &Image<'a>, component: &Component<'a>, cap: Cap<'a>) -> Option<Self> {
        let mut expected = Expected {
            component: component.id,
            slot: cap.slot,
            count: cap.count,
            name: cap.name,
            target: cap.target,
            kind: Kind::Empty,
            rights: cap.rights,
            size_bits: None,
            identity: None,
            word: cap.badge,
            may_be_empty: false,
        };
        let index = match cap.target {
            Target::Object(index) => index,
            Target::OwnCNode => {
                expected.kind = Kind::CNode;
                expected.size_bits = Some(component.cnode_bits);
                return Some(expected);
            }
            own => {
                expected.kind = match own {
                    Target::OwnAddressSpace => Kind::AddressSpace,
                    Target::OwnThread => Kind::Thread,
                    _ => Kind::Reply,
                };
                return Some(expected);
            }
        };
        let kind = image.object(index)?.kind;
        expected.kind = kind.kind();
        match kind {
            ObjectKind::Frame { size_bits } | ObjectKind::Untyped { size_bits } => {
                expected.size_bits = Some(size_bits);
            }
            ObjectKind::Device { address, size_bits } => {
                expected.size_bits = Some(size_bits);
                expected.identity = Some(address);
            }
            ObjectKind::Irq { gsi, .. } => expected.identity = Some(u64::from(gsi)),
            ObjectKind::Ports { first, last } => {
                expected.word = u64::from(first) | u64::from(last) << 16;
            }
            ObjectKind::Cpu {
                index,
                max_priority,
            } => {
                expected.identity = Some(u64::from(index));
                expected.word = u64::from(max_priority);
            }
            ObjectKind::UntypedRest => expected.may_be_empty = true,
            ObjectKind::Endpoint
            | ObjectKind::Notification
            | ObjectKind::TraceBuffer { .. }
            | ObjectKind::Module
            | ObjectKind::Timer => {}
        }
        Some(expected)
    }
}

/// What every slot of every component is expected to hold, by component and slot.
pub fn expected<'a>(image: &Image<'a>) -> impl Iterator<Item = Expected<'a>> + use<'a> {
    let image = *image;
    image.components().flat_map(move |component| {
        component
            .caps()
            .filter_map(move |cap| Expected::new(&image, &component, cap))
    })
}

/// What is known about an object of the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// Nothing yet: the first slot that should name it decides.
    #[default]
    Unknown,
    /// It is the kernel object of this identity.
    Known(u64),
    /// It was not made, because the machine lacks it (see [`Object::optional`](crate::Object::optional)).
    Absent,
}

/// A difference between what is and what should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference<'a> {
    /// The slot is empty but should not be.
    Missing(Expected<'a>),
    /// The slot should be empty.
    Extra(LiveSlot),
    /// The slot holds something else than it should.
    Wrong {
        /// What it holds.
        live: LiveSlot,
        /// What it should hold.
        expected: Expected<'a>,
        /// In which way it differs.
        what: Wrong,
    },
}

/// In which way a capability differs from what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is of another kind.
    Kind,
    /// It permits more, less or something else.
    Rights,
    /// Another badge, port range or priority.
    Word,
    /// The object has another size.
    Size,
    /// It names another object than others that should name the same one.
    Object {
        /// The identity of the right one.
        right: u64,
    },
    /// It names the object that should be another one.
    Alias {
        /// Which one.
        other: Target,
        /// The component, if it is one of its own objects.
        of: u16,
    },
}

/// Why an audit cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditError {
    /// The table for identities is too short; it needs so many entries.
    TableTooShort(usize),
    /// The slot does not come after the one before.
    OutOfOrder,
    /// There is no such component.
    NoSuchComponent,
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuditError::TableTooShort(needed) => {
                write!(f, "the table for identities needs {needed} entries")
            }
            AuditError::OutOfOrder => f.write_str("slots must come in ascending order"),
            AuditError::NoSuchComponent => f.write_str("there is no such component"),
        }
    }
}

impl core::error::Error for AuditError {}

/// A comparison under way.
pub struct Audit<'a, 'b> {
    image: Image<'a>,
    identities: &'b mut [Identity],
    /// The component whose slots are compared, and how many of its capabilities were dealt with.
    component: u16,
    caps_done: usize,
    /// The slot that was seen last in it.
    last_slot: Option<u32>,
}

/// Takes differences as they are found.
pub type Report<'r, 'a> = &'r mut dyn FnMut(Difference<'a>);

impl<'a, 'b> Audit<'a, 'b> {
    /// Entries that the table of identities needs for `image`.
    pub fn table_entries(image: &Image<'_>) -> usize {
        image.object_count() as usize + usize::from(image.component_count()) * OWN_OBJECTS
    }

    /// The entry of `target` in the table; `component` is whose, for a component's own objects.
    pub fn table_index(image: &Image<'_>, component: u16, target: Target) -> Option<usize> {
        let own = match target {
            Target::Object(index) => {
                return (index < image.object_count()).then_some(index as usize);
            }
            Target::OwnCNode => 0,
            Target::OwnAddressSpace => 1,
            Target::OwnThread => 2,
            Target::OwnReply => 3,
        };
        let before = usize::from(component).checked_sub(1)?;
        let index = image.object_count() as usize + before * OWN_OBJECTS + own;
        (index < Self::table_entries(image)).then_some(index)
    }

    /// Begins a comparison. Entries of `identities` that the caller knows may be filled in; the others must
    /// be [`Identity::Unknown`].
    pub fn new(image: Image<'a>, identities: &'b mut [Identity]) -> Result<Self, AuditError> {
        let needed = Self::table_entries(&image);
        let identities = identities
            .get_mut(..needed)
            .ok_or(AuditError::TableTooShort(needed))?;
        Ok(Audit {
            image,
            identities,
            component: 1,
            caps_done: 0,
            last_slot: None,
        })
    }

    /// Compares one slot. Slots must come by ascending component and slot; empty ones may be left out.
    pub fn observe(&mut self, live: LiveSlot, report: Report<'_, 'a>) -> Result<(), AuditError> {
        if live.component == 0 || live.component > self.image.component_count() {
            return Err(AuditError::NoSuchComponent);
        }
        let again = live.component == self.component && self.last_slot >= Some(live.slot);
        if live.component < self.component || again {
            return Err(AuditError::OutOfOrder);
        }
        while self.component < live.component {
            self.end_component(report);
        }
        self.last_slot = Some(live.slot);
        let Some(component) = self.image.component(live.component) else {
            return Err(AuditError::NoSuchComponent);
        };
        let mut here = None;
        while let Some(expected) = self.next_expected(&component) {
            if expected.slot > live.slot {
                break;
            }
            if live.slot - expected.slot < expected.count {
                here = Some(expected);
                // A capability that fills several slots stays until the last of them was seen.
                if live.slot - expected.slot + 1 < expected.count {
                    break;
                }
            } else {
                self.missing(expected, report);
            }
            self.caps_done += 1;
        }
        match here {
            Some(expected) => self.compare(live, expected, report),
            None if live.kind == Kind::Empty => {}
            None if component.dynamic.allows(live.slot, live.kind) => {}
            None => report(Difference::Extra(live)),
        }
        Ok(())
    }

    /// Leaves out a component that does not run: neither its slots nor their absence are compared. Slots of
    /// earlier components that were not seen are missing.
    pub fn skip(&mut self, component: u16, report: Report<'_, 'a>) -> Result<(), AuditError> {
        if component < self.component || (component == self.component && self.last_slot.is_some()) {
            return Err(AuditError::OutOfOrder);
        }
        while self.component < component {
            self.end_component(report);
        }
        self.begin(component + 1);
        Ok(())
    }

    /// Ends the comparison: what was not seen is missing.
    pub fn finish(mut self, report: Report<'_, 'a>) {
        while self.component <= self.image.component_count() {
            self.end_component(report);
        }
    }

    fn begin(&mut self, component: u16) {
        self.component = component;
        self.caps_done = 0;
        self.last_slot = None;
    }

    fn next_expected(&self, component: &Component<'a>) -> Option<Expected<'a>> {
        Expected::new(&self.image, component, component.cap(self.caps_done)?)
    }

    fn end_component(&mut self, report: Report<'_, 'a>) {
        if let Some(component) = self.image.component(self.component) {
            while let Some(expected) = self.next_expected(&component) {
                self.missing(expected, report);
                self.caps_done += 1;
            }
        }
        self.begin(self.component.saturating_add(1));
    }

    fn identity(&self, expected: &Expected<'a>) -> Identity {
        let index = Self::table_index(&self.image, expected.component, expected.target);
        let noted = index.and_then(|i| self.identities.get(i).copied());
        match (noted.unwrap_or_default(), expected.identity) {
            (Identity::Unknown, Some(identity)) => Identity::Known(identity),
            (noted, _) => noted,
        }
    }

    /// Reports a capability that is not there, unless its object is not there either.
    fn missing(&self, expected: Expected<'a>, report: Report<'_, 'a>) {
        let left_out = match expected.target {
            Target::Object(index) => {
                let optional = self.image.object(index).is_some_and(|o| o.optional);
                optional && self.identity(&expected) == Identity::Absent
            }
            _ => false,
        };
        if !left_out && !expected.may_be_empty {
            report(Difference::Missing(expected));
        }
    }

    fn compare(&mut self, live: LiveSlot, expected: Expected<'a>, report: Report<'_, 'a>) {
        if live.kind == Kind::Empty {
            return self.missing(expected, report);
        }
        if self.identity(&expected) == Identity::Absent {
            return report(Difference::Extra(live));
        }
        let mut wrong = |what| {
            report(Difference::Wrong {
                live,
                expected,
                what,
            });
        };
        if live.kind != expected.kind {
            return wrong(Wrong::Kind);
        }
        if live.rights != expected.rights {
            wrong(Wrong::Rights);
        }
        if live.word != expected.word {
            wrong(Wrong::Word);
        }
        if expected
            .size_bits
            .is_some_and(|bits| bits != live.size_bits)
        {
            wrong(Wrong::Size);
        }
        if expected.count == 1
            && let Some(what) = self.compare_object(&live, &expected)
        {
            wrong(what);
        }
    }

    /// Whether it names the right object; notes which one it is if nothing was known.
    fn compare_object(&mut self, live: &LiveSlot, expected: &Expected<'a>) -> Option<Wrong> {
        // The kernel does not tell port ranges apart but by the range.
        if live.kind == Kind::IoPort {
            return None;
        }
        match self.identity(expected) {
            Identity::Known(right) if right != live.identity => Some(Wrong::Object { right }),
            Identity::Known(_) | Identity::Absent => None,
            Identity::Unknown => {
                let alias = self.owner_of(live.kind, live.identity);
                let index = Self::table_index(&self.image, expected.component, expected.target);
                if alias.is_none()
                    && let Some(entry) = index.and_then(|i| self.identities.get_mut(i))
                {
                    *entry = Identity::Known(live.identity);
                }
                alias.map(|(other, of)| Wrong::Alias { other, of })
            }
        }
    }

    /// The object of the image that is already known to be the kernel object of this identity.
    fn owner_of(&self, kind: Kind, identity: u64) -> Option<(Target, u16)> {
        let objects = self.image.objects().filter_map(|o| {
            let same = o.kind.kind() == kind;
            same.then_some((Target::Object(o.index), 0))
        });
        let own = match kind {
            Kind::CNode => Some(Target::OwnCNode),
            Kind::AddressSpace => Some(Target::OwnAddressSpace),
            Kind::Thread => Some(Target::OwnThread),
            Kind::Reply => Some(Target::OwnReply),
            _ => None,
        };
        let owned = own
            .into_iter()
            .flat_map(|target| (1..=self.image.component_count()).map(move |id| (target, id)));
        objects.chain(owned).find(|(target, of)| {
            let index = Self::table_index(&self.image, *of, *target);
            index.and_then(|i| self.identities.get(i)) == Some(&Identity::Known(identity))
        })
    }
}
