//! Links the loader at 1 MiB with its own script.

fn main() {
    let directory = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    // GRUB loads to fixed physical addresses, and the 32-bit entry needs them.
    println!("cargo:rustc-link-arg-bins=--no-pie");
    println!("cargo:rustc-link-arg-bins=-T{directory}/loader.ld");
    println!("cargo:rerun-if-changed=loader.ld");
}
