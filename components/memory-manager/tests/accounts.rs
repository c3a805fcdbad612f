//! Clients against each other: quotas, stale identifiers, ends.

mod model;

use memory_manager::accounts::{Accounts, GrantId, Refusal};
use model::{Model, ModelError};
use proptest::prelude::*;
use std::collections::HashMap;

const QUOTA: u64 = 64 * 1024;

fn fresh() -> (Accounts<128, 4>, Model) {
    let (mut accounts, mut model) = (Accounts::new(QUOTA), Model::default());
    let region = accounts.add_region::<ModelError>(0x10_0000, 18).unwrap();
    model.add_region(region, 0x10_0000, 18);
    (accounts, model)
}

#[test]
fn quota_counts_what_is_held() {
    let (mut accounts, mut model) = fresh();
    let first = accounts.request(1, 15, &mut model).unwrap();
    accounts.request(1, 15, &mut model).unwrap();
    assert_eq!(
        accounts.request(1, 12, &mut model),
        Err(Refusal::QuotaExceeded {
            quota: QUOTA,
            used: QUOTA
        })
    );
    // The quota of one client is not that of another.
    assert!(accounts.request(2, 12, &mut model).is_ok());
    assert_eq!(accounts.give_back(1, first.id, &mut model), Ok(1 << 15));
    assert!(accounts.request(1, 12, &mut model).is_ok());
    accounts.set_quota::<ModelError>(1, 0).unwrap();
    assert_eq!(
        accounts.request(1, 12, &mut model),
        Err(Refusal::QuotaExceeded {
            quota: 0,
            used: (1 << 15) + (1 << 12)
        })
    );
}

#[test]
fn a_size_that_overflows_is_refused() {
    let (mut accounts, mut model) = fresh();
    accounts.set_quota::<ModelError>(1, u64::MAX).unwrap();
    for bits in [0, 11, 47, 63, 64, 200, 255] {
        assert_eq!(
            accounts.request(1, bits, &mut model),
            Err(Refusal::InvalidSize),
            "{bits}"
        );
    }
    assert_eq!(accounts.usage(1).used, 0);
}

#[test]
fn memory_can_run_out() {
    let (mut accounts, mut model) = fresh();
    accounts.set_quota::<ModelError>(1, u64::MAX).unwrap();
    accounts.request(1, 17, &mut model).unwrap();
    assert_eq!(
        accounts.request(1, 18, &mut model),
        Err(Refusal::OutOfMemory { largest: 1 << 17 })
    );
}

#[test]
fn nobody_gives_back_what_is_not_theirs() {
    let (mut accounts, mut model) = fresh();
    let grant = accounts.request(1, 12, &mut model).unwrap();
    assert_eq!(
        accounts.give_back(2, grant.id, &mut model),
        Err(Refusal::UnknownGrant)
    );
    accounts.give_back(1, grant.id, &mut model).unwrap();
    // The same block goes out again; the old identifier does not name it.
    let again = accounts.request(1, 12, &mut model).unwrap();
    assert_eq!(again.block, grant.block);
    assert_ne!(again.id, grant.id);
    assert_eq!(
        accounts.give_back(1, grant.id, &mut model),
        Err(Refusal::UnknownGrant)
    );
    assert_eq!(accounts.usage(1).grants, 1);
}

#[test]
fn the_table_of_clients_recycles_only_the_idle() {
    let (mut accounts, mut model) = fresh();
    for badge in 1..=4 {
        accounts.request(badge, 12, &mut model).unwrap();
    }
    assert_eq!(accounts.request(5, 12, &mut model), Err(Refusal::TableFull));
    accounts.end_client(3, &mut model).unwrap();
    assert!(accounts.request(5, 12, &mut model).is_ok());
    assert_eq!(accounts.usage(3).used, 0);
    assert_eq!(accounts.usage(4).used, 1 << 12);
}

proptest! {
    /// After any history, the ends of all clients bring back every byte, and usage was right all along.
    #[test]
    fn ends_bring_everything_back(
        steps in prop::collection::vec((1u64..5, 12u8..16, any::<bool>(), any::<usize>()), 1..100)
    ) {
        let (mut accounts, mut model) = fresh();
        let mut held: HashMap<u64, Vec<(GrantId, u64)>> = HashMap::new();
        for (badge, bits, give, pick) in steps {
            let mine = held.entry(badge).or_default();
            if give && !mine.is_empty() {
                let (id, bytes) = mine.swap_remove(pick % mine.len());
                prop_assert_eq!(accounts.give_back(badge, id, &mut model), Ok(bytes));
            } else if let Ok(grant) = accounts.request(badge, bits, &mut model) {
                prop_assert_eq!(grant.bits, bits);
                mine.push((grant.id, 1 << bits));
            }
            let used: u64 = mine.iter().map(|(_, b)| b).sum();
            prop_assert!(used <= QUOTA);
            let usage = accounts.usage(badge);
            prop_assert_eq!((usage.used, usage.grants), (used, mine.len() as u32));
        }
        for (badge, mine) in held {
            let used: u64 = mine.iter().map(|(_, b)| b).sum();
            prop_assert_eq!(accounts.end_client(badge, &mut model), Ok(used));
        }
        let totals = accounts.totals();
        prop_assert_eq!((totals.free, totals.largest), (totals.total, totals.total));
        prop_assert_eq!(model.caps.len(), 1);
    }
}

#[test]
fn an_end_goes_on_after_a_refusal() {
    let (mut accounts, mut model) = fresh();
    for _ in 0..3 {
        accounts.request(1, 12, &mut model).unwrap();
    }
    model.fail_after = Some(0);
    assert_eq!(
        accounts.end_client(1, &mut model),
        Err(Refusal::Kernel(ModelError::Injected))
    );
    assert_eq!(accounts.usage(1).grants, 1);
    assert_eq!(accounts.end_client(1, &mut model), Ok(1 << 12));
    assert_eq!(accounts.totals().free, accounts.totals().total);
}
