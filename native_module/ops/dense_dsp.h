/* Cortex-M4, M7, M33 with DSP: SMLAD adds two 16-bit products to a sum.
 *
 * Four outputs at a time share the widened inputs: of four inputs x0..x3 in a word, SXTB16 makes
 * (x0, x2) and (x1, x3), UXTB16 the same of four weights. 5 instructions for 4 weights, and 3 for
 * each four inputs. Words are loaded from any address: these chips can. */
#define AIFES_HAS_SUMS_4 1

/* r7, r8: four inputs widened */
#define AIFES_WIDEN "ldr r9, [r1], #4\n sxtb16 r7, r9\n sxtb16 r8, r9, ror #8\n"

/* A block begins with x and n_in in r1 and r2 and ends at the weights of the next one, in r6.
 * Stack: x, n_in, acc, eight registers, lr; start, blocks */
#define AIFES_ENTER "push {r3-r11, lr}\n push {r1, r2}\n 0: ldrd r1, r2, [sp]\n"
#define AIFES_LEAVE                                                                                \
    "ldr r3, [sp, #8]\n stmia r3!, {r10, r11, r12, lr}\n str r3, [sp, #8]\n"                       \
    "mov r0, r6\n ldr r3, [sp, #52]\n subs r3, #1\n str r3, [sp, #52]\n bne.w 0b\n"               \
    "add sp, #12\n pop {r4-r11, pc}\n"

/* files with all ops must be small */
#if AIFES_TIGHT
#define AIFES_TURNS                                                                                \
    "b 2f\n"                                                                                       \
    "1:\n" AIFES_FOUR_INPUTS AIFES_FOUR_INPUTS                                                     \
    "2: subs r2, #8\n bcs.w 1b\n adds r2, #8\n b 4f\n"
#else
#define AIFES_TURNS                                                                                \
    "b 2f\n"                                                                                       \
    "1:\n" AIFES_FOUR_INPUTS AIFES_FOUR_INPUTS AIFES_FOUR_INPUTS AIFES_FOUR_INPUTS                 \
    "2: subs r2, #16\n bcs.w 1b\n adds r2, #16\n b 4f\n"
#endif
/* Inputs by four, sixteen (AIFES_TIGHT: eight) in a turn; then the rest of up to 3, with r0, r4, r5, r6 at their rows */
#define AIFES_ALL_FOURS                                                                            \
    AIFES_TURNS                                                                                    \
    "3:\n" AIFES_FOUR_INPUTS                                                                       \
    "4: subs r2, #4\n bcs 3b\n adds r2, #4\n"
#define AIFES_ONE(row, acc) "ldrb r9, [" row "], #1\n mla " acc ", r9, r7, " acc "\n"
#define AIFES_REST                                                                                 \
    "b 6f\n"                                                                                       \
    "5: ldrsb r7, [r1], #1\n"                                                                      \
    AIFES_ONE("r0", "r10") AIFES_ONE("r4", "r11") AIFES_ONE("r5", "r12") AIFES_ONE("r6", "lr")     \
    "6: subs r2, #1\n bcs 5b\n"

/* Interleave 1. r0, r4, r5, r6 the rows, r1 the inputs; r9, r3 free */
#define AIFES_ROW(row, acc)                                                                        \
    "ldr r9, [" row "], #4\n uxtb16 r3, r9\n smlad " acc ", r3, r7, " acc "\n"                     \
    "uxtb16 r9, r9, ror #8\n smlad " acc ", r9, r8, " acc "\n"
#define AIFES_FOUR_INPUTS                                                                          \
    AIFES_WIDEN                                                                                    \
    AIFES_ROW("r0", "r10") AIFES_ROW("r4", "r11") AIFES_ROW("r5", "r12") AIFES_ROW("r6", "lr")

/* w: four rows of n_in, one after another */
__attribute__((naked, noinline)) static void sums_rows(const uint8_t *w, const int8_t *x,
    uint32_t n_in, int32_t *acc, int32_t start, uint32_t blocks)
{
    (void)w, (void)x, (void)n_in, (void)acc, (void)start, (void)blocks; /* r0-r3, stack */
    __asm volatile(
        ".syntax unified\n"
        AIFES_ENTER
        "adds r4, r0, r2\n adds r5, r4, r2\n adds r6, r5, r2\n"
        "ldr r10, [sp, #48]\n mov r11, r10\n mov r12, r10\n mov lr, r10\n"
        AIFES_ALL_FOURS
        AIFES_REST AIFES_LEAVE);
}
#undef AIFES_ROW
#undef AIFES_FOUR_INPUTS

/* Interleave 4, group 4: one instruction loads four words. r0 the weights, r3-r6 the words */
#define AIFES_WORD(word, acc)                                                                      \
    "uxtb16 r9, " word "\n smlad " acc ", r9, r7, " acc "\n"                                       \
    "uxtb16 " word ", " word ", ror #8\n smlad " acc ", " word ", r8, " acc "\n"
#define AIFES_FOUR_INPUTS                                                                          \
    AIFES_WIDEN                                                                                    \
    "ldmia r0!, {r3, r4, r5, r6}\n"                                                                \
    AIFES_WORD("r3", "r10") AIFES_WORD("r4", "r11") AIFES_WORD("r5", "r12") AIFES_WORD("r6", "lr")

/* w: four outputs, at a multiple of 4 */
__attribute__((naked, noinline)) static void sums_grouped(const uint8_t *w, const int8_t *x,
    uint32_t n_in, int32_t *acc, int32_t start, uint32_t blocks)
{
    (void)w, (void)x, (void)n_in, (void)acc, (void)start, (void)blocks; /* r0-r3, stack */
    __asm volatile(
        ".syntax unified\n"
        AIFES_ENTER
        "ldr r10, [sp, #48]\n mov r11, r10\n mov r12, r10\n mov lr, r10\n"
        AIFES_ALL_FOURS
        /* the rows of what is left */
        "adds r4, r0, r2\n adds r5, r4, r2\n adds r6, r5, r2\n"
        AIFES_REST AIFES_LEAVE);
}
#undef AIFES_WORD
#undef AIFES_FOUR_INPUTS
#undef AIFES_WIDEN
#undef AIFES_ENTER
#undef AIFES_LEAVE
#undef AIFES_ONE
#undef AIFES_ALL_FOURS
#undef AIFES_TURNS
#undef AIFES_REST

static void sums_4(const uint8_t *w, const int8_t *x, uint32_t n_in, int32_t *acc, int32_t start,
    uint32_t blocks, int rows)
{
    (rows ? sums_rows : sums_grouped)(w, x, n_in, acc, start, blocks);
}
