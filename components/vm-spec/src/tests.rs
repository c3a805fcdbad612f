//! Bundles: what is written is read back, and what nobody wrote is refused without harm.

use crate::host::Description;
use crate::layout::{FileRecord, HEADER_BYTES, Header, RECORD_BYTES, head_checksum};
use crate::spec::*;
use crate::{Bundle, BundleError, FILE_ALIGNMENT, SpecError, VERSION, limit};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, IntoBytes};

/// Writes files of these contents, for a moment, and packs them with `spec`.
fn pack(spec: &VmSpec, contents: &[Vec<u8>]) -> Result<Vec<u8>, crate::host::PackError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("pagurus-bundle-{}-{n}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let files = contents.iter().enumerate().map(|(n, contents)| {
        let path = folder.join(format!("file-{n}"));
        std::fs::write(&path, contents).unwrap();
        path
    });
    let description = Description {
        spec: spec.clone(),
        files: files.collect(),
    };
    let mut out = Cursor::new(Vec::new());
    let packed = description.pack(&mut out);
    std::fs::remove_dir_all(&folder).unwrap();
    let length = packed?;
    let bytes = out.into_inner();
    assert_eq!(bytes.len() as u64, length);
    Ok(bytes)
}

fn small() -> VmSpec {
    VmSpec {
        name: "vm".into(),
        memory: 64 << 20,
        vcpus: 1,
        kernel: FileIndex(0),
        kind: None,
        initrd: Some(FileIndex(1)),
        modules: Vec::new(),
        command_line: "console=ttyS0".into(),
        devices: Devices::default(),
        disks: vec![Disk {
            contents: DiskContents::File(FileIndex(2)),
            read_only: true,
            serial: "disk".into(),
        }],
        nets: vec![Net {
            network: "lan".into(),
            macs: vec![Mac([2, 0, 0, 0, 0, 1])],
            mtu: 1500,
        }],
        test_devices: TestDevices::default(),
        cpu_profile: "default".into(),
    }
}

fn small_files() -> Vec<Vec<u8>> {
    vec![vec![1; 5000], vec![2; 1], vec![3; 4096]]
}

/// Makes the checksum of the head right again after a change.
fn reseal(bytes: &mut [u8]) {
    let (mut header, _) = Header::read_from_prefix(bytes).unwrap();
    let records = header.files.get() as usize * RECORD_BYTES;
    let end = HEADER_BYTES + header.description.get() as usize + records;
    header.checksum = U64::new(head_checksum(&header, &bytes[HEADER_BYTES..end]));
    bytes[..HEADER_BYTES].copy_from_slice(header.as_bytes());
}

/// Changes header fields and seals the bundle again.
fn with_header(bytes: &[u8], change: impl Fn(&mut Header)) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let (mut header, _) = Header::read_from_prefix(&bytes).unwrap();
    change(&mut header);
    bytes[..HEADER_BYTES].copy_from_slice(header.as_bytes());
    bytes
}

#[test]
fn a_bundle_is_read_back() {
    let bytes = pack(&small(), &small_files()).unwrap();
    let bundle = Bundle::parse(&bytes).unwrap();
    assert_eq!(bundle.spec(), &small());
    for (n, contents) in small_files().iter().enumerate() {
        let file = bundle.file(FileIndex(n as u32));
        assert_eq!(file.bytes, contents);
        assert_eq!(file.name, format!("file-{n}"));
        let offset = file.bytes.as_ptr() as usize - bytes.as_ptr() as usize;
        assert_eq!(offset as u64 % FILE_ALIGNMENT, 0);
    }
    assert_eq!(bundle.file(FileIndex(3)).bytes, b"");
    assert_eq!(bundle.verify(), Ok(()));
}

#[test]
fn bytes_after_a_bundle_are_ignored_and_missing_ones_are_not() {
    let bytes = pack(&small(), &small_files()).unwrap();
    let mut longer = bytes.clone();
    longer.extend([0xaa; 4096]);
    assert_eq!(Bundle::parse(&longer), Bundle::parse(&bytes));
    for present in (8..HEADER_BYTES).chain([bytes.len() - 1]) {
        let needed = if present < HEADER_BYTES {
            HEADER_BYTES
        } else {
            bytes.len()
        } as u64;
        let present_bytes = present as u64;
        assert_eq!(
            Bundle::parse(&bytes[..present]),
            Err(BundleError::Truncated {
                needed,
                present: present_bytes
            })
        );
    }
    assert_eq!(Bundle::parse(&bytes[..7]), Err(BundleError::NotABundle));
}

#[test]
fn damage_is_found_by_kind() {
    let bytes = pack(&small(), &small_files()).unwrap();
    let parsed = |bytes: &[u8]| Bundle::parse(bytes).map(|_| ());
    let version = with_header(&bytes, |h| h.version = U32::new(VERSION + 1));
    assert_eq!(parsed(&version), Err(BundleError::Version(VERSION + 1)));
    let long = with_header(&bytes, |h| h.description = U64::new(u64::MAX - 50));
    assert_eq!(parsed(&long), Err(BundleError::Header));
    let many = with_header(&bytes, |h| h.files = U32::new(u32::MAX));
    assert_eq!(
        parsed(&many),
        Err(BundleError::Spec(SpecError::Files(u32::MAX as usize)))
    );
    let fewer = with_header(&bytes, |h| h.files = U32::new(2));
    assert_eq!(parsed(&fewer), Err(BundleError::HeaderChecksum));
    let mut fewer = fewer;
    reseal(&mut fewer);
    assert_eq!(parsed(&fewer), Err(BundleError::Description));

    let mut flipped = bytes.clone();
    flipped[HEADER_BYTES + 3] ^= 1;
    assert_eq!(parsed(&flipped), Err(BundleError::HeaderChecksum));
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let bundle = Bundle::parse(&flipped).unwrap();
    assert_eq!(bundle.verify(), Err(BundleError::FileChecksum(2)));
}

#[test]
fn files_lie_behind_the_head_and_inside_the_bundle() {
    let bytes = pack(&small(), &small_files()).unwrap();
    let (header, _) = Header::read_from_prefix(&bytes).unwrap();
    let record_at = HEADER_BYTES + header.description.get() as usize + RECORD_BYTES;
    let total = bytes.len() as u64;
    for (offset, length) in [
        (0, 1),
        (4097, 1),
        (1 << 63, 1),
        (4096, u64::MAX),
        (4096, total - 4095),
        (total.next_multiple_of(4096) + 4096, 0),
    ] {
        let mut changed = bytes.clone();
        let record = FileRecord {
            offset: U64::new(offset),
            length: U64::new(length),
            checksum: U64::new(0),
        };
        changed[record_at..record_at + RECORD_BYTES].copy_from_slice(record.as_bytes());
        reseal(&mut changed);
        assert_eq!(
            Bundle::parse(&changed),
            Err(BundleError::FilePlace(1)),
            "{offset} {length}"
        );
    }
}

#[test]
fn what_a_vm_cannot_have_is_refused_by_reader_and_writer() {
    type Change = fn(&mut VmSpec);
    let cases: [(Change, SpecError); 17] = [
        (|s| s.name.clear(), SpecError::Name),
        (|s| s.name = "x".repeat(32), SpecError::Name),
        (|s| s.cpu_profile = "A".into(), SpecError::CpuProfile),
        (|s| s.memory = 0, SpecError::Memory(0)),
        (|s| s.memory += 1, SpecError::Memory((64 << 20) + 1)),
        (|s| s.vcpus = 0, SpecError::Vcpus(0)),
        (|s| s.vcpus = 65, SpecError::Vcpus(65)),
        (|s| s.command_line.push('\0'), SpecError::CommandLine),
        (|s| s.kernel = FileIndex(3), SpecError::NoFile(3)),
        (|s| s.initrd = Some(FileIndex(9)), SpecError::NoFile(9)),
        (
            |s| {
                s.modules = vec![Module {
                    file: FileIndex(0),
                    command_line: "x".repeat(4097),
                }]
            },
            SpecError::CommandLine,
        ),
        (
            |s| s.disks = vec![s.disks[0].clone(); 9],
            SpecError::Disks(9),
        ),
        (
            |s| s.disks[0].contents = DiskContents::File(FileIndex(0)),
            SpecError::DiskSize(0),
        ),
        (
            |s| s.disks[0].contents = DiskContents::Blank(0),
            SpecError::DiskSize(0),
        ),
        (
            |s| s.disks[0].serial = "\u{e9}".into(),
            SpecError::DiskSerial(0),
        ),
        (
            |s| s.nets[0].macs.push(Mac([2, 0, 0, 0, 0, 1])),
            SpecError::Macs(0),
        ),
        (|s| s.nets[0].mtu = 67, SpecError::Mtu(0)),
    ];
    let good = pack(&small(), &small_files()).unwrap();
    for (change, error) in cases {
        let mut spec = small();
        change(&mut spec);
        let refused = pack(&spec, &small_files()).expect_err("the writer takes it");
        assert!(
            matches!(refused, crate::host::PackError::Spec(e) if e == error),
            "{refused}"
        );
        // The same description in place of the good one, as if another writer had made it.
        assert_eq!(Bundle::parse(&replaced(&good, &spec)), Err(error.into()));
    }
    let mut files = small_files();
    files[0].clear();
    let refused = pack(&small(), &files).unwrap_err();
    assert!(matches!(
        refused,
        crate::host::PackError::Spec(SpecError::EmptyFile(0))
    ));
}

/// The bundle `good` with another description, whatever it says. Its head must stay within the first page, or become
/// longer by whole pages.
fn replaced(good: &[u8], spec: &VmSpec) -> Vec<u8> {
    let (mut header, _) = Header::read_from_prefix(good).unwrap();
    let records_at = HEADER_BYTES + header.description.get() as usize;
    let records_end = records_at + header.files.get() as usize * RECORD_BYTES;
    let contents = crate::layout::Contents {
        spec: spec.clone(),
        names: (0..3).map(|n| format!("file-{n}")).collect(),
    };
    let description = minicbor::to_vec(&contents).unwrap();
    let head = HEADER_BYTES + description.len() + records_end - records_at;
    let moved = head.next_multiple_of(4096) - records_end.next_multiple_of(4096);
    let mut out = vec![0; HEADER_BYTES];
    out.extend(&description);
    for record in good[records_at..records_end].chunks_exact(RECORD_BYTES) {
        let mut record = FileRecord::read_from_bytes(record).unwrap();
        record.offset += moved as u64;
        out.extend(record.as_bytes());
    }
    out.resize(head.next_multiple_of(4096), 0);
    out.extend(&good[records_end.next_multiple_of(4096)..]);
    header.description = U64::new(description.len() as u64);
    header.total = U64::new(out.len() as u64);
    out[..HEADER_BYTES].copy_from_slice(header.as_bytes());
    reseal(&mut out);
    out
}

#[test]
fn a_file_that_is_gone_is_named() {
    let description = Description {
        spec: small(),
        files: vec![PathBuf::from("/nowhere/kernel")],
    };
    let error = description.pack(&mut Cursor::new(Vec::new())).unwrap_err();
    assert!(error.to_string().contains("/nowhere/kernel"), "{error}");
}

fn name() -> impl Strategy<Value = String> {
    "[a-z0-9-]{1,31}"
}

fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(|mut bytes| {
        bytes[0] = bytes[0] & !1 | 2;
        Mac(bytes)
    })
}

/// Any description whose files are among `files`; disks are files of whole sectors.
fn spec(files: Vec<usize>) -> impl Strategy<Value = VmSpec> {
    let whole: Vec<u32> = (0u32..)
        .zip(&files)
        .filter(|(_, length)| **length % 512 == 0)
        .map(|(n, _)| n)
        .collect();
    let file = (0..files.len() as u32).prop_map(FileIndex);
    let contents = prop_oneof![
        proptest::sample::select(whole).prop_map(|n| DiskContents::File(FileIndex(n))),
        (1u64..1 << 30).prop_map(|sectors| DiskContents::Blank(sectors * limit::SECTOR)),
    ];
    let disk =
        (contents, any::<bool>(), "[ -~]{0,20}").prop_map(|(contents, read_only, serial)| Disk {
            contents,
            read_only,
            serial,
        });
    let net = (
        name(),
        proptest::collection::btree_set(mac(), 1..=limit::MAX_MACS),
        limit::MTU,
    )
        .prop_map(|(network, macs, mtu)| Net {
            network,
            macs: macs.into_iter().collect(),
            mtu,
        });
    let module =
        (file.clone(), "\\PC{0,40}").prop_map(|(file, command_line)| Module { file, command_line });
    let kinds = proptest::sample::select(ImageKind::ALL.map(|(kind, _)| kind).to_vec());
    (
        (
            name(),
            limit::MIN_MEMORY >> 12..=limit::MAX_MEMORY >> 12,
            1..=limit::MAX_VCPUS,
            name(),
            "\\PC{0,200}",
        ),
        (
            file.clone(),
            proptest::option::of(kinds),
            proptest::option::of(file),
            vec(module, 0..5),
        ),
        (
            vec(disk, 0..=limit::MAX_DISKS),
            vec(net, 0..=limit::MAX_NETS),
            any::<[bool; 7]>(),
        ),
    )
        .prop_map(
            |(a, b, (disks, nets, [serial, virtio_console, entropy, balloon, x, y, z]))| VmSpec {
                name: a.0,
                memory: a.1 << 12,
                vcpus: a.2,
                cpu_profile: a.3,
                command_line: a.4,
                kernel: b.0,
                kind: b.1,
                initrd: b.2,
                modules: b.3,
                devices: Devices {
                    serial,
                    virtio_console,
                    entropy,
                    balloon,
                },
                disks,
                nets,
                test_devices: TestDevices {
                    debug_exit: x,
                    debug_console: y,
                    post_code: z,
                },
            },
        )
}

fn with_files() -> impl Strategy<Value = (VmSpec, Vec<Vec<u8>>)> {
    let file = prop_oneof![vec(any::<u8>(), 1..10_000), vec(any::<u8>(), 512..=512)];
    (vec(file, 0..6), vec(any::<u8>(), 1024..=1024)).prop_flat_map(|(mut files, last)| {
        files.push(last);
        (spec(files.iter().map(Vec::len).collect()), Just(files))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_is_written_is_read_back((spec, files) in with_files()) {
        let bytes = pack(&spec, &files).unwrap();
        let bundle = Bundle::parse(&bytes).unwrap();
        prop_assert_eq!(bundle.spec(), &spec);
        prop_assert_eq!(bundle.verify(), Ok(()));
        for (n, contents) in files.iter().enumerate() {
            prop_assert_eq!(bundle.file(FileIndex(n as u32)).bytes, contents);
        }
    }

    /// With the right checksum, so that what is behind it sees the changes too.
    #[test]
    fn no_change_makes_the_reader_panic(
        changes in vec((any::<Index>(), any::<u8>()), 1..6),
        in_header in any::<bool>(),
        seal in any::<bool>(),
    ) {
        let mut bytes = pack(&small(), &small_files()).unwrap();
        let (header, _) = Header::read_from_prefix(&bytes).unwrap();
        let records = header.files.get() as usize * RECORD_BYTES;
        let head = HEADER_BYTES + header.description.get() as usize + records;
        let places = if in_header { 0..head } else { HEADER_BYTES..head };
        for (place, value) in changes {
            let n = places.start + place.index(places.len());
            bytes[n] = value;
        }
        if seal && !in_header {
            reseal(&mut bytes);
        }
        if let Ok(bundle) = Bundle::parse(&bytes) {
            let _ = bundle.verify();
            for n in 0..4 {
                let _ = bundle.file(FileIndex(n));
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        mut bytes in vec(any::<u8>(), 0..300),
        description in 0u64..200,
        files in 0u32..3,
        total in 0u64..300,
        how_good in 0..4,
    ) {
        // Random bytes behind more and more of a good header.
        if how_good > 0 && bytes.len() >= HEADER_BYTES {
            let (mut header, _) = Header::read_from_prefix(&bytes).unwrap();
            header.magic = crate::MAGIC;
            if how_good > 1 {
                header.version = U32::new(VERSION);
                header.description = U64::new(description);
                header.files = U32::new(files);
                header.total = U64::new(total);
            }
            bytes[..HEADER_BYTES].copy_from_slice(header.as_bytes());
            let head = HEADER_BYTES as u64 + description + u64::from(files) * RECORD_BYTES as u64;
            if how_good > 2 && head <= bytes.len() as u64 {
                reseal(&mut bytes);
            }
        }
        let _ = Bundle::parse(&bytes);
    }
}
