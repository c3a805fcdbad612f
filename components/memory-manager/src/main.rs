//! The memory manager's binary: takes over the untyped memory that root left, then serves requests.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod pool;

use memory_manager::accounts::{Accounts, GrantId, Refusal, Usage};
use memory_manager::buddy::BuddyError;
use pagurus_abi::message::CapTransfer;
use pagurus_abi::{Error, Kind};
use pagurus_protocol::memory::{
    Allocate, Allocated, Client, ClientUsage, GiveBack, GrantKind, Pool, PoolUsage,
    Usage as AskUsage,
};
use pagurus_protocol::slots::{CNODE, REPLY};
use pagurus_protocol::start::StartInfo;
use pagurus_protocol::wire::Empty;
use pagurus_protocol::{Failure, Reason};
use pagurus_rt::object::{CNode, Untyped};
use pagurus_rt::server::{Event, Incoming, Server, Words};
use pagurus_rt::{Cap, Env, Slot};
use pool::KernelPool;
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

struct Manager<'a> {
    accounts: &'a mut Accounts<BLOCKS, CLIENTS>,
    pool: KernelPool,
    cnode: Cap<CNode>,
    /// The grant whose capability goes out with the answer that is due.
    in_flight: Option<(u64, GrantId)>,
}

fn start(env: Env) -> Result<(), Failure> {
    let mut accounts = ACCOUNTS.lock();
    let cnode = Cap::new(CNODE);
    let mut manager = Manager {
        accounts: &mut accounts,
        pool: KernelPool::new(cnode, slots::DYNAMIC_FIRST),
        cnode,
        in_flight: None,
    };
    manager.set_quotas(env.start)?;
    manager.take_over()?;
    let totals = manager.accounts.totals();
    log::info!(
        "{} KiB to hand out, the largest piece has {} KiB",
        totals.total >> 10,
        totals.largest >> 10
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

impl Manager<'_> {
    fn set_quotas(&mut self, start: &StartInfo) -> Result<(), Failure> {
        for (quota, badge) in start.memory_quotas.iter().zip(1..) {
            if *quota > 0 {
                self.accounts
                    .set_quota::<Error>(badge, *quota)
                    .map_err(|e| refusal(e, badge))?;
            }
        }
        Ok(())
    }

    /// Moves the regions that root left to the slots of their blocks.
    fn take_over(&mut self) -> Result<(), Failure> {
        for slot in slots::FREE_MEMORY..slots::FREE_MEMORY + slots::FREE_MEMORY_SLOTS {
            if self.cnode.inspect(slot)?.info.kind() != Some(Kind::Untyped) {
                continue;
            }
            let info = Cap::<Untyped>::new(slot).info()?;
            if info.device || info.free != 1 << info.size_bits {
                log::warn!(
                    "{} KiB at {:#x} are left alone: {}",
                    (1u64 << info.size_bits) >> 10,
                    info.address,
                    if info.device {
                        "device memory"
                    } else {
                        "not wholly unused"
                    }
                );
                continue;
            }
            match self
                .accounts
                .add_region::<Error>(info.address, info.size_bits)
            {
                Ok(block) => self
                    .cnode
                    .move_here(self.pool.slot(block).index, Slot::new(self.cnode, slot))?,
                // Less than a page: nobody can ask for so little.
                Err(BuddyError::InvalidSize) => {}
                Err(error) => log::warn!(
                    "{} KiB at {:#x} are left alone: {error:?}",
                    (1u64 << info.size_bits) >> 10,
                    info.address
                ),
            }
        }
        Ok(())
    }

    fn serve(&mut self, request: &Incoming<'_>, server: &mut Server) {
        let badge = request.badge;
        if request.is::<Allocate>() {
            let result = request
                .parse::<Allocate>()
                .and_then(|(ask, _)| self.allocate(badge, ask));
            let caps = [CapTransfer::give(HAND_OUT)];
            server.answer_with(result, &[], if result.is_ok() { &caps } else { &[] });
        } else if request.is::<GiveBack>() {
            server.answer(request.parse::<GiveBack>().and_then(|(ask, _)| {
                self.accounts
                    .give_back(badge, GrantId(ask.grant), &mut self.pool)
                    .map(|_| Empty)
                    .map_err(|e| refusal(e, badge))
            }));
        } else if request.is::<AskUsage>() {
            server.answer(request.parse::<AskUsage>().map(|_| {
                self.accounts.sweep(&mut self.pool);
                usage(self.accounts.usage(badge))
            }));
        } else if request.is::<Client>() {
            server.answer(request.parse::<Client>().and_then(|(ask, _)| {
                let index = usize::try_from(ask.index).map_err(|_| Reason::NotFound)?;
                let client = self.accounts.client_at(index).ok_or(Reason::NotFound)?;
                Ok(usage(client))
            }));
        } else if request.is::<Pool>() {
            server.answer(request.parse::<Pool>().map(|_| self.pool_usage()));
        }
    }

    fn allocate(&mut self, badge: u64, ask: Allocate) -> Result<Allocated, Failure> {
        let kind = match GrantKind::from_u8(ask.kind).ok_or(Reason::InvalidArgument)? {
            GrantKind::Untyped => Kind::Untyped,
            GrantKind::Frame => Kind::Frame,
        };
        let grant = self
            .accounts
            .request(badge, ask.size_bits, &mut self.pool)
            .map_err(|e| refusal(e, badge))?;
        // The client gets an object as large as the block; the block stays here, and revoking it is what takes the
        // memory back.
        let to = Slot::new(self.cnode, HAND_OUT);
        let block = self.pool.untyped(grant.block);
        if let Err(error) = block.retype(kind, ask.size_bits, to, 1) {
            self.take_back(badge, grant.id);
            return Err(error.into());
        }
        self.in_flight = Some((badge, grant.id));
        Ok(Allocated { grant: grant.id.0 })
    }

    /// After an answer: a capability that did not go out (the client offered no slot, or went away) is a grant that
    /// nobody has.
    fn finish_hand_out(&mut self) {
        let Some((badge, grant)) = self.in_flight.take() else {
            return;
        };
        let there = self.cnode.inspect(HAND_OUT);
        if there.is_ok_and(|slot| slot.info.kind() != Some(Kind::Empty)) {
            self.take_back(badge, grant);
        }
    }

    fn take_back(&mut self, badge: u64, grant: GrantId) {
        if let Err(error) = self.accounts.give_back(badge, grant, &mut self.pool) {
            log::error!("a grant of client {badge} is lost: {error:?}");
        }
    }

    fn pool_usage(&mut self) -> PoolUsage {
        self.accounts.sweep(&mut self.pool);
        let totals = self.accounts.totals();
        let clients = || (0..).map_while(|i| self.accounts.client_at(i));
        PoolUsage {
            total: totals.total,
            granted: totals.total - totals.free,
            largest: totals.largest,
            grants: clients().map(|c| u64::from(c.grants)).sum(),
            clients: totals.clients.into(),
        }
    }
}

fn usage(usage: Usage) -> ClientUsage {
    ClientUsage {
        badge: usage.badge,
        quota: usage.quota,
        used: usage.used,
        grants: usage.grants.into(),
    }
}

fn refusal(refusal: Refusal<Error>, badge: u64) -> Failure {
    match refusal {
        Refusal::QuotaExceeded { quota, used } => {
            log::debug!("client {badge} is refused: {used} of {quota} bytes used");
            Failure::with(Reason::QuotaExceeded, quota.saturating_sub(used))
        }
        Refusal::OutOfMemory { largest } => Failure::with(Reason::OutOfMemory, largest),
        Refusal::InvalidSize => Reason::InvalidArgument.into(),
        Refusal::TableFull => Reason::Busy.into(),
        Refusal::UnknownGrant => Reason::NotFound.into(),
        Refusal::Kernel(error) => error.into(),
    }
}
