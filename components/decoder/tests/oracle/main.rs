//! Decoding against `iced-x86`, over random and over likely bytes.

mod access;
mod bytes;
mod intercept;
mod length;
mod view;
