//! A fuzzer's own memory, which the supervisor reads while the fuzzer runs.
#![allow(unsafe_code)] // memory at a fixed address, shared between address spaces

use crate::layout::{ARENA_BITS, BUFFER_OFFSET, INITIAL, SLOTS, arena};
use crate::random::{self, Choice};
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use pagurus_rt::abi::Kind;
use pagurus_rt::syscall::Registers;

/// What a fuzzer keeps. All of it survives the fuzzer: the next one at this place goes on.
#[repr(C)]
pub struct Arena {
    /// State of its random numbers; 0 before the supervisor set it.
    random: AtomicU64,
    /// System calls made.
    pub calls: AtomicU64,
    /// Methods that succeeded, a bit each by position in `Method::ALL`.
    pub methods: AtomicU64,
    /// System calls that succeeded, a bit each by number.
    pub syscalls: AtomicU64,
    /// Errors seen, a bit each by number.
    pub errors: AtomicU64,
    /// Registers that were not what they should have been: how many times.
    pub corrupt: AtomicU64,
    /// What the first of them was and should have been.
    pub corrupt_values: [AtomicU64; 2],
    /// The call that is being made, or was made last: `rax`, `rdi`, `rsi` and four words.
    pub last: [AtomicU64; 7],
    /// The kinds that the slots of its CNode are believed to hold.
    kinds: [AtomicU8; SLOTS as usize],
}

const _: () = assert!(size_of::<Arena>() as u64 <= BUFFER_OFFSET);

impl Arena {
    /// The arena of fuzzer `n`.
    ///
    /// The supervisor maps it before anybody asks and never unmaps it. Whoever runs with another address space
    /// than the fuzzers' gets a page fault.
    pub fn of(n: usize) -> &'static Arena {
        Arena::at(arena(n))
    }

    /// The arena that `address` is in.
    pub fn around(address: u64) -> &'static Arena {
        Arena::at(address & !((1 << ARENA_BITS) - 1))
    }

    fn at(address: u64) -> &'static Arena {
        // SAFETY: a mapped page that is written through atomics only, where every bit pattern is valid.
        unsafe { &*core::ptr::with_exposed_provenance(address as usize) }
    }

    /// The address of this arena.
    pub fn address(&self) -> u64 {
        (&raw const *self).expose_provenance() as u64
    }

    /// Begins stream `number` of `seed`.
    pub fn seed(&self, seed: u64, number: usize) {
        self.random
            .store(random::stream(seed, number as u64), Relaxed);
    }

    /// The CNode is as the supervisor fills it.
    pub fn forget_kinds(&self) {
        for kind in &self.kinds {
            kind.store(Kind::Empty as u8, Relaxed);
        }
        for (first, count, kind) in INITIAL {
            for slot in *first..first + count {
                self.believe(slot.into(), *kind);
            }
        }
    }

    /// What slot `slot` is believed to hold; `None` if it is none of the CNode's.
    pub fn kind(&self, slot: u64) -> Option<Kind> {
        let kind = self.kinds.get(usize::try_from(slot).ok()?)?;
        Kind::from_u8(kind.load(Relaxed))
    }

    /// Slot `slot` holds a capability of this kind.
    pub fn believe(&self, slot: u64, kind: Kind) {
        let place = usize::try_from(slot).ok().and_then(|n| self.kinds.get(n));
        if let Some(place) = place {
            place.store(kind as u8, Relaxed);
        }
    }

    /// Notes the call that is about to be made.
    pub fn note(&self, r: &Registers) {
        let [a, b, c, d] = r.words;
        for (place, value) in self.last.iter().zip([r.rax, r.rdi, r.rsi, a, b, c, d]) {
            place.store(value, Relaxed);
        }
        self.calls.fetch_add(1, Relaxed);
    }

    /// A register had another value than it should.
    pub fn found_corrupt(&self, is: u64, should_be: u64) {
        if self.corrupt.fetch_add(1, Relaxed) == 0 {
            self.corrupt_values[0].store(is, Relaxed);
            self.corrupt_values[1].store(should_be, Relaxed);
        }
    }
}

/// A fuzzer's stream of random numbers.
pub struct Stream(pub &'static Arena);

impl Choice for Stream {
    fn any(&mut self) -> u64 {
        let next = random::step(self.0.random.load(Relaxed));
        self.0.random.store(next, Relaxed);
        next
    }
}
