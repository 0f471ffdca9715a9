/* The engine of a family: guard and executor. aifes.h says what is to be defined before. */
#ifndef AIFES_ENGINE_H
#define AIFES_ENGINE_H

#include "aifes.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("Os")
#if AIFES_CNN || !AIFES_FLOAT
/* without what makes code larger; AIFES_FAST has it again */
#pragma GCC optimize("no-tree-loop-optimize", "no-move-loop-invariants")
#endif
#if AIFES_CNN
#ifdef __arm__
#pragma GCC optimize("no-tree-ch")
#endif
#pragma GCC optimize("no-tree-dominator-opts", "no-tree-loop-im", "no-tree-forwprop", "no-schedule-insns2")
#endif
#endif

#include "ends.h"
#include "load.h"

#if AIFES_SEVERAL
/* The samples of inputs and outputs at .. end - 1 of both */
AIFES_NOINLINE static void others(const aifes_net *net, const aifes_buffer *b, uint32_t at,
    uint32_t end)
{
    for (; at < end; at++) {
        if (at < net->counts.n_inputs) {
            put(&net->ends[at], &b[at], 0, net->ends[at].place.n, net->ends[at].place.data);
        } else {
            get(&net->ends[at], &b[at]);
        }
    }
}
#else
#define others(net, b, at, end)
#endif

#if AIFES_CNN
#include "rows.h"
#else

#define AIFES_MIDDLE 0u

/* Run the ops at .. end - 1 of one sample. b: data of the net's inputs, read before op 0, and of its
 * outputs, written after the last one; NULL: they lie in the arena. Returns 0 when done, else what
 * to call again with, between two layers, so that a caller can look for Ctrl-C. */
AIFES_FAST static uint32_t run(const aifes_net *net, const aifes_buffer *b, uint32_t at,
    uint32_t end)
{
    any_step *s = steps_of(net) + at;
    int32_t work = AIFES_WORK;
    if (b && at == 0) {
        put(net->ends, b, 0, net->ends->place.n, net->ends->place.data);
        if (N_INPUTS(net) > 1) {
            others(net, b, 1, N_INPUTS(net));
        }
    }
    for (;; s++) {
#define RUN(name, NAME) name##_run(&s->name) ||
        (void)(AIFES_OPS(RUN) 0);
#undef RUN
        if (++at == end) {
            break;
        }
        work -= s->step.n_in * s->step.n_out;
        if (work < 0) {
            return at;
        }
    }
    if (b) {
        get(net->ends + N_INPUTS(net), b + N_INPUTS(net));
        if (N_OUTPUTS(net) > 1) {
            others(net, b, N_INPUTS(net) + 1, N_ENDS(net));
        }
    }
    return 0;
}

#endif

/* From sample to sample in `at` */
#define SAMPLE(net) (AIFES_TIGHT ? 1u : (net)->counts.n_ops)

/* All samples of b, which has a buffer for each input and output and is changed. at: 0 to begin.
 * Returns as run, or -1 if the sizes do not fit the net. */
static int32_t run_samples(const aifes_net *net, aifes_buffer *b, uint32_t at)
{
    uint32_t samples = quotient(b->n, net->ends->place.n), work = 0, first = 0, n;
    uint32_t middle = at & AIFES_MIDDLE;
    at &= ~AIFES_MIDDLE;
    if (!samples) {
        return -1;
    }
    const aifes_end *end = net->ends + 1;
    aifes_buffer *p = b + 1, *const stop = b + N_ENDS(net);
    do {
        if (product(end++->place.n, samples) != p->n) {
            return -1;
        }
    } while (++p != stop);
    for (;; first += SAMPLE(net)) {
        if (at < first + SAMPLE(net)) {
            if (work > AIFES_WORK) {
                return first;
            }
            n = run(net, b, (!AIFES_TIGHT && at > first ? at - first : 0) | middle, net->counts.n_ops);
            middle = 0;
            if (n) {
                return first + n;
            }
            work += net->work;
        }
        if (!--samples) {
            return 0;
        }
        p = b;
        end = net->ends;
        do {
            p->data += end++->place.n << 2 * p->is_float;
        } while (++p != stop);
    }
}

#endif
