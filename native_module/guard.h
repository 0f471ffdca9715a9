/* What the guard and the checks of ops are made of. What decides about memory is read once: nobody
 * can change it between the check and its use. */
#ifndef AIFES_GUARD_H
#define AIFES_GUARD_H

#include "aifes.h"

AIFES_NOINLINE static void copy(void *to, const void *from, size_t n)
{
    volatile uint8_t *p = to; /* volatile: else compilers call memcpy, which is not there */
    const uint8_t *q = from;
    while (n--) {
        *p++ = *q++;
    }
}

#if AIFES_CNN && !AIFES_FLOAT
/* n sums begin */
AIFES_NOINLINE static void fill(int32_t *sums, uint32_t n, int32_t v)
{
    volatile int32_t *p = sums; /* volatile: no memset */
    do {
        *p++ = v;
    } while (--n);
}
#endif

/* n bytes at `at` lie in the first `end` bytes */
AIFES_NOINLINE static int inside(uint32_t at, uint32_t n, uint32_t end)
{
    return at <= end && n <= end - at;
}

/* a * b, at most 2^31 - 1 */
AIFES_NOINLINE static uint32_t product(uint32_t a, uint32_t b)
{
    const uint32_t limit = 0x7FFFFFFF;
    uint32_t sum = 0;
    for (; b; b >>= 1) {
        if (a > limit) {
            a = limit;
        }
        if (b & 1) {
            sum += a;
        }
        if (sum > limit) {
            return limit;
        }
        a <<= 1;
    }
    return sum;
}

/* a / b; 0 if there is a rest */
static uint32_t quotient(uint32_t a, uint32_t b)
{
    uint32_t n = 0, at = 0;
    for (; b && at < a; at += b) {
        n++;
    }
    return at == a ? n : 0;
}

/* The address of a constant of n bytes; NULL if it is absent or does not lie in the buffer */
AIFES_NOINLINE static const uint8_t *constant(const aifes_memory *m, uint32_t at, uint32_t n)
{
    return at && inside(at, n, m->model.len) && !(AIFES_FLOAT && at & 3) ? (const uint8_t *)m->model.buf + at : NULL;
}

/* The elements of tensor `number`, whose rows of the arena lie there and which is copied to t; 0: they
 * do not */
AIFES_NOINLINE static uint32_t tensor(const aifes_memory *m, uint32_t number, aifes_tensor *t)
{
    uint32_t n, held;
    if (number >= m->n_tensors) {
        return 0;
    }
    copy(t, (const uint8_t *)m->head.buf + sizeof(aifes_header) + number * sizeof *t, sizeof *t);
    n = held = product(product(t->dims[0], t->dims[1]), t->dims[2]);
    if (t->dtype != AIFES_DTYPE || (AIFES_FLOAT && (t->offset & 3 || n > AIFES_MAX_ARENA))) {
        return 0;
    }
#if AIFES_CNN && !AIFES_FLOAT
    if (t->rows | t->flags) {
        if (t->rows - 1u >= t->dims[0] || t->rank != 3 || t->flags > !number || n >> 24) {
            return 0;
        }
        held = t->rows * t->dims[1] * t->dims[2];
    }
#else
    if (t->rows | t->flags) {
        return 0;
    }
#endif
    return inside(t->offset, AIFES_ITEM * held, m->arena.len) ? n : 0;
}

#if defined(__ARM_FEATURE_IDIV) || defined(__riscv_div) || defined(__x86_64__)                     \
    || defined(__XTENSA_WINDOWED_ABI__) /* ESP32 and newer */
#define AIFES_DIVIDES 1
#else
#define AIFES_DIVIDES 0
#endif

#if AIFES_CNN
/* What ops on images keep of their record, 16 bytes, and the dims of input and output, which must be
 * [rows, columns, channels]. They follow the 16 bytes, of which 8 and 9 are where the first window
 * begins: so many rows before the image. */
AIFES_NOINLINE static int geometry(aifes_step *s, void *to, const void *from,
    const aifes_place *x)
{
    const aifes_tensor *t = ((const aifes_inputs *)(const void *)x)->tensors;
    copy(to, from, 16);
    AIFES_ROWS(s)->start = 0u - ((uint16_t *)to)[4];
    copy((uint32_t *)to + 4, t[0].dims, 12);
    copy((uint32_t *)to + 7, t[1].dims, 12);
    return t[0].rank == 3 && t[1].rank == 3;
}

/* An op on elements takes rows of images as they come */
#define AIFES_BY_ELEMENTS(s) AIFES_ROWS(s)->span = 0
#else
#define AIFES_BY_ELEMENTS(s)
#endif

#if AIFES_FLOAT
#include "f32_math.h"

typedef f32 aifes_element;

/* The address of n float32 that are numbers; NULL if it is absent, or they are not */
AIFES_NOINLINE static const f32 *finite_floats(const aifes_memory *m, uint32_t at, uint32_t n)
{
    const f32 *p = (const void *)constant(m, at, n > 0x1FFFFFFF ? 0x7FFFFFFF : 4 * n);
    for (uint32_t i = 0; p && i < n; i++) {
        if (f32_bits(p[i]) << 1 >= 0xFF000000) {
            return NULL;
        }
    }
    return p;
}
#else
typedef int8_t aifes_element;
#endif

/* multiply-accumulates after which a run returns for a moment: tens of milliseconds */
#ifndef AIFES_WORK
#if !AIFES_FLOAT
#define AIFES_WORK (1 << 20)
#else
#define AIFES_WORK (F32_SOFT ? 1 << 15 : 1 << 19)
#endif
#endif

#endif
