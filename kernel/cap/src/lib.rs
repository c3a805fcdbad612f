//! The capability core: slots, the derivation tree, untyped memory, deletion and revocation.
//!
//! Pure logic over a storage trait ([`Slots`]): the kernel gives it slots in physical memory, tests and
//! proofs give it an array. Nothing here follows a pointer, allocates or recurses.
//!
//! # The derivation tree
//!
//! All filled slots form one doubly linked list in pre-order, each with its depth. The children of a
//! capability are the capabilities after it that are deeper by one, up to the first that is not deeper
//! than itself. So inserting a child is O(1) at any depth, and a subtree is a contiguous piece of the list.
//! A capability dies only after all that was derived from it: depths have no gaps, and
//! "deeper than" means "derived from".
//!
//! # Lifetime of objects
//!
//! `retype` makes the *original* capability of an object, a direct child of the untyped memory that
//! the object lies in. All others are derived from it. The object ends when its original does, at which
//! time no other capability to it can exist: no reference counts, no search for the last capability.
//!
//! # Containment
//!
//! Deleting the original of a CNode deletes what is in the CNode. Deletion walks from a capability to its
//! children and into the contents of CNodes, so this walk must not run in a circle. Every CNode has a
//! *level*, every untyped memory in use a least level of the CNodes made from it, and a CNode holds only
//! originals and untyped memory of a higher level than its own ([`level`]). The walk therefore ends after at most
//! 255 changes of container.
#![cfg_attr(not(any(test, feature = "sim")), no_std)]
#![forbid(unsafe_code)]

pub mod check;
pub mod cnode;
pub mod delete;
pub mod derive;
pub mod level;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
pub mod slot;
pub mod tree;
pub mod untyped;

#[cfg(test)]
mod tests;

pub use delete::{Contents, Finalised, Objects, Outcome, delete, revoke};
pub use slot::{Flags, Mapping, Slot, SlotId, Slots};
