//! Processors of VMs on machines of all kinds.

mod description;
mod identification;
mod limits;
mod machine;
mod registers;
mod topology;
