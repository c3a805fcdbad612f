//! The objects that the description names and that belong to no single component.
//!
//! They outlive the components that use them: a component that is started again finds its endpoint, its shared
//! memory and its interrupt as it left them.

use crate::device;
use crate::layout::{self, Origin, SharedObject};
use crate::memory::Placement;
use crate::modules::Modules;
use crate::own;
use crate::window::ModuleFrames;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use pagurus_abi::boot::{BootInfo, slot};
use pagurus_abi::{Error, Kind};
use pagurus_capdl_image::{Image, Object, ObjectKind};
use pagurus_rt::Cap;
use pagurus_rt::object::{TraceBuffer, Trigger, Untyped};
use pagurus_rt::slots::SlotAllocator;

/// What a component's capabilities to an object are derived from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// The machine lacks it.
    Absent,
    /// The original capability in this slot of root's.
    Original(u32),
    /// A range of ports, of all that root has.
    Ports {
        /// First port.
        first: u16,
        /// Last port, included.
        last: u16,
    },
    /// A processor, with this as highest priority.
    Cpu {
        /// Slot of root's capability to it.
        slot: u32,
        /// The highest priority that a holder may give away.
        max_priority: u8,
    },
    /// A boot module, to be mapped.
    Module(ModuleFrames),
    /// Untyped memory: whole pieces, each with log2 of its bytes. What a component gets is made from them, so that
    /// revoking them takes it back.
    Untyped(Vec<(u32, u8)>),
}

/// A call of the kernel that failed, and what it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What was to be done.
    pub what: &'static str,
    /// Why the kernel refused.
    pub error: Error,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.what, self.error)
    }
}

impl core::error::Error for Failed {}

/// Names what failed, for `map_err`.
pub fn to(what: &'static str) -> impl Fn(Error) -> Failed {
    move |error| Failed { what, error }
}

/// A free slot of root's.
///
/// # Errors
/// If all are taken.
pub fn take(slots: &mut SlotAllocator) -> Result<u32, Failed> {
    slots.take().ok_or(Failed {
        what: "find an empty slot in root's capability space",
        error: Error::OutOfMemory,
    })
}

/// All objects of the description, by number.
#[derive(Clone, Debug)]
pub struct Objects(Vec<Made>);

impl Objects {
    /// Places for all objects of `image`, none made yet.
    pub fn new(image: &Image<'_>) -> Self {
        Objects(vec![Made::Absent; image.object_count() as usize])
    }

    /// What became of object `index`.
    pub fn get(&self, index: u32) -> &Made {
        self.0.get(index as usize).unwrap_or(&Made::Absent)
    }

    /// The original capability of object `index`, if it is there and has one.
    pub fn original(&self, index: u32) -> Option<u32> {
        match self.get(index) {
            Made::Original(slot) => Some(*slot),
            _ => None,
        }
    }

    /// Notes what object `index` became.
    pub fn set(&mut self, index: u32, made: Made) {
        if let Some(place) = self.0.get_mut(index as usize) {
            *place = made;
        }
    }

    /// Makes what comes from the memory of shared objects; returns the slots of root's own among them, in order.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn make_shared(
        &mut self,
        from: Cap<Untyped>,
        all: &[SharedObject],
        slots: &mut SlotAllocator,
    ) -> Result<Vec<u32>, Failed> {
        let mut own = Vec::new();
        for object in all {
            let slot = take(slots)?;
            from.retype(object.kind, object.size_bits, own::at(slot), 1)
                .map_err(to("make a shared object"))?;
            match object.object {
                Some(index) => self.set(index, Made::Original(slot)),
                None => own.push(slot),
            }
        }
        Ok(own)
    }

    /// Makes the pieces of untyped memory that are left for object `index`.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn make_rest(
        &mut self,
        index: u32,
        pieces: &[Placement],
        slots: &mut SlotAllocator,
    ) -> Result<(), Failed> {
        let mut made = Vec::new();
        for piece in pieces {
            let slot = take(slots)?;
            Cap::<Untyped>::new(piece.from)
                .retype(Kind::Untyped, piece.size_bits, own::at(slot), 1)
                .map_err(to("split the memory that is left"))?;
            made.push((slot, piece.size_bits));
        }
        self.set(index, Made::Untyped(made));
        Ok(())
    }

    /// Makes frames of device memory. Devices without memory stay absent.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn make_devices(
        &mut self,
        image: &Image<'_>,
        boot: &BootInfo,
        slots: &mut SlotAllocator,
    ) -> Result<(), Failed> {
        let wanted: Vec<_> = image
            .objects()
            .filter_map(|object| match object.kind {
                ObjectKind::Device { address, size_bits } => Some(device::Device {
                    object: object.index,
                    address,
                    size_bits,
                }),
                _ => None,
            })
            .collect();
        let (steps, missing) = device::plan(boot.untyped(), &wanted);
        for step in steps {
            let slot = take(slots)?;
            let from = Cap::<Untyped>::new(step.from);
            let kind = match step.object {
                Some(_) => Kind::Frame,
                None => Kind::Untyped,
            };
            from.retype(kind, step.size_bits, own::at(slot), 1)
                .map_err(to("make a frame of device memory"))?;
            if let Some(index) = step.object {
                self.set(index, Made::Original(slot));
            }
        }
        for object in missing.iter().filter_map(|index| image.object(*index)) {
            lacks(&object, "no device memory at its address");
        }
        Ok(())
    }

    /// Makes what does not come from memory: interrupt handlers, ranges of ports, processors. Finds the boot modules and
    /// attaches the trace buffers. What the machine lacks stays absent.
    ///
    /// # Errors
    /// If root has no slots left.
    pub fn make_control(
        &mut self,
        image: &Image<'_>,
        boot: &BootInfo,
        slots: &mut SlotAllocator,
    ) -> Result<(), Failed> {
        for object in image.objects() {
            match object.kind {
                ObjectKind::Irq {
                    gsi,
                    level,
                    active_low,
                } => {
                    let place = take(slots)?;
                    let trigger = Trigger { level, active_low };
                    match own::IRQ.issue(gsi, own::at(place), trigger) {
                        Ok(()) => self.set(object.index, Made::Original(place)),
                        Err(error) => {
                            slots.give_back(place);
                            lacks(&object, error.text());
                        }
                    }
                }
                ObjectKind::Ports { first, last } => {
                    self.set(object.index, Made::Ports { first, last });
                }
                ObjectKind::Cpu {
                    index,
                    max_priority,
                } if u32::from(index) < boot.cpu_count => {
                    let slot = slot::FIRST_CPU + u32::from(index);
                    self.set(object.index, Made::Cpu { slot, max_priority });
                }
                ObjectKind::Cpu { .. } => lacks(&object, "no such processor"),
                ObjectKind::Module => match Modules(boot.modules()).find(object.name) {
                    Some(frames) => self.set(object.index, Made::Module(frames)),
                    None => lacks(&object, "no boot module of that name"),
                },
                ObjectKind::TraceBuffer { cpu, .. } => self.attach(&object, cpu),
                _ => {}
            }
        }
        Ok(())
    }

    fn attach(&mut self, object: &Object<'_>, cpu: u8) {
        let Some(slot) = self.original(object.index) else {
            return;
        };
        let buffer = Cap::<TraceBuffer>::new(slot);
        if let Err(error) = buffer.attach(own::cpu(cpu.into())) {
            lacks(object, error.text());
        }
    }
}

/// The objects of `image` that come from the memory of shared objects. Trace buffers of processors that the machine
/// lacks are left out.
pub fn shared_objects(image: &Image<'_>, cpus: u32) -> impl Iterator<Item = SharedObject> {
    image.objects().filter_map(move |object| {
        if let ObjectKind::TraceBuffer { cpu, .. } = object.kind
            && u32::from(cpu) >= cpus
        {
            lacks(&object, "no such processor");
            return None;
        }
        match layout::origin(&object) {
            Origin::Shared(shared) => Some(shared),
            _ => None,
        }
    })
}

/// Says that the machine lacks an object, unless the description expects that.
fn lacks(object: &Object<'_>, why: &str) {
    if !object.optional {
        log::warn!(
            "object `{}`: {why}; who uses it goes without (mark it `optional` if that is expected)",
            object.name
        );
    }
}
