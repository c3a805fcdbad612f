//! Exceptions of threads.

use crate::event::Event;
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::method::{ThreadBinding, ThreadState};
use pagurus_abi::{MessageInfo, Rights};
use pagurus_cap::Slots;
use pagurus_ipc::endpoint::{self, Outgoing};
use pagurus_ipc::{EndpointId, Env, ThreadId, time};

impl<M: Machine> Kernel<M> {
    /// Thread `t`, which runs on this processor, raised an exception: its fault handler is called. Without one, or if the handler
    /// cannot answer, the thread stops.
    pub fn fault(&mut self, t: ThreadId, vector: u64, code: u64, address: u64) {
        let rip = self.thread(t).frame.rip;
        self.thread_mut(t).fault = [vector, code, address];
        let slot = *self.slot(t.binding(ThreadBinding::FaultEndpoint as usize));
        let out = Outgoing {
            info: MessageInfo(0),
            badge: slot.word,
            grants: false,
            calls: true,
            waits: true,
            fault: true,
        };
        let sent = match EndpointId::new(slot.object) {
            Some(ep) if slot.rights.contains(Rights::WRITE) => {
                endpoint::send(self, t, ep, out).is_ok()
            }
            _ => false,
        };
        self.machine.note(Event::Fault {
            thread: t.address(),
            vector,
            code,
            address,
            rip,
            told: sent,
        });
        if !sent {
            self.thread_mut(t).state = ThreadState::Inactive;
            time::detach(self, t);
        }
    }
}
