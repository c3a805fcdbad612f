//! Tests, and images to test with.

mod audit;
mod damage;
mod round_trip;

use crate::record::{Cap, ComponentInfo, Dynamic, Map, Object, ObjectKind, Restarts, Target, Time};
use crate::write::{Contents, Parts};
use pagurus_abi::method::CacheMode;
use pagurus_abi::{Kind, Rights};
use proptest::prelude::*;
use proptest::sample::{Index, select};

const NAMES: [&str; 6] = ["a", "console", "log", "memory-manager", "com1-irq", "é"];
const CPUS: u32 = 4;
/// A page, as the smallest frame.
const PAGE: u64 = 4096;

/// So many cases, or as many as `PROPTEST_CASES` says; failures are shown, not written to files.
fn config(cases: u32) -> ProptestConfig {
    let wanted = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig {
        cases: wanted.and_then(|n| n.parse().ok()).unwrap_or(cases),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn rights() -> impl Strategy<Value = Rights> {
    (0u8..16).prop_map(Rights::from_bits_truncate)
}

fn object_kind() -> impl Strategy<Value = ObjectKind> {
    prop_oneof![
        Just(ObjectKind::Endpoint),
        Just(ObjectKind::Notification),
        Just(ObjectKind::Timer),
        (12u8..30).prop_map(|size_bits| ObjectKind::Frame { size_bits }),
        (12u8..30, 0u64..1000).prop_map(|(size_bits, n)| ObjectKind::Device {
            address: n << size_bits,
            size_bits
        }),
        (any::<u32>(), any::<bool>(), any::<bool>()).prop_map(|(gsi, level, active_low)| {
            ObjectKind::Irq {
                gsi,
                level,
                active_low,
            }
        }),
        (any::<u16>(), any::<u16>()).prop_map(|(a, b)| ObjectKind::Ports {
            first: a.min(b),
            last: a.max(b)
        }),
        (6u8..=46).prop_map(|size_bits| ObjectKind::Untyped { size_bits }),
        Just(ObjectKind::UntypedRest),
        (12u8..=24, 0..CPUS as u8)
            .prop_map(|(size_bits, cpu)| ObjectKind::TraceBuffer { size_bits, cpu }),
        (0..CPUS as u8, any::<u8>()).prop_map(|(index, max_priority)| ObjectKind::Cpu {
            index,
            max_priority
        }),
        Just(ObjectKind::Module),
    ]
}

fn objects() -> impl Strategy<Value = Vec<Object<'static>>> {
    let object = (
        select(&NAMES[..]),
        object_kind(),
        any::<bool>(),
        any::<bool>(),
    );
    // What every image can refer to.
    let basis = [
        ObjectKind::Endpoint,
        ObjectKind::Notification,
        ObjectKind::Frame { size_bits: 14 },
        ObjectKind::Module,
    ];
    prop::collection::vec(object, 0..12).prop_map(move |more| {
        let basis = basis.map(|kind| ("a", kind, false, false));
        (0..)
            .zip(basis.into_iter().chain(more))
            .map(|(index, (name, kind, shared, optional))| Object {
                index,
                name,
                kind,
                shared,
                optional,
            })
            .collect()
    })
}

/// What a capability names, by chance: `None` for own objects.
type CapSeed = (Option<Index>, u8, u32, Rights, u64, &'static str);

fn cap_seed() -> impl Strategy<Value = CapSeed> {
    (
        any::<Option<Index>>(),
        0u8..4,
        1u32..5,
        rights(),
        any::<u64>(),
        select(&NAMES[..]),
    )
}

/// Capabilities in ascending slots from 1 on.
fn caps(seeds: Vec<CapSeed>, objects: &[Object<'static>]) -> Vec<Cap<'static>> {
    let mut next = 1;
    let mut caps = Vec::new();
    for (object, own, step, rights, number, name) in seeds {
        let object = object.map(|i| i.get(objects));
        // There are no capabilities to boot modules.
        let object = object.filter(|o| o.kind != ObjectKind::Module);
        let kind = object.map(|o| o.kind);
        let badged = matches!(kind, Some(ObjectKind::Endpoint | ObjectKind::Notification));
        let signals = matches!(kind, Some(ObjectKind::Irq { .. } | ObjectKind::Timer));
        let several = kind == Some(ObjectKind::UntypedRest);
        let cap = Cap {
            name: if object.is_some() { name } else { "" },
            slot: next + step - 1,
            count: if several { step } else { 1 },
            target: match object {
                Some(object) => Target::Object(object.index),
                None => [
                    Target::OwnCNode,
                    Target::OwnAddressSpace,
                    Target::OwnThread,
                    Target::OwnReply,
                ][own as usize],
            },
            rights,
            badge: if badged { number } else { 0 },
            signal: if signals { number } else { 0 },
        };
        next = cap.slot + cap.count;
        caps.push(cap);
    }
    caps
}

fn map() -> impl Strategy<Value = Map> {
    let rights = select(vec![
        Rights::READ,
        Rights::RW,
        Rights::READ.union(Rights::EXECUTE),
    ]);
    let cache = select(vec![
        CacheMode::Default,
        CacheMode::Uncached,
        CacheMode::WriteCombining,
    ]);
    let frame =
        (16u64..1000, 0u64..4, rights, cache).prop_map(|(page, offset, rights, cache)| Map {
            object: 2,
            address: page * PAGE,
            offset: offset * PAGE,
            length: (4 - offset) * PAGE,
            rights,
            cache,
        });
    let module = (16u64..1000).prop_map(|page| Map {
        object: 3,
        address: page * PAGE,
        offset: 0,
        length: 0,
        rights: Rights::READ,
        cache: CacheMode::Default,
    });
    prop_oneof![3 => frame, 1 => module]
}

fn info() -> impl Strategy<Value = ComponentInfo<'static>> {
    let time = (
        any::<u8>(),
        0..CPUS as u8,
        10_000u64..1_000_000,
        0u64..1_000_000,
    );
    let time = time.prop_map(|(priority, cpu, budget, more)| Time {
        priority,
        cpu,
        budget,
        period: budget + more,
    });
    let restarts = prop_oneof![
        Just(Restarts::Always),
        (0..u32::MAX).prop_map(Restarts::UpTo)
    ];
    (
        select(&NAMES[..]),
        prop::option::of(time),
        (1u64..1000, 0u64..1000, 1u64..1000),
        any::<u64>(),
        14u8..=32,
        any::<[bool; 3]>(),
        restarts,
        (0u32..50, 0u32..1 << 16),
    )
        .prop_map(
            |(name, time, pages, memory_quota, address_space_bits, flags, restarts, dynamic)| {
                ComponentInfo {
                    id: 0,
                    name,
                    binary: name,
                    time,
                    stack: pages.0 * PAGE,
                    heap: pages.1 * PAGE,
                    image: pages.2 * PAGE,
                    memory_quota,
                    cnode_bits: 8,
                    address_space_bits,
                    fpu: flags[0],
                    fault_endpoint: flags[1].then_some(0),
                    notification: flags[2].then_some(1),
                    restarts,
                    dynamic: Dynamic {
                        first: 0,
                        count: dynamic.0,
                        kinds: dynamic.1,
                    },
                }
            },
        )
}

/// Any contents that an image can have.
pub(super) fn contents() -> impl Strategy<Value = Contents<'static>> {
    let argument = select(&["", "a b c", "seed=7"][..]);
    let component = (
        info(),
        argument,
        prop::collection::vec(cap_seed(), 0..20),
        prop::collection::vec(map(), 0..3),
    );
    let components = prop::collection::vec(component, 0..6);
    let services = any::<[bool; 3]>();
    (objects(), components, services, any::<Index>()).prop_map(
        |(objects, seeds, services, turn)| {
            let mut components = Vec::new();
            for (id, (mut info, argument, cap_seeds, maps)) in (1..).zip(seeds) {
                let caps = caps(cap_seeds, &objects);
                let end = caps.last().map_or(1, |c| c.slot + c.count);
                info.id = id;
                info.dynamic.first = end;
                components.push(Parts {
                    info,
                    argument,
                    caps,
                    maps,
                });
            }
            let mut order: Vec<u16> = (1..=components.len() as u16).collect();
            if !order.is_empty() {
                let turn = turn.index(order.len());
                order.rotate_left(turn);
            }
            Contents {
                name: "test",
                cpus: CPUS,
                services: services.map(|s| s.then_some(0)),
                objects,
                components,
                order,
            }
        },
    )
}

/// Two components with a bit of everything, the same every time.
pub(super) fn example() -> Contents<'static> {
    let kinds = [
        ("requests", ObjectKind::Endpoint),
        ("events", ObjectKind::Notification),
        ("page", ObjectKind::Frame { size_bits: 12 }),
        (
            "hpet",
            ObjectKind::Device {
                address: 0xfed0_0000,
                size_bits: 12,
            },
        ),
        (
            "com1-irq",
            ObjectKind::Irq {
                gsi: 4,
                level: false,
                active_low: false,
            },
        ),
        (
            "com1",
            ObjectKind::Ports {
                first: 0x3f8,
                last: 0x3ff,
            },
        ),
        ("rest", ObjectKind::UntypedRest),
        (
            "trace-1",
            ObjectKind::TraceBuffer {
                size_bits: 16,
                cpu: 1,
            },
        ),
        (
            "second-cpu",
            ObjectKind::Cpu {
                index: 1,
                max_priority: 99,
            },
        ),
        ("other", ObjectKind::Endpoint),
    ];
    let objects = (0..).zip(kinds).map(|(index, (name, kind))| Object {
        index,
        name,
        kind,
        shared: name == "page",
        optional: matches!(index, 7 | 8),
    });
    let cap = |slot, target, rights, badge, signal| Cap {
        name: if slot < 16 { "" } else { "named" },
        slot,
        count: if target == Target::Object(6) { 4 } else { 1 },
        target,
        rights,
        badge,
        signal,
    };
    let info = |id, name| ComponentInfo {
        id,
        name,
        binary: name,
        time: Some(Time {
            priority: 100,
            cpu: 0,
            budget: 10_000_000,
            period: 10_000_000,
        }),
        stack: 4 * PAGE,
        heap: 0,
        image: 16 * PAGE,
        memory_quota: 0,
        cnode_bits: 6,
        address_space_bits: 16,
        fpu: false,
        fault_endpoint: Some(9),
        notification: Some(1),
        restarts: Restarts::UpTo(3),
        dynamic: Dynamic {
            first: 40,
            count: 8,
            kinds: 1 << Kind::Frame as u32,
        },
    };
    let object = Target::Object;
    let server = Parts {
        info: info(1, "server"),
        argument: "verbose",
        caps: vec![
            cap(1, Target::OwnCNode, Rights::RW, 0, 0),
            cap(3, Target::OwnReply, Rights::all(), 0, 0),
            cap(16, object(0), Rights::READ, 0, 0),
            cap(17, object(4), Rights::RW, 0, 1),
            cap(18, object(5), Rights::RW, 0, 0),
            cap(19, object(6), Rights::all(), 0, 0),
            cap(23, object(2), Rights::RW, 0, 0),
            cap(24, object(7), Rights::RW, 0, 0),
            cap(25, object(8), Rights::RW, 0, 0),
        ],
        maps: vec![Map {
            object: 3,
            address: 0x4000_0000,
            offset: 0,
            length: PAGE,
            rights: Rights::RW,
            cache: CacheMode::Uncached,
        }],
    };
    let client = Parts {
        info: info(2, "client"),
        argument: "",
        caps: vec![
            cap(3, Target::OwnReply, Rights::all(), 0, 0),
            cap(7, Target::OwnAddressSpace, Rights::RW, 0, 0),
            cap(8, Target::OwnThread, Rights::RW, 0, 0),
            cap(16, object(0), Rights::WRITE, 2, 0),
            cap(17, object(2), Rights::READ, 0, 0),
            cap(18, object(9), Rights::WRITE, 2, 0),
        ],
        maps: Vec::new(),
    };
    Contents {
        name: "example",
        cpus: CPUS,
        services: [Some(0), Some(9), None],
        objects: objects.collect(),
        components: vec![server, client],
        order: vec![1, 2],
    }
}
