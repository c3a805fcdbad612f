//! Which untyped memory becomes what: the leases of the components, the memory of shared objects, and what is left.

use crate::memory::{Placement, Pool, bits_for};
use alloc::vec::Vec;
use core::fmt;
use pagurus_abi::Kind;
use pagurus_abi::kind::PAGE_BITS;
use pagurus_capdl_image::{Object, ObjectKind};

/// Frames from this size on are made directly, not from the memory of shared objects: 2 MiB.
const LARGE: u8 = 21;

/// What a block of memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The lease of the component at this position.
    Lease(usize),
    /// The objects that belong to no single component.
    Shared,
    /// A large frame: the object of this number.
    Frame(u32),
    /// Untyped memory for a component: the object of this number.
    Untyped(u32),
}

/// A request for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// log2 of the bytes.
    pub bits: u8,
    /// What for.
    pub purpose: Use,
}

/// There is no room for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// The request.
    pub request: Request,
    /// Bytes of the largest block left.
    pub largest: u64,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} KiB of memory are needed in one piece, the largest left has {} KiB; give the machine more memory \
             or the components less",
            (1u64 << self.request.bits) >> 10,
            self.largest >> 10
        )
    }
}

impl core::error::Error for NoRoom {}

/// Finds room for all requests; the answer is in the order in which the kernel must be asked.
///
/// # Errors
/// The first request without room.
pub fn place(pool: &mut Pool, mut requests: Vec<Request>) -> Result<Vec<(Placement, Use)>, NoRoom> {
    requests.sort_by_key(|r| core::cmp::Reverse(r.bits));
    requests
        .into_iter()
        .map(|request| match pool.place(request.bits) {
            Some(placement) => Ok((placement, request.purpose)),
            None => Err(NoRoom {
                request,
                largest: pool.largest_free(),
            }),
        })
        .collect()
}

/// An object that belongs to no single component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedObject {
    /// Its number in the image; `None` for root's own.
    pub object: Option<u32>,
    /// Its kind.
    pub kind: Kind,
    /// Its size, as `retype` takes it.
    pub size_bits: u8,
}

impl SharedObject {
    fn object_bits(&self) -> u8 {
        // The image's reader accepts no other sizes.
        self.kind.object_bits(self.size_bits).unwrap_or(0)
    }
}

/// The objects made from the memory of shared objects, in order, and the request for that memory.
pub fn shared(objects: impl Iterator<Item = SharedObject>) -> (Vec<SharedObject>, Option<Request>) {
    let mut all: Vec<_> = objects.collect();
    all.sort_by_key(|o| core::cmp::Reverse(o.object_bits()));
    let bytes = all.iter().map(|o| 1u64 << o.object_bits()).sum();
    let request = bits_for(bytes, PAGE_BITS).map(|bits| Request {
        bits,
        purpose: Use::Shared,
    });
    (all, request)
}

/// How an object of the description comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the memory of shared objects.
    Shared(SharedObject),
    /// By a request of its own.
    Own(Request),
    /// From what is left of the memory.
    Rest,
    /// From device memory.
    Device,
    /// Not from memory that is free: interrupts, ports, boot modules, processors.
    Control,
}

/// How `object` comes to be.
pub fn origin(object: &Object<'_>) -> Origin {
    let index = object.index;
    let shared = |kind, size_bits| {
        Origin::Shared(SharedObject {
            object: Some(index),
            kind,
            size_bits,
        })
    };
    match object.kind {
        ObjectKind::Endpoint => shared(Kind::Endpoint, 0),
        ObjectKind::Notification => shared(Kind::Notification, 0),
        ObjectKind::Frame { size_bits } if size_bits < LARGE => shared(Kind::Frame, size_bits),
        ObjectKind::Frame { size_bits } => Origin::Own(Request {
            bits: size_bits,
            purpose: Use::Frame(index),
        }),
        ObjectKind::TraceBuffer { size_bits, .. } => shared(Kind::TraceBuffer, size_bits),
        ObjectKind::Timer => shared(Kind::Timer, 0),
        ObjectKind::Untyped { size_bits } => Origin::Own(Request {
            bits: size_bits,
            purpose: Use::Untyped(index),
        }),
        ObjectKind::UntypedRest => Origin::Rest,
        ObjectKind::Device { .. } => Origin::Device,
        ObjectKind::Irq { .. }
        | ObjectKind::Ports { .. }
        | ObjectKind::Module
        | ObjectKind::Cpu { .. } => Origin::Control,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pagurus_abi::boot::UntypedDesc;

    fn pool(bits: u8) -> Pool {
        Pool::new(&[UntypedDesc {
            slot: 80,
            size_bits: bits,
            ..UntypedDesc::default()
        }])
    }

    fn lease(i: usize, bits: u8) -> Request {
        Request {
            bits,
            purpose: Use::Lease(i),
        }
    }

    #[test]
    fn the_largest_come_first() {
        let placed = place(
            &mut pool(16),
            vec![lease(0, 12), lease(1, 15), lease(2, 13)],
        )
        .unwrap();
        let order: Vec<_> = placed.iter().map(|(_, u)| *u).collect();
        assert_eq!(order, [Use::Lease(1), Use::Lease(2), Use::Lease(0)]);
    }

    #[test]
    fn what_does_not_fit_is_named_with_what_is_left() {
        let error = place(
            &mut pool(16),
            vec![lease(0, 15), lease(1, 15), lease(2, 14)],
        );
        let error = error.unwrap_err();
        assert_eq!(error.request, lease(2, 14));
        assert_eq!(error.largest, 0);
        assert!(error.to_string().contains("16 KiB"), "{error}");
    }

    #[test]
    fn shared_objects_fill_their_memory_without_gaps() {
        let object = |kind, size_bits| SharedObject {
            object: None,
            kind,
            size_bits,
        };
        let (all, request) = shared(
            [
                object(Kind::Endpoint, 0),
                object(Kind::Frame, 14),
                object(Kind::TraceBuffer, 16),
                object(Kind::Notification, 0),
            ]
            .into_iter(),
        );
        let kinds: Vec<_> = all.iter().map(|o| o.kind).collect();
        assert_eq!(kinds[..2], [Kind::TraceBuffer, Kind::Frame]);
        assert_eq!(request.unwrap().bits, 17);
    }
}
