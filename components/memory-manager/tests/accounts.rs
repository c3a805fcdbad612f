//! Clients against each other: quotas, stale identifiers, ends.

mod model;

use memory_manager::accounts::{Accounts, Grant, Refusal};
use model::{Model, ModelError};
use proptest::prelude::*;
use std::collections::HashMap;

const QUOTA: u64 = 64 * 1024;

/// What the real manager does: the client gets a capability made from the block.
fn request(
    accounts: &mut Accounts<128, 4>,
    model: &mut Model,
    badge: u64,
    bits: u8,
) -> Result<Grant, Refusal<ModelError>> {
    let grant = accounts.request(badge, bits, model)?;
    model.held.insert(grant.block);
    Ok(grant)
}

fn fresh() -> (Accounts<128, 4>, Model) {
    let (mut accounts, mut model) = (Accounts::new(QUOTA), Model::default());
    let region = accounts.add_region::<ModelError>(0x10_0000, 18).unwrap();
    model.add_region(region, 0x10_0000, 18);
    (accounts, model)
}

#[test]
fn quota_counts_what_is_held() {
    let (mut accounts, mut model) = fresh();
    let first = request(&mut accounts, &mut model, 1, 15).unwrap();
    request(&mut accounts, &mut model, 1, 15).unwrap();
    assert_eq!(
        request(&mut accounts, &mut model, 1, 12),
        Err(Refusal::QuotaExceeded {
            quota: QUOTA,
            used: QUOTA
        })
    );
    // The quota of one client is not that of another.
    assert!(request(&mut accounts, &mut model, 2, 12).is_ok());
    assert_eq!(accounts.give_back(1, first.id, &mut model), Ok(1 << 15));
    assert!(request(&mut accounts, &mut model, 1, 12).is_ok());
    accounts.set_quota::<ModelError>(1, 0).unwrap();
    assert_eq!(
        request(&mut accounts, &mut model, 1, 12),
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
            request(&mut accounts, &mut model, 1, bits),
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
    request(&mut accounts, &mut model, 1, 17).unwrap();
    assert_eq!(
        request(&mut accounts, &mut model, 1, 18),
        Err(Refusal::OutOfMemory { largest: 1 << 17 })
    );
}

#[test]
fn nobody_gives_back_what_is_not_theirs() {
    let (mut accounts, mut model) = fresh();
    let grant = request(&mut accounts, &mut model, 1, 12).unwrap();
    assert_eq!(
        accounts.give_back(2, grant.id, &mut model),
        Err(Refusal::UnknownGrant)
    );
    accounts.give_back(1, grant.id, &mut model).unwrap();
    // The same block goes out again; the old identifier does not name it.
    let again = request(&mut accounts, &mut model, 1, 12).unwrap();
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
    let grants: Vec<_> = (1..=4)
        .map(|badge| request(&mut accounts, &mut model, badge, 12).unwrap())
        .collect();
    assert_eq!(
        request(&mut accounts, &mut model, 5, 12),
        Err(Refusal::TableFull)
    );
    // Client 3 ends: its capability disappears with it, and nobody has to say so.
    model.held.remove(&grants[2].block);
    assert!(request(&mut accounts, &mut model, 5, 12).is_ok());
    assert_eq!(accounts.usage(3).used, 0);
    assert_eq!(accounts.usage(4).used, 1 << 12);
}

#[test]
fn a_client_started_again_has_its_quota_again() {
    let (mut accounts, mut model) = fresh();
    for _ in 0..1000 {
        let grant = request(&mut accounts, &mut model, 1, 16).unwrap();
        model.held.remove(&grant.block);
    }
    assert_eq!(accounts.sweep(&mut model), QUOTA);
    assert_eq!(accounts.totals().free, accounts.totals().total);
    assert_eq!(model.caps.len(), 1);
}

proptest! {
    /// After any history of requests, returns and lost capabilities, usage is right, and in the end every byte is
    /// back.
    #[test]
    fn everything_comes_back(
        steps in prop::collection::vec((1u64..5, 12u8..16, 0u8..3, any::<usize>()), 1..100)
    ) {
        let (mut accounts, mut model) = fresh();
        let mut held: HashMap<u64, Vec<Grant>> = HashMap::new();
        let bytes = |grants: &[Grant]| grants.iter().map(|g| 1u64 << g.bits).sum::<u64>();
        for (badge, bits, action, pick) in steps {
            let mine = held.entry(badge).or_default();
            match action {
                0 if !mine.is_empty() => {
                    let grant = mine.swap_remove(pick % mine.len());
                    prop_assert_eq!(
                        accounts.give_back(badge, grant.id, &mut model),
                        Ok(1 << grant.bits)
                    );
                }
                1 if !mine.is_empty() => {
                    let grant = mine.swap_remove(pick % mine.len());
                    model.held.remove(&grant.block);
                    prop_assert_eq!(accounts.sweep(&mut model), 1 << grant.bits);
                }
                _ => if let Ok(grant) = request(&mut accounts, &mut model, badge, bits) {
                    prop_assert_eq!(grant.bits, bits);
                    mine.push(grant);
                },
            }
            let used = bytes(mine);
            prop_assert!(used <= QUOTA);
            let usage = accounts.usage(badge);
            prop_assert_eq!((usage.used, usage.grants), (used, mine.len() as u32));
        }
        let used: u64 = held.values().map(|grants| bytes(grants)).sum();
        model.held.clear();
        prop_assert_eq!(accounts.sweep(&mut model), used);
        let totals = accounts.totals();
        prop_assert_eq!((totals.free, totals.largest), (totals.total, totals.total));
        prop_assert_eq!(model.caps.len(), 1);
    }
}

#[test]
fn a_sweep_goes_on_after_a_refusal() {
    let (mut accounts, mut model) = fresh();
    for _ in 0..3 {
        request(&mut accounts, &mut model, 1, 12).unwrap();
    }
    model.held.clear();
    model.fail_after = Some(0);
    assert_eq!(accounts.sweep(&mut model), 2 << 12);
    assert_eq!(accounts.usage(1).grants, 1);
    assert_eq!(accounts.sweep(&mut model), 1 << 12);
    assert_eq!(accounts.totals().free, accounts.totals().total);
}
