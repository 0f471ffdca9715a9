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
    uint16_t halves[6]; /* from the third on: the tensors */
} any_record;
#undef MEMBER

#define MEMBER(name, NAME) name##_step name;
typedef struct {
#if AIFES_CNN
    aifes_rows rows;
#endif
    union {
        aifes_step step;
        AIFES_OPS(MEMBER)
    };
} any_step;
#undef MEMBER

/* The ends of a net; a family of nets with one of each knows them when it is compiled */
#if AIFES_SEVERAL
#define N_INPUTS(net) ((net)->counts.n_inputs)
#define N_OUTPUTS(net) ((net)->counts.n_outputs)
#else
#define N_INPUTS(net) 1u
#define N_OUTPUTS(net) 1u
#endif
#define N_ENDS(net) ((uint32_t)N_INPUTS(net) + N_OUTPUTS(net))

AIFES_INLINE any_step *steps_of(const aifes_net *net)
{
#if AIFES_SEVERAL
    return (any_step *)net->steps;
#else
    return (any_step *)(net->ends + N_ENDS(net));
#endif
}

/* Bytes of the net of a head, whose counts are copied. If this family has none of that kind, they
 * say that it has no ops: load_net refuses it. */
static size_t net_size(const uint8_t *head, size_t length, aifes_counts *c)
{
    c->n_ops = 0;
    if (length >= sizeof(aifes_header)) {
        copy(c, head + offsetof(aifes_header, n_ops), sizeof *c);
        if (c->n_ops <= AIFES_MAX_OPS
            && (AIFES_SEVERAL
                    ? c->n_inputs - 1u < AIFES_MAX_ENDS && c->n_outputs - 1u < AIFES_MAX_ENDS
                    : c->n_inputs == 1 && c->n_outputs == 1)) {
            return sizeof(aifes_net) + (c->n_inputs + c->n_outputs) * sizeof(aifes_end)
                + c->n_ops * sizeof(any_step) + AIFES_CNN * sizeof(any_step);
        }
        c->n_ops = 0;
    }
    return sizeof(aifes_net);
}

/* Input or output i */
static int load_end(const aifes_memory *m, aifes_end *end, uint32_t i)
{
    aifes_tensor t;
    end->place.n = tensor(m, i, &t);
    end->place.data = (int8_t *)m->arena.buf + t.offset;
    end->shift = t.shift;
    end->zero_point = t.zero_point;
    end->scales = constant(m, t.scales, 3 * end->place.n);
    return end->place.n && (!t.scales || end->scales);
}

#if AIFES_CNN
/* What is known of a step before its inputs. y: its result, tensor `number`. stride: 0, until an op says
 * it: what has other rows than its inputs, or none, is no image whose rows are taken as they come. */
AIFES_NOINLINE static void load_result(any_step *s, const aifes_tensor *y, uint32_t number)
{
    aifes_rows *r = &s->rows;
    r->from[0] = r->from[1] = NULL;
    r->left = r->start = r->there = r->joined = 0;
    r->span = AIFES_WHOLE;
    r->stride = y->rank == 3;
    r->spread = 1;
    r->number = number;
    r->rows = y->dims[0];
    r->row = AIFES_ITEM * y->dims[1] * y->dims[2];
    r->room = y->rows ? y->rows : r->rows;
}

/* As one row of n elements */
static void load_whole(any_step *s, uint32_t n)
{
    s->rows.stride = s->rows.rows = s->rows.room = 1;
    s->rows.row = AIFES_ITEM * n;
}

/* Whether not all rows of a tensor lie in the arena */
AIFES_INLINE uint32_t is_part(const aifes_tensor *t)
{
    return t->rows - 1u < t->dims[0] - 1;
}

/* Input k is tensor `number`. Returns 0 if it is refused */
static int load_input(any_step *first, any_step *s, uint32_t k, const aifes_tensor *t,
    uint32_t number)
{
    any_step *from = first;
    while (from != s && from->rows.number != number) {
        from++;
    }
    if (!k) {
        s->rows.all = t->dims[0];
        s->rows.seen = &s->rows.all;
    }
    if (t->dims[0] != s->rows.rows) {
        s->rows.stride = 0;
    }
    if (from == s) {
        return !(t->rows | first->rows.pushed >> 1);
    }
    s->rows.from[k] = &from->rows;
    if (t->rows) {
        if (from->rows.rows == t->dims[0]) {
            s->rows.seen = &from->rows.there;
        }
        for (any_step *p = from; p != s;) {
            (++p)->rows.joined = 1;
        }
    }
    return 1;
}
#endif

/* Whether two tensors share bytes */
static int overlap(const int8_t *a, uint32_t n_a, const int8_t *b, uint32_t n_b)
{
    return a < b + AIFES_ITEM * n_b && b < a + AIFES_ITEM * n_a;
}

/* The record at `at` of the head: its length, 0 if it is refused. first: the first step */
AIFES_NOINLINE static uint32_t load_step(const aifes_memory *m, any_step *first, any_step *s,
    uint32_t at)
{
    any_record r;
#if AIFES_CNN
    aifes_inputs of;
    aifes_place *const x = of.x;
    aifes_tensor *const t = of.tensors, *const y = t + 1; /* t: the last input */
#else
    aifes_tensor input, output, *const t = &input, *const y = &output;
    aifes_place x[3];
#endif
    uint32_t n = m->head.len - at, k = 0, same = 0, key;
    n = n < sizeof r ? n : sizeof r;
    copy(&r, (const uint8_t *)m->head.buf + at, n);
    key = r.key & ~0xFF00u;
    if (n < 4u * r.head.words || (AIFES_CNN && (r.head.ends & 3) == 3)) {
        return 0; /* no op has three inputs */
    }
    n = 4 * r.head.words;
    s->step.kernel = r.head.opcode;
    s->step.flags = r.head.flags;
    s->step.n_out = tensor(m, r.halves[AIFES_SEVERAL ? 2 + (r.head.ends & 3) : 3], y);
    s->step.y = (int8_t *)m->arena.buf + y->offset;
    if (!s->step.n_out) {
        return 0;
    }
#if AIFES_CNN
    uint32_t part = 0;
    load_result(s, y, r.halves[2 + (r.head.ends & 3)]);
#else
    (void)first;
#endif
    do {
        const uint32_t n_x = tensor(m, r.halves[2 + k], t);
        int8_t *const data = (int8_t *)m->arena.buf + t->offset;
        x[k].n = n_x;
        x[k].data = data;
        if (!n_x) {
            return 0;
        }
#if AIFES_CNN
        if (!load_input(first, s, k, t, r.halves[2 + k])) {
            return 0;
        }
        part |= is_part(t);
        if (first->rows.turns) {
            continue; /* what overlaps makes results right or wrong, but they are in the arena */
        }
#endif
        if (data == s->step.y && n_x == s->step.n_out) {
            same = 1;
        } else if (overlap(data, n_x, s->step.y, s->step.n_out)) {
            return 0;
        }
    } while (AIFES_SEVERAL && ++k < (r.head.ends & 2u)); /* 1 or 2 */
#if AIFES_CNN
    if (r.head.ends >> 4 == 2) {
        aifes_tensor scratch;
        x[2].n = tensor(m, r.halves[3 + k], &scratch);
        x[2].data = (int8_t *)m->arena.buf + scratch.offset;
        if (scratch.rows /* not all of it is there */
            || (!first->rows.turns && overlap(x->data, x->n, x[2].data, x[2].n))) {
            return 0;
        }
    }
#endif
    s->step.n_in = x[0].n;
    s->step.x = x[0].data;
#define LOAD(name, NAME)                                                                           \
    if (key == NAME##_RECORD) {                                                                    \
        if (!name##_load(m, &s->name, &r.name, x)) {                                               \
            return 0;                                                                              \
        }                                                                                          \
        if (NAME##_IN_PLACE) {                                                                     \
            same = 0;                                                                              \
        }                                                                                          \
    } else
    AIFES_OPS(LOAD) { return 0; }
#undef LOAD
    if (same) {
        return 0;
    }
#if AIFES_CNN
    if (s->rows.span == AIFES_WHOLE || !s->rows.stride) {
        part |= s->rows.room != s->rows.rows;
        load_whole(s, s->step.n_out);
        s->rows.span = AIFES_WHOLE;
        return part ? 0 : n;
    }
#endif
    return n;
}

#if AIFES_CNN
/* The first step, which takes the first input in; whether ops take turns. Other ends have no rows. */
static int load_source(aifes_net *net, const aifes_memory *m, any_step *s)
{
    aifes_tensor t;
    uint32_t n = 0;
    s->rows.turns = 0;
    for (uint32_t i = m->n_tensors; i--;) { /* the first one is the last one */
        n = tensor(m, i, &t);
        s->rows.turns |= t.rows;
        if (t.rows && i < N_ENDS(net) && (i | t.scales | (N_INPUTS(net) - 1u))) {
            return 0;
        }
    }
    if (!n) {
        return 0;
    }
    s->step.kernel = 0;
    s->step.y = (int8_t *)m->arena.buf + t.offset;
    load_result(s, &t, 0);
    s->rows.pushed = t.rows ? 1 + (t.flags & 1) : 0;
    if (!t.rows) {
        load_whole(s, n);
    }
    s->step.n_in = s->rows.row / AIFES_ITEM;
    return 1;
}

/* The last reader of each step's result that takes turns with it. endless: all do */
static void load_turns(any_step *s, const any_step *end, int endless)
{
    const any_step *first = s;
    for (; s != end; s++) {
        s->rows.far = &s->rows;
#if !AIFES_TIGHT
        s->rows.top[0] = s->rows.top[1] = s->rows.start; /* of an only row it stays */
#endif
        s->rows.joined |= endless && s->step.kernel;
        if (!s->rows.joined) {
            first = s;
        }
        for (uint32_t k = 0; k < 2; k++) {
            aifes_rows *from = s->rows.from[k];
            if (from >= &first->rows) {
                from->far = &s->rows;
            }
        }
    }
}
#endif

/* Check a model and fill the net, whose counts are there, for these addresses. Returns 0 if it is
 * refused; then the net must not run. */
AIFES_NOINLINE static int load_net(aifes_net *net, aifes_memory *m)
{
    aifes_header h;
    any_step *s;
    uint32_t at, n;
    net->length = ~(size_t)0;
    if (!net->counts.n_ops || m->head.len < sizeof h) {
        return 0;
    }
    copy(&h, m->head.buf, sizeof h);
    if (h.length > m->model.len || h.length >> 31 || h.arena > m->arena.len
        || h.arena > AIFES_MAX_ARENA) {
        return 0;
    }
    m->model.len = h.length;
    m->arena.len = h.arena;
    m->n_tensors = h.n_tensors;
#if AIFES_SEVERAL
    net->steps = net->ends + N_ENDS(net);
#endif
    s = steps_of(net);
    at = sizeof h + h.n_tensors * sizeof(aifes_tensor);
    net->work = 0;
    if (at > m->head.len) {
        return 0; /* nor is it later: no record goes on behind that */
    }
#if AIFES_CNN
    net->next = s;
    if (!load_source(net, m, s++)) {
        return 0;
    }
#endif
    for (uint32_t i = 0; i < net->counts.n_ops; i++, s++) {
        n = load_step(m, steps_of(net), s, at);
        if (!n) {
            return 0;
        }
        at += n;
#if AIFES_CNN
        net->work += s->step.n_in * s->rows.row * s->rows.rows;
#else
        net->work += s->step.n_in * s->step.n_out;
#endif
    }
#if AIFES_CNN
    net->last = s - 1;
    load_turns(steps_of(net), s, steps_of(net)->rows.pushed > 1);
#endif
    for (uint32_t i = 0; i < N_ENDS(net); i++) {
        if (!load_end(m, &net->ends[i], i)) {
            return 0;
        }
    }
    net->buf = m->model.buf;
    net->arena = m->arena.buf;
    net->arena_size = h.arena;
    net->length = h.length;
    return 1;
}

#endif
