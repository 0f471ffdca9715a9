/* Samples one after another, for both executors. They define run_sample(). */
#ifndef AIFES_SAMPLES_H
#define AIFES_SAMPLES_H

#include "aifes.h"

/* aifes_run */
static uint32_t run_sample(const aifes_net *net, const void *x, void *y, int floats, uint32_t at);

/* limit: the multiply-accumulates after which it returns; else as aifes_run_samples */
static int32_t run_samples(const aifes_net *net, const aifes_buffer *x, const aifes_buffer *y,
    uint32_t at, uint32_t limit)
{
    const int8_t *from = x->data;
    int8_t *to = y->data;
    uint32_t n_x = 0, n_y = 0, n_ops = net->header.n_ops, work = 0, first = 0, next;
    int floats = x->is_float * AIFES_X_FLOAT + y->is_float * AIFES_Y_FLOAT;
    for (; n_x < x->n && n_y < y->n; n_y += net->n_out) {
        n_x += net->n_in;
    }
    if (n_x != x->n || n_y != y->n) {
        return -1;
    }
    for (; n_x; n_x -= net->n_in, first += n_ops) { /* first: op of the sample */
        if (at < first + n_ops) {
            if (work > limit) {
                return first;
            }
            next = run_sample(net, from, to, floats, at > first ? at - first : 0);
            if (next) {
                return first + next;
            }
            work += net->work;
        }
        from += net->n_in << 2 * x->is_float;
        to += net->n_out << 2 * y->is_float;
    }
    return 0;
}

#endif
