//! From TOML to a description, or to a list of all that is wrong with it.

use super::Description;
use super::file::{DiskTable, ModuleTable, NetTable, VmTable};
use crate::spec::{Disk, DiskContents, FileIndex, Mac, Module, Net, VmSpec};
use crate::{check, limit};
use pagurus_capdl_spec::{Diagnostic, Diagnostics, Source, Spanned, syntax_error};
use std::ops::Range;
use std::path::{Path, PathBuf};
use twox_hash::XxHash3_64;

/// Network of a card for which none is named, and CPU profile of a VM for which none is named.
const DEFAULT: &str = "default";
/// MTU of a card for which none is said: Ethernet's.
const DEFAULT_MTU: u16 = 1500;

impl Description {
    /// Reads the description in file `path`. The files that it names are found and measured, not read.
    ///
    /// # Errors
    /// Everything that is wrong, with line and remedy.
    pub fn read(path: &Path) -> Result<Description, Diagnostics> {
        let source = Source::read(path).map_err(|error| {
            Diagnostic::of_file(path, "file", format!("cannot be read: {error}")).with_help(
                "name the description of a VM, such as target/pagurus/guests/debian/vm.toml",
            )
        })?;
        Description::parse(&source)
    }

    /// The same for a text that was read already; the files that it names are found beside its path.
    ///
    /// # Errors
    /// Everything that is wrong, with line and remedy.
    pub fn parse(source: &Source) -> Result<Description, Diagnostics> {
        let table = toml::from_str(source.text()).map_err(|error| syntax_error(source, &error))?;
        let mut reading = Reading {
            source,
            files: Vec::new(),
            wrong: Diagnostics::default(),
        };
        let spec = reading.vm(table);
        let files = reading.files.into_iter().map(|(path, _)| path).collect();
        if reading.wrong.is_empty() {
            Ok(Description { spec, files })
        } else {
            Err(reading.wrong.sorted())
        }
    }
}

/// What was found so far.
struct Reading<'a> {
    source: &'a Source,
    /// Files with their lengths.
    files: Vec<(PathBuf, u64)>,
    wrong: Diagnostics,
}

impl Reading<'_> {
    fn fault(&mut self, rule: &'static str, span: Range<usize>, message: String, help: String) {
        let diagnostic = Diagnostic::new(self.source, rule, span, message).with_help(help);
        self.wrong.push(diagnostic);
    }

    fn vm(&mut self, table: VmTable) -> VmSpec {
        let name = self.name("name", table.name);
        let memory = table.memory.get_ref().0;
        if !check::is_memory(memory) {
            self.fault(
                "memory",
                table.memory.span(),
                format!("a VM cannot have {} of memory", table.memory.get_ref()),
                format!(
                    "write {}M to {}G, a multiple of 4K",
                    limit::MIN_MEMORY >> 20,
                    limit::MAX_MEMORY >> 30
                ),
            );
        }
        let vcpus = table.vcpus.map_or(1, |vcpus| {
            if !(1..=limit::MAX_VCPUS).contains(vcpus.get_ref()) {
                self.fault(
                    "vcpus",
                    vcpus.span(),
                    format!("a VM cannot have {} virtual processors", vcpus.get_ref()),
                    format!("write 1 to {}", limit::MAX_VCPUS),
                );
            }
            vcpus.into_inner()
        });
        self.at_most(
            "module",
            table.module.get(limit::MAX_MODULES),
            limit::MAX_MODULES,
        );
        self.at_most("disk", table.disk.get(limit::MAX_DISKS), limit::MAX_DISKS);
        self.at_most("net", table.net.get(limit::MAX_NETS), limit::MAX_NETS);
        VmSpec {
            memory,
            vcpus,
            kernel: self.loaded(table.kernel),
            kind: table.kind.map(Into::into),
            initrd: table.initrd.map(|path| self.loaded(path)),
            modules: self.each(table.module, Reading::module),
            command_line: self.command_line(table.command_line),
            devices: table.devices.into(),
            disks: self.each(table.disk, Reading::disk),
            nets: table
                .net
                .into_iter()
                .enumerate()
                .map(|(n, net)| self.net(&name, n, net.into_inner()))
                .collect(),
            test_devices: table.test_devices.into(),
            cpu_profile: match table.cpu {
                Some(cpu) => self.name("cpu", cpu),
                None => DEFAULT.to_string(),
            },
            name,
        }
    }

    fn each<T, U>(
        &mut self,
        tables: Vec<Spanned<T>>,
        one: impl Fn(&mut Self, Range<usize>, T) -> U,
    ) -> Vec<U> {
        let tables = tables.into_iter();
        tables
            .map(|table| one(self, table.span(), table.into_inner()))
            .collect()
    }

    /// `extra` is the first table of its kind that is too many.
    fn at_most<T>(&mut self, what: &str, extra: Option<&Spanned<T>>, most: usize) {
        if let Some(extra) = extra {
            let message = format!("a VM cannot have more than {most} tables `[[{what}]]`");
            self.fault("count", extra.span(), message, "leave out some".to_string());
        }
    }

    fn name(&mut self, key: &str, name: Spanned<String>) -> String {
        if !check::is_name(name.get_ref()) {
            self.fault(
                "name",
                name.span(),
                format!("`{}` cannot be the {key}", name.get_ref()),
                format!("write 1 to {} of a to z, 0 to 9 and `-`", limit::MAX_NAME),
            );
        }
        name.into_inner()
    }

    fn command_line(&mut self, line: Option<Spanned<String>>) -> String {
        let Some(line) = line else {
            return String::new();
        };
        if !check::is_command_line(line.get_ref()) {
            let length = line.get_ref().len();
            self.fault(
                "command-line",
                line.span(),
                format!(
                    "a command line of {length} bytes, or one with a zero byte, cannot be passed"
                ),
                format!(
                    "write at most {} bytes without \\u0000",
                    limit::MAX_COMMAND_LINE
                ),
            );
        }
        line.into_inner()
    }

    /// The number and length of a file, which is added if it is new.
    fn file(&mut self, path: &Spanned<PathBuf>) -> (FileIndex, u64) {
        let folder = self.source.path().parent().unwrap_or(Path::new(""));
        let full = folder.join(path.get_ref());
        let known = self.files.iter().position(|(known, _)| *known == full);
        if let Some(n) = known {
            return (FileIndex(n as u32), self.files[n].1);
        }
        let fault = match std::fs::metadata(&full) {
            Ok(metadata) if metadata.is_file() => {
                self.files.push((full, metadata.len()));
                let index = FileIndex(self.files.len() as u32 - 1);
                return (index, metadata.len());
            }
            Ok(_) => "is no file".to_string(),
            Err(error) => format!("cannot be read: {error}"),
        };
        self.fault(
            "file",
            path.span(),
            format!("`{}` {fault}", full.display()),
            "name a file that is beside the description, or its whole path".to_string(),
        );
        // Never seen: the description is refused. Not empty, so that this is the only fault found.
        (FileIndex(0), limit::SECTOR)
    }

    /// A file that is loaded into the guest's memory.
    fn loaded(&mut self, path: Spanned<PathBuf>) -> FileIndex {
        let (index, length) = self.file(&path);
        if length == 0 {
            let message = format!("`{}` is empty", path.get_ref().display());
            let help = "name a kernel, initrd or module with contents".to_string();
            self.fault("file", path.span(), message, help);
        }
        index
    }

    fn module(&mut self, _: Range<usize>, table: ModuleTable) -> Module {
        Module {
            file: self.loaded(table.file),
            command_line: self.command_line(table.command_line),
        }
    }

    fn disk(&mut self, span: Range<usize>, table: DiskTable) -> Disk {
        let contents = match (table.file, table.size) {
            (Some(path), None) => {
                let (index, length) = self.file(&path);
                let shown = path.get_ref().display();
                self.disk_size(
                    path.span(),
                    length,
                    format!("round it up by `truncate --size=%512 {shown}`"),
                );
                DiskContents::File(index)
            }
            (None, Some(size)) => {
                let bytes = size.get_ref().0;
                self.disk_size(size.span(), bytes, "write for example \"64M\"".to_string());
                DiskContents::Blank(bytes)
            }
            (file, _) => {
                let message = match file {
                    Some(_) => "a disk has either `file` or `size`, not both",
                    None => "a disk needs `file` or `size`",
                };
                let help = "`file` is an image, `size` a disk of zeroes".to_string();
                self.fault("disk", span, message.to_string(), help);
                DiskContents::Blank(0)
            }
        };
        let serial = table.serial.map_or(String::new(), |serial| {
            if !check::is_serial(serial.get_ref()) {
                self.fault(
                    "disk",
                    serial.span(),
                    format!("`{}` cannot be a disk's serial", serial.get_ref()),
                    format!(
                        "write at most {} printable ASCII characters",
                        limit::MAX_SERIAL
                    ),
                );
            }
            serial.into_inner()
        });
        Disk {
            contents,
            read_only: table.read_only,
            serial,
        }
    }

    fn disk_size(&mut self, span: Range<usize>, bytes: u64, help: String) {
        if !check::is_disk_size(bytes) {
            let message = format!(
                "a disk of {bytes} bytes is not a whole number of sectors of 512 bytes, or has none"
            );
            self.fault("disk", span, message, help);
        }
    }

    /// Card `n` of the VM of that name.
    fn net(&mut self, vm: &str, n: usize, table: NetTable) -> Net {
        let macs = match table.macs {
            Some(macs) => self.macs(macs),
            None => vec![usual_mac(vm, n)],
        };
        let mtu = table.mtu.map_or(DEFAULT_MTU, |mtu| {
            if !limit::MTU.contains(mtu.get_ref()) {
                let message = format!("the MTU cannot be {}", mtu.get_ref());
                let help = format!("write {} to {}", limit::MTU.start(), limit::MTU.end());
                self.fault("net", mtu.span(), message, help);
            }
            mtu.into_inner()
        });
        Net {
            network: match table.network {
                Some(network) => self.name("network", network),
                None => DEFAULT.to_string(),
            },
            macs,
            mtu,
        }
    }

    fn macs(&mut self, list: Spanned<Vec<Spanned<String>>>) -> Vec<Mac> {
        let span = list.span();
        let mut macs = Vec::new();
        for text in list.into_inner() {
            match parse_mac(text.get_ref()) {
                Some(mac) => macs.push(mac),
                None => {
                    let message = format!("`{}` is no address of a card", text.get_ref());
                    let help = "write for example \"02:00:00:00:00:01\"; the first byte is even"
                        .to_string();
                    self.fault("net", text.span(), message, help);
                    return macs;
                }
            }
        }
        if !check::are_macs(&macs) {
            let message = "too few, too many or equal addresses".to_string();
            let help = format!("write 1 to {} different ones", limit::MAX_MACS);
            self.fault("net", span, message, help);
        }
        macs
    }
}

/// The address of a card for which none is said: locally administered, and always the same for the same VM.
fn usual_mac(vm: &str, n: usize) -> Mac {
    let [a, b, c, d, e, ..] = XxHash3_64::oneshot_with_seed(n as u64, vm.as_bytes()).to_be_bytes();
    Mac([0x02, a, b, c, d, e])
}

/// Reads `02:00:00:00:00:01`.
fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2)?;
        // `from_str_radix` takes a sign, which is none here.
        part.bytes().all(|c| c.is_ascii_hexdigit()).then_some(())?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    let mac = Mac(mac);
    (parts.next().is_none() && mac.is_unicast()).then_some(mac)
}
