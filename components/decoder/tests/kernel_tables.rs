//! The walk over tables that the kernel's page-table code made: the same answers, for all sizes of pages.

use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;
use pagurus_decoder::Width;
use pagurus_decoder::paging::{
    AccessType, CR0_PG, CR0_WP, CR4_PAE, EFER_LMA, EFER_NXE, GuestMemory, MemoryAccess, Paging,
    TranslateError, translate,
};
use pagurus_paging::sim::SimMem;
use pagurus_paging::{Host, Mapping, PageSize, PhysMem, Pool, Tables};
use proptest::prelude::*;

const ROOT: u64 = 0x10_0000;
const TABLES: usize = 200;

struct Memory(SimMem);

impl GuestMemory for Memory {
    fn read(&self, address: u64, width: Width) -> Option<u64> {
        assert_eq!(width, Width::Qword);
        Some(self.0.read(address & !0xfff, (address % 4096 / 8) as usize))
    }

    fn copy(&self, _: u64, _: &mut [u8]) -> bool {
        false
    }
}

fn mapping() -> impl Strategy<Value = Mapping> {
    let size = prop::sample::select(vec![1u64 << 12, 1 << 21, 1 << 30]);
    let rights = prop::sample::select(vec![
        Rights::READ,
        Rights::RW,
        Rights::READ.union(Rights::EXECUTE),
        Rights::RW.union(Rights::EXECUTE),
    ]);
    (size, 1u64..4, 0u64..64, 0u64..64, rights).prop_map(|(size, pages, virt, phys, perms)| {
        Mapping {
            virt: 0x80_0000_0000 + virt * size,
            phys: 0x40_0000_0000 + phys * size,
            length: pages * size,
            perms,
            cache: CacheMode::Default,
        }
    })
}

proptest! {
    #[test]
    fn same_answers(
        mappings in prop::collection::vec(mapping(), 1..6),
        probes in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>()), 32),
    ) {
        let mut mem = SimMem::new(ROOT, TABLES);
        let mut pool = Pool::new(ROOT + 4096, mem.end());
        let tables = Tables::<Host>::new(ROOT, PageSize::Size1G);
        for mapping in &mappings {
            // Some overlap: those are refused, and what was mapped of them stays.
            let _ = tables.map(&mut mem, &mut pool, mapping, 0, usize::MAX);
        }
        let memory = Memory(mem);
        let paging = Paging {
            cr0: CR0_PG | CR0_WP,
            cr3: ROOT,
            cr4: CR4_PAE,
            efer: EFER_LMA | EFER_NXE,
            physical_bits: 52,
        };
        for (index, offset) in probes {
            let near = index.get(&mappings);
            let linear = near.virt + offset % (near.length * 2);
            let theirs = tables.translate(&memory.0, linear);
            for (kind, right) in [
                (AccessType::Read, Rights::READ),
                (AccessType::Write, Rights::WRITE),
                (AccessType::Execute, Rights::EXECUTE),
            ] {
                let access = MemoryAccess { kind, user: true, alignment_check: false };
                let ours = translate(&paging, &memory, linear, access);
                match theirs {
                    Some(found) if found.perms.contains(right) => {
                        let ours = ours.expect("translated");
                        prop_assert_eq!(ours.address, found.phys);
                        prop_assert_eq!(ours.page_size, found.size.bytes());
                    }
                    other => {
                        let present = u32::from(other.is_some());
                        let Err(TranslateError::PageFault(code)) = ours else {
                            return Err(TestCaseError::fail("no fault"));
                        };
                        prop_assert_eq!(code & 1, present);
                    }
                }
            }
        }
    }
}
