//! The server's loop against a kernel that plays the clients.

use super::*;
use crate::host::with_kernel;
use crate::syscall::Registers;
use pagurus_abi::Syscall;
use pagurus_abi::syscall::second_cap;
use pagurus_protocol::ping::{Answered, Ping, Pong, Statistics};
use pagurus_protocol::wire::{read_answer, write_request};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// What the kernel answers to a receive.
#[derive(Clone)]
enum Step {
    Message(u64, MessageInfo, Box<wire::Words>),
    /// The answer is refused with this error, then the loop must receive anew.
    Refuse(Error),
}

/// What the server sent as answers.
type Answers = Rc<RefCell<Vec<(MessageInfo, wire::Words)>>>;

fn kernel(mut steps: VecDeque<Step>, answers: Answers) -> impl FnMut(Registers) -> Registers {
    let mut waiting = false;
    move |r| {
        let refuse = |error: Error| Registers {
            rax: error as u64,
            ..Registers::default()
        };
        let buffer = Buffer::current();
        let call = Syscall::from_rax(r.rax).unwrap();
        let answering = match call {
            Syscall::Recv => false,
            Syscall::Reply | Syscall::ReplyRecv => true,
            other => panic!("{other:?}"),
        };
        if call != Syscall::Reply {
            assert_eq!((r.rdi, second_cap(r.rax)), (16, 3));
        }
        if let (Syscall::ReplyRecv, Some(Step::Refuse(error))) = (call, steps.front()) {
            let error = *error;
            waiting = error != Error::NoCaller;
            steps.pop_front();
            return refuse(error);
        }
        if answering {
            if !waiting {
                return refuse(Error::NoCaller);
            }
            waiting = false;
            let mut words = [0; MAX_WORDS];
            store(MessageInfo(r.rsi), r.words, buffer, &mut words);
            answers.borrow_mut().push((MessageInfo(r.rsi), words));
        }
        if call == Syscall::Reply {
            return Registers::default();
        }
        let Some(Step::Message(badge, info, words)) = steps.pop_front() else {
            return refuse(Error::Canceled);
        };
        waiting = true;
        buffer
            .unwrap()
            .write_words(REGISTER_WORDS, &words[REGISTER_WORDS..]);
        Registers {
            rax: 0,
            rdi: badge,
            rsi: info.0,
            words: first_words(&words),
        }
    }
}

fn request<R: Request>(badge: u64, request: &R, tail: &[u8]) -> Step {
    let mut words = [0; MAX_WORDS];
    let info = write_request(request, tail, 0, &mut words).unwrap();
    Step::Message(badge, info, Box::new(words))
}

/// Runs a server that answers pings, and with text to those with text.
fn run(steps: Vec<Step>) -> Vec<(MessageInfo, wire::Words)> {
    let answers = Answers::default();
    let end = with_kernel(kernel(steps.into(), answers.clone()), || {
        serve(Cap::new(16), Cap::new(3), |server, event| match event {
            Event::Request(request) if request.is::<Ping>() => match request.parse::<Ping>() {
                Ok((ping, tail)) => {
                    let pong = Pong {
                        sequence: ping.sequence,
                        payload: request.badge,
                    };
                    server.answer_with(Ok(pong), tail, &[]);
                }
                Err(failure) => server.refuse(failure),
            },
            other => server.refuse_unknown(&other),
        })
    });
    assert_eq!(end, Error::Canceled);
    answers.take()
}

fn answer<R: Request>(sent: &(MessageInfo, wire::Words)) -> Result<(R::Answer, Vec<u8>), Failure> {
    read_answer::<R>(sent.0, &sent.1[..sent.0.words()]).map(|(body, tail)| (body, tail.to_vec()))
}

#[test]
fn short_and_long_requests_are_answered_in_turn() {
    let text = "text ".repeat(300);
    let ping = |sequence| Ping {
        sequence,
        payload: 0,
    };
    let sent = run(vec![
        request(7, &ping(1), &[]),
        request(8, &ping(2), text.as_bytes()),
        request(9, &ping(3), &[]),
    ]);
    let all: Vec<_> = sent.iter().map(|s| answer::<Ping>(s).unwrap()).collect();
    let pong = |sequence, payload| Pong { sequence, payload };
    assert_eq!(all[0], (pong(1, 7), vec![]));
    assert_eq!(all[1], (pong(2, 8), text.into_bytes()));
    assert_eq!(all[2], (pong(3, 9), vec![]));
}

#[test]
fn unknown_and_malformed_requests_are_refused() {
    let mut words = [0; MAX_WORDS];
    let info = write_request(&Ping::default(), &[], 0, &mut words).unwrap();
    let cut = MessageInfo((info.0 & !0xff) | 1);
    let sent = run(vec![
        request(1, &Statistics, &[]),
        Step::Message(1, cut, Box::new(words)),
        Step::Message(1, MessageInfo(!(3 << 12)), Box::new([u64::MAX; MAX_WORDS])),
    ]);
    let reasons: Vec<_> = sent
        .iter()
        .map(|s| answer::<Statistics>(s).unwrap_err().reason)
        .collect();
    assert_eq!(
        reasons,
        [
            Reason::UnknownRequest,
            Reason::Malformed,
            Reason::UnknownRequest
        ]
    );
}

#[test]
fn a_caller_who_went_away_does_not_end_the_loop() {
    let ping = request(1, &Ping::default(), &[]);
    let sent = run(vec![
        ping.clone(),
        Step::Refuse(Error::NoCaller),
        ping.clone(),
    ]);
    assert_eq!(sent.len(), 1);
}

#[test]
fn an_answer_that_the_kernel_refuses_becomes_a_refusal() {
    let ping = request(1, &Ping::default(), &[]);
    let sent = run(vec![ping.clone(), Step::Refuse(Error::EmptySlot), ping]);
    assert_eq!(
        answer::<Ping>(&sent[0]).unwrap_err(),
        Failure::from(Error::EmptySlot)
    );
    assert!(answer::<Ping>(&sent[1]).is_ok());
}

#[test]
fn a_fault_is_decoded_and_stopped() {
    let mut words = [0; MAX_WORDS];
    words[..6].copy_from_slice(&[14, 4, 0xdead_0000, 0x20_0010, 0x7000, 0x202]);
    let info = MessageInfo(MessageInfo::new(FaultKind::Page as u64, 6, 0).0 | MessageInfo::FAULT);
    let answers = Answers::default();
    let seen = Rc::new(RefCell::new(None));
    let keep = seen.clone();
    let steps = [Step::Message(5, info, Box::new(words))];
    with_kernel(kernel(steps.into(), answers.clone()), || {
        serve(Cap::new(16), Cap::new(3), move |server, event| {
            if let Event::Fault(fault) = event {
                *keep.borrow_mut() = Some(fault);
            }
            server.refuse_unknown(&event);
        })
    });
    let fault = seen.take().unwrap();
    assert!(fault.page);
    assert_eq!(
        (fault.badge, fault.vector, fault.code, fault.address),
        (5, 14, 4, 0xdead_0000)
    );
    assert_eq!(
        (fault.rip, fault.rsp, fault.rflags),
        (0x20_0010, 0x7000, 0x202)
    );
    assert_eq!(answers.borrow()[0].0.label(), FaultReply::Stop as u64);
}

#[test]
fn a_signal_needs_no_answer() {
    let signal = Step::Message(
        0b101,
        MessageInfo(MessageInfo::SIGNAL),
        Box::new([0; MAX_WORDS]),
    );
    let answers = Answers::default();
    let mut bits = 0;
    with_kernel(kernel([signal].into(), answers.clone()), || {
        let mut server = Server::new(Cap::new(16), Cap::new(3));
        let mut words = Words::default();
        while let Ok(event) = server.next(&mut words) {
            if let Event::Signal(signals) = event {
                bits = signals;
            }
        }
    });
    assert_eq!(bits, 0b101);
    assert!(answers.borrow().is_empty());
}

#[test]
fn too_many_capabilities_are_refused() {
    let mut server = Server::new(Cap::new(16), Cap::new(3));
    server.answer_with(
        Ok(Answered::default()),
        &[],
        &[CapTransfer::give(1); MAX_CAPS + 1],
    );
    let info = server.answer.unwrap();
    assert_eq!(info.label(), Reason::TooLong as u64);
}
