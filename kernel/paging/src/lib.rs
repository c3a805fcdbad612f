//! One page-table walker over every table format.
//!
//! [`Tables`] names the tables of one address space; its methods map, unmap, protect, split, merge,
//! harvest and translate. The format is a type ([`Host`], [`Npt`], [`Ept`]), the memory that holds the
//! tables is a [`PhysMem`], and new tables come from a [`TablePool`], in the kernel a [`Pool`].
//!
//! **Preemption.** Operations over a range take a budget of entries and say how far they came
//! ([`Progress`]). The tables are the state of an interrupted operation: call again with the same
//! arguments and `done` from the answer. A map that fails is undone by unmapping `[virt, virt + done)`.
//!
//! **Empty tables.** A table is freed the moment its last entry goes, so that the tables in use are
//! exactly those that what is mapped needs. So that nobody has to scan for the last entry, an entry that
//! refers to a table counts that table's entries in bits that the processor ignores
//! ([`format::COUNT`]). The root table is never freed.
//!
//! **Flushing.** Every operation says what the processors' translation caches may still hold
//! ([`Flush`]). The flush must be complete before the next operation on the same tables, and before
//! frames that were unmapped are used for anything else: a freed table may be in use again after that.
//! Until then a processor can fault on a page that is mapped: a fault on an access that
//! [`Tables::translate`] permits is retried.
//!
//! **Concurrency.** One operation at a time for the same tables. Processors walk the tables and set
//! accessed and dirty bits at any time; no such bit of a leaf is ever lost ([`PhysMem::modify`]).
#![cfg_attr(not(any(test, feature = "sim")), no_std)]
#![forbid(unsafe_code)]

mod ept;
mod error;
pub mod format;
mod harvest;
mod map;
mod memory;
mod merge;
mod outcome;
mod pool;
mod protect;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod size;
mod split;
mod translate;
mod unmap;
mod walk;
mod x86;

pub use ept::Ept;
pub use error::MapError;
pub use format::PageFormat;
pub use harvest::Activity;
pub use map::Mapping;
pub use memory::{PhysMem, TablePool};
pub use outcome::{Failure, Flush, Progress};
pub use pool::Pool;
pub use size::PageSize;
pub use translate::Translation;
pub use walk::{Region, Tables};
pub use x86::{Host, Npt, PAT};
