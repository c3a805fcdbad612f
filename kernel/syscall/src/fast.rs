//! The short way through the most frequent system calls.
//!
//! Each function here looks whether its call is the plain case (a short message, the partner waiting, nobody more important
//! ready) and, if so, does in one piece what the general functions do in many: same objects, same fields, same values.
//! Otherwise it changes nothing and returns `None`, and the general way is taken. Tests compare the states that both
//! leave behind.
//!
//! The receiver's registers are not written here: the entry code passes the message on in the processor's registers. What it
//! must load is in the result.

use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::method::ThreadState;
use pagurus_abi::{Kind, MessageInfo, Rights};
use pagurus_cap::{Slot, Slots};
use pagurus_ipc::{
    Endpoint, EndpointId, EndpointState, Env, NotificationId, ReplyId, ReplyState, Thread, ThreadId,
};
use pagurus_sched::Contexts;

/// A message delivered the short way: words and description are what the sender passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Who goes on, with its message.
    pub to: ThreadId,
    /// The badge that it gets.
    pub badge: u64,
}

/// Whether switching between the two threads takes more than another address space.
#[inline(always)]
fn plain(from: &Thread, to: &Thread) -> bool {
    !from.special && !to.special && to.cr3 != 0
}

impl<M: Machine> Kernel<M> {
    /// The capability at `index` of `t`, if it is of this kind and has these rights.
    #[inline(always)]
    fn quick(&self, t: ThreadId, index: u64, kind: Kind, rights: Rights) -> Option<&Slot> {
        let slot = self.slot(self.thread(t).slot_at(index).ok()?);
        (slot.kind == kind && slot.rights.contains(rights)).then_some(slot)
    }

    /// From now on processor `cpu` runs `to` in place of the thread that it ran, on the same context.
    #[inline(always)]
    fn load(&mut self, cpu: usize, to: ThreadId) {
        let asid = self.thread(to).asid;
        self.counters.syscalls += 1;
        let cpu = &mut self.cpus[cpu];
        cpu.loaded = Some(to);
        cpu.asid = asid;
    }

    /// `Call` by thread `t` on processor `cpu`: the receiver waits and can answer.
    #[inline(always)]
    pub fn call_fast(
        &mut self,
        cpu: usize,
        t: ThreadId,
        cap: u64,
        info: MessageInfo,
    ) -> Option<Delivery> {
        if !info.is_short() || self.cpus.get(cpu)?.resched {
            return None;
        }
        let slot = self.quick(t, cap, Kind::Endpoint, Rights::WRITE)?;
        let badge = slot.word;
        let ep = EndpointId::new(slot.object)?;
        let endpoint = self.endpoint(ep);
        if endpoint.state != EndpointState::Receiving {
            return None;
        }
        let to = endpoint.queue.head?;
        let receiver = self.thread(to);
        let reply = receiver.reply?;
        let sender = self.thread(t);
        let sc = sender.sc?;
        if !plain(sender, receiver) {
            return None;
        }

        // Nothing is refused from here on. The receiver leaves the queue, whose first it is.
        let next = receiver.next;
        let endpoint = self.endpoint_mut(ep);
        endpoint.queue.head = next;
        match next {
            Some(next) => self.thread_mut(next).prev = None,
            None => *endpoint = Endpoint::default(),
        }
        let r = self.reply_mut(reply);
        r.peer = Some(t);
        r.borrower = Some(to);
        r.state = ReplyState::Owed;
        let sender = self.thread_mut(t);
        sender.state = ThreadState::Calling;
        sender.reply = Some(reply);
        sender.sc = None;
        let receiver = self.thread_mut(to);
        receiver.next = None;
        receiver.waits_for = 0;
        receiver.reply = None;
        receiver.state = ThreadState::Ready;
        receiver.sc = Some(sc);
        receiver.donor = Some(reply);
        self.sc_mut(sc).thread = to.address();
        self.load(cpu, to);
        Some(Delivery { to, badge })
    }

    /// `ReplyRecv` by thread `t` on processor `cpu`: the caller whose time `t` uses is answered, and nobody else waits.
    #[inline(always)]
    pub fn reply_recv_fast(
        &mut self,
        cpu: usize,
        t: ThreadId,
        cap: u64,
        second: u32,
        info: MessageInfo,
    ) -> Option<Delivery> {
        if !info.is_short() || self.cpus.get(cpu)?.resched {
            return None;
        }
        let slot = self.quick(t, cap, Kind::Endpoint, Rights::READ)?;
        let ep = EndpointId::new(slot.object)?;
        let slot = self.quick(t, second as u64, Kind::Reply, Rights::WRITE)?;
        let reply = ReplyId::new(slot.object)?;
        let endpoint = self.endpoint(ep);
        let r = Env::reply(self, reply);
        let server = self.thread(t);
        // A server that runs on the time that came with this reply: the reply is owed, and its peer is the caller.
        if endpoint.state == EndpointState::Sending
            || r.state != ReplyState::Owed
            || server.donor != Some(reply)
        {
            return None;
        }
        let to = r.peer?;
        let sc = server.sc?;
        let caller = self.thread(to);
        if caller.faulted || !plain(server, caller) {
            return None;
        }
        if let Some(n) = server.notification
            && self.notification(n).word != 0
        {
            return None;
        }

        // Nothing is refused from here on.
        let tail = self.endpoint(ep).queue.tail;
        let r = self.reply_mut(reply);
        r.peer = Some(t);
        r.borrower = None;
        r.state = ReplyState::Offered;
        let caller = self.thread_mut(to);
        caller.reply = None;
        caller.state = ThreadState::Ready;
        caller.sc = Some(sc);
        let server = self.thread_mut(t);
        server.state = ThreadState::Receiving;
        server.waits_for = ep.address();
        server.reply = Some(reply);
        server.sc = None;
        server.donor = None;
        server.next = None;
        server.prev = tail;
        let endpoint = self.endpoint_mut(ep);
        endpoint.queue.tail = Some(t);
        match tail {
            Some(tail) => self.thread_mut(tail).next = Some(t),
            None => {
                endpoint.queue.head = Some(t);
                endpoint.state = EndpointState::Receiving;
            }
        }
        self.sc_mut(sc).thread = to.address();
        self.load(cpu, to);
        Some(Delivery { to, badge: 0 })
    }

    /// `Signal` by thread `t`: nobody waits.
    #[inline(always)]
    pub fn signal_fast(&mut self, cpu: usize, t: ThreadId, cap: u64) -> Option<()> {
        if self.cpus.get(cpu)?.resched {
            return None;
        }
        let slot = self.quick(t, cap, Kind::Notification, Rights::WRITE)?;
        let badge = slot.word;
        let id = NotificationId::new(slot.object)?;
        let n = self.notification(id);
        if n.queue.head.is_some() {
            return None;
        }
        if let Some(bound) = n.bound {
            let bound = self.thread(bound);
            if bound.state == ThreadState::Receiving || bound.vcpu != 0 {
                return None;
            }
        }
        self.notification_mut(id).word |= pagurus_ipc::notification::bits(badge);
        self.counters.syscalls += 1;
        Some(())
    }

    /// `Wait` by thread `t`: signals are there. Returns them.
    #[inline(always)]
    pub fn wait_fast(&mut self, cpu: usize, t: ThreadId, cap: u64) -> Option<u64> {
        if self.cpus.get(cpu)?.resched {
            return None;
        }
        let slot = self.quick(t, cap, Kind::Notification, Rights::READ)?;
        let id = NotificationId::new(slot.object)?;
        let word = pagurus_ipc::notification::poll(self, id)?;
        self.counters.syscalls += 1;
        Some(word)
    }
}
