//! Ping's binary.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod board;
mod figures;

use board::board;
use figures::Figures;
use pagurus_protocol::ping::Statistics;
use pagurus_protocol::root::System;
use pagurus_protocol::{Failure, Reason};
use pagurus_rt::client::call;
use pagurus_rt::object::Endpoint;
use pagurus_rt::syscall::yield_now;
use pagurus_rt::time::{nanoseconds, ticks};
use pagurus_rt::{Cap, Env};
use ping::{Player, ROUNDS_PER_REPORT, summarise};
use pong::{BOARD_PAYLOAD, BOARD_SEQUENCE};

mod slots {
    include!(concat!(env!("OUT_DIR"), "/slots.rs"));
}

pagurus_rt::entry!(start);

const PONG: Cap<Endpoint> = Cap::new(slots::PONG);

fn start(env: Env) -> Result<(), Failure> {
    let board = board();
    let mut player = Player::new();
    loop {
        let figures = borrow()?;
        for round in 0..ROUNDS_PER_REPORT as usize {
            let ping = player.ping();
            board.store(BOARD_SEQUENCE, ping.sequence);
            board.store(BOARD_PAYLOAD, ping.payload);
            let before = ticks();
            match call(PONG, &ping) {
                Ok(pong) if Player::is_answer(ping, pong) => {}
                Ok(pong) => log::error!("{ping:?} was answered by {pong:?}"),
                // Pong was stopped while we waited; it comes back.
                Err(failure) => {
                    log::warn!("pong did not answer number {}: {failure}", ping.sequence)
                }
            }
            figures.set(round % Figures::room(), ticks() - before);
            // Gives up what is left of this period's budget: one round in each period.
            yield_now();
        }
        report(&player, &figures, env.start.tsc_khz);
        figures.give_back()?;
        provoke();
    }
}

/// Borrows memory for the next figures and sees that it is empty.
fn borrow() -> Result<Figures, Failure> {
    let figures = Figures::borrow(slots::DYNAMIC_FIRST)?;
    if (0..Figures::room()).any(|i| figures.get(i) != 0) {
        log::error!("borrowed memory is not empty: somebody's data could leak this way");
    }
    Ok(figures)
}

fn report(player: &Player, figures: &Figures, tsc_khz: u64) {
    let mut all = [0; ROUNDS_PER_REPORT as usize];
    for (i, figure) in all.iter_mut().enumerate() {
        *figure = nanoseconds(figures.get(i), tsc_khz);
    }
    let Some(summary) = summarise(&mut all) else {
        return;
    };
    match call(PONG, &Statistics) {
        Ok(answered) => log::info!(
            "{} rounds, {} answered by this pong; round trip {} to {} us, median {} us",
            player.rounds(),
            answered.count,
            summary.least / 1000,
            summary.most / 1000,
            summary.median / 1000
        ),
        Err(failure) => log::warn!("pong gives no statistics: {failure}"),
    }
}

/// Sends something that pong must refuse and survive.
fn provoke() {
    match call(PONG, &System) {
        Err(failure) if failure.reason == Reason::UnknownRequest => {}
        other => log::error!("pong took a request that is not its own: {other:?}"),
    }
}
