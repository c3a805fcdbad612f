//! The prefixes of an instruction (SDM volume 2A, section 2.1.1; APM volume 3, section 1.2).
//!
//! `yaxpeax-x86` does not tell an explicit `ds` prefix from none, which differs where the base register is
//! `ebp` or `esp`; so prefixes are read here.

use crate::register::Segment;
use crate::width::CodeSize;

/// Prefixes in front of the opcode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefixes {
    /// Bytes of them.
    pub length: usize,
    /// The segment that is used instead of the default one.
    pub segment: Option<Segment>,
    /// Address-size prefix.
    pub address_size: bool,
    /// Operand-size prefix.
    pub operand_size: bool,
    /// `lock`.
    pub lock: bool,
    /// `rep`/`repe` or `repne`, whichever came last.
    pub repeat: Option<RepeatPrefix>,
    /// REX prefixes without effect.
    pub stray_rex: usize,
    /// The REX prefix, if it stands right before the opcode.
    pub rex: Option<u8>,
}

/// Which of the two repeat prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RepeatPrefix {
    /// f3.
    Equal,
    /// f2.
    NotEqual,
}

impl Prefixes {
    /// Reads the prefixes at the start of `bytes`.
    pub fn read(bytes: &[u8], code: CodeSize) -> Prefixes {
        let long = code == CodeSize::Bits64;
        let mut found = Prefixes::default();
        for byte in bytes {
            let mut rex = None;
            match byte {
                // These four have no effect in 64-bit code, not even on an fs or gs prefix before them.
                0x26 | 0x2e | 0x36 | 0x3e if long => {}
                0x26 => found.segment = Some(Segment::Es),
                0x2e => found.segment = Some(Segment::Cs),
                0x36 => found.segment = Some(Segment::Ss),
                0x3e => found.segment = Some(Segment::Ds),
                0x64 => found.segment = Some(Segment::Fs),
                0x65 => found.segment = Some(Segment::Gs),
                0x66 => found.operand_size = true,
                0x67 => found.address_size = true,
                0xf0 => found.lock = true,
                0xf2 => found.repeat = Some(RepeatPrefix::NotEqual),
                0xf3 => found.repeat = Some(RepeatPrefix::Equal),
                // Ignored unless it is the last one.
                0x40..=0x4f if long => rex = Some(*byte),
                _ => break,
            }
            found.stray_rex += usize::from(found.rex.is_some());
            found.rex = rex;
            found.length += 1;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rex_counts_only_in_front_of_the_opcode() {
        let read = Prefixes::read(&[0x48, 0x66, 0x89], CodeSize::Bits64);
        assert_eq!((read.length, read.rex, read.operand_size), (2, None, true));
        assert_eq!(read.stray_rex, 1);
        let read = Prefixes::read(&[0x66, 0x48, 0x89], CodeSize::Bits64);
        assert_eq!((read.length, read.rex, read.stray_rex), (2, Some(0x48), 0));
        // In other code it is `dec eax`.
        assert_eq!(Prefixes::read(&[0x48], CodeSize::Bits32).length, 0);
    }

    #[test]
    fn segments() {
        let code = CodeSize::Bits32;
        assert_eq!(
            Prefixes::read(&[0x26, 0x3e], code).segment,
            Some(Segment::Ds)
        );
        let long = Prefixes::read(&[0x65, 0x3e], CodeSize::Bits64);
        assert_eq!(long.segment, Some(Segment::Gs));
    }
}
