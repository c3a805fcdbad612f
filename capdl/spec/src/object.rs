//! Named objects of a system.

use crate::quantity::Bytes;
use pagurus_abi::{Kind, Rights};
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;

/// A named object.
#[derive(Clone, Debug)]
pub struct ObjectSpec {
    /// Its name, unique among the objects of the system.
    pub name: Spanned<String>,
    /// Several components may use it; for endpoints and notifications: receive from it.
    pub shared: bool,
    /// The machine may lack it (a processor, say); then the slots that would name it stay empty.
    pub optional: bool,
    /// What it is.
    pub kind: ObjectKind,
    /// Its table in the file.
    pub span: Range<usize>,
}

/// What a named object is.
#[derive(Clone, Debug)]
pub enum ObjectKind {
    /// `[[endpoint]]`: where components exchange messages.
    Endpoint,
    /// `[[notification]]`: a word of signals.
    Notification,
    /// `[[frame]]`: memory that can be mapped.
    Frame {
        /// A power of two, at least 4 KiB.
        size: Spanned<Bytes>,
        /// One component may write what another executes (a just-in-time compiler, say).
        wx_alias: bool,
    },
    /// `[[device]]`: registers of a device, mapped into physical memory.
    Device {
        /// Physical address, a multiple of `size`.
        address: Spanned<u64>,
        /// A power of two, at least 4 KiB.
        size: Spanned<Bytes>,
    },
    /// `[[irq]]`: an interrupt line.
    Irq {
        /// Global system interrupt (ACPI 6.5, section 5.2.13).
        gsi: Spanned<u32>,
        /// Edge or level.
        trigger: Trigger,
        /// Active high or low.
        polarity: Polarity,
    },
    /// `[[ports]]`: a range of I/O ports.
    Ports {
        /// First port.
        first: Spanned<u16>,
        /// Last port, included.
        last: Spanned<u16>,
    },
    /// `[[untyped]]`: memory to make objects from.
    Untyped {
        /// How much.
        size: Spanned<UntypedSize>,
    },
    /// `[[trace_buffer]]`: the ring of one processor's log and trace records.
    TraceBuffer {
        /// Index of the processor.
        cpu: Spanned<u32>,
        /// A power of two, 4 KiB to 16 MiB.
        size: Spanned<Bytes>,
    },
    /// `[[module]]`: the boot module of the same name, a file that the boot loader brought. It can only be mapped,
    /// and only read.
    Module,
    /// `[[timer]]`: signals a notification at a time.
    Timer,
    /// `[[cpu]]`: the right to run threads on a processor.
    Cpu {
        /// Index of the processor.
        index: Spanned<u32>,
        /// The highest priority that a holder may give away.
        max_priority: Spanned<u32>,
    },
}

/// When an interrupt line asserts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// On a change.
    #[default]
    Edge,
    /// As long as the line is active.
    Level,
}

/// Which level of an interrupt line is the active one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Polarity {
    /// High.
    #[default]
    High,
    /// Low.
    Low,
}

/// How much untyped memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UntypedSize {
    /// A power of two.
    Bytes(Bytes),
    /// `"rest"`: all memory that nothing else took, as many capabilities as fit in the slots.
    Rest,
}

impl<'de> Deserialize<'de> for UntypedSize {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        if value.as_str() == Some("rest") {
            return Ok(UntypedSize::Rest);
        }
        Bytes::deserialize(value)
            .map(UntypedSize::Bytes)
            .map_err(serde::de::Error::custom)
    }
}

impl ObjectKind {
    /// The kind of kernel object.
    pub fn kind(&self) -> Kind {
        match self {
            ObjectKind::Endpoint => Kind::Endpoint,
            ObjectKind::Notification => Kind::Notification,
            ObjectKind::Frame { .. } | ObjectKind::Device { .. } | ObjectKind::Module => {
                Kind::Frame
            }
            ObjectKind::Irq { .. } => Kind::IrqHandler,
            ObjectKind::Ports { .. } => Kind::IoPort,
            ObjectKind::Untyped { .. } => Kind::Untyped,
            ObjectKind::TraceBuffer { .. } => Kind::TraceBuffer,
            ObjectKind::Timer => Kind::Timer,
            ObjectKind::Cpu { .. } => Kind::Cpu,
        }
    }

    /// What people call it.
    pub fn noun(&self) -> &'static str {
        match self {
            ObjectKind::Endpoint => "endpoint",
            ObjectKind::Notification => "notification",
            ObjectKind::Frame { .. } => "frame",
            ObjectKind::Device { .. } => "device memory",
            ObjectKind::Irq { .. } => "IRQ",
            ObjectKind::Ports { .. } => "port range",
            ObjectKind::Untyped { .. } => "untyped memory",
            ObjectKind::TraceBuffer { .. } => "trace buffer",
            ObjectKind::Module => "boot module",
            ObjectKind::Timer => "timer",
            ObjectKind::Cpu { .. } => "processor",
        }
    }

    /// The rights that mean something for it.
    pub fn possible_rights(&self) -> Rights {
        match self {
            ObjectKind::Endpoint => Rights::RW.union(Rights::GRANT),
            ObjectKind::Frame { .. } => Rights::RW.union(Rights::EXECUTE),
            ObjectKind::Module => Rights::READ,
            // Cannot be derived, only moved as it was made.
            ObjectKind::Untyped { .. } => Rights::all(),
            // Registers of devices are data.
            _ => Rights::RW,
        }
    }

    /// The rights of a capability that names none: everything for what has one user, nothing where the
    /// description must decide.
    pub fn default_rights(&self) -> Option<Rights> {
        match self {
            ObjectKind::Endpoint
            | ObjectKind::Notification
            | ObjectKind::Frame { .. }
            | ObjectKind::Module => None,
            ObjectKind::Device { .. }
            | ObjectKind::Irq { .. }
            | ObjectKind::Ports { .. }
            | ObjectKind::TraceBuffer { .. }
            | ObjectKind::Timer
            | ObjectKind::Cpu { .. } => Some(Rights::RW),
            ObjectKind::Untyped { .. } => Some(Rights::all()),
        }
    }

    /// Whether it signals by itself: root binds it to the component's notification.
    pub fn can_signal(&self) -> bool {
        matches!(self, ObjectKind::Irq { .. } | ObjectKind::Timer)
    }

    /// Bytes, for memory that can be mapped. How many a boot module has is known when the machine boots.
    pub fn mappable_bytes(&self) -> Option<u64> {
        match self {
            ObjectKind::Frame { size, .. } | ObjectKind::Device { size, .. } => {
                Some(size.get_ref().0)
            }
            _ => None,
        }
    }
}
