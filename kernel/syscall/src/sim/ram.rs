//! Simulated memory that knows what each piece of it is.
//!
//! Every 64 bytes are dirty, zero, or part of an object of one type. Dirty memory cannot be read, an object cannot be
//! read as another, and [`Ram::sweep`] makes everything dirty that no capability vouches for: whoever follows a stale
//! reference panics.

use super::cell::{Cell, Page};
use super::live::Live;
use pagurus_abi::message::CapTransfer;
use pagurus_cap::{Slot, SlotId};
use pagurus_ipc::thread::{BINDINGS_OFFSET, FPU_OFFSET};
use pagurus_ipc::{Endpoint, Notification, Reply, Thread};
use pagurus_sched::{SchedContext, Timer};
use pagurus_vcpu::{Vcpu, object as vcpu_object};

/// Bytes of a granule: the smallest object.
pub const GRANULE: usize = SlotId::SIZE;
const PAGE: usize = 4096;
pub(super) const GRANULES: usize = PAGE / GRANULE;
pub(super) const WORDS: usize = PAGE / 8;
const SEND_WORD: usize = 1920 / 8;
const RECEIVE_WORD: usize = 1952 / 8;

/// The kernel's address of physical address 0.
pub const DIRECT: usize = 0x4000_0000_0000;

/// Physical memory from `base` on.
#[derive(Clone, Debug, PartialEq)]
pub struct Ram {
    base: u64,
    pages: Vec<Page>,
    /// Granules of live objects, as the last sweep found them.
    live: Vec<u64>,
}

macro_rules! accessors {
    ($($get:ident, $get_mut:ident, $object:ty, $variant:ident, $more:expr, $zero:expr;)*) => { $(
        pub(super) fn $get(&self, address: usize) -> &$object {
            static ZERO: std::sync::LazyLock<$object> = std::sync::LazyLock::new(|| $zero);
            match self.cell(address) {
                Cell::$variant(object) => object,
                Cell::Zero => &ZERO,
                other => panic!("no {} at {address:#x}: {}", stringify!($variant), other.name()),
            }
        }

        pub(super) fn $get_mut(&mut self, address: usize) -> &mut $object {
            if matches!(self.cell(address), Cell::Zero) {
                for n in (1..).take($more) {
                    let rest = self.cell_mut(address + n * GRANULE);
                    assert!(matches!(rest, Cell::Zero), "object at {address:#x} runs into {}", rest.name());
                    *rest = Cell::Rest;
                }
                *self.cell_mut(address) = Cell::$variant($zero.into());
            }
            match self.cell_mut(address) {
                Cell::$variant(object) => object,
                other => panic!("no {} at {address:#x}: {}", stringify!($variant), other.name()),
            }
        }
    )* };
}

impl Ram {
    /// `bytes` of dirty memory at physical address `base`.
    pub fn new(base: u64, bytes: u64) -> Ram {
        let pages = bytes as usize / PAGE;
        Ram {
            base,
            pages: vec![Page::Dirty; pages],
            live: vec![0; pages],
        }
    }

    /// Where it begins.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Where it ends.
    pub fn end(&self) -> u64 {
        self.base + (self.pages.len() * PAGE) as u64
    }

    fn page_number(&self, physical: u64) -> usize {
        assert!(
            physical >= self.base && physical < self.end(),
            "no memory at physical address {physical:#x}"
        );
        ((physical - self.base) as usize) / PAGE
    }

    fn place(&self, address: usize) -> (usize, usize) {
        assert!(
            address >= DIRECT && address.is_multiple_of(GRANULE),
            "{address:#x} is no address of an object"
        );
        let physical = (address - DIRECT) as u64;
        (
            self.page_number(physical),
            (physical as usize % PAGE) / GRANULE,
        )
    }

    fn cell(&self, address: usize) -> &Cell {
        let (page, granule) = self.place(address);
        match &self.pages[page] {
            Page::Objects(cells) => &cells[granule],
            Page::Zero => &Cell::Zero,
            Page::Dirty => &Cell::Dirty,
            Page::Table(_) => panic!("an object at {address:#x}, in a page table"),
            Page::Words(_) => panic!("an object at {address:#x}, in a frame"),
        }
    }

    fn cells(&mut self, page: usize) -> &mut [Cell; GRANULES] {
        let fill = match &self.pages[page] {
            Page::Objects(_) => None,
            Page::Zero => Some(Cell::Zero),
            _ => Some(Cell::Dirty),
        };
        if let Some(cell) = fill {
            self.pages[page] = Page::Objects(Box::new(std::array::from_fn(|_| cell.clone())));
        }
        match &mut self.pages[page] {
            Page::Objects(cells) => cells,
            _ => unreachable!("just made"),
        }
    }

    fn cell_mut(&mut self, address: usize) -> &mut Cell {
        self.cell(address);
        let (page, granule) = self.place(address);
        &mut self.cells(page)[granule]
    }

    accessors! {
        slot, slot_mut, Slot, Slot, 0, Slot::EMPTY;
        thread, thread_mut, Thread, Thread, BINDINGS_OFFSET / GRANULE - 1, Thread::EMPTY;
        sc, sc_mut, SchedContext, Sc, 1, SchedContext::default();
        endpoint, endpoint_mut, Endpoint, Endpoint, 0, Endpoint::default();
        notification, notification_mut, Notification, Notification, 0, Notification::default();
        reply, reply_mut, Reply, Reply, 0, Reply::default();
        vcpu, vcpu_mut, Vcpu, Vcpu, (vcpu_object::BINDINGS_OFFSET - vcpu_object::STATE_OFFSET) / GRANULE - 1, Vcpu::default();
        timer, timer_mut, Timer, Timer, 0, Timer::default();
    }

    /// The FPU area of a thread is prepared.
    pub(super) fn init_fpu(&mut self, area: usize) {
        let first = self.cell_mut(area);
        assert!(matches!(first, Cell::Zero), "FPU area in {}", first.name());
        *first = Cell::Fpu;
        assert_eq!((area - DIRECT) % PAGE, FPU_OFFSET);
    }

    /// Entry of a page table.
    pub(crate) fn table_entry(&self, table: u64, index: usize) -> u64 {
        assert!(table.is_multiple_of(PAGE as u64) && index < WORDS);
        match &self.pages[self.page_number(table)] {
            Page::Table(entries) => entries[index],
            Page::Zero => 0,
            _ => panic!("no page table at {table:#x}"),
        }
    }

    /// Entry of a page table, to change it.
    pub(crate) fn table_entry_mut(&mut self, table: u64, index: usize) -> &mut u64 {
        assert!(table.is_multiple_of(PAGE as u64) && index < WORDS);
        let page = self.page_number(table);
        if matches!(self.pages[page], Page::Zero) {
            self.pages[page] = Page::Table(Box::new([0; WORDS]));
        }
        match &mut self.pages[page] {
            Page::Table(entries) => &mut entries[index],
            _ => panic!("no page table at {table:#x}"),
        }
    }

    fn words(&self, buffer: usize) -> &[u64; WORDS] {
        static ZERO: [u64; WORDS] = [0; WORDS];
        let physical = (buffer - DIRECT) as u64;
        assert!(physical.is_multiple_of(PAGE as u64));
        match &self.pages[self.page_number(physical)] {
            Page::Words(words) => words,
            Page::Zero => &ZERO,
            _ => panic!("no frame at {buffer:#x}"),
        }
    }

    fn words_mut(&mut self, buffer: usize) -> &mut [u64; WORDS] {
        let physical = (buffer - DIRECT) as u64;
        assert!(physical.is_multiple_of(PAGE as u64));
        let page = self.page_number(physical);
        if matches!(self.pages[page], Page::Zero) {
            self.pages[page] = Page::Words(Box::new([0; WORDS]));
        }
        match &mut self.pages[page] {
            Page::Words(words) => words,
            _ => panic!("no frame at {buffer:#x}"),
        }
    }

    /// Word of an IPC buffer.
    pub(super) fn word(&self, buffer: usize, index: usize) -> u64 {
        self.words(buffer)[index]
    }

    /// Sets a word of an IPC buffer.
    pub(super) fn set_word(&mut self, buffer: usize, index: usize, value: u64) {
        self.words_mut(buffer)[index] = value;
    }

    /// Capability number `n` to be sent.
    pub(super) fn cap_to_send(&self, buffer: usize, n: usize) -> CapTransfer {
        let word = self.word(buffer, SEND_WORD + n);
        CapTransfer {
            index: word as u32,
            rights: (word >> 32) as u8,
            mode: (word >> 40) as u8,
            reserved: (word >> 48) as u16,
        }
    }

    /// Sets capability number `n` to be sent.
    pub(super) fn set_cap_to_send(&mut self, buffer: usize, n: usize, cap: CapTransfer) {
        let word = cap.index as u64
            | (cap.rights as u64) << 32
            | (cap.mode as u64) << 40
            | (cap.reserved as u64) << 48;
        self.set_word(buffer, SEND_WORD + n, word);
    }

    /// First slot and number of slots for received capabilities.
    pub(super) fn receive_window(&self, buffer: usize) -> (u32, u32) {
        let word = self.word(buffer, RECEIVE_WORD);
        (word as u32, (word >> 32) as u32)
    }

    /// Sets the slots for received capabilities.
    pub(super) fn set_receive_window(&mut self, buffer: usize, base: u32, count: u32) {
        self.set_word(buffer, RECEIVE_WORD, base as u64 | (count as u64) << 32);
    }

    /// Zeroes memory, which no live object may be in.
    pub(super) fn zero(&mut self, physical: u64, bytes: u64) {
        let mut at = physical;
        let end = physical + bytes;
        assert!(at.is_multiple_of(GRANULE as u64) && bytes.is_multiple_of(GRANULE as u64));
        while at < end {
            let page = self.page_number(at);
            let granule = at as usize % PAGE / GRANULE;
            if granule == 0 && end - at >= PAGE as u64 {
                assert_eq!(self.live[page], 0, "zeroing a live object at {at:#x}");
                self.pages[page] = Page::Zero;
                at += PAGE as u64;
            } else {
                let live = self.live[page] >> granule & 1 != 0;
                assert!(!live, "zeroing a live object at {at:#x}");
                if !matches!(self.pages[page], Page::Zero) {
                    self.cells(page)[granule] = Cell::Zero;
                }
                at += GRANULE as u64;
            }
        }
    }

    /// Copies bytes into a frame.
    pub(super) fn copy_in(&mut self, physical: u64, bytes: &[u8]) {
        for (n, byte) in bytes.iter().enumerate() {
            let at = physical as usize + n;
            let words = self.words_mut(DIRECT + at / PAGE * PAGE);
            let word = &mut words[at % PAGE / 8];
            let shift = at % 8 * 8;
            *word = *word & !(0xff << shift) | (*byte as u64) << shift;
        }
    }

    /// Whether a granule is in zero memory.
    fn is_zero(&self, page: usize, granule: usize) -> bool {
        match &self.pages[page] {
            Page::Zero => true,
            Page::Objects(cells) => matches!(cells[granule], Cell::Zero),
            _ => false,
        }
    }

    /// The description of a state in which nothing is live yet, to be filled for [`Ram::sweep`].
    pub fn nothing_live(&self) -> Live {
        Live::nothing(self.base, self.pages.len())
    }

    /// Makes everything dirty that is neither a live object nor relied on to be zero.
    ///
    /// # Panics
    /// If memory that the kernel believes to be zero is not.
    pub fn sweep(&mut self, live: Live) {
        let (objects, zero) = live.into_bits();
        for page in 0..self.pages.len() {
            let keep = objects[page] | zero[page];
            if zero[page] != 0 {
                for granule in 0..GRANULES {
                    let relied_on = zero[page] >> granule & 1 != 0;
                    let address = self.base + (page * PAGE + granule * GRANULE) as u64;
                    assert!(
                        !relied_on || self.is_zero(page, granule),
                        "memory at {address:#x} is not zero, as the kernel thinks"
                    );
                }
            }
            match &mut self.pages[page] {
                Page::Dirty => {}
                _ if keep == u64::MAX => {}
                other if keep == 0 => *other = Page::Dirty,
                Page::Table(_) | Page::Words(_) => {
                    panic!("a page that is an object only in part")
                }
                Page::Zero | Page::Objects(_) => {
                    for (granule, cell) in self.cells(page).iter_mut().enumerate() {
                        if keep >> granule & 1 == 0 {
                            *cell = Cell::Dirty;
                        }
                    }
                }
            }
        }
        self.live = objects;
    }
}
