//! Linker arguments.

fn main() {
    pagurus_rt_build::link_component();
}
