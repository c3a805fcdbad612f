//! What a capability permits.

use bitflags::bitflags;

bitflags! {
    /// The rights of a capability. Deriving can only take rights away.
    ///
    /// | right | Endpoint | Notification | Frame | CNode | everything else |
    /// | --- | --- | --- | --- | --- | --- |
    /// | `READ` | receive | wait, poll | map readable | inspect, copy out | read state |
    /// | `WRITE` | send, call | signal | map writable | put in, move, delete, revoke | change state |
    /// | `EXECUTE` | | | map executable | | |
    /// | `GRANT` | transfer capabilities in a message | | | | |
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Rights: u8 {
        /// Observe or receive.
        const READ = 1;
        /// Change or send.
        const WRITE = 2;
        /// Map executable.
        const EXECUTE = 4;
        /// Send capabilities along with a message.
        const GRANT = 8;
    }
}

impl Rights {
    /// Read and write.
    pub const RW: Rights = Rights::READ.union(Rights::WRITE);
}
