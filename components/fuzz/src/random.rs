//! Random numbers that a seed repeats.

/// The next number after `state` (Marsaglia, "Xorshift RNGs", 64 bits), which must not be 0.
pub const fn step(state: u64) -> u64 {
    let mut x = state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^ (x << 17)
}

/// The start of stream `number` of those that belong to `seed`; never 0.
pub const fn stream(seed: u64, number: u64) -> u64 {
    // Neighbouring seeds and streams must not begin alike: multiply by an odd number, fold, and let it run a little.
    let mut state = (seed.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (number.wrapping_add(1)).wrapping_mul(0xd134_2543_de82_ef95);
    state ^= state >> 32;
    if state == 0 {
        state = 1;
    }
    let mut rounds = 0;
    while rounds < 8 {
        state = step(state);
        rounds += 1;
    }
    state
}

/// Where random choices come from.
pub trait Choice {
    /// Any number.
    fn any(&mut self) -> u64;

    /// A number below `n`, 0 if `n` is 0.
    fn below(&mut self, n: u64) -> u64 {
        // The upper bits are the better ones.
        let high = self.any() >> 16;
        if n == 0 { 0 } else { high % n }
    }

    /// True once in `n` times.
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of these; the list must not be empty.
    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        let n = self.below(list.len() as u64) as usize;
        list[n]
    }
}

/// A stream of random numbers.
pub struct Random(pub u64);

impl Choice for Random {
    fn any(&mut self) -> u64 {
        self.0 = step(self.0);
        self.0
    }
}
