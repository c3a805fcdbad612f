//! Root.
#![cfg_attr(target_os = "none", no_std, no_main)]

use pagurus_abi::boot::BootInfo;

pagurus_rt::root_entry!(main, heap = 1024 * 1024);

fn main(boot: &'static BootInfo) -> Result<(), pagurus_abi::Error> {
    log::info!("{} modules", boot.modules().len());
    let x = vec_of(boot.module_count);
    log::info!("{x:?}");
    Ok(())
}
extern crate alloc;
fn vec_of(n: u32) -> alloc::vec::Vec<u32> {
    (0..n).collect()
}
