//! Builds, runs, tests and measures Pagurus. Started by `tools/pagurus`.
#![forbid(unsafe_code)]

mod audit;
mod bench;
mod cli;
mod compile;
mod control;
mod emulator;
mod gdb;
mod graph;
mod guest;
mod harness;
mod iso;
mod log;
mod plain_text;
mod process;
mod progress;
mod run;
mod setup;
mod system;
mod terminal;
mod test;
mod toolchain;
mod workspace;

use anyhow::Result;
use clap::Parser;
use cli::{Choice, Cli, Command};
use progress::{Paint, note};
use setup::Need;
use std::process::ExitCode;
use workspace::Workspace;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(&cli.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{} {error:#}", Paint::stderr().bad("error:"));
            // Different from "it ran and found something".
            ExitCode::from(2)
        }
    }
}

/// Does what was asked for; was it good?
fn dispatch(command: &Command) -> Result<bool> {
    match command {
        Command::Run(options) => run::run(options)?,
        Command::Test(options) => return test::test(options),
        Command::Iso(choice) => write_iso(choice)?,
        Command::Bench(options) => bench::bench(options)?,
        Command::Graph(options) => graph::graph(options)?,
        Command::Audit(options) => return audit::audit(options),
        Command::Log(options) => log::log(options)?,
        Command::Guest(options) => guest::guest(&options.command)?,
        Command::Setup => set_up()?,
        Command::Build(choice) => build(choice)?,
        Command::Gdb(options) => gdb::gdb(&options.clone().with_debugger())?,
    }
    Ok(true)
}

fn set_up() -> Result<()> {
    setup::ensure(&Need::ALL)?;
    note("everything is there");
    Ok(())
}

fn build(choice: &Choice) -> Result<()> {
    let toolchain = setup::ensure(&[Need::Iso])?;
    let workspace = Workspace::load(&toolchain)?;
    let system = choice.system(&workspace)?;
    let files = compile::build(&workspace, &toolchain, &system)?;
    for module in &files.modules {
        println!("{:16} {}", module.name, module.file.display());
    }
    Ok(())
}

fn write_iso(choice: &Choice) -> Result<()> {
    let toolchain = setup::ensure(&[Need::Iso])?;
    let workspace = Workspace::load(&toolchain)?;
    let system = choice.system(&workspace)?;
    let files = compile::build(&workspace, &toolchain, &system)?;
    let iso = workspace.target().join("pagurus.iso");
    iso::write(
        &files,
        &iso,
        &workspace.output().join(system.name()).join("iso"),
    )?;
    println!("{}", iso.display());
    Ok(())
}
