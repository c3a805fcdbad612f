//! Where the structures lie, and the capabilities that say so (VIRTIO 1.2, 4.1.4).

use pagurus_devices_pci::{BarKind, BuildError, Function, Identity};
use zerocopy::little_endian::U32;
use zerocopy::{Immutable, IntoBytes};

use crate::device::DeviceType;

/// Base address register of the memory range: configuration and MSI-X.
pub const CONFIG_BAR: u8 = 0;
/// Base address register of the I/O range: notifications.
pub const NOTIFY_BAR: u8 = 1;
/// Offset in the memory range at which notifications can be written too, laid out like the ports.
pub const NOTIFY_OFFSET: u16 = 0xc00;
/// Ports or bytes from one queue's notifications to the next one's: so that no access touches two.
pub const NOTIFY_MULTIPLIER: u16 = 4;

/// Where a driver can write its notifications (4.1.4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notifications {
    /// Ports, or memory for a driver that does not take to ports: the capability with the ports comes first.
    #[default]
    Ports,
    /// Memory only: for guests that cannot do with an I/O range on the device.
    Memory,
}

const CONFIG_BAR_SIZE: u64 = 0x2000;
const COMMON: u32 = 0;
/// All fields up to those that only features bring which are not offered; these read as zero.
pub(super) const COMMON_SIZE: u32 = 0x40;
const ISR: u32 = 0x400;
const ISR_SIZE: u32 = 1;
const DEVICE: u32 = 0x800;
const NOTIFY: u32 = NOTIFY_OFFSET as u32;
const MSIX_TABLE: u32 = 0x1000;
const MSIX_PENDING: u32 = 0x1800;

/// A structure of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Region {
    Common,
    Isr,
    Device,
    Notify,
}

impl Region {
    /// Which structure is at this place, and at what offset in it.
    pub fn at(bar: u8, offset: u64) -> Option<(Region, u32)> {
        let offset = u32::try_from(offset).ok()?;
        match (bar, offset) {
            (NOTIFY_BAR, _) => Some((Region::Notify, offset)),
            (CONFIG_BAR, NOTIFY..MSIX_TABLE) => Some((Region::Notify, offset - NOTIFY)),
            (CONFIG_BAR, COMMON..ISR) => Some((Region::Common, offset - COMMON)),
            (CONFIG_BAR, ISR..DEVICE) => Some((Region::Isr, offset - ISR)),
            (CONFIG_BAR, DEVICE..NOTIFY) => Some((Region::Device, offset - DEVICE)),
            _ => None,
        }
    }
}

/// Values of `cfg_type`.
mod config_type {
    pub const COMMON: u8 = 1;
    pub const NOTIFY: u8 = 2;
    pub const ISR: u8 = 3;
    pub const DEVICE: u8 = 4;
    pub const PCI: u8 = 5;
}

/// Capability ID of virtio's structures: specific to the vendor.
const VENDOR_SPECIFIC: u8 = 0x09;

/// A capability behind its ID and link.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Capability {
    length: u8,
    config_type: u8,
    bar: u8,
    id: u8,
    padding: [u8; 2],
    offset: U32,
    size: U32,
}

/// The notification capability has one field more (4.1.4.4).
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct NotifyCapability {
    common: Capability,
    multiplier: U32,
}

impl Capability {
    fn new<T>(config_type: u8, bar: u8, offset: u32, size: u32) -> Capability {
        Capability {
            // ID and link are not in the structures here.
            length: size_of::<T>() as u8 + 2,
            config_type,
            bar,
            id: 0,
            padding: [0; 2],
            offset: offset.into(),
            size: size.into(),
        }
    }

    fn add(config_type: u8, offset: u32, size: u32, to: &mut Function) -> Result<(), BuildError> {
        let capability = Capability::new::<Capability>(config_type, CONFIG_BAR, offset, size);
        to.add_capability(VENDOR_SPECIFIC, capability.as_bytes(), &[])?;
        Ok(())
    }
}

/// The configuration space of a device with so many queues and bytes of configuration.
pub(super) fn function(
    kind: DeviceType,
    queues: u16,
    config_size: u32,
    notifications: Notifications,
) -> Result<Function, BuildError> {
    let mut function = Function::new(Identity {
        vendor: 0x1af4,
        device: 0x1040 + kind.id,
        // Revision and subsystem keep legacy drivers away (4.1.2.1).
        revision: 1,
        class: kind.class,
        subsystem_vendor: 0x1af4,
        subsystem: 0x40 + kind.id,
    });
    function.add_interrupt_pin();
    function.add_bar(CONFIG_BAR, BarKind::Memory32, CONFIG_BAR_SIZE)?;
    // One vector for configuration changes and one for each queue.
    function.add_msix(queues + 1, CONFIG_BAR, MSIX_TABLE, MSIX_PENDING)?;
    Capability::add(config_type::COMMON, COMMON, COMMON_SIZE, &mut function)?;
    Capability::add(config_type::ISR, ISR, ISR_SIZE, &mut function)?;
    if config_size != 0 {
        Capability::add(config_type::DEVICE, DEVICE, config_size, &mut function)?;
    }
    let size = u32::from(queues) * u32::from(NOTIFY_MULTIPLIER);
    if notifications == Notifications::Ports {
        let ports = u64::from(size).next_power_of_two().max(4);
        function.add_bar(NOTIFY_BAR, BarKind::Io, ports)?;
        add_notify(NOTIFY_BAR, 0, size, &mut function)?;
    }
    add_notify(CONFIG_BAR, NOTIFY, size, &mut function)?;
    function.add_window(config_type::PCI)?;
    Ok(function)
}

fn add_notify(bar: u8, offset: u32, size: u32, to: &mut Function) -> Result<(), BuildError> {
    let notify = NotifyCapability {
        common: Capability::new::<NotifyCapability>(config_type::NOTIFY, bar, offset, size),
        multiplier: u32::from(NOTIFY_MULTIPLIER).into(),
    };
    to.add_capability(VENDOR_SPECIFIC, notify.as_bytes(), &[])?;
    Ok(())
}
