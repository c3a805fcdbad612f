//! Virtual processors without the hardware: what the control blocks of AMD's SVM look like, what an exit means in
//! terms that do not depend on the machine ([`pagurus_abi::vcpu`]), which guest state a VMM may set, and when the nested
//! translations that a processor has cached may be used.
//!
//! Entering the guest is `kernel/hw`'s; everything here is decided on values and tested on the host.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod exit;
pub mod object;
pub mod sanitise;
pub mod svm;
pub mod tag;

pub use exit::Exit;
pub use object::{Vcpu, VcpuId};
pub use tag::{Tag, Tags, TlbFlush};
