//! Running other programs.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

/// The program of this name in PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Debian keeps some programs where only root looks.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|directory| directory.join(program))
        .find(|candidate| is_program(candidate))
}

fn is_program(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
}

/// What a program prints; an error with its last words if it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {}", name(command)))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} failed ({}): {}",
            name(command),
            output.status,
            tail(&words, 20)
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} printed something that is not UTF-8", name(command)))
}

/// Runs a program whose output the user sees on the error stream: standard output stays for results.
pub fn run(command: &mut Command) -> Result<()> {
    command.stdout(std::io::stderr());
    let status = command
        .status()
        .with_context(|| format!("starting {}", name(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", line(command));
    }
    Ok(())
}

/// Runs a program with this standard input; did it succeed?
pub fn feed(mut command: Command, input: &[u8]) -> Result<bool> {
    let mut child = command
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", name(&command)))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends before it has read all is judged by its status.
        let _ = stdin.write_all(input);
    }
    Ok(child.wait()?.success())
}

/// How a program with a time limit ended.
pub struct Limited {
    /// Its status; `None` if it was ended because of the limit.
    pub status: Option<ExitStatus>,
    /// What it printed.
    pub stdout: String,
    /// What it printed on the error stream.
    pub stderr: String,
}

/// Runs a program for at most this long.
pub fn run_limited(mut command: Command, limit: Duration) -> Result<Limited> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", name(&command)))?;
    let (sender, ended) = std::sync::mpsc::channel();
    let stdout = collect(child.stdout.take(), sender.clone());
    let stderr = collect(child.stderr.take(), sender);
    // Both streams close when it ends, which drops both senders; nothing is ever sent.
    let in_time = matches!(
        ended.recv_timeout(limit),
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
    );
    if !in_time {
        child.kill()?;
    }
    let status = child.wait()?;
    let text = |thread: JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&thread.join().unwrap_or_default()).into_owned()
    };
    Ok(Limited {
        status: in_time.then_some(status),
        stdout: text(stdout),
        stderr: text(stderr),
    })
}

/// Reads a stream to its end in a thread that holds on to `ended` until then.
fn collect(stream: Option<impl Read + Send + 'static>, ended: Sender<()>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let _ended = ended;
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What came before an error is worth showing.
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// A command as one would type it.
pub fn line(command: &Command) -> String {
    let mut text = name(command);
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_in_path_only() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-here").is_none());
    }

    #[test]
    fn failure_carries_the_last_words() {
        let error = output(Command::new("sh").args(["-c", "echo reason >&2; exit 3"])).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("reason") && text.contains('3'), "{text}");
    }

    #[test]
    fn a_limit_ends_a_program_that_hangs() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2"]);
        let ended = run_limited(command, Duration::from_secs(60)).unwrap();
        assert!(ended.status.unwrap().success());
        assert_eq!(
            (ended.stdout.as_str(), ended.stderr.as_str()),
            ("out\n", "err\n")
        );
        let mut command = Command::new("sleep");
        command.arg("1000");
        let ended = run_limited(command, Duration::from_millis(10)).unwrap();
        assert!(ended.status.is_none());
    }

    #[test]
    fn tail_keeps_the_end() {
        assert_eq!(tail("a\nb\nc", 2), "b\nc");
        assert_eq!(tail("a", 5), "a");
    }
}
