//! Images made here, planned, carried out in a vector, and read back as the guest would.

mod elf;
mod guest;
mod hermit;
mod hostile;
mod linux;
mod linux_image;
mod multiboot1;
mod multiboot2;
mod placing;
mod pvh;
