//! A small virtual machine for tests: one virtual processor that begins in real mode at address 0 of its memory.
#![allow(unsafe_code)] // the page shared with the kernel, memory shared with the guest

use crate::report::Failure;
use crate::world::{CNODE, SPACE, World, whole};
use pagurus_rt::Cap;
use pagurus_rt::abi::vcpu::{ExitKind, Groups, Segment, VcpuPage, segment};
use pagurus_rt::abi::{Error, Rights};
use pagurus_rt::object::{Frame, GuestSpace, Mint, Notification, Thread, Vcpu, run};

/// log2 of the guest's memory.
pub const RAM_BITS: u8 = 16;

/// The machine, as whoever runs it sees it. It can be handed to another thread whole.
pub struct Guest {
    /// Its processor.
    pub vcpu: Cap<Vcpu>,
    /// Its memory.
    pub space: Cap<GuestSpace>,
    /// The memory's frame, mapped at 0.
    pub ram: Cap<Frame>,
    /// Where this program sees the memory.
    pub window: u64,
    page: u64,
}

impl Guest {
    /// A guest with `code` at address 0 of its memory, about to execute it; `None` on a machine that runs no guests.
    pub fn new(w: &mut World, code: &[u8]) -> Result<Option<Guest>, Failure> {
        let vcpu = match w.make::<Vcpu>() {
            Err(Error::Unsupported) => return Ok(None),
            other => other?,
        };
        let space = w.make_sized::<GuestSpace>(15)?;
        let (frame, page) = w.mapped(12)?;
        vcpu.bind_page(frame)?;
        vcpu.bind_space(space)?;
        let ram = w.make_sized::<Frame>(RAM_BITS)?;
        let seen = w.slot();
        CNODE.mint(seen, World::at(ram.index()), Rights::RW, Mint::Plain)?;
        let window = w.address(1 << RAM_BITS);
        Cap::<Frame>::new(seen).map(SPACE, whole(window, RAM_BITS, Rights::RW))?;
        ram.map_guest(space, whole(0, RAM_BITS, Rights::RW | Rights::EXECUTE))?;
        let guest = Guest {
            vcpu,
            space,
            ram,
            window,
            page,
        };
        for (at, byte) in code.iter().enumerate() {
            guest.poke(at as u64, *byte);
        }
        vcpu.store(Groups::SEGMENTS | Groups::CONTROL)?;
        let page = guest.page();
        page.segments[segment::CS] = Segment {
            selector: 0,
            base: 0,
            ..page.segments[segment::CS]
        };
        page.rip = 0;
        page.rflags = 2;
        page.gpr[4] = 0x8000;
        Ok(Some(guest))
    }

    /// The page shared with the kernel.
    #[allow(clippy::mut_from_ref)]
    pub fn page(&self) -> &mut VcpuPage {
        // SAFETY: mapped for as long as the test lasts. The kernel writes it only during system calls of the thread that runs the guest,
        // and a test keeps no reference across one.
        unsafe { &mut *(self.page as *mut VcpuPage) }
    }

    /// Writes a byte of the guest's memory.
    pub fn poke(&self, at: u64, byte: u8) {
        // SAFETY: inside the window; the guest may read it at any time.
        unsafe { ((self.window + at) as *mut u8).write_volatile(byte) };
    }

    /// Reads a 32-bit word of the guest's memory.
    pub fn peek(&self, at: u64) -> u32 {
        // SAFETY: inside the window; the guest may write it at any time.
        unsafe { ((self.window + at) as *const u32).read_volatile() }
    }

    /// Runs the guest to its next exit, which must be of this kind.
    pub fn expect(&self, groups: Groups, kind: ExitKind) -> Result<[u64; 4], Failure> {
        let got = run(groups)?;
        if got != kind {
            return Err(Failure::Broken("another exit", got as u64, kind as u64));
        }
        Ok(self.page().info)
    }

    /// Goes on behind an instruction of this length.
    pub fn skip(&self, bytes: u64) {
        self.page().rip += bytes;
    }
}

/// A thread of the test becomes the one that runs the guest, with signals of `bell` ending its runs.
pub fn give(
    thread: Cap<Thread>,
    guest: &Guest,
    bell: Option<Cap<Notification>>,
) -> Result<(), Error> {
    thread.bind_vcpu(guest.vcpu)?;
    match bell {
        Some(bell) => thread.bind_notification(bell),
        None => Ok(()),
    }
}
