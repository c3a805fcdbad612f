//! Root's own capabilities, where the kernel put them.

use pagurus_abi::boot::slot;
use pagurus_rt::object::{AddressSpace, CNode, Cpu, IrqControl, KernelControl};
use pagurus_rt::{Cap, Slot};

/// Root's capability space.
pub const CNODE: Cap<CNode> = Cap::new(slot::CNODE);
/// Root's address space.
pub const SPACE: Cap<AddressSpace> = Cap::new(slot::ADDRESS_SPACE);
/// Makes interrupt handlers.
pub const IRQ: Cap<IrqControl> = Cap::new(slot::IRQ_CONTROL);
/// Control of the kernel.
pub const KERNEL: Cap<KernelControl> = Cap::new(slot::KERNEL_CONTROL);

/// A slot of root's capability space.
pub const fn at(index: u32) -> Slot {
    Slot::new(CNODE, index)
}

/// Processor `index`, which the machine has.
pub const fn cpu(index: u32) -> Cap<Cpu> {
    Cap::new(slot::FIRST_CPU + index)
}
