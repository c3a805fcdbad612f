//! What devices need of a virtqueue, whatever its layout in memory.

use super::chain::Chain;
use crate::error::QueueError;
use crate::memory::GuestMemory;

/// A buffer that goes back to the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// [`Chain::id`].
    pub id: u16,
    /// Bytes that the device wrote for certain, from the first writable one on.
    pub written: u32,
}

/// The device's side of a ring. Split virtqueues implement it; nothing in it is theirs alone, so that packed ones
/// can.
///
/// After an error the ring is in no defined state and is not to be used until it is set up again. No method loops for
/// longer than a chain is long, and none allocates beyond a chain's pieces.
pub trait Ring {
    /// Takes the next available buffer. If there is none, asks the driver to notify the device of the next one.
    /// While there are some, the driver is asked not to.
    fn pop<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        chain: &mut Chain,
    ) -> Result<bool, QueueError>;

    /// Gives back the buffer that was taken last, as if it had not been. Of several, in reverse order.
    fn undo_pop(&mut self, chain: &Chain) -> Result<(), QueueError>;

    /// Gives buffers back to the driver, which sees all of them or none.
    fn push<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        used: &[Used],
    ) -> Result<(), QueueError>;

    /// Whether buffers were given back since [`Ring::wants_interrupt`] was asked last.
    fn has_news(&self) -> bool;

    /// Whether the driver wants to be told of what was given back since this was asked last.
    fn wants_interrupt<M: GuestMemory + ?Sized>(&mut self, memory: &M) -> Result<bool, QueueError>;

    /// Buffers that were taken and not given back.
    fn in_flight(&self) -> u16;
}
