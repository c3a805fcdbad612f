//! Systems for tests: a server (of memory and of the log), a client and someone without time of its own.

use crate::modules::SYSTEM;
use crate::program::tests::{CODE, DATA, elf_file};
use pagurus_abi::Rights;
use pagurus_abi::layout::IMAGE_BASE;
use pagurus_abi::method::CacheMode;
use pagurus_capdl_image::write::{Contents, Parts};
use pagurus_capdl_image::{
    Cap, ComponentInfo, Dynamic, Map, Object, ObjectKind, Restarts, Target, Time,
};
use pagurus_protocol::slots;
use pagurus_syscall::sim::system::DEVICE;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// Objects of the test system, by number.
pub mod object {
    pub const ROOT: u32 = 0;
    pub const MEMORY: u32 = 1;
    pub const EVENTS: u32 = 2;
    pub const BOARD: u32 = 3;
    pub const DEVICE: u32 = 4;
    pub const IRQ: u32 = 5;
    pub const PORTS: u32 = 6;
    pub const POOL: u32 = 7;
    pub const REST: u32 = 8;
    pub const TRACE_0: u32 = 9;
    pub const TRACE_9: u32 = 10;
    pub const CPU: u32 = 11;
    pub const LOG: u32 = 12;
    pub const BUNDLE: u32 = 13;
    pub const NO_BUNDLE: u32 = 14;
    pub const TIMER: u32 = 15;
}

/// Identifiers of its components.
pub const SERVER: u16 = 1;
pub const CLIENT: u16 = 2;
pub const PASSIVE: u16 = 3;

/// Slots of the server's capabilities.
pub const SERVER_REST: u32 = 24;
/// Slot of the client's capability to root with the right to give orders.
pub const CLIENT_ORDERS: u32 = 16;
/// Where the server's shared page is mapped.
pub const BOARD_AT: u64 = 0x6000_0000_0000;

/// Where the server's boot module is mapped, and where one that is not there would be.
pub const BUNDLE_AT: u64 = 0x6100_0000_0000;
pub const NO_BUNDLE_AT: u64 = 0x6200_0000_0000;
/// Bytes of the boot module.
pub const BUNDLE_BYTES: usize = 0x5123;

/// Interrupt of the server.
pub const GSI: u32 = 4;

/// A system and its programs.
pub struct Description {
    pub contents: Contents<'static>,
    pub programs: Vec<(String, Vec<u8>)>,
}

impl Description {
    /// The boot modules: the image, then the programs and what else there is.
    pub fn modules(&self) -> Vec<(String, Vec<u8>)> {
        let image = pagurus_capdl_image::write::write(&self.contents).expect("a sound description");
        let mut modules = vec![(SYSTEM.to_string(), image)];
        modules.extend(self.programs.iter().cloned());
        modules
    }

    /// The component with this identifier, to change it.
    pub fn component(&mut self, id: u16) -> &mut Parts<'static> {
        &mut self.contents.components[usize::from(id) - 1]
    }
}

fn object(index: u32, name: &'static str, kind: ObjectKind) -> Object<'static> {
    Object {
        index,
        name,
        kind,
        shared: true,
        optional: matches!(index, object::TRACE_9 | object::NO_BUNDLE),
    }
}

fn info(id: u16, name: &'static str) -> ComponentInfo<'static> {
    ComponentInfo {
        id,
        name,
        binary: "program",
        time: Some(Time {
            priority: 50,
            cpu: 0,
            budget: 10_000_000,
            period: 10_000_000,
        }),
        stack: 16 << 10,
        heap: 40 << 10,
        image: 1 << 20,
        memory_quota: u64::from(id) << 20,
        cnode_bits: 6,
        address_space_bits: 17,
        fpu: false,
        fault_endpoint: Some(object::ROOT),
        notification: None,
        restarts: Restarts::UpTo(2),
        dynamic: Dynamic {
            first: 40,
            count: 8,
            kinds: 1 << pagurus_abi::Kind::Frame as u32,
        },
    }
}

fn cap(slot: u32, name: &'static str, target: Target, rights: Rights) -> Cap<'static> {
    Cap {
        name,
        slot,
        count: 1,
        target,
        rights,
        badge: 0,
        signal: 0,
    }
}

fn reply() -> Cap<'static> {
    cap(slots::REPLY, "", Target::OwnReply, Rights::all())
}

/// The whole test system; every kind of object is in it.
pub fn system() -> Description {
    use ObjectKind as K;
    let objects = vec![
        object(object::ROOT, "root", K::Endpoint),
        object(object::MEMORY, "memory", K::Endpoint),
        object(object::EVENTS, "events", K::Notification),
        object(object::BOARD, "board", K::Frame { size_bits: 13 }),
        object(
            object::DEVICE,
            "device",
            K::Device {
                address: DEVICE + 0x3000,
                size_bits: 12,
            },
        ),
        object(
            object::IRQ,
            "irq",
            K::Irq {
                gsi: GSI,
                level: true,
                active_low: false,
            },
        ),
        object(
            object::PORTS,
            "ports",
            K::Ports {
                first: 0x3f8,
                last: 0x3ff,
            },
        ),
        object(object::POOL, "pool", K::Untyped { size_bits: 16 }),
        object(object::REST, "rest", K::UntypedRest),
        object(
            object::TRACE_0,
            "trace-0",
            K::TraceBuffer {
                size_bits: 14,
                cpu: 0,
            },
        ),
        object(
            object::TRACE_9,
            "trace-9",
            K::TraceBuffer {
                size_bits: 14,
                cpu: 3,
            },
        ),
        object(
            object::CPU,
            "cpu",
            K::Cpu {
                index: 0,
                max_priority: 60,
            },
        ),
        object(object::LOG, "log", K::Endpoint),
        object(object::BUNDLE, "bundle", K::Module),
        object(object::NO_BUNDLE, "no-bundle", K::Module),
        object(object::TIMER, "timer", K::Timer),
    ];
    let module = |object, address| Map {
        object,
        address,
        offset: 0,
        length: 0,
        rights: Rights::READ,
        cache: CacheMode::Default,
    };
    let to = |index| Target::Object(index);
    let server = Parts {
        info: ComponentInfo {
            notification: Some(object::EVENTS),
            fpu: true,
            ..info(SERVER, "server")
        },
        argument: "one two",
        caps: vec![
            cap(slots::CNODE, "", Target::OwnCNode, Rights::RW),
            reply(),
            Cap {
                badge: SERVER.into(),
                ..cap(slots::PARENT, "", to(object::ROOT), Rights::WRITE)
            },
            cap(slots::NOTIFICATION, "", to(object::EVENTS), Rights::RW),
            cap(
                slots::ADDRESS_SPACE,
                "",
                Target::OwnAddressSpace,
                Rights::RW,
            ),
            cap(slots::THREAD, "", Target::OwnThread, Rights::RW),
            cap(16, "requests", to(object::MEMORY), Rights::READ),
            Cap {
                signal: 4,
                ..cap(17, "irq", to(object::IRQ), Rights::WRITE)
            },
            cap(18, "ports", to(object::PORTS), Rights::RW),
            cap(19, "device", to(object::DEVICE), Rights::RW),
            cap(20, "trace-0", to(object::TRACE_0), Rights::RW),
            cap(21, "trace-9", to(object::TRACE_9), Rights::RW),
            cap(22, "cpu", to(object::CPU), Rights::RW),
            cap(23, "pool", to(object::POOL), Rights::all()),
            Cap {
                count: 12,
                ..cap(SERVER_REST, "rest", to(object::REST), Rights::all())
            },
            cap(36, "log", to(object::LOG), Rights::READ),
            Cap {
                signal: 8,
                ..cap(37, "timer", to(object::TIMER), Rights::WRITE)
            },
        ],
        maps: vec![
            Map {
                object: object::BOARD,
                address: BOARD_AT,
                offset: 0x1000,
                length: 0x1000,
                rights: Rights::RW,
                cache: CacheMode::Default,
            },
            module(object::NO_BUNDLE, NO_BUNDLE_AT),
            module(object::BUNDLE, BUNDLE_AT),
        ],
    };
    let client = Parts {
        info: info(CLIENT, "client"),
        argument: "",
        caps: vec![
            reply(),
            Cap {
                badge: CLIENT.into(),
                ..cap(slots::PARENT, "", to(object::ROOT), Rights::WRITE)
            },
            Cap {
                badge: CLIENT.into(),
                ..cap(
                    slots::MEMORY,
                    "",
                    to(object::MEMORY),
                    Rights::WRITE | Rights::GRANT,
                )
            },
            Cap {
                badge: pagurus_protocol::root::BADGE_CONTROL | u64::from(CLIENT),
                ..cap(CLIENT_ORDERS, "orders", to(object::ROOT), Rights::WRITE)
            },
        ],
        maps: vec![],
    };
    let passive = Parts {
        info: ComponentInfo {
            time: None,
            restarts: Restarts::UpTo(0),
            ..info(PASSIVE, "passive")
        },
        argument: "",
        caps: vec![],
        maps: vec![],
    };
    Description {
        contents: Contents {
            name: "test",
            cpus: 4,
            services: [Some(object::LOG), Some(object::ROOT), Some(object::MEMORY)],
            objects,
            components: vec![server, client, passive],
            order: vec![SERVER, CLIENT, PASSIVE],
        },
        programs: vec![
            (
                "program".to_string(),
                elf_file(IMAGE_BASE + 8, &[CODE, DATA]),
            ),
            ("bundle".to_string(), vec![7; BUNDLE_BYTES]),
        ],
    }
}
