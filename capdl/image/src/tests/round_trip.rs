//! What is written is read back.

use super::{contents, example};
use crate::reader::Image;
use crate::record::Service;
use crate::write::{self, write};
use proptest::prelude::*;

proptest! {
    #![proptest_config(super::config(256))]

    #[test]
    fn contents_are_read_back(contents in contents()) {
        let bytes = write(&contents).unwrap();
        let image = Image::parse(&bytes).unwrap();
        prop_assert_eq!(&write::contents(&image), &contents);
        for parts in &contents.components {
            let component = image.component(parts.info.id).unwrap();
            prop_assert_eq!(component.info(), parts.info);
            for (i, cap) in parts.caps.iter().enumerate() {
                prop_assert_eq!(component.cap(i), Some(*cap));
            }
            prop_assert_eq!(component.cap(parts.caps.len()), None);
        }
    }

    /// Modules are padded to whole pages.
    #[test]
    fn what_follows_the_image_is_ignored(contents in contents(), padding in 0usize..5000) {
        let mut bytes = write(&contents).unwrap();
        bytes.resize(bytes.len() + padding, 0xa5);
        prop_assert_eq!(write::contents(&Image::parse(&bytes).unwrap()), contents);
    }

    #[test]
    fn no_alignment_is_needed(contents in contents(), shift in 0usize..8) {
        let mut bytes = vec![0; shift];
        bytes.extend(write(&contents).unwrap());
        prop_assert_eq!(write::contents(&Image::parse(&bytes[shift..]).unwrap()), contents);
    }
}

#[test]
fn things_are_found_by_name_and_number() {
    let bytes = write(&example()).unwrap();
    let image = Image::parse(&bytes).unwrap();
    assert_eq!(image.component_named("client").map(|c| c.id), Some(2));
    assert!(image.component_named("nobody").is_none());
    assert!(image.component(0).is_none());
    assert!(image.component(3).is_none());
    assert_eq!(image.object(5).map(|o| o.name), Some("com1"));
    assert!(image.object(10).is_none());
    assert_eq!(image.service(Service::Log), Some(0));
    assert_eq!(image.service(Service::Parent), Some(9));
    assert_eq!(image.service(Service::Memory), None);
}

/// Golden bytes: an image of this version stays readable byte for byte.
#[test]
fn the_layout_of_this_version_does_not_change() {
    let bytes = write(&example()).unwrap();
    let golden: &[u8] = include_bytes!("example-v1.image");
    if std::env::var_os("PAGURUS_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/example-v1.image");
        std::fs::write(path, &bytes).unwrap();
        return;
    }
    assert!(bytes == golden, "the layout changed: raise layout::VERSION");
}
