mod boot;
mod check;
mod fuzz;
mod ipc;
mod methods;
mod scene;
