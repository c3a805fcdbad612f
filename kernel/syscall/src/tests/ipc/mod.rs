//! Communication, as programs see it.

mod ends;
mod faults;
mod messages;
mod notifications;
mod short;
mod time;
mod transfer;
