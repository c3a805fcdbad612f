//! The binary form of a system's description.
//!
//! `tools` makes an image from a description in TOML; the boot loader brings it as the module `system`;
//! root reads it with [`Image::parse`] and builds the system. Reading needs no heap, and no bytes whatever
//! make it panic: everything that can be wrong is found by `parse`, and an image that was accepted names
//! only objects, slots and addresses that exist.
//!
//! ```
//! # fn build(bytes: &[u8]) -> Result<(), pagurus_capdl_image::ImageError> {
//! let image = pagurus_capdl_image::Image::parse(bytes)?;
//! for object in image.objects() {
//!     // make it: object.kind
//! }
//! for component in image.start_order() {
//!     // load component.binary, then
//!     for cap in component.caps() {
//!         // put cap.target into cap.slot with cap.rights and cap.badge
//!     }
//!     for map in component.maps() {
//!         // map map.object at map.address
//!     }
//! }
//! # Ok(())
//! # }
//! ```
#![cfg_attr(not(any(test, feature = "write")), no_std)]
#![forbid(unsafe_code)]

pub mod audit;
mod decode;
pub mod error;
pub mod layout;
pub mod reader;
pub mod record;
#[cfg(any(test, feature = "write"))]
pub mod write;

#[cfg(test)]
mod tests;

pub use error::ImageError;
pub use reader::{Component, Image};
pub use record::{
    Cap, ComponentInfo, Dynamic, Map, Object, ObjectKind, Restarts, Service, Target, Time,
};
