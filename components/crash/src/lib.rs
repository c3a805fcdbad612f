//! What the component that faults is to do, from the argument in the system's description.
//!
//! The argument is a list of names of [`FaultMode`]s, `all` for every one after which root starts the component again
//! by itself, and optionally `times N`. Each start faults in the next way of the list, and after `N` restarts the component waits for
//! requests instead. Without an argument it waits from the first start on.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::fmt;
use pagurus_protocol::crash::FaultMode;

/// What to do at this start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Fault.
    Fault(FaultMode),
    /// Wait for requests.
    Serve,
    /// Ask another for each of [`asked`].
    Ask,
}

/// Why an argument was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentError<'a> {
    /// There is no such way to fault.
    UnknownMode(&'a str),
    /// `times` without a number after it.
    MissingNumber,
}

impl fmt::Display for ArgumentError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArgumentError::UnknownMode(word) => {
                write!(f, "there is no fault `{word}`; there are all")?;
                for mode in FaultMode::ALL {
                    write!(f, ", {}", mode.name())?;
                }
                Ok(())
            }
            ArgumentError::MissingNumber => f.write_str("`times` needs a number after it"),
        }
    }
}

/// The task of the start after `restarts` restarts.
pub fn task(argument: &str, restarts: u32) -> Result<Task, ArgumentError<'_>> {
    if let Some(list) = list_to_ask(argument) {
        for word in list.split_ascii_whitespace() {
            let _ = modes(word)?;
        }
        return Ok(Task::Ask);
    }
    let mut count = 0;
    let mut limit = None;
    let mut words = argument.split_ascii_whitespace();
    while let Some(word) = words.next() {
        if word == "times" {
            let number = words.next().and_then(|n| n.parse().ok());
            limit = Some(number.ok_or(ArgumentError::MissingNumber)?);
        } else {
            count += modes(word)?.count();
        }
    }
    if count == 0 || limit.is_some_and(|limit: u32| restarts >= limit) {
        return Ok(Task::Serve);
    }
    let mut words = argument.split_ascii_whitespace();
    let mut position = restarts as usize % count;
    while let Some(word) = words.next() {
        if word == "times" {
            words.next();
            continue;
        }
        let mut here = modes(word)?;
        let length = here.clone().count();
        if position < length {
            return Ok(here.nth(position).map_or(Task::Serve, Task::Fault));
        }
        position -= length;
    }
    Ok(Task::Serve)
}

/// What [`Task::Ask`] asks for, in turn.
pub fn asked(argument: &str) -> impl Iterator<Item = FaultMode> {
    list_to_ask(argument)
        .unwrap_or("")
        .split_ascii_whitespace()
        .filter_map(|word| modes(word).ok())
        .flatten()
}

fn list_to_ask(argument: &str) -> Option<&str> {
    argument.trim_start().strip_prefix("ask ")
}

/// The ways that a word stands for.
fn modes(word: &str) -> Result<impl Iterator<Item = FaultMode> + Clone + use<>, ArgumentError<'_>> {
    let all = word == "all";
    let one = FaultMode::ALL.iter().position(|m| m.name() == word);
    if !all && one.is_none() {
        return Err(ArgumentError::UnknownMode(word));
    }
    let mut position = 0;
    Ok(FaultMode::ALL.iter().copied().filter(move |mode| {
        let here = position;
        position += 1;
        if all {
            !matches!(mode, FaultMode::Exit | FaultMode::Runaway)
        } else {
            one == Some(here)
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_argument_it_serves() {
        for restarts in [0, 1, u32::MAX] {
            assert_eq!(task("", restarts), Ok(Task::Serve));
            assert_eq!(task("  ", restarts), Ok(Task::Serve));
        }
    }

    #[test]
    fn a_list_is_gone_through_in_turn() {
        let modes: Vec<_> = (0..5)
            .map(|n| task("ud2 null-read ud2", n).unwrap())
            .collect();
        let (ud2, null) = (
            Task::Fault(FaultMode::Undefined),
            Task::Fault(FaultMode::NullRead),
        );
        assert_eq!(modes, [ud2, null, ud2, ud2, null]);
    }

    #[test]
    fn all_is_everything_that_is_started_again() {
        let ends = FaultMode::ALL.len() as u32 - 2;
        let seen: Vec<_> = (0..ends).map(|n| task("all", n).unwrap()).collect();
        for mode in FaultMode::ALL {
            let stays_away = matches!(mode, FaultMode::Exit | FaultMode::Runaway);
            assert_eq!(seen.contains(&Task::Fault(*mode)), !stays_away);
        }
        assert_eq!(task("all", ends), task("all", 0));
    }

    #[test]
    fn times_ends_it() {
        assert_eq!(task("panic times 3", 2), Ok(Task::Fault(FaultMode::Panic)));
        assert_eq!(task("panic times 3", 3), Ok(Task::Serve));
        assert_eq!(task("times 3 panic", 2), Ok(Task::Fault(FaultMode::Panic)));
        assert_eq!(task("panic times", 0), Err(ArgumentError::MissingNumber));
        assert_eq!(task("panic times x", 0), Err(ArgumentError::MissingNumber));
    }

    #[test]
    fn ask_is_for_the_one_who_asks() {
        let argument = " ask ud2 null-read";
        assert_eq!(task(argument, 0), Ok(Task::Ask));
        let all: Vec<_> = asked(argument).collect();
        assert_eq!(all, [FaultMode::Undefined, FaultMode::NullRead]);
        assert_eq!(asked("ud2").count(), 0);
        assert!(task("ask nonsense", 0).is_err());
    }

    #[test]
    fn an_unknown_word_is_named_with_the_known() {
        let error = task("nul-read", 0).unwrap_err();
        assert!(error.to_string().contains("`nul-read`"));
        assert!(error.to_string().contains("null-read"));
    }

    proptest! {
        #[test]
        fn any_argument_is_understood_or_refused(argument in "[a-z0-9 -]{0,60}", restarts: u32) {
            let _ = task(&argument, restarts);
        }
    }
}
