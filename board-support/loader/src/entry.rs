//! From GRUB's 32-bit machine state to Rust in 64-bit mode.
//!
//! Multiboot2 Specification 2.0, sections 3.1 (header) and 3.3 (i386 machine state): protected mode, paging
//! off, interrupts off, flat segments, `eax` the magic number, `ebx` the address of the information.
//! Intel SDM volume 3, section 11.8.5 (initialising IA-32e mode).
#![allow(unsafe_code)] // Assembly.

use core::arch::global_asm;

global_asm!(
    r#"
    .section .multiboot2, "a"
    .balign 8
header:
    .long 0xe85250d6                    // magic
    .long 0                             // architecture: i386
    .long header_end - header
    .long -(0xe85250d6 + (header_end - header))

    .balign 8
    .short 1, 0                         // information request: memory map, required
    .long 12
    .long 6

    .balign 8
    .short 1, 1                         // information request: command line, framebuffer, ACPI; optional
    .long 24
    .long 1, 8, 14, 15

    .balign 8
    .short 4, 1                         // console flags, optional: a console is not required,
    .long 12                            // VGA text is supported
    .long 2

    .balign 8
    .short 5, 1                         // framebuffer, optional: no preference
    .long 20
    .long 0, 0, 0

    .balign 8
    .short 6, 0                         // modules aligned to pages
    .long 8

    .balign 8
    .short 0, 0                         // end
    .long 8
header_end:

    .section .text.loader_start, "ax"
    .code32
    .global loader_start
loader_start:
    cli
    cld
    mov esp, offset boot_stack_top
    mov edi, eax                        // magic
    mov esi, ebx                        // information

    // 64-bit mode is CPUID 8000_0001h, edx bit 29.
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb no_long_mode
    mov eax, 0x80000001
    cpuid
    bt edx, 29
    jnc no_long_mode

    // Identity map of the first 4 GiB in pages of 2 MiB.
    mov eax, offset boot_pdpt
    or eax, 3
    mov [boot_pml4], eax
    mov eax, offset boot_pd
    or eax, 3
    mov ebx, offset boot_pdpt
    mov ecx, 4
2:  mov [ebx], eax
    add eax, 4096
    add ebx, 8
    dec ecx
    jnz 2b
    mov ebx, offset boot_pd
    mov eax, 0x83
    mov ecx, 2048
3:  mov [ebx], eax
    add eax, 0x200000
    add ebx, 8
    dec ecx
    jnz 3b

    mov eax, cr4
    or eax, 0x20                        // PAE
    mov cr4, eax
    mov eax, offset boot_pml4
    mov cr3, eax
    mov ecx, 0xc0000080                 // EFER
    rdmsr
    or eax, 0x100                       // LME
    wrmsr
    mov eax, cr0
    or eax, 0x80000001                  // PG, PE
    mov cr0, eax
    lgdt [boot_gdt_pointer]
    .byte 0xea                          // far jump to 8:long_mode
    .long long_mode
    .short 8

no_long_mode:
    mov esi, offset no_long_mode_text
    mov ebx, 0xb8000
4:  lodsb
    test al, al
    jz 5f
    mov ah, 0x0f
    mov [ebx], ax
    add ebx, 2
    mov dx, 0x3f8
    out dx, al
    jmp 4b
5:  hlt
    jmp 5b

    .code64
long_mode:
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    mov edi, edi
    mov esi, esi
    lea rsp, [rip + boot_stack_top]
    xor ebp, ebp
    call {main}
    ud2

    .section .rodata.loader_start, "a"
no_long_mode_text:
    .asciz "Pagurus: this processor has no 64-bit mode; Pagurus needs one."
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff            // 8: 64-bit code
    .quad 0x00cf93000000ffff            // 16: data
boot_gdt_pointer:
    .short 23
    .long boot_gdt

    .section .bss.loader_start, "aw", @nobits
    .balign 4096
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd:   .skip 4 * 4096
    .skip 256 * 1024
boot_stack_top:
"#,
    main = sym crate::main,
);
