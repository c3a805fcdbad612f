//! A whole system.

use crate::component::{ComponentSpec, Service};
use crate::object::{ObjectKind, ObjectSpec};
use crate::quantity::Bytes;
use serde::Deserialize;
use toml::Spanned;

/// The name of the first component, which the kernel starts itself.
pub const ROOT: &str = "root";

/// A system as it is described.
#[derive(Clone, Debug)]
pub struct SystemSpec {
    /// `[system]`.
    pub about: About,
    /// `[services]`.
    pub services: Services,
    /// Named objects in the order of the file; an object's index is its number in the image.
    pub objects: Vec<ObjectSpec>,
    /// Components in the order of the file; component `i` has identifier `i + 1` (root is 0).
    pub components: Vec<ComponentSpec>,
}

/// `[system]`: what concerns all of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Its name.
    pub name: Spanned<String>,
    /// Processors that it may name: index 0 to `cpus - 1`. On a machine with fewer, root runs a component
    /// on the processor of its index modulo their number.
    #[serde(default = "one_cpu")]
    pub cpus: Spanned<u32>,
    /// Memory in which everything must fit.
    pub memory: Spanned<Bytes>,
    /// Components between which no path of capabilities may lead.
    #[serde(default)]
    pub separate: Vec<Spanned<Vec<Spanned<String>>>>,
    /// Components that keep their clients apart, beside root: paths do not lead through them.
    #[serde(default)]
    pub trusted: Vec<Spanned<String>>,
}

fn one_cpu() -> Spanned<u32> {
    Spanned::new(0..0, 1)
}

/// `[services]`: the endpoints behind [`Service`]s.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Services {
    /// Where the log collector receives.
    pub log: Option<Spanned<String>>,
    /// Where root receives.
    pub parent: Option<Spanned<String>>,
    /// Where the memory manager receives.
    pub memory: Option<Spanned<String>>,
}

impl Services {
    /// The name of the endpoint of `service`.
    pub fn endpoint(&self, service: Service) -> Option<&Spanned<String>> {
        match service {
            Service::Log => self.log.as_ref(),
            Service::Parent => self.parent.as_ref(),
            Service::Memory => self.memory.as_ref(),
        }
    }

    /// Each service that has an endpoint.
    pub fn iter(&self) -> impl Iterator<Item = (Service, &Spanned<String>)> {
        [Service::Log, Service::Parent, Service::Memory]
            .into_iter()
            .filter_map(|s| Some((s, self.endpoint(s)?)))
    }
}

impl SystemSpec {
    /// The object called `name` with its number.
    pub fn object(&self, name: &str) -> Option<(usize, &ObjectSpec)> {
        self.objects
            .iter()
            .enumerate()
            .find(|(_, o)| o.name.get_ref() == name)
    }

    /// The component called `name` with its identifier. Root is not listed.
    pub fn component(&self, name: &str) -> Option<(u16, &ComponentSpec)> {
        self.components_with_id().find(|(_, c)| c.name() == name)
    }

    /// Each component with its identifier, which is also its badge.
    pub fn components_with_id(&self) -> impl Iterator<Item = (u16, &ComponentSpec)> {
        (1..).zip(&self.components)
    }

    /// The name of the endpoint that gets the faults of `component`.
    pub fn fault_endpoint<'a>(
        &'a self,
        component: &'a ComponentSpec,
    ) -> Option<&'a Spanned<String>> {
        component
            .faults_to
            .as_ref()
            .or(self.services.parent.as_ref())
    }

    /// Whether `name` is one of the components that keep their clients apart.
    pub fn is_trusted(&self, name: &str) -> bool {
        name == ROOT || self.about.trusted.iter().any(|t| t.get_ref() == name)
    }

    /// The boot modules with programs, each once, in the order of the components.
    pub fn binaries(&self) -> Vec<String> {
        let mut binaries: Vec<String> = Vec::new();
        for component in &self.components {
            if !binaries.iter().any(|b| b == component.binary()) {
                binaries.push(component.binary().to_string());
            }
        }
        binaries
    }

    /// The boot modules that components map, in the order of the file, and whether the system can do without.
    pub fn modules(&self) -> impl Iterator<Item = (&str, bool)> {
        let modules = self.objects.iter();
        modules
            .filter(|object| matches!(object.kind, ObjectKind::Module))
            .map(|object| (object.name.get_ref().as_str(), object.optional))
    }

    /// Names of the objects for which `wanted` holds.
    pub fn object_names(&self, wanted: impl Fn(&ObjectKind) -> bool) -> impl Iterator<Item = &str> {
        self.objects
            .iter()
            .filter(move |o| wanted(&o.kind))
            .map(|o| o.name.get_ref().as_str())
    }
}
