//! Root on the real kernel's logic, on a simulated machine: system calls go to `pagurus-syscall`, memory is the
//! simulation's, and components run when root waits.

mod answers;
mod building;
mod description;
mod restarts;

use crate::memory::blocks;
use crate::system::System;
use description::Description;
use pagurus_abi::boot::{BOOT_MAGIC, BootInfo, ModuleDesc, ROOT_CNODE_BITS, UntypedDesc, slot};
use pagurus_abi::message::MAX_WORDS;
use pagurus_abi::method::{Method, MethodInfo, ThreadState};
use pagurus_abi::{Error, Kind, Rights, Syscall};
use pagurus_ipc::{Env, ThreadId, time};
use pagurus_rt::host::{Machine, with_machine};
use pagurus_rt::ipc_buffer::Buffer;
use pagurus_rt::syscall::Registers;
use pagurus_syscall::sim::system::{DEVICE, DEVICE_BITS, DEVICE_SLOT, FREE_SLOT, UNTYPED_SLOT};
use pagurus_syscall::sim::{self, Setup};
use pagurus_syscall::{Memory, SyscallArgs};
use std::boxed::Box;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::vec::Vec;
use zerocopy::FromZeros;

/// log2 of the memory that root is told of.
const MEMORY_BITS: u8 = 22;

/// Something that happens while root waits.
type Happening = Box<dyn FnOnce(&mut sim::System)>;

/// The machine, shared by root (through `pagurus_rt::host`) and the test.
#[derive(Clone)]
pub struct Simulation {
    pub system: Rc<RefCell<sim::System>>,
    /// What happens, one each time that root waits; when nothing is left, root's
    /// receive is canceled.
    pub happenings: Rc<RefCell<VecDeque<Happening>>>,
}

impl Simulation {
    /// Boots a machine with `cpus` processors and the modules of `description`; root has not run yet.
    pub fn boot(description: &Description, cpus: usize) -> (Simulation, &'static BootInfo) {
        let mut system = sim::System::boot(Setup {
            cpus,
            untyped_bits: MEMORY_BITS + 1,
            check_every: 1000,
            ..Setup::default()
        });
        let root = system.root;
        let mut next = FREE_SLOT;
        let mut make = |system: &mut sim::System, kind, bits| {
            let to = (u64::from(slot::CNODE), next);
            system
                .retype(root, UNTYPED_SLOT, kind, bits, to, 1)
                .expect("the test's machine has memory");
            next += 1;
            let info = match kind {
                Kind::Frame => Method::FrameInfo,
                _ => Method::UntypedInfo,
            };
            let address = system.invoke(root, next - 1, info, 0, [0; 4]).unwrap()[0];
            (next - 1, address)
        };
        let mut info = Box::new(BootInfo::new_zeroed());
        info.magic = BOOT_MAGIC;
        info.tsc_khz = 2_000_000;
        info.cpu_count = cpus as u32;
        info.cnode_bits = ROOT_CNODE_BITS.into();
        let (place, address) = make(&mut system, Kind::Untyped, MEMORY_BITS);
        info.untyped_count = 2;
        info.untyped[0] = UntypedDesc {
            address,
            slot: place as u32,
            size_bits: MEMORY_BITS,
            ..UntypedDesc::default()
        };
        info.untyped[1] = UntypedDesc {
            address: DEVICE,
            slot: DEVICE_SLOT as u32,
            size_bits: DEVICE_BITS,
            device: 1,
            ..UntypedDesc::default()
        };
        for (n, (name, file)) in description.modules().into_iter().enumerate() {
            let mut module = ModuleDesc::new_zeroed();
            module.name[..name.len()].copy_from_slice(name.as_bytes());
            module.length = file.len() as u64;
            let pages = module.length.next_multiple_of(4096);
            for (offset, bits) in blocks(pages) {
                let (place, address) = make(&mut system, Kind::Frame, bits);
                if module.slot_count == 0 {
                    module.first_slot = place as u32;
                }
                module.slot_count += 1;
                let end = file.len().min((offset + (1 << bits)) as usize);
                let bytes = &file[offset as usize..end];
                system.kernel.machine.copy_in(address, bytes);
            }
            info.modules[n] = module;
            info.module_count += 1;
        }
        info.first_free_slot = next as u32;
        let simulation = Simulation {
            system: Rc::new(RefCell::new(system)),
            happenings: Rc::default(),
        };
        (simulation, Box::leak(info))
    }

    /// Runs `test` as root.
    pub fn as_root<R>(&self, test: impl FnOnce() -> R) -> R {
        with_machine(self.clone(), test)
    }

    /// Checks all invariants of the kernel.
    pub fn verify(&self) {
        self.system.borrow_mut().verify();
    }

    /// Adds something that happens when root waits the next time that nothing else happens.
    pub fn then(&self, happening: impl FnOnce(&mut sim::System) + 'static) {
        self.happenings.borrow_mut().push_back(Box::new(happening));
    }
}

impl Machine for Simulation {
    fn enter(&mut self, r: Registers) -> Registers {
        let root = self.system.borrow().root;
        let args = SyscallArgs {
            rax: r.rax,
            cap: r.rdi,
            info: r.rsi,
            words: r.words,
        };
        self.buffer_out(root);
        let mut answer = self.system.borrow_mut().make(root, args);
        while answer.is_none() {
            let happening = self.happenings.borrow_mut().pop_front();
            let system = &mut *self.system.borrow_mut();
            match happening {
                Some(happening) => happening(system),
                None => cancel(system, root),
            }
            answer = system.answer(root);
        }
        if deletes(&args) {
            // The simulation is told what is free, before it is used again.
            self.system.borrow_mut().verify();
        }
        self.buffer_in(root);
        let answer = answer.expect("the loop ended with one");
        Registers {
            rax: answer.code,
            rdi: answer.badge,
            rsi: answer.info.0,
            words: answer.words,
        }
    }

    fn read(&mut self, address: u64, bytes: &mut [u8]) {
        let system = &mut *self.system.borrow_mut();
        let cpu = system.cpu_of(system.root).expect("root runs");
        for (n, byte) in bytes.iter_mut().enumerate() {
            let physical = system.touch(cpu, address + n as u64).expect("it is mapped");
            *byte = byte_at(system, physical);
        }
    }

    fn write(&mut self, address: u64, bytes: &[u8]) {
        let system = &mut *self.system.borrow_mut();
        let cpu = system.cpu_of(system.root).expect("root runs");
        let mut at = 0;
        while at < bytes.len() {
            let virt = address + at as u64;
            let count = (bytes.len() - at).min(4096 - (virt % 4096) as usize);
            let physical = system.touch(cpu, virt).expect("it is mapped");
            system
                .kernel
                .machine
                .copy_in(physical, &bytes[at..at + count]);
            at += count;
        }
    }
}

impl Simulation {
    /// Root's IPC buffer, from the test's thread to the simulation.
    fn buffer_out(&self, root: ThreadId) {
        let mut system = self.system.borrow_mut();
        let buffer = Buffer::current().expect("tests have a buffer");
        let mut words = [0; MAX_WORDS];
        buffer.read_words(0, &mut words);
        for (n, word) in words.into_iter().enumerate() {
            system.write_word(root, n, word);
        }
        for (n, cap) in buffer.send().into_iter().enumerate() {
            system.offer_cap(root, n, cap);
        }
        let (base, count) = buffer.receive();
        system.set_window(root, base, count);
    }

    /// And back.
    fn buffer_in(&self, root: ThreadId) {
        let system = self.system.borrow();
        let mut words = [0; MAX_WORDS];
        for (n, word) in words.iter_mut().enumerate() {
            *word = system.read_word(root, n);
        }
        Buffer::current()
            .expect("tests have a buffer")
            .write_words(0, &words);
    }
}

fn deletes(args: &SyscallArgs) -> bool {
    let method = MethodInfo(args.info).method();
    Syscall::from_rax(args.rax) == Some(Syscall::Invoke)
        && matches!(method, Some(Method::CNodeRevoke | Method::CNodeDelete))
}

/// Ends what root waits for, as if its partner had gone away.
fn cancel(system: &mut sim::System, root: ThreadId) {
    system.in_kernel(0, |kernel| {
        pagurus_ipc::cancel::withdraw(kernel, root);
        let thread = kernel.thread_mut(root);
        thread.frame.fail(Error::Canceled);
        thread.state = ThreadState::Inactive;
        time::resume(kernel, root);
    });
}

/// A byte of simulated memory.
fn byte_at(system: &sim::System, physical: u64) -> u8 {
    let machine = &system.kernel.machine;
    let page = machine.address(physical & !0xfff);
    let word = machine.word(page, (physical as usize & 0xfff) / 8);
    word.to_le_bytes()[physical as usize % 8]
}

/// The bytes that thread `t` sees at `address`, as far as they are mapped.
pub fn seen_by(system: &sim::System, t: ThreadId, address: u64, count: usize) -> Vec<u8> {
    use pagurus_paging::{Host, PageSize, Tables};
    let root = system.kernel.thread(t).cr3;
    let tables = Tables::<Host>::new(root, PageSize::Size1G);
    let byte = |n| {
        let virt = address + n as u64;
        let page = tables.translate(&system.kernel.machine, virt & !0xfff)?;
        Some(byte_at(system, page.phys | virt & 0xfff))
    };
    (0..count).map_while(byte).collect()
}

/// The kernel's thread of the component with this identifier.
pub fn thread_of(simulation: &Simulation, root: &System, id: u16) -> ThreadId {
    let system = simulation.system.borrow();
    let index = root.thread(id).expect("the component exists").index();
    let at = system
        .kernel
        .thread(system.root)
        .slot_at(index.into())
        .unwrap();
    use pagurus_cap::Slots;
    ThreadId::new(system.kernel.slot(at).object).expect("a thread")
}

/// Boots the machine, lets root build and start everything, then runs `test` as root.
pub fn started<R>(
    description: &Description,
    cpus: usize,
    test: impl FnOnce(&Simulation, &mut System) -> R,
) -> R {
    let (simulation, boot) = Simulation::boot(description, cpus);
    simulation.as_root(|| {
        let mut root = System::prepare(boot).expect("the system can be built");
        root.start_all();
        let result = test(&simulation, &mut root);
        simulation.verify();
        result
    })
}

/// The slots of a component that hold something: slot, kind, rights, badge.
pub fn held(root: &System, id: u16) -> Vec<(u32, Kind, Rights, u64)> {
    let cnode = root.cnode(id).unwrap();
    (1..cnode.size().unwrap() as u32)
        .filter_map(|slot| {
            let found = cnode.inspect(slot).unwrap();
            let kind = found.info.kind().unwrap();
            (kind != Kind::Empty).then(|| (slot, kind, found.info.rights(), found.badge))
        })
        .collect()
}

/// Lets other threads of the same priority pass until `t` runs.
pub fn run(sim: &mut sim::System, t: ThreadId) {
    for _ in 0..10 {
        if sim.cpu_of(t).is_some() {
            return;
        }
        sim.advance(10_000_000);
    }
    panic!("{t:?} does not run");
}
