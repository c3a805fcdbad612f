mod boot;
mod fuzz;
mod ipc;
mod scene;
