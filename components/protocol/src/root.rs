//! Root: what a component may ask its parent, and what the console may order.
//!
//! Bits 0..32 of the badge of the sender's endpoint are the component's identifier; [`BADGE_CONTROL`] is set for
//! those that may also give orders (restart, shutdown). An ordinary component needs no capability to this endpoint,
//! not even to end (see [`stop`](crate::stop)).

use crate::name::Name;
use crate::wire::{Empty, requests};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Badge bit of endpoints whose holders may restart components and shut the machine down.
pub const BADGE_CONTROL: u64 = 1 << 32;

/// Name of root, which has identifier 0.
pub const ROOT_NAME: &str = "root";

requests! { 2 version 1 {
    2: System => SystemInfo;
    3: Component => ComponentInfo;
    4: FindComponent => ComponentInfo;
    5: Capabilities => CapabilityPage;
    6: Memory => MemorySummary;
    7: Audit => AuditSummary;
    8: AuditLine => AuditText;
    9: Check => CheckResult;
    10: TakeLines => Taken;
    16: Restart => Empty;
    17: Shutdown => Empty;
} }

/// Asks about the machine and the kernel.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct System;

/// The answer to [`System`]; the kernel's command line comes after it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct SystemInfo {
    /// Nanoseconds since boot.
    pub uptime_ns: u64,
    /// Frequency of the time stamp counter in kHz.
    pub tsc_khz: u64,
    /// System calls since boot.
    pub system_calls: u64,
    /// Interrupts since boot.
    pub interrupts: u64,
    /// Processors that run.
    pub cpus: u32,
    /// Components described, root not counted.
    pub components: u32,
    /// Boot modules.
    pub modules: u32,
    /// Base port of the first serial line, or 0.
    pub serial_port: u32,
    /// Physical address of the screen, or 0.
    pub framebuffer: u64,
    /// Time stamp counter when the last component was started, or 0 while they are being started.
    pub started_ticks: u64,
}

/// Asks about the component with identifier `index`: 0 is root, 1 the first of the description; `NotFound` past
/// the last.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Component {
    /// Identifier.
    pub index: u64,
}

/// Asks about the component whose name comes after the body.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FindComponent;

/// State of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ComponentState {
    /// Never built.
    Absent = 0,
    /// Started.
    Running = 1,
    /// Ended by itself; its policy is to stay ended.
    Exited = 2,
    /// Stopped after a fault; its policy is to stay stopped, or it failed too often.
    Faulted = 3,
    /// Could not be built; the log says why.
    Failed = 4,
}

impl ComponentState {
    /// The state with this number.
    pub const fn from_u8(number: u8) -> Option<ComponentState> {
        Some(match number {
            0 => ComponentState::Absent,
            1 => ComponentState::Running,
            2 => ComponentState::Exited,
            3 => ComponentState::Faulted,
            4 => ComponentState::Failed,
            _ => return None,
        })
    }

    /// One word for people.
    pub const fn name(self) -> &'static str {
        match self {
            ComponentState::Absent => "absent",
            ComponentState::Running => "running",
            ComponentState::Exited => "exited",
            ComponentState::Faulted => "faulted",
            ComponentState::Failed => "failed",
        }
    }
}

/// The answer to [`Component`] and [`FindComponent`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct ComponentInfo {
    /// Identifier.
    pub id: u32,
    /// A [`ComponentState`].
    pub state: u8,
    /// A [`ThreadState`](pagurus_abi::method::ThreadState) of its first thread.
    pub thread_state: u8,
    /// Priority of its first thread.
    pub priority: u8,
    /// Processor of its first thread.
    pub cpu: u8,
    /// Name.
    pub name: Name,
    /// How many times it was restarted.
    pub restarts: u64,
    /// Bytes of memory that were set aside for it.
    pub memory_bytes: u64,
    /// Nanoseconds of processor time used since its last start.
    pub cpu_ns: u64,
}

/// Asks for the capabilities of a component, from slot `first` on. The answer has as many as fit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Capabilities {
    /// Identifier of the component.
    pub component: u32,
    /// First slot to look at.
    pub first: u32,
}

/// The answer to [`Capabilities`]; after it come `count` [`CapabilityRow`]s, see [`rows`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct CapabilityPage {
    /// Slot to go on with; equal to `slots` if nothing is left.
    pub next: u32,
    /// Slots in the component's CNode.
    pub slots: u32,
    /// Rows in this answer.
    pub count: u64,
}

/// A capability of a component.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct CapabilityRow {
    /// A [`SlotInfo`](pagurus_abi::method::SlotInfo) word.
    pub info: u64,
    /// Identity of the object: equal for all capabilities to it.
    pub object: u64,
    /// Badge, or the range of ports.
    pub badge: u64,
    /// Virtual address of its mapping, or 0.
    pub mapping: u64,
    /// Slot.
    pub slot: u32,
    /// Zero.
    pub reserved: u32,
}

/// Rows that fit one answer.
pub const ROWS_PER_PAGE: usize =
    crate::wire::tail_room::<CapabilityPage>() / size_of::<CapabilityRow>();

/// The rows in the bytes of an answer.
pub fn rows(bytes: &[u8]) -> impl Iterator<Item = CapabilityRow> {
    bytes
        .chunks_exact(size_of::<CapabilityRow>())
        .filter_map(|chunk| CapabilityRow::read_from_bytes(chunk).ok())
}

/// Asks how memory is used.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Memory;

/// The answer to [`Memory`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct MemorySummary {
    /// Bytes of normal memory that the kernel handed to root.
    pub total: u64,
    /// Bytes set aside for components.
    pub leased: u64,
    /// Bytes of objects that components share.
    pub shared: u64,
    /// Bytes that are free.
    pub free: u64,
    /// Bytes of the largest free piece.
    pub largest_free: u64,
    /// Bytes of boot modules.
    pub modules: u64,
    /// Bytes of device memory known.
    pub device: u64,
}

/// Compares the live capability state with the system's description.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Audit;

/// The answer to [`Audit`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct AuditSummary {
    /// Capabilities looked at.
    pub capabilities: u64,
    /// Differences found.
    pub differences: u64,
}

/// Asks for difference `index` of the last [`Audit`]; `NotFound` past the last.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct AuditLine {
    /// Position, from 0.
    pub index: u64,
}

/// The answer to [`AuditLine`]; the text comes after it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct AuditText {
    /// Identifier of the component that it is about.
    pub component: u32,
    /// Slot that it is about, or 0.
    pub slot: u32,
}

/// Lets the kernel check the invariants of its state.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Check;

/// The answer to [`Check`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct CheckResult {
    /// Capabilities seen.
    pub capabilities: u64,
    /// 0, or the number of the [`Invariant`](pagurus_abi::method::Invariant) that is broken.
    pub broken: u64,
    /// Where.
    pub place: u64,
}

/// Fetches what root has to say to the log, oldest line first; they are root's no more. Only for the component that
/// serves the log, which root tells by [`BELL`] that there is something: root itself never waits for a component.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct TakeLines;

/// The bit by which root signals the notification that is bound to the log collector's thread.
pub const BELL: u64 = 1 << 63;

/// The answer to [`TakeLines`]; the lines come after it, see [`log::lines`](crate::log::lines).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Taken {
    /// Lines in this answer.
    pub count: u64,
    /// Lines that are left; ask again.
    pub left: u64,
    /// Lines that were dropped for want of room since the last time.
    pub dropped: u64,
}

/// Restarts a component from its program. Refused with `Denied` without [`BADGE_CONTROL`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Restart {
    /// Identifier of the component.
    pub component: u64,
}

/// Ends the machine. Refused with `Denied` without [`BADGE_CONTROL`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Shutdown {
    /// Exit code for an emulator.
    pub code: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{read_answer, read_request, write_answer, write_request};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn component_info_round_trips(id: u32, state: u8, name in "[a-z-]{1,40}", restarts: u64, memory_bytes: u64, cpu_ns: u64) {
            let mut words = [0; 240];
            let row = ComponentInfo {
                id, state, thread_state: 3, priority: 7, cpu: 1, name: Name::new(&name), restarts, memory_bytes, cpu_ns,
            };
            let info = write_answer(Ok(&row), &[], 0, &mut words);
            let (back, _) = read_answer::<Component>(info, &words[..info.words()]).unwrap();
            prop_assert_eq!(back, row);
        }

        #[test]
        fn rows_round_trip(infos in prop::collection::vec(any::<[u64; 4]>(), 0..=ROWS_PER_PAGE)) {
            let all: Vec<_> = infos.iter().enumerate().map(|(i, n)| CapabilityRow {
                info: n[0], object: n[1], badge: n[2], mapping: n[3], slot: i as u32, reserved: 0,
            }).collect();
            let page = CapabilityPage { next: 1, slots: 2, count: all.len() as u64 };
            let mut words = [0; 240];
            let info = write_answer(Ok(&page), all.as_slice().as_bytes(), 0, &mut words);
            let (back, tail) = read_answer::<Capabilities>(info, &words[..info.words()]).unwrap();
            prop_assert_eq!(back, page);
            prop_assert_eq!(rows(tail).collect::<Vec<_>>(), all);
        }

        #[test]
        fn names_travel_after_the_body(name in "[a-z-]{1,40}") {
            let mut words = [0; 240];
            let info = write_request(&FindComponent, name.as_bytes(), 0, &mut words).unwrap();
            let (_, tail) = read_request::<FindComponent>(info, &words[..info.words()]).unwrap();
            prop_assert_eq!(tail, name.as_bytes());
        }
    }

    #[test]
    fn states_round_trip() {
        for n in 0..=255 {
            if let Some(state) = ComponentState::from_u8(n) {
                assert_eq!(state as u8, n);
                assert!(!state.name().is_empty());
            }
        }
        assert_eq!(ComponentState::from_u8(5), None);
    }
}
