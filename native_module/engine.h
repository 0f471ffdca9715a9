/* The engine of a family: guard and executor. aifes.h says what is to be defined before. */
#ifndef AIFES_ENGINE_H
#define AIFES_ENGINE_H

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("Os")
#endif

#include "ends.h"
#include "load.h"

/* multiply-accumulates after which a run returns for a moment: tens of milliseconds */
#ifndef AIFES_WORK
#if !AIFES_FLOAT
#define AIFES_WORK (1u << 20)
#else
#define AIFES_WORK (F32_SOFT ? 1u << 15 : 1u << 19)
#endif
#endif

/* Run the ops at .. end - 1 of one sample that lies in the arena. Returns 0 when done, else what to
 * call again with: between two layers, so that a caller can look for Ctrl-C. */
AIFES_FAST static uint32_t run_ops(const aifes_net *net, uint32_t at, uint32_t end)
{
    const any_step *s = steps_of(net) + at;
    uint32_t work = 0;
    for (;; s++) {
#define RUN(name, NAME) name##_run(&s->name) ||
        (void)(AIFES_OPS(RUN) 0);
#undef RUN
        if (++at == end) {
            return 0;
        }
        work += s->step.n_in * s->step.n_out;
        if (work > AIFES_WORK) {
            return at;
        }
    }
}

/* One sample from the op `at` on. b: data of its inputs and outputs. Returns as run_ops. */
AIFES_FAST static uint32_t run_sample(const aifes_net *net, const aifes_buffer *b, uint32_t at)
{
    if (at == 0) {
        for (uint32_t i = 0; i < N_INPUTS(net); i++) {
            put(&net->ends[i], &b[i]);
        }
    }
    at = run_ops(net, at, net->n_ops);
    if (at == 0) {
        for (uint32_t i = N_INPUTS(net); i < N_ENDS(net); i++) {
            get(&net->ends[i], &b[i]);
        }
    }
    return at;
}

/* All samples of b, which has a buffer for each input and output and is changed. at: 0 to begin.
 * Returns as run_ops, or -1 if the sizes do not fit the net. */
static int32_t run_samples(const aifes_net *net, aifes_buffer *b, uint32_t at)
{
    uint32_t samples = 0, work = 0, first = 0;
    for (uint32_t i = 0; i < N_ENDS(net); i++) {
        uint32_t n = 0, count = 0;
        for (; n < b[i].n; n += net->ends[i].place.n) {
            count++;
        }
        if (n != b[i].n || (i && count != samples)) {
            return -1;
        }
        samples = count;
    }
    for (; samples; samples--, first += net->n_ops) { /* first: op of the sample */
        if (at < first + net->n_ops) {
            if (work > AIFES_WORK) {
                return first;
            }
            const uint32_t next = run_sample(net, b, at > first ? at - first : 0);
            if (next) {
                return first + next;
            }
            work += net->work;
        }
        for (uint32_t i = 0; i < N_ENDS(net); i++) {
            b[i].data += net->ends[i].place.n << 2 * b[i].is_float;
        }
    }
    return 0;
}

#endif
