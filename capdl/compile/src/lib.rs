//! From a system's description to the image that root reads: parse, check, write.
//!
//! ```no_run
//! # fn main() -> Result<(), pagurus_capdl_spec::Diagnostics> {
//! let system = pagurus_capdl_compile::compile("capdl/systems/default.toml")?;
//! println!("{} bytes; programs: {:?}", system.image_bytes.len(), system.binaries);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod lower;

pub use pagurus_capdl_spec::Diagnostics;
use pagurus_capdl_spec::{Diagnostic, Source, SystemSpec};
use std::path::Path;

/// A description that passed all checks, and what became of it.
#[derive(Clone, Debug)]
pub struct CompiledSystem {
    /// The description.
    pub spec: SystemSpec,
    /// The image: the boot module `system`.
    pub image_bytes: Vec<u8>,
    /// The boot modules that it needs besides root, each once: names of programs.
    pub binaries: Vec<String>,
}

/// Reads, checks and translates the description in file `path`. The error says everything that is wrong
/// with it and is meant to be shown as it is.
pub fn compile(path: impl AsRef<Path>) -> Result<CompiledSystem, Diagnostics> {
    let (source, spec) = pagurus_capdl_spec::parse_file(path.as_ref())?;
    compile_spec(&source, spec)
}

/// The same for a description whose text is at hand.
pub fn compile_source(source: &Source) -> Result<CompiledSystem, Diagnostics> {
    compile_spec(source, pagurus_capdl_spec::parse(source)?)
}

fn compile_spec(source: &Source, spec: SystemSpec) -> Result<CompiledSystem, Diagnostics> {
    pagurus_capdl_check::check(source, &spec)?;
    // What passes the checks can be translated; that root would accept the image is proven here by
    // reading it back, so that a gap in the checks shows at build time and not at boot.
    let refuse = |why: String| {
        Diagnostics::from(Diagnostic::of_file(source.path(), "image", why).with_help(
            "the checks let pass what the image cannot hold: please report this as a fault",
        ))
    };
    let contents = lower::lower(&spec).map_err(|why| refuse(why.to_string()))?;
    let image_bytes =
        pagurus_capdl_image::write::write(&contents).map_err(|error| refuse(error.to_string()))?;
    Ok(CompiledSystem {
        binaries: spec.binaries(),
        image_bytes,
        spec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pagurus_abi::Rights;
    use pagurus_capdl_image::{Image, Target};
    use pagurus_capdl_spec::access::{Reason, accesses};

    fn default_system() -> CompiledSystem {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../systems/default.toml");
        compile(path).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn the_image_says_what_the_description_says() {
        let system = default_system();
        let image = Image::parse(&system.image_bytes).unwrap();
        assert_eq!(image.name(), "default");
        for (component, spec) in image.components().zip(&system.spec.components) {
            assert_eq!(component.name, spec.name());
            assert!(system.binaries.iter().any(|b| b == component.binary));
            for cap in &spec.caps {
                let cap = cap.get_ref();
                let name = cap.name.get_ref();
                let there = component.caps().find(|c| c.name == name).unwrap();
                let (index, _) = system.spec.object(cap.object().get_ref()).unwrap();
                assert_eq!(there.target, Target::Object(index as u32));
            }
            for (map, spec) in component.maps().zip(&spec.maps) {
                let frame = image.object(map.object).unwrap();
                assert_eq!(frame.name, spec.get_ref().object.get_ref());
            }
        }
    }

    #[test]
    fn servers_start_before_their_clients() {
        let system = default_system();
        let image = Image::parse(&system.image_bytes).unwrap();
        let order: Vec<u16> = image.start_order().map(|c| c.id).collect();
        let place = |id: u16| order.iter().position(|o| *o == id).unwrap();
        let calls = accesses(&system.spec);
        let mut pairs = 0;
        for call in calls
            .iter()
            .filter(|a| matches!(a.reason, Reason::Service(_)))
        {
            let servers = calls
                .iter()
                .filter(|a| a.object == call.object && a.component != 0)
                .filter(|a| a.rights.contains(Rights::READ));
            for server in servers {
                assert!(place(server.component) < place(call.component));
                pairs += 1;
            }
        }
        assert!(pairs > 0);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = compile("no/such.toml").unwrap_err().to_string();
        assert!(
            error.starts_with("no/such.toml: file: cannot be read: "),
            "{error}"
        );
    }
}
