//! Guest memory that several threads may use.

use std::sync::atomic::{AtomicU16, Ordering};

use pagurus_devices_virtio::{GuestMemory, OutsideMemory};

/// Memory in two parts with a hole between them.
pub struct TestMemory {
    low: Vec<AtomicU16>,
    high: Vec<AtomicU16>,
}

/// Where the upper part begins.
pub const HIGH: u64 = 0x1_0000_0000;

impl TestMemory {
    /// Memory with so many bytes from 0, and as many from [`HIGH`].
    pub fn new(bytes: usize) -> TestMemory {
        let part = || (0..bytes / 2).map(|_| AtomicU16::new(0)).collect();
        TestMemory {
            low: part(),
            high: part(),
        }
    }

    pub fn low_size(&self) -> u64 {
        self.low.len() as u64 * 2
    }

    /// The part that has all these bytes, and where in it they start.
    fn place(&self, address: u64, length: u64) -> Result<(&[AtomicU16], usize), OutsideMemory> {
        let outside = OutsideMemory { address, length };
        let (part, start) = match address.checked_sub(HIGH) {
            Some(start) => (&self.high, start),
            None => (&self.low, address),
        };
        let end = start.checked_add(length).ok_or(outside)?;
        if end > part.len() as u64 * 2 {
            return Err(outside);
        }
        Ok((part, start as usize))
    }

    pub fn get(&self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.read(address, &mut bytes).unwrap();
        bytes
    }

    pub fn put(&self, address: u64, bytes: &[u8]) {
        self.write(address, bytes).unwrap();
    }

    pub fn get_u16(&self, address: u64) -> u16 {
        u16::from_le_bytes(self.get(address, 2).try_into().unwrap())
    }

    pub fn get_u32(&self, address: u64) -> u32 {
        u32::from_le_bytes(self.get(address, 4).try_into().unwrap())
    }

    pub fn put_u16(&self, address: u64, value: u16) {
        self.put(address, &value.to_le_bytes());
    }

    /// Where the lower part is in our own memory, for those who use it by pointers.
    pub fn pointer(&self) -> *mut u8 {
        self.low.as_ptr().cast_mut().cast()
    }

    /// Everything in it.
    pub fn contents(&self) -> Vec<u16> {
        self.low
            .iter()
            .chain(&self.high)
            .map(|word| word.load(Ordering::Relaxed))
            .collect()
    }
}

impl GuestMemory for TestMemory {
    fn contains(&self, address: u64, length: u64) -> bool {
        length == 0 || self.place(address, length).is_ok()
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), OutsideMemory> {
        let (part, start) = self.place(address, bytes.len() as u64)?;
        let (edge, middle, rest) = split(start, bytes.len());
        let word = |at: usize| part[at / 2].load(Ordering::Relaxed).to_le_bytes();
        if edge {
            bytes[0] = word(start)[1];
        }
        for (at, pair) in middle
            .clone()
            .step_by(2)
            .zip(bytes[usize::from(edge)..].chunks_exact_mut(2))
        {
            pair.copy_from_slice(&word(at));
        }
        if rest {
            bytes[bytes.len() - 1] = word(middle.end)[0];
        }
        Ok(())
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), OutsideMemory> {
        let (part, start) = self.place(address, bytes.len() as u64)?;
        let (edge, middle, rest) = split(start, bytes.len());
        let set = |at: usize, byte: u8| {
            let change = |word: u16| {
                let mut both = word.to_le_bytes();
                both[at % 2] = byte;
                Some(u16::from_le_bytes(both))
            };
            let order = Ordering::Relaxed;
            part[at / 2].fetch_update(order, order, change).unwrap();
        };
        if edge {
            set(start, bytes[0]);
        }
        for (at, pair) in middle
            .clone()
            .step_by(2)
            .zip(bytes[usize::from(edge)..].chunks_exact(2))
        {
            let word = u16::from_le_bytes([pair[0], pair[1]]);
            part[at / 2].store(word, Ordering::Relaxed);
        }
        if rest {
            set(middle.end, bytes[bytes.len() - 1]);
        }
        Ok(())
    }

    fn load_u16(&self, address: u64) -> Result<u16, OutsideMemory> {
        let (part, start) = self.place(address, 2)?;
        assert!(start.is_multiple_of(2), "{address:#x} is odd");
        Ok(u16::from_le(part[start / 2].load(Ordering::Acquire)))
    }

    fn store_u16(&self, address: u64, value: u16) -> Result<(), OutsideMemory> {
        let (part, start) = self.place(address, 2)?;
        assert!(start.is_multiple_of(2), "{address:#x} is odd");
        part[start / 2].store(value.to_le(), Ordering::Release);
        Ok(())
    }
}

/// Whether a range begins with half a word, the whole words in it, and whether it ends with half a word.
fn split(start: usize, length: usize) -> (bool, std::ops::Range<usize>, bool) {
    let edge = !start.is_multiple_of(2) && length > 0;
    let first = start + usize::from(edge);
    let words = (length - usize::from(edge)) / 2;
    let end = first + 2 * words;
    (edge, first..end, end < start + length)
}
