//! How a component ends: by the instruction `ud2`, with the reason in registers.
//!
//! The fault goes to the component's parent, which reads the registers of the thread. So a component needs no
//! capability to end, and a fault that is no end has no such registers.

/// Exception vector of `ud2` (AMD64 manual volume 2, section 8.2.7).
pub const VECTOR: u64 = 6;
/// `rax`: `main` returned; `rdi` is the exit code.
pub const EXIT: u64 = u64::from_le_bytes(*b"PAGEXIT1");
/// `rax`: a panic, which was reported to the log.
pub const PANIC: u64 = u64::from_le_bytes(*b"PAGPANIC");

/// Why a thread stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// `main` returned; 0 if all went well.
    Exit(u64),
    /// It panicked.
    Panic,
    /// It faulted.
    Fault,
}

impl Stop {
    /// What exception `vector` with registers `rax` and `rdi` means.
    pub const fn of(vector: u64, rax: u64, rdi: u64) -> Stop {
        match (vector, rax) {
            (VECTOR, EXIT) => Stop::Exit(rdi),
            (VECTOR, PANIC) => Stop::Panic,
            _ => Stop::Fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ud2_with_the_right_registers_is_an_end() {
        assert_eq!(Stop::of(VECTOR, EXIT, 7), Stop::Exit(7));
        assert_eq!(Stop::of(VECTOR, PANIC, 7), Stop::Panic);
        assert_eq!(Stop::of(VECTOR, 0, 7), Stop::Fault);
        assert_eq!(Stop::of(14, EXIT, 0), Stop::Fault);
    }
}
