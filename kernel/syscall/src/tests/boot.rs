//! Booting, and that the checks can fail at all.

use crate::sim::{Setup, System};

#[test]
fn root_runs_after_boot_and_every_invariant_holds() {
    for cpus in [1, 2, 4, 64] {
        let system = System::boot(Setup {
            cpus,
            ..Setup::default()
        });
        assert_eq!(system.running(0), Some(system.root));
    }
}
