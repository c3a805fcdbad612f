//! The memory manager: hands memory out as capabilities and takes it back.
//!
//! The badge of the sender's endpoint tells the memory manager which client asks. Memory is granted as one
//! capability that travels with the answer (into the first slot that the client offered). The memory manager keeps the
//! capability that the grant was made from: giving back, or taking away, is one revocation.

use crate::wire::{Empty, requests};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

requests! { 3 version 1 {
    1: Allocate => Allocated;
    2: GiveBack => Empty;
    3: Usage => ClientUsage;
    4: Client => ClientUsage;
    5: Pool => PoolUsage;
} }

/// What memory is granted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum GrantKind {
    /// Untyped memory, to make objects from.
    Untyped = 1,
    /// A frame, to be mapped.
    Frame = 2,
}

impl GrantKind {
    /// The kind with this number.
    pub const fn from_u8(number: u8) -> Option<GrantKind> {
        Some(match number {
            1 => GrantKind::Untyped,
            2 => GrantKind::Frame,
            _ => return None,
        })
    }
}

/// Asks for memory. Refused with `QuotaExceeded`, `OutOfMemory` or `InvalidArgument`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Allocate {
    /// A [`GrantKind`].
    pub kind: u8,
    /// log2 of the bytes.
    pub size_bits: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// The answer to [`Allocate`]; the capability travels with it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Allocated {
    /// Names the grant when it is given back.
    pub grant: u64,
}

/// Gives a grant back; what the client made of it disappears. Refused with `NotFound` if the client has no
/// such grant.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct GiveBack {
    /// See [`Allocated::grant`].
    pub grant: u64,
}

/// Asks for the sender's own usage.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Usage;

/// Asks for the usage of the client at position `index`; `NotFound` past the last.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Client {
    /// Position, from 0.
    pub index: u64,
}

/// What a client has.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct ClientUsage {
    /// Badge of the client's endpoint.
    pub badge: u64,
    /// Bytes that it may have.
    pub quota: u64,
    /// Bytes that it has.
    pub used: u64,
    /// Grants that it has.
    pub grants: u64,
}

/// Asks for the state of the whole pool.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Pool;

/// The answer to [`Pool`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct PoolUsage {
    /// Bytes in the pool.
    pub total: u64,
    /// Bytes granted.
    pub granted: u64,
    /// Bytes of the largest piece that could be granted.
    pub largest: u64,
    /// Grants.
    pub grants: u64,
    /// Clients known.
    pub clients: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{read_answer, read_request, write_answer, write_request};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn allocation_round_trips(kind: u8, size_bits: u8, grant: u64) {
            let mut words = [0; 240];
            let ask = Allocate { kind, size_bits, ..Allocate::default() };
            let info = write_request(&ask, &[], 0, &mut words).unwrap();
            prop_assert!(info.is_short());
            prop_assert_eq!(read_request::<Allocate>(info, &words[..info.words()]).unwrap().0, ask);
            let info = write_answer(Ok(&Allocated { grant }), &[], 1, &mut words);
            prop_assert_eq!(info.caps(), 1);
            prop_assert_eq!(read_answer::<Allocate>(info, &words[..info.words()]).unwrap().0.grant, grant);
        }
    }

    #[test]
    fn kinds_round_trip() {
        for n in 0..=255 {
            if let Some(kind) = GrantKind::from_u8(n) {
                assert_eq!(kind as u8, n);
            }
        }
        assert_eq!(
            GrantKind::from_u8(GrantKind::Frame as u8),
            Some(GrantKind::Frame)
        );
        assert_eq!(GrantKind::from_u8(0), None);
    }
}
