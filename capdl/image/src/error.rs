//! Why an image is refused.

use core::fmt;

/// Why an image is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// Fewer bytes than a header has, or than the header says.
    TooShort,
    /// It does not begin as an image does.
    NoImage,
    /// Made for another version of the layout.
    Version(u32),
    /// A section does not lie within the image.
    SectionOutside(SectionName),
    /// A section has more records than an image may have.
    TooMany(SectionName),
    /// A record is wrong.
    Record {
        /// Its section.
        section: SectionName,
        /// Its number in the section.
        index: u32,
        /// What is wrong.
        fault: Fault,
    },
}

/// The sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionName {
    /// The header itself.
    Header,
    /// Components.
    Components,
    /// Objects.
    Objects,
    /// Capabilities.
    Caps,
    /// Mappings.
    Maps,
    /// The order in which components start.
    Order,
    /// Names.
    Text,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The name or argument is empty, too long, outside the text or not UTF-8.
    Name,
    /// The kind is unknown.
    Kind,
    /// A size is out of range or not a multiple of the page size.
    Size,
    /// An address is not aligned or out of range.
    Address,
    /// It refers to something that is not there or of the wrong kind.
    Reference,
    /// The slot is 0, outside the CNode, taken, or not in ascending order.
    Slot,
    /// Rights that do not exist or may not go together.
    Rights,
    /// A badge, signal or number of slots on a capability that has none.
    Badge,
    /// Budget or period out of range.
    Time,
    /// A processor that the system may not name.
    Cpu,
    /// A flag or reserved field that is not zero.
    Reserved,
    /// A component that is missing or named twice.
    Order,
    /// The counts of the components do not add up to the records in the section.
    Count,
}

impl Fault {
    /// A few words for people.
    pub const fn text(self) -> &'static str {
        match self {
            Fault::Name => "bad name",
            Fault::Kind => "unknown kind",
            Fault::Size => "size out of range",
            Fault::Address => "address misaligned or out of range",
            Fault::Reference => "refers to what is not there",
            Fault::Slot => "slot out of range or out of order",
            Fault::Rights => "impossible rights",
            Fault::Badge => "badge, signal or count where there can be none",
            Fault::Time => "budget or period out of range",
            Fault::Cpu => "no such processor",
            Fault::Reserved => "reserved field is not zero",
            Fault::Order => "component missing or twice",
            Fault::Count => "counts do not add up",
        }
    }
}

impl SectionName {
    /// A word for people.
    pub const fn text(self) -> &'static str {
        match self {
            SectionName::Header => "header",
            SectionName::Components => "component",
            SectionName::Objects => "object",
            SectionName::Caps => "capability",
            SectionName::Maps => "mapping",
            SectionName::Order => "start order",
            SectionName::Text => "text",
        }
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageError::TooShort => f.write_str("capDL image: too short"),
            ImageError::NoImage => f.write_str("capDL image: this is no capDL image"),
            ImageError::Version(version) => write!(
                f,
                "capDL image: layout version {version}, but only {} can be read; build the image anew",
                crate::layout::VERSION
            ),
            ImageError::SectionOutside(section) => {
                write!(f, "capDL image: {} section lies outside", section.text())
            }
            ImageError::TooMany(section) => {
                write!(
                    f,
                    "capDL image: too many records in the {} section",
                    section.text()
                )
            }
            ImageError::Record {
                section,
                index,
                fault,
            } => write!(
                f,
                "capDL image: {} {index}: {}",
                section.text(),
                fault.text()
            ),
        }
    }
}

impl core::error::Error for ImageError {}
