//! The binary of the component that faults.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod fault;

use crash::{Task, task};
use fault::fault;
use pagurus_abi::Error;
use pagurus_protocol::Reason;
use pagurus_protocol::crash::{Crash, FaultMode};
use pagurus_protocol::slots::{FIRST_NAMED, REPLY};
use pagurus_rt::server::{Event, serve};
use pagurus_rt::{Cap, Env};

pagurus_rt::entry!(start);

fn start(env: Env) -> Result<(), Error> {
    let restarts = env.start.restarts;
    match task(env.start.argument(), restarts) {
        Ok(Task::Fault(mode)) => {
            log::info!("start {}: {} comes now", restarts + 1, mode.name());
            fault(mode)
        }
        Ok(Task::Serve) => log::info!("started {} times, now waiting for requests", restarts + 1),
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
