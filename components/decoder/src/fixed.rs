//! Lengths of instructions without operands, without decoding.
//!
//! The exit reason tells the VMM which instruction it was; its length is that of the opcode and of the
//! prefixes before it, which hardly any program writes. This keeps the decoder off the paths that matter.

use crate::MAX_LENGTH;
use crate::prefix::Prefixes;
use crate::width::CodeSize;

/// `cpuid`.
pub const CPUID: &[u8] = &[0x0f, 0xa2];
/// `hlt`.
pub const HLT: &[u8] = &[0xf4];
/// `rdmsr`.
pub const RDMSR: &[u8] = &[0x0f, 0x32];
/// `wrmsr`.
pub const WRMSR: &[u8] = &[0x0f, 0x30];
/// `rdtsc`.
pub const RDTSC: &[u8] = &[0x0f, 0x31];
/// `rdtscp`.
pub const RDTSCP: &[u8] = &[0x0f, 0x01, 0xf9];
/// `rdpmc`.
pub const RDPMC: &[u8] = &[0x0f, 0x33];
/// `vmmcall`.
pub const VMMCALL: &[u8] = &[0x0f, 0x01, 0xd9];
/// `vmcall`.
pub const VMCALL: &[u8] = &[0x0f, 0x01, 0xc1];
/// `xsetbv`.
pub const XSETBV: &[u8] = &[0x0f, 0x01, 0xd1];
/// `pause`, behind its f3 prefix.
pub const PAUSE: &[u8] = &[0x90];
/// `monitor`.
pub const MONITOR: &[u8] = &[0x0f, 0x01, 0xc8];
/// `mwait`.
pub const MWAIT: &[u8] = &[0x0f, 0x01, 0xc9];
/// `invd`.
pub const INVD: &[u8] = &[0x0f, 0x08];
/// `wbinvd`.
pub const WBINVD: &[u8] = &[0x0f, 0x09];
/// `clts`.
pub const CLTS: &[u8] = &[0x0f, 0x06];

/// Length of the instruction at the start of `bytes` if it is `opcode`, with any prefixes; `None` if it is
/// another one, which happens when another processor of the guest wrote over it in the meantime.
pub fn length(bytes: &[u8], code: CodeSize, opcode: &[u8]) -> Option<u8> {
    if bytes.starts_with(opcode) {
        return u8::try_from(opcode.len()).ok();
    }
    let prefixes = Prefixes::read(bytes, code).length;
    let length = prefixes + opcode.len();
    let same = bytes.get(prefixes..length)? == opcode;
    (same && length <= MAX_LENGTH).then_some(length as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_count() {
        let code = CodeSize::Bits64;
        assert_eq!(length(&[0x0f, 0xa2, 0x90], code, CPUID), Some(2));
        assert_eq!(length(&[0xf3, 0x48, 0x0f, 0xa2], code, CPUID), Some(4));
        assert_eq!(length(&[0xf3, 0x90], code, PAUSE), Some(2));
        assert_eq!(length(&[0x0f, 0xa2], code, RDMSR), None);
        assert_eq!(length(&[0x66, 0x0f], code, CPUID), None);
        assert_eq!(length(&[0x48, 0xf4], CodeSize::Bits32, HLT), None);
        let mut long = [0x66; 16];
        long[15] = 0xf4;
        assert_eq!(length(&long, code, HLT), None);
    }
}
