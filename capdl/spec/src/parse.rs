//! From text to [`SystemSpec`].

use crate::component::ComponentSpec;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::object::{ObjectKind, ObjectSpec, Polarity, Trigger, UntypedSize};
use crate::quantity::Bytes;
use crate::source::Source;
use crate::system::{About, Services, SystemSpec};
use serde::Deserialize;
use std::path::Path;
use toml::Spanned;

/// The tables of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    system: About,
    #[serde(default)]
    services: Services,
    #[serde(default)]
    endpoint: Vec<Spanned<Plain>>,
    #[serde(default)]
    notification: Vec<Spanned<Plain>>,
    #[serde(default)]
    frame: Vec<Spanned<Frame>>,
    #[serde(default)]
    device: Vec<Spanned<Device>>,
    #[serde(default)]
    irq: Vec<Spanned<Irq>>,
    #[serde(default)]
    ports: Vec<Spanned<Ports>>,
    #[serde(default)]
    untyped: Vec<Spanned<Untyped>>,
    #[serde(default)]
    trace_buffer: Vec<Spanned<TraceBuffer>>,
    #[serde(default)]
    cpu: Vec<Spanned<Cpu>>,
    #[serde(default)]
    component: Vec<ComponentSpec>,
}

/// A table of objects that becomes [`ObjectSpec`]s.
trait Table {
    fn object(self) -> (Spanned<String>, bool, bool, ObjectKind);
}

/// Declares a table of objects: its fields, whether it can be shared and optional, and what it becomes.
macro_rules! table {
    ($name:ident { $($(#[$attr:meta])* $field:ident: $type:ty),* } $shared:expr, $optional:expr => $kind:expr) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {
            name: Spanned<String>,
            $($(#[$attr])* $field: $type,)*
        }

        impl Table for $name {
            fn object(self) -> (Spanned<String>, bool, bool, ObjectKind) {
                let $name { name, $($field),* } = self;
                (name, $shared, $optional, $kind)
            }
        }
    };
}

// Endpoints and notifications are there to be shared.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    name: Spanned<String>,
}

table!(Frame { size: Spanned<Bytes>, #[serde(default)] shared: bool, #[serde(default)] wx_alias: bool }
    shared, false => ObjectKind::Frame { size, wx_alias });
table!(Device { address: Spanned<u64>, size: Spanned<Bytes>, #[serde(default)] shared: bool }
    shared, false => ObjectKind::Device { address, size });
table!(Irq { gsi: Spanned<u32>, #[serde(default)] trigger: Trigger, #[serde(default)] polarity: Polarity, #[serde(default)] shared: bool }
    shared, false => ObjectKind::Irq { gsi, trigger, polarity });
table!(Ports { first: Spanned<u16>, last: Spanned<u16>, #[serde(default)] shared: bool }
    shared, false => ObjectKind::Ports { first, last });
table!(Untyped { size: Spanned<UntypedSize> }
    false, false => ObjectKind::Untyped { size });
table!(TraceBuffer { cpu: Spanned<u32>, size: Spanned<Bytes>, #[serde(default)] optional: bool, #[serde(default)] shared: bool }
    shared, optional => ObjectKind::TraceBuffer { cpu, size });
table!(Cpu { index: Spanned<u32>, max_priority: Spanned<u32>, #[serde(default)] optional: bool }
    true, optional => ObjectKind::Cpu { index, max_priority });

fn collect<T: Table>(objects: &mut Vec<ObjectSpec>, tables: Vec<Spanned<T>>) {
    for table in tables {
        let span = table.span();
        let (name, shared, optional, kind) = table.into_inner().object();
        objects.push(ObjectSpec {
            name,
            shared,
            optional,
            kind,
            span,
        });
    }
}

fn collect_plain(objects: &mut Vec<ObjectSpec>, tables: Vec<Spanned<Plain>>, kind: ObjectKind) {
    for table in tables {
        objects.push(ObjectSpec {
            span: table.span(),
            name: table.into_inner().name,
            shared: true,
            optional: false,
            kind: kind.clone(),
        });
    }
}

/// Reads a description. The only rule that is checked here is `syntax`: that the text is TOML with the
/// tables and types that [`SystemSpec`] has.
pub fn parse(source: &Source) -> Result<SystemSpec, Diagnostics> {
    let file: File = toml::from_str(source.text()).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        Diagnostic::new(source, "syntax", span, error.message())
    })?;
    let mut objects = Vec::new();
    collect_plain(&mut objects, file.endpoint, ObjectKind::Endpoint);
    collect_plain(&mut objects, file.notification, ObjectKind::Notification);
    collect(&mut objects, file.frame);
    collect(&mut objects, file.device);
    collect(&mut objects, file.irq);
    collect(&mut objects, file.ports);
    collect(&mut objects, file.untyped);
    collect(&mut objects, file.trace_buffer);
    collect(&mut objects, file.cpu);
    objects.sort_by_key(|o| o.name.span().start);
    Ok(SystemSpec {
        about: file.system,
        services: file.services,
        objects,
        components: file.component,
    })
}

/// Reads the description in file `path`.
pub fn parse_file(path: &Path) -> Result<(Source, SystemSpec), Diagnostics> {
    let source = Source::read(path).map_err(|error| {
        Diagnostic::of_file(path, "file", format!("cannot be read: {error}"))
            .with_help("name a system description such as capdl/systems/default.toml")
    })?;
    let spec = parse(&source)?;
    Ok((source, spec))
}
