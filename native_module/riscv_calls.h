/* Calls and jumps of a loadable module reach all of it with one instruction; compilers leave two for
 * the linker to shorten, which that of .mpy files does not. */
#ifndef AIFES_RISCV_CALLS_H
#define AIFES_RISCV_CALLS_H

__asm(
    ".option norelax\n"
    ".macro call a, b\n .ifb \\b\n jal ra, \\a\n .else\n jal \\a, \\b\n .endif\n .endm\n"
    ".macro tail a\n j \\a\n .endm\n");

#endif
