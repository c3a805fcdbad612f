//! The faults themselves.
#![allow(unsafe_code)] // Every one of these is wrong on purpose.

#[cfg(target_os = "none")]
use core::arch::asm;
use pagurus_protocol::crash::FaultMode;
use pagurus_rt::start::exit;

/// Faults. The processor stops the thread at the instruction named; if it does not, isolation is broken, and the panic
/// says so.
pub fn fault(mode: FaultMode) -> ! {
    match mode {
        FaultMode::Panic => panic!("as requested"),
        FaultMode::Exit => exit(0),
        FaultMode::Runaway => loop {
            core::hint::spin_loop();
        },
        _ => instruction(mode),
    }
    panic!("{} did no harm: the isolation is broken", mode.name())
}

#[cfg(target_os = "none")]
fn instruction(mode: FaultMode) {
    // SAFETY: none of these instructions gets to the end: the kernel stops the thread at it. If one did, it would have
    // changed nothing that the compiler relies on: reads are dropped, the stack is only pushed below what is in use,
    // and the caller panics right after. The write to the code is of a byte that never runs again.
    unsafe {
        match mode {
            FaultMode::NullRead => asm!("mov {0}, qword ptr [{0}]", inout(reg) 0u64 => _),
            FaultMode::TextWrite => {
                asm!("mov byte ptr [{0}], 0x90", in(reg) instruction as *const () as usize);
            }
            FaultMode::DataExecute => {
                static RETURN: [u8; 1] = [0xc3];
                asm!("call {0}", in(reg) RETURN.as_ptr(), clobber_abi("C"));
            }
            FaultMode::Undefined => asm!("ud2"),
            FaultMode::StackOverflow => asm!("2: push rax", "jmp 2b", options(noreturn)),
            FaultMode::Privileged => asm!("hlt"),
            FaultMode::PortAccess => asm!("in al, 0x80", out("al") _),
            FaultMode::Divide => {
                asm!("div {0:e}", in(reg) 0u32, inout("eax") 1u32 => _, inout("edx") 0u32 => _);
            }
            FaultMode::NonCanonical => {
                asm!("mov {0}, qword ptr [{0}]", inout(reg) 0x8000_0000_0000_0000u64 => _);
            }
            FaultMode::KernelRead => {
                asm!("mov {0}, qword ptr [{0}]", inout(reg) 0xffff_ffff_8000_0000u64 => _);
            }
            FaultMode::Panic | FaultMode::Exit | FaultMode::Runaway => {}
        }
    }
}

/// On the host nothing is to be broken.
#[cfg(not(target_os = "none"))]
fn instruction(_: FaultMode) {}
