/* The guard: one walk over the ends and the records. Nothing that passes leads the executor out of
 * buffer and arena, or into an overflow. Whether a model is whole otherwise (CRC, what was written
 * before it is read) is checked by format.decode. */
#ifndef AIFES_LOAD_H
#define AIFES_LOAD_H

#include "ops/ops.h"

#define MEMBER(name, NAME) name##_record name;
typedef union {
    aifes_record head;
    AIFES_OPS(MEMBER)
    uint32_t key;
    uint16_t words[6]; /* from the third on: the tensors */
} any_record;
#undef MEMBER

#define MEMBER(name, NAME) name##_step name;
typedef union {
    aifes_step step;
    AIFES_OPS(MEMBER)
} any_step;
#undef MEMBER

/* The ends of a net; a family of nets with one of each knows them when it is compiled */
#if AIFES_SEVERAL
#define N_INPUTS(net) ((net)->n_inputs)
#define N_ENDS(net) ((uint32_t)(net)->n_inputs + (net)->n_outputs)
#else
#define N_INPUTS(net) 1u
#define N_ENDS(net) 2u
#endif

AIFES_INLINE any_step *steps_of(const aifes_net *net)
{
    return (any_step *)(net->ends + N_ENDS(net));
}

/* Bytes of the net of a head, 0 if this family has none for it */
static size_t net_size(const uint8_t *head, size_t length)
{
    if (length < sizeof(aifes_header)) {
        return 0;
    }
    const uint32_t n_ops = head[22] | head[23] << 8, n_in = head[24], n_out = head[25];
    if (n_ops - 1 >= AIFES_MAX_OPS
        || (AIFES_SEVERAL ? n_in - 1 >= AIFES_MAX_ENDS || n_out - 1 >= AIFES_MAX_ENDS
                          : n_in != 1 || n_out != 1)) {
        return 0;
    }
    return sizeof(aifes_net) + (n_in + n_out) * sizeof(aifes_end) + n_ops * sizeof(any_step);
}

/* Input or output i */
static int load_end(const aifes_memory *m, aifes_end *end, uint32_t i)
{
    const uint8_t *t = m->head + sizeof(aifes_header) + i * sizeof(aifes_tensor);
    if (!tensor(m, i, &end->place)) {
        return 0;
    }
#if !AIFES_FLOAT
    const uint32_t scales = aifes_get32(t + offsetof(aifes_tensor, scales));
    end->scales = constant(m, scales, 3 * end->place.n);
    end->shift = t[offsetof(aifes_tensor, shift)];
    end->zero_point = t[offsetof(aifes_tensor, zero_point)];
    return !scales == !end->scales;
#else
    (void)t;
    return 1;
#endif
}

/* The record at m->head + at: its length, 0 if it is refused */
static uint32_t load_step(const aifes_memory *m, any_step *s, uint32_t at)
{
    any_record r;
    aifes_place x[2], y;
    uint32_t n = m->head_length - at, inputs = 1, same = 0, key;
    if (at + 4 > m->head_length) {
        return 0;
    }
    copy(&r, m->head + at, 4);
    if (4u * r.head.words > n || 4u * r.head.words > sizeof r || r.head.words < 3) {
        return 0;
    }
    n = 4 * r.head.words;
    copy(&r.head.x, m->head + at + 4, n - 4);
    key = r.key & ~0xFF00u;
    if (AIFES_SEVERAL) {
        inputs = r.head.ends & 15;
        if (inputs - 1 > 1) {
            return 0;
        }
    }
    if (!tensor(m, r.words[2 + inputs], &y)) {
        return 0;
    }
    for (uint32_t k = 0; k < inputs; k++) {
        if (!tensor(m, r.words[2 + k], &x[k])) {
            return 0;
        }
        if (x[k].data == y.data && x[k].n == y.n) {
            same = 1;
        } else if (x[k].data < y.data + AIFES_ITEM * y.n && y.data < x[k].data + AIFES_ITEM * x[k].n) {
            return 0;
        }
    }
    s->step.kernel = r.head.opcode;
    s->step.flags = r.head.flags;
    s->step.n_in = x[0].n;
    s->step.n_out = y.n;
    s->step.x = x[0].data;
    s->step.y = y.data;
#define LOAD(name, NAME)                                                                           \
    if (key == NAME##_RECORD) {                                                                    \
        return (NAME##_IN_PLACE || !same) && name##_load(m, &s->name, &r.name, x) ? n : 0;         \
    }
    AIFES_OPS(LOAD)
#undef LOAD
    return 0;
}

/* Check a model and fill the net for these addresses. size: net_size(). Returns 0 if it is refused;
 * then the net must not run. */
AIFES_NOINLINE static int load_net(aifes_net *net, size_t size, aifes_memory *m)
{
    aifes_header h;
    any_step *s;
    uint32_t at;
    if (!size) {
        return 0;
    }
    net->buf = NULL;
    copy(&h, m->head, sizeof h);
    if (h.magic != AIFES_MAGIC || h.version != AIFES_VERSION || h.length > m->length
        || h.length >> 31 || h.arena > m->arena_size || h.arena > AIFES_MAX_ARENA
        || net_size((const uint8_t *)&h, sizeof h) != size) {
        return 0;
    }
    net->size = size;
    net->length = m->length = h.length;
    net->arena_size = m->arena_size = h.arena;
    net->n_ops = h.n_ops;
    net->n_inputs = h.n_inputs;
    net->n_outputs = h.n_outputs;
    net->work = 0;
    m->n_tensors = h.n_tensors;
    at = sizeof h + h.n_tensors * sizeof(aifes_tensor);
    s = steps_of(net);
    for (uint32_t i = 0; i < h.n_ops; i++, s++) {
        const uint32_t n = load_step(m, s, at);
        if (!n) {
            return 0;
        }
        at += n;
        net->work += s->step.n_in * s->step.n_out;
    }
    for (uint32_t i = 0; i < N_ENDS(net); i++) {
        if (!load_end(m, &net->ends[i], i)) {
            return 0;
        }
    }
    net->buf = m->buf;
    net->arena = m->arena;
    return 1;
}

#endif
