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
        "movs r4, #7\n"
        "subs r5, r2, r1\n bics r5, r4\n adds r5, r1, r5\n" /* end of the inputs in eights */
        "push {r1, r2, r5}\n"
        /* stack: x, its end, its end in eights, r8-r11, acc, r4-r7, lr; start, blocks */
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
        AIFES_INPUT(0) AIFES_INPUT(1) AIFES_INPUT(2) AIFES_INPUT(3)
        AIFES_INPUT(4) AIFES_INPUT(5) AIFES_INPUT(6) AIFES_INPUT(7)
        "adds r1, #8\n"
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
