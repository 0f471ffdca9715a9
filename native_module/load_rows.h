/* What the guard makes of an op's tensors for the executor of rows: which rows its windows read, what
 * makes them, how many rows of the result there are and for how many there is room. */
#ifndef AIFES_LOAD_ROWS_H
#define AIFES_LOAD_ROWS_H

#include "ops/ops.h"

/* bits of opcodes: with windows, whose rows their files state; computed element by element */
#define BIT(name, NAME) | (uint32_t)(NAME##_BY_ROWS == 1) << NAME
enum { AIFES_WINDOWS = 0 AIFES_OPS(BIT) };
#undef BIT
#define BIT(name, NAME) | (uint32_t)(NAME##_BY_ROWS == 2) << NAME
enum { AIFES_ELEMENTS = 0 AIFES_OPS(BIT) };
#undef BIT

/* Before the inputs: y is the result, tensor `number` of n elements */
AIFES_NOINLINE static void load_result(aifes_memory *m, any_step *s, const aifes_tensor *y,
    uint32_t number, uint32_t n)
{
    aifes_rows *r = m->rows = &s->rows;
    const uint32_t kind = s->step.kernel & 31;
    r->from[0] = r->from[1] = NULL;
    r->number = number;
    r->left = r->start = r->span = r->there = r->joined = 0;
    r->stride = r->spread = r->rows = 1;
    r->row = AIFES_ITEM * n;
    r->room = m->ring = y->rows;
    m->span = 0;
    m->whole = !(AIFES_WINDOWS >> kind & 1);
    if (y->rank == 3 && (AIFES_ELEMENTS >> kind & 1 || !kind & !!y->rows)) {
        m->whole = 0;
        r->rows = y->dims[0];
        r->row = AIFES_ITEM * y->dims[1] * y->dims[2];
    }
}

/* Input k, tensor `number`; 0: it is refused */
static int load_input(aifes_memory *m, any_step *first, any_step *s, uint32_t k,
    const aifes_tensor *t, uint32_t number, const aifes_tensor *y)
{
    aifes_rows *r = &s->rows;
    any_step *from = first;
    while (from != s && from->rows.number != number) {
        from++;
    }
    r->all = t->dims[0];
    r->seen = &r->all;
    if (from != s) {
        r->from[k] = from;
        if (from->rows.rows > m->span) {
            m->span = from->rows.rows - 1;
        }
    }
    if (t->rows) {
        m->ring |= t->rows != t->dims[0];
        if (from == s) {
            return 0;
        }
        r->seen = &from->rows.there;
        while (from++ != s) {
            from->rows.joined = 1;
        }
    }
    for (uint32_t i = 0; i < 3; i++) {
        if (AIFES_ELEMENTS >> (s->step.kernel & 31) & !m->whole && t->dims[i] != y->dims[i]) {
            m->whole = 1;
            r->row *= r->rows;
            r->rows = 1;
        }
    }
    return 1;
}

/* After all; 0: it is refused */
static int load_room(const aifes_memory *m)
{
    aifes_rows *r = m->rows;
    if (m->whole) {
        r->span = m->span;
    }
    if (!r->room) {
        r->room = r->rows;
    }
    return !(m->whole && m->ring);
}

/* The last reader of each step's result that takes turns with it */
static void load_turns(any_step *s, const any_step *end)
{
    const any_step *first = s;
    for (; s != end; s++) {
        s->rows.far = s;
        if (!s->rows.joined) {
            first = s;
        }
        for (uint32_t k = 0; k < 2; k++) {
            any_step *from = s->rows.from[k];
            if (from && from >= first) {
                from->rows.far = s;
            }
        }
    }
}

#endif
