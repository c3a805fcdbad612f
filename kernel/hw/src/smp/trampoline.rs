//! The code with which a processor starts: real mode, then protected mode, then 64-bit mode, then away.
#![allow(unsafe_code)] // assembly

use super::{arrive, offer};
use crate::vm::trampoline::Trampoline;
use core::arch::global_asm;
use pagurus_abi::layout::PAGE_SIZE;

// The code runs at the start of a page that is known only at run time: it finds itself by CS, keeps the
// page's address in EBX, and has three addresses written into it before.
//
// CR0: protection on, caches on (INIT leaves them off), then write protection and paging. CR4: physical
// address extension. EFER: long mode and no-execute, since the kernel's tables have no-execute pages.
global_asm!(
    r#"
    .section .rodata.trampoline, "a"
    .balign 16
    .global trampoline_start, trampoline_end, trampoline_jump_32, trampoline_jump_64
    .global trampoline_gdt_base, trampoline_tables, trampoline_entry, trampoline_high
trampoline_start:
    .code16
    cli
    cld
    xor ebx, ebx
    mov bx, cs
    mov ds, bx
    shl ebx, 4
    lgdtd [trampoline_offset_gdt]
    mov eax, cr0
    and eax, 0x9fffffff
    or eax, 1
    mov cr0, eax
    .byte 0x66, 0xea
trampoline_jump_32:
    .long trampoline_32 - trampoline_start
    .word 0x08

    .code32
trampoline_32:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, 0x20
    mov cr4, eax
    mov eax, [ebx + trampoline_offset_tables]
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x900
    wrmsr
    mov eax, cr0
    or eax, 0x80010000
    mov cr0, eax
    .byte 0xea
trampoline_jump_64:
    .long trampoline_64 - trampoline_start
    .word 0x18

    .code64
trampoline_64:
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov rax, [rip + trampoline_entry]
    jmp rax

    .balign 8
trampoline_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00af9b000000ffff
trampoline_gdt_pointer:
    .word 31
trampoline_gdt_base:
    .long trampoline_gdt - trampoline_start
    .balign 8
trampoline_tables:
    .quad 0
trampoline_entry:
    .quad 0
trampoline_end:
    .set trampoline_offset_gdt, trampoline_gdt_pointer - trampoline_start
    .set trampoline_offset_tables, trampoline_tables - trampoline_start

    .section .text.trampoline, "ax"
trampoline_high:
    lea rsi, [rip + {offer}]
    mov rax, [rsi + {state}]
    test al, 1
    jz 2f
    mov r8, [rsi + {stack}]
    mov r9, [rsi + {tables}]
    mov rdi, [rsi + {index}]
    lea rcx, [rax + 1]
    lock cmpxchg [rsi + {state}], rcx
    jne 2f
    mov cr3, r9
    mov rsp, r8
    xor ebp, ebp
    call {arrive}
2:
    cli
    hlt
    jmp 2b
    "#,
    offer = sym offer::OFFER,
    state = const offer::OFFSET_STATE,
    stack = const offer::OFFSET_STACK,
    tables = const offer::OFFSET_TABLES,
    index = const offer::OFFSET_INDEX,
    arrive = sym arrive,
);

unsafe extern "C" {
    static trampoline_start: u8;
    static trampoline_end: u8;
    static trampoline_jump_32: u8;
    static trampoline_jump_64: u8;
    static trampoline_gdt_base: u8;
    static trampoline_tables: u8;
    static trampoline_entry: u8;
    static trampoline_high: u8;
}

/// Fills the page in which processors start.
pub fn write(trampoline: Trampoline, page: &mut [u8; PAGE_SIZE]) {
    let start = &raw const trampoline_start;
    let offset = |symbol: *const u8| symbol.addr() - start.addr();
    // SAFETY: the code lies between the two symbols, in the image's constants.
    let code = unsafe { core::slice::from_raw_parts(start, offset(&raw const trampoline_end)) };
    page[..code.len()].copy_from_slice(code);
    for place in [
        &raw const trampoline_jump_32,
        &raw const trampoline_jump_64,
        &raw const trampoline_gdt_base,
    ] {
        relocate(page, offset(place), trampoline.page);
    }
    put(
        page,
        offset(&raw const trampoline_tables),
        u64::from(trampoline.root),
    );
    let entry = (&raw const trampoline_high).addr() as u64;
    put(page, offset(&raw const trampoline_entry), entry);
}

/// Adds the page's address to the 32-bit offset at `at`.
fn relocate(page: &mut [u8; PAGE_SIZE], at: usize, base: u32) {
    if let Some(field) = page.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = u32::from_le_bytes(*field).wrapping_add(base).to_le_bytes();
    }
}

fn put(page: &mut [u8; PAGE_SIZE], at: usize, value: u64) {
    if let Some(field) = page.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = value.to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the page as a processor would read it, byte by byte, up to the first far jump.
    #[test]
    fn the_code_finds_itself_wherever_the_page_is() {
        let mut page = [0; PAGE_SIZE];
        let trampoline = Trampoline {
            page: 0x9_3000,
            root: 0x12_3000,
        };
        write(trampoline, &mut page);
        let offset = |symbol: *const u8| symbol.addr() - (&raw const trampoline_start).addr();
        let u32_at = |at: usize| u32::from_le_bytes(*page[at..].first_chunk().unwrap());
        let u64_at = |at: usize| u64::from_le_bytes(*page[at..].first_chunk().unwrap());

        assert_eq!(page[0], 0xfa, "interrupts off first");
        let jump = offset(&raw const trampoline_jump_32);
        assert_eq!(page[jump - 2..jump], [0x66, 0xea]);
        let target = u32_at(jump) as usize - 0x9_3000;
        assert_eq!(
            page[target..target + 4],
            [0x66, 0xb8, 0x10, 0x00],
            "mov ax, 0x10 in 32-bit code"
        );
        let jump = offset(&raw const trampoline_jump_64);
        assert_eq!(page[jump - 1], 0xea);
        let target = u32_at(jump) as usize - 0x9_3000;
        assert_eq!(
            page[target..target + 2],
            [0x31, 0xc0],
            "xor eax, eax in 64-bit code"
        );

        let pointer = offset(&raw const trampoline_gdt_base);
        assert_eq!(page[pointer - 2..pointer], [31, 0]);
        let gdt = u32_at(pointer) as usize - 0x9_3000;
        assert_eq!(u64_at(gdt), 0);
        assert_eq!(
            u64_at(gdt + 0x18) >> 53 & 1,
            1,
            "the last segment is one of 64-bit code"
        );
        assert_eq!(u32_at(offset(&raw const trampoline_tables)), 0x12_3000);
        assert_eq!(
            u64_at(offset(&raw const trampoline_entry)),
            (&raw const trampoline_high).addr() as u64
        );
    }
}
