/* libFuzzer on guard and executor, under ASan and UBSan: make fuzz.
 *
 * Input: 4 bytes of choices, then a buffer. Head, model, arena, x and y are pieces of exactly their
 * size, or x and y lie in the arena; the head may be a piece of its own, as that of a model of
 * format 1; the model lies at any address, may change after its check and move. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine.h"

#define MAX_ENDS (2 * AIFES_MAX_ENDS)

#define check(ok)                                                                                  \
    if (!(ok)) {                                                                                   \
        fprintf(stderr, "line %d: %s\n", __LINE__, #ok);                                           \
        abort();                                                                                   \
    }

/* The elements of a checked op's input; of a conv also whether its scratch lies in the arena */
static uint32_t inputs(const aifes_net *net, const any_step *s)
{
#if AIFES_CNN
    if ((s->step.kernel & 63) == CONV) {
        const conv_step *c = &s->conv;
        const int8_t *column = (const int8_t *)c->column;
        check(column >= net->arena);
        check(column + AIFES_ITEM * c->dense.step.n_in <= net->arena + net->arena_size);
        check(c->per * c->groups == c->channels && c->each * c->groups == c->n_out);
        return c->rows * c->columns * c->channels;
    }
    if (s->step.kernel == POOL) {
        const pool_step *p = &s->pool;
        check(p->y_rows * p->y_columns * p->n_out == p->step.n_out);
        return p->rows * p->columns * p->channels;
    }
#if !AIFES_FLOAT
    if (s->step.kernel == MEAN) {
        const pool_step *p = &s->mean.pool;
        check((int8_t *)s->mean.sums >= net->arena);
        check((int8_t *)(s->mean.sums + p->channels) <= net->arena + net->arena_size);
        return p->rows * p->columns * p->channels;
    }
#endif
#endif
    (void)net;
    return s->step.n_in;
}

/* What every kernel relies on, and what not every overlap shows */
static void check_steps(const aifes_net *net)
{
    const any_step *s = steps_of(net);
    const int8_t *end = net->arena + net->arena_size;
#if AIFES_CNN
    const int turns = s->rows.turns != 0;
    check(s->step.y >= net->arena && s->step.y + s->rows.room * s->rows.row <= end);
    s++;
#endif
    for (uint32_t i = 0; i < net->counts.n_ops; i++, s++) {
        uint32_t n = AIFES_ITEM * inputs(net, s), n_y = AIFES_ITEM * s->step.n_out;
        const int8_t *x = s->step.x, *y = s->step.y;
        check(s->step.n_in && s->step.n_out && x >= net->arena && y >= net->arena);
#if AIFES_CNN
        const aifes_rows *from = s->rows.from[0];
        if (from && s->rows.seen == &from->there) {
            check(from->room <= from->rows);
            n = from->room * from->row;
        }
        n_y = s->rows.room * s->rows.row;
        check(x + n <= end && y + n_y <= end);
        if (turns) {
            continue; /* what overlaps makes results right or wrong */
        }
        check(s->rows.rows * s->rows.row == n_y || (s->step.kernel & 63) > 6);
#endif
        const int8_t *x_end = x + n, *y_end = y + n_y;
        check(x_end <= end && y_end <= end);
        check(x_end <= y || y_end <= x || (x == y && x_end == y_end
            && (s->step.kernel & 63) > DENSE && (s->step.kernel & 63) < 5));
    }
    for (uint32_t i = 0; i < N_ENDS(net); i++) {
        const aifes_place *p = &net->ends[i].place;
        check(p->n && p->data >= net->arena);
#if AIFES_CNN
        if (!i && steps_of(net)->rows.pushed) {
            continue;
        }
#endif
        check(p->data + AIFES_ITEM * p->n <= end);
    }
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = v >> 8 * i;
    }
}

/* Move what the first op writes next to what it reads or into it; all else stays right. */
static void move_near(uint8_t *buf, size_t length, uint32_t choices)
{
    const uint32_t n_tensors = buf[20] | buf[21] << 8;
    const size_t at = sizeof(aifes_header) + n_tensors * sizeof(aifes_tensor);
    if (length < at + 10) {
        return;
    }
    const uint8_t *numbers = buf + at + 4;
    const uint32_t k = 2 * (buf[at + 2] & 3), x = numbers[0] | numbers[1] << 8;
    const uint32_t y = k < 6 ? numbers[k] | numbers[k + 1] << 8 : 0;
    if (x < n_tensors && y < n_tensors) {
        uint8_t *tensors = buf + sizeof(aifes_header) + offsetof(aifes_tensor, offset);
        put32(buf + offsetof(aifes_header, arena), 4096);
        put32(tensors + y * sizeof(aifes_tensor),
            aifes_get32(tensors + x * sizeof(aifes_tensor))
                + ((choices & 15) - 8) * AIFES_ITEM);
    }
}

/* The elements of a random x or y of n elements, or such in the arena if it is large enough */
static aifes_buffer elements(uint32_t n, int is_float, const aifes_net *net, uint32_t choices)
{
    const uint32_t size = n << 2 * is_float;
    aifes_buffer b = {NULL, n, is_float};
    if (choices & 1 && size <= net->arena_size) {
        b.data = (uint8_t *)net->arena
            + ((choices >> 1) % (net->arena_size - size + 1) & (is_float ? ~3u : ~0u));
        return b;
    }
    b.data = malloc(size);
    for (uint32_t i = 0; i < size; i++) {
        b.data[i] = 0x9E * (i + 1) ^ i >> 3;
    }
    return b;
}

static int32_t run_copy(const aifes_net *net, const aifes_buffer *b, uint32_t at)
{
    aifes_buffer copied[MAX_ENDS];
    memcpy(copied, b, N_ENDS(net) * sizeof *b);
    return run_samples(net, copied, at);
}

#if AIFES_CNN && !AIFES_FLOAT
/* The input row by row, some of them with any `at` */
static void push_rows(const aifes_net *net, uint32_t choices)
{
    const uint32_t rows = steps_of(net)->rows.rows;
    uint32_t at = 0;
    for (uint32_t i = 0; i < 2 * rows + 3 && i < 300; i++) {
        aifes_buffer b = elements(steps_of(net)->step.n_in, choices >> 4 & 1, net, choices >> 24);
        for (int k = 0; k < 20; k++) {
            at = push(net, &b, at);
            if (!(at & AIFES_MIDDLE)) {
                break;
            }
        }
        if ((choices >> 28) == 1 && !(i % 7)) {
            at = choices * (i + 1);
        }
        at += !at; /* the next row */
        const int8_t *p = (const int8_t *)b.data;
        if (p < net->arena || p >= net->arena + net->arena_size) {
            free(b.data);
        }
    }
}
#endif

static void run_net(const aifes_net *net, uint32_t choices)
{
    const uint32_t samples = 1 + (choices >> 3 & 1), ends = N_ENDS(net);
    uint32_t at = (choices >> 8 & 15) | (choices >> 27 & 1) * AIFES_MIDDLE;
    const int8_t *end = net->arena + net->arena_size;
    aifes_buffer b[MAX_ENDS];
    for (uint32_t i = 0; i < ends; i++) {
        b[i] = elements(net->ends[i].place.n * samples, AIFES_FLOAT | (choices >> (4 + i % 2) & 1),
            net, choices >> (24 + i % 2));
    }
    int32_t next = run_copy(net, b, at);
    for (int i = 0; i < 20 && next; i++) {
        check(next > 0);
        next = run_copy(net, b, next);
    }
    if ((at & ~AIFES_MIDDLE) < net->counts.n_ops) {
        for (int i = 0; i < 20 && (!i || at); i++) {
            at = run(net, NULL, at, net->counts.n_ops);
        }
    }
#if AIFES_CNN && !AIFES_FLOAT
    if (steps_of(net)->rows.pushed) {
        push_rows(net, choices);
    }
#endif
    b[ends - 1].n++;
    check(run_copy(net, b, 0) == -1);
    for (uint32_t i = 0; i < ends; i++) {
        const int8_t *p = (const int8_t *)b[i].data;
        if (p < net->arena || p >= end) {
            free(b[i].data);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 + sizeof(aifes_header)) {
        return 0;
    }
    const uint32_t choices = aifes_get32(data);
    const size_t length = size - 4, offset = AIFES_FLOAT ? 0 : choices & 3;
    uint8_t *memory = malloc(length + offset), *buf = memory + offset;
    memcpy(buf, data + 4, length);
    if (choices & 4) { /* as a hostile file has it */
        put32(buf + offsetof(aifes_header, length), length);
    }
    if (choices & 128) {
        move_near(buf, length, choices >> 12);
    }
    const uint32_t arena = aifes_get32(buf + offsetof(aifes_header, arena));
    uint32_t head = aifes_get32(buf + offsetof(aifes_header, constants));
    if (arena > 1 << 16) {
        free(memory);
        return 0;
    }
    head = choices >> 26 & 1 && head <= length ? head : length;
    aifes_memory m = {{malloc(head), head, 0}, {buf, length, 0}, {calloc(1, arena), arena, 0}, 0};
    memcpy(m.head.buf, buf, head);
    aifes_counts counts;
    aifes_net *net = malloc(net_size(m.head.buf, head, &counts));
    net->counts = counts;
    const aifes_memory whole = m;
    if (load_net(net, &m)) {
        check_steps(net);
        for (uint32_t i = 0; choices & 64 && i < 50; i++) { /* changed after the check */
            const uint32_t at = (choices + i * 2654435761u) % length;
            buf[at] ^= 1 << (i & 7);
            if (at < head) {
                ((uint8_t *)m.head.buf)[at] = buf[at];
            }
        }
        run_net(net, choices);
        uint8_t *moved = malloc(length);
        memcpy(moved, buf, length);
        free(memory);
        memory = moved;
        m = whole;
        m.model.buf = moved;
        if (load_net(net, &m)) {
            run_net(net, choices);
        } else {
            check(choices & 64);
        }
    }
    free(net);
    free(whole.head.buf);
    free(whole.arena.buf);
    free(memory);
    return 0;
}
