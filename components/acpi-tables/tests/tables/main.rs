//! The tables, taken apart by hand, by the `acpi` crate, and (their code) run by the `aml` crate.

mod aml;
mod code;
mod layout;
mod machine;
mod refused;
mod registers;
