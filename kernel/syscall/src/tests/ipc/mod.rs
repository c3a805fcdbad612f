//! Communication, as programs see it.

mod ends;
mod faults;
mod messages;
mod notifications;
mod time;
mod transfer;
