//! What the state machines need from the kernel around them.

use crate::object::{Endpoint, EndpointId, Notification, NotificationId, Reply, ReplyId};
use crate::thread::{Thread, ThreadId};
use pagurus_abi::message::CapTransfer;
use pagurus_cap::Slots;
use pagurus_sched::{Contexts, ScId};

/// Objects, scheduling and IPC buffers.
///
/// As with [`Slots`], ids come from the state itself, so looking one up cannot fail.
pub trait Env: Slots + Contexts {
    /// The thread with this id.
    fn thread(&self, id: ThreadId) -> &Thread;
    /// The thread with this id, to change it.
    fn thread_mut(&mut self, id: ThreadId) -> &mut Thread;
    /// The endpoint with this id.
    fn endpoint(&self, id: EndpointId) -> &Endpoint;
    /// The endpoint with this id, to change it.
    fn endpoint_mut(&mut self, id: EndpointId) -> &mut Endpoint;
    /// The notification with this id.
    fn notification(&self, id: NotificationId) -> &Notification;
    /// The notification with this id, to change it.
    fn notification_mut(&mut self, id: NotificationId) -> &mut Notification;
    /// The reply with this id.
    fn reply(&self, id: ReplyId) -> &Reply;
    /// The reply with this id, to change it.
    fn reply_mut(&mut self, id: ReplyId) -> &mut Reply;

    /// Somebody wants to run on this context: queues it on its processor, which switches to it if it is the most
    /// important there.
    fn wake_context(&mut self, id: ScId);
    /// Nobody wants to run on this context for now.
    fn sleep_context(&mut self, id: ScId);
    /// This thread, which does not wait, got a signal by the notification bound to it: a guest that it runs is left.
    fn signalled(&mut self, id: ThreadId);
    /// Makes sure that no other processor is executing this thread, and that its registers are in its frame.
    fn evict(&mut self, id: ThreadId);

    /// Copies message words `4..words` from one IPC buffer to another. Both addresses are those of bound buffers.
    fn copy_words(&mut self, from: usize, to: usize, words: usize);
    /// Writes message word `index` of a bound IPC buffer.
    fn write_word(&mut self, buffer: usize, index: usize, value: u64);
    /// Capability number `n` to send, as the bound IPC buffer has it.
    fn cap_to_send(&self, buffer: usize, n: usize) -> CapTransfer;
    /// First index and number of the slots that the bound IPC buffer offers for received capabilities.
    fn receive_window(&self, buffer: usize) -> (u32, u32);
}
