#!/bin/bash
# link.sh OUT OBJECT..: a firmware for the board LX60; the literals of each file lie before its code, since l32r
# reaches back only, 256 kB
set -e
out=$1; shift
{
    echo 'ENTRY(_start) SECTIONS { .literal 0x1f00 : { *(.vectors.literal) } .vectors 0x2000 : { _vectors = .; KEEP(*(.vectors)) }'
    echo '.text 0x3000 : {'
    for o; do echo "\"$o\"(.literal .literal.*) . = ALIGN(4); \"$o\"(.text .text.*) . = ALIGN(4);"; done
    echo '} .rodata ALIGN(16) : { *(.rodata .rodata.*) } .data ALIGN(16) : { *(.data .data.*) }'
    echo '.bss ALIGN(16) (NOLOAD) : { _sbss = .; *(.bss .bss.* COMMON) . = ALIGN(16); _ebss = .; } _estack = 0x800000;'
    echo '/DISCARD/ : { *(.comment) *(.note*) *(.llvm_addrsig) *(.eh_frame) } }'
} >"$out.ld"
xtensa-lx106-elf-ld --no-relax --no-warn-rwx-segments -nostdlib -T "$out.ld" -o "$out" -Map "$out.map" "$@"
