//! Linker arguments, and constants for the slots that the system's description fills.

fn main() {
    pagurus_rt_build::link_component();
    pagurus_capdl_slots::build("vmm", "capdl/systems/vms.toml");
}
