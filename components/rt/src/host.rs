//! A kernel for tests on the host: a function that the test installs for its thread.

use crate::syscall::Registers;
use std::boxed::Box;
use std::cell::RefCell;

type Kernel = Box<dyn FnMut(Registers) -> Registers>;

std::thread_local! {
    static KERNEL: RefCell<Option<Kernel>> = const { RefCell::new(None) };
}

/// Runs `test` with `kernel` answering this thread's system calls.
///
/// # Panics
/// If a kernel is installed already.
pub fn with_kernel<R>(
    kernel: impl FnMut(Registers) -> Registers + 'static,
    test: impl FnOnce() -> R,
) -> R {
    struct Uninstall;
    impl Drop for Uninstall {
        fn drop(&mut self) {
            KERNEL.with_borrow_mut(|k| *k = None);
        }
    }
    KERNEL.with_borrow_mut(|k| {
        assert!(k.is_none(), "a kernel is installed already");
        *k = Some(Box::new(kernel));
    });
    let _uninstall = Uninstall;
    test()
}

/// Passes a system call to the installed kernel.
///
/// # Panics
/// If there is none.
pub(crate) fn enter(registers: Registers) -> Registers {
    KERNEL.with_borrow_mut(|kernel| {
        kernel
            .as_mut()
            .expect("a test that enters the kernel installs one")(registers)
    })
}
