/* ESP32, -S2, -S3: one multiply (32 x 32 -> 32), no SIMD that all three have.
 *
 * Eight outputs for each input: their weights are two words. Of a word three multiplications make
 * four sums: of the whole word, of its bytes 1 and 2, and of its bytes 2 and 3. With s_j the sum
 * wanted of byte j
 *
 *     t0 = s0 + s1 << 8 + s2 << 16 + s3 << 24,  t1 = s1 + s2 << 8,  t2 = s2 + s3 << 8
 *
 * modulo 2^32. The sums of up to 256 inputs have 24 bits (256 * 128 * 255 < 2^23): all four can be
 * found again. 9 instructions for 4 weights, and 2 for each input. */
#define AIFES_HAS_SUMS_8 1
#define AIFES_EXACT 256 /* inputs */

/* acc >> shift; the register of shifts has five bits. gcc does not name it: it keeps nothing there. */
#ifdef __clang__
#define AIFES_SAR : "sar"
#else
#define AIFES_SAR
#endif
AIFES_INLINE int32_t shifted(int32_t acc, uint8_t shift)
{
    __asm("ssr %1\n sra %0, %0" : "+r"(acc) : "r"(shift) AIFES_SAR);
    return acc;
}
#undef AIFES_SAR
#define AIFES_HAS_SHIFTED

/* word: four weights, v the input; f, g free. What has just been made is not needed at once. */
#define AIFES_WORD(word, f, g, t0, t1, t2)                                                         \
    "extui " f ", " word ", 8, 16\n extui " g ", " word ", 16, 16\n"                               \
    "mull " f ", " f ", %[v]\n mull " g ", " g ", %[v]\n mull " word ", " word ", %[v]\n"          \
    "add.n " t1 ", " t1 ", " f "\n add.n " t2 ", " t2 ", " g "\n add.n " t0 ", " t0 ", " word "\n"
#define AIFES_INPUT(k, at, next)                                                                   \
    "l32i.n %[p], %[w], " at "\n l8ui %[v], %[x], " k "\n sext %[v], %[v], 7\n"                    \
    AIFES_WORD("%[p]", "%[f]", "%[g]", "%[t0]", "%[t1]", "%[t2]")                                  \
    "l32i.n %[p], %[w], " next "\n"                                                                \
    AIFES_WORD("%[p]", "%[f]", "%[g]", "%[t3]", "%[t4]", "%[t5]")

/* Add to acc[0..3] the sums that are in three */
AIFES_INLINE void add_sums(int32_t *acc, uint32_t t0, uint32_t t1, uint32_t t2)
{
    const uint32_t a = t0 - (t1 << 8); /* s0 + s3 << 24 */
    const int32_t s0 = (int32_t)(a << 8) >> 8;
    const uint32_t low = (t2 - ((a - s0) >> 16)) & 0xffff; /* of s2 */
    const uint32_t b = t1 - (low << 8); /* s1 + (s2 >> 16) << 24 */
    const int32_t s1 = (int32_t)(b << 8) >> 8;
    const int32_t s2 = ((int32_t)(b - s1) >> 8) + (int32_t)low;
    acc[0] += s0;
    acc[1] += s1;
    acc[2] += s2;
    acc[3] += (int32_t)(t2 - s2) >> 8;
}

/* w: interleaved by 8, at a multiple of 4 */
AIFES_FAST static void sums_8(const uint8_t *w, const int8_t *x, uint32_t n_in, int32_t *acc,
    int32_t start, uint32_t blocks)
{
    const int8_t *begin = x, *end = x + n_in;
    do {
        for (uint32_t j = 0; j < 8; j++) {
            acc[j] = start;
        }
        x = begin;
        do {
            const uint32_t n = end - x < AIFES_EXACT ? end - x : AIFES_EXACT;
            const int8_t *stop = x + n;
            uint32_t t0 = 0, t1 = 0, t2 = 0, t3 = 0, t4 = 0, t5 = 0, v = n, p, f, g;
            __asm volatile(
                "bbci %[v], 0, 1f\n addi.n %[x], %[x], -1\n addi %[w], %[w], -8\n j 2f\n"
                "1:\n" AIFES_INPUT("0", "0", "4")
                "2:\n" AIFES_INPUT("1", "8", "12")
                "addi.n %[x], %[x], 2\n addi %[w], %[w], 16\n bne %[x], %[stop], 1b\n"
                : [t0] "+r"(t0), [t1] "+r"(t1), [t2] "+r"(t2), [t3] "+r"(t3), [t4] "+r"(t4),
                  [t5] "+r"(t5), [w] "+r"(w), [x] "+r"(x), [v] "+r"(v), [p] "=&r"(p),
                  [f] "=&r"(f), [g] "=&r"(g)
                : [stop] "r"(stop)
                : "memory");
            add_sums(acc, t0, t1, t2);
            add_sums(acc + 4, t3, t4, t5);
        } while (x != end);
        acc += 8;
    } while (--blocks);
}
#undef AIFES_WORD
#undef AIFES_INPUT
#undef AIFES_EXACT
