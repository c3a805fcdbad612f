//! How a component starts and stops.
// The symbol for the entry point, `ud2`, and boot modules at the addresses where root mapped them.
#![allow(unsafe_code)]

use crate::slots::SlotAllocator;
use pagurus_protocol::start::StartInfo;
use pagurus_protocol::stop;

/// What a component knows when it starts.
#[derive(Debug)]
pub struct Env {
    /// Name, identifier, sizes and argument text.
    pub start: &'static StartInfo,
    /// The slots that the component may fill at run time.
    pub slots: SlotAllocator,
}

impl Env {
    /// The boot module that the description maps at `address` (a generated constant); `None` if the boot loader did
    /// not bring it.
    pub fn module(&self, address: usize) -> Option<&'static [u8]> {
        let bytes = self.start.module_bytes(address as u64)?;
        // SAFETY: root maps the module before the component starts, read-only and for as long as it runs; nobody
        // holds a writable capability to a boot module.
        Some(unsafe { crate::memory::bytes(address as u64, bytes as usize) })
    }
}

/// Makes `$main` the start of the component: `fn main(env: Env)`, which may return `()` or a
/// `Result<(), impl Display>`. When it returns, the component ends ([`exit`](crate::start::exit)).
///
/// On the host the binary does nothing but say what it is, so that its tests can be built there.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[cfg(target_os = "none")]
        const _: () = {
            // The symbol that `_start` calls.
            #[allow(unsafe_code)]
            // SAFETY: no other function of a component has this name.
            #[unsafe(no_mangle)]
            extern "C" fn pagurus_main(ipc_buffer: u64, start_info: u64) -> ! {
                // SAFETY: `_start` passes on what the parent passed.
                unsafe { $crate::entry::component(ipc_buffer, start_info, $main) }
            }
        };

        #[cfg(not(target_os = "none"))]
        fn main() {
            let _ = $main;
            $crate::start::explain();
        }
    };
}

/// Makes `$main` the start of root: `fn main(boot: &'static BootInfo)`, with a heap of `$heap` bytes in
/// its image.
#[macro_export]
macro_rules! root_entry {
    ($main:path, heap = $heap:expr) => {
        #[cfg(target_os = "none")]
        const _: () = {
            static HEAP: $crate::heap::Arena<{ $heap }> = $crate::heap::Arena::new();

            // The symbol that `_start` calls.
            #[allow(unsafe_code)]
            // SAFETY: no other function of a component has this name.
            #[unsafe(no_mangle)]
            extern "C" fn pagurus_main(ipc_buffer: u64, boot_info: u64) -> ! {
                HEAP.claim();
                // SAFETY: `_start` passes on what the kernel passed.
                unsafe { $crate::entry::root(ipc_buffer, boot_info, $main) }
            }
        };

        #[cfg(not(target_os = "none"))]
        fn main() {
            let _ = $main;
            $crate::start::explain();
        }
    };
}

/// Says on the host what a component's binary is.
#[cfg(not(target_os = "none"))]
pub fn explain() {
    std::println!("This is a component of Pagurus; build it for x86_64-unknown-none.");
}

pub(crate) static START: spin::Once<&'static StartInfo> = spin::Once::new();

/// Name of this component; root has no start page and is called so.
pub fn name() -> &'static str {
    START.get().map_or("root", |start| start.name.as_str())
}

/// Ends the component with exit code `code`, 0 if all went well; the parent learns it.
pub fn exit(code: u64) -> ! {
    halt(stop::EXIT, code)
}

/// Ends the component after a panic was reported.
#[cfg(target_os = "none")]
pub(crate) fn panicked() -> ! {
    halt(stop::PANIC, 0)
}

/// `ud2` with the reason in registers: the parent gets the fault. See [`pagurus_protocol::stop`].
#[cfg(target_os = "none")]
fn halt(reason: u64, code: u64) -> ! {
    // SAFETY: `ud2` raises an exception, which stops this thread for good.
    unsafe {
        core::arch::asm!("2: ud2", "jmp 2b", in("rax") reason, in("rdi") code, options(noreturn))
    }
}

#[cfg(not(target_os = "none"))]
fn halt(_reason: u64, code: u64) -> ! {
    std::process::exit(code as i32)
}
