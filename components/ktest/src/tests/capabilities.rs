//! Capabilities: derivation, revocation, memory.

use crate::report::{Outcome, ensure, equal, refused};
use crate::world::{CNODE, World, check};
use pagurus_rt::abi::method::SlotInfo;
use pagurus_rt::abi::{Error, Kind, Rights};
use pagurus_rt::object::{CNode, Endpoint, Frame, Mint, Notification, Untyped};
use pagurus_rt::{Cap, Slot};

/// A capability derived from slot `from` into a new slot.
fn derive(w: &mut World, from: u32, rights: Rights) -> Result<u32, Error> {
    let to = w.slot();
    CNODE.mint(to, World::at(from), rights, Mint::Plain)?;
    Ok(to)
}

fn is_empty(index: u32) -> Result<bool, Error> {
    Ok(CNODE.inspect(index)?.info.kind() == Some(Kind::Empty))
}

pub fn retype_and_give_back(w: &mut World) -> Outcome {
    let before = w.memory.info()?.free;
    let part = w.make_sized::<Untyped>(16)?;
    let taken = before - w.memory.info()?.free;
    ensure("memory is used by the part", taken >= 1 << 16)?;
    equal("memory of the new part", part.info()?.free, 1 << 16)?;
    let first = w.slots(16);
    part.retype(Kind::Frame, 12, World::at(first), 16)?;
    refused(
        "more than there is",
        part.retype(Kind::Frame, 12, World::at(w.slot()), 1),
        Error::OutOfMemory,
    )?;
    // All but one gone: still nothing to be had, because memory is given back as a whole.
    for index in first..first + 15 {
        CNODE.delete(index)?;
    }
    refused(
        "while one frame is left",
        part.retype(Kind::Frame, 13, World::at(first), 1),
        Error::OutOfMemory,
    )?;
    CNODE.delete(first + 15)?;
    equal("memory of the part", part.info()?.free, 1 << 16)?;
    part.retype(Kind::Frame, 16, World::at(first), 1)?;
    Ok(())
}

pub fn rights_only_shrink(w: &mut World) -> Outcome {
    let endpoint = w.make::<Endpoint>()?;
    let reader = derive(w, endpoint.index(), Rights::READ)?;
    let again = derive(w, reader, Rights::all())?;
    equal(
        "rights derived from a reader",
        CNODE.inspect(again)?.info.rights().bits().into(),
        Rights::READ.bits().into(),
    )?;
    let send = Cap::<Endpoint>::new(again).try_send(Default::default(), [0; 4]);
    refused("sending by a reader", send, Error::MissingRights)?;
    // A badge is set once.
    let badged = w.slot();
    CNODE.mint(
        badged,
        World::at(endpoint.index()),
        Rights::all(),
        Mint::Badge(7),
    )?;
    let other = CNODE.mint(w.slot(), World::at(badged), Rights::all(), Mint::Badge(8));
    refused("another badge", other, Error::InvalidArgument)
}

pub fn revoke_deep(w: &mut World) -> Outcome {
    let endpoint = w.make::<Endpoint>()?;
    let bystander = derive(w, endpoint.index(), Rights::all())?;
    let top = derive(w, endpoint.index(), Rights::all())?;
    let mut chain = top;
    for _ in 0..100 {
        chain = derive(w, chain, Rights::all())?;
        derive(w, chain, Rights::READ)?;
    }
    equal("depth", CNODE.inspect(chain)?.info.depth().into(), 102)?;
    CNODE.revoke(top)?;
    ensure("the end of the chain is gone", is_empty(chain)?)?;
    ensure("the revoked capability itself stays", !is_empty(top)?)?;
    ensure("a sibling stays", !is_empty(bystander)?)?;
    check()?;
    // As deep as it goes, then refused.
    let mut deepest = top;
    let end = loop {
        match derive(w, deepest, Rights::all()) {
            Ok(next) => deepest = next,
            Err(error) => break error,
        }
    };
    equal(
        "the error at the greatest depth",
        end as u64,
        Error::TooDeep as u64,
    )?;
    CNODE.delete(endpoint.index())?;
    ensure(
        "deleting the original takes all",
        is_empty(deepest)? && is_empty(bystander)?,
    )
}

pub fn delete_a_full_cnode(w: &mut World) -> Outcome {
    let part = w.make_sized::<Untyped>(18)?;
    let node_index = w.slot();
    part.retype(Kind::CNode, 8, World::at(node_index), 1)?;
    let node = Cap::<CNode>::new(node_index);
    let endpoint = w.make::<Endpoint>()?;
    for index in 1..=200 {
        node.mint(
            index,
            World::at(endpoint.index()),
            Rights::all(),
            Mint::Plain,
        )?;
    }
    // An object of the part's own, whose original lies in the CNode, and a copy of that outside.
    part.retype(Kind::Notification, 0, Slot::new(node, 201), 1)?;
    let outside = w.slot();
    CNODE.mint(outside, Slot::new(node, 201), Rights::all(), Mint::Plain)?;
    CNODE.delete(node_index)?;
    ensure(
        "what was derived from the contents is gone",
        is_empty(outside)?,
    )?;
    ensure(
        "what the contents were derived from stays",
        !is_empty(endpoint.index())?,
    )?;
    equal("memory of the part", part.info()?.free, 1 << 18)
}

pub fn device_memory_stays_device(w: &mut World) -> Outcome {
    let Some(device) = w.boot.untyped().iter().find(|u| u.device != 0) else {
        return ensure("there is device memory", false);
    };
    let device = Cap::<Untyped>::new(device.slot);
    let to = w.slot();
    for kind in [
        Kind::CNode,
        Kind::Thread,
        Kind::Endpoint,
        Kind::AddressSpace,
        Kind::TraceBuffer,
    ] {
        let bits = match kind {
            Kind::CNode => 4,
            Kind::AddressSpace => 14,
            Kind::TraceBuffer => 12,
            _ => 0,
        };
        let made = device.retype(kind, bits, World::at(to), 1);
        refused(
            "a kernel object in device memory",
            made,
            Error::DeviceMemory,
        )?;
    }
    device.retype(Kind::Frame, 12, World::at(to), 1)?;
    let info = CNODE.inspect(to)?.info;
    ensure("the frame is marked", info.0 & SlotInfo::DEVICE != 0)?;
    let bind = w
        .make::<pagurus_rt::object::Thread>()?
        .bind_ipc_buffer(Cap::<Frame>::new(to), 0);
    refused("device memory as IPC buffer", bind, Error::DeviceMemory)?;
    CNODE.delete(to)?;
    Ok(())
}

pub fn no_cycles(w: &mut World) -> Outcome {
    // A CNode inside itself.
    let node = w.make_sized::<CNode>(4)?;
    let into_itself = node.move_here(1, World::at(node.index()));
    refused("a CNode in itself", into_itself, Error::Cycle)?;
    // Untyped memory inside a CNode that was made from it.
    let part = w.make_sized::<Untyped>(16)?;
    let inner = w.slot();
    part.retype(Kind::CNode, 4, World::at(inner), 1)?;
    let swallowed = Cap::<CNode>::new(inner).move_here(1, World::at(part.index()));
    refused("memory in its own CNode", swallowed, Error::Cycle)?;
    // The other way round is as it should be.
    Cap::<CNode>::new(inner).mint(1, World::at(node.index()), Rights::all(), Mint::Plain)?;
    CNODE.delete(part.index())?;
    ensure("the CNode is gone", is_empty(inner)?)
}

pub fn refusals(w: &mut World) -> Outcome {
    let notification = w.make::<Notification>()?;
    let own = CNODE.size()? as u32;
    refused("index past the end", CNODE.delete(own), Error::InvalidIndex)?;
    refused("index 0", CNODE.delete(0), Error::InvalidIndex)?;
    let empty = w.slot();
    refused("an empty slot", CNODE.delete(empty), Error::EmptySlot)?;
    refused(
        "the wrong kind",
        Cap::<Endpoint>::new(notification.index()).try_send(Default::default(), [0; 4]),
        Error::WrongKind,
    )?;
    let from = World::at(notification.index());
    let over = CNODE.mint(notification.index(), from, Rights::all(), Mint::Plain);
    refused("an occupied slot", over, Error::OccupiedSlot)?;
    let copy = CNODE.mint(
        empty,
        World::at(w.memory.index()),
        Rights::all(),
        Mint::Plain,
    );
    refused("a copy of untyped memory", copy, Error::NotCopyable)?;
    let crowd = w.memory.retype(Kind::Frame, 12, World::at(own - 1), 2);
    refused("slots past the end", crowd, Error::InvalidIndex)
}
