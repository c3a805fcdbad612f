//! One 8259A (Intel 231468 data sheet).

/// Bits of the first initialization command word.
mod icw1 {
    pub const FOURTH_WORD: u8 = 1 << 0;
    pub const SINGLE: u8 = 1 << 1;
    pub const LEVEL: u8 = 1 << 3;
    /// Tells it from operation command words.
    pub const INITIALIZE: u8 = 1 << 4;
}

/// Bits of the fourth initialization command word.
mod icw4 {
    pub const AUTOMATIC_END: u8 = 1 << 1;
    pub const SPECIAL_NESTING: u8 = 1 << 4;
}

/// Bits of the third operation command word; with bit 3 clear it is the second one.
mod ocw3 {
    pub const READ_IN_SERVICE: u8 = 1 << 0;
    pub const READ_REGISTER: u8 = 1 << 1;
    pub const POLL: u8 = 1 << 2;
    pub const THIRD: u8 = 1 << 3;
    pub const SPECIAL_MASK: u8 = 1 << 5;
    pub const SET_SPECIAL_MASK: u8 = 1 << 6;
}

/// Which initialization command word the data port expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expecting {
    Nothing,
    Second,
    Third,
    Fourth,
}

/// One interrupt controller of the pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chip {
    /// Levels of the inputs.
    lines: u8,
    /// Rising edges that have not been acknowledged.
    latched: u8,
    /// Inputs that are level-triggered, by the edge/level control register.
    level: u8,
    /// All inputs are level-triggered (LTIM).
    all_level: bool,
    in_service: u8,
    mask: u8,
    /// Vector of input 0.
    base: u8,
    /// Input of lowest priority; the one after it has the highest.
    lowest: u8,
    automatic_end: bool,
    rotate_on_automatic_end: bool,
    special_mask: bool,
    special_nesting: bool,
    read_in_service: bool,
    poll: bool,
    expecting: Expecting,
    single: bool,
    fourth_word: bool,
}

impl Chip {
    /// A chip as PC firmware leaves it: vectors from `base` on, everything masked.
    pub const fn new(base: u8) -> Self {
        Chip {
            lines: 0,
            latched: 0,
            level: 0,
            all_level: false,
            in_service: 0,
            mask: 0xff,
            base,
            lowest: 7,
            automatic_end: false,
            rotate_on_automatic_end: false,
            special_mask: false,
            special_nesting: false,
            read_in_service: false,
            poll: false,
            expecting: Expecting::Nothing,
            single: false,
            fourth_word: true,
        }
    }

    /// Vector of an input.
    pub const fn vector(&self, input: u8) -> u8 {
        self.base | input & 7
    }

    /// Sets the level of an input. An edge is forgotten when the line falls before it is acknowledged: the data sheet
    /// wants the input to stay high until then ("Edge and Level Triggered Modes").
    pub const fn set_line(&mut self, input: u8, level: bool) {
        let bit = 1 << (input & 7);
        if !level {
            self.lines &= !bit;
            self.latched &= !bit;
        } else if self.lines & bit == 0 {
            self.lines |= bit;
            self.latched |= bit;
        }
    }

    /// Inputs that are level-triggered by the edge/level control register.
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// Sets [`Self::level`].
    pub const fn set_level(&mut self, inputs: u8) {
        self.level = inputs;
    }

    /// The interrupt request register.
    const fn requests(&self) -> u8 {
        let level = if self.all_level { 0xff } else { self.level };
        self.latched & !level | self.lines & level
    }

    /// The input of highest priority that is set in `inputs`.
    const fn highest(&self, inputs: u8) -> Option<u8> {
        let first = (self.lowest + 1) & 7;
        match inputs.rotate_right(first as u32).trailing_zeros() {
            8 => None,
            place => Some((place as u8 + first) & 7),
        }
    }

    /// Places from the highest priority: 0 to 7.
    const fn place(&self, input: u8) -> u8 {
        input.wrapping_sub(self.lowest + 1) & 7
    }

    /// The input that the interrupt output stands for, if it is active.
    pub const fn interrupt(&self) -> Option<u8> {
        let Some(request) = self.highest(self.requests() & !self.mask) else {
            return None;
        };
        // In special mask mode, masked inputs in service hold nothing back ("Special Mask Mode").
        let blocking = if self.special_mask {
            self.in_service & !self.mask
        } else {
            self.in_service
        };
        let Some(serving) = self.highest(blocking) else {
            return Some(request);
        };
        let higher = self.place(request) < self.place(serving);
        // Special fully nested mode lets a slave interrupt its own handler ("Special Fully Nested Mode").
        let again = self.special_nesting && request == serving;
        if higher || again { Some(request) } else { None }
    }

    /// What one interrupt acknowledge does: the input, or `None` if there is no request any more, for which the chip
    /// gives the vector of input 7 and serves nothing.
    pub const fn acknowledge(&mut self) -> Option<u8> {
        let Some(input) = self.interrupt() else {
            return None;
        };
        let bit = 1 << input;
        self.latched &= !bit;
        if !self.automatic_end {
            self.in_service |= bit;
        } else if self.rotate_on_automatic_end {
            self.lowest = input;
        }
        Some(input)
    }

    /// Whether the next read is an acknowledge.
    pub const fn is_polled(&self) -> bool {
        self.poll
    }

    /// Reads the command port (`false`) or the data port (`true`).
    pub const fn read(&mut self, data: bool) -> u8 {
        if self.poll {
            // The read is the acknowledge ("Poll Command").
            self.poll = false;
            match self.acknowledge() {
                Some(input) => 0x80 | input,
                None => 0,
            }
        } else if data {
            self.mask
        } else if self.read_in_service {
            self.in_service
        } else {
            self.requests()
        }
    }

    /// Writes the command port.
    pub const fn write_command(&mut self, value: u8) {
        if value & icw1::INITIALIZE != 0 {
            self.initialize(value);
        } else if value & ocw3::THIRD != 0 {
            self.poll = value & ocw3::POLL != 0;
            if value & ocw3::READ_REGISTER != 0 {
                self.read_in_service = value & ocw3::READ_IN_SERVICE != 0;
            }
            if value & ocw3::SET_SPECIAL_MASK != 0 {
                self.special_mask = value & ocw3::SPECIAL_MASK != 0;
            }
        } else {
            self.end_or_rotate(value >> 5, value & 7);
        }
    }

    /// Writes the data port: the initialization command word that is due, or the mask.
    pub const fn write_data(&mut self, value: u8) {
        self.expecting = match self.expecting {
            Expecting::Nothing => {
                self.mask = value;
                Expecting::Nothing
            }
            Expecting::Second => {
                self.base = value & 0xf8;
                if !self.single {
                    Expecting::Third
                } else if self.fourth_word {
                    Expecting::Fourth
                } else {
                    Expecting::Nothing
                }
            }
            // Which input the slave is at: wired, whatever is written.
            Expecting::Third if self.fourth_word => Expecting::Fourth,
            Expecting::Third => Expecting::Nothing,
            Expecting::Fourth => {
                self.automatic_end = value & icw4::AUTOMATIC_END != 0;
                self.special_nesting = value & icw4::SPECIAL_NESTING != 0;
                Expecting::Nothing
            }
        };
    }

    /// The first initialization command word ("Initialization Command Words 1 and 2").
    const fn initialize(&mut self, value: u8) {
        self.single = value & icw1::SINGLE != 0;
        self.fourth_word = value & icw1::FOURTH_WORD != 0;
        self.all_level = value & icw1::LEVEL != 0;
        self.latched = 0;
        self.in_service = 0;
        self.mask = 0;
        self.lowest = 7;
        self.automatic_end = false;
        self.rotate_on_automatic_end = false;
        self.special_nesting = false;
        self.special_mask = false;
        self.read_in_service = false;
        self.poll = false;
        self.expecting = Expecting::Second;
    }

    /// The second operation command word: bits R, SL and EOI, and an input for those commands that name one.
    const fn end_or_rotate(&mut self, command: u8, named: u8) {
        match command {
            0b000 => self.rotate_on_automatic_end = false,
            0b100 => self.rotate_on_automatic_end = true,
            0b001 | 0b101 => {
                // In special mask mode, masked inputs are not ended without being named.
                let ending = if self.special_mask {
                    self.in_service & !self.mask
                } else {
                    self.in_service
                };
                if let Some(input) = self.highest(ending) {
                    self.in_service &= !(1 << input);
                    if command == 0b101 {
                        self.lowest = input;
                    }
                }
            }
            0b011 => self.in_service &= !(1 << named),
            0b111 => {
                self.in_service &= !(1 << named);
                self.lowest = named;
            }
            0b110 => self.lowest = named,
            _ => {}
        }
    }
}
