//! Pong's binary.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod board;

use board::board;
use pagurus_abi::Error;
use pagurus_protocol::Reason;
use pagurus_protocol::ping::{Ping, Statistics};
use pagurus_protocol::slots::REPLY;
use pagurus_rt::server::{Event, serve};
use pagurus_rt::{Cap, Env};
use pong::{BOARD_PAYLOAD, BOARD_SEQUENCE, Referee, Remark};

mod slots {
    include!(concat!(env!("OUT_DIR"), "/slots.rs"));
}

pagurus_rt::entry!(start);

fn start(_: Env) -> Result<(), Error> {
    let board = board();
    let read = |word| board.load(word).unwrap_or(0);
    let mut referee = Referee::new();
    let ended = serve(
        Cap::new(slots::REQUESTS),
        Cap::new(REPLY),
        |server, event| {
            let Event::Request(request) = event else {
                return server.refuse_unknown(&event);
            };
            if request.is::<Ping>() {
                let ping = match request.parse::<Ping>() {
                    Ok((ping, [])) => ping,
                    Ok(_) => return server.refuse(Reason::Malformed),
                    Err(failure) => return server.refuse(failure),
                };
                let shown = (read(BOARD_SEQUENCE), read(BOARD_PAYLOAD));
                let (pong, remark) = referee.answer(ping, shown);
                // The answer is only prepared here: logging first keeps the caller waiting, not confused.
                match remark {
                    Remark::Fine => {}
                    Remark::First => log::info!("ping is there, and begins at {}", ping.sequence),
                    Remark::Skipped(n) => {
                        log::warn!("{n} pings before number {} went missing", ping.sequence)
                    }
                    Remark::BoardDiffers => {
                        log::warn!("page and message differ: {shown:?} and {ping:?}")
                    }
                }
                server.answer(Ok(pong));
            } else if request.is::<Statistics>() {
                server.answer(request.parse::<Statistics>().map(|_| referee.statistics()));
            }
        },
    );
    Err(ended)
}
