//! The description of a system in TOML, typed.
//!
//! A description says which components there are, which kernel objects, and which component may use which
//! object under which name, with which rights. [`parse()`] reads it into a [`SystemSpec`] in which every
//! value knows its place in the file, so that whatever finds a fault can point at it ([`Diagnostic`]).
//! Whether the system makes sense is for `pagurus-capdl-check` to say.
//!
//! # The language
//!
//! | table | describes | see |
//! | --- | --- | --- |
//! | `[system]` | name, memory, processors, who is separate and who is trusted | [`system::About`] |
//! | `[services]` | the endpoints behind `uses = ["log", "parent", "memory"]` | [`system::Services`] |
//! | `[[component]]` | a program: its time, memory, capabilities and mappings | [`ComponentSpec`] |
//! | `[[endpoint]]`, `[[notification]]`, `[[frame]]`, `[[device]]`, `[[irq]]`, `[[ports]]`, `[[untyped]]`, `[[trace_buffer]]`, `[[module]]`, `[[timer]]`, `[[cpu]]` | a kernel object | [`ObjectKind`] |
//!
//! Objects have one owner unless they say `shared = true`. Sizes are written `"64K"`, times `"10ms"`, rights
//! as letters of `rwxg` ([`quantity`]). A component finds each of its named capabilities in the next free slot
//! ([`mod@slots`]), each mapping at the next free address ([`addresses`]), and both by generated constants
//! ([`constants`]). Its identifier is its place in the file, from 1; root is 0.
//!
//! ```
//! # let text = r#"
//! [system]
//! name = "example"
//! memory = "16M"
//!
//! [services]
//! parent = "root"          # every component's faults go there
//!
//! [[endpoint]]
//! name = "root"
//!
//! [[endpoint]]
//! name = "greetings"
//!
//! [[component]]
//! name = "greeter"
//! priority = 80
//! restarts = 3
//! caps = [{ name = "requests", object = "greetings", rights = "r" }]
//!
//! [[component]]
//! name = "visitor"
//! budget = "2ms"
//! period = "10ms"
//! uses = ["parent"]
//! caps = [{ name = "greeter", object = "greetings", rights = "w" }]
//! # "#;
//! # let source = pagurus_capdl_spec::Source::new("example.toml", text);
//! # let system = pagurus_capdl_spec::parse(&source).unwrap();
//! # assert_eq!(system.binaries(), ["greeter", "visitor"]);
//! ```
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
pub use parse::{parse, parse_file, syntax_error};
pub use quantity::{Bytes, Nanoseconds, RightsText};
pub use source::Source;
pub use system::{ROOT, SystemSpec};
/// A value with its place in the file.
pub use toml::Spanned;
