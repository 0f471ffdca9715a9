/* The gate: the checks of format.decode. What decides about addresses is checked on a copy. */
#include "aifes.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("Os")
#endif

static void copy(void *to, const uint8_t *from, size_t n)
{
    volatile uint8_t *p = to; /* volatile: else compilers call memcpy, which is not there */
    while (n--) {
        *p++ = *from++;
    }
}

/* CRC-32 of zip and PNG */
static uint32_t crc32(const uint8_t *p, const uint8_t *end)
{
    uint32_t crc = ~0u;
    while (p < end) {
        crc ^= *p++;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0xEDB88320 & -(crc & 1));
        }
    }
    return ~crc;
}

/* The buffer under check: constants lie between the op records and the metadata. */
typedef struct {
    const uint8_t *buf;
    uint32_t low, high, arena;
} limits;

static int inside(uint32_t at, uint32_t n, uint32_t low, uint32_t high)
{
    return low <= at && at <= high && n <= high - at;
}

static int in_arena(const limits *l, uint32_t at, uint32_t n)
{
    return inside(at, n, 0, l->arena);
}

static int in_constants(const limits *l, uint32_t at, uint32_t n)
{
    return inside(at, n, l->low, l->high);
}

/* a * b, at most 2^31 - 1 */
static uint32_t product(uint32_t a, uint32_t b)
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

/* The number of elements, 0 if the tensor is wrong. */
static uint32_t check_tensor(const limits *l, const aifes_tensor *t)
{
    uint32_t n = product(product(t->dims[0], t->dims[1]), t->dims[2]);
    const int8_t *shift = &t->shift, *end = shift + 1;
    if (t->dtype != AIFES_INT8 || t->rank < 1 || t->rank > 3
        || (t->rank < 2 && t->dims[1] != 1) || (t->rank < 3 && t->dims[2] != 1)
        || !in_arena(l, t->offset, n)) {
        return 0;
    }
    for (;;) {
        for (; shift < end; shift++) {
            if (*shift < -32 || *shift > 32) {
                return 0;
            }
        }
        if (!t->features || end != &t->shift + 1) {
            return n;
        }
        if (!in_constants(l, t->features, 3 * n)) {
            return 0;
        }
        shift = (const int8_t *)l->buf + t->features;
        end = shift + n;
    }
}

static int check_dense(const limits *l, const aifes_op *op)
{
    uint32_t interleave = op->interleave, n_out = op->n_out, blocks;
    int32_t limit;
    if (!interleave || interleave > n_out || (op->group != 1 && op->group != 4)
        || op->low > op->high || op->shift > 31 || op->bias & 3 || op->n_in >> 14) {
        return 0;
    }
    blocks = aifes_divide(n_out + interleave - 1, interleave, 25);
    if (!in_constants(l, op->weights, product(product(blocks, interleave), op->n_in))
        || !in_constants(l, op->bias, 4 * n_out)
        || (op->shifts && !in_constants(l, op->shifts, n_out))
        || (op->table && !in_constants(l, op->table, 256))) {
        return 0;
    }
    limit = AIFES_ACC_LIMIT - ((int32_t)op->n_in << 16);
    for (uint32_t j = 0; j < n_out; j++) {
        int32_t bias = aifes_get32(l->buf + op->bias + 4 * j);
        if (bias <= -limit || bias >= limit || (op->shifts && l->buf[op->shifts + j] > 31)) {
            return 0;
        }
    }
    return 1;
}

static int check_op(const limits *l, const aifes_op *op)
{
    int apart, size = op->opcode == AIFES_SOFTMAX ? 512 : 256;
    if (op->reserved | op->reserved2 | op->reserved3 | (op->flags & ~AIFES_NEAREST) || !op->n_in
        || !op->n_out || !in_arena(l, op->x, op->n_in) || !in_arena(l, op->y, op->n_out)) {
        return 0;
    }
    apart = op->x + op->n_in <= op->y || op->y + op->n_out <= op->x;
    if (op->opcode == AIFES_DENSE) {
        return apart && check_dense(l, op);
    }
    return (op->opcode == AIFES_MAP || op->opcode == AIFES_SOFTMAX) && op->n_in == op->n_out
        && (apart || op->x == op->y) && in_constants(l, op->table, size)
        && (size == 256 || (!(op->n_in >> 14) && l->buf[op->table] | l->buf[op->table + 1]));
}

/* Offsets become addresses when buffer and arena are known: aifes_run.c, place() */
static void keep(aifes_step *step, const aifes_op *op)
{
    step->opcode = op->opcode;
    step->nearest = op->flags & AIFES_NEAREST;
    step->weight_zero = op->weight_zero;
    step->shift = op->shift;
    step->shift_step = op->shifts != 0;
    step->group = op->group;
    step->span = op->high - op->low;
    step->offset = op->zero_point - op->low;
    step->low = op->low;
    step->n_in = op->n_in;
    step->n_out = op->n_out;
    step->interleave = op->interleave;
    step->x = (int8_t *)(uintptr_t)op->x;
    step->y = (int8_t *)(uintptr_t)op->y;
    step->weights = (const uint8_t *)(uintptr_t)op->weights;
    step->bias = (const uint8_t *)(uintptr_t)op->bias;
    step->shifts = (const uint8_t *)(uintptr_t)op->shifts;
    step->table = (const uint8_t *)(uintptr_t)op->table;
    if (op->opcode == AIFES_DENSE && op->table) {
        step->table += 128 + op->low;
    }
}

size_t aifes_net_size(const uint8_t *buf, size_t length)
{
    uint32_t n_ops = length < sizeof(aifes_header) ? ~0u : (uint32_t)(buf[20] | buf[21] << 8);
    return n_ops > AIFES_MAX_OPS ? 0 : sizeof(aifes_net) + n_ops * sizeof(aifes_step);
}

int aifes_load(aifes_net *net, size_t size, const uint8_t *buf, size_t length)
{
    aifes_header *h = &net->header;
    limits l = {buf, 0, 0, 0};
    uint32_t x, n;
    if (size < sizeof *net || length < sizeof *h) {
        return 0;
    }
    copy(h, buf, sizeof *h);
    l.low = sizeof *h + h->n_ops * sizeof(aifes_op);
    l.high = h->metadata;
    l.arena = h->arena;
    if (aifes_get32(h->magic) != 0x736566A1 || h->version != AIFES_VERSION || h->reserved
        || h->reserved2 || h->length > length || !h->n_ops
        || size < sizeof *net + h->n_ops * sizeof(aifes_step) || h->arena > AIFES_MAX_ARENA
        || !inside(h->metadata, h->metadata_length, l.low, h->length)
        || crc32(buf + 16, buf + h->length) != h->crc) {
        return 0;
    }
    net->buf = NULL;
    net->arena = NULL;
    x = h->input.offset;
    net->n_in = n = check_tensor(&l, &h->input);
    net->n_out = check_tensor(&l, &h->output);
    for (uint32_t i = 0; i < h->n_ops; i++) {
        aifes_op op;
        copy(&op, buf + sizeof *h + i * sizeof op, sizeof op);
        if (op.x != x || op.n_in != n || !check_op(&l, &op)) {
            return 0;
        }
        keep(&net->steps[i], &op);
        x = op.y;
        n = op.n_out;
    }
    return net->n_in && net->n_out && h->output.offset == x && net->n_out == n;
}
