//! What rules look at, and how they say what they found.

use pagurus_abi::Rights;
use pagurus_capdl_spec::access::{Access, Reason, accesses, component_name};
use pagurus_capdl_spec::{ComponentSpec, Diagnostic, ObjectKind, ObjectSpec, Source, SystemSpec};
use std::ops::Range;

/// What rules look at.
pub(crate) struct Context<'a> {
    source: &'a Source,
    /// The system.
    pub system: &'a SystemSpec,
    /// Who can reach what.
    pub accesses: Vec<Access>,
}

impl<'a> Context<'a> {
    pub fn new(source: &'a Source, system: &'a SystemSpec) -> Self {
        Context {
            source,
            system,
            accesses: accesses(system),
        }
    }

    /// The line of a place, from 1.
    pub fn line(&self, span: &Range<usize>) -> usize {
        self.source.position(span.start).line
    }

    /// Whether the file says the same in both places.
    pub fn same_text(&self, a: &Range<usize>, b: &Range<usize>) -> bool {
        let text = self.source.text();
        text.get(a.clone()) == text.get(b.clone())
    }

    /// The components with their identifiers.
    pub fn components(&self) -> impl Iterator<Item = (u16, &'a ComponentSpec)> {
        self.system.components_with_id()
    }

    /// The objects with their numbers.
    pub fn objects(&self) -> impl Iterator<Item = (usize, &'a ObjectSpec)> {
        self.system.objects.iter().enumerate()
    }

    /// The name of a component; 0 is root.
    pub fn name(&self, component: u16) -> &'a str {
        component_name(self.system, component)
    }

    /// Who can reach `object`, in the order of the components.
    pub fn users(&self, object: usize) -> impl Iterator<Item = &Access> {
        self.accesses.iter().filter(move |a| a.object == object)
    }

    /// The first of the accesses to `object` of each component for which `wanted` holds.
    pub fn owners(&self, object: usize, wanted: impl Fn(&Access) -> bool) -> Vec<&Access> {
        let mut owners: Vec<&Access> = Vec::new();
        for access in self.users(object).filter(|a| wanted(a)) {
            if owners.iter().all(|o| o.component != access.component) {
                owners.push(access);
            }
        }
        owners
    }

    /// Those who receive at an endpoint.
    pub fn receivers(&self, endpoint: usize) -> Vec<&Access> {
        self.owners(endpoint, |a| a.rights.contains(Rights::READ))
    }

    /// Each named capability of each component: its identifier, the component, the capability's number and
    /// the object, if there is one of that name.
    pub fn caps(
        &self,
    ) -> impl Iterator<
        Item = (
            u16,
            &'a ComponentSpec,
            &'a pagurus_capdl_spec::CapSpec,
            &'a ObjectKind,
        ),
    > {
        let system = self.system;
        self.components().flat_map(move |(id, component)| {
            component.caps.iter().filter_map(move |cap| {
                let cap = cap.get_ref();
                let (_, object) = system.object(cap.object().get_ref())?;
                Some((id, component, cap, &object.kind))
            })
        })
    }
}

/// How an access came about, for messages: `cap "x"` and so on.
pub(crate) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Cap(_) => "capability",
        Reason::Map(_) => "mapping",
        Reason::Service(_) => "service",
        Reason::Serves => "service of root",
        Reason::Faults => "fault endpoint",
        Reason::Bound => "bound notification",
    }
}

/// What one rule found.
pub(crate) struct Found<'a> {
    rule: &'static str,
    source: &'a Source,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Found<'a> {
    pub fn new(rule: &'static str, source: &'a Source) -> Self {
        Found {
            rule,
            source,
            diagnostics: Vec::new(),
        }
    }

    /// Something wrong with the system as a whole or with an object.
    pub fn add(&mut self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        let diagnostic = Diagnostic::new(self.source, self.rule, span, message).with_help(help);
        self.diagnostics.push(diagnostic);
    }

    /// Something wrong in `component`.
    pub fn add_in(
        &mut self,
        component: &str,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(span, message, help);
        if let Some(last) = self.diagnostics.last_mut() {
            last.component = Some(component.to_string());
        }
    }

    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }
}
