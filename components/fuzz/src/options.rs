//! What the kernel's command line asks for.

/// System calls of a short run.
const CALLS: u64 = 200_000;

/// The run to make.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// System calls that the fuzzers are to make (`calls=`).
    pub calls: u64,
    /// Where all random choices come from (`seed=`). Each fuzzer draws the same numbers again; when it is interrupted and
    /// what the others have done by then is up to the machine, so a failure need not come again in every run.
    pub seed: u64,
    /// System calls from one check of the kernel's invariants to the next (`check=`).
    pub check: u64,
}

impl Options {
    /// Reads `text`; words that are not options are other people's.
    ///
    /// # Errors
    /// The name of an option whose value is no number.
    pub fn parse(text: &str) -> Result<Options, &'static str> {
        let (mut calls, mut seed, mut check) = (CALLS, 1, None);
        for word in text.split_ascii_whitespace() {
            let Some((name, value)) = word.split_once('=') else {
                continue;
            };
            let number = value.parse::<u64>();
            match name {
                "calls" => calls = number.map_err(|_| "calls= wants a number")?,
                "seed" => seed = number.map_err(|_| "seed= wants a number")?,
                "check" => check = Some(number.map_err(|_| "check= wants a number")?),
                _ => {}
            }
        }
        Ok(Options {
            calls,
            seed,
            check: check.unwrap_or((calls / 500).max(1000)),
        })
    }
}
