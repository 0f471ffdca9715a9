/* Cortex-M0 and M0+: no SIMD, one multiply (32 x 32 -> 32), loads cost two cycles.
 *
 * Eight outputs for each input: their weights are two words. A word is multiplied as a whole and
 * shifted right by 8, 16, 24 bits; with s_j the sum wanted of byte j, the four sums are
 *
 *     t0 = s0 + s1 << 8 + s2 << 16 + s3 << 24,  t1 = s1 + s2 << 8 + s3 << 16,  t2,  t3 = s3
 *
 * modulo 2^32, and s_j = t_j - (t_j+1 << 8) is exact. One load for four weights, no masks:
 * 3 instructions a weight, and 2 for each input. */
#define AIFES_HAS_SUMS_8 1

/* r1 += 8 inputs, r0 += their weights: r3 and r4 the words, r2 an input, r5 free for shifts */
#define AIFES_WORD(w, t, a0, a1, a2, a3)                                                           \
    "lsrs " t ", " w ", #8\n muls " w ", r2\n add " a0 ", " w "\n"                                 \
    "lsrs " w ", " t ", #8\n muls " t ", r2\n add " a1 ", " t "\n"                                 \
    "lsrs " t ", " w ", #8\n muls " w ", r2\n add " a2 ", " w "\n"                                 \
    "muls " t ", r2\n add " a3 ", " t "\n"
#define AIFES_INPUT(k)                                                                             \
    "ldrb r2, [r1, #" #k "]\n ldmia r0!, {r3, r4}\n sxtb r2, r2\n"                                 \
    AIFES_WORD("r3", "r5", "r6", "r7", "r8", "r9")                                                 \
    AIFES_WORD("r4", "r5", "r10", "r11", "r12", "lr")

/* Inputs of a turn: files with all ops must be small */
#if AIFES_TIGHT
#define AIFES_TURN "4"
#define AIFES_INPUTS                                                                               \
    AIFES_INPUT(0) AIFES_INPUT(1) AIFES_INPUT(2) AIFES_INPUT(3) "adds r1, #4\n"
#else
#define AIFES_TURN "8"
#define AIFES_INPUTS                                                                               \
    AIFES_INPUT(0) AIFES_INPUT(1) AIFES_INPUT(2) AIFES_INPUT(3)                                    \
    AIFES_INPUT(4) AIFES_INPUT(5) AIFES_INPUT(6) AIFES_INPUT(7) "adds r1, #8\n"
#endif

/* w: interleaved by 8, at a multiple of 4 */
__attribute__((naked, noinline)) static void sums_8(const uint8_t *w, const int8_t *x,
    uint32_t n_in, int32_t *acc, int32_t start, uint32_t blocks)
{
    (void)w, (void)x, (void)n_in, (void)acc, (void)start, (void)blocks; /* r0-r3, stack */
    __asm volatile(
        ".syntax unified\n"
        "push {r3, r4, r5, r6, r7, lr}\n"
        "mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n"
        "push {r4, r5, r6, r7}\n"
        "adds r2, r1, r2\n" /* end of x */
        "movs r4, #" AIFES_TURN " - 1\n"
        "subs r5, r2, r1\n bics r5, r4\n adds r5, r1, r5\n" /* end of the inputs in turns */
        "push {r1, r2, r5}\n"
        /* stack: x, its end, its end in turns, r8-r11, acc, r4-r7, lr; start, blocks */
        "0: ldr r1, [sp]\n"
        /* start as t: t3 = start, t_j = start + (t_j+1 << 8) */
        "ldr r3, [sp, #52]\n"
        "lsls r4, r3, #8\n adds r4, r4, r3\n"
        "lsls r5, r4, #8\n adds r5, r5, r3\n"
        "lsls r6, r5, #8\n adds r6, r6, r3\n"
        "mov r7, r5\n mov r8, r4\n mov r9, r3\n"
        "mov r10, r6\n mov r11, r5\n mov r12, r4\n mov lr, r3\n"
        "b 2f\n"
        "1:\n"
        AIFES_INPUTS
        "2: ldr r5, [sp, #8]\n cmp r1, r5\n beq 4f\n" /* too far for bne */
        "b 1b\n"
        "3:\n"
        AIFES_INPUT(0)
        "adds r1, #1\n"
        "4: ldr r5, [sp, #4]\n cmp r1, r5\n bne 3b\n"
        /* t to s: t_j -= t_j+1 << 8 */
        "ldr r1, [sp, #28]\n"
        "lsls r2, r7, #8\n subs r6, r6, r2\n"
        "mov r3, r8\n lsls r2, r3, #8\n subs r7, r7, r2\n"
        "mov r4, r9\n lsls r2, r4, #8\n subs r3, r3, r2\n"
        "stmia r1!, {r6, r7}\n stmia r1!, {r3, r4}\n"
        "mov r3, r10\n mov r4, r11\n mov r5, r12\n mov r6, lr\n"
        "lsls r2, r4, #8\n subs r3, r3, r2\n"
        "lsls r2, r5, #8\n subs r4, r4, r2\n"
        "lsls r2, r6, #8\n subs r5, r5, r2\n"
        "stmia r1!, {r3, r4, r5, r6}\n"
        "str r1, [sp, #28]\n"
        "ldr r1, [sp, #56]\n subs r1, #1\n str r1, [sp, #56]\n beq 5f\n"
        "b 0b\n"
        "5: add sp, #12\n"
        "pop {r4, r5, r6, r7}\n"
        "mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n"
        "pop {r3, r4, r5, r6, r7, pc}\n");
}
#undef AIFES_WORD
#undef AIFES_INPUT
#undef AIFES_INPUTS
#undef AIFES_TURN

#if !AIFES_TIGHT
/* dense_rows of dense.h. Small networks spend most of their time here: compilers run out of
 * registers and need 1.4 times as many instructions. The numbers are offsets in dense_step. */
#define AIFES_HAS_DENSE_ROWS

typedef char offsets_are_right[offsetof(aifes_step, own) == 2 && offsetof(aifes_step, n_in) == 4
    && offsetof(aifes_step, x) == 12 && offsetof(dense_step, zero_point) == 20
    && offsetof(dense_step, low) == 22 && offsetof(dense_step, table) == 40 ? 1 : -1];

__attribute__((naked, noinline)) static void dense_rows(const dense_step *s, const uint8_t *w,
    const int32_t *bias, const uint8_t *shifts, int8_t *y)
{
    (void)s, (void)w, (void)bias, (void)shifts, (void)y; /* r0-r3, stack */
    __asm volatile(
        ".syntax unified\n"
        "push {r4, r5, r6, r7, lr}\n"
        "mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n"
        "push {r4, r5, r6, r7}\n"
        "mov r9, r2\n mov r10, r3\n" /* r9 bias, r10 shifts */
        "ldr r4, [sp, #36]\n mov lr, r4\n" /* lr y */
        "ldr r5, [r0, #4]\n negs r2, r5\n mov r8, r2\n" /* r8 and r2 -n_in */
        "adds r3, r1, r5\n" /* r3 end of a row */
        "ldrb r4, [r0, #2]\n mov r11, r4\n" /* r11 shift step */
        "movs r6, #20\n ldrsb r4, [r0, r6]\n"
        "movs r6, #22\n ldrsb r6, [r0, r6]\n"
        "subs r4, r4, r6\n mov r12, r4\n" /* r12 offset */
        "movs r7, #23\n ldrsb r7, [r0, r7]\n subs r7, r7, r6\n"
        "ldr r1, [r0, #40]\n ldr r4, [r0, #16]\n ldr r6, [r0, #8]\n"
        "adds r6, r4, r6\n"
        "push {r1, r6, r7}\n" /* table, end of y, span */
        "ldr r1, [r0, #12]\n adds r1, r1, r5\n" /* r1 end of x */
        "ldrb r5, [r0, #21]\n" /* r5 weight_zero */
        "1: mov r6, r9\n ldmia r6!, {r4}\n mov r9, r6\n" /* r4 the sum */
        "2: ldrb r6, [r3, r2]\n ldrsb r7, [r1, r2]\n subs r6, r6, r5\n muls r7, r6\n"
        "adds r4, r4, r7\n adds r2, #1\n bne 2b\n"
        "mov r2, r8\n subs r3, r3, r2\n" /* the next row */
        "mov r6, r10\n ldrb r7, [r6]\n add r10, r11\n asrs r4, r7\n"
        "add r4, r12\n ldr r6, [sp, #8]\n cmp r4, r6\n bhi 5f\n" /* clamp */
        "3: ldr r6, [sp]\n cmp r6, #0\n beq 6f\n ldrsb r4, [r6, r4]\n"
        "4: mov r6, lr\n strb r4, [r6]\n adds r6, #1\n mov lr, r6\n"
        "ldr r7, [sp, #4]\n cmp r6, r7\n bne 1b\n"
        "add sp, #12\n"
        "pop {r4, r5, r6, r7}\n"
        "mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n"
        "pop {r4, r5, r6, r7, pc}\n"
        "5: mvns r4, r4\n asrs r4, r4, #31\n ands r4, r6\n b 3b\n" /* 0 or span */
        "6: movs r6, #22\n ldrsb r6, [r0, r6]\n adds r4, r4, r6\n b 4b\n"); /* + low */
}
#endif
