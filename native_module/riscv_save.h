/* What -msave-restore calls at the beginning and the end of functions: they are a tenth smaller with
 * it. libgcc's own is not there in a loadable module.
 *
 * __riscv_save_N, called by t0: ra and s0 .. s(N-1) on the stack, in blocks of 16 bytes.
 * __riscv_restore_N, jumped to: back from there, and return. */
#ifndef AIFES_RISCV_SAVE_H
#define AIFES_RISCV_SAVE_H

#define NAMES(a, b, c, d) "__riscv_" a ":\n__riscv_" b ":\n__riscv_" c ":\n__riscv_" d ":\n"

__asm(
    ".text\n.balign 4\n"
    "__riscv_save_12: li t1, 3\n j 1f\n"
    NAMES("save_8", "save_9", "save_10", "save_11") "li t1, 2\n j 1f\n"
    NAMES("save_4", "save_5", "save_6", "save_7") "li t1, 1\n j 1f\n"
    NAMES("save_0", "save_1", "save_2", "save_3") "li t1, 0\n"
    "1: addi sp, sp, -16\n sw ra, 12(sp)\n sw s0, 8(sp)\n sw s1, 4(sp)\n sw s2, 0(sp)\n"
    "beqz t1, 2f\n addi t1, t1, -1\n"
    "addi sp, sp, -16\n sw s3, 12(sp)\n sw s4, 8(sp)\n sw s5, 4(sp)\n sw s6, 0(sp)\n"
    "beqz t1, 2f\n addi t1, t1, -1\n"
    "addi sp, sp, -16\n sw s7, 12(sp)\n sw s8, 8(sp)\n sw s9, 4(sp)\n sw s10, 0(sp)\n"
    "beqz t1, 2f\n"
    "addi sp, sp, -16\n sw s11, 12(sp)\n"
    "2: jr t0\n"
    "__riscv_restore_12: lw s11, 12(sp)\n addi sp, sp, 16\n"
    NAMES("restore_8", "restore_9", "restore_10", "restore_11")
    "lw s7, 12(sp)\n lw s8, 8(sp)\n lw s9, 4(sp)\n lw s10, 0(sp)\n addi sp, sp, 16\n"
    NAMES("restore_4", "restore_5", "restore_6", "restore_7")
    "lw s3, 12(sp)\n lw s4, 8(sp)\n lw s5, 4(sp)\n lw s6, 0(sp)\n addi sp, sp, 16\n"
    NAMES("restore_0", "restore_1", "restore_2", "restore_3")
    "lw ra, 12(sp)\n lw s0, 8(sp)\n lw s1, 4(sp)\n lw s2, 0(sp)\n addi sp, sp, 16\n ret\n");
#undef NAMES

#endif
