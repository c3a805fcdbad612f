//! A bzImage with nothing but a header and recognisable bytes.

/// Sectors of the real-mode part.
const SECTORS: usize = 3;
/// Bytes of the kernel proper.
pub const KERNEL: usize = 0x4000;
/// Where it lies in the file.
pub const KERNEL_AT: usize = (SECTORS + 1) * 512;
/// What it needs in memory.
pub const INIT_SIZE: u32 = 0x30_0000;
/// Where it wants to be.
pub const PREFERRED: u64 = 0x100_0000;

/// An image in order, as Linux 6 makes it.
pub fn good() -> Vec<u8> {
    let mut image = vec![0; KERNEL_AT];
    image.extend((0..KERNEL).map(|at| (at / 7) as u8));
    // Something behind it, as signed kernels have.
    image.extend([0xee; 100]);
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x1f1, &[SECTORS as u8]);
    put(0x1f4, &(KERNEL as u32 / 16).to_le_bytes());
    put(0x1fe, &[0x55, 0xaa, 0xeb, 0x6a]);
    put(0x202, b"HdrS");
    put(0x206, &0x020fu16.to_le_bytes());
    put(0x211, &[1]);
    put(0x22c, &0x7fff_ffffu32.to_le_bytes());
    put(0x230, &0x20_0000u32.to_le_bytes());
    put(0x234, &[1, 21]);
    put(0x236, &0b1_1111u16.to_le_bytes());
    put(0x238, &2047u32.to_le_bytes());
    put(0x258, &PREFERRED.to_le_bytes());
    put(0x260, &INIT_SIZE.to_le_bytes());
    image
}

/// The image with some bytes changed.
pub fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut image = good();
    image[at..at + bytes.len()].copy_from_slice(bytes);
    image
}
