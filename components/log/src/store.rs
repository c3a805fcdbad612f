//! Lines in bounded memory, shared fairly.
//!
//! When there is no room, the oldest line of the sender that has the most lines goes (longest queue drop). So a sender
//! that keeps to its share, the room divided by the number of senders, never loses a line to another.

use heapless::{String, Vec};

/// Bytes of text in one line; longer text takes several lines.
pub const TEXT_BYTES: usize = 224;
/// Bytes of a line's target; longer ones are cut.
pub const TARGET_BYTES: usize = 40;

const NONE: u16 = u16::MAX;

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredLine {
    /// Its number: one more than that of the line appended before.
    pub sequence: u64,
    /// Time stamp counter when it was appended.
    pub ticks: u64,
    /// Who appended it.
    pub sender: u32,
    /// How important it is: the number of a level.
    pub level: u8,
    /// The module that spoke.
    pub target: String<TARGET_BYTES>,
    /// What it said.
    pub text: String<TEXT_BYTES>,
}

#[derive(Clone, Debug)]
struct Node {
    line: StoredLine,
    /// Neighbours in the order of all lines.
    older: u16,
    newer: u16,
    /// The next line of the same sender.
    same_sender: u16,
}

#[derive(Clone, Copy, Debug)]
struct Sender {
    id: u32,
    lines: u16,
    oldest: u16,
    newest: u16,
}

/// The store: `LINES` lines (fewer than 65,535) of `SENDERS` senders.
#[derive(Debug)]
pub struct LineStore<const LINES: usize, const SENDERS: usize> {
    nodes: Vec<Node, LINES>,
    senders: Vec<Sender, SENDERS>,
    oldest: u16,
    newest: u16,
    next_sequence: u64,
}

impl<const LINES: usize, const SENDERS: usize> Default for LineStore<LINES, SENDERS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const LINES: usize, const SENDERS: usize> LineStore<LINES, SENDERS> {
    /// Without lines.
    pub const fn new() -> Self {
        assert!(LINES > 0 && LINES < NONE as usize);
        LineStore {
            nodes: Vec::new(),
            senders: Vec::new(),
            oldest: NONE,
            newest: NONE,
            next_sequence: 0,
        }
    }

    /// Appends a line and returns its number; `None` if this is one sender too many. The line's own number does not
    /// matter.
    pub fn append(&mut self, line: StoredLine) -> Option<u64> {
        let sender = self.sender(line.sender)?;
        let node = self.room(sender)?;
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.nodes[node as usize] = Node {
            line: StoredLine { sequence, ..line },
            older: self.newest,
            newer: NONE,
            same_sender: NONE,
        };
        match self.newest {
            NONE => self.oldest = node,
            newest => self.nodes[newest as usize].newer = node,
        }
        self.newest = node;
        let sender = &mut self.senders[sender];
        match sender.newest {
            NONE => sender.oldest = node,
            newest => self.nodes[newest as usize].same_sender = node,
        }
        sender.newest = node;
        sender.lines += 1;
        Some(sequence)
    }

    /// Number that the next line will get.
    pub const fn end(&self) -> u64 {
        self.next_sequence
    }

    /// The lines from number `from` on, oldest first.
    pub fn lines_from(&self, from: u64) -> impl Iterator<Item = &StoredLine> {
        // Readers are mostly interested in the end: look for their place from there.
        let mut start = NONE;
        let mut node = self.newest;
        while let Some(n) = self.nodes.get(node as usize) {
            if n.line.sequence < from {
                break;
            }
            start = node;
            node = n.older;
        }
        let mut node = start;
        core::iter::from_fn(move || {
            let n = self.nodes.get(node as usize)?;
            node = n.newer;
            Some(&n.line)
        })
    }

    /// Position of a sender's account, made if need be.
    fn sender(&mut self, id: u32) -> Option<usize> {
        if let Some(known) = self.senders.iter().position(|s| s.id == id) {
            return Some(known);
        }
        let fresh = Sender {
            id,
            lines: 0,
            oldest: NONE,
            newest: NONE,
        };
        if self.senders.is_full() {
            // Somebody whose lines are all gone needs no account.
            let idle = self.senders.iter().position(|s| s.lines == 0)?;
            self.senders[idle] = fresh;
            return Some(idle);
        }
        self.senders.push(fresh).ok()?;
        Some(self.senders.len() - 1)
    }

    /// A node for a new line of the sender at position `appending`.
    fn room(&mut self, appending: usize) -> Option<u16> {
        if !self.nodes.is_full() {
            let node = Node {
                line: StoredLine::default(),
                older: NONE,
                newer: NONE,
                same_sender: NONE,
            };
            self.nodes.push(node).ok()?;
            return Some((self.nodes.len() - 1) as u16);
        }
        // The new line counts: a sender at its share makes room for itself.
        let share = |(i, s): (usize, &Sender)| s.lines + u16::from(i == appending);
        let most = self.senders.iter().enumerate().map(share).max()?;
        let nodes = &self.nodes;
        let (_, victim) = self
            .senders
            .iter_mut()
            .enumerate()
            .filter(|(i, s)| s.lines > 0 && share((*i, s)) == most)
            .min_by_key(|(_, s)| nodes[s.oldest as usize].line.sequence)?;
        let node = victim.oldest;
        victim.oldest = self.nodes[node as usize].same_sender;
        victim.lines -= 1;
        if victim.lines == 0 {
            victim.newest = NONE;
        }
        let (older, newer) = {
            let n = &self.nodes[node as usize];
            (n.older, n.newer)
        };
        match older {
            NONE => self.oldest = newer,
            older => self.nodes[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.nodes[newer as usize].older = older,
        }
        Some(node)
    }
}
