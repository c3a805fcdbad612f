//! Accesses to ports.

use super::{Board, COM1, PM_PORTS};
use pagurus_devices_chipset::{DebugConsole, DebugExit, bus, debug_console, debug_exit, pm};

/// The end of the ports of power management.
const PM_END: u16 = PM_PORTS + pm::PORTS;
/// The end of the ports of the debug exit.
const EXIT_END: u16 = debug_exit::PORT + debug_exit::PORTS;

impl Board {
    /// The guest reads `size` bytes (1, 2 or 4) from `port`.
    pub fn port_in(&mut self, port: u16, size: u8, now: u64) -> u32 {
        let value = match port {
            PM_PORTS..PM_END => self.pm.read(port - PM_PORTS, size, now),
            debug_exit::PORT..EXIT_END if self.test.debug_exit => {
                DebugExit.read(port - debug_exit::PORT, size)
            }
            _ => bus::read(port, size, |port| self.byte_in(port, now)),
        };
        self.carry_lines();
        value
    }

    /// The guest writes the low `size` bytes of `value` to `port`.
    pub fn port_out(&mut self, port: u16, size: u8, value: u32, now: u64) {
        let effect = match port {
            PM_PORTS..PM_END => self.pm.write(port - PM_PORTS, size, value, now),
            debug_exit::PORT..EXIT_END if self.test.debug_exit => {
                DebugExit.write(port - debug_exit::PORT, size, value)
            }
            _ => {
                bus::write(port, size, value, |port, value| {
                    self.byte_out(port, value, now);
                });
                None
            }
        };
        self.effect = self.effect.or(effect);
        self.carry_lines();
    }

    fn byte_in(&mut self, port: u16, now: u64) -> u8 {
        match port {
            0x20 | 0x21 | 0xa0 | 0xa1 | 0x4d0 | 0x4d1 => self.pic.read(port),
            0x40..=0x43 | 0x61 => self.pit.read(port, now),
            0x60 | 0x64 => self.keyboard.read(port),
            0x70 | 0x71 => self.rtc.read(port, now),
            0x80 if self.test.post => self.post.read(),
            0x92 => self.control_a.read(),
            0xcf9 => self.reset.read(),
            debug_console::PORT if self.test.debug_console => DebugConsole.read(),
            COM1..=0x3ff => self.uart.read(port - COM1),
            _ => 0xff,
        }
    }

    fn byte_out(&mut self, port: u16, value: u8, now: u64) {
        let effect = match port {
            0x20 | 0x21 | 0xa0 | 0xa1 | 0x4d0 | 0x4d1 => {
                self.pic.write(port, value);
                None
            }
            0x40..=0x43 | 0x61 => {
                self.pit.write(port, value, now);
                self.advance(now);
                None
            }
            0x60 | 0x64 => self.keyboard.write(port, value),
            0x70 | 0x71 => {
                self.rtc.write(port, value, now);
                None
            }
            0x80 if self.test.post => {
                self.post.write(value);
                None
            }
            0x92 => self.control_a.write(value),
            0xcf9 => self.reset.write(value),
            debug_console::PORT if self.test.debug_console => Some(DebugConsole.write(value)),
            COM1..=0x3ff => {
                self.uart.write(port - COM1, value);
                None
            }
            _ => None,
        };
        self.effect = self.effect.or(effect);
    }
}
