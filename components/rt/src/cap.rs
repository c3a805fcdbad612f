//! Typed capabilities.

use crate::object::CNode;
use core::fmt;
use core::marker::PhantomData;

/// A capability to an object of type `T`: an index in the component's own capability space.
///
/// It is a name, not an owner: it may be copied freely, and dropping it deletes nothing. A wrong type does no harm: the
/// kernel answers [`Error::WrongKind`](crate::abi::Error::WrongKind).
pub struct Cap<T> {
    index: u32,
    object: PhantomData<fn() -> T>,
}

impl<T> Cap<T> {
    /// The capability at `index`.
    pub const fn new(index: u32) -> Self {
        Cap {
            index,
            object: PhantomData,
        }
    }

    /// Its index in the component's capability space.
    pub const fn index(self) -> u32 {
        self.index
    }
}

impl<T> Clone for Cap<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Cap<T> {}

impl<T> PartialEq for Cap<T> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl<T> Eq for Cap<T> {}

impl<T> fmt::Debug for Cap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = core::any::type_name::<T>();
        let name = path.rsplit("::").next().unwrap_or(path);
        write!(f, "{name}[{}]", self.index)
    }
}

/// A place for a capability: a CNode and an index in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The CNode.
    pub cnode: Cap<CNode>,
    /// Index in it.
    pub index: u32,
}

impl Slot {
    /// Slot `index` of `cnode`.
    pub const fn new(cnode: Cap<CNode>, index: u32) -> Self {
        Slot { cnode, index }
    }
}
