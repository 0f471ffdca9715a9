/* What both guards do: aifes_load.c for int8, f32_load.c for float32. They define check_op(), DENSE,
 * the opcode of a dense layer, and ITEM, the bytes of an element in the arena.
 * What decides about memory is checked on a copy that nobody else can change. Whether a model is
 * whole (CRC, scales, bounds of sums, reserved fields) is checked by format.decode. */
#ifndef AIFES_GUARD_H
#define AIFES_GUARD_H

#include "aifes.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("Os")
#endif

/* op: a copy of a record whose x and y lie in the arena. low: where constants begin; they end at the
 * metadata. */
static int check_op(const aifes_header *h, const aifes_op *op, uint32_t low);

__attribute__((noinline)) static void copy(void *to, const uint8_t *from, size_t n)
{
    volatile uint8_t *p = to; /* volatile: else compilers call memcpy, which is not there */
    while (n--) {
        *p++ = *from++;
    }
}

/* n bytes at `at` lie in low..high */
__attribute__((noinline)) static int inside(uint32_t at, uint32_t n, uint32_t low, uint32_t high)
{
    return low <= at && at <= high && n <= high - at;
}

/* x and y lie in the arena, apart from each other; all but a dense layer may work in place */
static int check_arena(const aifes_header *h, const aifes_op *op)
{
    const uint32_t most = AIFES_MAX_ARENA / ITEM;
    uint32_t x = op->x, y = op->y, n = ITEM * op->n_in, m = ITEM * op->n_out;
    return n && m && (ITEM == 1 || (op->n_in <= most && op->n_out <= most)) /* else they wrap */
        && inside(x, n, 0, h->arena) && inside(y, m, 0, h->arena)
        && (inside(x, n, 0, y) || inside(y, m, 0, x) || (x == y && op->opcode != DENSE));
}

/* a * b, at most 2^31 - 1 */
__attribute__((noinline)) static uint32_t product(uint32_t a, uint32_t b)
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

/* n: the elements it must have. low: where constants begin; they end at the metadata. */
__attribute__((noinline)) static int check_tensor(const aifes_header *h, const aifes_tensor *t,
    uint32_t n, uint32_t low)
{
    return product(product(t->dims[0], t->dims[1]), t->dims[2]) == n
        && (!t->features || inside(t->features, 3 * n, low, h->metadata));
}

/* Bytes of the net of a buffer, 0 if it is too short for a header */
static size_t net_size(const uint8_t *buf, size_t length)
{
    uint32_t n_ops = length < sizeof(aifes_header) ? ~0u : (uint32_t)(buf[20] | buf[21] << 8);
    return n_ops > AIFES_MAX_OPS ? 0 : sizeof(aifes_net) + n_ops * sizeof(aifes_step);
}

/* Check a buffer and fill the net: aifes_load */
static int load_net(aifes_net *net, size_t size, const uint8_t *buf, size_t length)
{
    aifes_header *h = &net->header;
    uint32_t low, x, n;
    if (size < sizeof *net || length < sizeof *h) {
        return 0;
    }
    net->buf = NULL;
    net->arena = NULL;
    net->work = 0;
    copy(h, buf, sizeof *h);
    low = sizeof *h + h->n_ops * sizeof(aifes_op);
    if (h->magic != AIFES_MAGIC || h->version != AIFES_VERSION || h->length > length
        || h->length >> 31 || !h->n_ops || size < sizeof *net + h->n_ops * sizeof(aifes_step)
        || h->arena > AIFES_MAX_ARENA || !inside(h->metadata, h->metadata_length, low, h->length)) {
        return 0;
    }
    x = h->input.offset;
    n = 0;
    for (uint32_t i = 0; i < h->n_ops; i++) {
        aifes_op *op = &net->steps[i].op;
        copy(op, buf + sizeof *h + i * sizeof *op, sizeof *op);
        if (i == 0) {
            net->n_in = n = op->n_in;
        }
        if (op->x != x || op->n_in != n || !check_arena(h, op) || !check_op(h, op, low)) {
            return 0;
        }
        net->work += n * op->n_out;
        x = op->y;
        n = op->n_out;
    }
    net->n_out = n;
    return h->output.offset == x && check_tensor(h, &h->input, net->n_in, low)
        && check_tensor(h, &h->output, n, low);
}

#endif
