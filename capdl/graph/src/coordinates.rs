//! Where the nodes of a layered drawing stand: the second half.

use crate::layers::{Layers, Node};

/// Width and height of a node in pixels.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    pub width: f64,
    pub height: f64,
}

/// Where everything stands, in pixels.
#[derive(Clone, Debug)]
pub(crate) struct Coordinates {
    /// Middle of each node.
    pub x: Vec<f64>,
    /// Top and bottom of each layer.
    pub rows: Vec<(f64, f64)>,
    /// Right end of the drawing.
    pub width: f64,
    /// Lower end of the drawing.
    pub height: f64,
}

/// Least distance between two nodes.
const GAP: f64 = 26.0;
/// Least distance of a line from what stands beside it.
const LINE_GAP: f64 = 14.0;
/// Distance between layers.
const LAYER_GAP: f64 = 54.0;
/// Passes over all layers.
const PASSES: usize = 60;

/// Places nodes of these sizes: each layer in its order without overlap, each node as near to the middle of
/// its neighbours as that allows.
pub(crate) fn place(layers: &Layers, sizes: &[Size]) -> Coordinates {
    let mut x = vec![0.0; sizes.len()];
    for layer in &layers.layers {
        let mut right = 0.0;
        for pair in 0..layer.len() {
            let node = layer[pair];
            if pair > 0 {
                right += distance(layers, sizes, layer[pair - 1], node);
            }
            x[node] = right;
        }
    }
    for pass in 0..PASSES {
        let count = layers.layers.len();
        for step in 0..count {
            let layer = if pass % 2 == 0 {
                step
            } else {
                count - 1 - step
            };
            settle(layers, sizes, &layers.layers[layer], &mut x);
        }
    }
    let left = (0..sizes.len())
        .map(|n| x[n] - sizes[n].width / 2.0)
        .fold(f64::INFINITY, f64::min);
    for x in &mut x {
        *x -= left.min(f64::MAX);
    }
    let width = (0..sizes.len())
        .map(|n| x[n] + sizes[n].width / 2.0)
        .fold(0.0, f64::max);
    let (rows, height) = rows(layers, sizes);
    Coordinates {
        x,
        rows,
        width,
        height,
    }
}

/// Least distance between the middles of two nodes side by side.
fn distance(layers: &Layers, sizes: &[Size], a: usize, b: usize) -> f64 {
    let line = |n: usize| layers.nodes[n] == Node::Bend;
    let gap = if line(a) || line(b) { LINE_GAP } else { GAP };
    (sizes[a].width + sizes[b].width) / 2.0 + gap
}

/// Moves the nodes of a layer to where they want to be, as far as their order and distances allow: the
/// least squares solution, by pooling adjacent violators.
fn settle(layers: &Layers, sizes: &[Size], layer: &[usize], x: &mut [f64]) {
    /// Neighbouring nodes that touch and move together.
    struct Block {
        wanted: f64,
        weight: f64,
        count: usize,
    }
    // What a node would be shifted to if all before it stood as tightly as possible.
    let mut offsets = vec![0.0; layer.len()];
    for i in 1..layer.len() {
        offsets[i] = offsets[i - 1] + distance(layers, sizes, layer[i - 1], layer[i]);
    }
    let mut blocks: Vec<Block> = Vec::new();
    for (i, node) in layer.iter().enumerate() {
        let (mut wanted, mut weight) = (0.0, 0.0);
        for near in &layers.neighbours[*node] {
            let pull = pull(layers.nodes[*node], layers.nodes[*near]);
            wanted += x[*near] * pull;
            weight += pull;
        }
        let wanted = if weight > 0.0 {
            wanted / weight
        } else {
            x[*node]
        };
        let weight = f64::max(weight, 1.0);
        blocks.push(Block {
            wanted: wanted - offsets[i],
            weight,
            count: 1,
        });
        while let [.., before, last] = blocks.as_mut_slice() {
            if before.wanted <= last.wanted {
                break;
            }
            let weight = before.weight + last.weight;
            before.wanted = (before.wanted * before.weight + last.wanted * last.weight) / weight;
            before.weight = weight;
            before.count += last.count;
            blocks.pop();
        }
    }
    let shifts = blocks
        .iter()
        .flat_map(|b| std::iter::repeat_n(b.wanted, b.count));
    for ((node, offset), shift) in layer.iter().zip(offsets).zip(shifts) {
        x[*node] = shift + offset;
    }
}

/// How strongly two ends of a line pull at each other: long lines should be straight before boxes are centred.
fn pull(a: Node, b: Node) -> f64 {
    match (a, b) {
        (Node::Bend, Node::Bend) => 8.0,
        (Node::Bend, _) | (_, Node::Bend) => 2.0,
        _ => 1.0,
    }
}

/// Top and bottom of each layer, and the end of the last.
fn rows(layers: &Layers, sizes: &[Size]) -> (Vec<(f64, f64)>, f64) {
    let mut top = 0.0;
    let mut end = 0.0;
    let mut rows = Vec::new();
    for layer in &layers.layers {
        let height = layer.iter().map(|n| sizes[*n].height).fold(0.0, f64::max);
        rows.push((top, top + height));
        // A layer without anything in it takes no room.
        if !layer.is_empty() {
            end = top + height;
            top = end + LAYER_GAP;
        }
    }
    (rows, end)
}
