//! Decodes the kernel's log: chunks of defmt frames, a stream for each processor.

use crate::cli::LogOptions;
use crate::emulator::file;
use crate::progress::{Paint, note};
use crate::run::kernel_symbols;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use defmt_decoder::{DecodeError, Frame, Locations, StreamDecoder, Table};
use pagurus_protocol::trace_stream::{Decoder, Event};
use rustix::fs::inotify;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// One entry of the log.
#[derive(Debug, Serialize, PartialEq)]
struct Entry {
    cpu: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    level: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
}

/// `tools/pagurus log`.
pub fn log(options: &LogOptions) -> Result<()> {
    let workspace = Workspace::load(&Toolchain::current())?;
    let kernel = kernel_symbols(&workspace)?;
    let strings = Strings::of_kernel(&kernel)?;
    let mut decoding = Decoding::new(&strings, workspace.root());
    let path = workspace.run_directory().join(file::DEFMT);
    let follow = Follow::start(&path, options.follow)?;
    let mut stdout = std::io::stdout().lock();
    let paint = Paint::stdout();
    let ended = follow.each(|bytes| {
        for &byte in bytes {
            for entry in decoding.push(byte) {
                if options.json {
                    writeln!(stdout, "{}", serde_json::to_string(&entry)?)?;
                } else {
                    writeln!(stdout, "{}", entry.text(paint))?;
                }
            }
        }
        stdout.flush()
    });
    match ended {
        // Whoever read us has seen enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
        other => other.context("reading the log")?,
    }
    decoding.report_losses();
    Ok(())
}

/// The lines of a log that lies in a file, without colours.
pub fn lines(kernel: &Path, root: &Path, log: &Path) -> Result<Vec<String>> {
    let strings = Strings::of_kernel(kernel)?;
    let mut decoding = Decoding::new(&strings, root);
    let bytes = std::fs::read(log).with_context(|| format!("reading {}", log.display()))?;
    let entries = bytes.iter().flat_map(|byte| decoding.push(*byte));
    Ok(entries.map(|entry| entry.text(Paint::none())).collect())
}

/// What the log only has numbers for.
struct Strings {
    table: Table,
    locations: Locations,
}

impl Strings {
    fn of_kernel(kernel: &Path) -> Result<Self> {
        let elf = std::fs::read(kernel).with_context(|| format!("reading {}", kernel.display()))?;
        let table = Table::parse(&elf)
            .with_context(|| format!("reading the log's strings from {}", kernel.display()))?
            .with_context(|| format!("{} has no section .defmt", kernel.display()))?;
        let locations = table.get_locations(&elf)?;
        Ok(Self { table, locations })
    }
}

/// The bytes of a file, and those that are still to come.
struct Follow {
    file: File,
    watch: Option<rustix::fd::OwnedFd>,
}

impl Follow {
    fn start(path: &Path, forever: bool) -> Result<Self> {
        let watch = if forever {
            let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
            inotify::add_watch(&watch, path, inotify::WatchFlags::MODIFY)
                .with_context(|| format!("watching {}", path.display()))?;
            Some(watch)
        } else {
            None
        };
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        Ok(Self { file, watch })
    }

    fn each(mut self, mut take: impl FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.file.read(&mut buffer)? {
                0 => {
                    let Some(watch) = &self.watch else {
                        return Ok(());
                    };
                    // What the event says does not matter: the file has grown.
                    rustix::io::read(watch, &mut [0u8; 4096])?;
                }
                count => take(&buffer[..count])?,
            }
        }
    }
}

struct Stream<'t> {
    frames: Box<dyn StreamDecoder + Send + Sync + 't>,
    lost: u32,
    malformed: u64,
}

struct Decoding<'t> {
    table: &'t Table,
    locations: &'t Locations,
    root: &'t Path,
    chunks: Decoder,
    streams: BTreeMap<u8, Stream<'t>>,
}

impl<'t> Decoding<'t> {
    fn new(strings: &'t Strings, root: &'t Path) -> Self {
        Self {
            table: &strings.table,
            locations: &strings.locations,
            root,
            chunks: Decoder::new(),
            streams: BTreeMap::new(),
        }
    }

    /// Takes the next byte; the entries that it completes.
    fn push(&mut self, byte: u8) -> Vec<Entry> {
        match self.chunks.push(byte) {
            None => Vec::new(),
            Some(Event::Chunk(header)) => {
                self.stream(header.cpu).lost = header.lost;
                Vec::new()
            }
            Some(Event::Byte { cpu, byte }) => {
                let (locations, root) = (self.locations, self.root);
                let stream = self.stream(cpu);
                stream.frames.received(&[byte]);
                let mut entries = Vec::new();
                loop {
                    match stream.frames.decode() {
                        Ok(frame) => entries.push(entry(cpu, &frame, locations, root)),
                        Err(DecodeError::UnexpectedEof) => return entries,
                        // The encoding finds the next frame by itself.
                        Err(DecodeError::Malformed) => stream.malformed += 1,
                    }
                }
            }
        }
    }

    fn stream(&mut self, cpu: u8) -> &mut Stream<'t> {
        let table = self.table;
        self.streams.entry(cpu).or_insert_with(|| Stream {
            frames: table.new_stream_decoder(),
            lost: 0,
            malformed: 0,
        })
    }

    fn report_losses(&self) {
        for (cpu, stream) in &self.streams {
            if stream.lost > 0 {
                note(format!(
                    "CPU {cpu} lost {} bytes for want of room in its buffer",
                    stream.lost
                ));
            }
            if stream.malformed > 0 {
                note(format!(
                    "CPU {cpu}: {} entries could not be decoded",
                    stream.malformed
                ));
            }
        }
        if self.chunks.skipped() > 0 {
            note(format!(
                "{} bytes belonged to no chunk",
                self.chunks.skipped()
            ));
        }
    }
}

fn entry(cpu: u8, frame: &Frame<'_>, locations: &Locations, root: &Path) -> Entry {
    let location = locations.get(&frame.index());
    Entry {
        cpu,
        time: frame.display_timestamp().map(|time| time.to_string()),
        level: frame.level().map_or("print", |level| level.as_str()),
        message: frame.display_message().to_string(),
        file: location.map(|l| {
            l.file
                .strip_prefix(root)
                .unwrap_or(&l.file)
                .display()
                .to_string()
        }),
        line: location.map(|l| l.line),
    }
}

impl Entry {
    fn text(&self, paint: Paint) -> String {
        let level = format!("{:5}", self.level);
        let level = match self.level {
            "error" | "warn" => paint.bad(&level),
            _ => paint.bold(&level),
        };
        let time = self.time.as_deref().unwrap_or("-");
        let place = match (&self.file, self.line) {
            (Some(file), Some(line)) => format!(" ({file}:{line})"),
            _ => String::new(),
        };
        format!("{time:>14} cpu{} {level} {}{place}", self.cpu, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_everything_on_one_line() {
        let entry = Entry {
            cpu: 1,
            time: Some("0.000123".into()),
            level: "info",
            message: "two CPUs run".into(),
            file: Some("kernel/image/src/main.rs".into()),
            line: Some(7),
        };
        let text = entry.text(Paint::none());
        assert_eq!(
            text,
            "      0.000123 cpu1 info  two CPUs run (kernel/image/src/main.rs:7)"
        );
    }
}
