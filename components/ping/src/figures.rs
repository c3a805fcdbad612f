//! Memory from the memory manager for the figures: borrowed for one report, and given back.

use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;
use pagurus_protocol::memory::{Allocate, GiveBack, GrantKind};
use pagurus_protocol::slots::{ADDRESS_SPACE, MEMORY};
use pagurus_protocol::{Failure, Reason};
use pagurus_rt::Cap;
use pagurus_rt::client::{Call, ReceiveSlots, call};
use pagurus_rt::memory::SharedWords;
use pagurus_rt::object::{Endpoint, Frame, Mapping};

/// log2 of the bytes borrowed.
const SIZE_BITS: u8 = 14;
const BYTES: usize = 1 << SIZE_BITS;
/// Where it is mapped: far from everything that root maps.
const ADDRESS: u64 = 0x2000_0000_0000;
const MANAGER: Cap<Endpoint> = Cap::new(MEMORY);

/// Borrowed memory.
#[derive(Debug)]
pub struct Figures {
    grant: u64,
    words: SharedWords,
}

impl Figures {
    /// Borrows a frame and maps it; `slot` is empty.
    ///
    /// # Errors
    /// What the memory manager or the kernel refuses.
    pub fn borrow(slot: u32) -> Result<Self, Failure> {
        let ask = Allocate {
            kind: GrantKind::Frame as u8,
            size_bits: SIZE_BITS,
            ..Allocate::default()
        };
        let mut words = [0; pagurus_abi::message::MAX_WORDS];
        let answer = Call::new(MANAGER)
            .receive(ReceiveSlots {
                first: slot,
                count: 1,
            })
            .run(&ask, &mut words)?;
        if answer.caps != 1 {
            return Err(Reason::Malformed.into());
        }
        let grant = answer.body.grant;
        let mapping = Mapping {
            address: ADDRESS,
            offset: 0,
            length: BYTES as u64,
            rights: Rights::RW,
            cache: CacheMode::Default,
        };
        if let Err(error) = Cap::<Frame>::new(slot).map(Cap::new(ADDRESS_SPACE), mapping) {
            call(MANAGER, &GiveBack { grant })?;
            return Err(error.into());
        }
        Ok(Figures {
            grant,
            words: crate::board::words(ADDRESS, BYTES),
        })
    }

    /// How many figures fit.
    pub const fn room() -> usize {
        BYTES / size_of::<u64>()
    }

    /// Keeps a figure.
    pub fn set(&self, index: usize, figure: u64) {
        self.words.store(index, figure);
    }

    /// A figure kept; fresh memory is zero.
    pub fn get(&self, index: usize) -> u64 {
        self.words.load(index).unwrap_or(0)
    }

    /// Gives the memory back: the capability vanishes, and the mapping with it.
    ///
    /// # Errors
    /// If the memory manager refuses.
    pub fn give_back(self) -> Result<(), Failure> {
        let Figures { grant, .. } = self;
        call(MANAGER, &GiveBack { grant }).map(|_| ())
    }
}
