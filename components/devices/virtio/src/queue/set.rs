//! A set of buffer identifiers.

use super::MAX_QUEUE_SIZE;

const WORDS: usize = MAX_QUEUE_SIZE as usize / 64;

/// Which buffers the device has, one bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdSet {
    words: [u64; WORDS],
    count: u16,
}

impl IdSet {
    pub const EMPTY: IdSet = IdSet {
        words: [0; WORDS],
        count: 0,
    };

    /// Adds an identifier; false if it is there already or too great.
    pub fn insert(&mut self, id: u16) -> bool {
        let (index, bit) = place(id);
        match self.words.get_mut(index) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                self.count += 1;
                true
            }
            _ => false,
        }
    }

    /// Removes an identifier; false if it is not there.
    pub fn remove(&mut self, id: u16) -> bool {
        let (index, bit) = place(id);
        match self.words.get_mut(index) {
            Some(word) if *word & bit != 0 => {
                *word &= !bit;
                self.count -= 1;
                true
            }
            _ => false,
        }
    }

    pub fn len(&self) -> u16 {
        self.count
    }
}

fn place(id: u16) -> (usize, u64) {
    (usize::from(id / 64), 1 << (id % 64))
}
