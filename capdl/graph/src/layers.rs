//! Which node stands in which layer, and in which order: the first half of a layered drawing (after
//! Sugiyama, Tagawa and Toda, 1981). Components are in even layers, objects in odd ones; a line that
//! crosses a layer has a bend there.

use crate::model::{Model, Shared};

/// What stands in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Component(usize),
    Shared(usize),
    /// Where a line passes.
    Bend,
}

/// A line between a component and an object: all its nodes from top to bottom.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub nodes: Vec<usize>,
    /// Which object, and which of its links.
    pub shared: usize,
    pub link: usize,
}

/// The nodes and their layers.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    pub nodes: Vec<Node>,
    /// Nodes of each layer from left to right.
    pub layers: Vec<Vec<usize>>,
    pub lines: Vec<Line>,
    /// Nodes that a line joins to each node.
    pub neighbours: Vec<Vec<usize>>,
    layer_of: Vec<usize>,
}

/// Passes over all layers; the best order of all is kept.
const SWEEPS: usize = 32;

impl Layers {
    pub fn new(model: &Model) -> Self {
        let rows = model.components.iter().map(|c| c.row + 1).max();
        let mut this = Layers {
            nodes: Vec::new(),
            // One more below for objects of the last row, which are rare.
            layers: vec![Vec::new(); rows.unwrap_or(0) * 2],
            lines: Vec::new(),
            neighbours: Vec::new(),
            layer_of: Vec::new(),
        };
        let components: Vec<usize> = (0..model.components.len())
            .map(|i| this.add(Node::Component(i), model.components[i].row * 2))
            .collect();
        for (i, shared) in model.shared.iter().enumerate() {
            let object = this.add(Node::Shared(i), layer_of_object(model, shared));
            for (link, l) in shared.links.iter().enumerate() {
                this.join(components[l.component], object, i, link);
            }
        }
        this.order();
        this
    }

    /// The layer of a node.
    pub fn layer(&self, node: usize) -> usize {
        self.layer_of[node]
    }

    fn add(&mut self, node: Node, layer: usize) -> usize {
        let index = self.nodes.len();
        self.nodes.push(node);
        self.layers[layer].push(index);
        self.layer_of.push(layer);
        self.neighbours.push(Vec::new());
        index
    }

    fn join(&mut self, component: usize, object: usize, shared: usize, link: usize) {
        let (a, b) = (self.layer_of[component], self.layer_of[object]);
        let (top, bottom) = if a < b {
            (component, object)
        } else {
            (object, component)
        };
        let mut nodes = vec![top];
        for layer in a.min(b) + 1..a.max(b) {
            nodes.push(self.add(Node::Bend, layer));
        }
        nodes.push(bottom);
        for pair in nodes.windows(2) {
            self.neighbours[pair[0]].push(pair[1]);
            self.neighbours[pair[1]].push(pair[0]);
        }
        self.lines.push(Line {
            nodes,
            shared,
            link,
        });
    }

    /// Position of every node in its layer.
    fn positions(&self) -> Vec<usize> {
        let mut positions = vec![0; self.nodes.len()];
        for layer in &self.layers {
            for (i, node) in layer.iter().enumerate() {
                positions[*node] = i;
            }
        }
        positions
    }

    /// How many lines cross.
    pub fn crossings(&self) -> usize {
        let positions = self.positions();
        let mut crossings = 0;
        for layer in 0..self.layers.len() {
            let mut pairs: Vec<(usize, usize)> = Vec::new();
            for node in &self.layers[layer] {
                let below = self.neighbours[*node]
                    .iter()
                    .filter(|n| self.layer_of[**n] == layer + 1);
                pairs.extend(below.map(|n| (positions[*node], positions[*n])));
            }
            for (i, a) in pairs.iter().enumerate() {
                for b in &pairs[i + 1..] {
                    crossings += usize::from((a.0 < b.0 && a.1 > b.1) || (a.0 > b.0 && a.1 < b.1));
                }
            }
        }
        crossings
    }

    /// Puts each node near its neighbours, down and up again and again, then swaps neighbours where that
    /// helps.
    fn order(&mut self) {
        let mut best = (self.crossings(), self.layers.clone());
        for sweep in 0..SWEEPS {
            let down = sweep % 2 == 0;
            let count = self.layers.len();
            for step in 0..count {
                let layer = if down { step } else { count - 1 - step };
                self.order_layer(layer, down);
            }
            self.swap_neighbours();
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.layers.clone());
            }
        }
        self.layers = best.1;
    }

    fn order_layer(&mut self, layer: usize, down: bool) {
        let positions = self.positions();
        let wanted = |node: usize| {
            let side = self.neighbours[node]
                .iter()
                .filter(|n| (self.layer_of[**n] < layer) == down);
            let (mut sum, mut count) = (0.0, 0.0);
            for neighbour in side {
                let width = self.layers[self.layer_of[*neighbour]].len() as f64;
                sum += (positions[*neighbour] as f64 + 0.5) / width;
                count += 1.0;
            }
            let width = self.layers[layer].len() as f64;
            if count > 0.0 {
                sum / count
            } else {
                (positions[node] as f64 + 0.5) / width
            }
        };
        let mut nodes: Vec<(f64, usize)> = self.layers[layer]
            .iter()
            .map(|n| (wanted(*n), *n))
            .collect();
        nodes.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.layers[layer] = nodes.into_iter().map(|(_, n)| n).collect();
    }

    /// Swaps nodes side by side where that leaves fewer crossings.
    fn swap_neighbours(&mut self) {
        let mut positions = self.positions();
        for layer in 0..self.layers.len() {
            for i in 1..self.layers[layer].len() {
                let (a, b) = (self.layers[layer][i - 1], self.layers[layer][i]);
                if self.crossings_of(a, b, &positions) > self.crossings_of(b, a, &positions) {
                    self.layers[layer].swap(i - 1, i);
                    positions.swap(a, b);
                }
            }
        }
    }

    /// How many lines of `left` cross lines of `right`, which stands beside it.
    fn crossings_of(&self, left: usize, right: usize, positions: &[usize]) -> usize {
        let crosses = |a: &usize, b: &usize| {
            self.layer_of[*a] == self.layer_of[*b] && positions[*a] > positions[*b]
        };
        let pairs = self.neighbours[left]
            .iter()
            .flat_map(|a| self.neighbours[right].iter().map(move |b| (a, b)));
        pairs.filter(|(a, b)| crosses(a, b)).count()
    }
}

/// The layer of an object: next to who receives, on the side of who sends.
fn layer_of_object(model: &Model, shared: &Shared) -> usize {
    let row = |component: usize| model.components[component].row;
    let rows = || shared.links.iter().map(|l| row(l.component));
    let (top, bottom) = (rows().min().unwrap_or(0), rows().max().unwrap_or(0));
    let receivers = || shared.links.iter().filter(|l| l.receives() && !l.sends());
    let highest = receivers().map(|l| row(l.component)).min();
    if top == bottom {
        return top * 2 + 1;
    }
    // A receiver above all others gets the object below itself.
    if highest == Some(top) && receivers().count() == 1 {
        return top * 2 + 1;
    }
    bottom * 2 - 1
}
