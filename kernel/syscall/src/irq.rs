//! Interrupt lines and the notifications they signal.

use crate::event::Event;
use crate::kernel::Kernel;
use crate::machine::{IrqMode, Machine};
use pagurus_cap::Slots;
use pagurus_ipc::{NotificationId, notification};

/// Interrupt lines (global system interrupts) that the kernel can hand out.
pub const IRQS: usize = 128;

/// All lines. The notification of a line is a binding slot in the machine's memory
/// ([`Memory::irq_binding`](crate::Memory::irq_binding)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IrqTable {
    lines: [Line; IRQS],
}

/// One line. All zero is a line that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    issued: bool,
    mode: IrqMode,
}

impl IrqTable {
    /// Nothing handed out.
    pub const fn new() -> Self {
        let nobody = Line {
            issued: false,
            mode: IrqMode {
                level: false,
                low: false,
            },
        };
        IrqTable {
            lines: [nobody; IRQS],
        }
    }

    /// How a line was issued, if it was.
    pub fn issued(&self, gsi: u32) -> Option<IrqMode> {
        let line = self.lines.get(gsi as usize)?;
        line.issued.then_some(line.mode)
    }

    /// A line was issued, or given back.
    pub fn set(&mut self, gsi: u32, mode: Option<IrqMode>) {
        if let Some(line) = self.lines.get_mut(gsi as usize) {
            *line = Line {
                issued: mode.is_some(),
                mode: mode.unwrap_or_default(),
            };
        }
    }
}

impl Default for IrqTable {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Machine> Kernel<M> {
    /// Interrupt line `gsi` rang.
    ///
    /// A level-triggered line would ring on until its device is served: it stays masked until its handler acknowledges
    /// it. An edge that comes while the line is masked would be lost: such a line stays open.
    pub fn interrupt(&mut self, gsi: u32) {
        let Some(mode) = self.irqs.issued(gsi) else {
            self.machine.irq_mask(gsi, true);
            self.machine.note(Event::IrqUnclaimed { gsi });
            return;
        };
        let slot = self.slot(self.machine.irq_binding(gsi));
        let badge = slot.word;
        let bound = NotificationId::new(slot.object);
        // The entry code has masked it. An interrupt that was on its way when the line was unbound must not open it.
        self.machine.irq_mask(gsi, mode.level || bound.is_none());
        if let Some(n) = bound {
            notification::signal(self, n, badge);
        }
    }
}
