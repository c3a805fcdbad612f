//! Keyboard controller 8042 with one channel and no keyboard (IBM AT Technical Reference, "Keyboard Controller").
//!
//! Guests want it for address line 20 and reset. The controller passes its tests; whatever is sent to the keyboard is
//! answered at once the way the controller answers when nobody is there: a resend request with the time-out bit. So a
//! guest that looks for a keyboard or mouse finds none, and does not wait for one.

use crate::Effect;

/// Port of data.
pub const DATA_PORT: u16 = 0x60;
/// Port of status (read) and commands (written).
pub const COMMAND_PORT: u16 = 0x64;
/// Interrupt line on the PC's interrupt controllers.
pub const IRQ: u8 = 1;

mod status {
    pub const OUTPUT_FULL: u8 = 1 << 0;
    pub const SYSTEM: u8 = 1 << 2;
    pub const COMMAND: u8 = 1 << 3;
    /// Set as long as the keyboard is not locked with a key.
    pub const UNLOCKED: u8 = 1 << 4;
    pub const TIMEOUT: u8 = 1 << 6;
}

mod command {
    pub const READ_RAM: u8 = 0x20;
    pub const READ_RAM_LAST: u8 = 0x3f;
    pub const WRITE_RAM: u8 = 0x60;
    pub const WRITE_RAM_LAST: u8 = 0x7f;
    pub const SELF_TEST: u8 = 0xaa;
    pub const INTERFACE_TEST: u8 = 0xab;
    pub const DISABLE_KEYBOARD: u8 = 0xad;
    pub const ENABLE_KEYBOARD: u8 = 0xae;
    pub const READ_INPUT_PORT: u8 = 0xc0;
    pub const READ_OUTPUT_PORT: u8 = 0xd0;
    pub const WRITE_OUTPUT_PORT: u8 = 0xd1;
    pub const WRITE_OUTPUT_BUFFER: u8 = 0xd2;
    pub const DISABLE_A20: u8 = 0xdd;
    pub const ENABLE_A20: u8 = 0xdf;
    pub const PULSE_OUTPUT: u8 = 0xf0;
    pub const PULSE_OUTPUT_LAST: u8 = 0xff;
}

/// Bits of the command byte: the first byte of the controller's RAM.
mod command_byte {
    pub const INTERRUPT: u8 = 1 << 0;
    pub const SYSTEM: u8 = 1 << 2;
    pub const DISABLE_KEYBOARD: u8 = 1 << 4;
    pub const TRANSLATE: u8 = 1 << 6;
}

/// Bits of the output port.
mod output_port {
    /// Low resets the processor.
    pub const NOT_RESET: u8 = 1 << 0;
    pub const A20: u8 = 1 << 1;
    pub const OUTPUT_FULL: u8 = 1 << 4;
    /// Clock and data line of the keyboard.
    pub const LINES: u8 = 0xc0;
}

/// Input port: manufacturing jumper open, colour display, keyboard not locked.
const INPUT_PORT: u8 = 0xa0;
const SELF_TEST_PASSED: u8 = 0x55;
const INTERFACE_TEST_PASSED: u8 = 0x00;
/// What the controller says in the keyboard's place.
const RESEND: u8 = 0xfe;

/// Where the next byte at the data port goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expecting {
    Keyboard,
    Ram(u8),
    OutputPort,
    OutputBuffer,
}

/// A byte for the guest to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    byte: u8,
    timeout: bool,
}

/// A keyboard controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct I8042 {
    ram: [u8; 32],
    output_port: u8,
    answer: Option<Answer>,
    last_answer: u8,
    command_last: bool,
    expecting: Expecting,
}

impl Default for I8042 {
    fn default() -> Self {
        I8042::new()
    }
}

impl I8042 {
    /// The controller as firmware leaves it: tested, keyboard enabled, address line 20 let through.
    pub const fn new() -> Self {
        let mut ram = [0; 32];
        ram[0] = command_byte::INTERRUPT | command_byte::SYSTEM | command_byte::TRANSLATE;
        I8042 {
            ram,
            output_port: output_port::NOT_RESET | output_port::A20 | output_port::LINES,
            answer: None,
            last_answer: 0,
            command_last: true,
            expecting: Expecting::Keyboard,
        }
    }

    /// Reads data (0x60) or status (0x64); all ones elsewhere.
    pub fn read(&mut self, port: u16) -> u8 {
        match port {
            DATA_PORT => {
                if let Some(answer) = self.answer.take() {
                    self.last_answer = answer.byte;
                }
                self.last_answer
            }
            COMMAND_PORT => {
                let mut value = status::UNLOCKED | self.ram[0] & status::SYSTEM;
                if let Some(answer) = self.answer {
                    value |= status::OUTPUT_FULL;
                    if answer.timeout {
                        value |= status::TIMEOUT;
                    }
                }
                if self.command_last {
                    value |= status::COMMAND;
                }
                value
            }
            _ => 0xff,
        }
    }

    /// Writes data (0x60) or a command (0x64); no effect elsewhere.
    pub fn write(&mut self, port: u16, value: u8) -> Option<Effect> {
        match port {
            DATA_PORT => {
                self.command_last = false;
                self.take_data(value)
            }
            COMMAND_PORT => {
                self.command_last = true;
                self.expecting = Expecting::Keyboard;
                self.obey(value)
            }
            _ => None,
        }
    }

    /// Level of interrupt line 1.
    pub const fn irq(&self) -> bool {
        self.answer.is_some() && self.ram[0] & command_byte::INTERRUPT != 0
    }

    fn take_data(&mut self, value: u8) -> Option<Effect> {
        match core::mem::replace(&mut self.expecting, Expecting::Keyboard) {
            Expecting::Keyboard => {
                // Sending enables the keyboard's clock line.
                self.ram[0] &= !command_byte::DISABLE_KEYBOARD;
                self.answer = Some(Answer {
                    byte: RESEND,
                    timeout: true,
                });
                None
            }
            Expecting::Ram(at) => {
                self.ram[usize::from(at)] = value;
                None
            }
            Expecting::OutputPort => self.set_output_port(value),
            Expecting::OutputBuffer => {
                self.reply(value);
                None
            }
        }
    }

    fn obey(&mut self, value: u8) -> Option<Effect> {
        match value {
            command::READ_RAM..=command::READ_RAM_LAST => {
                self.reply(self.ram[usize::from(value & 0x1f)]);
            }
            command::WRITE_RAM..=command::WRITE_RAM_LAST => {
                self.expecting = Expecting::Ram(value & 0x1f);
            }
            command::SELF_TEST => {
                self.ram[0] |= command_byte::SYSTEM;
                self.reply(SELF_TEST_PASSED);
            }
            command::INTERFACE_TEST => self.reply(INTERFACE_TEST_PASSED),
            command::DISABLE_KEYBOARD => self.ram[0] |= command_byte::DISABLE_KEYBOARD,
            command::ENABLE_KEYBOARD => self.ram[0] &= !command_byte::DISABLE_KEYBOARD,
            command::READ_INPUT_PORT => self.reply(INPUT_PORT),
            command::READ_OUTPUT_PORT => {
                let full = if self.answer.is_some() {
                    output_port::OUTPUT_FULL
                } else {
                    0
                };
                self.reply(self.output_port | full);
            }
            command::WRITE_OUTPUT_PORT => self.expecting = Expecting::OutputPort,
            command::WRITE_OUTPUT_BUFFER => self.expecting = Expecting::OutputBuffer,
            command::DISABLE_A20 => {
                return self.set_output_port(self.output_port & !output_port::A20);
            }
            command::ENABLE_A20 => {
                return self.set_output_port(self.output_port | output_port::A20);
            }
            // Bits that are clear pulse their line of the output port low; only the reset line notices.
            command::PULSE_OUTPUT..=command::PULSE_OUTPUT_LAST => {
                return (value & output_port::NOT_RESET == 0).then_some(Effect::Reset);
            }
            // Those for a second channel, which is not there, and those that no controller knows.
            _ => {}
        }
        None
    }

    fn reply(&mut self, byte: u8) {
        self.answer = Some(Answer {
            byte,
            timeout: false,
        });
    }

    fn set_output_port(&mut self, value: u8) -> Option<Effect> {
        if value & output_port::NOT_RESET == 0 {
            return Some(Effect::Reset);
        }
        let changed = (value ^ self.output_port) & output_port::A20 != 0;
        self.output_port = value & !output_port::OUTPUT_FULL;
        changed.then_some(Effect::A20(value & output_port::A20 != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sends a command and reads its answer, as a driver does.
    fn ask(controller: &mut I8042, command: u8) -> Option<u8> {
        assert_eq!(controller.write(COMMAND_PORT, command), None);
        let full = controller.read(COMMAND_PORT) & status::OUTPUT_FULL != 0;
        full.then(|| controller.read(DATA_PORT))
    }

    #[test]
    fn status_after_reset() {
        let mut controller = I8042::new();
        assert_eq!(controller.read(COMMAND_PORT), 0x1c);
        assert_eq!(controller.read(0x61), 0xff);
        assert_eq!(controller.write(0x62, 0xfe), None);
        assert!(!controller.irq());
    }

    #[test]
    fn tests_pass() {
        let mut controller = I8042::new();
        assert_eq!(ask(&mut controller, 0xaa), Some(0x55));
        assert_eq!(ask(&mut controller, 0xab), Some(0x00));
        assert_eq!(ask(&mut controller, 0xc0), Some(0xa0));
        assert_eq!(
            controller.read(DATA_PORT),
            0xa0,
            "the buffer keeps its byte"
        );
    }

    #[test]
    fn command_byte_is_kept() {
        let mut controller = I8042::new();
        assert_eq!(ask(&mut controller, 0x20), Some(0x45));
        assert_eq!(controller.write(COMMAND_PORT, 0x60), None);
        assert_eq!(controller.write(DATA_PORT, 0x74), None);
        assert_eq!(ask(&mut controller, 0x20), Some(0x74));
        controller.write(COMMAND_PORT, command::ENABLE_KEYBOARD);
        assert_eq!(ask(&mut controller, 0x20), Some(0x64));
        controller.write(COMMAND_PORT, command::DISABLE_KEYBOARD);
        assert_eq!(ask(&mut controller, 0x20), Some(0x74));
        controller.write(COMMAND_PORT, 0x7f);
        controller.write(DATA_PORT, 0x99);
        assert_eq!(ask(&mut controller, 0x3f), Some(0x99));
    }

    #[test]
    fn answers_interrupt_if_asked_to() {
        let mut controller = I8042::new();
        controller.write(COMMAND_PORT, 0xaa);
        assert!(controller.irq());
        controller.read(DATA_PORT);
        assert!(!controller.irq());
        controller.write(COMMAND_PORT, 0x60);
        controller.write(DATA_PORT, 0x44);
        controller.write(COMMAND_PORT, 0xaa);
        assert!(!controller.irq());
    }

    #[test]
    fn keyboard_is_absent() {
        let mut controller = I8042::new();
        controller.write(DATA_PORT, 0xf2);
        assert_eq!(
            controller.read(COMMAND_PORT),
            0x55,
            "timed out, data written last"
        );
        assert!(controller.irq());
        assert_eq!(controller.read(DATA_PORT), 0xfe);
        assert_eq!(controller.read(COMMAND_PORT), 0x14);
    }

    /// Linux tells from this sequence at once that there is no second channel.
    #[test]
    fn mouse_is_absent() {
        let mut controller = I8042::new();
        controller.write(COMMAND_PORT, 0xd3);
        controller.write(DATA_PORT, 0x5a);
        assert_eq!(
            controller.read(COMMAND_PORT) & 0x21,
            0x01,
            "not from the mouse"
        );
        let test = ask(&mut controller, 0xa9).unwrap();
        assert!(test != 0x00 && test != 0xfa && test != 0xff);
    }

    #[test]
    fn output_buffer_can_be_written() {
        let mut controller = I8042::new();
        controller.write(COMMAND_PORT, 0xd2);
        controller.write(DATA_PORT, 0x1e);
        assert_eq!(controller.read(COMMAND_PORT), 0x15);
        assert_eq!(controller.read(DATA_PORT), 0x1e);
    }

    #[test]
    fn a_new_command_ends_the_wait_for_data() {
        let mut controller = I8042::new();
        controller.write(COMMAND_PORT, 0xd1);
        assert_eq!(ask(&mut controller, 0xaa), Some(0x55));
        assert_eq!(
            controller.write(DATA_PORT, 0x00),
            None,
            "not the output port"
        );
    }

    #[test]
    fn address_line_20() {
        let mut controller = I8042::new();
        controller.write(COMMAND_PORT, 0xd1);
        assert_eq!(controller.write(DATA_PORT, 0xdd), Some(Effect::A20(false)));
        assert_eq!(ask(&mut controller, 0xd0), Some(0xcd));
        controller.write(COMMAND_PORT, 0xd1);
        assert_eq!(controller.write(DATA_PORT, 0xdf), Some(Effect::A20(true)));
        assert_eq!(controller.write(COMMAND_PORT, 0xdf), None, "unchanged");
        assert_eq!(
            controller.write(COMMAND_PORT, 0xdd),
            Some(Effect::A20(false))
        );
        controller.write(COMMAND_PORT, 0xaa);
        controller.write(COMMAND_PORT, 0xd0);
        assert_eq!(controller.read(DATA_PORT), 0xdd, "its buffer was full");
    }

    #[test]
    fn reset() {
        let mut controller = I8042::new();
        assert_eq!(controller.write(COMMAND_PORT, 0xfe), Some(Effect::Reset));
        assert_eq!(controller.write(COMMAND_PORT, 0xf0), Some(Effect::Reset));
        assert_eq!(controller.write(COMMAND_PORT, 0xff), None);
        controller.write(COMMAND_PORT, 0xd1);
        assert_eq!(controller.write(DATA_PORT, 0xde), Some(Effect::Reset));
    }

    proptest! {
        #[test]
        fn whatever_a_guest_does(
            accesses in prop::collection::vec((0x5fu16..0x66, any::<Option<u8>>()), 0..200),
        ) {
            let mut controller = I8042::new();
            for (port, access) in accesses {
                match access {
                    None => {
                        controller.read(port);
                    }
                    Some(value) => {
                        controller.write(port, value);
                    }
                }
                // One read of data always quiets the line.
                let mut quiet = controller.clone();
                quiet.read(DATA_PORT);
                prop_assert!(!quiet.irq());
            }
        }
    }
}
