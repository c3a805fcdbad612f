//! The rules, grouped by what they look at.

mod addresses;
mod limits;
mod memory;
mod names;
mod owners;
mod rights;
mod separation;
mod servers;
mod slots;
mod time;

use crate::Rule;

macro_rules! rules {
    ($(#[$doc:meta])* $list:ident: $($name:literal $run:path: $demands:literal;)*) => {
        $(#[$doc])*
        pub const $list: &[Rule] = &[$(Rule { name: $name, demands: $demands, run: $run }),*];
    };
}

rules! {
    /// The rules for names. They come first: what follows from a wrong name is not worth a message.
    NAME_RULES:
    "name-form" names::form: "Names are lower-case words with hyphens.";
    "name-reserved" names::reserved: "`root`, `kernel` and `system` are taken, and programs are no other boot modules.";
    "name-duplicate" names::duplicate: "Names of objects, components and capabilities are unique.";
    "constant-reserved" names::constant_reserved: "No name hides a constant that every component has.";
    "name-unknown" names::unknown: "Every name that is used is declared and of the right kind.";
    "service-missing" names::service_missing: "Services that are used have an endpoint.";
}

rules! {
    /// The other rules. Besides all these, messages can come under the names `file` (it cannot be read) and
    /// `syntax` (it is not TOML, or has unknown keys or wrong types).
    RULES:
    "slot-collision" slots::collision: "A slot holds one capability.";
    "slot-range" slots::range: "Named capabilities stay out of the fixed slots.";
    "slot-count" slots::count: "Only the rest of the memory fills several slots.";
    "cnode-size" slots::cnode_size: "The CNode holds all slots.";
    "binary-slots" slots::binary_slots: "Components that run one program have the same names and places.";
    "rights" rights::rights: "Rights are named and mean something for the kind of object.";
    "badge-kind" rights::badge_kind: "Badges are on senders, and signals have bits.";
    "badge-unique" rights::badge_unique: "The receiver at an endpoint can tell senders apart.";
    "signal" rights::signal: "Interrupts and timers signal bits of their own to a notification that is there.";
    "w-xor-x" rights::write_xor_execute: "Nothing is writable and executable.";
    "w-xor-x-alias" rights::write_xor_execute_alias: "What one writes, nobody executes.";
    "irq-owner" owners::irq: "An interrupt has one owner.";
    "port-owner" owners::ports: "An I/O port has one owner.";
    "device-owner" owners::device: "Device memory has one owner.";
    "frame-owner" owners::frame: "A frame has one owner.";
    "module-owner" owners::module: "A boot module has one reader.";
    "untyped-owner" owners::untyped: "Untyped memory has one owner.";
    "trace-owner" owners::trace: "A trace buffer has one owner, and a processor one trace buffer.";
    "timer-owner" owners::timer: "A timer has one owner.";
    "receiver" owners::receiver: "One component receives at an endpoint or notification.";
    "object-unused" owners::unused: "Every object has a user.";
    "object-size" memory::object_size: "Sizes are such that the kernel can make the object.";
    "device-address" memory::device_address: "Device memory is aligned to its size and within the physical addresses.";
    "stack-size" memory::stack_size: "Stacks are whole pages and not too small.";
    "heap-size" memory::heap_size: "Heaps are whole pages.";
    "image-size" memory::image_size: "There is room for the program, in whole pages.";
    "address-space-size" memory::address_space_size: "Page tables suffice for what is mapped at the start.";
    "memory-fits" memory::fits: "Everything fits in the declared memory.";
    "map-alignment" addresses::alignment: "Mappings are whole pages.";
    "map-range" addresses::range: "Mappings lie within their frame and the user's addresses.";
    "map-overlap" addresses::overlap: "Mappings do not lie over each other.";
    "priority-range" time::priority: "Priorities exist.";
    "budget-range" time::budget: "Budgets fit in their periods.";
    "cpu-range" time::cpu: "Processors are declared.";
    "passive-time" time::passive: "Passive components have no time of their own.";
    "server-time" servers::server_time: "Servers have time of their own.";
    "endpoint-server" servers::endpoint_server: "Whoever sends has a receiver.";
    "fault-handler" servers::fault_handler: "Faults go to somebody else.";
    "restart-handler" servers::restart_handler: "Root restarts only whose faults it gets.";
    "separation" separation::separation: "No path leads between components that are to be separate.";
    "limits" limits::limits: "The image holds all of it.";
}
