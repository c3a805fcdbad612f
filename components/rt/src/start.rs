//! How a component starts and stops.
// The symbol for the entry point, and `ud2`.
#![allow(unsafe_code)]

use crate::slots::SlotAllocator;
use crate::{Cap, client};
use pagurus_protocol::root::Exit;
use pagurus_protocol::slots;
use pagurus_protocol::start::StartInfo;

/// What a component knows when it starts.
#[derive(Debug)]
pub struct Env {
    /// Name, identifier, sizes and argument text.
    pub start: &'static StartInfo,
    /// The slots that nothing was put into.
    pub slots: SlotAllocator,
}

/// Makes `$main` the start of the component: `fn main(env: Env)`, which may return `()` or a
/// `Result<(), impl Display>`. When it returns, the parent is told.
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

/// Ends the component: tells the parent, or stops with a fault if the parent does not take it.
pub fn exit(code: u64) -> ! {
    // An answer means that the parent did not end us; then the fault does.
    let _ = client::call(Cap::new(slots::PARENT), &Exit { code });
    stop()
}

/// Stops with an invalid instruction: the parent gets the fault.
pub fn stop() -> ! {
    #[cfg(target_os = "none")]
    // SAFETY: `ud2` raises an exception, which stops this thread for good or ends it.
    unsafe {
        core::arch::asm!("ud2", options(noreturn))
    }
    #[cfg(not(target_os = "none"))]
    std::process::abort()
}
