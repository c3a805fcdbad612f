//! From text to [`SystemSpec`].

use crate::component::ComponentSpec;
use crate::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
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
    module: Vec<Spanned<Module>>,
    #[serde(default)]
    timer: Vec<Spanned<Plain>>,
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

// Endpoints, notifications, timers. For the first two `shared` speaks of the receiving side.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    name: Spanned<String>,
    #[serde(default)]
    shared: bool,
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
table!(Module { #[serde(default)] optional: bool, #[serde(default)] shared: bool }
    shared, optional => ObjectKind::Module);
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
        let span = table.span();
        let Plain { name, shared } = table.into_inner();
        objects.push(ObjectSpec {
            name,
            shared,
            optional: false,
            kind: kind.clone(),
            span,
        });
    }
}

/// A fault of the text as TOML, or as the tables that were to be read from it, with what is possible there.
pub fn syntax_error(source: &Source, error: &toml::de::Error) -> Diagnostic {
    let span = error.span().unwrap_or(0..0);
    let message = error.message();
    let mut quoted = message.split('`').skip(1).step_by(2);
    let word = quoted.next().unwrap_or("");
    let known: Vec<&str> = quoted.collect();
    let possible = || {
        did_you_mean(word, known.iter().copied())
            .unwrap_or_else(|| format!("possible are: {}", known.join(", ")))
    };
    let (message, help) = if message.starts_with("unknown field ") {
        (format!("there is no key `{word}` here"), Some(possible()))
    } else if message.starts_with("unknown variant ") {
        (format!("`{word}` means nothing here"), Some(possible()))
    } else if message.starts_with("missing field ") {
        (format!("the key `{word}` is missing"), None)
    } else {
        let message = message
            .replace("expected u16", "expected a number from 0 to 65535")
            .replace("expected u32", "expected a number from 0 to 4294967295")
            .replace("expected u64", "expected a number that is not negative");
        (message.trim_end().to_string(), None)
    };
    let mut diagnostic = Diagnostic::new(source, "syntax", span, message);
    diagnostic.help = help;
    diagnostic
}

/// The name of the component whose table holds byte `offset`, as far as the text can be understood.
fn enclosing_component(text: &str, offset: usize) -> Option<String> {
    let header = |line: &str| line.trim_start().starts_with("[[component]]");
    let (mut here, mut name, mut begun) = (false, None, 0);
    for line in text.split_inclusive('\n') {
        if header(line) || line.starts_with('[') {
            if begun > offset {
                break;
            }
            (here, name) = (header(line), None);
        }
        if here && let Some(value) = line.trim().strip_prefix("name = ") {
            name.get_or_insert_with(|| value.trim_matches('"').to_string());
        }
        begun += line.len();
    }
    name
}

/// Reads a description. The only rule that is checked here is `syntax`: that the text is TOML with the
/// tables and types that [`SystemSpec`] has.
pub fn parse(source: &Source) -> Result<SystemSpec, Diagnostics> {
    let file: File = toml::from_str(source.text()).map_err(|error| {
        let mut diagnostic = syntax_error(source, &error);
        let offset = error.span().map_or(0, |span| span.start);
        diagnostic.component = enclosing_component(source.text(), offset);
        diagnostic
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
    collect(&mut objects, file.module);
    collect_plain(&mut objects, file.timer, ObjectKind::Timer);
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
