//! That no path of capabilities leads between components that are to be separate.

use crate::context::{Context, Found};
use pagurus_abi::Rights;
use pagurus_capdl_spec::access::Access;
use pagurus_capdl_spec::{ObjectKind, ROOT, SystemSpec};
use std::collections::VecDeque;

/// `separation`
///
/// Two components are linked by an object if one of them can change or send what the other can observe or
/// receive: two clients of one server are not linked by its endpoint, client and server are. A path is a
/// chain of links; it ends at components that are trusted to keep their clients apart.
pub(crate) fn separation(context: &Context<'_>, found: &mut Found<'_>) {
    for set in &context.system.about.separate {
        let members = set.get_ref();
        if members.len() < 2 {
            found.add(
                set.span(),
                "one component alone cannot be separate",
                "name at least two: `separate = [[\"a\", \"b\"]]`",
            );
        }
        for (i, first) in members.iter().enumerate() {
            for second in &members[i + 1..] {
                let (Some(from), Some(to)) = (
                    identifier(context.system, first.get_ref()),
                    identifier(context.system, second.get_ref()),
                ) else {
                    continue;
                };
                if let Some(path) = path(context, from, to) {
                    found.add_in(
                        first.get_ref(),
                        second.span(),
                        format!(
                            "is to be separate from `{}`, but there is a path: {}",
                            second.get_ref(),
                            describe(context, from, &path)
                        ),
                        "cut one of the links, or list a component between them that keeps its clients \
                         apart in `trusted`",
                    );
                }
            }
        }
    }
}

/// The identifier of a component or of root.
fn identifier(system: &SystemSpec, name: &str) -> Option<u16> {
    if name == ROOT {
        return Some(0);
    }
    system.component(name).map(|(id, _)| id)
}

/// A link: the object and the component on its other side.
type Link = (usize, u16);

/// Whether data can go from one to the other, or back, through an object that both can reach.
fn linked(kind: &ObjectKind, a: &Access, b: &Access) -> bool {
    let observes = |a: &Access| a.rights.intersects(Rights::READ | Rights::EXECUTE);
    let changes = |a: &Access| a.rights.contains(Rights::WRITE);
    let carries = !matches!(kind, ObjectKind::Cpu { .. });
    carries && ((changes(a) && observes(b)) || (changes(b) && observes(a)))
}

fn links(context: &Context<'_>, from: u16) -> Vec<Link> {
    let mut links = Vec::new();
    for mine in context.accesses.iter().filter(|a| a.component == from) {
        let kind = &context.system.objects[mine.object].kind;
        for other in context.users(mine.object) {
            let link = (mine.object, other.component);
            if other.component != from && linked(kind, mine, other) && !links.contains(&link) {
                links.push(link);
            }
        }
    }
    links
}

/// The shortest chain of links, if there is one.
fn path(context: &Context<'_>, from: u16, to: u16) -> Option<Vec<Link>> {
    let mut reached = vec![None; context.system.components.len() + 1];
    let mut queue = VecDeque::from([from]);
    while let Some(here) = queue.pop_front() {
        if here != from && context.system.is_trusted(context.name(here)) {
            continue;
        }
        for (object, next) in links(context, here) {
            if next != from && reached[usize::from(next)].is_none() {
                reached[usize::from(next)] = Some((here, object));
                queue.push_back(next);
            }
        }
    }
    let mut path = Vec::new();
    let mut at = to;
    while at != from {
        let (before, object) = reached[usize::from(at)]?;
        path.push((object, at));
        at = before;
    }
    path.reverse();
    Some(path)
}

fn describe(context: &Context<'_>, from: u16, path: &[Link]) -> String {
    let mut text = format!("`{}`", context.name(from));
    for (object, component) in path {
        let object = &context.system.objects[*object];
        text += &format!(
            " -- {} `{}` -- `{}`",
            object.kind.noun(),
            object.name.get_ref(),
            context.name(*component)
        );
    }
    text
}
