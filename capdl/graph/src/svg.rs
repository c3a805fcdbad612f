//! The drawing for people.

use crate::coordinates::{Coordinates, Size, place};
use crate::drawing::{Anchor, Drawing};
use crate::layers::{Layers, Line, Node};
use crate::legend::Legend;
use crate::model::{Component, Look, Model, Shared};
use crate::style::STYLE;
use crate::text::{width, wrap};
use pagurus_capdl_spec::{RightsText, SystemSpec};

/// Distance of everything from the edge of the drawing.
const MARGIN: f64 = 28.0;
/// Room above the first layer.
const HEADER: f64 = 64.0;
/// Inner distance in a box.
const PADDING: f64 = 14.0;
/// Text in a box is broken to this width.
const BOX_TEXT: f64 = 190.0;
const CHIP_HEIGHT: f64 = 20.0;
const CHIP_GAP: f64 = 6.0;
pub(crate) const PILL_HEIGHT: f64 = 24.0;
/// Distance between lines that meet at a box.
const PORT_GAP: f64 = 26.0;
/// Straight piece at the ends of a line, beside which its rights stand.
const STUB: f64 = 16.0;
/// Root in the list of components.
const ROOT: usize = 0;

/// The system as an SVG file: self-contained, for light and dark screens.
pub fn svg(system: &SystemSpec) -> String {
    let model = Model::new(system);
    let layers = Layers::new(&model);
    let boxes: Vec<BoxLayout> = model.components.iter().map(BoxLayout::new).collect();
    let sizes: Vec<Size> = layers
        .nodes
        .iter()
        .map(|node| match node {
            Node::Component(i) => boxes[*i].size,
            Node::Shared(i) => pill_size(&model.shared[*i]),
            Node::Bend => Size::default(),
        })
        .collect();
    let coordinates = place(&layers, &sizes);
    let mut picture = Picture {
        model: &model,
        layers: &layers,
        sizes: &sizes,
        coordinates: &coordinates,
        left: MARGIN,
        inner: 0.0,
        drawing: Drawing::default(),
    };
    let legend = Legend::new(&model);
    let inner = coordinates.width.max(legend.width());
    picture.inner = inner;
    picture.left += (inner - coordinates.width) / 2.0;
    picture.title();
    for line in &layers.lines {
        picture.line(line);
    }
    for (index, node) in layers.nodes.iter().enumerate() {
        match node {
            Node::Component(i) => picture.component(index, &boxes[*i]),
            Node::Shared(i) => picture.shared(index, &model.shared[*i]),
            Node::Bend => {}
        }
    }
    let mut y = HEADER + coordinates.height + 26.0;
    kernel(&mut picture.drawing, inner, y);
    y += 44.0 + 26.0;
    legend.draw(&mut picture.drawing, MARGIN, y);
    let title = format!(
        "Components of the system {} and what joins them",
        model.name
    );
    picture.drawing.finish(
        inner + 2.0 * MARGIN,
        y + legend.height() + 22.0,
        STYLE,
        &title,
    )
}

/// What stands in the box of a component.
struct BoxLayout {
    size: Size,
    description: Vec<String>,
    /// Rows of chips: text and width.
    chips: Vec<Vec<(String, f64)>>,
}

impl BoxLayout {
    fn new(component: &Component) -> Self {
        let description = wrap(&component.description, 11.5, BOX_TEXT);
        let mut chips: Vec<Vec<(String, f64)>> = Vec::new();
        let row_width = |row: &[(String, f64)]| {
            row.iter().map(|c| c.1).sum::<f64>() + CHIP_GAP * row.len().saturating_sub(1) as f64
        };
        for text in &component.owns {
            let chip = (text.clone(), width(text, 11.0) + 14.0);
            match chips.last_mut() {
                Some(row) if row_width(row) + CHIP_GAP + chip.1 <= BOX_TEXT => row.push(chip),
                _ => chips.push(vec![chip]),
            }
        }
        let widest = description
            .iter()
            .map(|l| width(l, 11.5))
            .chain(chips.iter().map(|row| row_width(row)))
            .chain([width(&component.name, 15.0), 90.0])
            .fold(0.0, f64::max);
        let mut height = PADDING + 14.0 + 16.0 * description.len() as f64;
        if !chips.is_empty() {
            height += 8.0 + chips.len() as f64 * (CHIP_HEIGHT + CHIP_GAP) - CHIP_GAP;
        }
        BoxLayout {
            size: Size {
                width: widest + 2.0 * PADDING,
                height: height + PADDING - 2.0,
            },
            description,
            chips,
        }
    }
}

fn pill_size(shared: &Shared) -> Size {
    Size {
        width: width(&shared.name, 12.0) + 24.0,
        height: PILL_HEIGHT,
    }
}

pub(crate) fn class(look: Look) -> &'static str {
    match look {
        Look::Endpoint => "endpoint",
        Look::Notification => "notification",
        Look::Memory => "memory",
        Look::Hardware => "hardware",
    }
}

pub(crate) fn pill(drawing: &mut Drawing, look: Look, place: [f64; 4], text: &str) {
    let [x, y, width, height] = place;
    let radius = match look {
        Look::Endpoint | Look::Notification => height / 2.0,
        Look::Memory | Look::Hardware => 3.0,
    };
    drawing.rectangle(class(look), place, radius);
    let (x, y) = (x + width / 2.0, y + height / 2.0 + 4.0);
    drawing.text("pill", x, y, Anchor::Middle, text);
}

struct Picture<'a> {
    model: &'a Model,
    layers: &'a Layers,
    sizes: &'a [Size],
    coordinates: &'a Coordinates,
    left: f64,
    /// Width of everything between the margins.
    inner: f64,
    drawing: Drawing,
}

impl Picture<'_> {
    fn x(&self, node: usize) -> f64 {
        self.left + self.coordinates.x[node]
    }

    /// Top and bottom of a layer.
    fn row(&self, layer: usize) -> (f64, f64) {
        let (top, bottom) = self.coordinates.rows[layer];
        (HEADER + top, HEADER + bottom)
    }

    /// Top of a node: boxes stand in the middle of their layer.
    fn top(&self, node: usize) -> f64 {
        let (top, bottom) = self.row(self.layers.layer(node));
        (top + bottom - self.sizes[node].height) / 2.0
    }

    fn title(&mut self) {
        let title = format!("System \u{201c}{}\u{201d}", self.model.name);
        self.drawing
            .text("title", MARGIN, 36.0, Anchor::Start, &title);
    }

    fn component(&mut self, node: usize, layout: &BoxLayout) {
        let Node::Component(index) = self.layers.nodes[node] else {
            return;
        };
        let component = &self.model.components[index];
        let (x, top, size) = (self.x(node), self.top(node), self.sizes[node]);
        let kind = if component.trusted {
            "trusted"
        } else {
            "plain"
        };
        let (x, place) = if index == ROOT {
            // All others stand on it.
            (
                MARGIN + self.inner / 2.0,
                [MARGIN, top, self.inner, size.height],
            )
        } else {
            (x, [x - size.width / 2.0, top, size.width, size.height])
        };
        self.drawing.rectangle(&format!("box {kind}"), place, 8.0);
        let mut y = top + PADDING + 10.0;
        self.drawing
            .text("name", x, y, Anchor::Middle, &component.name);
        for line in &layout.description {
            y += 16.0;
            self.drawing.text("small", x, y, Anchor::Middle, line);
        }
        y += 12.0;
        for row in &layout.chips {
            let total: f64 = row.iter().map(|c| c.1).sum::<f64>()
                + CHIP_GAP * row.len().saturating_sub(1) as f64;
            let mut left = x - total / 2.0;
            for (text, width) in row {
                let place = [left, y, *width, CHIP_HEIGHT];
                self.drawing.rectangle("possession", place, 4.0);
                let (x, y) = (left + width / 2.0, y + 14.0);
                self.drawing.text("chip", x, y, Anchor::Middle, text);
                left += width + CHIP_GAP;
            }
            y += CHIP_HEIGHT + CHIP_GAP;
        }
    }

    fn shared(&mut self, node: usize, shared: &Shared) {
        let (x, top, size) = (self.x(node), self.top(node), self.sizes[node]);
        let place = [x - size.width / 2.0, top, size.width, size.height];
        pill(&mut self.drawing, shared.look, place, &shared.name);
    }

    /// Where a line meets `node`: lines that meet on the same side stand side by side, in the order of where
    /// they come from.
    fn port(&self, node: usize, line: &Line, at_top: bool) -> (f64, f64) {
        let side = |other: &Line| {
            let end = if at_top {
                other.nodes.last()
            } else {
                other.nodes.first()
            };
            end == Some(&node)
        };
        let next = |other: &Line| {
            let at = if at_top { other.nodes.len() - 2 } else { 1 };
            self.coordinates.x[other.nodes[at]]
        };
        let top = self.top(node);
        let y = if at_top {
            top
        } else {
            top + self.sizes[node].height
        };
        if self.layers.nodes[node] == Node::Component(ROOT) {
            return (self.left + next(line), y);
        }
        let key = |l: &Line| (l.shared, l.link);
        let mut here: Vec<&Line> = self.layers.lines.iter().filter(|l| side(l)).collect();
        here.sort_by(|a, b| next(a).total_cmp(&next(b)).then(key(a).cmp(&key(b))));
        let place = here.iter().position(|l| key(l) == key(line)).unwrap_or(0);
        let room = (self.sizes[node].width - 24.0).max(0.0);
        let gap = PORT_GAP.min(room / here.len().saturating_sub(1).max(1) as f64);
        let x = self.x(node) + (place as f64 - (here.len() as f64 - 1.0) / 2.0) * gap;
        (x, y)
    }

    fn line(&mut self, line: &Line) {
        let (Some(first), Some(last)) = (line.nodes.first(), line.nodes.last()) else {
            return;
        };
        let shared = &self.model.shared[line.shared];
        let link = &shared.links[line.link];
        let start = self.port(*first, line, false);
        let end = self.port(*last, line, true);
        let mut points = vec![start];
        // Between layers lines curve; within them, and near their ends, they go straight down.
        let mut layer = self.layers.layer(*first);
        points.push((start.0, self.row(layer).1 + STUB));
        for bend in &line.nodes[1..line.nodes.len() - 1] {
            layer = self.layers.layer(*bend);
            let (top, bottom) = self.row(layer);
            let x = self.x(*bend);
            points.extend([(x, top), (x, bottom)]);
        }
        let bottom = self.row(self.layers.layer(*last)).0;
        points.extend([(end.0, bottom - STUB), end]);

        let class = class(shared.look);
        let component_above = matches!(self.layers.nodes[*first], Node::Component(_));
        // A head where something arrives: at the object if the component sends, at the component if it
        // receives. Lines end a little before, so that the head's tip is sharp.
        let head_down = (component_above && link.sends()) || (!component_above && link.receives());
        let head_up = (component_above && link.receives()) || (!component_above && link.sends());
        let faults = if link.faults { " line-faults" } else { "" };
        let mut stroke = points.clone();
        if head_down && let Some(end) = stroke.last_mut() {
            end.1 -= 5.0;
        }
        if head_up && let Some(start) = stroke.first_mut() {
            start.1 += 5.0;
        }
        self.drawing
            .curve(&format!("line line-{class}{faults}"), &stroke);
        let head = format!("head head-{class}");
        if head_down {
            self.drawing.head(&head, end, true);
        }
        if head_up {
            self.drawing.head(&head, start, false);
        }
        // The rights stand at the component's end of the line.
        let (x, y) = if component_above {
            (start.0 + 6.0, start.1 + 15.0)
        } else {
            (end.0 + 6.0, end.1 - 8.0)
        };
        let rights = RightsText(link.rights).to_string();
        self.drawing.text("rights", x, y, Anchor::Start, &rights);
    }
}

fn kernel(drawing: &mut Drawing, inner: f64, y: f64) {
    drawing.rectangle("kernel", [MARGIN, y, inner, 44.0], 8.0);
    let middle = MARGIN + inner / 2.0;
    drawing.text("kernel-text", middle, y + 19.0, Anchor::Middle, "kernel");
    let text = "threads, time, memory and messages, for whoever holds the capability";
    drawing.text("kernel-small", middle, y + 35.0, Anchor::Middle, text);
}
