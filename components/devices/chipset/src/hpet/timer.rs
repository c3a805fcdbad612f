//! One timer of the HPET (IA-PC HPET Specification 1.0a, sections 2.3.8 and 2.3.9).

use crate::clock::SHORTEST_PERIOD;

const LEVEL: u64 = 1 << 1;
const ENABLED: u64 = 1 << 2;
const PERIODIC: u64 = 1 << 3;
const PERIODIC_CAPABLE: u64 = 1 << 4;
const SIZE_64: u64 = 1 << 5;
const VALUE_SET: u64 = 1 << 6;
const MODE_32: u64 = 1 << 8;
const ROUTE: u32 = 9;
const ROUTE_MASK: u64 = 0x1f << ROUTE;
const ROUTES: u32 = 32;

/// Bits of the configuration that are kept as written.
const WRITABLE: u64 = LEVEL | ENABLED | PERIODIC | MODE_32;

/// Comparator and configuration of a timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Timer {
    /// Writable bits and route.
    config: u64,
    /// The next write of the comparator sets it; in periodic mode it sets the period only otherwise.
    value_set: bool,
    /// Counter value at which the timer fires.
    comparator: u64,
    /// What the comparator grows by when a periodic timer has fired.
    period: u64,
    /// When the next interrupt of a periodic timer may be asked for.
    not_before: u64,
}

impl Timer {
    pub const fn new() -> Self {
        Timer {
            config: 0,
            value_set: false,
            comparator: u64::MAX,
            period: 0,
            not_before: 0,
        }
    }

    /// The configuration register; `routes` are the inputs of the I/O APIC that the timer can have.
    pub const fn config(&self, routes: u32) -> u64 {
        self.config | PERIODIC_CAPABLE | SIZE_64 | (routes as u64) << ROUTES
    }

    /// Writes the configuration register. A route that is not possible is not taken.
    pub const fn set_config(&mut self, value: u64, routes: u32) {
        let possible = routes >> (value >> ROUTE & 0x1f) & 1 != 0;
        let route = if possible { value } else { self.config } & ROUTE_MASK;
        self.config = value & WRITABLE | route;
        self.value_set = value & VALUE_SET != 0;
        self.comparator &= self.mask();
        self.period &= self.mask();
    }

    pub const fn comparator(&self) -> u64 {
        self.comparator
    }

    /// Writes those bits of the comparator that are set in `bits`.
    pub const fn set_comparator(&mut self, value: u64, bits: u64) {
        let value = value & bits & self.mask();
        if !self.is_periodic() || self.value_set {
            self.comparator = self.comparator & !bits | value;
        }
        if self.is_periodic() {
            self.period = self.period & !bits | value;
        }
        self.value_set = false;
    }

    pub const fn is_level(&self) -> bool {
        self.config & LEVEL != 0
    }

    pub const fn is_enabled(&self) -> bool {
        self.config & ENABLED != 0
    }

    pub const fn is_periodic(&self) -> bool {
        self.config & PERIODIC != 0
    }

    /// Input of the I/O APIC, as a bit; 0 if none has been chosen.
    pub const fn route(&self, routes: u32) -> u32 {
        1 << (self.config >> ROUTE & 0x1f) & routes
    }

    const fn mask(&self) -> u64 {
        if self.config & MODE_32 != 0 {
            u32::MAX as u64
        } else {
            u64::MAX
        }
    }

    /// Ticks from counter value `counter` to the next match: not 0, as a match at `counter` itself is past. `None` if
    /// that is a whole round of the counter.
    pub const fn distance(&self, counter: u64) -> Option<u64> {
        match self.comparator.wrapping_sub(counter) & self.mask() {
            // With 32 bits a round takes 43 seconds, with 64 it does not end.
            0 => self.mask().checked_add(1),
            distance => Some(distance),
        }
    }

    /// The counter runs `elapsed` ticks on from `counter`; tells whether the timer fires.
    pub const fn advance(&mut self, counter: u64, elapsed: u64, now: u64) -> bool {
        let Some(distance) = self.distance(counter) else {
            return false;
        };
        if distance > elapsed {
            return false;
        }
        if self.is_periodic() && self.period != 0 {
            // At the match and then once in every period.
            let matches = (elapsed - distance) / self.period + 1;
            let growth = self.period.wrapping_mul(matches);
            self.comparator = self.comparator.wrapping_add(growth) & self.mask();
            self.not_before = now.saturating_add(SHORTEST_PERIOD);
        }
        true
    }

    /// The earliest moment at which an interrupt may be asked for.
    pub const fn not_before(&self) -> u64 {
        if self.is_periodic() {
            self.not_before
        } else {
            0
        }
    }
}
