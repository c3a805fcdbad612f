//! The system calls for communication: from capabilities to the state machines of `pagurus-ipc`.

use crate::dispatch::{Completion, SyscallArgs};
use crate::env::ContextsOf;
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::{Error, Kind, MessageInfo, Rights};
use pagurus_cap::{Slot, Slots};
use pagurus_ipc::endpoint::{self, Done, Outgoing, Receipt};
use pagurus_ipc::{EndpointId, Env, NotificationId, ReplyId, ThreadId, notification, reply};

impl<M: Machine> Kernel<M> {
    /// The capability that `t` names by `index`, if it is of this kind and has these rights.
    #[inline(always)]
    pub(crate) fn lookup(
        &self,
        t: ThreadId,
        index: u64,
        kind: Kind,
        rights: Rights,
    ) -> Result<&Slot, Error> {
        let slot = self.slot(self.thread(t).slot_at(index)?);
        if slot.kind != kind {
            return Err(if slot.is_empty() {
                Error::EmptySlot
            } else {
                Error::WrongKind
            });
        }
        if !slot.rights.contains(rights) {
            return Err(Error::MissingRights);
        }
        Ok(slot)
    }

    #[inline(always)]
    fn endpoint_by(
        &self,
        t: ThreadId,
        index: u64,
        rights: Rights,
    ) -> Result<(EndpointId, &Slot), Error> {
        let slot = self.lookup(t, index, Kind::Endpoint, rights)?;
        match EndpointId::new(slot.object) {
            Some(ep) => Ok((ep, slot)),
            None => Err(Error::EmptySlot),
        }
    }

    #[inline(always)]
    fn notification_by(
        &self,
        t: ThreadId,
        index: u64,
        rights: Rights,
    ) -> Result<(NotificationId, u64), Error> {
        let slot = self.lookup(t, index, Kind::Notification, rights)?;
        match NotificationId::new(slot.object) {
            Some(n) => Ok((n, slot.word)),
            None => Err(Error::EmptySlot),
        }
    }

    #[inline(always)]
    fn reply_by(&self, t: ThreadId, index: u64) -> Result<ReplyId, Error> {
        let slot = self.lookup(t, index, Kind::Reply, Rights::WRITE)?;
        ReplyId::new(slot.object).ok_or(Error::EmptySlot)
    }

    /// The message words, where the state machines look for them.
    #[inline(always)]
    fn put_words(&mut self, t: ThreadId, words: [u64; 4]) {
        let f = &mut self.thread_mut(t).frame;
        [f.rdx, f.r10, f.r8, f.r9] = words;
    }

    #[inline(always)]
    pub(crate) fn call(
        &mut self,
        t: ThreadId,
        cap: u64,
        info: MessageInfo,
        args: &SyscallArgs,
    ) -> Result<Completion, Error> {
        let (ep, slot) = self.endpoint_by(t, cap, Rights::WRITE)?;
        let out = Outgoing {
            info,
            badge: slot.word,
            grants: slot.rights.contains(Rights::GRANT),
            calls: true,
            waits: true,
            fault: false,
        };
        self.put_words(t, args.words);
        endpoint::send(self, t, ep, out)?;
        Ok(Completion::Elsewhere)
    }

    pub(crate) fn send(
        &mut self,
        t: ThreadId,
        cap: u64,
        info: MessageInfo,
        args: &SyscallArgs,
        waits: bool,
    ) -> Result<Completion, Error> {
        let (ep, slot) = self.endpoint_by(t, cap, Rights::WRITE)?;
        let out = Outgoing {
            info,
            badge: slot.word,
            grants: slot.rights.contains(Rights::GRANT),
            calls: false,
            waits,
            fault: false,
        };
        self.put_words(t, args.words);
        Ok(match endpoint::send(self, t, ep, out)? {
            Done::Complete => Completion::OK,
            Done::Blocked => Completion::Elsewhere,
        })
    }

    pub(crate) fn recv(
        &mut self,
        t: ThreadId,
        cap: u64,
        reply: u32,
        waits: bool,
    ) -> Result<Completion, Error> {
        let (ep, _) = self.endpoint_by(t, cap, Rights::READ)?;
        let reply = match reply {
            0 => None,
            index => Some(self.reply_by(t, index as u64)?),
        };
        match endpoint::receive(self, t, ep, reply, waits)? {
            Receipt::Again => Ok(Completion::Restart),
            Receipt::Complete | Receipt::Blocked => Ok(Completion::Elsewhere),
        }
    }

    pub(crate) fn reply(
        &mut self,
        t: ThreadId,
        cap: u64,
        info: MessageInfo,
        args: &SyscallArgs,
    ) -> Result<Completion, Error> {
        let id = self.reply_by(t, cap)?;
        self.put_words(t, args.words);
        reply::reply(self, t, id, info)?;
        // The time that the caller had lent is the caller's again.
        pagurus_ipc::time::run_at_home(self, t);
        Ok(Completion::OK)
    }

    #[inline(always)]
    pub(crate) fn reply_recv(
        &mut self,
        t: ThreadId,
        cap: u64,
        second: u32,
        info: MessageInfo,
        args: &SyscallArgs,
    ) -> Result<Completion, Error> {
        let (ep, _) = self.endpoint_by(t, cap, Rights::READ)?;
        let id = self.reply_by(t, second as u64)?;
        self.put_words(t, args.words);
        // Nobody to answer is no error here: a server's loop begins so.
        let _ = reply::reply(self, t, id, info);
        let received = endpoint::receive(self, t, ep, Some(id), true);
        if received != Ok(Receipt::Blocked) {
            pagurus_ipc::time::run_at_home(self, t);
        }
        match received? {
            Receipt::Again => Ok(Completion::Restart),
            Receipt::Complete | Receipt::Blocked => Ok(Completion::Elsewhere),
        }
    }

    pub(crate) fn signal(&mut self, t: ThreadId, cap: u64) -> Result<Completion, Error> {
        let (n, badge) = self.notification_by(t, cap, Rights::WRITE)?;
        notification::signal(self, n, badge);
        Ok(Completion::OK)
    }

    pub(crate) fn wait(&mut self, t: ThreadId, cap: u64) -> Result<Completion, Error> {
        let (n, _) = self.notification_by(t, cap, Rights::READ)?;
        match notification::poll(self, n) {
            Some(word) => {
                self.thread_mut(t).frame.complete(0);
                self.thread_mut(t).frame.rdi = word;
            }
            None => notification::wait(self, t, n),
        }
        Ok(Completion::Elsewhere)
    }

    pub(crate) fn poll(&mut self, t: ThreadId, cap: u64) -> Result<Completion, Error> {
        let (n, _) = self.notification_by(t, cap, Rights::READ)?;
        let word = notification::poll(self, n).ok_or(Error::WouldBlock)?;
        self.thread_mut(t).frame.complete(0);
        self.thread_mut(t).frame.rdi = word;
        Ok(Completion::Elsewhere)
    }

    pub(crate) fn yield_now(&mut self) -> Result<Completion, Error> {
        let now = self.machine.now();
        let cpu = &mut self.cpus[self.here];
        cpu.scheduler
            .give_up(&mut ContextsOf(&mut self.machine), now);
        cpu.resched = true;
        Ok(Completion::OK)
    }
}
