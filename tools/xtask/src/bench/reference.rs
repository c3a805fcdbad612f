//! Figures of other kernels, in the same emulator and counted the same way (QEMU 7.2, `-icount shift=0`).

/// What other kernels need for one of our measurements; an empty text where there is no figure.
pub struct Reference {
    /// Name of the measurement.
    pub name: &'static str,
    /// seL4 (1326364b, fastpath, no mitigations).
    pub sel4: &'static str,
    /// NOVA (2024, -O2).
    pub nova: &'static str,
}

const fn reference(name: &'static str, sel4: &'static str, nova: &'static str) -> Reference {
    Reference { name, sel4, nova }
}

/// In the order in which the table shows them.
pub const REFERENCES: &[Reference] = &[
    reference("ipc_round_trip", "427 to 455", "280"),
    reference("ipc_round_trip_4_words", "469 to 497", "310"),
    reference("signal", "372", "132"),
    reference("wait_signalled", "251", "135"),
    // The sum of the two rows above.
    reference("notification_signal_wait", "623", "267"),
    reference("signal_wait_ping_pong", "2015", "1660"),
    reference("yield", "282", ""),
    reference("retype_frame", "969", ""),
    reference("revoke_per_capability", "385", "314"),
    reference("map_unmap", "1413", "1502"),
    reference("exit_round_trip_cpuid", "", "413"),
    reference("kernel_text_bytes", "75753", "102855"),
    reference("kernel_lines", "18094", "12645"),
];

/// The figures beside a measurement of ours.
pub fn find(name: &str) -> Option<&'static Reference> {
    REFERENCES.iter().find(|r| r.name == name)
}
