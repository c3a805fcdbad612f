//! The pictures show everything, and nothing lies over anything else.

use pagurus_capdl_graph::{dot, svg};
use pagurus_capdl_spec::access::accesses;
use pagurus_capdl_spec::{Source, SystemSpec, parse};
use proptest::prelude::*;
use roxmltree::{Document, Node};
use std::path::Path;

/// The shipped systems and the good examples of the checks.
fn systems() -> Vec<SystemSpec> {
    let mut systems = Vec::new();
    for folder in ["../systems", "../check/tests/good"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|e| e == "toml") {
                systems.push(parse(&Source::read(&path).unwrap()).unwrap());
            }
        }
    }
    assert!(systems.len() > 3);
    systems
}

/// A rectangle: left, top, right, bottom.
type Rectangle = [f64; 4];

fn number(node: &Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name)
        .map_or(0.0, |text| text.parse().unwrap())
}

/// Rectangles whose class begins with one of `classes`.
fn rectangles(document: &Document<'_>, classes: &[&str]) -> Vec<Rectangle> {
    document
        .descendants()
        .filter(|n| n.has_tag_name("rect"))
        .filter(|n| {
            let class = n.attribute("class").unwrap_or("");
            classes.iter().any(|c| class.starts_with(c))
        })
        .map(|n| {
            let (x, y) = (number(&n, "x"), number(&n, "y"));
            [x, y, x + number(&n, "width"), y + number(&n, "height")]
        })
        .collect()
}

fn check_drawing(system: &SystemSpec) -> Result<(), TestCaseError> {
    let text = svg(system);
    prop_assert_eq!(&text, &svg(system), "the same every time");
    let document = Document::parse(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
    let root = document.root_element();
    let (width, height) = (number(&root, "width"), number(&root, "height"));

    let objects = [
        "box",
        "kernel",
        "endpoint",
        "notification",
        "memory",
        "hardware",
    ];
    let placed = rectangles(&document, &objects);
    for (i, a) in placed.iter().enumerate() {
        prop_assert!(
            a[0] >= 0.0 && a[1] >= 0.0 && a[2] <= width && a[3] <= height,
            "{a:?}"
        );
        for b in &placed[i + 1..] {
            let apart = a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
            prop_assert!(apart, "{a:?} lies over {b:?}");
        }
    }
    // What a component alone has is inside its box.
    let boxes = rectangles(&document, &["box"]);
    for chip in rectangles(&document, &["possession"]) {
        let inside = boxes
            .iter()
            .any(|b| b[0] <= chip[0] && b[1] <= chip[1] && chip[2] <= b[2] && chip[3] <= b[3]);
        let in_legend = boxes.iter().all(|b| b[1] <= chip[1]);
        prop_assert!(inside || in_legend, "{chip:?}");
    }
    let shown: Vec<&str> = document
        .descendants()
        .filter(|n| n.has_tag_name("text"))
        .filter_map(|n| n.text())
        .collect();
    for component in &system.components {
        prop_assert!(shown.contains(&component.name()), "{}", component.name());
    }
    Ok(())
}

#[test]
fn shipped_systems_are_drawn_without_overlap() {
    for system in systems() {
        check_drawing(&system).unwrap();
    }
}

#[test]
fn dot_has_every_component_object_and_capability() {
    for system in systems() {
        let text = dot(&system);
        let lines = text.lines().map(str::trim);
        let count = |start: &str| lines.clone().filter(|l| l.starts_with(start)).count();
        let edges = lines.clone().filter(|l| l.contains(" -> ")).count();
        assert_eq!(edges, accesses(&system).len());
        let nodes = lines.clone().filter(|l| l.contains("[shape=")).count();
        assert_eq!(nodes, system.components.len() + 1 + system.objects.len());
        assert_eq!(count("digraph \""), 1);
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}

#[test]
fn names_cannot_break_out_of_the_pictures() {
    let text = "[system]\nname = 'a\"<b>&\\'\nmemory = '1M'\n[[component]]\nname = 'x\"]<script>'\n\
                description = '</text>&amp;'\n";
    let system = parse(&Source::new("x.toml", text)).unwrap();
    check_drawing(&system).unwrap();
    assert!(!svg(&system).contains("<script>"));
    assert!(dot(&system).contains(r#"label="x\"]<script>""#));
}

/// Components that call each other, signal and share memory at random.
fn any_system() -> impl Strategy<Value = String> {
    let caps = prop::collection::vec((0usize..12, 0usize..3), 0..6);
    prop::collection::vec((caps, any::<bool>()), 1..12).prop_map(|components| {
        let mut text = String::from(
            "[system]\nname = 'random'\nmemory = '1G'\n[services]\nparent = 'root'\n[[endpoint]]\nname = 'root'\n",
        );
        let count = components.len();
        for i in 0..count {
            text += &format!(
                "[[endpoint]]\nname = 'e{i}'\n[[notification]]\nname = 'n{i}'\n\
                 [[frame]]\nname = 'f{i}'\nsize = '4K'\nshared = true\n"
            );
        }
        for (i, (caps, parent)) in components.iter().enumerate() {
            text += &format!("[[component]]\nname = 'component-{i}'\nnotification = 'n{i}'\n");
            if *parent {
                text += "uses = ['parent']\n";
            }
            let mut list = vec![
                format!("{{ name = 'serve', object = 'e{i}', rights = 'r' }}"),
                format!("{{ name = 'mine', object = 'f{i}', rights = 'rw' }}"),
            ];
            for (n, (to, kind)) in caps.iter().enumerate() {
                let to = to % count;
                list.push(match kind {
                    0 => format!("{{ name = 'c{n}', object = 'e{to}', rights = 'wg' }}"),
                    1 => format!("{{ name = 'c{n}', object = 'n{to}', rights = 'w', badge = 1 }}"),
                    _ => format!("{{ name = 'c{n}', object = 'f{to}', rights = 'r' }}"),
                });
            }
            text += &format!("caps = [{}]\n", list.join(", "));
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_system_is_drawn_without_overlap(text in any_system()) {
        let system = parse(&Source::new("random.toml", text)).unwrap();
        check_drawing(&system)?;
    }
}
