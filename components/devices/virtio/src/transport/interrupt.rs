//! Telling the driver: MSI-X, or ISR status and INTx (VIRTIO 1.2, 4.1.4.5, 4.1.5.3, 4.1.5.4).

use pagurus_devices_pci::{Function, Message};

use super::core::Core;
use crate::memory::GuestMemory;
use crate::queue::Ring;

/// ISR status: a queue has used buffers.
const QUEUE: u8 = 1;
/// ISR status: the configuration changed.
const CONFIG: u8 = 2;

impl Core {
    /// Reading takes the interrupt back.
    pub(super) fn read_isr(&mut self) -> u8 {
        core::mem::take(&mut self.isr)
    }

    pub(super) fn next_message<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        function: &mut Function,
    ) -> Option<Message> {
        self.ask_drivers_wish(memory);
        let message = if function.msix_enabled() {
            self.raise_vectors(function)
        } else {
            self.raise_isr();
            None
        };
        // The pin shows while MSI-X is not in use; `Function` sees to that.
        function.set_intx(self.isr != 0);
        message.or_else(|| function.next_message())
    }

    /// Looks which queues have given back buffers that their driver wants to be told of.
    fn ask_drivers_wish<M: GuestMemory + ?Sized>(&mut self, memory: &M) {
        if !self.is_running() {
            return;
        }
        for index in 0..self.queue_count() {
            let queue = &mut self.queues[usize::from(index)];
            let Some(ring) = queue.ring.as_mut().filter(|ring| ring.has_news()) else {
                continue;
            };
            match ring.wants_interrupt(memory) {
                Ok(wanted) => queue.interrupt |= wanted,
                Err(error) => {
                    self.fail(index, error);
                    return;
                }
            }
        }
    }

    fn raise_vectors(&mut self, function: &mut Function) -> Option<Message> {
        if core::mem::take(&mut self.config_interrupt) {
            // Set in any case (4.1.4.5.1).
            self.isr |= CONFIG;
            // No vector is beyond every table: nothing is raised then.
            if let Some(message) = function.raise(self.config_vector) {
                return Some(message);
            }
        }
        for queue in &mut self.queues {
            if core::mem::take(&mut queue.interrupt)
                && let Some(message) = function.raise(queue.vector)
            {
                return Some(message);
            }
        }
        None
    }

    fn raise_isr(&mut self) {
        if core::mem::take(&mut self.config_interrupt) {
            self.isr |= CONFIG;
        }
        for queue in &mut self.queues {
            if core::mem::take(&mut queue.interrupt) {
                self.isr |= QUEUE;
            }
        }
    }
}
