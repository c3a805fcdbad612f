//! Links the kernel with its own script.

fn main() {
    let directory = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    for argument in [
        // A loader relocates the kernel; nothing else is dynamic about it.
        "-pie",
        "--no-dynamic-linker",
        "-ztext",
        // The script alone says what is in which segment.
        "-znorelro",
        "--build-id=none",
        "--hash-style=sysv",
        "-zmax-page-size=4096",
    ] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    println!("cargo:rustc-link-arg-bins=-T{directory}/kernel.ld");
    // The texts of log messages, in a section that is not loaded; in the search path thanks to `defmt`.
    println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    println!("cargo:rerun-if-changed=kernel.ld");
}
