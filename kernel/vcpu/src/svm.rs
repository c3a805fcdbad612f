//! AMD's Secure Virtual Machine (APM volume 2, chapter 15 and appendix B).

pub mod decode;
pub mod state;
pub mod vmcb;

pub use vmcb::Vmcb;
