//! What an exit means, whatever the machine.

use pagurus_abi::vcpu::ExitKind;

/// Why the guest was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The VMM is to know.
    Vmm {
        /// Why.
        kind: ExitKind,
        /// See [`ExitKind`].
        info: [u64; 4],
    },
    /// An interrupt of the machine waits, maskable or not: the kernel's affair.
    Interrupt,
    /// The machine itself is broken.
    MachineCheck,
}

impl Exit {
    /// An exit about which there is nothing more to say.
    pub const fn plain(kind: ExitKind) -> Exit {
        Exit::Vmm { kind, info: [0; 4] }
    }

    /// An exit with details.
    pub const fn with(kind: ExitKind, a: u64, b: u64, c: u64) -> Exit {
        Exit::Vmm {
            kind,
            info: [a, b, c, 0],
        }
    }
}
