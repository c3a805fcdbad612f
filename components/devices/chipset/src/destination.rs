//! Which processors a message reaches, over all local APICs of a machine.
//!
//! SDM vol. 3A, "Determining IPI Destination" and "x2APIC Mode: Logical Destination Mode".

use crate::{DeliveryMode, Destination, Message};

/// Most processors of one machine.
pub const MAX_CPUS: usize = 256;

/// How an APIC compares logical destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogicalId {
    /// Eight bits, any of which in common is a match (xAPIC, flat model).
    Flat(u8),
    /// Four bits of cluster that have to be equal, four bits any of which has to be common (xAPIC, cluster model).
    Cluster(u8),
    /// Sixteen bits of cluster, sixteen bits of members (x2APIC).
    X2Apic(u32),
}

impl LogicalId {
    fn matches(self, destination: u32) -> bool {
        match self {
            LogicalId::Flat(id) => destination <= 0xff && destination & u32::from(id) != 0,
            LogicalId::Cluster(id) => {
                let id = u32::from(id);
                destination <= 0xff && destination >> 4 == id >> 4 && destination & id & 0xf != 0
            }
            LogicalId::X2Apic(id) => {
                destination >> 16 == id >> 16 && destination & id & 0xffff != 0
            }
        }
    }
}

/// What the others need to know of a local APIC to send to it. A copy of a moment: the composer may keep one for each
/// processor where all can see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// It listens: it is not switched off by `IA32_APIC_BASE`.
    pub enabled: bool,
    /// It takes vectored interrupts: it is enabled in its spurious-interrupt vector register too.
    pub takes_vectors: bool,
    /// APIC ID.
    pub id: u32,
    /// Logical ID.
    pub logical: LogicalId,
    /// Processor priority register: the lower, the rather a lowest-priority message goes there.
    pub priority: u8,
}

/// A set of processors by their place in the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuSet {
    words: [u64; MAX_CPUS / 64],
}

impl CpuSet {
    /// The set without any processor.
    pub const EMPTY: CpuSet = CpuSet {
        words: [0; MAX_CPUS / 64],
    };

    /// Adds a processor; those from [`MAX_CPUS`] on do not exist and are left out.
    pub fn insert(&mut self, cpu: usize) {
        if let Some(word) = self.words.get_mut(cpu / 64) {
            *word |= 1 << (cpu % 64);
        }
    }

    /// Whether a processor is in the set.
    pub fn contains(&self, cpu: usize) -> bool {
        self.words
            .get(cpu / 64)
            .is_some_and(|word| word >> (cpu % 64) & 1 != 0)
    }

    /// Processors in the set.
    pub fn len(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// Whether no processor is in the set.
    pub fn is_empty(&self) -> bool {
        self.words == [0; MAX_CPUS / 64]
    }

    /// The processors in the set, in rising order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + use<> {
        let words = self.words;
        let mut at = 0;
        let mut rest = words[0];
        core::iter::from_fn(move || {
            while rest == 0 {
                at += 1;
                rest = *words.get(at)?;
            }
            let bit = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            Some(at * 64 + bit)
        })
    }
}

impl FromIterator<usize> for CpuSet {
    fn from_iter<I: IntoIterator<Item = usize>>(cpus: I) -> Self {
        let mut set = CpuSet::EMPTY;
        for cpu in cpus {
            set.insert(cpu);
        }
        set
    }
}

/// The processors that `message` reaches. `sender` is the place of the processor that sent it, `None` for a device;
/// `cpus` are the machine's processors in the order of their places, of which the first [`MAX_CPUS`] count.
///
/// A lowest-priority message reaches one processor at most: of those that match and take vectored interrupts one with
/// the lowest priority. If there are several, the vector decides, so that the vectors of a machine spread over its
/// processors, and each vector always goes to the same one while nothing changes.
pub fn targets<I>(message: &Message, sender: Option<usize>, cpus: I) -> CpuSet
where
    I: IntoIterator<Item = Identity>,
{
    let reached = |place: usize, cpu: &Identity| {
        cpu.enabled
            && match message.destination {
                Destination::Physical(id) => cpu.id == id,
                Destination::Logical(id) => cpu.logical.matches(id),
                Destination::Sender => sender == Some(place),
                Destination::All => true,
                Destination::AllButSender => sender != Some(place),
            }
    };
    let cpus = cpus.into_iter().take(MAX_CPUS).enumerate();
    let matching = cpus.filter(|(place, cpu)| reached(*place, cpu));
    if message.mode != DeliveryMode::LowestPriority {
        return matching.map(|(place, _)| place).collect();
    }
    let mut lowest = u8::MAX;
    let mut candidates = CpuSet::EMPTY;
    for (place, cpu) in matching.filter(|(_, cpu)| cpu.takes_vectors) {
        if cpu.priority < lowest {
            lowest = cpu.priority;
            candidates = CpuSet::EMPTY;
        }
        if cpu.priority == lowest {
            candidates.insert(place);
        }
    }
    let chosen = usize::from(message.vector).checked_rem(candidates.len());
    let chosen = chosen.and_then(|nth| candidates.iter().nth(nth));
    chosen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Trigger;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn message(destination: Destination, mode: DeliveryMode) -> Message {
        Message {
            destination,
            mode,
            vector: 0x40,
            trigger: Trigger::Edge,
        }
    }

    fn cpu(id: u32, logical: LogicalId) -> Identity {
        Identity {
            enabled: true,
            takes_vectors: true,
            id,
            logical,
            priority: 0,
        }
    }

    fn flat() -> Vec<Identity> {
        (0..4).map(|id| cpu(id, LogicalId::Flat(1 << id))).collect()
    }

    fn reach(cpus: &[Identity], sender: Option<usize>, destination: Destination) -> Vec<usize> {
        let message = message(destination, DeliveryMode::Fixed);
        targets(&message, sender, cpus.iter().copied())
            .iter()
            .collect()
    }

    #[test]
    fn physical() {
        let mut cpus = flat();
        cpus[3].id = 200;
        assert_eq!(reach(&cpus, None, Destination::Physical(2)), [2]);
        assert_eq!(reach(&cpus, None, Destination::Physical(200)), [3]);
        assert!(reach(&cpus, None, Destination::Physical(3)).is_empty());
    }

    #[test]
    fn shorthands() {
        let cpus = flat();
        assert_eq!(reach(&cpus, Some(1), Destination::Sender), [1]);
        assert_eq!(reach(&cpus, Some(1), Destination::All), [0, 1, 2, 3]);
        assert_eq!(reach(&cpus, Some(1), Destination::AllButSender), [0, 2, 3]);
        assert!(reach(&cpus, None, Destination::Sender).is_empty());
    }

    #[test]
    fn switched_off_apics_hear_nothing() {
        let mut cpus = flat();
        cpus[1].enabled = false;
        assert_eq!(reach(&cpus, Some(0), Destination::All), [0, 2, 3]);
        assert!(reach(&cpus, Some(0), Destination::Physical(1)).is_empty());
    }

    #[test]
    fn flat_model() {
        let cpus = flat();
        assert_eq!(reach(&cpus, None, Destination::Logical(0b0101)), [0, 2]);
        assert!(reach(&cpus, None, Destination::Logical(0x10)).is_empty());
        assert!(reach(&cpus, None, Destination::Logical(0x1_0001)).is_empty());
    }

    #[test]
    fn cluster_model() {
        let ids = [0x01, 0x02, 0x11, 0x12];
        let cpus: Vec<_> = (0u32..)
            .zip(ids)
            .map(|(id, logical)| cpu(id, LogicalId::Cluster(logical)))
            .collect();
        assert_eq!(reach(&cpus, None, Destination::Logical(0x13)), [2, 3]);
        assert_eq!(reach(&cpus, None, Destination::Logical(0x02)), [1]);
        assert!(reach(&cpus, None, Destination::Logical(0x23)).is_empty());
    }

    #[test]
    fn x2apic_clusters() {
        let cpus: Vec<_> = (0..40)
            .map(|id| cpu(id, LogicalId::X2Apic(id >> 4 << 16 | 1 << (id & 15))))
            .collect();
        assert_eq!(reach(&cpus, None, Destination::Logical(0x1_8001)), [16, 31]);
        assert_eq!(reach(&cpus, None, Destination::Logical(0x2_0080)), [39]);
        assert_eq!(reach(&cpus, None, Destination::Logical(0x0_0003)), [0, 1]);
    }

    #[test]
    fn lowest_priority_takes_one() {
        let mut cpus = flat();
        let message = message(Destination::All, DeliveryMode::LowestPriority);
        let chosen = |cpus: &[Identity], vector| {
            let message = Message { vector, ..message };
            let set = targets(&message, None, cpus.iter().copied());
            assert!(set.len() <= 1);
            set.iter().next()
        };
        cpus[2].priority = 0x20;
        cpus[0].priority = 0x20;
        assert_eq!(chosen(&cpus, 0x40), Some(1));
        assert_eq!(chosen(&cpus, 0x41), Some(3));
        cpus[3].takes_vectors = false;
        assert_eq!(chosen(&cpus, 0x41), Some(1));
        for cpu in &mut cpus {
            cpu.takes_vectors = false;
        }
        assert_eq!(chosen(&cpus, 0x41), None);
    }

    #[test]
    fn processors_that_do_not_exist() {
        let set: CpuSet = [3, MAX_CPUS, usize::MAX].into_iter().collect();
        assert_eq!(set.len(), 1);
        assert!(!set.contains(MAX_CPUS));
        let cpus = (0..1000).map(|id| cpu(id, LogicalId::Flat(1)));
        let all = message(Destination::All, DeliveryMode::Fixed);
        assert_eq!(targets(&all, None, cpus).len(), MAX_CPUS);
    }

    fn identities() -> impl Strategy<Value = Vec<Identity>> {
        let logical = prop_oneof![
            any::<u8>().prop_map(LogicalId::Flat),
            any::<u8>().prop_map(LogicalId::Cluster),
            any::<u32>().prop_map(LogicalId::X2Apic),
        ];
        let identity = (any::<[bool; 2]>(), 0..8u32, logical, any::<u8>());
        let identity = identity.prop_map(|(flags, id, logical, priority)| Identity {
            enabled: flags[0],
            takes_vectors: flags[1],
            id,
            logical,
            priority,
        });
        prop::collection::vec(identity, 0..300)
    }

    proptest! {
        #[test]
        fn a_set_is_a_set(places in prop::collection::btree_set(0..MAX_CPUS, 0..100)) {
            let set: CpuSet = places.iter().copied().collect();
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), places.clone());
            prop_assert_eq!(set.len(), places.len());
            prop_assert_eq!(set.is_empty(), places.is_empty());
        }

        #[test]
        fn lowest_priority_is_one_of_those_that_fixed_reaches(
            cpus in identities(), vector: u8, id: u32, logical: bool,
        ) {
            let destination = Destination::from_x2apic(id, logical);
            let fixed = Message { vector, ..message(destination, DeliveryMode::Fixed) };
            let lowest = Message { mode: DeliveryMode::LowestPriority, ..fixed };
            let reached = targets(&fixed, None, cpus.iter().copied());
            let able: Vec<_> = reached.iter().filter(|&cpu| cpus[cpu].takes_vectors).collect();
            let chosen: Vec<_> = targets(&lowest, None, cpus.iter().copied()).iter().collect();
            prop_assert_eq!(chosen.len(), able.len().min(1));
            if let Some(&chosen) = chosen.first() {
                prop_assert!(able.contains(&chosen));
                for &other in &able {
                    prop_assert!(cpus[chosen].priority <= cpus[other].priority);
                }
            }
        }
    }
}
