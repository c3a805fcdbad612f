//! A session with the shell.

use super::{Fake, Screen, Sent};
use console::shell::Shell;

/// A shell with a fake system around it, and everything that it wrote.
pub struct Session {
    pub shell: Shell,
    pub fake: Fake,
    pub out: Sent,
}

impl Session {
    pub fn start(fake: Fake) -> Self {
        let mut session = Session {
            shell: Shell::new(),
            fake,
            out: Sent::default(),
        };
        session.shell.start(42, &mut session.fake, &mut session.out);
        session
    }

    pub fn send(&mut self, bytes: &str) -> &mut Self {
        for byte in bytes.bytes() {
            self.shell.push(byte, &mut self.fake, &mut self.out);
        }
        self
    }

    pub fn news(&mut self) -> &mut Self {
        self.shell.news(&mut self.fake, &mut self.out);
        self
    }

    /// What the screen shows from the `n`-th prompt on.
    pub fn screen(&self) -> String {
        Screen::show(&self.out.0).text()
    }

    /// What a command shows, without prompt and echo.
    pub fn run(command: &str) -> String {
        Session::with(Fake::new(), command)
    }

    pub fn with(fake: Fake, command: &str) -> String {
        let mut session = Session::start(fake);
        session.send(&format!("{command}\r"));
        let screen = session.screen();
        let start = screen.find(&format!("pagurus> {command}\n")).unwrap();
        let rest = &screen[start + 10 + command.len()..];
        rest.strip_suffix("pagurus> ").unwrap().to_string()
    }
}
