/* The executor of nets whose ops take turns, each a row of its result at a time:
 * device/aifes/rows.py, docs/format.md. An op that does not is a turn of its own. */
#ifndef AIFES_ROWS_H
#define AIFES_ROWS_H

#include "ends.h"
#include "load.h"

/* in `at`: it goes on at the op there */
#define AIFES_MIDDLE (1u << 29)
#define AIFES_RESULT (1u << 28) /* of push() */
#define AIFES_PUSH (1 << 27)    /* of a call in Python: that is meant */

/* Whether the next row can be computed: what its windows read is there, and room for it. top: where
 * they begin */
static int ready(aifes_rows *r)
{
    int is = r->left && r->there < r->room;
    for (uint32_t k = 0; k < 2; k++) {
        const aifes_rows *from = r->from[k];
        r->top[k] = r->next;
        if (from) {
            const uint32_t span = r->span == AIFES_WHOLE ? from->rows - 1 : r->span;
            r->top[k] -= from->gone * r->spread;
            if (from->left && (int32_t)(r->top[k] + span - from->there * r->spread) >= 0) {
                is = 0;
            }
        }
    }
    return is;
}

#if !AIFES_FLOAT
/* Let rows of a few go that no window needs */
AIFES_NOINLINE static void shorten(aifes_rows *r)
{
    any_step *const s = (any_step *)(void *)r, *t = s;
    uint32_t n = r->there;
    if (r->room == r->rows && r->left != AIFES_ENDLESS) {
        return;
    }
    while (&t++->rows != r->far) {
        while ((t->rows.from[0] == r || t->rows.from[1] == r) && n
            && t->rows.left && (int32_t)((r->gone + n) * t->rows.spread - t->rows.next) > 0) {
            n--;
        }
    }
    if (n) {
        r->gone += n;
        r->there -= n;
        s->step.y -= n * r->row;
        if (r->there) {
            int8_t *y = s->step.y - r->there * r->row;
            move(y, y + n * r->row, r->there * r->row);
        }
    }
}
#else
#define shorten(r) (void)(r) /* all rows stay */
#endif

/* Compute until no row can be computed: 0; or what to go on with after a moment. at: that, or what
 * push() returned, else nothing is computed of ops at .. end - 1, and the others are done. given: so
 * many rows of the input, at b, may be taken; more than 1: it is all there, taken or not */
AIFES_NOINLINE static uint32_t go(const aifes_net *net, const aifes_buffer *b, uint32_t at,
    uint32_t end_op, uint32_t given)
{
    any_step *const steps = steps_of(net), *const last = net->last;
    any_step *s = steps;
    if (!(at & (AIFES_MIDDLE | AIFES_RESULT))) {
        for (; s <= last; s++) {
            aifes_rows *r = &s->rows;
            s->step.y -= r->there * r->row;
            r->there = r->gone = 0;
            r->next = r->start;
            r->left = given == 1 && steps->rows.pushed > 1 ? AIFES_ENDLESS : r->rows;
            if (AIFES_FLOAT && s != steps && (s <= steps + at || s > steps + end_op)) {
                r->left = 0;
            }
        }
        if (!given) {
            steps->rows.left = 0;
        }
        s = steps;
    }
    if (at & AIFES_MIDDLE) {
        s = net->next;
    }
    int32_t work = AIFES_WORK;
    for (;;) {
        aifes_rows *r = &s->rows;
        if (ready(r) && (s != steps || given)) {
            if (s == steps) {
                /* the next row of b; one that comes alone is the first one there */
                put(net->ends, b, given == 1 ? 0 : r->rows - r->left, s->step.n_in, s->step.y);
                given--;
            } else {
#define RUN(name, NAME) name##_run(&s->name) ||
                (void)(AIFES_OPS(RUN) 0);
#undef RUN
                work -= s->step.n_in * r->row;
            }
            if (r->left != AIFES_ENDLESS) {
                r->left--;
            }
            r->there++;
            r->next += r->stride;
            s->step.y += r->row;
            if (r->far != r) {
                shorten(r); /* of what nothing needs any more */
            }
            for (uint32_t k = 0; k < 2; k++) {
                if (r->from[k]) {
                    shorten(r->from[k]);
                }
            }
            s = (any_step *)(void *)r->far;
            if (work < 0) {
                ((aifes_net *)net)->next = s;
                return AIFES_MIDDLE;
            }
        } else if (r->joined) {
            s--;
        } else if (s == steps && r->left) {
            return 0; /* it needs more rows */
        } else {
            do {
                if (s++ == last) {
                    return 0;
                }
            } while (s->rows.joined);
        }
    }
}

#if !AIFES_TIGHT
/* The same where no op takes turns: one after another */
AIFES_FAST static uint32_t go_on(const aifes_net *net, uint32_t at, uint32_t end)
{
    any_step *s = at & AIFES_MIDDLE ? net->next : steps_of(net) + at + 1;
    any_step *const stop = steps_of(net) + end + 1;
    int32_t work = AIFES_WORK;
    for (; s < stop; s++, at = 0) {
        aifes_rows *r = &s->rows;
#define RUN(name, NAME) name##_run(&s->name) ||
        if (r->rows == 1) {
            (void)(AIFES_OPS(RUN) 0);
            work -= s->step.n_in * r->row;
        } else {
            if (!(at & AIFES_MIDDLE) || !r->left) {
                s->step.y -= r->there * r->row;
                r->there = 0;
                r->next = r->start;
                r->left = r->rows;
            }
            do {
                r->top[0] = r->top[1] = r->next;
                (void)(AIFES_OPS(RUN) 0);
                r->there++;
                r->next += r->stride;
                s->step.y += r->row;
                work -= s->step.n_in * r->row;
                if (--r->left && work < 0) {
                    ((aifes_net *)net)->next = s;
                    return AIFES_MIDDLE;
                }
            } while (r->left);
        }
#undef RUN
        if (work < 0 && s + 1 < stop) {
            s[1].rows.left = 0;
            ((aifes_net *)net)->next = s + 1;
            return AIFES_MIDDLE;
        }
    }
    return 0;
}
#endif

/* Run the ops at .. end - 1 of one sample. b: data of the net's inputs, read before op 0, and of its
 * outputs, written after the last one; NULL: they lie in the arena. Returns 0 when done, else what
 * to call again with. */
#if !AIFES_TIGHT
AIFES_NOINLINE
#endif
static uint32_t run(const aifes_net *net, const aifes_buffer *b, uint32_t at,
    uint32_t end)
{
    if (!b && steps_of(net)->rows.pushed) {
        return 0; /* there is nothing to run on */
    }
#if !AIFES_TIGHT
    if (!steps_of(net)->rows.turns) {
        if (b && !(at & AIFES_MIDDLE)) {
            others(net, b, 0, N_INPUTS(net));
        }
        at = go_on(net, at, end);
    } else
#endif
    {
        if (b && !(at & AIFES_MIDDLE)) {
            others(net, b, 1, N_INPUTS(net));
        }
        at = go(net, b, at, end, b ? ~0u : 0);
    }
    if (b && !at) {
        others(net, b, N_INPUTS(net), N_ENDS(net));
    }
    return at;
}

/* Take a row of the input, b, and compute what can be; at: 0: the first one of all, or what the last
 * call returned. Returns 0: it needs more rows; AIFES_RESULT: there is a result; else it is to be
 * called again with it. */
__attribute__((unused)) static uint32_t push(const aifes_net *net, const aifes_buffer *b,
    uint32_t at)
{
    any_step *last = net->last;
    if (!(at & AIFES_MIDDLE)) {
        shorten(&last->rows); /* a result that was there, of an input without end */
    }
    at = go(net, b, at, net->counts.n_ops, !(at & AIFES_MIDDLE));
    if (!at && (steps_of(net)->rows.pushed > 1 ? last->rows.there : !steps_of(net)->rows.left)) {
        return AIFES_RESULT;
    }
    return at;
}

#endif
