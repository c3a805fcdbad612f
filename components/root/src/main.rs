//! Root's binary; see the library of the same package.
#![cfg_attr(target_os = "none", no_std, no_main)]

pagurus_rt::root_entry!(pagurus_root::run::run, heap = 1024 * 1024);
