/* multiply: y = clamp(((x1 - zero1) * (x2 - zero2) + half >> shift) + zero_point); float32: x1 * x2.
 * x2 may be repeated: device/aifes/ops/multiply.py */
#ifndef AIFES_MULTIPLY_H
#define AIFES_MULTIPLY_H

#include "add.h"

#define MULTIPLY 8
#define MULTIPLY_RECORD AIFES_RECORD(MULTIPLY, 0x12, 5)
#define MULTIPLY_IN_PLACE 1

typedef struct { /* as add_record, without the bias */
    uint8_t opcode, flags, ends, words;
    uint16_t tensors[4]; /* two inputs, the output, nothing */
    int8_t zero_point, low, high;
    uint8_t shift;
    int8_t zero1, zero2;
    uint16_t reserved;
} multiply_record;

typedef add_step multiply_step;

/* add.h checks it and runs it */
#define multiply_load(m, s, r, x) add_load(m, s, (const void *)(r), x)
#define multiply_run(s) 0

#endif
