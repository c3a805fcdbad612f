//! Address space identifiers of the nested translation caches (ASID, VPID).
//!
//! A processor has few of them (QEMU's has 15). Each virtual processor gets one when it is entered on a processor where it has
//! none; when they are used up the processor forgets all translations and begins a new epoch, in which no older identifier
//! is valid. A virtual processor that comes to another processor gets a new one there, so nothing stale is ever found.
//!
//! Translations of a guest's memory carry the generation of the guest's tables: an entry with an older one forgets first.

/// What a virtual processor knows of its translations. All zero: it never ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Tag {
    /// The epoch in which `id` is valid.
    epoch: u64,
    /// Generation of the nested tables that cached translations may come from.
    generation: u64,
    /// The processor on which it is valid.
    cpu: u32,
    /// The identifier; 0 is the host's.
    id: u32,
}

/// What must be forgotten before the guest is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlbFlush {
    /// Nothing.
    None,
    /// What carries this virtual processor's identifier.
    Own,
    /// Everything.
    All,
}

/// The identifiers of one processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tags {
    epoch: u64,
    next: u32,
    /// Identifiers are below this.
    limit: u32,
}

impl Tags {
    /// A processor with `limit` identifiers, 0 (the host's) included; at least 2.
    pub const fn new(limit: u32) -> Tags {
        Tags {
            epoch: 1,
            next: 1,
            limit: if limit < 2 { 2 } else { limit },
        }
    }

    /// Whether an entry on processor `cpu` with nested tables of `generation` may go on as the last one.
    #[inline(always)]
    pub const fn is_current(&self, tag: &Tag, cpu: u32, generation: u64) -> bool {
        tag.epoch == self.epoch && tag.cpu == cpu && tag.generation == generation
    }

    /// Prepares an entry on processor `cpu`, whose identifiers these are: the identifier to use and what to forget.
    pub fn prepare(&mut self, tag: &mut Tag, cpu: u32, generation: u64) -> (u32, TlbFlush) {
        if tag.epoch == self.epoch && tag.cpu == cpu {
            let flush = if tag.generation == generation {
                TlbFlush::None
            } else {
                TlbFlush::Own
            };
            tag.generation = generation;
            return (tag.id, flush);
        }
        let mut flush = TlbFlush::None;
        if self.next >= self.limit {
            self.epoch += 1;
            self.next = 1;
        }
        if self.next == 1 {
            // Also at the very first: what the firmware left is not known.
            flush = TlbFlush::All;
        }
        *tag = Tag {
            epoch: self.epoch,
            generation,
            cpu,
            id: self.next,
        };
        self.next += 1;
        (tag.id, flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// A model of the caches: every entry leaves translations of (virtual processor, generation) under its identifier. An
        /// entry must never find any of another.
        #[test]
        fn nothing_stale_is_found(
            limit in 2..6u32,
            steps in prop::collection::vec((0..8usize, 0..3u32, any::<bool>()), 1..200),
        ) {
            let mut tags = [Tags::new(limit); 3];
            let mut vcpus = [Tag::default(); 8];
            let mut generations = [0u64; 8];
            let mut caches: [BTreeMap<u32, (usize, u64)>; 3] = Default::default();
            for (v, cpu, changes) in steps {
                if changes {
                    generations[v] += 1;
                }
                let known = tags[cpu as usize].is_current(&vcpus[v], cpu, generations[v]);
                let before = vcpus[v];
                let (id, flush) = tags[cpu as usize].prepare(&mut vcpus[v], cpu, generations[v]);
                prop_assert!(id != 0 && id < limit);
                prop_assert_eq!(known, flush == TlbFlush::None && vcpus[v] == before);
                let cache = &mut caches[cpu as usize];
                match flush {
                    TlbFlush::None => {}
                    TlbFlush::Own => { cache.remove(&id); }
                    TlbFlush::All => cache.clear(),
                }
                if let Some(found) = cache.get(&id) {
                    prop_assert_eq!(*found, (v, generations[v]));
                }
                cache.insert(id, (v, generations[v]));
            }
        }
    }
}
