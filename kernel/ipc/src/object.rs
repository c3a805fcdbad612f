//! The objects of communication. All zero is an unused object, so fresh memory needs no set-up.

use crate::thread::ThreadId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(core::num::NonZeroUsize);

        impl $name {
            /// The object at this address, unless it is 0.
            pub const fn new(address: usize) -> Option<Self> {
                match core::num::NonZeroUsize::new(address) {
                    Some(a) => Some($name(a)),
                    None => None,
                }
            }

            /// Its address.
            pub const fn address(self) -> usize {
                self.0.get()
            }
        }
    };
}
pub(crate) use id;

id! {
    /// Names an endpoint: in the kernel its address.
    EndpointId
}
id! {
    /// Names a notification: in the kernel its address.
    NotificationId
}
id! {
    /// Names a reply: in the kernel its address.
    ReplyId
}

/// Threads that wait for one another, in the order in which they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct WaitQueue {
    /// The first.
    pub head: Option<ThreadId>,
    /// The last.
    pub tail: Option<ThreadId>,
}

/// Who waits at an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum EndpointState {
    /// Nobody.
    #[default]
    Idle = 0,
    /// Senders.
    Sending = 1,
    /// Receivers.
    Receiving = 2,
}

/// A meeting place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Endpoint {
    /// Who waits.
    pub queue: WaitQueue,
    /// Which side waits.
    pub state: EndpointState,
}

/// A word of signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Notification {
    /// Signals not yet fetched.
    pub word: u64,
    /// Who waits; empty unless `word` is 0.
    pub queue: WaitQueue,
    /// The thread whose receives the signals also end.
    pub bound: Option<ThreadId>,
}

/// What a reply object is good for at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum ReplyState {
    /// Nothing.
    #[default]
    Idle = 0,
    /// `peer` receives and has offered it for the next caller.
    Offered = 1,
    /// `peer` is a caller that waits for the answer.
    Owed = 2,
}

/// The right to answer one caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Reply {
    /// The receiver that offers it, or the caller that waits.
    pub peer: Option<ThreadId>,
    /// Owed: the thread that the caller's time was lent to by this call and has not left since;
    /// [`Thread::donor`](crate::Thread::donor) of that thread is this reply.
    pub borrower: Option<ThreadId>,
    /// Which of the two.
    pub state: ReplyState,
}

const _: () = {
    assert!(core::mem::size_of::<Endpoint>() <= 64);
    assert!(core::mem::size_of::<Notification>() <= 64);
    assert!(core::mem::size_of::<Reply>() <= 64);
};
