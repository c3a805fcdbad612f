//! A clock without a timer: the kernel gives this component a little time in every period, and it uses it to signal.
//! The period stands in the system's description.
#![cfg_attr(target_os = "none", no_std, no_main)]

use pagurus_abi::Error;
use pagurus_rt::object::Notification;
use pagurus_rt::syscall::yield_now;
use pagurus_rt::{Cap, Env};

mod slots {
    include!(concat!(env!("OUT_DIR"), "/slots.rs"));
}

pagurus_rt::entry!(start);

fn start(_: Env) -> Result<(), Error> {
    let tick = Cap::<Notification>::new(slots::TICK);
    loop {
        tick.signal()?;
        // Gives up what is left of this period's budget.
        yield_now();
    }
}
