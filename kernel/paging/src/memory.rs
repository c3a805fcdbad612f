//! Where tables live and where they come from.

/// The physical memory that holds page tables: 512 entries of 8 bytes at each 4 KiB aligned address.
pub trait PhysMem {
    /// Entry `index` (below 512) of the table at physical address `table`.
    fn read(&self, table: u64, index: usize) -> u64;

    /// Stores entry `index` (below 512) of the table at physical address `table` in one piece.
    fn write(&mut self, table: u64, index: usize, entry: u64);

    /// Replaces the entry by `(entry & !clear) | set` and returns what it was, as one atomic step: a bit
    /// that a processor sets meanwhile is either in the value returned or in the entry.
    fn modify(&mut self, table: u64, index: usize, clear: u64, set: u64) -> u64;
}

/// A supply of page tables.
pub trait TablePool {
    /// How many tables [`alloc`](Self::alloc) will still give.
    fn available(&self) -> usize;

    /// Physical address of a table with 512 zero entries.
    fn alloc(&mut self, mem: &mut impl PhysMem) -> Option<u64>;

    /// Takes back a table that came from this pool and whose entries are all zero again.
    fn free(&mut self, mem: &mut impl PhysMem, table: u64);
}
