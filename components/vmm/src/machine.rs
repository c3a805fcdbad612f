//! What a virtual machine consists of: objects made from the component's own memory.
#![allow(unsafe_code)] // the page shared with the kernel

use crate::ram::Ram;
use pagurus_abi::layout::PAGE_SIZE;
use pagurus_abi::method::CacheMode;
use pagurus_abi::vcpu::VcpuPage;
use pagurus_abi::{Error, Rights};
use pagurus_rt::object::{
    AddressSpace, CNode, Frame, GuestSpace, Mapping, Mint, Notification, Object, Thread, Timer,
    Untyped, Vcpu,
};
use pagurus_rt::slots::SlotAllocator;
use pagurus_rt::{Cap, Slot};

/// Where the guest's RAM is mapped for us.
const WINDOW: u64 = 0x4000_0000_0000;
/// Where the virtual processor's page is.
const PAGE: u64 = 0x3fff_0000_0000;
/// log2 of the bytes for nested page tables.
const TABLE_BITS: u8 = 20;
/// The signal of our timer. The others are what the system's description says.
pub const TIMER: u64 = 1;

/// What we were given.
pub struct Own {
    /// Our capability space.
    pub cnode: Cap<CNode>,
    /// Our address space.
    pub space: Cap<AddressSpace>,
    /// Our thread.
    pub thread: Cap<Thread>,
    /// The notification that is bound to our thread.
    pub bell: Cap<Notification>,
    /// Memory for the machine.
    pub memory: Cap<Untyped>,
    /// Empty slots.
    pub slots: SlotAllocator,
}

/// The machine.
pub struct Machine {
    /// The guest's RAM.
    pub ram: Ram,
    /// Signals for us end the guest's run.
    pub bell: Cap<Notification>,
    /// Our timer.
    pub timer: Cap<Timer>,
    /// The virtual processor.
    pub vcpu: Cap<Vcpu>,
    page: u64,
}

impl Own {
    fn slot(&mut self) -> Result<Slot, Error> {
        let index = self.slots.take().ok_or(Error::InvalidIndex)?;
        Ok(Slot::new(self.cnode, index))
    }

    fn make<T: Object>(&mut self, size_bits: u8) -> Result<Cap<T>, Error> {
        let slot = self.slot()?;
        self.memory.make::<T>(slot, size_bits)?;
        Ok(Cap::new(slot.index))
    }

    fn copy<T>(&mut self, cap: Cap<T>, rights: Rights, what: Mint) -> Result<Cap<T>, Error> {
        let slot = self.slot()?;
        let from = Slot::new(self.cnode, cap.index());
        self.cnode.mint(slot.index, from, rights, what)?;
        Ok(Cap::new(slot.index))
    }

    /// Makes a machine with `2^ram_bits` bytes of RAM, whose processor this thread runs.
    ///
    /// # Errors
    /// There is not enough memory, or the machine runs no guests.
    pub fn machine(&mut self, ram_bits: u8) -> Result<Machine, Error> {
        // The largest first: what is left fits behind.
        let ram = self.make::<Frame>(ram_bits)?;
        let space = self.make::<GuestSpace>(TABLE_BITS)?;
        let vcpu = self.make::<Vcpu>(0)?;
        let page = self.make::<Frame>(12)?;
        let timer = self.make::<Timer>(0)?;

        let whole = |address, size_bits: u8, rights| Mapping {
            address,
            offset: 0,
            length: 1 << size_bits,
            rights,
            cache: CacheMode::Default,
        };
        let seen = self.copy(ram, Rights::RW, Mint::Plain)?;
        seen.map(self.space, whole(WINDOW, ram_bits, Rights::RW))?;
        ram.map_guest(space, whole(0, ram_bits, Rights::RW | Rights::EXECUTE))?;
        let shown = self.copy(page, Rights::RW, Mint::Plain)?;
        shown.map(self.space, whole(PAGE, 12, Rights::RW))?;

        vcpu.bind_page(page)?;
        vcpu.bind_space(space)?;
        let rings = self.copy(self.bell, Rights::WRITE, Mint::Badge(TIMER))?;
        timer.bind(rings)?;
        self.thread.bind_vcpu(vcpu)?;
        Ok(Machine {
            // SAFETY: mapped just now, and never unmapped.
            ram: unsafe { Ram::new(WINDOW, 1 << ram_bits) },
            bell: self.bell,
            timer,
            vcpu,
            page: PAGE,
        })
    }
}

impl Machine {
    /// The page that the kernel shares with us.
    pub fn page(&mut self) -> &mut VcpuPage {
        const { assert!(size_of::<VcpuPage>() <= PAGE_SIZE) };
        // SAFETY: mapped for ever. The kernel writes it only in system calls of this thread, over which no reference is kept:
        // they need the machine too.
        unsafe { &mut *core::ptr::with_exposed_provenance_mut(self.page as usize) }
    }

    /// The page and the RAM.
    pub fn parts(&mut self) -> (&mut VcpuPage, &mut Ram) {
        let page = self.page;
        // SAFETY: as in `page`.
        let page = unsafe { &mut *core::ptr::with_exposed_provenance_mut(page as usize) };
        (page, &mut self.ram)
    }
}
