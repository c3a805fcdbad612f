//! Windows in root's own address space through which it reads boot modules and fills components' memory.
//!
//! All windows lie in one gigabyte, so that they take few of root's page tables.
// Access to memory that root maps and unmaps itself.
#![allow(unsafe_code)]

use alloc::vec::Vec;
use pagurus_abi::method::CacheMode;
use pagurus_abi::{Error, Rights};
use pagurus_rt::Cap;
use pagurus_rt::memory;
use pagurus_rt::object::{AddressSpace, Frame, Mapping};

/// Where the capDL image stays mapped.
const IMAGE: u64 = 0x2_0000_0000;
/// Where one program at a time is mapped.
const PROGRAM: u64 = 0x2_1000_0000;
/// Where a piece of a component's memory is mapped.
const COPY: u64 = 0x2_3000_0000;
/// Most bytes of the image and of a program.
const ROOM: u64 = 0x1000_0000;
/// Bytes of a component's memory that are mapped at a time.
const PIECE: u64 = 1 << 20;

/// Root's windows. There is one; it is not to be used from inside what it calls.
#[derive(Debug)]
pub struct Window {
    space: Cap<AddressSpace>,
}

/// A boot module's frames, in ascending order without gaps, and its length in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleFrames {
    /// The frames.
    pub frames: Vec<Cap<Frame>>,
    /// Bytes of the module.
    pub bytes: u64,
}

impl Window {
    /// Windows in `space`, root's own address space.
    pub const fn new(space: Cap<AddressSpace>) -> Self {
        Window { space }
    }

    /// Maps the capDL image for good.
    ///
    /// # Errors
    /// As the kernel says; `InvalidArgument` if it is larger than its room.
    pub fn keep_image(&mut self, module: &ModuleFrames) -> Result<&'static [u8], Error> {
        self.map_module(IMAGE, module)?;
        // SAFETY: mapped read-only for good: the frames are boot modules, which nobody else maps writable, and
        // this address is mapped once (a second time the kernel refuses).
        Ok(unsafe { memory::bytes(IMAGE, module.bytes as usize) })
    }

    /// Maps a program while `use_it` runs.
    ///
    /// # Errors
    /// As the kernel says; `InvalidArgument` if it is larger than its room.
    pub fn with_program<R>(
        &mut self,
        module: &ModuleFrames,
        use_it: impl FnOnce(&mut Filler, &[u8]) -> R,
    ) -> Result<R, Error> {
        self.map_module(PROGRAM, module)?;
        let mut filler = Filler { space: self.space };
        // SAFETY: mapped read-only until after the last use; boot modules are written by nobody.
        let result = use_it(&mut filler, unsafe {
            memory::bytes(PROGRAM, module.bytes as usize)
        });
        for frame in &module.frames {
            frame.unmap()?;
        }
        Ok(result)
    }

    fn map_module(&mut self, address: u64, module: &ModuleFrames) -> Result<(), Error> {
        if module.bytes > ROOM {
            return Err(Error::InvalidArgument);
        }
        let mut at = address;
        for (i, frame) in module.frames.iter().enumerate() {
            let length = 1u64 << frame.info()?.size_bits;
            let mapping = Mapping {
                address: at,
                offset: 0,
                length,
                rights: Rights::READ,
                cache: CacheMode::Default,
            };
            if let Err(error) = frame.map(self.space, mapping) {
                for mapped in &module.frames[..i] {
                    // The first error is the one to be told.
                    let _ = mapped.unmap();
                }
                return Err(error);
            }
            at += length;
        }
        Ok(())
    }
}

/// Fills components' memory.
#[derive(Debug)]
pub struct Filler {
    space: Cap<AddressSpace>,
}

impl Filler {
    /// A filler for memory whose content is no part of a program.
    pub const fn new(space: Cap<AddressSpace>) -> Self {
        Filler { space }
    }

    /// Copies `bytes` into `frame` from byte `offset` on. The frame must not be mapped.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn fill(&mut self, frame: Cap<Frame>, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let within = at % PIECE;
            let count = rest.len().min((PIECE - within) as usize);
            let (now, later) = rest.split_at(count);
            let start = at & !0xfff;
            let mapping = Mapping {
                address: COPY,
                offset: start,
                length: (at + count as u64 - start).next_multiple_of(4096),
                rights: Rights::RW,
                cache: CacheMode::Default,
            };
            frame.map(self.space, mapping)?;
            // SAFETY: the mapping covers these bytes, is writable and nobody refers to it.
            unsafe { memory::write(COPY + (at - start), now) };
            frame.unmap()?;
            at += count as u64;
            rest = later;
        }
        Ok(())
    }
}
