//! The memory manager's binary: takes over the untyped memory that root left, then serves requests.
#![cfg_attr(target_os = "none", no_std, no_main)]

use memory_manager::accounts::Accounts;
use memory_manager::service::Manager;
use pagurus_protocol::Failure;
use pagurus_protocol::slots::{CNODE, REPLY};
use pagurus_rt::server::{Event, Server, Words};
use pagurus_rt::{Cap, Env};
use spin::Mutex;

mod slots {
    include!(concat!(env!("OUT_DIR"), "/slots.rs"));
}

pagurus_rt::entry!(start);

/// Slots for blocks; the last of the slots is where a capability waits to be handed out.
const BLOCKS: usize = slots::DYNAMIC_SLOTS as usize - 1;
const HAND_OUT: u32 = slots::DYNAMIC_FIRST + slots::DYNAMIC_SLOTS - 1;
/// Clients that can hold memory at one time.
const CLIENTS: usize = 64;

/// In the image rather than on the stack, which it would not fit.
static ACCOUNTS: Mutex<Accounts<BLOCKS, CLIENTS>> = Mutex::new(Accounts::new(0));

fn start(env: Env) -> Result<(), Failure> {
    let mut accounts = ACCOUNTS.lock();
    let cnode = Cap::new(CNODE);
    let mut manager = Manager::new(&mut accounts, cnode, slots::DYNAMIC_FIRST, HAND_OUT);
    manager.set_quotas(&env.start.memory_quotas)?;
    manager.take_over(slots::FREE_MEMORY..slots::FREE_MEMORY + slots::FREE_MEMORY_SLOTS)?;
    let pool = manager.pool_usage();
    log::info!(
        "{} KiB to hand out, the largest piece has {} KiB",
        pool.total >> 10,
        pool.largest >> 10
    );
    let mut server = Server::new(Cap::new(slots::REQUESTS), Cap::new(REPLY));
    let mut words = Words::default();
    loop {
        let event = server.next(&mut words)?;
        manager.finish_hand_out();
        match event {
            Event::Request(request) => manager.serve(&request, &mut server),
            other => server.refuse_unknown(&other),
        }
    }
}
