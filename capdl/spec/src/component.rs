//! Components: programs, their time and memory, and what they may use.

use crate::quantity::{Bytes, Nanoseconds, RightsText};
use pagurus_abi::Kind;
use serde::Deserialize;
use serde::de::Error as _;
use toml::Spanned;

/// Stack of a component that names no size.
pub const DEFAULT_STACK: Bytes = Bytes(32 * 1024);
/// Heap of a component that names no size.
pub const DEFAULT_HEAP: Bytes = Bytes(64 * 1024);
/// Room for the program of a component that names no size.
pub const DEFAULT_IMAGE: Bytes = Bytes(1024 * 1024);
/// Priority of a component that names none.
pub const DEFAULT_PRIORITY: u32 = 100;
/// Budget and period of a component that names none: never out of time, and round robin among equals.
pub const TIME_SLICE: Nanoseconds = Nanoseconds(10_000_000);

/// `[[component]]`: a program with one thread, an address space and a capability space of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentSpec {
    /// Its name, unique among the components; `root` is taken.
    pub name: Spanned<String>,
    /// The boot module with its program, by default of the same name.
    pub binary: Option<Spanned<String>>,
    /// What it is for, in a few words; shown in the graph.
    #[serde(default)]
    pub description: String,
    /// Text that it finds in its start page.
    pub argument: Option<Spanned<String>>,
    /// Priority, 0 (lowest) to 255.
    pub priority: Option<Spanned<u32>>,
    /// Index of the processor on which it runs.
    pub cpu: Option<Spanned<u32>>,
    /// Time in every period, with `period`; without both it is never out of time.
    pub budget: Option<Spanned<Nanoseconds>>,
    /// After this time the budget is full again.
    pub period: Option<Spanned<Nanoseconds>>,
    /// It has no time of its own and runs only on the time of its callers.
    #[serde(default)]
    pub passive: Option<Spanned<bool>>,
    /// It uses floating point and vector registers.
    #[serde(default)]
    pub fpu: bool,
    /// Bytes of its stack.
    pub stack: Option<Spanned<Bytes>>,
    /// Bytes of its heap.
    pub heap: Option<Spanned<Bytes>>,
    /// Bytes that its program may take in memory.
    pub image: Option<Spanned<Bytes>>,
    /// log2 of the slots of its capability space; computed if left out.
    pub cnode_bits: Option<Spanned<u32>>,
    /// Bytes for its page tables; computed if left out.
    pub address_space: Option<Spanned<Bytes>>,
    /// Memory that it may ask the memory manager for.
    pub memory_quota: Option<Spanned<Bytes>>,
    /// The notification that is bound to its thread.
    pub notification: Option<Spanned<String>>,
    /// The endpoint that gets its faults; by default that of the parent.
    pub faults_to: Option<Spanned<String>>,
    /// How often root starts it again after a fault: a number, or `"always"`.
    pub restarts: Option<Spanned<Restarts>>,
    /// Services that it calls.
    #[serde(default)]
    pub uses: Vec<Spanned<Service>>,
    /// Its own kernel objects to which it holds a capability.
    #[serde(default)]
    pub own: Vec<Spanned<OwnObject>>,
    /// Capabilities to named objects.
    #[serde(default)]
    pub caps: Vec<Spanned<CapSpec>>,
    /// Memory that root maps for it.
    #[serde(default)]
    pub maps: Vec<Spanned<MapSpec>>,
    /// Slots for capabilities that come while it runs.
    pub dynamic: Option<Spanned<DynamicSpec>>,
}

/// Services that have a fixed slot in every component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// The log collector.
    Log,
    /// Root.
    Parent,
    /// The memory manager.
    Memory,
}

/// A component's own kernel objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OwnObject {
    /// Its capability space: it can copy, mint, move and delete its capabilities.
    #[serde(rename = "cnode")]
    CNode,
    /// Its address space: it can map frames.
    AddressSpace,
    /// Its thread.
    Thread,
}

/// How often a component is started again after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restarts {
    /// At most so often; 0 is never.
    UpTo(u32),
    /// Every time.
    Always,
}

/// `caps = [{ ... }]`: a capability to a named object.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapSpec {
    /// The name by which the component knows it.
    pub name: Spanned<String>,
    /// The object; by default the one of the same name.
    pub object: Option<Spanned<String>>,
    /// What it permits.
    pub rights: Option<Spanned<RightsText>>,
    /// The number that the receiver sees; for endpoints by default the component's identifier.
    pub badge: Option<Spanned<u64>>,
    /// For an IRQ or a timer: the bits that root lets it signal to the component's notification.
    pub signal: Option<Spanned<u64>>,
    /// The slot; by default the next after the one before.
    pub slot: Option<Spanned<u32>>,
    /// For untyped memory of size `"rest"`: how many slots it may fill.
    pub slots: Option<Spanned<u32>>,
}

/// `maps = [{ ... }]`: memory that root maps before the component starts, `frame = "..."` or `module = "..."`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "MapTable")]
pub struct MapSpec {
    /// The frame, device memory or boot module.
    pub object: Spanned<String>,
    /// It is called a boot module, of which all is mapped.
    pub is_module: bool,
    /// The name by which the component knows it; by default that of the object.
    pub name: Option<Spanned<String>>,
    /// Virtual address; chosen if left out.
    pub at: Option<Spanned<u64>>,
    /// `r`, `rw` or `rx`.
    pub rights: Spanned<RightsText>,
    /// Memory type.
    pub cache: Cache,
    /// First byte of the frame to map.
    pub offset: Option<Spanned<Bytes>>,
    /// Bytes to map; by default up to the end of the frame.
    pub length: Option<Spanned<Bytes>>,
}

/// A mapping as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MapTable {
    frame: Option<Spanned<String>>,
    module: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
    at: Option<Spanned<u64>>,
    rights: Spanned<RightsText>,
    cache: Option<Cache>,
    offset: Option<Spanned<Bytes>>,
    length: Option<Spanned<Bytes>>,
}

impl TryFrom<MapTable> for MapSpec {
    type Error = &'static str;

    fn try_from(table: MapTable) -> Result<MapSpec, &'static str> {
        let part = table.cache.is_some() || table.offset.is_some() || table.length.is_some();
        let (object, is_module) = match (table.frame, table.module) {
            (Some(frame), None) => (frame, false),
            (None, Some(_)) if part => {
                return Err(
                    "a boot module is mapped as a whole: leave out `offset`, `length` and `cache`",
                );
            }
            (None, Some(module)) => (module, true),
            _ => return Err("a mapping names either a `frame` or a `module`"),
        };
        Ok(MapSpec {
            object,
            is_module,
            name: table.name,
            at: table.at,
            rights: table.rights,
            cache: table.cache.unwrap_or_default(),
            offset: table.offset,
            length: table.length,
        })
    }
}

/// Memory type of a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cache {
    /// Write-back for memory, uncached for devices.
    #[default]
    Default,
    /// Uncached.
    Uncached,
    /// Write-combining.
    WriteCombining,
}

/// `dynamic = { ... }`: slots after the named ones for capabilities that come at run time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DynamicSpec {
    /// How many slots.
    pub slots: Spanned<u32>,
    /// The kinds of capabilities that may come, by their names in the kernel's documentation.
    pub kinds: Vec<Spanned<KindName>>,
}

/// A kind of kernel object by its name, for example `frame`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindName(pub Kind);

impl<'de> Deserialize<'de> for KindName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let kinds = || Kind::ALL.into_iter().filter(|k| *k != Kind::Empty);
        match kinds().find(|k| k.name() == text) {
            Some(kind) => Ok(KindName(kind)),
            None => {
                let names: Vec<_> = kinds().map(|k| format!("`{}`", k.name())).collect();
                Err(D::Error::custom(format!(
                    "`{text}` is no kind of object; there are {}",
                    names.join(", ")
                )))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Restarts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        match &value {
            toml::Value::String(text) if text == "always" => Ok(Restarts::Always),
            toml::Value::String(text) if text == "never" => Ok(Restarts::UpTo(0)),
            // The largest number stands for "always" in the image.
            toml::Value::Integer(n) if (0..i64::from(u32::MAX)).contains(n) => {
                Ok(Restarts::UpTo(*n as u32))
            }
            other => Err(D::Error::custom(format!(
                "`{other}` is not a number of restarts; write a number, \"never\" or \"always\""
            ))),
        }
    }
}

impl Service {
    /// Its name in `[services]` and in `uses`.
    pub fn name(self) -> &'static str {
        match self {
            Service::Log => "log",
            Service::Parent => "parent",
            Service::Memory => "memory",
        }
    }
}

impl ComponentSpec {
    /// Its name.
    pub fn name(&self) -> &str {
        self.name.get_ref()
    }

    /// The name of the boot module with its program.
    pub fn binary(&self) -> &str {
        match &self.binary {
            Some(binary) => binary.get_ref(),
            None => self.name(),
        }
    }

    /// Bytes of its stack.
    pub fn stack(&self) -> u64 {
        self.stack
            .as_ref()
            .map_or(DEFAULT_STACK, |s| *s.get_ref())
            .0
    }

    /// Bytes of its heap.
    pub fn heap(&self) -> u64 {
        self.heap.as_ref().map_or(DEFAULT_HEAP, |s| *s.get_ref()).0
    }

    /// Bytes that its program may take.
    pub fn image(&self) -> u64 {
        self.image
            .as_ref()
            .map_or(DEFAULT_IMAGE, |s| *s.get_ref())
            .0
    }

    /// Its priority.
    pub fn priority(&self) -> u32 {
        self.priority
            .as_ref()
            .map_or(DEFAULT_PRIORITY, |p| *p.get_ref())
    }

    /// The index of its processor.
    pub fn cpu(&self) -> u32 {
        self.cpu.as_ref().map_or(0, |c| *c.get_ref())
    }

    /// Whether it has no time of its own.
    pub fn is_passive(&self) -> bool {
        self.passive.as_ref().is_some_and(|p| *p.get_ref())
    }

    /// How often root starts it again.
    pub fn restarts(&self) -> Restarts {
        self.restarts
            .as_ref()
            .map_or(Restarts::UpTo(0), |r| *r.get_ref())
    }

    /// Whether it calls `service`.
    pub fn uses(&self, service: Service) -> bool {
        self.uses.iter().any(|s| *s.get_ref() == service)
    }
}

impl CapSpec {
    /// The name of its object.
    pub fn object(&self) -> &Spanned<String> {
        self.object.as_ref().unwrap_or(&self.name)
    }
}

impl MapSpec {
    /// The name by which the component knows it.
    pub fn name(&self) -> &Spanned<String> {
        self.name.as_ref().unwrap_or(&self.object)
    }
}
