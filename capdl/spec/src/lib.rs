//! The description of a system in TOML, typed.
//!
//! A description says which components there are, which kernel objects, and which component may use which
//! object under which name, with which rights. [`parse()`] reads it into a [`SystemSpec`] in which every
//! value knows its place in the file, so that whatever finds a fault can point at it ([`Diagnostic`]).
//! Whether the system makes sense is for `pagurus-capdl-check` to say.
#![forbid(unsafe_code)]

pub mod access;
pub mod addresses;
pub mod component;
pub mod constants;
pub mod diagnostic;
pub mod object;
pub mod parse;
pub mod quantity;
pub mod slots;
pub mod source;
pub mod system;

pub use component::{CapSpec, ComponentSpec, MapSpec, OwnObject, Restarts, Service};
pub use diagnostic::{Diagnostic, Diagnostics, did_you_mean};
pub use object::{ObjectKind, ObjectSpec};
pub use parse::{parse, parse_file};
pub use quantity::{Bytes, Nanoseconds, RightsText};
pub use source::Source;
pub use system::{ROOT, SystemSpec};
/// A value with its place in the file.
pub use toml::Spanned;
