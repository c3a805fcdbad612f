//! Sessions from the first byte to the last, as a person sees them.

mod support;

use pagurus_protocol::log::Level;
use pagurus_protocol::root::{AuditText, ComponentState};
use pagurus_protocol::{Failure, Reason};
use support::session::Session;
use support::{Fake, Screen};

#[test]
fn banner_ready_line_and_prompt() {
    assert_eq!(
        Session::start(Fake::new()).screen(),
        "\nPagurus 0.1.0, 2 processors, 255 MiB of memory, 4 components\n\
         Type `help` for the commands, Tab to complete them.\n\
         CONSOLE READY tsc=42\n\
         pagurus> "
    );
}

#[test]
fn warnings_from_before_the_start_are_shown() {
    let mut fake = Fake::new();
    fake.say(1, Level::Info, "nothing special");
    fake.say(4, Level::Error, "page fault at 0x0");
    let screen = Session::start(fake).screen();
    assert!(
        screen.contains("\n[    0.001000] ERROR ping: page fault at 0x0\nCONSOLE READY"),
        "{screen}"
    );
    assert!(!screen.contains("nothing special"));
}

#[test]
fn ps() {
    assert_eq!(
        Session::run("ps"),
        "\
ID  NAME            STATE    THREAD     PRIO  CPU     TIME   MEMORY  RESTARTS
 0  root            running  receiving   100    0     0 ns  256 KiB         0
 1  log             running  receiving   101    1  12.3 ms  512 KiB         0
 2  memory-manager  running  receiving   102    0  24.6 ms    1 MiB         0
 3  console         running  ready       103    1  37.0 ms    2 MiB         0
 4  ping            faulted  inactive    104    0  49.3 ms    4 MiB         3
"
    );
}

#[test]
fn caps() {
    assert_eq!(
        Session::run("caps ping"),
        "\
SLOT  NAME       KIND      RIGHTS        BADGE      SIZE  DEPTH  FLAGS  OBJECT  MAPPED AT
   1  own cnode  cnode     rw--                 64 slots      2  o      100040
   2  log        endpoint  -w-g            0x4                2         100080
  16             frame     r---                    4 KiB      2         100400  0x70000000
  17             io-port   rw--    0x3f8-0x3ff                2         100440
"
    );
}

#[test]
fn mem() {
    assert_eq!(
        Session::run("mem"),
        "\
Memory of the machine
  total                  255 MiB
  components              12 MiB
  shared                  64 KiB
  boot modules           1.5 MiB
  free                    40 MiB
  largest free piece      32 MiB
  device addresses         1 GiB
Memory manager
  total                  200 MiB
  granted                  3 MiB
  largest free piece     128 MiB

CLIENT       USED   QUOTA  GRANTS
ping        3 MiB  16 MiB       2
badge 0x77    0 B   1 MiB       0
"
    );
}

#[test]
fn mem_without_memory_manager() {
    let mut fake = Fake::new();
    fake.pool = Err(Failure::from(Reason::Unavailable));
    let text = Session::with(fake, "mem");
    assert!(
        text.ends_with("The memory manager gives no figures: not available on this system\n"),
        "{text}"
    );
}

#[test]
fn log_shows_the_last_lines_in_order() {
    let mut fake = Fake::new();
    for i in 0..10 {
        let level = if i % 3 == 0 { Level::Warn } else { Level::Info };
        fake.say(1 + i % 2, level, &format!("line {i}"));
    }
    assert_eq!(
        Session::with(fake, "log -n 2"),
        "[    0.008000] INFO  log: line 8\n[    0.009000] WARN  memory-manager: line 9\n"
    );
}

#[test]
fn log_filters_by_level_and_component() {
    let mut fake = Fake::new();
    for i in 0..10 {
        let level = if i % 3 == 0 { Level::Warn } else { Level::Info };
        fake.say(1 + i % 2, level, &format!("line {i}"));
    }
    // Lines 0, 3, 6, 9 are warnings; 0 and 6 are from the log itself.
    let text = Session::with(fake, "log -l warn log -n 1");
    assert_eq!(text, "[    0.006000] WARN  log: line 6\n");
}

#[test]
fn log_of_an_unknown_component() {
    assert_eq!(
        Session::run("log pingg"),
        "error: there is no component `pingg`; did you mean `ping`?\n"
    );
}

#[test]
fn log_follows_until_interrupted() {
    let mut session = Session::start(Fake::new());
    session.fake.say(4, Level::Info, "before");
    session.send("log -f\r");
    session.fake.say(4, Level::Info, "one");
    session.news();
    // Keys other than those that end it do nothing.
    session.send("ps\x1b[A");
    session.fake.say(4, Level::Debug, "two");
    session.news().news();
    session.send("\x03");
    session.fake.say(4, Level::Info, "after");
    session.news();
    assert!(
        session.screen().ends_with(
            "pagurus> log -f\n\
             [    0.000000] INFO  ping: before\n\
             (Ctrl-C or q ends this)\n\
             [    0.001000] INFO  ping: one\n\
             [    0.002000] DEBUG ping: two\n\
             pagurus> "
        ),
        "{}",
        session.screen()
    );
}

#[test]
fn news_leave_the_line_being_typed_alone() {
    let mut session = Session::start(Fake::new());
    session.fake.say(1, Level::Warn, "early");
    session.news().send("caps pin\x1b[D\x1b[D");
    session.fake.say(4, Level::Info, "not worth interrupting");
    session.news();
    session.fake.say(4, Level::Warn, "budget exhausted");
    session.news().send("X");
    let screen = Screen::show(&session.out.0);
    assert!(
        screen
            .text()
            .ends_with("[    0.002000] WARN  ping: budget exhausted\npagurus> caps pXin"),
        "{}",
        screen.text()
    );
    assert_eq!(screen.column, "pagurus> caps pX".len());
}

#[test]
fn the_first_news_ever_does_not_eat_the_prompt() {
    let mut session = Session::start(Fake::new());
    session.send("caps pi");
    session.fake.say(4, Level::Warn, "hello");
    session.news();
    assert!(
        session
            .screen()
            .ends_with("\n[    0.000000] WARN  ping: hello\npagurus> caps pi"),
        "{}",
        session.screen()
    );
}

#[test]
fn echo_can_be_set() {
    let mut session = Session::start(Fake::new());
    session.fake.say(4, Level::Info, "from before the setting");
    session.send("echo info\r");
    session.fake.say(4, Level::Info, "now");
    session.news();
    let screen = session.screen();
    assert!(screen.contains("Log lines of level INFO and worse appear.\n"));
    assert!(screen.contains("INFO  ping: now\n"));
    assert!(!screen.contains("from before"));
    session.send("echo off\r");
    session.fake.say(4, Level::Error, "unheard");
    session.news();
    assert!(!session.screen().contains("unheard"));
}

#[test]
fn a_restarted_collector_is_followed() {
    let mut session = Session::start(Fake::new());
    for i in 0..5 {
        session.fake.say(4, Level::Warn, &format!("old {i}"));
    }
    session.news();
    session.fake.lines.clear();
    session.fake.end = 0;
    session.fake.say(1, Level::Warn, "I am new here");
    session.news();
    assert!(session.screen().contains("WARN  log: I am new here\n"));
}

#[test]
fn dropped_lines_are_told() {
    let mut session = Session::start(Fake::new());
    session.send("log -f\r");
    for i in 0..6 {
        session.fake.say(4, Level::Info, &format!("line {i}"));
    }
    session.fake.lines.drain(1..4);
    session.news();
    assert!(
        session
            .screen()
            .ends_with("line 5\n(3 older lines made room for newer ones)\n"),
        "{}",
        session.screen()
    );
}

#[test]
fn a_stopped_server_is_not_waited_for() {
    for (server, command) in [(1, "log"), (1, "log -f"), (2, "mem")] {
        let mut fake = Fake::new();
        fake.components[server].state = ComponentState::Faulted as u8;
        let name = fake.components[server].name;
        let text = Session::with(fake, command);
        assert!(
            text.ends_with(&format!(
                "error: `{name}` does not run, and nobody else can answer; \
                 `restart {name}` starts it anew\n"
            )),
            "{text}"
        );
    }
}

#[test]
fn restart() {
    let mut session = Session::start(Fake::new());
    session.send("restart ping\r");
    assert!(session.screen().contains("\nping was started anew.\n"));
    assert_eq!(session.fake.restarted, [4]);
    let mut fake = Fake::new();
    fake.denied = true;
    assert_eq!(
        Session::with(fake, "restart ping"),
        "error: cannot restart it: not permitted; the system's description must give the console \
         that capability\n"
    );
}

#[test]
fn restart_of_the_console_and_of_root() {
    let mut session = Session::start(Fake::new());
    session.send("restart console\r");
    assert!(
        session
            .screen()
            .contains("\nThe console is started anew.\n")
    );
    assert_eq!(session.fake.restarted, [3]);
    session.send("restart root\r");
    assert!(
        session.screen().contains(
            "\nerror: root holds the system together and cannot be restarted; `shutdown` ends the machine\n"
        )
    );
    assert_eq!(session.fake.restarted, [3]);
}

#[test]
fn audit() {
    assert_eq!(
        Session::run("audit"),
        "No differences: all 321 capabilities are as described.\n"
    );
    let mut fake = Fake::new();
    for (component, slot) in [(4, 16), (99, 2)] {
        fake.differences.push(AuditText { component, slot });
    }
    assert_eq!(
        Session::with(fake, "audit"),
        "\
COMPONENT   SLOT  DIFFERENCE
ping          16  an endpoint that the description does not have
badge 0x63     2  an endpoint that the description does not have
2 differences in 321 capabilities.
"
    );
}

#[test]
fn check() {
    assert_eq!(
        Session::run("check"),
        "All invariants hold over 654 capabilities.\n"
    );
    let mut fake = Fake::new();
    fake.broken = 5;
    assert_eq!(
        Session::with(fake, "check"),
        "BROKEN: invariant 5 (overlap) at 0x1234, after 654 capabilities.\n"
    );
}

#[test]
fn cpus() {
    assert_eq!(
        Session::run("cpus"),
        "\
CPU     TIME  COMPONENTS  NAMES
  0  74.0 ms           3  root, memory-manager, ping
  1  49.3 ms           2  log, console
"
    );
}

#[test]
fn version_and_uptime() {
    assert_eq!(
        Session::run("version"),
        "Pagurus 0.1.0 on 2 processors at 2000 MHz, 4 components from 9 boot modules\n"
    );
    assert_eq!(
        Session::run("uptime"),
        "up 01:02:03, 123456 system calls, 789 interrupts\n"
    );
}

#[test]
fn shutdown() {
    let mut session = Session::start(Fake::new());
    session.send("shutdown 3\r");
    assert!(session.screen().contains("The machine shuts down.\n"));
    assert_eq!(session.fake.shut_down, Some(3));
}

#[test]
fn help_fits_the_screen_and_has_every_command() {
    let text = Session::run("help");
    for command in console::command::COMMANDS {
        assert!(text.contains(&format!("\n  {} ", command.name)) || text.starts_with("  help"));
    }
    assert!(text.lines().count() < 24);
    assert!(text.lines().all(|l| l.len() < 80), "{text}");
    assert_eq!(
        Session::run("help uptime"),
        "uptime: tell how long it has been running\n"
    );
}

#[test]
fn slips_get_a_suggestion() {
    assert_eq!(
        Session::run("cpas ping"),
        "error: there is no command `cpas`; did you mean `caps`?\n"
    );
    assert_eq!(
        Session::run("caps memory-manger"),
        "error: there is no component `memory-manger`; did you mean `memory-manager`?\n"
    );
    assert_eq!(
        Session::run("caps zzz"),
        "error: there is no component `zzz`; `ps` lists them\n"
    );
}

#[test]
fn tab_completes() {
    let mut session = Session::start(Fake::new());
    session.send("rest\tpi\t");
    assert!(session.screen().ends_with("pagurus> restart ping "));
    session.send("\x15caps \t");
    assert!(
        session
            .screen()
            .ends_with("root  log  memory-manager  console  ping  \npagurus> caps "),
        "{}",
        session.screen()
    );
    session.send("x\t");
    assert_eq!(Screen::show(&session.out.0).bells, 1);
}

#[test]
fn history_comes_back() {
    let mut session = Session::start(Fake::new());
    session.send("uptime\rversion\rdraft\x1b[A\x1b[A");
    assert!(session.screen().ends_with("pagurus> uptime"));
    session.send("\x1b[B\x1b[B");
    assert!(session.screen().ends_with("pagurus> draft"));
}

#[test]
fn colours_only_when_asked_for() {
    let mut fake = Fake::new();
    fake.say(4, Level::Error, "red");
    let mut session = Session::start(fake);
    session.send("ps\rnonsense\rlog\raudit\r");
    assert!(!session.out.0.contains("\x1b[3"), "colour without asking");
    session.send("color on\rlog\rnonsense\r");
    assert!(session.out.0.contains("\x1b[31mERROR\x1b[0m"));
    assert!(session.out.0.contains("\x1b[31merror:\x1b[0m"));
    let coloured = session.out.0.len();
    session.send("color off\rlog\r");
    assert!(!session.out.0[coloured..].contains("\x1b[3"));
}

#[test]
fn ctrl_c_gives_the_line_up() {
    let mut session = Session::start(Fake::new());
    session.send("shutdown\x03ps");
    assert!(
        session
            .screen()
            .ends_with("pagurus> shutdown^C\npagurus> ps")
    );
    assert_eq!(session.fake.shut_down, None);
}

#[test]
fn ctrl_d_explains_itself() {
    let mut session = Session::start(Fake::new());
    session.send("\x04");
    assert!(
        session
            .screen()
            .ends_with("Nobody can log out here; `shutdown` ends the machine.\npagurus> ")
    );
}
