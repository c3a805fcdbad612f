//! The plan of the 256 interrupt vectors (SDM volume 3, 7.2 and 12.8).
//!
//! | vectors | use |
//! | --- | --- |
//! | `0x00..0x20` | exceptions |
//! | `0x20..0xe0` | device interrupts: global system interrupt `n` is vector `0x20 + n` |
//! | `0xe0..0xf0` | the two masked legacy PICs, whose spurious interrupts cannot be masked |
//! | `0xf0..0xff` | local APIC: timer, interprocessor interrupt, error |
//! | `0xff` | spurious interrupt of the local APIC; its low four bits must be set on old processors |
//!
//! The local APIC serves higher vectors first, so the processor's own interrupts pass those of devices.

/// Exceptions take the vectors below this one.
pub const EXCEPTIONS: u8 = 0x20;
/// Vector of global system interrupt 0.
pub const IRQ_BASE: u8 = 0x20;
/// Global system interrupts that have a vector.
pub const IRQ_COUNT: u32 = 192;
/// Where the legacy PICs' 16 lines go. They stay masked; only spurious interrupts arrive, which the PIC
/// does not want acknowledged (Intel 8259A data sheet, "spurious interrupt").
pub const PIC_BASE: u8 = 0xe0;
/// The legacy PICs' lines.
pub const PIC_COUNT: u8 = 16;
/// Local APIC timer.
pub const TIMER: u8 = 0xf0;
/// Interprocessor interrupt: look at the requests of others and at the ready queues.
pub const IPI: u8 = 0xf1;
/// Local APIC error.
pub const APIC_ERROR: u8 = 0xfe;
/// Spurious interrupt of the local APIC; must not be acknowledged.
pub const SPURIOUS: u8 = 0xff;

/// What a vector stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vector {
    /// An exception of the processor.
    Exception(u8),
    /// A device interrupt: the global system interrupt. Acknowledge it.
    Irq(u32),
    /// A spurious interrupt of a legacy PIC: ignore it, without acknowledging.
    PicSpurious,
    /// The local APIC timer. Acknowledge it.
    Timer,
    /// Another processor wants attention. Acknowledge it.
    Ipi,
    /// The local APIC found an error. Acknowledge it.
    ApicError,
    /// A spurious interrupt of the local APIC: ignore it, without acknowledging.
    Spurious,
    /// Nothing that was planned. Acknowledge it, lest the local APIC hold back lower vectors.
    Unplanned(u8),
}

impl Vector {
    /// What vector `n` stands for.
    pub const fn decode(n: u8) -> Vector {
        match n {
            0..EXCEPTIONS => Vector::Exception(n),
            TIMER => Vector::Timer,
            IPI => Vector::Ipi,
            APIC_ERROR => Vector::ApicError,
            SPURIOUS => Vector::Spurious,
            IRQ_BASE..PIC_BASE => Vector::Irq((n - IRQ_BASE) as u32),
            PIC_BASE..TIMER => Vector::PicSpurious,
            _ => Vector::Unplanned(n),
        }
    }
}

/// The vector of a global system interrupt, or `None` if there are not enough vectors.
pub const fn irq_vector(gsi: u32) -> Option<u8> {
    if gsi < IRQ_COUNT {
        Some(IRQ_BASE + gsi as u8)
    } else {
        None
    }
}

const _: () = {
    assert!(IRQ_BASE as u32 + IRQ_COUNT == PIC_BASE as u32);
    assert!(PIC_BASE + PIC_COUNT == TIMER);
    assert!(SPURIOUS & 0xf == 0xf);
    assert!(PIC_BASE.is_multiple_of(8));
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interrupt_line_decodes_to_itself() {
        for gsi in 0..IRQ_COUNT {
            let vector = irq_vector(gsi).unwrap();
            assert_eq!(Vector::decode(vector), Vector::Irq(gsi));
        }
        assert_eq!(irq_vector(IRQ_COUNT), None);
        assert_eq!(irq_vector(u32::MAX), None);
    }

    #[test]
    fn vectors_have_one_meaning_each() {
        let count =
            |want: fn(Vector) -> bool| (0..=255).filter(|n| want(Vector::decode(*n))).count();
        assert_eq!(count(|v| matches!(v, Vector::Exception(_))), 32);
        assert_eq!(count(|v| matches!(v, Vector::Irq(_))), 192);
        assert_eq!(count(|v| v == Vector::PicSpurious), 16);
        assert_eq!(count(|v| v == Vector::Timer), 1);
        assert_eq!(count(|v| v == Vector::Ipi), 1);
        assert_eq!(count(|v| v == Vector::ApicError), 1);
        assert_eq!(count(|v| v == Vector::Spurious), 1);
        assert_eq!(count(|v| matches!(v, Vector::Unplanned(_))), 12);
    }
}
