//! Address space identifiers.
//!
//! A frame capability remembers its mapping by the identifier of the address space and the identifier's generation, so
//! that a mapping whose address space is gone is recognised without a link between the two.

use crate::machine::Nested;
use pagurus_abi::Error;
use pagurus_paging::Pool;

/// Address spaces that can exist at the same time. Identifier 0 is none.
pub const ASIDS: usize = 1024;

/// One address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressSpace {
    /// Physical address of the root table, 0 if the identifier is free.
    pub root: u64,
    /// Its tables.
    pub pool: Pool,
    /// How often the identifier was given out.
    pub generation: u32,
    /// Format of its tables: nested ones for a guest, the processor's own otherwise.
    pub nested: Option<Nested>,
    /// How often something was taken out of it: guests' translations from before are void.
    pub version: u64,
}

/// All address spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsidTable {
    spaces: [AddressSpace; ASIDS],
    /// Where the search for a free one begins.
    hint: usize,
    in_use: usize,
}

impl AsidTable {
    /// No address spaces.
    pub const fn new() -> Self {
        let unused = AddressSpace {
            root: 0,
            pool: Pool::new(0, 0),
            generation: 0,
            nested: None,
            version: 0,
        };
        AsidTable {
            spaces: [unused; ASIDS],
            hint: 0,
            in_use: 0,
        }
    }

    /// Identifiers that are free.
    pub const fn free(&self) -> usize {
        ASIDS - 1 - self.in_use
    }

    /// Identifiers in use.
    pub const fn used(&self) -> usize {
        self.in_use
    }

    /// Gives an identifier to the address space, or guest space, object of `2^size_bits` bytes at physical address `root`.
    ///
    /// # Errors
    /// `TableFull`.
    pub fn allocate(
        &mut self,
        root: u64,
        size_bits: u8,
        nested: Option<Nested>,
    ) -> Result<u16, Error> {
        let order = (self.hint.max(1)..ASIDS).chain(1..self.hint.max(1));
        for i in order {
            let s = &mut self.spaces[i];
            if s.root == 0 {
                s.root = root;
                s.pool = Pool::of_object(root, size_bits);
                s.generation = s.generation.wrapping_add(1);
                s.nested = nested;
                // Never again a version that a guest in another space of this identifier may have seen.
                s.version += 1;
                self.hint = i + 1;
                self.in_use += 1;
                return Ok(i as u16);
            }
        }
        Err(Error::TableFull)
    }

    /// Takes an identifier back; what is recorded with its generation is void.
    pub fn release(&mut self, asid: u16) {
        if let Some(s) = self.spaces.get_mut(asid as usize)
            && s.root != 0
        {
            s.root = 0;
            self.in_use -= 1;
        }
    }

    /// The address space with this identifier.
    #[inline]
    pub fn get(&self, asid: u16) -> Option<&AddressSpace> {
        self.spaces.get(asid as usize).filter(|s| s.root != 0)
    }

    /// The address space with this identifier, to change it.
    #[inline]
    pub fn get_mut(&mut self, asid: u16) -> Option<&mut AddressSpace> {
        self.spaces.get_mut(asid as usize).filter(|s| s.root != 0)
    }

    /// The address space with this identifier, if it is still the one of this generation.
    #[inline]
    pub fn current(&self, asid: u16, generation: u32) -> Option<&AddressSpace> {
        self.get(asid).filter(|s| s.generation == generation)
    }
}

impl Default for AsidTable {
    fn default() -> Self {
        Self::new()
    }
}
