//! The traditional memory balloon (VIRTIO 1.2, 5.5).

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::device::{Device, DeviceConfig, DeviceType, config_of};
use crate::error::BufferError;
use crate::feature::Features;
use crate::memory::GuestMemory;
use crate::queue::Chain;
use crate::transport::VirtioPci;

/// Queue of pages that the guest gives.
pub const INFLATE: u16 = 0;
/// Queue of pages that the guest takes back.
pub const DEFLATE: u16 = 1;
/// Queue of the guest's statistics.
pub const STATISTICS: u16 = 2;

/// The guest tells before it uses a page again.
pub const FEATURE_MUST_TELL_HOST: Features = Features::from_bits_retain(1 << 0);
/// The guest has statistics.
pub const FEATURE_STATISTICS: Features = Features::from_bits_retain(1 << 1);
/// The guest may take pages back when it runs out of memory.
pub const FEATURE_DEFLATE_ON_OOM: Features = Features::from_bits_retain(1 << 2);

/// Bytes of a page, whatever the guest's pages are (5.5.6).
pub const PAGE: u64 = 4096;

const QUEUE_SIZES: [u16; 3] = [128, 128, 4];
/// Where the configuration has the size that the guest has reached.
const ACTUAL: usize = 4;
/// Page numbers that are read at a time.
const BATCH: usize = 128;
/// Entries of a statistics buffer that are looked at; tags beyond are not known anyway.
const STATISTICS_ENTRIES: usize = 32;

#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Config {
    pages: U32,
    actual: U32,
}

/// An entry of a statistics buffer (5.5.6.3).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Statistic {
    tag: U16,
    value: U64,
}

/// What a guest says about its memory; what it does not say is `None` (5.5.6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes read from swap since boot.
    pub swap_in: Option<u64>,
    /// Bytes written to swap since boot.
    pub swap_out: Option<u64>,
    /// Page faults that needed a device, since boot.
    pub major_faults: Option<u64>,
    /// Other page faults since boot.
    pub minor_faults: Option<u64>,
    /// Bytes not used for anything.
    pub free: Option<u64>,
    /// Bytes that the guest has.
    pub total: Option<u64>,
    /// Bytes that can be had without swapping.
    pub available: Option<u64>,
    /// Bytes of cached files.
    pub caches: Option<u64>,
    /// Huge pages given out since boot.
    pub huge_pages_given: Option<u64>,
    /// Requests for huge pages refused since boot.
    pub huge_pages_refused: Option<u64>,
}

impl Statistics {
    fn set(&mut self, tag: u16, value: u64) {
        let field = match tag {
            0 => &mut self.swap_in,
            1 => &mut self.swap_out,
            2 => &mut self.major_faults,
            3 => &mut self.minor_faults,
            4 => &mut self.free,
            5 => &mut self.total,
            6 => &mut self.available,
            7 => &mut self.caches,
            8 => &mut self.huge_pages_given,
            9 => &mut self.huge_pages_refused,
            // Others are to be ignored (5.5.6.3.2).
            _ => return,
        };
        *field = Some(value);
    }
}

/// What the guest did. Pages are in the guest's memory, and are contiguous as told; the same page may come twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The guest does not use these pages any longer: they may be taken from it, with their content.
    Inflate {
        /// Guest-physical address.
        address: u64,
        /// Number of pages of 4 KiB.
        pages: u32,
    },
    /// The guest will use these pages again.
    Deflate {
        /// Guest-physical address.
        address: u64,
        /// Number of pages of 4 KiB.
        pages: u32,
    },
    /// A buffer is done with.
    Done,
}

/// A buffer of page numbers that is being worked through.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Progress {
    chain: Chain,
    /// Bytes of it that were told.
    offset: u64,
}

/// The balloon: its size, and what the driver and the device have of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balloon {
    target: u32,
    actual: u32,
    deflate_on_oom: bool,
    /// For [`INFLATE`] and [`DEFLATE`].
    progress: [Option<Progress>; 2],
    /// The driver's statistics buffer, which goes back when new ones are wanted.
    statistics: Option<Chain>,
}

impl Balloon {
    /// An empty balloon. With `deflate_on_oom` the guest may take pages back rather than run out of memory.
    pub fn new(deflate_on_oom: bool) -> Balloon {
        Balloon {
            target: 0,
            actual: 0,
            deflate_on_oom,
            progress: [None, None],
            statistics: None,
        }
    }

    /// Pages of 4 KiB that the guest is asked to give.
    pub fn target(&self) -> u32 {
        self.target
    }

    /// Pages that the guest says it gave.
    pub fn actual(&self) -> u32 {
        self.actual
    }
}

impl Device for Balloon {
    const TYPE: DeviceType = DeviceType {
        id: 5,
        // Unassigned.
        class: 0xff_0000,
    };

    fn features(&self) -> Features {
        let mut features = FEATURE_MUST_TELL_HOST | FEATURE_STATISTICS;
        if self.deflate_on_oom {
            features |= FEATURE_DEFLATE_ON_OOM;
        }
        features
    }

    fn queue_sizes(&self) -> &[u16] {
        &QUEUE_SIZES
    }

    fn config(&self) -> DeviceConfig {
        config_of(&Config {
            pages: self.target.into(),
            actual: self.actual.into(),
        })
    }

    fn write_config(&mut self, offset: usize, bytes: &[u8]) {
        if offset == ACTUAL
            && let Ok(bytes) = bytes.try_into()
        {
            self.actual = u32::from_le_bytes(bytes);
        }
    }

    /// The target stays: a new driver works towards it again.
    fn reset(&mut self) {
        self.actual = 0;
        self.progress = [None, None];
        self.statistics = None;
    }
}

impl VirtioPci<Balloon> {
    /// Asks the guest to give so many pages of 4 KiB in all.
    pub fn set_target(&mut self, pages: u32) {
        if self.device.target != pages {
            self.device.target = pages;
            self.core.config_has_changed();
        }
    }

    /// What the guest did on [`INFLATE`] or [`DEFLATE`]. Call until `None`. The guest's buffer goes back, and with it what
    /// the guest waits for, by the call that gives [`Event::Done`]: everything told before must be done by then.
    pub fn next_pages<M: GuestMemory + ?Sized>(&mut self, memory: &M, queue: u16) -> Option<Event> {
        if !self.is_running() {
            return None;
        }
        let place = self.device.progress.get_mut(usize::from(queue))?;
        let mut progress = match place.take() {
            Some(progress) => progress,
            None => Progress {
                chain: self.core.pop(memory, queue)?,
                offset: 0,
            },
        };
        let mut numbers = [U32::ZERO; BATCH];
        let pages = progress.chain.readable();
        let bytes = match pages.read(memory, progress.offset, numbers.as_mut_bytes()) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.core.fail(queue, error);
                return None;
            }
        };
        // A rest of less than a number means nothing.
        let Some((first, pages)) = first_run(&numbers[..bytes / size_of::<U32>()]) else {
            self.core.finish(memory, queue, progress.chain, 0);
            return Some(Event::Done);
        };
        let address = u64::from(first) * PAGE;
        if !memory.contains(address, u64::from(pages) * PAGE) {
            self.core
                .fail(queue, BufferError::PageNumber { number: first });
            return None;
        }
        progress.offset += u64::from(pages) * size_of::<U32>() as u64;
        self.device.progress[usize::from(queue)] = Some(progress);
        Some(match queue {
            INFLATE => Event::Inflate { address, pages },
            _ => Event::Deflate { address, pages },
        })
    }

    /// What the guest says on [`STATISTICS`], if it is new. Call until `None`.
    pub fn next_statistics<M: GuestMemory + ?Sized>(&mut self, memory: &M) -> Option<Statistics> {
        let chain = self.core.pop(memory, STATISTICS)?;
        let mut entries = [Statistic::new_zeroed(); STATISTICS_ENTRIES];
        let bytes = match chain.readable().read(memory, 0, entries.as_mut_bytes()) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.core.fail(STATISTICS, error);
                return None;
            }
        };
        let mut statistics = Statistics::default();
        for entry in &entries[..bytes / size_of::<Statistic>()] {
            statistics.set(entry.tag.get(), entry.value.get());
        }
        // A driver has one buffer there at most; one that has more gets the older back.
        if let Some(old) = self.device.statistics.replace(chain) {
            self.core.finish(memory, STATISTICS, old, 0);
        }
        Some(statistics)
    }

    /// Asks the guest for statistics. False if it was asked before and has not answered, or has none.
    pub fn request_statistics<M: GuestMemory + ?Sized>(&mut self, memory: &M) -> bool {
        match self.device.statistics.take() {
            Some(chain) => {
                self.core.finish(memory, STATISTICS, chain, 0);
                true
            }
            None => false,
        }
    }
}

/// The pages at the start that follow each other, upwards or downwards: the lowest and how many.
fn first_run(numbers: &[U32]) -> Option<(u32, u32)> {
    let first = numbers.first()?.get();
    let steps = |down: bool| {
        numbers
            .windows(2)
            .take_while(|pair| {
                let (a, b) = (pair[0].get(), pair[1].get());
                if down {
                    b.checked_add(1) == Some(a)
                } else {
                    a.checked_add(1) == Some(b)
                }
            })
            .count() as u32
    };
    let (up, down) = (steps(false), steps(true));
    Some((first - down, up.max(down) + 1))
}
