//! The operator console.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod editor;
pub mod history;
pub mod keys;
pub mod suggest;
pub mod units;
