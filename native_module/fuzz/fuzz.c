/* libFuzzer on guard and executor, under ASan and UBSan: make fuzz.
 *
 * Input: 4 bytes of choices, then a buffer. Buffer, arena, x and y are pieces of exactly their
 * size, or x and y lie in the arena; the buffer lies at any address and may change after its check. */
#include <stdlib.h>
#include <string.h>

#if FUZZ_F32 /* the float32 models */
#include "../f32.h"
#define NET_SIZE f32_net_size
#define LOAD f32_load
#define RUN_SAMPLES f32_run_samples
#define DENSE F32_DENSE
#else
#include "../aifes.h"
#define FUZZ_F32 0
#define NET_SIZE aifes_net_size
#define LOAD aifes_load
#define RUN_SAMPLES aifes_run_samples
#define DENSE AIFES_DENSE
#endif

/* 0 if an engine refuses these addresses */
static int place(aifes_net *net, const uint8_t *buf, int8_t *arena)
{
#if FUZZ_F32
    return f32_place(net, buf, arena);
#else
    aifes_place(net, buf, arena);
    return 1;
#endif
}

static void run_ops(const aifes_net *net, uint32_t at)
{
#if FUZZ_F32
    f32_run(net, at, net->header.n_ops);
#else
    aifes_run(net, NULL, NULL, 0, at);
#endif
}

static void check(int ok)
{
    if (!ok) {
        abort();
    }
}

/* The elements of a random x or y of n elements, at a multiple of 4 if they are floats. */
static aifes_buffer elements(uint32_t n, uint32_t samples, int is_float)
{
    aifes_buffer b = {malloc((size_t)n * samples << 2 * is_float), n * samples, is_float};
    for (uint32_t i = 0; i < (n * samples << 2 * is_float); i++) {
        ((uint8_t *)b.data)[i] = 0x9E * (i + 1) ^ i >> 3;
    }
    return b;
}

/* What every kernel relies on, and what not every overlap shows */
static void check_ops(const aifes_net *net)
{
    for (uint32_t i = 0; i < net->header.n_ops; i++) {
        const aifes_op *op = &net->steps[i].op;
        uint64_t item = FUZZ_F32 ? 4 : 1, x_end = op->x + item * op->n_in;
        uint64_t y_end = op->y + item * op->n_out, arena = net->header.arena;
        check(x_end <= arena && y_end <= arena);
        check(x_end <= op->y || y_end <= op->x || (op->x == op->y && op->opcode != DENSE));
    }
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = v >> 8 * i;
    }
}

/* Move what an op writes next to what it reads or into it; all else stays right. */
static void overlap(uint8_t *buf, size_t length, uint32_t choices)
{
    uint32_t n_ops = buf[20] | buf[21] << 8, i = n_ops ? choices % n_ops : 0;
    if (!n_ops || length < sizeof(aifes_header) + n_ops * sizeof(aifes_op)) {
        return;
    }
    uint8_t *op = buf + sizeof(aifes_header) + i * sizeof(aifes_op), *x = op + 8, *y = op + 12;
    put32(buf + 16, 4096); /* the arena */
    put32(y, aifes_get32(x) + ((choices >> 4 & 15) - 8) * (FUZZ_F32 ? 4 : 1));
    memcpy(i + 1 < n_ops ? x + sizeof(aifes_op) : buf + 60, y, 4); /* who reads it */
}

/* Let x or y lie in the arena, if it is large enough. */
static void into_arena(aifes_buffer *b, const aifes_net *net, int8_t *arena, uint32_t choices)
{
    uint32_t size = b->n << 2 * b->is_float, arena_size = net->header.arena;
    if (size <= arena_size) {
        free(b->data);
        b->data = arena + (choices % (arena_size - size + 1) & (b->is_float ? ~3u : ~0u));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4) {
        return 0;
    }
    uint32_t choices = aifes_get32(data);
    size_t length = size - 4, offset = choices & 3;
    uint8_t *memory = malloc(length + offset), *buf = memory + offset;
    memcpy(buf, data + 4, length);
    if (choices & 4 && length >= 16) { /* as a hostile file has it */
        uint32_t n = length;
        memcpy(buf, "\xA1" "fes\1\0\0", 8);
        memcpy(buf + 8, &n, 4);
    }
    if (choices & 128 && length >= sizeof(aifes_header)) {
        overlap(buf, length, choices >> 12);
    }
    size_t net_size = NET_SIZE(buf, length);
    aifes_net *net = malloc(net_size);
    if (net_size && LOAD(net, net_size, buf, length) && net->header.arena <= 1 << 16) {
        check_ops(net);
        int8_t *arena = calloc(1, net->header.arena);
        uint32_t samples = 1 + (choices >> 3 & 1), at = choices >> 8 & 15;
        aifes_buffer x = elements(net->n_in, samples, FUZZ_F32 | (choices >> 4 & 1));
        aifes_buffer y = elements(net->n_out, samples, FUZZ_F32 | (choices >> 5 & 1));
        if (choices >> 24 & 1) {
            into_arena(&x, net, arena, choices >> 16);
        }
        if (choices >> 25 & 1) {
            into_arena(&y, net, arena, choices >> 14);
        }
        for (uint32_t i = 0; choices & 64 && i < 50; i++) { /* changed after the check */
            buf[(choices + i * 2654435761u) % length] ^= 1 << (i & 7);
        }
        if (place(net, buf, arena)) {
            int32_t next = RUN_SAMPLES(net, &x, &y, at);
            check(next >= 0);
            check(RUN_SAMPLES(net, &x, &y, next) >= 0);
            run_ops(net, at < net->header.n_ops ? at : 0);
            y.n++;
            check(RUN_SAMPLES(net, &x, &y, 0) == -1);
        } else {
            check(FUZZ_F32 && offset);
        }
        for (int i = 0; i < 2; i++) {
            int8_t *p = i ? y.data : x.data;
            if (p < arena || p >= arena + net->header.arena) {
                free(p);
            }
        }
        free(arena);
    }
    free(net);
    free(memory);
    return 0;
}
