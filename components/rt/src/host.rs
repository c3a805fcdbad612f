//! A machine for tests on the host: what the test installs for its thread answers system calls, and has the
//! memory that is mapped at addresses of the component.

use crate::syscall::Registers;
use std::boxed::Box;
use std::cell::RefCell;

/// What a test puts in place of the kernel and the mapped memory.
pub trait Machine {
    /// Carries out a system call.
    fn enter(&mut self, registers: Registers) -> Registers;

    /// Reads what is mapped at `address`.
    fn read(&mut self, address: u64, bytes: &mut [u8]);

    /// Writes what is mapped at `address`.
    fn write(&mut self, address: u64, bytes: &[u8]);
}

std::thread_local! {
    static MACHINE: RefCell<Option<Box<dyn Machine>>> = const { RefCell::new(None) };
}

/// A kernel without memory.
struct OnlyKernel<F>(F);

impl<F: FnMut(Registers) -> Registers> Machine for OnlyKernel<F> {
    fn enter(&mut self, registers: Registers) -> Registers {
        (self.0)(registers)
    }

    fn read(&mut self, address: u64, _bytes: &mut [u8]) {
        panic!("nothing is mapped at {address:#x}");
    }

    fn write(&mut self, address: u64, _bytes: &[u8]) {
        panic!("nothing is mapped at {address:#x}");
    }
}

/// Runs `test` with `kernel` answering this thread's system calls.
///
/// # Panics
/// If a machine is installed already.
pub fn with_kernel<R>(
    kernel: impl FnMut(Registers) -> Registers + 'static,
    test: impl FnOnce() -> R,
) -> R {
    with_machine(OnlyKernel(kernel), test)
}

/// Runs `test` on `machine`.
///
/// # Panics
/// If a machine is installed already.
pub fn with_machine<R>(machine: impl Machine + 'static, test: impl FnOnce() -> R) -> R {
    struct Uninstall;
    impl Drop for Uninstall {
        fn drop(&mut self) {
            MACHINE.with_borrow_mut(|m| *m = None);
        }
    }
    MACHINE.with_borrow_mut(|m| {
        assert!(m.is_none(), "a machine is installed already");
        *m = Some(Box::new(machine));
    });
    let _uninstall = Uninstall;
    test()
}

fn installed<R>(use_it: impl FnOnce(&mut dyn Machine) -> R) -> R {
    MACHINE.with_borrow_mut(|machine| {
        let machine = machine
            .as_mut()
            .expect("a test that needs a machine installs one");
        use_it(machine.as_mut())
    })
}

/// Passes a system call to the installed machine.
pub(crate) fn enter(registers: Registers) -> Registers {
    installed(|m| m.enter(registers))
}

/// Reads memory of the installed machine.
pub(crate) fn read(address: u64, bytes: &mut [u8]) {
    installed(|m| m.read(address, bytes));
}

/// Writes memory of the installed machine.
pub(crate) fn write(address: u64, bytes: &[u8]) {
    installed(|m| m.write(address, bytes));
}
