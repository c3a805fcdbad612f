//! Split virtqueues, the device's side (VIRTIO 1.2, 2.7).

use zerocopy::{FromZeros, IntoBytes};

use super::IdSet;
use super::chain::{Chain, Piece};
use super::layout::{
    DESCRIPTOR, Descriptor, DescriptorFlags, ENTRIES, INDEX, SUPPRESS, UsedElement,
};
use super::ring::{Ring, Used};
use super::settings::QueueSettings;
use crate::error::QueueError;
use crate::feature::Features;
use crate::memory::{GuestMemory, OutsideMemory};

/// Bytes of a chain at most (2.7.5.2).
const CHAIN_BYTES: u64 = 1 << 32;

/// The device's side of a split virtqueue.
///
/// The guest's memory is believed once for every field: what was read is checked and then kept. The device's own
/// indices are never read back from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitRing {
    settings: QueueSettings,
    indirect: bool,
    event_index: bool,
    /// Where the next available entry is taken from.
    next_available: u16,
    /// The driver's index when it was last read: entries before it can be taken without reading it again.
    available: u16,
    /// Where the next used entry goes; what the used ring's index says.
    next_used: u16,
    /// Used entries that nobody has thought about interrupts for; `u16::MAX` and more look the same.
    unsignalled: u16,
    /// The driver was asked to notify the device of the next buffer.
    armed: bool,
    in_flight: IdSet,
}

impl SplitRing {
    /// A ring that was never used, with memory that the driver has zeroed.
    pub fn new(settings: QueueSettings, features: Features) -> Result<SplitRing, QueueError> {
        settings.check()?;
        Ok(SplitRing {
            settings,
            indirect: features.contains(Features::INDIRECT_DESC),
            event_index: features.contains(Features::EVENT_IDX),
            next_available: 0,
            available: 0,
            next_used: 0,
            unsignalled: 0,
            armed: true,
            in_flight: IdSet::EMPTY,
        })
    }

    fn size(&self) -> u16 {
        self.settings.size
    }

    /// Address of an available entry. The size is a power of two.
    fn available_entry(&self, index: u16) -> u64 {
        self.settings.driver + ENTRIES + 2 * u64::from(index & (self.size() - 1))
    }

    fn used_entry(&self, index: u16) -> u64 {
        self.settings.device + ENTRIES + 8 * u64::from(index & (self.size() - 1))
    }

    /// Address at which the driver says from which used index on it wants an interrupt.
    fn used_event(&self) -> u64 {
        self.settings.driver + ENTRIES + 2 * u64::from(self.size())
    }

    /// Address at which the device says from which available index on it wants a notification.
    fn available_event(&self) -> u64 {
        self.settings.device + ENTRIES + 8 * u64::from(self.size())
    }

    /// Reads the driver's index. All that it wrote before is visible from here on.
    fn look<M: GuestMemory + ?Sized>(&mut self, memory: &M) -> Result<bool, QueueError> {
        let index = memory.load_u16(self.settings.driver + INDEX)?;
        if index.wrapping_sub(self.next_available) > self.size() {
            return Err(QueueError::AvailableIndex {
                index,
                expected: self.next_available,
            });
        }
        self.available = index;
        Ok(index != self.next_available)
    }

    /// Asks for a notification of the next buffer, and looks again: it may have come before the driver saw that.
    fn arm<M: GuestMemory + ?Sized>(&mut self, memory: &M) -> Result<bool, QueueError> {
        if self.armed {
            return Ok(false);
        }
        if self.event_index {
            memory.store_u16(self.available_event(), self.next_available)?;
        } else {
            memory.store_u16(self.settings.device, 0)?;
        }
        self.armed = true;
        memory.fence();
        self.look(memory)
    }

    /// Asks for no notifications. With event indices the one last asked for is in the past, which says the same.
    fn disarm<M: GuestMemory + ?Sized>(&mut self, memory: &M) -> Result<(), QueueError> {
        if self.armed && !self.event_index {
            memory.store_u16(self.settings.device, SUPPRESS)?;
        }
        self.armed = false;
        Ok(())
    }

    /// Reads a chain from its head on.
    fn collect<M: GuestMemory + ?Sized>(
        &self,
        memory: &M,
        head: u16,
        chain: &mut Chain,
    ) -> Result<(), QueueError> {
        chain.clear(head);
        let limit = self.settings.max_size;
        let mut table = self.settings.descriptor;
        let mut entries = u32::from(self.size());
        let mut in_indirect = false;
        let mut index = head;
        let mut count = 0;
        loop {
            if u32::from(index) >= entries {
                return Err(QueueError::DescriptorIndex { index, entries });
            }
            let descriptor = read_descriptor(memory, table, index)?;
            let flags = DescriptorFlags::from_bits_retain(descriptor.flags.get());
            let (address, length) = (descriptor.address.get(), descriptor.length.get());
            if flags.contains(DescriptorFlags::INDIRECT) {
                if !self.indirect || in_indirect || flags.contains(DescriptorFlags::NEXT) {
                    return Err(QueueError::IndirectFlag);
                }
                entries = length / DESCRIPTOR as u32;
                if entries == 0 || !length.is_multiple_of(DESCRIPTOR as u32) {
                    return Err(QueueError::IndirectLength { length });
                }
                (table, index, in_indirect) = (address, 0, true);
                continue;
            }
            if count == limit {
                return Err(QueueError::ChainTooLong { limit });
            }
            count += 1;
            add(memory, chain, address, length, flags)?;
            if !flags.contains(DescriptorFlags::NEXT) {
                return Ok(());
            }
            index = descriptor.next.get();
        }
    }
}

impl Ring for SplitRing {
    fn pop<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        chain: &mut Chain,
    ) -> Result<bool, QueueError> {
        let some = self.next_available != self.available || self.look(memory)?;
        if !some && !self.arm(memory)? {
            return Ok(false);
        }
        self.disarm(memory)?;
        let head = memory.load_u16(self.available_entry(self.next_available))?;
        self.collect(memory, head, chain)?;
        // `collect` has seen that the head is below the size, which fits the set.
        if !self.in_flight.insert(head) {
            return Err(QueueError::InFlight { id: head });
        }
        self.next_available = self.next_available.wrapping_add(1);
        Ok(true)
    }

    fn undo_pop(&mut self, chain: &Chain) -> Result<(), QueueError> {
        if !self.in_flight.remove(chain.id) {
            return Err(QueueError::NotInFlight { id: chain.id });
        }
        self.next_available = self.next_available.wrapping_sub(1);
        Ok(())
    }

    fn push<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        used: &[Used],
    ) -> Result<(), QueueError> {
        for Used { id, written } in used {
            if !self.in_flight.remove(*id) {
                return Err(QueueError::NotInFlight { id: *id });
            }
            let element = UsedElement {
                id: u32::from(*id).into(),
                length: (*written).into(),
            };
            memory.write(self.used_entry(self.next_used), element.as_bytes())?;
            self.next_used = self.next_used.wrapping_add(1);
            self.unsignalled = self.unsignalled.saturating_add(1);
        }
        memory.store_u16(self.settings.device + INDEX, self.next_used)?;
        Ok(())
    }

    fn has_news(&self) -> bool {
        self.unsignalled != 0
    }

    fn wants_interrupt<M: GuestMemory + ?Sized>(&mut self, memory: &M) -> Result<bool, QueueError> {
        let news = core::mem::take(&mut self.unsignalled);
        if news == 0 {
            return Ok(false);
        }
        // The driver writes what it wants and then looks at the used index; here it is the other way round.
        memory.fence();
        if !self.event_index {
            return Ok(memory.load_u16(self.settings.driver)? & SUPPRESS == 0);
        }
        let event = memory.load_u16(self.used_event())?;
        // Whether `event` is among the entries since the last time (2.7.7.2), all of them if they are 65,535 or more.
        let behind = self.next_used.wrapping_sub(event).wrapping_sub(1);
        Ok(news == u16::MAX || behind < news)
    }

    fn in_flight(&self) -> u16 {
        self.in_flight.len()
    }
}

fn read_descriptor<M: GuestMemory + ?Sized>(
    memory: &M,
    table: u64,
    index: u16,
) -> Result<Descriptor, QueueError> {
    let offset = DESCRIPTOR * u64::from(index);
    let address = table.checked_add(offset).ok_or(OutsideMemory {
        address: table,
        length: offset + DESCRIPTOR,
    })?;
    let mut descriptor = Descriptor::new_zeroed();
    memory.read(address, descriptor.as_mut_bytes())?;
    Ok(descriptor)
}

/// Adds a descriptor's buffer to the chain. Empty ones are legal and leave nothing.
fn add<M: GuestMemory + ?Sized>(
    memory: &M,
    chain: &mut Chain,
    address: u64,
    length: u32,
    flags: DescriptorFlags,
) -> Result<(), QueueError> {
    let writable = flags.contains(DescriptorFlags::WRITE);
    if !writable && chain.writable.bytes() != 0 {
        return Err(QueueError::Order);
    }
    if length == 0 {
        return Ok(());
    }
    if !memory.contains(address, u64::from(length)) {
        return Err(QueueError::Memory(OutsideMemory {
            address,
            length: u64::from(length),
        }));
    }
    let bytes = chain.readable.bytes() + chain.writable.bytes() + u64::from(length);
    if bytes > CHAIN_BYTES {
        return Err(QueueError::TooManyBytes);
    }
    let piece = Piece { address, length };
    if writable {
        chain.writable.push(piece);
    } else {
        chain.readable.push(piece);
    }
    Ok(())
}
