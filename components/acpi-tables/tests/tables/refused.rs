//! Machines that the tables cannot describe.

use crate::machine::{AT, pc};
use pagurus_guest_acpi::{BuildError, Pci, Range, Serial, build};

fn window(change: impl FnOnce(&mut Pci)) -> Result<(), BuildError> {
    let mut platform = pc(1);
    let mut pci = platform.pci.expect("a bus");
    change(&mut pci);
    platform.pci = Some(pci);
    build(&platform, AT).map(|_| ())
}

#[test]
fn windows() {
    let range = |start, end| Range { start, end };
    assert_eq!(window(|pci| pci.memory_high = range(0, 0)), Ok(()));
    assert_eq!(window(|pci| pci.io = range(0, 0)), Ok(()));
    assert_eq!(window(|pci| pci.io = range(0xd00, 0x1_0000)), Ok(()));
    let low = BuildError::Window("memory below 4 GiB");
    assert_eq!(window(|pci| pci.memory = range(0, 0)), Err(low));
    assert_eq!(
        window(|pci| pci.memory = range(0xc000_0000, (1 << 32) + 1)),
        Err(low)
    );
    assert_eq!(window(|pci| pci.memory = range(2, 1)), Err(low));
    let high = BuildError::Window("memory above 4 GiB");
    assert_eq!(
        window(|pci| pci.memory_high = range(1 << 31, 1 << 33)),
        Err(high)
    );
    let ports = BuildError::Window("ports");
    assert_eq!(window(|pci| pci.io = range(0xc00, 0xd01)), Err(ports));
    assert_eq!(window(|pci| pci.io = range(0x1000, 0x1_0001)), Err(ports));
    let ecam = BuildError::Window("configuration space");
    assert_eq!(window(|pci| pci.ecam = Some(0xe000_1000)), Err(ecam));
    assert_eq!(window(|pci| pci.ecam = Some(1 << 32)), Err(ecam));
}

#[test]
fn processors_serial_ports_and_addresses() {
    assert_eq!(build(&pc(0), AT), Err(BuildError::Processors(0)));
    assert_eq!(build(&pc(1025), AT), Err(BuildError::Processors(1025)));
    let mut platform = pc(1);
    let port = Serial {
        port: 0x3e8,
        interrupt: 4,
    };
    platform.serial = vec![port; 5];
    assert_eq!(build(&platform, AT), Err(BuildError::SerialPorts(5)));
    for address in [1, AT + 32, 1 << 32, (1 << 32) - 64] {
        assert_eq!(build(&pc(1), address), Err(BuildError::Address(address)));
    }
    let text = BuildError::Address(1).to_string();
    assert!(text.contains("0x1") && text.contains("64"));
}
