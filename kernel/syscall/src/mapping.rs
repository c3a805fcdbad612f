//! Mapping and unmapping, in steps.
//!
//! The capability's slot records what is mapped and how far a `map` has come, so that either operation can stop at a
//! preemption point, and deleting the capability at any moment removes what is there.

use crate::asid::AddressSpace;
use crate::dispatch::Completion;
use crate::kernel::Kernel;
use crate::machine::{Machine, Nested};
use pagurus_abi::method::CacheMode;
use pagurus_abi::{Error, Kind, Rights};
use pagurus_cap::{Finalised, Mapping, SlotId, Slots};
use pagurus_paging::{Ept, Flush, Host, Npt, PageSize, Region, Tables, Translation};

/// Page-table entries written from one preemption point to the next.
const STEP: usize = 512;
const PAGE_BITS: u32 = 12;

/// A checked request.
#[derive(Clone, Copy)]
pub(crate) struct MapRequest {
    pub asid: u16,
    pub virt: u64,
    pub offset: u64,
    pub length: u64,
    pub perms: Rights,
    pub cache: CacheMode,
}

/// Evaluates an expression with `F` the type of the format.
macro_rules! in_format {
    ($nested:expr, $format:ident => $body:block) => {
        match $nested {
            None => {
                type $format = Host;
                $body
            }
            Some(Nested::Npt) => {
                type $format = Npt;
                $body
            }
            Some(Nested::Ept) => {
                type $format = Ept;
                $body
            }
        }
    };
}

impl<M: Machine> Kernel<M> {
    fn largest_page(&self) -> PageSize {
        if self.machine.huge_pages() {
            PageSize::Size1G
        } else {
            PageSize::Size2M
        }
    }

    /// What `virt` is mapped to in `space`.
    pub(crate) fn translate(&self, space: &AddressSpace, virt: u64) -> Option<Translation> {
        in_format!(space.nested, F => {
            Tables::<F>::new(space.root, PageSize::Size1G).translate(&self.machine, virt)
        })
    }

    fn physical_of(&self, at: SlotId) -> u64 {
        let slot = self.slot(at);
        match slot.kind {
            Kind::Frame => slot.object as u64,
            _ => self.machine.physical(slot.object),
        }
    }

    /// Maps the memory of the capability in `at`, or goes on doing so.
    pub(crate) fn map(&mut self, at: SlotId, r: &MapRequest) -> Result<Completion, Error> {
        let space = self.asids.get(r.asid).ok_or(Error::TableFull)?;
        let (root, nested, generation) = (space.root, space.nested, space.generation);
        let largest = self.largest_page();
        let mut record = Mapping {
            asid: r.asid,
            generation,
            virt: r.virt,
            offset_pages: u32::try_from(r.offset >> PAGE_BITS)
                .map_err(|_| Error::InvalidArgument)?,
            pages: u32::try_from(r.length >> PAGE_BITS).map_err(|_| Error::InvalidArgument)?,
            done: 0,
        };
        if let Some(old) = self.slot(at).mapping() {
            if self.asids.current(old.asid, old.generation).is_none() {
                // Nothing is left of a mapping whose address space is gone.
                self.forget(at);
            } else if self.slot(at).level != 0 {
                return self.undo(at);
            } else if (Mapping { done: 0, ..old }) != record || old.done == old.pages {
                return Err(Error::AlreadyMapped);
            } else {
                record = old;
            }
        }
        let mapping = pagurus_paging::Mapping {
            virt: r.virt,
            phys: self.physical_of(at) + r.offset,
            length: r.length,
            perms: r.perms,
            cache: r.cache,
        };
        loop {
            let Some(space) = self.asids.get_mut(r.asid) else {
                return Err(Error::TableFull);
            };
            let done = (record.done as u64) << PAGE_BITS;
            let machine = &mut self.machine;
            let step = in_format!(nested, F => {
                Tables::<F>::new(root, largest).map(machine, &mut space.pool, &mapping, done, STEP)
            });
            match step {
                Ok(progress) => {
                    record.done = (progress.done >> PAGE_BITS) as u32;
                    self.slot_mut(at).set_mapping(Some(record));
                    if progress.complete {
                        return Ok(Completion::OK);
                    }
                }
                Err(failure) => {
                    record.done = (failure.done >> PAGE_BITS) as u32;
                    let slot = self.slot_mut(at);
                    slot.set_mapping(Some(record));
                    slot.level = Error::from(failure.error) as u32 as u8;
                    return self.undo(at);
                }
            }
            if self.machine.interrupt_waits() {
                return Ok(Completion::Restart);
            }
        }
    }

    /// A `map` failed: removes what it had mapped, then reports the error that the slot keeps.
    fn undo(&mut self, at: SlotId) -> Result<Completion, Error> {
        let code = self.slot(at).level as u32;
        while self.unmap_step(at) == Finalised::Again {
            if self.machine.interrupt_waits() {
                return Ok(Completion::Restart);
            }
        }
        Err(Error::from_u32(code).unwrap_or(Error::AlreadyMapped))
    }

    /// Removes the next piece of the mapping of the capability in `at`, which has one.
    pub(crate) fn unmap_step(&mut self, at: SlotId) -> Finalised {
        let Some(mut record) = self.slot(at).mapping() else {
            return Finalised::Done;
        };
        let mapped = (record.done as u64) << PAGE_BITS;
        let Some(space) = self.asids.current(record.asid, record.generation) else {
            self.forget(at);
            return Finalised::Done;
        };
        if mapped == 0 {
            self.forget(at);
            return Finalised::Done;
        }
        let (root, nested) = (space.root, space.nested);
        let largest = self.largest_page();
        let Some(space) = self.asids.get_mut(record.asid) else {
            return Finalised::Done;
        };
        let region = Region {
            virt: record.virt,
            length: mapped,
        };
        let machine = &mut self.machine;
        let step = in_format!(nested, F => {
            Tables::<F>::new(root, largest).unmap(machine, &mut space.pool, region, 0, STEP)
        });
        let (done, flush) = match step {
            Ok(p) => (p.done, p.flush),
            // What was mapped by this record cannot straddle its edges; give up rather than go round for ever.
            Err(f) => (mapped, f.flush.max(Flush::All)),
        };
        if flush != Flush::None {
            self.shoot_down(record.asid, record.virt, done);
        }
        if done == mapped {
            self.forget(at);
            return Finalised::Done;
        }
        let pages = (done >> PAGE_BITS) as u32;
        record.virt += done;
        record.offset_pages += pages;
        record.pages -= pages;
        record.done -= pages;
        self.slot_mut(at).set_mapping(Some(record));
        Finalised::Again
    }

    fn forget(&mut self, at: SlotId) {
        let slot = self.slot_mut(at);
        slot.set_mapping(None);
        slot.level = 0;
    }

    /// Makes every processor forget translations of an address space.
    fn shoot_down(&mut self, asid: u16, virt: u64, bytes: u64) {
        if let Some(space) = self.asids.get_mut(asid)
            && space.nested.is_some()
        {
            space.version += 1;
            self.leave_guests(asid);
            return;
        }
        let here = self.here;
        let others = self
            .online_cpus()
            .filter(|n| *n != here && self.cpus[*n].asid == asid)
            .fold(0, |mask, n| mask | 1 << n);
        if others != 0 {
            self.machine.synchronise(others);
        }
        if self.cpus[self.here].asid == asid {
            self.machine.flush_local(virt, bytes);
        }
    }

    /// No processor uses the address space any more, nor its tables.
    pub(crate) fn abandon(&mut self, asid: u16) {
        self.leave_guests(asid);
        let mut users = 0;
        for n in self.online_cpus() {
            let cpu = &mut self.cpus[n];
            if cpu.asid == asid {
                cpu.asid = 0;
                users |= 1 << n;
            }
        }
        if users != 0 {
            self.machine.synchronise(users);
        }
    }
}
