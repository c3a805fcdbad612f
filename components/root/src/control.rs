//! Answers to those who hold a capability to root's endpoint: the operator's console.

use crate::journal;
use crate::own;
use crate::system::System;
use alloc::vec::Vec;
use pagurus_abi::Kind;
use pagurus_abi::boot::{ROOT_MEMORY_BITS, slot};
use pagurus_protocol::name::Name;
use pagurus_protocol::root::{
    Audit, AuditLine, AuditText, BADGE_CONTROL, Capabilities, CapabilityPage, CapabilityRow, Check,
    CheckResult, Component, ComponentInfo, ComponentState, FindComponent, Memory, MemorySummary,
    PROTOCOL, ROOT_NAME, ROWS_PER_PAGE, Restart, Shutdown, System as SystemAsk, SystemInfo,
    TakeLines, Taken,
};
use pagurus_protocol::wire::{Request, tail_room};
use pagurus_protocol::{Empty, Failure, Reason};
use pagurus_rt::Cap;
use pagurus_rt::object::{SchedContext, Thread};
use pagurus_rt::server::{Incoming, Server};
use zerocopy::IntoBytes;

impl System {
    /// Answers a request. Returns whether the sender is gone (it asked to be started again itself).
    pub fn request(&mut self, server: &mut Server, request: &Incoming<'_>) -> bool {
        if request.number().0 != PROTOCOL {
            server.refuse(Reason::UnknownRequest);
            return false;
        }
        match request.number().1 {
            SystemAsk::NUMBER => {
                let answer = request
                    .parse::<SystemAsk>()
                    .and_then(|_| self.system_info());
                let line = self.boot.command_line().as_bytes();
                server.answer_with(answer, line, &[]);
            }
            Component::NUMBER => {
                let answer = request.parse::<Component>().and_then(|(r, _)| {
                    let id = u16::try_from(r.index).map_err(|_| Reason::NotFound)?;
                    self.component_info(id)
                });
                server.answer(answer);
            }
            FindComponent::NUMBER => {
                let answer = request.parse::<FindComponent>().and_then(|(_, name)| {
                    let name = core::str::from_utf8(name).map_err(|_| Reason::Malformed)?;
                    self.component_info(self.find(name)?)
                });
                server.answer(answer);
            }
            Capabilities::NUMBER => {
                let page = request
                    .parse::<Capabilities>()
                    .and_then(|(r, _)| self.capabilities(r));
                match page {
                    Ok((page, rows)) => {
                        server.answer_with(Ok(page), rows.as_slice().as_bytes(), &[]);
                    }
                    Err(failure) => server.refuse(failure),
                }
            }
            Memory::NUMBER => {
                let answer = request.parse::<Memory>().map(|_| self.memory());
                server.answer(answer);
            }
            Check::NUMBER => {
                let answer = request.parse::<Check>().and_then(|_| {
                    let found = own::KERNEL.check()?;
                    Ok(CheckResult {
                        capabilities: found.capabilities,
                        broken: found.broken,
                        place: found.place,
                    })
                });
                server.answer(answer);
            }
            Audit::NUMBER => {
                let answer = request.parse::<Audit>().and_then(|_| self.audit());
                server.answer(answer);
            }
            AuditLine::NUMBER => {
                let found = request.parse::<AuditLine>().and_then(|(r, _)| {
                    let index = usize::try_from(r.index).map_err(|_| Reason::NotFound)?;
                    Ok(self.findings.get(index).ok_or(Reason::NotFound)?)
                });
                match found {
                    Ok(finding) => {
                        let room = tail_room::<AuditText>();
                        let text = &finding.text[..finding.text.floor_char_boundary(room)];
                        let body = AuditText {
                            component: finding.component.into(),
                            slot: finding.slot,
                        };
                        server.answer_with(Ok(body), text.as_bytes(), &[]);
                    }
                    Err(failure) => server.refuse(failure),
                }
            }
            TakeLines::NUMBER => {
                let asks = u16::try_from(request.badge & 0xffff_ffff).ok();
                if self.collector.map(|(id, _)| id) != asks {
                    server.refuse(Reason::Denied);
                    return false;
                }
                let mut lines = [0; tail_room::<Taken>()];
                let (taken, used) = journal::take(&mut lines);
                let answer = request.parse::<TakeLines>().map(|_| taken);
                server.answer_with(answer, &lines[..used], &[]);
            }
            Restart::NUMBER | Shutdown::NUMBER if request.badge & BADGE_CONTROL == 0 => {
                server.refuse(Reason::Denied);
            }
            Restart::NUMBER => match request.parse::<Restart>() {
                Ok((r, _)) => return self.order_restart(server, r.component, request.badge),
                Err(failure) => server.refuse(failure),
            },
            Shutdown::NUMBER => match request.parse::<Shutdown>() {
                Ok((r, _)) => {
                    // Returns only if the kernel refuses.
                    let error = own::KERNEL.halt(r.code);
                    server.refuse(error);
                }
                Err(failure) => server.refuse(failure),
            },
            _ => server.refuse(Reason::UnknownRequest),
        }
        false
    }

    fn order_restart(&mut self, server: &mut Server, component: u64, sender: u64) -> bool {
        let id = u16::try_from(component).unwrap_or(0);
        let Some(member) = self.member(id) else {
            server.refuse(Reason::NotFound);
            return false;
        };
        if member.prepared.is_none() {
            server.refuse(Reason::Unavailable);
            return false;
        }
        let itself = u32::from(id) == sender as u32;
        match self.restart(id) {
            Ok(()) if itself => return true,
            Ok(()) => server.answer(Ok(Empty)),
            Err(error) => {
                let name = self.image.component(id).map_or("?", |c| c.name);
                log::error!("component `{name}` cannot be started again: {error}");
                server.refuse(Reason::Unavailable);
            }
        }
        false
    }

    fn system_info(&self) -> Result<SystemInfo, Failure> {
        let stats = own::KERNEL.stats()?;
        Ok(SystemInfo {
            uptime_ns: stats.uptime_ns,
            tsc_khz: stats.tsc_khz,
            system_calls: stats.system_calls,
            interrupts: stats.interrupts,
            cpus: self.boot.cpu_count,
            components: self.members.len() as u32,
            modules: self.boot.modules().len() as u32,
            serial_port: self.boot.serial_port,
            framebuffer: self.boot.framebuffer.address,
            started_ticks: self.started_ticks,
        })
    }

    fn find(&self, name: &str) -> Result<u16, Failure> {
        if name == ROOT_NAME {
            return Ok(0);
        }
        let component = self.image.component_named(name).ok_or(Reason::NotFound)?;
        Ok(component.id)
    }

    fn component_info(&self, id: u16) -> Result<ComponentInfo, Failure> {
        if id == 0 {
            return Ok(self.root_info());
        }
        let component = self.image.component(id).ok_or(Reason::NotFound)?;
        let member = self.member(id).ok_or(Reason::NotFound)?;
        let mut info = ComponentInfo {
            id: id.into(),
            state: member.state as u8,
            name: Name::new(component.name),
            restarts: member.restarts,
            ..ComponentInfo::default()
        };
        if let Some(time) = component.time {
            info.priority = time.priority;
            info.cpu = (u32::from(time.cpu) % self.boot.cpu_count.max(1)) as u8;
        }
        if let Some(prepared) = &member.prepared {
            info.memory_bytes = 1 << prepared.plan.lease_bits;
        }
        if let Some(thread) = self.thread(id) {
            let now = thread.info()?;
            info.thread_state = now.state.map_or(0, |s| s as u8);
            info.cpu_ns = now.used_ns;
        }
        Ok(info)
    }

    fn root_info(&self) -> ComponentInfo {
        let thread = Cap::<Thread>::new(slot::THREAD);
        let time = Cap::<SchedContext>::new(slot::SCHED_CONTEXT);
        let mut info = ComponentInfo {
            state: ComponentState::Running as u8,
            name: Name::new(ROOT_NAME),
            memory_bytes: 1 << ROOT_MEMORY_BITS,
            ..ComponentInfo::default()
        };
        if let Ok(now) = thread.info() {
            info.thread_state = now.state.map_or(0, |s| s as u8);
            info.cpu_ns = now.used_ns;
        }
        if let Ok(time) = time.info() {
            info.priority = time.priority;
            info.cpu = time.cpu;
        }
        info
    }

    fn capabilities(
        &self,
        ask: Capabilities,
    ) -> Result<(CapabilityPage, Vec<CapabilityRow>), Failure> {
        let id = u16::try_from(ask.component).map_err(|_| Reason::NotFound)?;
        let cnode = self.cnode(id).ok_or(Reason::NotFound)?;
        let slots = u32::try_from(cnode.size()?).map_err(|_| Reason::InvalidArgument)?;
        let mut rows = Vec::with_capacity(ROWS_PER_PAGE);
        // Slot 0 is no slot.
        let mut next = ask.first.max(1);
        while next < slots && rows.len() < ROWS_PER_PAGE {
            let found = cnode.inspect(next)?;
            if found.info.kind() != Some(Kind::Empty) {
                rows.push(CapabilityRow {
                    info: found.info.0,
                    object: found.object,
                    badge: found.badge,
                    mapping: found.mapping,
                    slot: next,
                    reserved: 0,
                });
            }
            next += 1;
        }
        let page = CapabilityPage {
            next: next.min(slots),
            slots,
            count: rows.len() as u64,
        };
        Ok((page, rows))
    }

    fn memory(&self) -> MemorySummary {
        let (total, free) = self.pool.totals();
        let leased = self
            .members
            .iter()
            .filter_map(|m| m.prepared.as_ref())
            .map(|p| 1u64 << p.plan.lease_bits)
            .sum();
        let device = self
            .boot
            .untyped()
            .iter()
            .filter(|u| u.device == 1 && u.size_bits < 64)
            .map(|u| 1u64 << u.size_bits)
            .sum();
        MemorySummary {
            total,
            leased,
            shared: self.shared_bytes,
            free,
            largest_free: self.pool.largest_free(),
            modules: crate::modules::Modules(self.boot.modules()).bytes(),
            device,
        }
    }
}
