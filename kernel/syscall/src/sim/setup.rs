//! The system that is simulated, and how it boots.

use super::machine::SimMachine;
use super::processor::Mode;
use super::short::ShortWay;
use super::system::System;
use crate::boot::{Memory, Root, Segment};
use crate::kernel::Kernel;
use pagurus_abi::Rights;
use pagurus_abi::boot::{BootInfo, ModuleDesc, ROOT_MEMORY_BITS, UntypedDesc};
use pagurus_abi::layout::IMAGE_BASE;
use std::collections::BTreeMap;
use zerocopy::FromZeros;

/// Physical address of simulated memory.
pub const RAM: u64 = 0x100_0000;
/// Where the memory of root's first objects ends and untyped memory begins.
pub const UNTYPED: u64 = RAM + (1 << ROOT_MEMORY_BITS);
/// Physical address of the one boot module.
pub const MODULE: u64 = 0x20_0000;
/// Physical address of device memory.
pub const DEVICE: u64 = 0xfe00_0000;
/// log2 of the bytes of device memory.
pub const DEVICE_BITS: u8 = 20;
/// Slot of the boot module's frame.
pub const MODULE_SLOT: u64 = pagurus_abi::boot::slot::FIRST_DYNAMIC as u64;
/// Slot of the untyped memory.
pub const UNTYPED_SLOT: u64 = MODULE_SLOT + 1;
/// Slot of the device memory.
pub const DEVICE_SLOT: u64 = MODULE_SLOT + 2;
/// First slot of root's CNode that boot leaves empty.
pub const FREE_SLOT: u64 = MODULE_SLOT + 3;
/// The system to build.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Processors.
    pub cpus: usize,
    /// log2 of the bytes of untyped memory.
    pub untyped_bits: u8,
    /// Check all invariants after every so many entries into the kernel.
    pub check_every: u32,
    /// Deliver inter-processor interrupts at once.
    pub prompt: bool,
    /// System calls take the short way.
    pub short_way: ShortWay,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            cpus: 1,
            untyped_bits: 22,
            check_every: 1,
            prompt: true,
            short_way: ShortWay::Never,
        }
    }
}

impl System {
    /// Boots.
    ///
    /// # Panics
    /// If the kernel cannot.
    pub fn boot(setup: Setup) -> System {
        let bytes = (1u64 << ROOT_MEMORY_BITS) + (1 << setup.untyped_bits);
        let machine = SimMachine::new(setup.cpus, RAM, bytes);
        let mut kernel = Box::new(Kernel::new(machine));
        for cpu in 0..setup.cpus {
            kernel.cpu_online(cpu);
        }
        kernel.enter(0);
        let mut info = Box::new(BootInfo::new_zeroed());
        info.module_count = 1;
        info.modules[0] = ModuleDesc {
            name: [0; 48],
            address: MODULE,
            length: 4096,
            first_slot: 0,
            slot_count: 0,
        };
        info.untyped_count = 2;
        info.untyped[0] = UntypedDesc {
            address: UNTYPED,
            size_bits: setup.untyped_bits,
            ..UntypedDesc::default()
        };
        info.untyped[1] = UntypedDesc {
            address: DEVICE,
            size_bits: DEVICE_BITS,
            device: 1,
            ..UntypedDesc::default()
        };
        let segments = [Segment {
            virt: IMAGE_BASE,
            length: 0x4000,
            offset: 0,
            file: &[0x90; 64],
            rights: Rights::READ | Rights::EXECUTE,
        }];
        let root = Root {
            memory: RAM,
            segments: &segments,
            entry: IMAGE_BASE,
        };
        let mut frames = |module: usize, n: usize| {
            (module == 0 && n == 0).then_some(Memory {
                address: MODULE,
                size_bits: 12,
            })
        };
        let root = kernel
            .boot(&root, &mut info, &mut frames)
            .expect("root starts");
        assert_eq!(info.first_free_slot as u64, FREE_SLOT);
        let mut system = System {
            kernel,
            root,
            setup,
            calls: BTreeMap::new(),
            answers: BTreeMap::new(),
            shortened: 0,
            serial: 0,
            entries: 0,
        };
        for cpu in 0..setup.cpus {
            system.kernel.machine.processors[cpu].mode = Mode::Kernel;
            system.enter(cpu);
            system.leave(cpu);
        }
        system.settle();
        system.verify();
        system
    }
}
