//! Frames and mappings.

use super::faults::catch;
use crate::report::{Outcome, ensure, equal, refused};
use crate::world::{CNODE, SPACE, World, peek, poke, whole};
use pagurus_rt::Cap;
use pagurus_rt::abi::method::CacheMode;
use pagurus_rt::abi::{Error, Kind, Rights};
use pagurus_rt::object::{Frame, Mapping, Mint, Untyped};

pub fn frames_are_zeroed(w: &mut World) -> Outcome {
    let part = w.make_sized::<Untyped>(13)?;
    let index = w.slot();
    let address = w.address(8192);
    for round in 0..3 {
        part.retype(Kind::Frame, 13, World::at(index), 1)?;
        let frame = Cap::<Frame>::new(index);
        frame.map(SPACE, whole(address, 13, Rights::RW))?;
        for offset in (0..8192).step_by(8) {
            equal("a word of a new frame", peek(address + offset), 0)?;
            poke(address + offset, 0xdead_0000 + round);
        }
        CNODE.delete(index)?;
        refused(
            "the mapping after the frame is gone",
            SPACE.query(address),
            Error::NotMapped,
        )?;
    }
    Ok(())
}

pub fn map_parts_and_large_pages(w: &mut World) -> Outcome {
    let frame = w.make_sized::<Frame>(22)?;
    // Aligned to 2 MiB: two large pages.
    let address = 0x1100_0000_0000;
    frame.map(SPACE, whole(address, 22, Rights::RW))?;
    equal("page size", SPACE.query(address)?.page_size, 1 << 21)?;
    let physical = frame.info()?.address;
    equal(
        "translation",
        SPACE.query(address + 0x12_3456)?.physical,
        physical + 0x12_3456,
    )?;
    poke(address + 0x20_1000, 42);
    refused(
        "a second mapping by one capability",
        frame.map(SPACE, whole(address + (1 << 30), 22, Rights::RW)),
        Error::AlreadyMapped,
    )?;
    // Another capability maps one page of it elsewhere, read-only.
    let index = w.slot();
    CNODE.mint(index, World::at(frame.index()), Rights::READ, Mint::Plain)?;
    let part = Cap::<Frame>::new(index);
    let elsewhere = w.address(4096);
    let window = Mapping {
        address: elsewhere,
        offset: 0x20_1000,
        length: 4096,
        rights: Rights::READ,
        cache: CacheMode::Default,
    };
    refused(
        "a writable mapping by a reader",
        part.map(
            SPACE,
            Mapping {
                rights: Rights::RW,
                ..window
            },
        ),
        Error::MissingRights,
    )?;
    part.map(SPACE, window)?;
    equal("the same memory", peek(elsewhere), 42)?;
    let fault = catch(w, write_word, elsewhere, 1)?;
    equal("a write to it faults at", fault.address, elsewhere)?;
    refused(
        "over what is there",
        {
            let other = w.make_sized::<Frame>(12)?;
            other.map(SPACE, whole(elsewhere, 12, Rights::READ))
        },
        Error::AlreadyMapped,
    )?;
    frame.unmap()?;
    refused("after unmapping", SPACE.query(address), Error::NotMapped)?;
    equal("the part is still there", peek(elsewhere), 42)
}

extern "C" fn write_word(address: u64, value: u64) -> ! {
    poke(address, value);
    crate::world::survived()
}

extern "C" fn jump(address: u64, _: u64) -> ! {
    // The callee cannot return: it faults.
    let f = core::ptr::with_exposed_provenance::<()>(address as usize);
    call(f)
}

#[allow(unsafe_code)]
fn call(f: *const ()) -> ! {
    // SAFETY: what is there is not executable, which is the point; the thread ends with the fault.
    unsafe {
        let f: extern "C" fn() -> ! = core::mem::transmute(f);
        f()
    }
}

pub fn write_and_execute_never(w: &mut World) -> Outcome {
    let frame = w.make_sized::<Frame>(12)?;
    let address = w.address(4096);
    let both = Rights::RW | Rights::EXECUTE;
    let mapped = frame.map(SPACE, whole(address, 12, both));
    refused("writable and executable", mapped, Error::InvalidArgument)?;
    frame.map(SPACE, whole(address, 12, Rights::RW))?;
    let fault = catch(w, jump, address, 0)?;
    equal("executing data faults at", fault.address, address)?;
    ensure("because of execution", fault.code & 1 << 4 != 0)
}

extern "C" fn read_word(address: u64, _: u64) -> ! {
    peek(address);
    crate::world::survived()
}

pub fn kernel_addresses_are_closed(w: &mut World) -> Outcome {
    // The direct map, the kernel's image, and between the halves.
    for address in [0xffff_8000_0000_0000, 0xffff_ffff_8000_0000] {
        let fault = catch(w, read_word, address, 0)?;
        equal("reading kernel memory faults at", fault.address, address)?;
        ensure("in user mode", fault.code & 1 << 2 != 0)?;
    }
    let fault = catch(w, read_word, 0x0000_8000_0000_0000, 0)?;
    equal(
        "a non-canonical address is a protection fault",
        fault.vector,
        13,
    )?;
    let frame = w.make_sized::<Frame>(12)?;
    for address in [0xffff_8000_0000_0000, 0x0000_7fff_ffff_f000, 0] {
        let mapped = frame.map(SPACE, whole(address, 12, Rights::READ));
        refused("mapping there", mapped, Error::InvalidArgument)?;
    }
    Ok(())
}

pub fn a_large_frame_is_zeroed_in_steps(w: &mut World) -> Outcome {
    // Twice, so that the second time there is something to zero. Timer interrupts come meanwhile.
    let part = w.make_sized::<Untyped>(23)?;
    let index = w.slot();
    for value in [0, 1] {
        part.retype(Kind::Frame, 23, World::at(index), 1)?;
        let address = 0x1200_0000_0000;
        let frame = Cap::<Frame>::new(index);
        frame.map(SPACE, whole(address, 23, Rights::RW))?;
        for offset in (0..1 << 23).step_by(4096) {
            equal("a word of a large frame", peek(address + offset), 0)?;
            poke(address + offset, value + 1);
        }
        CNODE.delete(index)?;
    }
    Ok(())
}
