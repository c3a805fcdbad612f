//! The line to a running system for host tools: its third serial line, a socket here.
//!
//! A command is a line of text. Its answer is a line of JSON for each record, and then a status: an object
//! with `ok`, and `error` if that is false.

use crate::emulator::file;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longest silence before an answer, or between two lines of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open line.
pub struct Control {
    stream: BufReader<UnixStream>,
}

impl Control {
    /// Connects to the system that `tools/pagurus run` started.
    pub fn connect(workspace: &Workspace) -> Result<Self> {
        Self::connect_in(&workspace.run_directory())
    }

    /// Connects to the system whose files lie in this directory.
    pub fn connect_in(directory: &Path) -> Result<Self> {
        const NONE: &str = "no system runs; start one with `tools/pagurus run`";
        let Ok(place) = File::open(directory) else {
            bail!(NONE);
        };
        // A socket's path has room for 107 bytes; the directory's may be longer.
        let path = format!("/proc/self/fd/{}/{}", place.as_raw_fd(), file::CONTROL);
        let stream = match UnixStream::connect(path) {
            Ok(stream) => stream,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused
                ) =>
            {
                bail!(NONE)
            }
            Err(error) => return Err(error).context("connecting to the running system"),
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends a command and returns its answer; a refusal is an error.
    pub fn request(&mut self, command: &str) -> Result<Vec<Value>> {
        writeln!(self.stream.get_mut(), "{command}").context("asking the running system")?;
        let mut records = Vec::new();
        loop {
            let line = self.line()?;
            let value: Value = serde_json::from_str(line.trim())
                .with_context(|| format!("the system answered {line:?}, which is not JSON"))?;
            match value.get("ok") {
                None => records.push(value),
                Some(Value::Bool(true)) => return Ok(records),
                Some(_) => bail!(
                    "the system refused `{command}`: {}",
                    value["error"].as_str().unwrap_or("it does not say why")
                ),
            }
        }
    }

    /// The next line that is not empty.
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        loop {
            line.clear();
            match self.stream.read_line(&mut line) {
                Ok(0) => bail!("the system ended before it answered"),
                Ok(_) if line.trim().is_empty() => {}
                Ok(_) => return Ok(line),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    bail!(
                        "the system did not answer within {} s: it still boots, it hangs, \
                     or another tool uses the line",
                        PATIENCE.as_secs()
                    )
                }
                Err(error) => return Err(error).context("reading the system's answer"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn directory(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("pagurus-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// A system that takes one command and answers with these lines.
    fn ask(name: &str, answer: &'static str) -> (Result<Vec<Value>>, String) {
        let place = directory(name);
        let listener = UnixListener::bind(place.join(file::CONTROL)).unwrap();
        let system = std::thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            line
        });
        let answer = Control::connect_in(&place).unwrap().request("audit");
        std::fs::remove_dir_all(place).unwrap();
        (answer, system.join().unwrap())
    }

    #[test]
    fn an_answer_is_records_and_a_status() {
        let (answer, asked) = ask(
            "answer",
            "\r\n{\"record\":\"audit\",\"differences\":0}\r\n{\"ok\":true}\n",
        );
        assert_eq!(asked, "audit\n");
        let records = answer.unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!(records[0]["differences"], 0);
    }

    #[test]
    fn refusals_and_broken_answers_are_errors() {
        let (refused, _) = ask("refused", "{\"ok\":false,\"error\":\"no such command\"}\n");
        assert!(refused.unwrap_err().to_string().contains("no such command"));
        let (noise, _) = ask("noise", "hello\n");
        assert!(noise.unwrap_err().to_string().contains("not JSON"));
        let (cut, _) = ask("cut", "{\"record\":\"audit\"}\n");
        assert!(cut.unwrap_err().to_string().contains("ended"));
    }

    #[test]
    fn no_system_is_said_so() {
        let place = directory("no-system");
        let error = Control::connect_in(&place).err().unwrap();
        assert!(error.to_string().contains("no system runs"));
        std::fs::remove_dir_all(place).unwrap();
    }
}
