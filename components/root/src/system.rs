//! The system that root builds and keeps: its description, its shared objects, its components.

use crate::audit::Finding;
use crate::builder::{Attachments, Blueprint, Builder, Running, start};
use crate::error::{BootError, ComponentError};
use crate::journal;
use crate::layout::{self, Origin, Request, SharedObject, Use};
use crate::memory::{Placement, Pool};
use crate::modules::{Modules, SYSTEM};
use crate::objects::{Failed, Made, Objects, shared_objects, take, to};
use crate::own;
use crate::plan::{Plan, address_space_bits};
use crate::program::Program;
use crate::window::Window;
use alloc::vec::Vec;
use pagurus_abi::boot::BootInfo;
use pagurus_abi::{Kind, Rights};
use pagurus_capdl_image::{Cap as WantedCap, Component, Image, ObjectKind, Service, Target};
use pagurus_protocol::root::{BELL, ComponentState};
use pagurus_protocol::slots;
use pagurus_rt::Cap;
use pagurus_rt::object::{CNode, Endpoint, Mint, Notification, Reply, Thread, Untyped};
use pagurus_rt::slots::SlotAllocator;

/// What can run of a component: its checked program and what it consists of.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Its program.
    pub program: Program,
    /// Its objects.
    pub plan: Plan,
    /// Root's slot with its lease.
    pub lease: Cap<Untyped>,
}

/// A component as root keeps it.
#[derive(Clone, Debug)]
pub struct Member {
    /// Identifier.
    pub id: u16,
    /// What can run of it, if anything can.
    pub prepared: Option<Prepared>,
    /// What it is made of, while it exists.
    pub running: Option<Running>,
    /// What stays when it is started again.
    pub attachments: Attachments,
    /// What it is doing.
    pub state: ComponentState,
    /// How many times it was started again, for whatever reason.
    pub restarts: u64,
    /// How many times it was started again after it had failed.
    pub failures: u32,
}

/// The whole system.
pub struct System {
    /// What the kernel found.
    pub boot: &'static BootInfo,
    /// The description.
    pub image: Image<'static>,
    /// The components by identifier less 1.
    pub members: Vec<Member>,
    /// The objects that belong to no single component.
    pub objects: Objects,
    /// Root's empty slots.
    pub slots: SlotAllocator,
    /// Memory that nothing was planned for.
    pub pool: Pool,
    /// Bytes of the memory of shared objects.
    pub shared_bytes: u64,
    /// The component that takes root's lines to the log, and the notification that tells it to.
    pub collector: Option<(u16, Cap<Notification>)>,
    /// Where root receives requests and faults.
    pub endpoint: Cap<Endpoint>,
    /// By which root answers.
    pub reply: Cap<Reply>,
    /// Time stamp counter when all components were started; 0 before.
    pub started_ticks: u64,
    /// What the last audit found.
    pub findings: Vec<Finding>,
    window: Window,
}

impl System {
    /// Reads the description, checks the programs, plans the memory and makes the shared objects.
    ///
    /// # Errors
    /// What keeps every system from being built; what is wrong with one component is logged and shows in its state.
    pub fn prepare(boot: &'static BootInfo) -> Result<System, BootError> {
        let mut window = Window::new(own::SPACE);
        let modules = Modules(boot.modules());
        let module = modules.find(SYSTEM).ok_or(BootError::NoSystem)?;
        let bytes = window.keep_image(&module).map_err(BootError::Unreadable)?;
        let image = Image::parse(bytes).map_err(BootError::Image)?;
        let end = 1u32.checked_shl(boot.cnode_bits).unwrap_or(0);
        let mut system = System {
            boot,
            image,
            members: Vec::new(),
            objects: Objects::new(&image),
            slots: SlotAllocator::new(boot.first_free_slot, end),
            pool: Pool::new(boot.untyped()),
            shared_bytes: 0,
            collector: None,
            endpoint: Cap::new(0),
            reply: Cap::new(0),
            started_ticks: 0,
            findings: Vec::new(),
            window,
        };
        let plans = system.check_programs(&modules);
        let leases = system.plan_memory(&plans)?;
        for ((component, plan), lease) in image.components().zip(plans).zip(leases) {
            let prepared = plan.zip(lease).map(|((program, plan), lease)| Prepared {
                program,
                plan,
                lease,
            });
            system.members.push(Member {
                id: component.id,
                state: match prepared {
                    Some(_) => ComponentState::Absent,
                    None => ComponentState::Failed,
                },
                prepared,
                running: None,
                attachments: Attachments::default(),
                restarts: 0,
                failures: 0,
            });
        }
        Ok(system)
    }

    /// Program and plan of each component, by identifier.
    fn check_programs(&mut self, modules: &Modules<'_>) -> Vec<Option<(Program, Plan)>> {
        let image = self.image;
        image
            .components()
            .map(|component| match self.check_program(&component, modules) {
                Ok(found) => Some(found),
                Err(error) => {
                    log::error!("component `{}` will not run: {error}", component.name);
                    None
                }
            })
            .collect()
    }

    fn check_program(
        &mut self,
        component: &Component<'_>,
        modules: &Modules<'_>,
    ) -> Result<(Program, Plan), ComponentError> {
        let module = modules
            .find(component.binary)
            .ok_or(ComponentError::NoModule)?;
        let program = self
            .window
            .with_program(&module, |_, file| Program::parse(file, component.image))
            .map_err(to("map the program"))?
            .map_err(ComponentError::Program)?;
        let reply = component.caps().find(|c| c.target == Target::OwnReply);
        let mut info = component.info();
        let mapped = modules.mapped(&self.image, component).map(|m| m.bytes);
        info.address_space_bits =
            address_space_bits(info.address_space_bits, mapped).map_err(ComponentError::Size)?;
        let plan =
            Plan::new(&info, &program, reply.map(|c| c.slot)).map_err(ComponentError::Size)?;
        Ok((program, plan))
    }

    /// Divides the memory, makes the shared objects, and returns the leases by identifier.
    fn plan_memory(
        &mut self,
        plans: &[Option<(Program, Plan)>],
    ) -> Result<Vec<Option<Cap<Untyped>>>, BootError> {
        let own_objects = self.own_objects();
        let described = shared_objects(&self.image, self.boot.cpu_count);
        let (shared, request) = layout::shared(described.chain(own_objects));
        let mut requests: Vec<Request> = request.into_iter().collect();
        for (i, plan) in plans.iter().enumerate() {
            requests.extend(plan.as_ref().map(|(_, plan)| Request {
                bits: plan.lease_bits,
                purpose: Use::Lease(i),
            }));
        }
        for object in self.image.objects() {
            if let Origin::Own(request) = layout::origin(&object) {
                requests.push(request);
            }
        }
        let placed = layout::place(&mut self.pool, requests).map_err(BootError::Memory)?;
        let mut leases = alloc::vec![None; plans.len()];
        self.make_blocks(&placed, &shared, &mut leases)
            .and_then(|()| self.make_others())
            .map_err(BootError::Kernel)?;
        Ok(leases)
    }

    /// Root's own objects: its Reply, and its endpoint if the description names none.
    fn own_objects(&self) -> impl Iterator<Item = SharedObject> + use<> {
        let endpoint = match self.image.service(Service::Parent) {
            Some(_) => None,
            None => Some(Kind::Endpoint),
        };
        let kinds = [Some(Kind::Reply), endpoint];
        kinds.into_iter().flatten().map(|kind| SharedObject {
            object: None,
            kind,
            size_bits: 0,
        })
    }

    fn make_blocks(
        &mut self,
        placed: &[(Placement, Use)],
        shared: &[SharedObject],
        leases: &mut [Option<Cap<Untyped>>],
    ) -> Result<(), Failed> {
        for (placement, purpose) in placed {
            let slot = take(&mut self.slots)?;
            let kind = match purpose {
                Use::Frame(_) => Kind::Frame,
                _ => Kind::Untyped,
            };
            Cap::<Untyped>::new(placement.from)
                .retype(kind, placement.size_bits, own::at(slot), 1)
                .map_err(to("divide the memory"))?;
            match purpose {
                Use::Lease(i) => leases[*i] = Some(Cap::new(slot)),
                Use::Shared => {
                    self.shared_bytes += 1 << placement.size_bits;
                    self.make_shared(Cap::new(slot), shared)?;
                }
                Use::Frame(index) => {
                    self.shared_bytes += 1 << placement.size_bits;
                    self.objects.set(*index, Made::Original(slot));
                }
                Use::Untyped(index) => {
                    let piece = Vec::from([(slot, placement.size_bits)]);
                    self.objects.set(*index, Made::Untyped(piece));
                }
            }
        }
        Ok(())
    }

    fn make_shared(&mut self, from: Cap<Untyped>, shared: &[SharedObject]) -> Result<(), Failed> {
        let own = self.objects.make_shared(from, shared, &mut self.slots)?;
        let kinds = shared.iter().filter(|o| o.object.is_none()).map(|o| o.kind);
        for (slot, kind) in own.into_iter().zip(kinds) {
            match kind {
                Kind::Reply => self.reply = Cap::new(slot),
                _ => self.endpoint = Cap::new(slot),
            }
        }
        if let Some(index) = self.image.service(Service::Parent)
            && let Some(slot) = self.objects.original(index)
        {
            self.endpoint = Cap::new(slot);
        }
        Ok(())
    }

    fn make_others(&mut self) -> Result<(), Failed> {
        let (image, boot) = (self.image, self.boot);
        self.objects.make_devices(&image, boot, &mut self.slots)?;
        self.objects.make_control(&image, boot, &mut self.slots)?;
        self.find_collector()?;
        for object in image.objects() {
            if object.kind == ObjectKind::UntypedRest {
                let pieces = self.pool.rest(slots_for(&image, object.index));
                self.objects
                    .make_rest(object.index, &pieces, &mut self.slots)?;
            }
        }
        Ok(())
    }

    /// Finds the component that serves the log and may ask root for its lines, and derives the notification that
    /// tells it to.
    fn find_collector(&mut self) -> Result<(), Failed> {
        let image = self.image;
        let Some(log) = image.service(Service::Log) else {
            return Ok(());
        };
        let serves = |cap: &WantedCap<'_>| {
            cap.target == Target::Object(log) && cap.rights.contains(Rights::READ)
        };
        let collector = image.components().find(|component| {
            component.caps().any(|cap| serves(&cap))
                && component.caps().any(|cap| cap.slot == slots::PARENT)
        });
        if let Some(component) = collector
            && let Some(notification) = component.notification
            && let Some(original) = self.objects.original(notification)
        {
            let slot = take(&mut self.slots)?;
            own::CNODE
                .mint(slot, own::at(original), Rights::WRITE, Mint::Badge(BELL))
                .map_err(to("derive the log collector's bell"))?;
            self.collector = Some((component.id, Cap::new(slot)));
        }
        Ok(())
    }

    /// Leaves root's lines to the log collector if it runs, else to the kernel's console.
    pub fn ring_at_collector(&self) {
        let runs = |id: u16| {
            let state = self.member(id).map(|member| member.state);
            state == Some(ComponentState::Running)
        };
        let bell = self.collector.filter(|(id, _)| runs(*id));
        journal::set_bell(bell.map(|(_, bell)| bell));
    }

    /// Makes all components, then starts them in the order of the description.
    pub fn start_all(&mut self) {
        let image = self.image;
        for component in image.start_order() {
            if let Err(error) = self.build(component.id) {
                log::error!("component `{}` will not run: {error}", component.name);
            }
        }
        for component in image.start_order() {
            if let Err(error) = self.start(component.id) {
                log::error!("component `{}` does not start: {error}", component.name);
            }
        }
        self.started_ticks = pagurus_rt::time::ticks();
    }

    /// The component with this identifier.
    pub fn member(&self, id: u16) -> Option<&Member> {
        self.members.get(usize::from(id).checked_sub(1)?)
    }

    /// The component with this identifier, to change it.
    pub fn member_mut(&mut self, id: u16) -> Option<&mut Member> {
        self.members.get_mut(usize::from(id).checked_sub(1)?)
    }

    /// Makes the component from its lease. Does nothing for one that cannot run.
    ///
    /// # Errors
    /// What failed; the component's state tells it too.
    pub fn build(&mut self, id: u16) -> Result<(), ComponentError> {
        let component = self.image.component(id).ok_or(ComponentError::NoModule)?;
        let System {
            boot,
            image,
            members,
            objects,
            slots,
            window,
            ..
        } = self;
        let Some(member) = members.get_mut(usize::from(id) - 1) else {
            return Err(ComponentError::NoModule);
        };
        let Some(prepared) = &member.prepared else {
            return Ok(());
        };
        let module = Modules(boot.modules())
            .find(component.binary)
            .ok_or(ComponentError::NoModule)?;
        let mut builder = Builder {
            image,
            boot,
            objects,
            slots,
        };
        let built = window.with_program(&module, |filler, file| {
            let blueprint = Blueprint {
                component: &component,
                plan: &prepared.plan,
                program: &prepared.program,
                file,
                lease: prepared.lease,
                restarts: member.restarts,
            };
            builder.build(&blueprint, &mut member.attachments, filler)
        });
        match built.map_err(to("map the program")).and_then(|b| b) {
            Ok(running) => {
                member.running = Some(running);
                Ok(())
            }
            Err(failed) => {
                member.state = ComponentState::Failed;
                Err(failed.into())
            }
        }
    }

    /// Lets a component that was built run.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn start(&mut self, id: u16) -> Result<(), ComponentError> {
        let Some(member) = self.member_mut(id) else {
            return Ok(());
        };
        let (Some(prepared), Some(running)) = (&member.prepared, &member.running) else {
            return Ok(());
        };
        match start(&prepared.plan, &prepared.program, running) {
            Ok(()) => {
                member.state = ComponentState::Running;
                Ok(())
            }
            Err(failed) => {
                member.state = ComponentState::Failed;
                Err(failed.into())
            }
        }
    }

    /// Ends a component: its lease is empty afterwards.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn end(&mut self, id: u16) -> Result<(), ComponentError> {
        let System {
            boot,
            image,
            members,
            objects,
            slots,
            ..
        } = self;
        let Some(member) = usize::from(id)
            .checked_sub(1)
            .and_then(|i| members.get_mut(i))
        else {
            return Ok(());
        };
        if let (Some(prepared), Some(running)) = (&member.prepared, member.running.take()) {
            let mut builder = Builder {
                image,
                boot,
                objects,
                slots,
            };
            builder.take_apart(prepared.lease, running)?;
        }
        Ok(())
    }

    /// Ends a component and starts it again from its program.
    ///
    /// # Errors
    /// What failed.
    pub fn restart(&mut self, id: u16) -> Result<(), ComponentError> {
        self.end(id)?;
        if let Some(member) = self.member_mut(id) {
            member.restarts += 1;
        }
        self.build(id)?;
        self.start(id)
    }

    /// The capability space of a component, while it exists; root's own for identifier 0.
    pub fn cnode(&self, id: u16) -> Option<Cap<CNode>> {
        if id == 0 {
            return Some(own::CNODE);
        }
        let member = self.member(id)?;
        let plan = &member.prepared.as_ref()?.plan;
        member.running.as_ref()?.cnode(plan)
    }

    /// The first thread of a component, while it exists.
    pub fn thread(&self, id: u16) -> Option<Cap<Thread>> {
        let member = self.member(id)?;
        let plan = &member.prepared.as_ref()?.plan;
        member.running.as_ref()?.thread(plan)
    }
}

/// Slots that components have for the pieces of object `index`.
fn slots_for(image: &Image<'_>, index: u32) -> usize {
    image
        .components()
        .flat_map(|component| component.caps())
        .filter(|cap| cap.target == Target::Object(index))
        .map(|cap| cap.count as usize)
        .sum()
}
