//! Reading an image.

use crate::decode;
use crate::error::{Fault, ImageError, SectionName};
use crate::layout::{
    self, Header, MAX_CAPS, MAX_COMPONENTS, MAX_MAPS, MAX_OBJECTS, MAX_TEXT, RawCap, RawComponent,
    RawMap, RawObject, Section, object_kind,
};
use crate::record::{Cap, ComponentInfo, Map, Object, Service};
use core::mem::size_of;
use core::ops::Deref;
use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// An image that was found to be whole and consistent. Cheap to copy: it only borrows the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    header: &'a Header,
    components: &'a [RawComponent],
    objects: &'a [RawObject],
    caps: &'a [RawCap],
    maps: &'a [RawMap],
    order: &'a [U16],
    text: &'a [u8],
}

/// A component of an image, with its capabilities and mappings. Its fields are those of
/// [`ComponentInfo`].
#[derive(Clone, Copy, Debug)]
pub struct Component<'a> {
    info: ComponentInfo<'a>,
    argument: &'a str,
    image: Image<'a>,
    caps: &'a [RawCap],
    maps: &'a [RawMap],
}

/// The records of a section.
fn section<T: FromBytes + Immutable + KnownLayout + Unaligned>(
    bytes: &[u8],
    name: SectionName,
    section: Section,
    limit: usize,
) -> Result<&[T], ImageError> {
    let (offset, count) = (section.offset.get() as usize, section.count.get() as usize);
    if count > limit {
        return Err(ImageError::TooMany(name));
    }
    let outside = ImageError::SectionOutside(name);
    let end = offset.checked_add(count * size_of::<T>()).ok_or(outside)?;
    let bytes = bytes.get(offset..end).ok_or(outside)?;
    <[T]>::ref_from_bytes(bytes).map_err(|_| outside)
}

fn at(section: SectionName, index: usize) -> impl Fn(Fault) -> ImageError {
    move |fault| ImageError::Record {
        section,
        index: index as u32,
        fault,
    }
}

impl<'a> Image<'a> {
    /// Reads an image. Bytes after its end are ignored (modules are padded to whole pages).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let (header, _) = Header::ref_from_prefix(bytes).map_err(|_| ImageError::TooShort)?;
        if header.magic != layout::MAGIC {
            return Err(ImageError::NoImage);
        }
        if header.version.get() != layout::VERSION {
            return Err(ImageError::Version(header.version.get()));
        }
        let bytes = bytes
            .get(..header.length.get() as usize)
            .ok_or(ImageError::TooShort)?;
        use SectionName as Name;
        let image = Image {
            header,
            components: section(bytes, Name::Components, header.components, MAX_COMPONENTS)?,
            objects: section(bytes, Name::Objects, header.objects, MAX_OBJECTS)?,
            caps: section(bytes, Name::Caps, header.caps, MAX_CAPS)?,
            maps: section(bytes, Name::Maps, header.maps, MAX_MAPS)?,
            order: section(bytes, Name::Order, header.order, MAX_COMPONENTS)?,
            text: section(bytes, Name::Text, header.text, MAX_TEXT)?,
        };
        image.check_header()?;
        image.check_objects()?;
        image.check_services()?;
        image.check_components()?;
        image.check_order()?;
        Ok(image)
    }

    fn check_header(&self) -> Result<(), ImageError> {
        let fault = at(SectionName::Header, 0);
        decode::name(self.text, self.header.name).map_err(&fault)?;
        if !(1..=pagurus_abi::layout::MAX_CPUS as u32).contains(&self.header.cpus.get()) {
            return Err(fault(Fault::Cpu));
        }
        Ok(())
    }

    fn check_services(&self) -> Result<(), ImageError> {
        for service in self.header.services {
            if service.get() != layout::NONE {
                decode::refers(self.objects, service.get(), |k| k == object_kind::ENDPOINT)
                    .map_err(at(SectionName::Header, 0))?;
            }
        }
        Ok(())
    }

    fn check_objects(&self) -> Result<(), ImageError> {
        for (i, raw) in self.objects.iter().enumerate() {
            decode::object(self.text, self.cpus(), i as u32, raw)
                .map_err(at(SectionName::Objects, i))?;
        }
        Ok(())
    }

    fn check_components(&self) -> Result<(), ImageError> {
        let (mut caps_before, mut maps_before) = (0, 0);
        for (i, raw) in self.components.iter().enumerate() {
            let fault = at(SectionName::Components, i);
            let info =
                decode::component(self.text, self.cpus(), i as u16 + 1, raw).map_err(&fault)?;
            for (index, kind) in [
                (info.fault_endpoint, object_kind::ENDPOINT),
                (info.notification, object_kind::NOTIFICATION),
            ] {
                if let Some(index) = index {
                    decode::refers(self.objects, index, |k| k == kind).map_err(&fault)?;
                }
            }
            let caps = piece(self.caps, caps_before, raw.caps.get()).ok_or(fault(Fault::Count))?;
            let maps = piece(self.maps, maps_before, raw.maps.get()).ok_or(fault(Fault::Count))?;
            self.check_caps(caps_before, caps, &info)?;
            for (j, raw) in maps.iter().enumerate() {
                decode::map(self.objects, raw).map_err(at(SectionName::Maps, maps_before + j))?;
            }
            caps_before += caps.len();
            maps_before += maps.len();
        }
        if caps_before != self.caps.len() || maps_before != self.maps.len() {
            return Err(at(SectionName::Components, self.components.len())(
                Fault::Count,
            ));
        }
        Ok(())
    }

    /// Slots ascend without overlap, lie within the CNode and before those that are filled at run time.
    fn check_caps(
        &self,
        before: usize,
        caps: &[RawCap],
        info: &ComponentInfo<'_>,
    ) -> Result<(), ImageError> {
        let mut next = 1;
        let mut limit = 1u32 << info.cnode_bits;
        if info.dynamic.count > 0 {
            limit = info.dynamic.first;
        }
        for (j, raw) in caps.iter().enumerate() {
            let fault = at(SectionName::Caps, before + j);
            let cap = decode::cap(self.text, self.objects, raw).map_err(&fault)?;
            let end = cap.slot.checked_add(cap.count).ok_or(fault(Fault::Slot))?;
            if cap.slot < next || end > limit {
                return Err(fault(Fault::Slot));
            }
            next = end;
        }
        Ok(())
    }

    fn check_order(&self) -> Result<(), ImageError> {
        let mut seen = [false; MAX_COMPONENTS + 1];
        if self.order.len() != self.components.len() {
            return Err(at(SectionName::Order, 0)(Fault::Order));
        }
        for (i, id) in self.order.iter().enumerate() {
            let id = id.get() as usize;
            if id == 0 || id > self.components.len() || seen[id] {
                return Err(at(SectionName::Order, i)(Fault::Order));
            }
            seen[id] = true;
        }
        Ok(())
    }

    /// The name of the system.
    pub fn name(&self) -> &'a str {
        decode::name(self.text, self.header.name).unwrap_or("")
    }

    /// Processors that the system may name; the machine may have fewer or more.
    pub fn cpus(&self) -> u32 {
        self.header.cpus.get()
    }

    /// The endpoint of a service, by its number.
    pub fn service(&self, service: Service) -> Option<u32> {
        let index = self.header.services[service as usize].get();
        (index != layout::NONE).then_some(index)
    }

    /// How many objects there are.
    pub fn object_count(&self) -> u32 {
        self.objects.len() as u32
    }

    /// The object of this number.
    pub fn object(&self, index: u32) -> Option<Object<'a>> {
        let raw = self.objects.get(index as usize)?;
        decode::object(self.text, self.cpus(), index, raw).ok()
    }

    /// All objects by number.
    pub fn objects(&self) -> impl Iterator<Item = Object<'a>> + use<'a> {
        let image = *self;
        (0..self.object_count()).filter_map(move |i| image.object(i))
    }

    /// How many components there are, root not counted.
    pub fn component_count(&self) -> u16 {
        self.components.len() as u16
    }

    /// The component with this identifier (from 1).
    pub fn component(&self, id: u16) -> Option<Component<'a>> {
        let index = usize::from(id).checked_sub(1)?;
        let raw = self.components.get(index)?;
        let before = &self.components[..index];
        let caps_before = before.iter().map(|c| c.caps.get() as usize).sum();
        let maps_before = before.iter().map(|c| c.maps.get() as usize).sum();
        Some(Component {
            info: decode::component(self.text, self.cpus(), id, raw).ok()?,
            argument: decode::argument(self.text, raw.argument).ok()?,
            image: *self,
            caps: piece(self.caps, caps_before, raw.caps.get())?,
            maps: piece(self.maps, maps_before, raw.maps.get())?,
        })
    }

    /// The component of this name.
    pub fn component_named(&self, name: &str) -> Option<Component<'a>> {
        self.components().find(|c| c.name == name)
    }

    /// All components by identifier.
    pub fn components(&self) -> impl Iterator<Item = Component<'a>> + use<'a> {
        let image = *self;
        (1..=self.component_count()).filter_map(move |id| image.component(id))
    }

    /// All components in the order in which to start them: servers before their clients.
    pub fn start_order(&self) -> impl Iterator<Item = Component<'a>> + use<'a> {
        let image = *self;
        image
            .order
            .iter()
            .filter_map(move |id| image.component(id.get()))
    }
}

/// `count` records from `first` on.
fn piece<T>(all: &[T], first: usize, count: u32) -> Option<&[T]> {
    all.get(first..first.checked_add(count as usize)?)
}

impl<'a> Component<'a> {
    /// Its capability number `index`, counted by ascending slot.
    pub fn cap(&self, index: usize) -> Option<Cap<'a>> {
        let raw = self.caps.get(index)?;
        decode::cap(self.image.text, self.image.objects, raw).ok()
    }

    /// Its capabilities by ascending slot, those in fixed slots included.
    pub fn caps(&self) -> impl Iterator<Item = Cap<'a>> + use<'a> {
        let image = self.image;
        self.caps
            .iter()
            .filter_map(move |raw| decode::cap(image.text, image.objects, raw).ok())
    }

    /// What is mapped before it starts, besides program, stack, heap and IPC buffer.
    pub fn maps(&self) -> impl Iterator<Item = Map> + use<'a> {
        let image = self.image;
        self.maps
            .iter()
            .filter_map(move |raw| decode::map(image.objects, raw).ok())
    }

    /// Text for its start page, at most [`MAX_ARGUMENT`](layout::MAX_ARGUMENT) bytes; empty if there is none.
    pub fn argument(&self) -> &'a str {
        self.argument
    }

    /// All about it but its argument, capabilities and mappings.
    pub fn info(&self) -> ComponentInfo<'a> {
        self.info
    }
}

impl<'a> Deref for Component<'a> {
    type Target = ComponentInfo<'a>;

    fn deref(&self) -> &Self::Target {
        &self.info
    }
}
