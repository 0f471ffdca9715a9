/* The .aifes buffer, and what the guard makes of it. docs/format.md explains the fields;
 * device/aifes/format.py and device/aifes/ops/ define them, tests/test_native.py compares.
 *
 * One source for several families of ops: a file defines
 *   AIFES_FLOAT     1: float32 models, 0: int8
 *   AIFES_SEVERAL   1: nets with several inputs and outputs, and ops that only those have
 *   AIFES_CNN       1: conv and pool; if it is not defined, as AIFES_SEVERAL
 * and includes engine.h.
 *
 * No libc, no float in int8, no division by hardware: a loadable module can link none of them. */
#ifndef AIFES_H
#define AIFES_H

#include <stddef.h>
#include <stdint.h>

#ifndef AIFES_CNN
#define AIFES_CNN AIFES_SEVERAL
#endif

#ifndef AIFES_TIGHT
#define AIFES_TIGHT 0 /* 1: small, as loadable files with all ops must be; firmware has room */
#endif

#define AIFES_MAX_ARENA (1u << 24)
#define AIFES_MAX_OPS 1024
#define AIFES_MAX_ENDS 15 /* inputs, and outputs */

#define AIFES_DTYPE (AIFES_FLOAT ? 'f' : 'b')
#define AIFES_ITEM (AIFES_FLOAT ? 4 : 1) /* bytes of an element in the arena */

/* Firmware is compiled for size; what runs for each weight or output is not. */
#if defined(__GNUC__) && !defined(__clang__)
#define AIFES_FAST __attribute__((noinline, optimize("O2", "tree-ch", "tree-loop-optimize", "tree-dominator-opts", "tree-loop-im", "tree-forwprop", "schedule-insns2", "move-loop-invariants", "unswitch-loops", "no-tree-scev-cprop", "ivopts", "tree-ter", "guess-branch-probability")))
#else
#define AIFES_FAST __attribute__((noinline))
#endif
/* The same in the smallest files */
#if defined(__GNUC__) && !defined(__clang__)
#define AIFES_LOOP __attribute__((noinline, optimize("Os", "ivopts", "tree-ter", "guess-branch-probability")))
#else
#define AIFES_LOOP __attribute__((noinline))
#endif
#define AIFES_NOINLINE __attribute__((noinline))
#define AIFES_INLINE __attribute__((always_inline)) static inline

typedef struct {
    uint32_t magic;
    uint16_t version, reserved;
    uint32_t length, crc, arena;
    uint16_t n_tensors, n_ops;
    uint8_t n_inputs, n_outputs;
    uint16_t reserved2;
    uint32_t constants, metadata, metadata_length;
} aifes_header;

typedef struct {
    uint8_t dtype, rank;
    int8_t shift, zero_point;
    uint32_t offset; /* in the arena */
    uint32_t scales; /* offset of n shifts (int8) and n zero points (int16), or 0 */
    uint32_t dims[3];
    uint16_t rows;  /* that lie in the arena at a time; 0: all */
    uint16_t flags; /* 1: of the input, whose rows do not end */
} aifes_tensor;

/* What all op records begin with; the last fields are the tensors of an op with one of each */
typedef struct {
    uint8_t opcode, flags;
    uint8_t ends;  /* inputs | outputs << 4 */
    uint8_t words; /* the length of the record / 4 */
    uint16_t x, y;
} aifes_record;

/* The first word of a record without its flags, as an op's file names it */
#define AIFES_RECORD(opcode, ends, words) ((opcode) | (ends) << 16 | (uint32_t)(words) << 24)

/* What all checked ops begin with: addresses, and numbers that nobody else can change */
typedef struct {
    uint8_t kernel; /* the function that runs it: its opcode, or another that its file names */
    uint8_t flags;
    uint8_t own; /* its file's */
    uint8_t unused;
    uint32_t n_in, n_out; /* their product: the multiply-accumulates */
    int8_t *x, *y; /* AIFES_CNN: y is where the next row of the result goes */
} aifes_step;

/* AIFES_CNN: how an op computes its result row by row; device/aifes/rows.py. One that takes its inputs
 * as a whole makes one row. It lies before the step: AIFES_ROWS(step). */
typedef struct aifes_rows aifes_rows;
struct aifes_rows {
    uint32_t stride, spread;
    uint16_t number; /* of the result's tensor */
    uint16_t turns;  /* of the first step: 0: no op takes turns */
    uint8_t joined; /* it takes turns with the op before */
    uint8_t pushed; /* of the first step: 1: the input comes in rows; 2: which never end */
    aifes_rows *from[2]; /* of what makes its inputs, NULL: they are there */
    aifes_rows *far;     /* of the last of those that take turns which reads its result */
    uint32_t left;        /* rows that are to be computed; AIFES_ENDLESS: one after another */
    uint32_t next;        /* where the next window begins */
    uint32_t top[2];      /* where that is in the rows that are there of each input */
    uint32_t there, room; /* rows of the result in the arena, and for how many there is room */
    uint32_t gone;        /* before those that are there */
    uint32_t rows;        /* in all */
    uint32_t row;         /* its bytes */
    uint32_t span;        /* from the first to the last row of a window, spread */
    uint32_t start;       /* where the first window begins */
    const uint32_t *seen; /* rows of the first input that windows may look at: `there` of `from` */
    uint32_t all;         /* or these */
};
#define AIFES_ROWS(step) ((aifes_rows *)(void *)(step) - 1)
#define AIFES_ENDLESS 0xFFFFFFFF
#define AIFES_WHOLE 0xFFFFFFFF /* span of an op that takes all at once */

/* Of an op on elements: those of its next row, and where that begins in input k */
#if AIFES_CNN
#define AIFES_ELEMENTS(s) (AIFES_ROWS(s)->row / AIFES_ITEM)
#define AIFES_AT(s, k) (AIFES_ROWS(s)->top[k] * AIFES_ELEMENTS(s))
#else
#define AIFES_ELEMENTS(s) ((s)->step.n_out)
#define AIFES_AT(s, k) 0
#endif

/* A tensor in the arena: elements and address */
typedef struct {
    uint32_t n;
    int8_t *data;
} aifes_place;

/* AIFES_CNN: of an op in its check: inputs and scratch; the tensors of the last input and the output */
typedef struct {
    aifes_place x[3];
    aifes_tensor tensors[2];
} aifes_inputs;

/* An input or output of a net; scales: of its elements, or NULL */
typedef struct {
    aifes_place place;
    const uint8_t *scales;
    int8_t shift, zero_point;
    uint16_t unused;
} aifes_end;

/* Of a header: what decides about the size of a net */
typedef struct {
    uint16_t n_ops;
    uint8_t n_inputs, n_outputs;
} aifes_counts;

/* What was checked, in memory that nobody else writes: a buffer that changes after the check can
 * change results, but no address. buf, arena: what the addresses are made for. */
typedef struct {
    const uint8_t *buf;
    int8_t *arena;
    size_t length; /* bytes that must be there; all ones: the net must not run */
    uint32_t arena_size;
    uint32_t work; /* multiply-accumulates of a sample */
    aifes_counts counts;
#if AIFES_SEVERAL
    void *steps;
#endif
#if AIFES_CNN
    void *last; /* step */
    void *next; /* the step with which a run goes on */
#endif
    aifes_end ends[]; /* inputs, outputs; behind them the steps: steps_of() */
} aifes_net;

/* A piece of memory; in MicroPython what its buffers are described by */
#ifndef AIFES_PIECE
typedef struct {
    void *buf;
    size_t len;
    int typecode;
} aifes_piece;
#else
typedef AIFES_PIECE aifes_piece;
#endif

/* What the guard looks at. head: header, tensors and records; model: the constants; of a model of
 * format 2 both are the same buffer. */
typedef struct {
    aifes_piece head, model, arena;
    uint32_t n_tensors; /* the guard's own */
} aifes_memory;

/* float32 or int8 data of the caller */
typedef struct {
    uint8_t *data;
    uint32_t n; /* elements */
    uint32_t is_float;
} aifes_buffer;

static inline uint32_t aifes_get32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

#endif
