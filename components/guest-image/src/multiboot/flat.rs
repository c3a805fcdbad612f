//! Images whose header gives the addresses (the "a.out kludge" of the first version, the address tags of the
//! second).

use crate::bytes::part;
use crate::error::ImageError;
use crate::plan::{Builder, Source};

/// Addresses in a multiboot header.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Offset of the header in the file.
    pub header_offset: u64,
    /// Where the header is to lie.
    pub header: u32,
    /// Where the image begins; all ones if that is the beginning of the file.
    pub load: u32,
    /// Where the part ends that comes from the file; 0 if that is its end.
    pub load_end: u32,
    /// Where the zeros end; 0 if there are none.
    pub bss_end: u32,
    /// Where it is entered.
    pub entry: u32,
}

impl Addresses {
    /// Loads the image; returns its entry point and the end of what was loaded.
    pub fn load(&self, image: &[u8], builder: &mut Builder) -> Result<(u64, u64), ImageError> {
        let bad = ImageError::Damaged("addresses in the multiboot header");
        let header = u64::from(self.header);
        let load = match self.load {
            u32::MAX => header.checked_sub(self.header_offset).ok_or(bad.clone())?,
            load => u64::from(load),
        };
        // The beginning of the image lies as far in front of the header as in the file.
        let before = header.checked_sub(load).ok_or(bad.clone())?;
        let offset = self.header_offset.checked_sub(before).ok_or(bad.clone())?;
        let in_file = match self.load_end {
            0 => (image.len() as u64).checked_sub(offset),
            end => u64::from(end).checked_sub(load),
        }
        .filter(|length| *length != 0)
        .ok_or(bad.clone())?;
        if part(image, offset, in_file).is_none() {
            return Err(ImageError::Truncated("the multiboot image"));
        }
        let load_end = load + in_file;
        let end = match self.bss_end {
            0 => load_end,
            end => u64::from(end),
        };
        let zeros = end.checked_sub(load_end).ok_or(bad.clone())?;
        let entry = u64::from(self.entry);
        if !(load..load_end).contains(&entry) {
            return Err(ImageError::Damaged(
                "entry point in the multiboot header: outside the image",
            ));
        }
        if end > crate::space::GIB4 {
            return Err(bad);
        }
        builder.space.take_at("the image", load, end - load)?;
        builder.put(load, in_file, Source::Image { offset });
        builder.put(load_end, zeros, Source::Zero);
        Ok((entry, end))
    }
}
