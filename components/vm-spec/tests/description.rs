//! Descriptions in TOML: what is accepted, and how mistakes are shown.

use pagurus_capdl_spec::Source;
use pagurus_vm_spec::host::Description;
use pagurus_vm_spec::{
    Devices, Disk, DiskContents, FileIndex, ImageKind, Mac, Module, Net, TestDevices,
};
use std::path::PathBuf;

/// A folder with the files that the descriptions name.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path =
            std::env::temp_dir().join(format!("pagurus-vm-spec-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let files = [
            ("vmlinuz", 10),
            ("initrd", 20),
            ("root.img", 1024),
            ("odd.img", 1000),
            ("empty", 0),
        ];
        for (name, length) in files {
            std::fs::write(path.join(name), vec![1; length]).unwrap();
        }
        Folder(path)
    }

    fn read(&self, text: &str) -> Result<Description, String> {
        let source = Source::new(self.0.join("vm.toml"), text);
        let folder = format!("{}/", self.0.display());
        Description::parse(&source).map_err(|wrong| wrong.to_string().replace(&folder, ""))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const SMALL: &str = "name = \"a\"\nmemory = \"64M\"\nkernel = \"vmlinuz\"\n";

#[test]
fn what_is_not_said_is_usual() {
    let folder = Folder::new("usual");
    let vm = folder.read(&format!("{SMALL}[[net]]\n[[net]]\n")).unwrap();
    assert_eq!(vm.files, [folder.0.join("vmlinuz")]);
    let spec = vm.spec;
    assert_eq!(
        (spec.name.as_str(), spec.memory, spec.vcpus),
        ("a", 64 << 20, 1)
    );
    assert_eq!(
        (spec.kernel, spec.initrd, spec.kind),
        (FileIndex(0), None, None)
    );
    assert_eq!(
        (spec.command_line.as_str(), spec.cpu_profile.as_str()),
        ("", "default")
    );
    assert_eq!(
        spec.devices,
        Devices {
            serial: true,
            virtio_console: false,
            entropy: true,
            balloon: true
        }
    );
    assert_eq!(spec.test_devices, TestDevices::default());
    assert!(spec.disks.is_empty() && spec.modules.is_empty());
    assert_eq!(
        (spec.nets[0].network.as_str(), spec.nets[0].mtu),
        ("default", 1500)
    );
    // Cards have addresses of their own, the same each time.
    assert_ne!(spec.nets[0].macs, spec.nets[1].macs);
    assert!(
        spec.nets
            .iter()
            .all(|net| net.macs.len() == 1 && net.macs[0].is_unicast())
    );
    assert_eq!(
        folder.read(&format!("{SMALL}[[net]]\n")).unwrap().spec.nets[0],
        spec.nets[0]
    );
}

#[test]
fn everything_that_can_be_said() {
    let folder = Folder::new("everything");
    let text = r#"
        name = "vm-1"
        memory = 1_073_741_824
        vcpus = 4
        kernel = "vmlinuz"
        kind = "multiboot2"
        initrd = "initrd"
        command_line = "console=ttyS0 quiet"
        cpu = "plain"

        [devices]
        serial = false
        virtio_console = true
        entropy = false

        [test_devices]
        debug_exit = true

        [[disk]]
        file = "root.img"
        read_only = true
        serial = "root"

        [[disk]]
        size = "64M"

        [[disk]]
        file = "root.img"

        [[net]]
        network = "lan"
        macs = ["02:00:00:00:00:01", "06:FF:00:00:00:02"]
        mtu = 9000

        [[module]]
        file = "initrd"
        command_line = "again"
    "#;
    let vm = folder.read(text).unwrap();
    // A file is packed once, however often it is named.
    let names = ["vmlinuz", "initrd", "root.img"];
    assert_eq!(vm.files, names.map(|name| folder.0.join(name)));
    let spec = vm.spec;
    assert_eq!(
        (spec.memory, spec.vcpus, spec.kind),
        (1 << 30, 4, Some(ImageKind::Multiboot2))
    );
    assert_eq!(
        (spec.command_line.as_str(), spec.cpu_profile.as_str()),
        ("console=ttyS0 quiet", "plain")
    );
    assert_eq!(
        spec.devices,
        Devices {
            serial: false,
            virtio_console: true,
            entropy: false,
            balloon: true
        }
    );
    assert_eq!(
        spec.test_devices,
        TestDevices {
            debug_exit: true,
            ..TestDevices::default()
        }
    );
    let disk = |contents, read_only, serial: &str| Disk {
        contents,
        read_only,
        serial: serial.into(),
    };
    let image = DiskContents::File(FileIndex(2));
    assert_eq!(
        spec.disks,
        [
            disk(image, true, "root"),
            disk(DiskContents::Blank(64 << 20), false, ""),
            disk(image, false, "")
        ]
    );
    assert_eq!(
        spec.nets,
        [Net {
            network: "lan".into(),
            macs: vec![Mac([2, 0, 0, 0, 0, 1]), Mac([6, 255, 0, 0, 0, 2])],
            mtu: 9000
        }]
    );
    assert_eq!(
        spec.modules,
        [Module {
            file: FileIndex(1),
            command_line: "again".into()
        }]
    );
    let modules: Vec<_> = spec
        .boot_modules()
        .map(|m| (m.file, m.command_line))
        .collect();
    assert_eq!(modules, [(FileIndex(1), ""), (FileIndex(1), "again")]);
}

#[test]
fn mistakes_are_shown_with_line_key_and_remedy() {
    let folder = Folder::new("mistakes");
    // Text of the description, line of the mistake, words of the message, words of the remedy.
    let cases = [
        (
            "name = \"A b\"\nmemory = \"64M\"\nkernel = \"vmlinuz\"",
            1,
            "name: `A b` cannot be the name",
            "a to z",
        ),
        (
            "name = \"a\"\nmemory = \"1K\"\nkernel = \"vmlinuz\"",
            2,
            "memory: a VM cannot have 1K of memory",
            "1M to 1024G",
        ),
        (
            "name = \"a\"\nmemory = \"lots\"\nkernel = \"vmlinuz\"",
            2,
            "`lots` is not a size",
            "\"64K\"",
        ),
        (
            "name = \"a\"\nmemory = \"64M\"\n",
            1,
            "the key `kernel` is missing",
            "",
        ),
        (
            "name = \"a\"\nmemory = \"64M\"\nkernel = \"vmlinux\"",
            3,
            "file: `vmlinux` cannot be read",
            "beside",
        ),
        (
            "name = \"a\"\nmemory = \"64M\"\nkernel = \".\"",
            3,
            "is no file",
            "beside",
        ),
        (
            "name = \"a\"\nmemory = \"64M\"\nkernel = \"empty\"",
            3,
            "`empty` is empty",
            "with contents",
        ),
        (
            "vcpu = 4",
            4,
            "there is no key `vcpu` here",
            "did you mean `vcpus`?",
        ),
        (
            "vcpus = 65",
            4,
            "vcpus: a VM cannot have 65 virtual processors",
            "1 to 64",
        ),
        (
            "vcpus = -1",
            4,
            "expected a number from 0 to 4294967295",
            "",
        ),
        (
            "kind = \"linus\"",
            4,
            "`linus` means nothing here",
            "did you mean `linux`?",
        ),
        ("cpu = \"\"", 4, "`` cannot be the cpu", "a to z"),
        (
            "command_line = \"a\\u0000b\"",
            4,
            "command-line:",
            "at most 4096",
        ),
        (
            "[devices]\nserail = true",
            5,
            "no key `serail`",
            "did you mean `serial`?",
        ),
        (
            "[[disk]]",
            4,
            "a disk needs `file` or `size`",
            "a disk of zeroes",
        ),
        (
            "[[disk]]\nfile = \"root.img\"\nsize = \"1M\"",
            4,
            "not both",
            "a disk of zeroes",
        ),
        (
            "[[disk]]\nfile = \"odd.img\"",
            5,
            "a disk of 1000 bytes",
            "truncate --size=%512 odd.img",
        ),
        (
            "[[disk]]\nfile = \"empty\"",
            5,
            "a disk of 0 bytes",
            "truncate",
        ),
        ("[[disk]]\nsize = 100", 5, "a disk of 100 bytes", "64M"),
        (
            "[[disk]]\nsize = 512\nserial = \"more than twenty bytes\"",
            6,
            "serial",
            "at most 20",
        ),
        (
            "[[net]]\nmacs = [\"01:00:00:00:00:00\"]",
            5,
            "no address of a card",
            "first byte is even",
        ),
        (
            "[[net]]\nmacs = [\"02:00:00:00:00\"]",
            5,
            "no address of a card",
            "02:00:00:00:00:01",
        ),
        (
            "[[net]]\nmacs = [\"02:00:00:00:00:+1\"]",
            5,
            "no address of a card",
            "02:00:00:00:00:01",
        ),
        ("[[net]]\nmacs = []", 5, "too few", "1 to 16"),
        ("[[net]]\nmtu = 67", 5, "the MTU cannot be 67", "68 to 9000"),
        (
            "[[net]]\nnetwork = \"a/b\"",
            5,
            "`a/b` cannot be the network",
            "a to z",
        ),
        (
            "[[net]]\n[[net]]\n[[net]]\n[[net]]\n[[net]]\n",
            8,
            "more than 4 tables `[[net]]`",
            "leave out",
        ),
        (
            "[[module]]\nfile = \"none\"",
            5,
            "`none` cannot be read",
            "beside",
        ),
    ];
    for (text, line, message, remedy) in cases {
        let text = if text.starts_with("name") {
            text.to_string()
        } else {
            format!("{SMALL}{text}")
        };
        let wrong = folder.read(&text).expect_err(&text);
        assert!(
            wrong.starts_with(&format!("vm.toml:{line}:")),
            "{text}\n{wrong}"
        );
        assert!(wrong.contains(message), "{text}\n{wrong}");
        assert!(wrong.contains(remedy), "{text}\n{wrong}");
        assert!(
            wrong.ends_with("1 error in the description"),
            "{text}\n{wrong}"
        );
    }
}

#[test]
fn all_mistakes_are_shown_at_once() {
    let folder = Folder::new("several");
    let wrong = folder
        .read("name = \"\"\nmemory = 1\nkernel = \"none\"\nvcpus = 0")
        .unwrap_err();
    assert!(wrong.ends_with("4 errors in the description"), "{wrong}");
}

#[test]
fn a_description_that_is_not_there_is_named() {
    let wrong = Description::read("/nowhere/vm.toml".as_ref())
        .unwrap_err()
        .to_string();
    assert!(
        wrong.contains("/nowhere/vm.toml") && wrong.contains("cannot be read"),
        "{wrong}"
    );
}
