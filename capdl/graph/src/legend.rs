//! What the colours, shapes and letters of a drawing mean.

use crate::drawing::{Anchor, Drawing};
use crate::model::{Look, Model};
use crate::svg::{PILL_HEIGHT, pill};
use crate::text::width;
use pagurus_abi::Rights;
use pagurus_capdl_spec::RightsText;

/// Distance between two entries.
const GAP: f64 = 14.0;

/// An entry: how it is drawn and what it means.
enum Entry {
    Box(&'static str, f64, &'static str),
    Object(Look, &'static str),
}

impl Entry {
    fn text(&self) -> &'static str {
        match self {
            Entry::Box(.., text) | Entry::Object(_, text) => text,
        }
    }

    fn width(&self) -> f64 {
        width(self.text(), 12.0) + 24.0
    }
}

/// What needs an explanation in one drawing.
pub(crate) struct Legend {
    entries: Vec<Entry>,
    notes: [String; 2],
}

impl Legend {
    pub fn new(model: &Model) -> Self {
        let mut entries = vec![
            Entry::Box("box trusted", 6.0, "trusted"),
            Entry::Box("box plain", 6.0, "component"),
            Entry::Box("possession", 4.0, "what only it has"),
        ];
        let looks = [
            (Look::Endpoint, "endpoint"),
            (Look::Notification, "notification"),
            (Look::Memory, "shared memory"),
            (Look::Hardware, "shared hardware"),
        ];
        let used = |look| model.shared.iter().any(|s| s.look == look);
        let looks = looks.into_iter().filter(|(look, _)| used(*look));
        entries.extend(looks.map(|(look, text)| Entry::Object(look, text)));
        let rights = [
            (Rights::READ, "reads or receives"),
            (Rights::WRITE, "writes or sends"),
            (Rights::EXECUTE, "executes"),
            (Rights::GRANT, "sends capabilities along"),
        ];
        let rights = rights.map(|(right, text)| format!("{} {text}", RightsText(right)));
        let dotted = model.shared.iter().flat_map(|s| &s.links).any(|l| l.faults);
        let faults = if dotted {
            "Faults go to root, others where the dotted lines lead."
        } else {
            "Faults go to root."
        };
        Legend {
            entries,
            notes: [
                format!("Rights: {}.", rights.join(", ")),
                faults.to_string(),
            ],
        }
    }

    pub fn width(&self) -> f64 {
        let entries: f64 = self.entries.iter().map(|e| e.width() + GAP).sum();
        let notes = self.notes.iter().map(|n| width(n, 11.5));
        notes.fold(entries - GAP, f64::max)
    }

    /// Height of the legend.
    pub fn height(&self) -> f64 {
        PILL_HEIGHT + 22.0 + 17.0 * (self.notes.len() - 1) as f64
    }

    pub fn draw(&self, drawing: &mut Drawing, left: f64, y: f64) {
        let mut x = left;
        for entry in &self.entries {
            let width = entry.width();
            let place = [x, y, width, PILL_HEIGHT];
            match entry {
                Entry::Box(class, radius, text) => {
                    drawing.rectangle(class, place, *radius);
                    let (middle, base) = (x + width / 2.0, y + PILL_HEIGHT / 2.0 + 4.0);
                    drawing.text("pill", middle, base, Anchor::Middle, text);
                }
                Entry::Object(look, text) => pill(drawing, *look, place, text),
            }
            x += width + GAP;
        }
        let mut base = y + PILL_HEIGHT + 22.0;
        for note in &self.notes {
            drawing.text("small", left, base, Anchor::Start, note);
            base += 17.0;
        }
    }
}
