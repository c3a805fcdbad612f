//! Virtqueues: how buffers come from the driver and go back to it.

mod chain;
mod layout;
mod ring;
mod set;
mod settings;
mod split;

pub use chain::{Chain, Piece, Pieces};
pub use layout::Area;
pub use ring::{Ring, Used};
pub(crate) use set::IdSet;
pub use settings::QueueSettings;
pub use split::SplitRing;

/// Greatest size of a queue.
pub const MAX_QUEUE_SIZE: u16 = 1024;
