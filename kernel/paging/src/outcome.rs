//! What an operation did.

use crate::error::MapError;

/// What the translation caches of processors may still hold after an operation; the larger one covers
/// the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Flush {
    /// Nothing outdated.
    #[default]
    None,
    /// Outdated pages of the range between the old `done` and the new.
    Range,
    /// Outdated entries for tables as well, which instructions that invalidate one address may leave
    /// (INVPCID, INVLPGA): flush all that is cached of the address space. INVLPG in the current address
    /// space drops every cached entry for a table; with it, the pages of the range suffice (SDM volume 3,
    /// "Operations that Invalidate TLBs and Paging-Structure Caches"; APM volume 2, "Page-Translation
    /// Caching", with EFER.TCE clear).
    All,
}

/// How far an operation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the range that are done, earlier calls included: give it to the next call.
    pub done: u64,
    /// The whole range is done.
    pub complete: bool,
    /// What to flush for this call.
    pub flush: Flush,
}

/// Where and why an operation stopped. What was done before stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub error: MapError,
    /// Bytes of the range that are done, earlier calls included.
    pub done: u64,
    /// What to flush for this call.
    pub flush: Flush,
}
