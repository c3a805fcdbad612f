//! Virtual processors, guest spaces, and the threads that run them.

use crate::Memory;
use crate::sim::machine::INFO_WORD;
use crate::sim::system::{DEVICE_SLOT, UNTYPED_SLOT};
use crate::tests::scene::*;
use pagurus_abi::method::{Method, ThreadBinding, VcpuBinding};
use pagurus_abi::vcpu::{ExitKind, Groups};
use pagurus_abi::{Error, Kind, Rights, Syscall};
use pagurus_vcpu::{Vcpu, VcpuId};

const GUEST_RAM: u64 = 0x10_0000;

/// A thread on a processor of its own with all that it takes to run a guest.
struct Vm {
    scene: Scene,
    vmm: Actor,
    vcpu: u64,
    space: u64,
    page: u64,
    bell: u64,
}

impl Vm {
    fn new() -> Vm {
        let (mut scene, [vmm, _other]) = Scene::with();
        let vcpu = scene.make(Kind::Vcpu, 0);
        let space = scene.make(Kind::GuestSpace, 15);
        let page = scene.make(Kind::Frame, 12);
        let bell = scene.make(Kind::Notification, 0);
        let mut vm = Vm {
            scene,
            vmm,
            vcpu,
            space,
            page,
            bell,
        };
        vm.bind(VcpuBinding::Page, page);
        vm.bind(VcpuBinding::GuestSpace, space);
        vm.scene.bind(vmm, ThreadBinding::Notification, bell);
        vm.scene.bind(vmm, ThreadBinding::Vcpu, vcpu);
        vm
    }

    fn bind(&mut self, place: VcpuBinding, cap: u64) {
        let a = [place as u64, cap, 0, 0];
        self.scene.root(self.vcpu, Method::VcpuBind, 0, a);
    }

    fn id(&self) -> VcpuId {
        VcpuId::new(self.scene.capability(self.vcpu).object).expect("an address")
    }

    fn state(&self) -> Vcpu {
        *self.scene.s.kernel.machine.vcpu(self.id())
    }

    /// The VMM enters its guest: the exit that ends that, if it has ended.
    fn run(&mut self) -> Option<(u64, u64)> {
        let answer = self
            .scene
            .ipc(self.vmm, Syscall::Run, 0, 0, EMPTY, [0; 4])?;
        assert_eq!(answer.code, 0);
        Some((answer.badge, self.state_word()))
    }

    /// The first detail of the last exit.
    fn state_word(&self) -> u64 {
        self.scene
            .s
            .kernel
            .machine
            .word(self.state().page, INFO_WORD)
    }

    fn map(&mut self, frame: u64, at: u64, bytes: u64, rights: Rights) {
        let a = [self.space, at, 0, bytes | rights.bits() as u64];
        self.scene.root(frame, Method::FrameMap, 0, a);
    }
}

#[test]
fn a_guest_is_entered_once_all_is_there() {
    let (mut scene, [vmm]) = Scene::with();
    let run = |scene: &mut Scene| scene.ipc(vmm, Syscall::Run, 0, 0, EMPTY, [0; 4]);
    let refused = |scene: &mut Scene| {
        let answer = run(scene).expect("an answer");
        assert_eq!(answer.result(), Err(Error::MissingBinding));
    };
    refused(&mut scene);
    let vcpu = scene.make(Kind::Vcpu, 0);
    scene.bind(vmm, ThreadBinding::Vcpu, vcpu);
    refused(&mut scene);
    let page = scene.make(Kind::Frame, 12);
    let a = [VcpuBinding::Page as u64, page, 0, 0];
    scene.root(vcpu, Method::VcpuBind, 0, a);
    refused(&mut scene);
    let space = scene.make(Kind::GuestSpace, 14);
    let a = [VcpuBinding::GuestSpace as u64, space, 0, 0];
    scene.root(vcpu, Method::VcpuBind, 0, a);
    assert_eq!(run(&mut scene), None, "in the guest");
    assert!(scene.s.restarting(vmm.id).is_some());
}

#[test]
fn a_signal_ends_a_run_before_and_while_it_lasts() {
    let mut vm = Vm::new();
    let seven = vm.scene.badged(vm.bell, 7);
    let root = vm.scene.s.root;
    vm.scene
        .s
        .ipc(root, Syscall::Signal, seven, 0, EMPTY, [0; 4]);
    assert_eq!(vm.run(), Some((ExitKind::Signal as u64, 7)));
    assert_eq!(vm.run(), None);
    let kicked = |vm: &Vm| vm.scene.s.kernel.machine.processors[1].kicked;
    assert!(!kicked(&vm));
    vm.scene
        .s
        .ipc(root, Syscall::Signal, seven, 0, EMPTY, [0; 4]);
    // The processor was told, left the guest, and the VMM has its answer.
    let answer = vm.scene.answer(vm.vmm).expect("it has left its guest");
    assert_eq!((answer.code, answer.badge), (0, ExitKind::Signal as u64));
    assert_eq!(vm.state_word(), 7);
}

#[test]
fn state_is_loaded_even_if_a_signal_comes_first() {
    let mut vm = Vm::new();
    let root = vm.scene.s.root;
    let groups = Groups::CONTROL | Groups::SEGMENTS;
    vm.scene
        .s
        .ipc(root, Syscall::Signal, vm.bell, 0, EMPTY, [0; 4]);
    let answer = vm
        .scene
        .ipc(vm.vmm, Syscall::Run, groups.bits().into(), 0, EMPTY, [0; 4]);
    assert_eq!(answer.map(|a| a.badge), Some(ExitKind::Signal as u64));
    let id = vm.id();
    assert_eq!(vm.scene.s.kernel.machine.moved, [(id, true, groups)]);
}

#[test]
fn memory_is_mapped_into_guests_and_their_translations_are_forgotten() {
    let mut vm = Vm::new();
    let frame = vm.scene.make(Kind::Frame, 13);
    vm.map(frame, GUEST_RAM, 0x2000, Rights::RW | Rights::EXECUTE);
    let query = |vm: &mut Vm, at| {
        vm.scene
            .try_root(vm.space, Method::GuestSpaceQuery, 0, [at, 0, 0, 0])
    };
    let physical = vm.scene.capability(frame).object as u64;
    let found = query(&mut vm, GUEST_RAM + 0x1000).unwrap();
    assert_eq!(found[..3], [physical + 0x1000, 7, 0x1000]);
    // Also at 0, where no component may map.
    let low = vm.scene.make(Kind::Frame, 12);
    vm.map(low, 0, 0x1000, Rights::RW);
    assert_eq!(vm.run(), None);
    let version = vm.state().generation;
    vm.scene.s.kernel.machine.synchronised.clear();
    vm.scene.root(frame, Method::FrameUnmap, 0, [0; 4]);
    assert_eq!(query(&mut vm, GUEST_RAM), Err(Error::NotMapped));
    assert_eq!(
        vm.scene.s.kernel.machine.synchronised,
        [1 << 1],
        "the processor has left the guest"
    );
    vm.scene.s.settle();
    assert!(vm.scene.runs(vm.vmm));
    assert!(vm.state().generation > version, "and knows what to forget");
    // Nobody has translations of an address space that no guest uses.
    vm.scene.s.kernel.machine.synchronised.clear();
    vm.scene.unbind(vm.vmm, ThreadBinding::Vcpu);
    vm.scene.s.settle();
    vm.scene.s.kernel.machine.synchronised.clear();
    vm.scene.root(low, Method::FrameUnmap, 0, [0; 4]);
    assert_eq!(vm.scene.s.kernel.machine.synchronised, [0; 0]);
}

#[test]
fn whatever_goes_the_guest_is_left_first() {
    for n in 0..7 {
        let mut vm = Vm::new();
        assert_eq!(vm.run(), None);
        vm.scene.s.kernel.machine.synchronised.clear();
        match n {
            0 => vm.scene.delete(vm.page),
            1 => vm.scene.delete(vm.space),
            2 => vm.scene.delete(vm.vcpu),
            3 => vm.scene.delete(vm.bell),
            4 => vm.scene.unbind(vm.vmm, ThreadBinding::Vcpu),
            5 => drop(vm.scene.root(vm.vcpu, Method::VcpuUnbind, 0, [1, 0, 0, 0])),
            _ => vm.scene.delete(vm.vmm.thread),
        }
        assert!(
            vm.scene.s.kernel.machine.synchronised.contains(&(1 << 1)),
            "{n}"
        );
        if n < 6 {
            vm.scene.s.settle();
            let answer = vm.scene.answer(vm.vmm);
            let wants = if n == 3 {
                None
            } else {
                Some(Err(Error::MissingBinding))
            };
            assert_eq!(answer.map(|a| a.result().map(|_| ())), wants, "{n}");
        }
        if n != 2 {
            let thread = if matches!(n, 4 | 6) {
                0
            } else {
                vm.vmm.id.address()
            };
            assert_eq!(vm.state().thread, thread, "{n}");
        }
    }
}

#[test]
fn state_moves_while_no_processor_is_in_the_guest() {
    let mut vm = Vm::new();
    assert_eq!(vm.run(), None);
    let groups = Groups::CONTROL | Groups::SEGMENTS;
    // The simulated machine checks that the guest was left.
    vm.scene.root(
        vm.vcpu,
        Method::VcpuStore,
        0,
        [groups.bits() as u64, 0, 0, 0],
    );
    vm.scene.root(
        vm.vcpu,
        Method::VcpuLoad,
        0,
        [Groups::DEBUG.bits() as u64, 0, 0, 0],
    );
    let id = vm.id();
    assert_eq!(
        vm.scene.s.kernel.machine.moved,
        [(id, false, groups), (id, true, Groups::DEBUG)]
    );
}

#[test]
fn every_reason_to_refuse_something_of_a_virtual_processor() {
    use Method::{VcpuBind, VcpuLoad, VcpuStore, VcpuUnbind};
    let mut scene = Scene::new(1);
    let vcpu = scene.make(Kind::Vcpu, 0);
    let (page, space) = (
        scene.make(Kind::Frame, 12),
        scene.make(Kind::GuestSpace, 14),
    );
    let (empty, device) = (scene.slot(), scene.slot());
    let root = scene.s.root;
    scene
        .s
        .retype(root, DEVICE_SLOT, Kind::Frame, 12, (CNODE, device), 1)
        .unwrap();
    let place = |place: u64, cap| [place, cap, 0, 0];
    let read_only = scene.copy(page, Rights::READ);
    let powerless = scene.copy(space, Rights::READ);
    let deepest = scene.deepest(page);
    for (n, cap, error) in [
        (2, page, Error::InvalidArgument),
        (u64::MAX, page, Error::InvalidArgument),
        (0, empty, Error::EmptySlot),
        (0, 1 << 14, Error::InvalidIndex),
        (0, space, Error::WrongKind),
        (1, page, Error::WrongKind),
        (1, SPACE, Error::WrongKind),
        (0, read_only, Error::MissingRights),
        (1, powerless, Error::MissingRights),
        (0, device, Error::DeviceMemory),
        (0, deepest, Error::TooDeep),
    ] {
        scene.refuse(vcpu, VcpuBind, 0, place(n, cap), error);
    }
    for n in [0, 1] {
        scene.refuse(vcpu, VcpuUnbind, 0, place(n, 0), Error::NotBound);
    }
    scene.refuse(vcpu, VcpuUnbind, 0, place(2, 0), Error::InvalidArgument);
    for method in [VcpuLoad, VcpuStore] {
        scene.refuse(vcpu, method, 0, [1, 0, 0, 0], Error::MissingBinding);
        scene.refuse(vcpu, method, 0, [64, 0, 0, 0], Error::InvalidArgument);
        scene.refuse(vcpu, method, 0, [1 << 16, 0, 0, 0], Error::InvalidArgument);
    }
    for (n, cap) in [(0, page), (1, space)] {
        scene.root(vcpu, VcpuBind, 0, place(n, cap));
        scene.refuse(vcpu, VcpuBind, 0, place(n, cap), Error::AlreadyBound);
    }
    // A machine that runs no guests makes nothing for them.
    scene.s.kernel.machine.nested = None;
    for (kind, bits) in [(Kind::Vcpu, 0), (Kind::GuestSpace, 14)] {
        let got = scene
            .s
            .retype(root, UNTYPED_SLOT, kind, bits, (CNODE, empty), 1);
        assert_eq!(got, Err(Error::Unsupported));
    }
}
