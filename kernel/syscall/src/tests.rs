mod boot;
mod fuzz;
