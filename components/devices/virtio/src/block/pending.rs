//! Requests that are not answered.

use alloc::vec::Vec;

use super::header::HEADER;
use super::request::{Operation, Request, Tag};
use crate::queue::{Chain, Piece};

/// A request and the buffer that it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub request: Request,
    pub chain: Chain,
}

impl Pending {
    /// Where the data is.
    pub fn data(&self) -> impl Iterator<Item = Piece> + '_ {
        let (pieces, offset, bytes) = match self.request.operation {
            Operation::Read { bytes, .. } => (self.chain.writable(), 0, bytes),
            Operation::Write { bytes, .. } => (self.chain.readable(), HEADER, bytes),
            _ => (self.chain.readable(), 0, 0),
        };
        pieces.range(offset, bytes)
    }
}

/// One place for each buffer of each queue: the ring sees to it that none is taken twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PendingTable {
    places: Vec<Option<Pending>>,
    per_queue: u16,
    count: usize,
}

impl PendingTable {
    pub fn new(queues: u16, per_queue: u16) -> PendingTable {
        PendingTable {
            places: alloc::vec![None; usize::from(queues) * usize::from(per_queue)],
            per_queue,
            count: 0,
        }
    }

    fn index(&self, tag: Tag) -> Option<usize> {
        (tag.id() < self.per_queue)
            .then(|| usize::from(tag.queue()) * usize::from(self.per_queue) + usize::from(tag.id()))
    }

    pub fn insert(&mut self, pending: Pending) {
        let place = self
            .index(pending.request.tag)
            .and_then(|index| self.places.get_mut(index));
        if let Some(place) = place
            && place.replace(pending).is_none()
        {
            self.count += 1;
        }
    }

    /// The request of exactly this tag.
    pub fn get(&self, tag: Tag) -> Option<&Pending> {
        self.places
            .get(self.index(tag)?)?
            .as_ref()
            .filter(|pending| pending.request.tag == tag)
    }

    pub fn remove(&mut self, tag: Tag) -> Option<Pending> {
        self.get(tag)?;
        let index = self.index(tag)?;
        let pending = self.places.get_mut(index)?.take();
        self.count -= usize::from(pending.is_some());
        pending
    }

    pub fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.places.iter().flatten()
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn clear(&mut self) {
        self.places.fill(None);
        self.count = 0;
    }
}
