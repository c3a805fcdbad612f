//! Sessions with virtual machines: listing them, and their serial lines.

mod support;

use pagurus_protocol::log::Level;
use pagurus_protocol::root::ComponentState;
use support::session::Session;
use support::{Fake, FakeMachine, Screen};

fn with_machine() -> Fake {
    let mut fake = Fake::new();
    fake.machines.push(FakeMachine::new("ping"));
    fake
}

#[test]
fn machines_are_listed() {
    let mut fake = with_machine();
    fake.machines[0].output = vec![b'x'; 42];
    fake.machines[0].lost = 7;
    assert_eq!(
        Session::with(fake, "vm"),
        "\
MACHINE  UNSEEN OUTPUT     LOST
ping          42 bytes  7 bytes
"
    );
}

#[test]
fn machines_that_are_not_there() {
    assert_eq!(
        Session::run("vm"),
        "error: this system has no virtual machines\n"
    );
    assert_eq!(
        Session::run("vm attach vm0"),
        "error: this system has no virtual machines\n"
    );
    assert_eq!(
        Session::with(with_machine(), "vm attach pong"),
        "error: there is no virtual machine `pong`; did you mean `ping`?\n"
    );
}

#[test]
fn attached_the_terminal_is_the_guests() {
    let mut fake = with_machine();
    fake.components[4].state = ComponentState::Running as u8;
    fake.machines[0].output = b"login: ".to_vec();
    let mut session = Session::start(fake);
    session.send("vm attach ping\r");
    assert!(
        session
            .screen()
            .ends_with("Attached to ping; Ctrl-\\ ends this.\nlogin: "),
        "{}",
        session.screen()
    );
    // Every byte is the guest's, whatever it means to the shell.
    session.send("a\x03\x04\x1b[A\t\r");
    assert_eq!(session.fake.machines[0].input, b"a\x03\x04\x1b[A\t\r");
    session.fake.say(4, Level::Error, "while attached");
    session.news();
    session.fake.machines[0].output = b"root\r\nPassword: ".to_vec();
    session
        .shell
        .machine_output(&mut session.fake, &mut session.out);
    assert!(session.screen().ends_with("login: root\nPassword: "));
    session.send("\x1c");
    assert!(
        session.screen().ends_with(
            "Password: \nDetached from ping.\n\
             [    0.000000] ERROR ping: while attached\n\
             pagurus> "
        ),
        "{}",
        session.screen()
    );
    // Now it waits again.
    session.fake.machines[0].output = b"unseen".to_vec();
    session
        .shell
        .machine_output(&mut session.fake, &mut session.out);
    session.send("uptime\r");
    assert!(!session.screen().contains("unseen"));
    assert_eq!(session.fake.machines[0].input.len(), 8);
}

#[test]
fn losses_and_stopped_machines_are_told() {
    let mut fake = with_machine();
    fake.machines[0].lost = 9;
    fake.machines[0].room = 1;
    let mut session = Session::start(fake);
    session.send("vm attach ping\r");
    assert!(
        session
            .screen()
            .ends_with("It does not run: its VMM is faulted.\n\n[9 bytes of output were lost]\n"),
        "{}",
        session.screen()
    );
    session.send("xy");
    assert_eq!(session.fake.machines[0].input, b"x");
    assert_eq!(Screen::show(&session.out.0).bells, 1);
}
