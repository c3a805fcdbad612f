//! CNodes: where capabilities are kept, derived, moved and deleted.

use crate::{Cap, Slot};
use pagurus_abi::method::{MINT_BADGE, MINT_PLAIN, MINT_RANGE, Method, SlotInfo};
use pagurus_abi::{Error, Rights};

/// An array of capability slots.
#[derive(Debug)]
pub enum CNode {}

/// What a derived capability has beyond fewer rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mint {
    /// Nothing.
    Plain,
    /// A badge (Endpoint, Notification).
    Badge(u64),
    /// A narrower range of I/O ports.
    Ports {
        /// First port.
        first: u16,
        /// Last port.
        last: u16,
    },
    /// A lower maximum priority (Cpu).
    MaxPriority(u8),
}

/// What [`Cap::<CNode>::inspect`] tells about a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotDescription {
    /// Kind, rights, size, depth and flags.
    pub info: SlotInfo,
    /// Identity of the object: equal for all capabilities to it.
    pub object: u64,
    /// Badge or range.
    pub badge: u64,
    /// Virtual address of its mapping, or 0.
    pub mapping: u64,
}

impl Cap<CNode> {
    fn invoke(self, method: Method, parameter: u64, args: [u64; 4]) -> Result<[u64; 4], Error> {
        crate::syscall::invoke(self.index(), method, parameter, args)
    }

    /// Derives from `from` a capability with at most `rights` into slot `to` of this CNode (`CNodeMint`).
    pub fn mint(self, to: u32, from: Slot, rights: Rights, what: Mint) -> Result<(), Error> {
        let (mode, extra) = match what {
            Mint::Plain => (MINT_PLAIN, 0),
            Mint::Badge(badge) => (MINT_BADGE, badge),
            Mint::Ports { first, last } => (MINT_RANGE, u64::from(first) | u64::from(last) << 16),
            Mint::MaxPriority(priority) => (MINT_RANGE, priority.into()),
        };
        let parameter = u64::from(rights.bits()) | mode << 8;
        let args = [
            to.into(),
            from.cnode.index().into(),
            from.index.into(),
            extra,
        ];
        self.invoke(Method::CNodeMint, parameter, args).map(|_| ())
    }

    /// Moves the capability at `from` to slot `to` of this CNode (`CNodeMove`).
    pub fn move_here(self, to: u32, from: Slot) -> Result<(), Error> {
        let args = [to.into(), from.cnode.index().into(), from.index.into(), 0];
        self.invoke(Method::CNodeMove, 0, args).map(|_| ())
    }

    /// Deletes the capability in `slot` and everything derived from it (`CNodeDelete`).
    pub fn delete(self, slot: u32) -> Result<(), Error> {
        self.invoke(Method::CNodeDelete, 0, [slot.into(), 0, 0, 0])
            .map(|_| ())
    }

    /// Deletes everything derived from the capability in `slot` (`CNodeRevoke`).
    pub fn revoke(self, slot: u32) -> Result<(), Error> {
        self.invoke(Method::CNodeRevoke, 0, [slot.into(), 0, 0, 0])
            .map(|_| ())
    }

    /// Describes `slot` (`CNodeInspect`).
    ///
    /// # Errors
    /// An empty slot is not an error.
    pub fn inspect(self, slot: u32) -> Result<SlotDescription, Error> {
        let r = self.invoke(Method::CNodeInspect, 0, [slot.into(), 0, 0, 0])?;
        Ok(SlotDescription {
            info: SlotInfo(r[0]),
            object: r[1],
            badge: r[2],
            mapping: r[3],
        })
    }

    /// Number of slots (`CNodeSize`).
    pub fn size(self) -> Result<u64, Error> {
        Ok(self.invoke(Method::CNodeSize, 0, [0; 4])?[0])
    }
}
