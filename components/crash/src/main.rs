//! The binary of the component that faults.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod fault;

use crash::{Task, asked, task};
use fault::fault;
use pagurus_abi::Error;
use pagurus_abi::message::MAX_WORDS;
use pagurus_protocol::crash::{Crash, FaultMode};
use pagurus_protocol::memory::{Allocate, GrantKind};
use pagurus_protocol::slots::{FIRST_NAMED, MEMORY, REPLY};
use pagurus_protocol::{Failure, Reason};
use pagurus_rt::client::{Call, ReceiveSlots, call};
use pagurus_rt::server::{Event, serve};
use pagurus_rt::syscall::yield_now;
use pagurus_rt::{Cap, Env, logger};

pagurus_rt::entry!(start);

/// Asks the component behind the endpoint for faults. Each call must come back, although nobody is left to answer it.
fn ask(argument: &str) {
    let mut count = 0;
    for mode in asked(argument) {
        match call(Cap::new(FIRST_NAMED), &Crash { mode: mode as u64 }) {
            Err(failure) if failure == Failure::from(Error::Canceled) => count += 1,
            other => log::error!("asked for {}: {other:?}", mode.name()),
        }
    }
    match call(Cap::new(FIRST_NAMED), &Crash { mode: 0 }) {
        Err(failure) if failure.reason == Reason::InvalidArgument => {}
        other => log::error!("asked for a fault that there is not: {other:?}"),
    }
    log::warn!("asked for {count} faults, and every call came back");
}

/// Says that all faults are done. The log collector leaves lines out of those who say too much, which a component that
/// was started a thousand times in a few seconds does: this line must get through.
fn insist(restarts: u32) {
    loop {
        let lost = logger::lost();
        log::warn!("still here after {restarts} restarts, now waiting for requests");
        if logger::lost() == lost {
            return;
        }
        yield_now();
    }
}

/// log2 of the bytes borrowed at every start.
const BORROWED_BITS: u8 = 16;

/// Borrows memory, which a fault keeps from being given back: it must come back by itself, or the quota is used up
/// after a few restarts. Without a memory manager, or a slot for the capability, there is nothing to borrow.
fn borrow(env: &mut Env) -> Result<(), Failure> {
    let Some(slot) = env.slots.take() else {
        return Ok(());
    };
    let ask = Allocate {
        kind: GrantKind::Untyped as u8,
        size_bits: BORROWED_BITS,
        ..Allocate::default()
    };
    let slots = ReceiveSlots {
        first: slot,
        count: 1,
    };
    Call::new(Cap::new(MEMORY))
        .receive(slots)
        .run(&ask, &mut [0; MAX_WORDS])
        .map(|_| ())
}

fn start(mut env: Env) -> Result<(), Error> {
    let restarts = env.start.restarts;
    let task = task(env.start.argument(), restarts);
    if task != Ok(Task::Ask)
        && let Err(failure) = borrow(&mut env)
    {
        log::error!("start {}: no memory: {failure}", restarts + 1);
    }
    match task {
        Ok(Task::Fault(mode)) => {
            log::info!("start {}: {} comes now", restarts + 1, mode.name());
            fault(mode)
        }
        Ok(Task::Serve) => insist(restarts),
        Ok(Task::Ask) => {
            ask(env.start.argument());
            return Ok(());
        }
        Err(error) => log::error!("argument: {error}"),
    }
    // The first capability that the description names is where it is asked.
    let ended = serve(
        Cap::new(FIRST_NAMED),
        Cap::new(REPLY),
        |server, event| match &event {
            Event::Request(request) if request.is::<Crash>() => match request.parse::<Crash>() {
                Ok((crash, _)) => match FaultMode::from_u64(crash.mode) {
                    Some(mode) => fault(mode),
                    None => server.refuse(Reason::InvalidArgument),
                },
                Err(failure) => server.refuse(failure),
            },
            other => server.refuse_unknown(other),
        },
    );
    Err(ended)
}
