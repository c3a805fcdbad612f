//! Pictures of a system's description.
//!
//! [`dot()`] gives text for Graphviz with every capability in it. [`svg()`] draws the system for people,
//! without other programs: components as boxes with what only they have, and between them the objects
//! through which they reach each other, clients above their servers.
#![forbid(unsafe_code)]

mod coordinates;
mod dot;
mod drawing;
mod layers;
mod legend;
mod model;
mod style;
mod svg;
mod text;

pub use dot::dot;
pub use svg::svg;
