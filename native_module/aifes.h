/* The .aifes buffer and the functions that check and run it. docs/format.md explains the fields;
 * device/aifes/format.py defines them, tests/test_native.py compares.
 *
 * No libc, no float, no division by hardware: a loadable module can link none of them. */
#ifndef AIFES_H
#define AIFES_H

#include <stddef.h>
#include <stdint.h>

#define AIFES_MAGIC 0x736566A1
#define AIFES_VERSION 1
#define AIFES_MAX_ARENA (1u << 24)
#define AIFES_MAX_OPS 1024
#define AIFES_NEAREST 1
/* multiply-accumulates after which a run returns for a moment: 30 ms on a Pico */
#define AIFES_WORK (1u << 20)

/* Firmware is compiled for size; what runs for each weight or output is not. */
#if defined(__GNUC__) && !defined(__clang__)
#define AIFES_FAST __attribute__((noinline, optimize("O2", "unswitch-loops", "no-tree-scev-cprop")))
#else
#define AIFES_FAST __attribute__((noinline))
#endif

enum { AIFES_DENSE = 1, AIFES_MAP, AIFES_SOFTMAX };

typedef struct {
    uint8_t dtype, rank;
    int8_t shift, zero_point;
    uint32_t offset;   /* in the arena */
    uint32_t features; /* offset of n shifts (int8) and n zero points (int16), or 0 */
    uint32_t dims[3];
} aifes_tensor;

typedef struct {
    uint32_t magic;
    uint16_t version, reserved;
    uint32_t length, crc, arena;
    uint16_t n_ops, reserved2;
    uint32_t metadata, metadata_length;
    aifes_tensor input, output;
} aifes_header;

typedef struct {
    uint8_t opcode, flags;
    int8_t zero_point;
    uint8_t weight_zero;
    int8_t low, high;
    uint8_t shift, reserved;
    uint32_t x, y; /* offsets in the arena */
    uint32_t n_in, n_out;
    uint32_t weights, bias, shifts, table; /* offsets in the buffer, 0 = absent */
    uint16_t interleave;
    uint8_t group, reserved2;
    uint32_t reserved3;
} aifes_op;

/* A checked op and the addresses of its offsets; shifts: one, or one for each output;
 * table of a dense op: begins at what is stored for `low` */
typedef struct {
    aifes_op op;
    int8_t *x, *y;
    const uint8_t *weights, *bias, *shifts, *table;
    uint32_t kernel;
} aifes_step;

/* What was checked, in memory that nobody else writes: a buffer that changes after the check can
 * change results, but no address. buf, arena: what the addresses are made for. */
typedef struct {
    const uint8_t *buf;
    int8_t *arena, *input, *output;
    uint32_t n_in, n_out, work; /* work: multiply-accumulates of a sample */
    aifes_header header;
    aifes_step steps[];
} aifes_net;

/* float32 or int8 data of the caller */
typedef struct {
    void *data;
    uint32_t n; /* elements */
    uint32_t is_float;
} aifes_buffer;

/* Bytes that aifes_load needs for the net of a buffer, 0 if it is not an .aifes buffer. */
size_t aifes_net_size(const uint8_t *buf, size_t length);

/* Check everything that could lead aifes_run out of buffer and arena, and fill the net.
 * size: bytes at net. Returns 0 if something would. */
int aifes_load(aifes_net *net, size_t size, const uint8_t *buf, size_t length);

/* Tell a net where its model (header.length bytes, at any address) and its arena (header.arena
 * bytes) are: before each aifes_run that may find them moved. */
void aifes_place(aifes_net *net, const uint8_t *buf, int8_t *arena);

/* Run one sample from the op `at` on. x, y: n_in and n_out int8 or, by a flag, float32; NULL: they
 * stay in the arena. Returns 0 when done, else what to call again with: between two layers, so
 * that a caller can look for Ctrl-C. */
#define AIFES_X_FLOAT 1
#define AIFES_Y_FLOAT 2
uint32_t aifes_run(const aifes_net *net, const void *x, void *y, int floats, uint32_t at);

/* Run all samples of x into y. at: 0 to begin. Returns as aifes_run, or -1 if the sizes of x and y
 * do not fit the net. */
int32_t aifes_run_samples(const aifes_net *net, const aifes_buffer *x, const aifes_buffer *y,
    uint32_t at);

static inline uint32_t aifes_get32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

/* n / d, for quotients below 2^bits, 1 < bits < 32 */
static inline uint32_t aifes_divide(uint32_t n, uint32_t d, int bits)
{
    uint32_t q = 0;
    while (--bits && d >> (32 - bits)) {
    }
    for (d <<= bits; bits >= 0; bits--, d >>= 1) {
        q <<= 1;
        if (n >= d) {
            n -= d;
            q++;
        }
    }
    return q;
}

#endif
