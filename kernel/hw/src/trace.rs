//! The kernel's log: defmt frames in a ring for each processor.
//!
//! A processor writes only its own ring; who reads it holds the ring's lock for as long as the copying
//! takes. Rings start in memory that the kernel took at boot and move into trace buffers.
#![allow(unsafe_code)] // memory that is handed in by address

use crate::ring::Ring;
use crate::{percpu, time};
use core::sync::atomic::{AtomicU32, Ordering};
use pagurus_abi::layout::MAX_CPUS;
use pagurus_abi::trace::{TRACE_HEADER_BYTES, TRACE_MAGIC, TraceHeader};
use spin::mutex::{SpinMutex, SpinMutexGuard};

/// Bytes of a processor's own ring.
pub const HOME_BYTES: usize = 16 * 1024;
/// What ends a frame in rzCOBS.
const FRAME_END: u8 = 0;

defmt::timestamp!("{=u64:us}", time::ns_since_boot() / 1000);

/// Memory for a ring.
#[derive(Clone, Copy)]
struct Memory {
    base: *mut u8,
    bytes: usize,
    /// Whether it begins with a header for others to read.
    header: bool,
}

impl Memory {
    const NONE: Memory = Memory {
        base: core::ptr::null_mut(),
        bytes: 0,
        header: false,
    };

    /// The ring's part of the memory.
    ///
    /// # Safety
    /// No other slice of it may exist.
    unsafe fn ring<'a>(self) -> &'a mut [u8] {
        if self.base.is_null() {
            return &mut [];
        }
        let skip = if self.header { TRACE_HEADER_BYTES } else { 0 };
        // SAFETY: whoever handed the memory in vouched for so many bytes; the caller vouches for the rest.
        unsafe { core::slice::from_raw_parts_mut(self.base.add(skip), self.bytes - skip) }
    }

    fn write_header(self, header: TraceHeader) {
        if self.header {
            // SAFETY: whoever handed the memory in vouched for alignment and size. Volatile, since
            // components may read it at any time; they cannot write it.
            unsafe { self.base.cast::<TraceHeader>().write_volatile(header) };
        }
    }
}

/// A processor's ring.
struct Log {
    ring: Ring,
    encoder: defmt::Encoder,
    /// Where the ring lies.
    memory: Memory,
    /// Where it lies while no buffer is attached.
    home: Memory,
}

// SAFETY: the memory behind the pointers belongs to this value alone, on whichever processor it is used.
unsafe impl Send for Log {}

impl Log {
    const fn new() -> Log {
        Log {
            ring: Ring::new(),
            encoder: defmt::Encoder::new(),
            memory: Memory::NONE,
            home: Memory::NONE,
        }
    }

    fn begin(&mut self) {
        let Log {
            ring,
            encoder,
            memory,
            ..
        } = self;
        // SAFETY: `self` is borrowed exclusively, and nobody else has the memory.
        let bytes = unsafe { memory.ring() };
        encoder.start_frame(|piece| ring.write(bytes, piece));
    }

    fn write(&mut self, data: &[u8]) {
        let Log {
            ring,
            encoder,
            memory,
            ..
        } = self;
        // SAFETY: as in `begin`.
        let bytes = unsafe { memory.ring() };
        encoder.write(data, |piece| ring.write(bytes, piece));
    }

    fn commit(&mut self) {
        let Log {
            ring,
            encoder,
            memory,
            ..
        } = self;
        // SAFETY: as in `begin`.
        let bytes = unsafe { memory.ring() };
        encoder.end_frame(|piece| ring.write(bytes, piece));
        ring.commit();
        self.publish();
    }

    fn read(&mut self, out: &mut [u8]) -> Drained {
        // SAFETY: as in `begin`.
        let bytes = unsafe { self.memory.ring() };
        let moved = self.ring.read(bytes, out);
        self.publish();
        Drained {
            bytes: moved,
            lost: self.ring.lost(),
            left: self.ring.len(),
        }
    }

    fn move_to(&mut self, new: Memory) {
        // SAFETY: as in `begin`; the two do not overlap, as different memory was handed in.
        let (from, to) = unsafe { (self.memory.ring(), new.ring()) };
        self.ring.relocate(from, to, FRAME_END);
        self.memory.write_header(TraceHeader::default());
        self.memory = new;
        self.publish();
    }

    fn publish(&self) {
        self.memory.write_header(TraceHeader {
            magic: TRACE_MAGIC,
            capacity: self.memory.bytes.saturating_sub(TRACE_HEADER_BYTES) as u64,
            start: self.ring.start(),
            end: self.ring.end(),
            lost: self.ring.lost(),
            reserved: [0; 3],
        });
    }
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Bytes that were moved.
    pub bytes: usize,
    /// Bytes of frames that were left out so far, for want of room.
    pub lost: u64,
    /// Bytes that are still there.
    pub left: usize,
}

struct Slot {
    log: SpinMutex<Log>,
    /// How deep the processor is inside this module. A non-maskable interrupt or a fault in here must not
    /// come back in: its frames are left out.
    depth: AtomicU32,
}

static SLOTS: [Slot; MAX_CPUS] = [const {
    Slot {
        log: SpinMutex::new(Log::new()),
        depth: AtomicU32::new(0),
    }
}; MAX_CPUS];

/// The calling processor's number; on a host, where the tests run, 0.
fn this_cpu() -> usize {
    if cfg!(target_os = "none") {
        percpu::cpu_index() % MAX_CPUS
    } else {
        0
    }
}

/// Keeps the calling processor's own frames out, then locks a ring.
struct Access<'a> {
    guard: Option<SpinMutexGuard<'a, Log>>,
}

impl Access<'_> {
    fn new(cpu: usize) -> Option<Self> {
        let slot = SLOTS.get(cpu)?;
        SLOTS[this_cpu()].depth.fetch_add(1, Ordering::Relaxed);
        Some(Access {
            guard: Some(slot.log.lock()),
        })
    }

    fn log(&mut self) -> Option<&mut Log> {
        self.guard.as_deref_mut()
    }
}

impl Drop for Access<'_> {
    fn drop(&mut self) {
        self.guard = None;
        SLOTS[this_cpu()].depth.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Gives processor `cpu` its own ring. Until then its frames are left out.
///
/// # Safety
/// `base` must point to `bytes` writable bytes that nothing else uses from now on.
pub unsafe fn set_home(cpu: usize, base: *mut u8, bytes: usize) {
    let memory = Memory {
        base,
        bytes,
        header: false,
    };
    if let Some(mut access) = Access::new(cpu)
        && let Some(log) = access.log()
    {
        log.home = memory;
        log.move_to(memory);
    }
}

/// Moves the ring of processor `cpu` into a trace buffer: see [`pagurus_abi::trace`] for how it looks there.
/// What the ring holds goes along.
///
/// # Safety
/// `base` must point to `bytes` writable bytes, aligned to 64, that nothing else writes until [`detach`].
pub unsafe fn attach(cpu: usize, base: *mut u8, bytes: usize) {
    if bytes < TRACE_HEADER_BYTES {
        return;
    }
    if let Some(mut access) = Access::new(cpu)
        && let Some(log) = access.log()
    {
        log.move_to(Memory {
            base,
            bytes,
            header: true,
        });
    }
}

/// Moves the ring of processor `cpu` back into the kernel's own memory. If that is too small for what the
/// ring holds, the oldest frames are left out.
pub fn detach(cpu: usize) {
    if let Some(mut access) = Access::new(cpu)
        && let Some(log) = access.log()
    {
        let home = log.home;
        log.move_to(home);
    }
}

/// Moves the oldest bytes of processor `cpu`'s ring to `out`.
pub fn drain(cpu: usize, out: &mut [u8]) -> Drained {
    let mut access = Access::new(cpu);
    match access.as_mut().and_then(Access::log) {
        Some(log) => log.read(out),
        None => Drained::default(),
    }
}

#[defmt::global_logger]
struct Logger;

// SAFETY: a frame is only written by the processor that holds its ring's lock, and never from inside
// another frame of that processor.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        let slot = &SLOTS[this_cpu()];
        if slot.depth.fetch_add(1, Ordering::Relaxed) == 0 {
            let mut log = slot.log.lock();
            log.begin();
            core::mem::forget(log);
        }
    }

    unsafe fn flush() {}

    unsafe fn release() {
        let slot = &SLOTS[this_cpu()];
        if slot.depth.load(Ordering::Relaxed) == 1 {
            // SAFETY: `acquire` locked it on this processor and nothing unlocked it since.
            unsafe {
                (*slot.log.as_mut_ptr()).commit();
                slot.log.force_unlock();
            }
        }
        slot.depth.fetch_sub(1, Ordering::Relaxed);
    }

    unsafe fn write(bytes: &[u8]) {
        let slot = &SLOTS[this_cpu()];
        if slot.depth.load(Ordering::Relaxed) == 1 {
            // SAFETY: as in `release`.
            unsafe { (*slot.log.as_mut_ptr()).write(bytes) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[repr(align(64))]
    struct Buffer([u8; 256]);

    fn header(buffer: &Buffer) -> TraceHeader {
        use zerocopy::FromBytes;
        TraceHeader::read_from_prefix(&buffer.0).unwrap().0
    }

    fn frame(log: &mut Log, data: &[u8]) {
        log.begin();
        log.write(data);
        log.commit();
    }

    #[test]
    fn contents_go_along_into_a_buffer_and_back() {
        let (mut home, mut buffer) = ([0u8; 64], Buffer([0xee; 256]));
        let mut log = Log::new();
        frame(&mut log, b"before there is memory");
        let home = Memory {
            base: home.as_mut_ptr(),
            bytes: 64,
            header: false,
        };
        log.home = home;
        log.move_to(home);
        frame(&mut log, b"one");
        let one = log.ring.len();
        log.move_to(Memory {
            base: buffer.0.as_mut_ptr(),
            bytes: 256,
            header: true,
        });
        assert_eq!(header(&buffer).magic, TRACE_MAGIC);
        assert_eq!(header(&buffer).capacity, 192);
        assert_eq!(header(&buffer).end - header(&buffer).start, one as u64);
        frame(&mut log, b"two");
        let mut out = [0; 100];
        let drained = log.read(&mut out);
        assert_eq!(drained.left, 0);
        assert!(drained.lost > 0, "the frame before there was memory");
        assert_eq!(header(&buffer).start, header(&buffer).end);
        assert_eq!(header(&buffer).lost, drained.lost);
        let frames: Vec<_> = out[..drained.bytes]
            .split(|byte| *byte == 0)
            .filter(|f| !f.is_empty())
            .collect();
        assert_eq!(frames.len(), 2, "{frames:?}");
        log.move_to(home);
        assert_eq!(header(&buffer).magic, 0);
    }

    #[test]
    fn frames_of_the_macros_arrive_whole_and_nested_ones_are_left_out() {
        let mut memory = vec![0u8; HOME_BYTES];
        // SAFETY: the vector lives until the end of this test, which nothing else logs after.
        unsafe { set_home(0, memory.as_mut_ptr(), memory.len()) };
        let mut out = vec![0; HOME_BYTES];
        drain(0, &mut out);
        <Logger as defmt::Logger>::acquire();
        // SAFETY: acquired above; released below.
        unsafe {
            <Logger as defmt::Logger>::write(b"outer ");
            <Logger as defmt::Logger>::acquire();
            <Logger as defmt::Logger>::write(b"from an exception");
            <Logger as defmt::Logger>::release();
            <Logger as defmt::Logger>::write(b"frame");
            <Logger as defmt::Logger>::release();
        }
        let drained = drain(0, &mut out);
        let text: Vec<u8> = out[..drained.bytes]
            .iter()
            .copied()
            .filter(u8::is_ascii_graphic)
            .collect();
        assert_eq!(text, b"outerframe");
        // SAFETY: gives the vector's memory back.
        unsafe { set_home(0, core::ptr::null_mut(), 0) };
    }
}
