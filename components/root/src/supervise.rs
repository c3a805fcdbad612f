//! Faults of components: reported by name, then the component is started again or stays as it is.

use crate::journal;
use crate::system::System;
use core::fmt;
use pagurus_abi::method::Registers;
use pagurus_capdl_image::{Component, Restarts};
use pagurus_protocol::root::ComponentState;
use pagurus_protocol::stop::Stop;
use pagurus_rt::server::Fault;

/// What becomes of a component that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is started again.
    Restart,
    /// It stays ended: it was done.
    Done,
    /// It stays as it is, for whoever wants to look at it: it failed as often as it may.
    Stays,
}

/// Decides about a component that was started again after a failure `failures` times.
pub fn verdict(stop: Stop, policy: Restarts, failures: u32) -> Verdict {
    let may_restart = match policy {
        Restarts::Always => true,
        Restarts::UpTo(times) => failures < times,
    };
    match stop {
        Stop::Exit(0) => Verdict::Done,
        _ if may_restart => Verdict::Restart,
        _ => Verdict::Stays,
    }
}

/// A fault as people read it.
pub struct Described<'a> {
    /// What the kernel reported.
    pub fault: &'a Fault,
    /// Why it stopped.
    pub stop: Stop,
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = self.fault;
        match self.stop {
            Stop::Exit(0) => return f.write_str("ended"),
            Stop::Exit(code) => return write!(f, "ended with code {code}"),
            Stop::Panic => return write!(f, "panicked"),
            Stop::Fault if fault.page => {
                // Bits of the error code: AMD64 manual volume 2, section 8.4.2.
                let access = match fault.code {
                    code if code & 16 != 0 => "execution",
                    code if code & 2 != 0 => "write",
                    _ => "read",
                };
                let why = match fault.code & 1 {
                    0 => "nothing is mapped there",
                    _ => "the mapping does not permit it",
                };
                write!(f, "page fault: {access} at {:#x}, {why}", fault.address)?;
            }
            Stop::Fault => write!(
                f,
                "exception {} ({}), error code {:#x}",
                fault.vector,
                exception_name(fault.vector),
                fault.code
            )?,
        }
        write!(f, "; rip {:#x} rsp {:#x}", fault.rip, fault.rsp)
    }
}

/// The registers of a thread that faulted, but those that the fault itself has.
struct Dump<'a>(&'a Registers);

impl fmt::Display for Dump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = self.0;
        write!(
            f,
            "rax {:x} rbx {:x} rcx {:x} rdx {:x} rsi {:x} rdi {:x} rbp {:x} r8 {:x} r9 {:x} r10 {:x} r11 {:x} \
             r12 {:x} r13 {:x} r14 {:x} r15 {:x} rflags {:x}",
            r.rax,
            r.rbx,
            r.rcx,
            r.rdx,
            r.rsi,
            r.rdi,
            r.rbp,
            r.r8,
            r.r9,
            r.r10,
            r.r11,
            r.r12,
            r.r13,
            r.r14,
            r.r15,
            r.rflags
        )
    }
}

/// Name of an exception (AMD64 manual volume 2, table 8-1).
pub const fn exception_name(vector: u64) -> &'static str {
    match vector {
        0 => "divide error",
        1 => "debug",
        3 => "breakpoint",
        4 => "overflow",
        5 => "bound range",
        6 => "invalid opcode",
        7 => "device not available",
        10 => "invalid TSS",
        11 => "segment not present",
        12 => "stack",
        13 => "general protection",
        14 => "page fault",
        16 => "x87 floating point",
        17 => "alignment check",
        19 => "SIMD floating point",
        21 => "control protection",
        _ => "unnamed",
    }
}

impl System {
    /// A thread faulted: reports it and starts its component again, if it may. Returns whether the thread is gone
    /// (then nobody waits for an answer).
    pub fn fault(&mut self, fault: &Fault) -> bool {
        let id = u16::try_from(fault.badge).unwrap_or(0);
        let Some(component) = self.image.component(id) else {
            log::error!("a fault from nobody known (badge {:#x})", fault.badge);
            return false;
        };
        if self.collector.is_some_and(|(collector, _)| collector == id) {
            // It will not come for the lines that tell of its own end.
            journal::set_bell(None);
        }
        let gone = self.deal_with(fault, &component);
        self.ring_at_collector();
        gone
    }

    fn deal_with(&mut self, fault: &Fault, component: &Component<'_>) -> bool {
        let id = component.id;
        let registers = self
            .thread(id)
            .and_then(|thread| thread.read_registers().ok());
        let stop = match &registers {
            Some(r) => Stop::of(fault.vector, r.rax, r.rdi),
            None => Stop::Fault,
        };
        let failures = self.member(id).map_or(0, |m| m.failures);
        let verdict = verdict(stop, component.restarts, failures);
        let described = Described { fault, stop };
        let next = match verdict {
            Verdict::Restart => "it is started again",
            Verdict::Done => "it was done",
            Verdict::Stays => "it stays stopped",
        };
        if verdict == Verdict::Done {
            log::info!("component `{}` {described}", component.name);
        } else {
            log::error!("component `{}`: {described}: {next}", component.name);
            if let (Stop::Fault, Some(registers)) = (stop, &registers) {
                log::info!("component `{}`: {}", component.name, Dump(registers));
            }
        }
        match verdict {
            Verdict::Restart => {
                if let Some(member) = self.member_mut(id) {
                    member.failures += 1;
                }
                if let Err(error) = self.restart(id) {
                    log::error!(
                        "component `{}` cannot be started again: {error}",
                        component.name
                    );
                }
                true
            }
            Verdict::Done => {
                self.set_state(id, ComponentState::Exited);
                if let Err(error) = self.end(id) {
                    log::error!(
                        "component `{}` cannot be cleared away: {error}",
                        component.name
                    );
                }
                true
            }
            Verdict::Stays => {
                self.set_state(id, ComponentState::Faulted);
                false
            }
        }
    }

    fn set_state(&mut self, id: u16, state: ComponentState) {
        if let Some(member) = self.member_mut(id) {
            member.state = state;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_up_to_the_limit() {
        use Verdict::*;
        let limit = Restarts::UpTo(2);
        assert_eq!(verdict(Stop::Fault, limit, 0), Restart);
        assert_eq!(verdict(Stop::Panic, limit, 1), Restart);
        assert_eq!(verdict(Stop::Fault, limit, 2), Stays);
        assert_eq!(verdict(Stop::Exit(1), limit, 2), Stays);
        assert_eq!(verdict(Stop::Exit(1), limit, 0), Restart);
        assert_eq!(verdict(Stop::Exit(0), limit, 0), Done);
        assert_eq!(verdict(Stop::Exit(0), Restarts::Always, 0), Done);
        assert_eq!(verdict(Stop::Fault, Restarts::Always, u32::MAX), Restart);
        assert_eq!(verdict(Stop::Fault, Restarts::UpTo(0), 0), Stays);
    }

    #[test]
    fn page_faults_say_what_was_tried() {
        let fault = |code| Fault {
            badge: 1,
            page: true,
            vector: 14,
            code,
            address: 0xdead_b000,
            rip: 0x20_0010,
            rsp: 0x7000,
            rflags: 2,
        };
        let text = |code| {
            let described = Described {
                fault: &fault(code),
                stop: Stop::Fault,
            };
            std::format!("{described}")
        };
        assert!(text(4).starts_with("page fault: read at 0xdeadb000, nothing is mapped there"));
        assert!(text(7).contains("write at 0xdeadb000, the mapping does not permit it"));
        assert!(text(0x15).contains("execution"));
    }
}
