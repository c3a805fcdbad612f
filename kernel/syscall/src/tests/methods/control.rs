//! Control of the kernel.

use crate::sim::Halted;
use crate::tests::scene::*;
use pagurus_abi::boot::slot;
use pagurus_abi::method::Method::*;
use pagurus_abi::method::SlotInfo;
use pagurus_abi::{Error, Kind, Rights};

const CONTROL: u64 = slot::KERNEL_CONTROL as u64;

#[test]
fn check_counts_the_capabilities() {
    let mut scene = Scene::new(1);
    let [count, broken, _, _] = scene.root(CONTROL, KernelCheck, 0, [0; 4]);
    assert_eq!(broken, 0);
    scene.make(Kind::Endpoint, 0);
    let [more, broken, _, _] = scene.root(CONTROL, KernelCheck, 0, [0; 4]);
    assert_eq!((more, broken), (count + 1, 0));
}

#[test]
fn describe_lists_every_capability_once_with_its_place() {
    let mut scene = Scene::new(1);
    let ep = scene.make(Kind::Endpoint, 0);
    let copy = scene.copy(ep, Rights::READ);
    let count = scene.root(CONTROL, KernelCheck, 0, [0; 4])[0];
    let mut depth = 0;
    let mut found = None;
    let mut bindings = 0;
    for position in 0..count {
        let [info, identity, container, index] =
            scene.root(CONTROL, KernelDescribe, 0, [position, 0, 0, 0]);
        let info = SlotInfo(info);
        assert!(info.depth() <= depth + 1, "pre-order");
        depth = info.depth();
        bindings += (info.0 & SlotInfo::BINDING != 0) as u32;
        if info.kind() == Some(Kind::Endpoint) && info.depth() == 2 {
            found = Some((identity, container, index, info.rights()));
        }
    }
    let object = scene.capability(ep).object - crate::sim::ram::DIRECT;
    let root_cnode = crate::sim::system::RAM;
    assert_eq!(found, Some((object as u64, root_cnode, copy, Rights::READ)));
    assert_eq!(bindings, 4, "root's own");
    scene.refuse(
        CONTROL,
        KernelDescribe,
        0,
        [count, 0, 0, 0],
        Error::InvalidIndex,
    );
    scene.refuse(
        CONTROL,
        KernelDescribe,
        0,
        [u64::MAX, 0, 0, 0],
        Error::InvalidIndex,
    );
}

#[test]
fn write_takes_up_to_32_bytes() {
    let mut scene = Scene::new(1);
    let word = |text: &[u8; 8]| u64::from_le_bytes(*text);
    let a = [
        word(b"Pagurus "),
        word(b"changes "),
        word(b"shells a"),
        word(b"nd lives"),
    ];
    scene.refuse(CONTROL, KernelWrite, 33, a, Error::InvalidArgument);
    scene.refuse(
        CONTROL,
        KernelWrite,
        (1 << 48) - 1,
        a,
        Error::InvalidArgument,
    );
    scene.root(CONTROL, KernelWrite, 0, a);
    scene.root(CONTROL, KernelWrite, 32, a);
    scene.root(CONTROL, KernelWrite, 3, a);
    let text = String::from_utf8(scene.s.kernel.machine.console.clone()).unwrap();
    assert_eq!(text, "Pagurus changes shells and livesPag");
}

#[test]
fn stats_count() {
    let mut scene = Scene::new(1);
    let [_, khz, calls, _] = scene.root(CONTROL, KernelStats, 0, [0; 4]);
    assert_eq!(khz, 2_000_000);
    let [_, _, more, _] = scene.root(CONTROL, KernelStats, 0, [0; 4]);
    assert_eq!(more, calls + 1);
}

#[test]
fn halt_ends_the_machine_with_a_code() {
    let end = std::panic::catch_unwind(|| {
        let mut scene = Scene::new(1);
        scene.root(CONTROL, KernelHalt, 0, [42, 0, 0, 0]);
    });
    assert_eq!(end.unwrap_err().downcast_ref(), Some(&Halted(42)));
}
