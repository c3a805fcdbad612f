//! Makes a component from its lease: objects, memory, capability space; and takes it apart again.

use crate::fill::fill_memory;
use crate::objects::{Failed, Made, Objects, take, to};
use crate::own;
use crate::plan::{Content, Memory, Plan, Role};
use crate::program::Program;
use crate::window::Filler;
use alloc::vec::Vec;
use pagurus_abi::boot::{BootInfo, slot};
use pagurus_abi::layout::{IPC_BUFFER, STACK_TOP};
use pagurus_abi::{Error, Kind, Rights};
use pagurus_capdl_image::{Cap as Wanted, Component, Image, ObjectKind, Target};
use pagurus_protocol::start::START_INFO;
use pagurus_rt::object::{
    AddressSpace, CNode, Endpoint, Frame, IrqHandler, Mapping, Mint, Notification, SchedContext,
    Thread, Timer, Untyped,
};
use pagurus_rt::slots::SlotAllocator;
use pagurus_rt::{Cap, Slot};

/// What a component is made of while it runs: the slots of root's that have to do with it.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// The original of each part of the plan; 0 for the Reply, which is in the component's own space.
    parts: Vec<u32>,
    /// Capabilities derived for it that its lease does not cover: those by which shared memory is mapped.
    copies: Vec<u32>,
}

/// What stays when a component is started again.
#[derive(Clone, Debug, Default)]
pub struct Attachments {
    /// Root's slot with the endpoint for its faults, badged.
    fault_endpoint: Option<u32>,
    /// Whether its interrupts and timers are bound to its notification.
    signals_bound: bool,
}

/// What building a component takes.
pub struct Builder<'a> {
    /// The description.
    pub image: &'a Image<'a>,
    /// What the kernel found.
    pub boot: &'a BootInfo,
    /// The objects that belong to no single component.
    pub objects: &'a Objects,
    /// Root's empty slots.
    pub slots: &'a mut SlotAllocator,
}

/// A component to be built.
pub struct Blueprint<'a> {
    /// Its description.
    pub component: &'a Component<'a>,
    /// What it consists of.
    pub plan: &'a Plan,
    /// Its program.
    pub program: &'a Program,
    /// The bytes of its program's file.
    pub file: &'a [u8],
    /// Where all of it is made from.
    pub lease: Cap<Untyped>,
    /// How many times it was started before.
    pub restarts: u64,
}

impl Running {
    fn slot(&self, plan: &Plan, role: Role) -> Option<u32> {
        let position = plan.position(|r| *r == role)?;
        self.parts.get(position).copied()
    }

    /// The slot of each part of the plan; 0 for the Reply.
    pub fn parts(&self) -> &[u32] {
        &self.parts
    }

    /// The component's capability space.
    pub fn cnode(&self, plan: &Plan) -> Option<Cap<CNode>> {
        self.slot(plan, Role::CNode).map(Cap::new)
    }

    /// The component's thread.
    pub fn thread(&self, plan: &Plan) -> Option<Cap<Thread>> {
        self.slot(plan, Role::Thread).map(Cap::new)
    }

    /// The component's address space.
    pub fn space(&self, plan: &Plan) -> Option<Cap<AddressSpace>> {
        self.slot(plan, Role::AddressSpace).map(Cap::new)
    }

    /// The component's time, if it has its own.
    pub fn time(&self, plan: &Plan) -> Option<Cap<SchedContext>> {
        self.slot(plan, Role::SchedContext).map(Cap::new)
    }
}

/// A plan without the part that is looked for: it would be a mistake of `plan`.
pub(crate) const NO_OBJECT: Failed = Failed {
    what: "find a part of the component",
    error: Error::EmptySlot,
};

impl Builder<'_> {
    /// Makes the component; its thread is not started. `filler` reaches its memory.
    ///
    /// # Errors
    /// What failed; the lease is then empty again.
    pub fn build(
        &mut self,
        blueprint: &Blueprint<'_>,
        attachments: &mut Attachments,
        filler: &mut Filler,
    ) -> Result<Running, Failed> {
        let mut running = Running::default();
        let built = self
            .make_parts(blueprint, &mut running)
            .and_then(|()| fill_memory(self.image, self.boot, blueprint, &running, filler))
            .and_then(|()| self.set_up_thread(blueprint, &running, attachments))
            .and_then(|()| self.fill_space(blueprint, &running))
            .and_then(|()| self.map_shared(blueprint, &mut running))
            .and_then(|()| self.set_up_signals(blueprint, attachments));
        match built {
            Ok(()) => Ok(running),
            Err(failed) => {
                self.take_apart(blueprint.lease, running)?;
                Err(failed)
            }
        }
    }

    /// Ends the component: everything made from `lease` disappears and all its memory is free again.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn take_apart(&mut self, lease: Cap<Untyped>, running: Running) -> Result<(), Failed> {
        own::CNODE
            .revoke(lease.index())
            .map_err(to("revoke the lease"))?;
        for copy in running.copies {
            own::CNODE
                .delete(copy)
                .map_err(to("delete a capability to shared memory"))?;
            self.slots.give_back(copy);
        }
        for part in running.parts.into_iter().filter(|part| *part != 0) {
            self.slots.give_back(part);
        }
        Ok(())
    }

    fn make_parts(&mut self, b: &Blueprint<'_>, running: &mut Running) -> Result<(), Failed> {
        for part in &b.plan.parts {
            let (place, keep) = match part.role {
                Role::Reply { slot } => {
                    let cnode = running.cnode(b.plan).ok_or(NO_OBJECT)?;
                    (Slot::new(cnode, slot), 0)
                }
                _ => {
                    let slot = take(self.slots)?;
                    (own::at(slot), slot)
                }
            };
            if let Err(error) = b.lease.retype(part.kind, part.size_bits, place, 1) {
                self.slots.give_back(keep);
                return Err(to("make an object of the component")(error));
            }
            running.parts.push(keep);
        }
        Ok(())
    }

    fn set_up_thread(
        &mut self,
        b: &Blueprint<'_>,
        running: &Running,
        attachments: &mut Attachments,
    ) -> Result<(), Failed> {
        let thread = running.thread(b.plan).ok_or(NO_OBJECT)?;
        let bound = to("set up the component's thread");
        thread
            .bind_cspace(running.cnode(b.plan).ok_or(NO_OBJECT)?)
            .map_err(&bound)?;
        thread
            .bind_address_space(running.space(b.plan).ok_or(NO_OBJECT)?)
            .map_err(&bound)?;
        let is_buffer = |role: &Role| {
            matches!(
                role,
                Role::Memory(Memory {
                    content: Content::IpcBuffer,
                    ..
                })
            )
        };
        let buffer = b.plan.position(is_buffer).ok_or(NO_OBJECT)?;
        thread
            .bind_ipc_buffer(Cap::new(running.parts[buffer]), 0)
            .map_err(&bound)?;
        if let Some(endpoint) = self.fault_endpoint(b.component, attachments)? {
            thread.bind_fault_endpoint(endpoint).map_err(&bound)?;
        }
        let notification = b.component.notification;
        if let Some(slot) = notification.and_then(|index| self.objects.original(index)) {
            thread
                .bind_notification(Cap::new(slot))
                .map_err(to("bind the component's notification"))?;
        }
        if b.component.fpu {
            thread.set_flags(true, 0).map_err(&bound)?;
        }
        if let (Some(sched), Some(time)) = (running.time(b.plan), b.component.time) {
            let cpu = own::cpu(u32::from(time.cpu) % self.boot.cpu_count.max(1));
            sched
                .configure(cpu, time.budget, time.period, time.priority)
                .map_err(to("set the component's time"))?;
            sched.bind(thread).map_err(to("set the component's time"))?;
        }
        Ok(())
    }

    /// The endpoint for the component's faults, with its identifier as badge.
    fn fault_endpoint(
        &mut self,
        component: &Component<'_>,
        attachments: &mut Attachments,
    ) -> Result<Option<Cap<Endpoint>>, Failed> {
        if attachments.fault_endpoint.is_none()
            && let Some(original) = component
                .fault_endpoint
                .and_then(|i| self.objects.original(i))
        {
            let slot = take(self.slots)?;
            let badge = Mint::Badge(component.id.into());
            own::CNODE
                .mint(slot, own::at(original), Rights::WRITE, badge)
                .map_err(to("derive the component's fault endpoint"))?;
            attachments.fault_endpoint = Some(slot);
        }
        Ok(attachments.fault_endpoint.map(Cap::new))
    }

    fn fill_space(&mut self, b: &Blueprint<'_>, running: &Running) -> Result<(), Failed> {
        let cnode = running.cnode(b.plan).ok_or(NO_OBJECT)?;
        for wanted in b.component.caps() {
            self.give(b, running, cnode, &wanted)?;
        }
        Ok(())
    }

    fn give(
        &mut self,
        b: &Blueprint<'_>,
        running: &Running,
        cnode: Cap<CNode>,
        wanted: &Wanted<'_>,
    ) -> Result<(), Failed> {
        let (source, mint) = match wanted.target {
            Target::OwnCNode => (running.slot(b.plan, Role::CNode), Mint::Plain),
            Target::OwnAddressSpace => (running.slot(b.plan, Role::AddressSpace), Mint::Plain),
            Target::OwnThread => (running.slot(b.plan, Role::Thread), Mint::Plain),
            // Made in its place.
            Target::OwnReply => return Ok(()),
            Target::Object(index) => match self.objects.get(index) {
                Made::Absent => return Ok(()),
                Made::Untyped(pieces) => return give_untyped(cnode, wanted, pieces),
                // The image's reader accepts no capability to a boot module.
                Made::Module(_) => return Err(NO_OBJECT),
                Made::Original(slot) if wanted.badge != 0 => {
                    (Some(*slot), Mint::Badge(wanted.badge))
                }
                Made::Original(slot) => (Some(*slot), Mint::Plain),
                Made::Ports { first, last } => {
                    let (first, last) = (*first, *last);
                    (Some(slot::IO_PORTS), Mint::Ports { first, last })
                }
                Made::Cpu { slot, max_priority } => (Some(*slot), Mint::MaxPriority(*max_priority)),
            },
        };
        cnode
            .mint(
                wanted.slot,
                own::at(source.ok_or(NO_OBJECT)?),
                wanted.rights,
                mint,
            )
            .map_err(to("give the component a capability"))
    }

    fn map_shared(&mut self, b: &Blueprint<'_>, running: &mut Running) -> Result<(), Failed> {
        for map in b.component.maps() {
            let mut mapping = Mapping {
                address: map.address,
                offset: map.offset,
                length: map.length,
                rights: map.rights,
                cache: map.cache,
            };
            match self.objects.get(map.object) {
                Made::Original(slot) => self.map_copy(b, running, *slot, mapping)?,
                Made::Module(module) => {
                    for frame in &module.frames {
                        let info = frame.info().map_err(to("measure a boot module"))?;
                        mapping.length = 1 << info.size_bits;
                        self.map_copy(b, running, frame.index(), mapping)?;
                        mapping.address += mapping.length;
                    }
                }
                // The machine lacks it, or it is nothing that can be mapped.
                _ => {}
            }
        }
        Ok(())
    }

    /// Derives a capability from the frame in `slot` of root's, and maps that.
    fn map_copy(
        &mut self,
        b: &Blueprint<'_>,
        running: &mut Running,
        slot: u32,
        mapping: Mapping,
    ) -> Result<(), Failed> {
        let space = running.space(b.plan).ok_or(NO_OBJECT)?;
        let copy = take(self.slots)?;
        own::CNODE
            .mint(copy, own::at(slot), mapping.rights, Mint::Plain)
            .map_err(to("derive a capability to shared memory"))?;
        running.copies.push(copy);
        Cap::<Frame>::new(copy)
            .map(space, mapping)
            .map_err(to("map shared memory"))
    }

    /// Binds the component's interrupts and timers to its notification; the next time, unmasks the interrupts that the
    /// component before left unacknowledged, and disarms the timers that it left armed.
    fn set_up_signals(
        &mut self,
        b: &Blueprint<'_>,
        attachments: &mut Attachments,
    ) -> Result<(), Failed> {
        let notification = b.component.notification;
        let notification = notification.and_then(|index| self.objects.original(index));
        for wanted in b.component.caps().filter(|wanted| wanted.signal != 0) {
            let Target::Object(index) = wanted.target else {
                continue;
            };
            let (Some(source), Some(notification)) = (self.objects.original(index), notification)
            else {
                continue;
            };
            let object = self.image.object(index).ok_or(NO_OBJECT)?;
            let bound = match attachments.signals_bound {
                true => None,
                false => Some(self.badged(notification, wanted.signal)?),
            };
            if object.kind == ObjectKind::Timer {
                let timer = Cap::<Timer>::new(source);
                if let Some(bound) = bound {
                    timer.bind(bound).map_err(to("bind a timer"))?;
                }
                timer.disarm().map_err(to("disarm a timer"))?;
            } else {
                let handler = Cap::<IrqHandler>::new(source);
                if let Some(bound) = bound {
                    handler.bind(bound).map_err(to("bind an interrupt"))?;
                }
                handler.ack().map_err(to("unmask an interrupt"))?;
            }
        }
        attachments.signals_bound = true;
        Ok(())
    }

    /// A capability that signals `notification` by `badge`.
    fn badged(&mut self, notification: u32, badge: u64) -> Result<Cap<Notification>, Failed> {
        let slot = take(self.slots)?;
        let from = own::at(notification);
        own::CNODE
            .mint(slot, from, Rights::WRITE, Mint::Badge(badge))
            .map_err(to("derive the notification of an interrupt or timer"))?;
        Ok(Cap::new(slot))
    }
}

/// Gives whole pieces of untyped memory: each becomes one capability of the component's.
fn give_untyped(
    cnode: Cap<CNode>,
    wanted: &Wanted<'_>,
    pieces: &[(u32, u8)],
) -> Result<(), Failed> {
    for (n, (piece, size_bits)) in (0..wanted.count).zip(pieces) {
        let place = Slot::new(cnode, wanted.slot + n);
        Cap::<Untyped>::new(*piece)
            .retype(Kind::Untyped, *size_bits, place, 1)
            .map_err(to("give the component its untyped memory"))?;
    }
    Ok(())
}

/// Lets the component's thread run.
///
/// # Errors
/// As the kernel says.
pub fn start(plan: &Plan, program: &Program, running: &Running) -> Result<(), Failed> {
    let thread = running.thread(plan).ok_or(NO_OBJECT)?;
    thread
        .start(program.entry, STACK_TOP, IPC_BUFFER, START_INFO)
        .map_err(to("start the component's thread"))
}
