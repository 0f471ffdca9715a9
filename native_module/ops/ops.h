/* The ops: one file each, and which family has which.
 *
 * A file NAME.h has
 *   NAME_RECORD     AIFES_RECORD(opcode, ends, words): what its records begin with
 *   NAME_IN_PLACE   whether a result may lie where an input lies, in just the same bytes
 *   NAME_record     the record, as device/aifes/ops/NAME.py defines it
 *   NAME_step       the checked op: an aifes_step and what is its own
 *   NAME_load(m, s, r, x)   the check: fills the step and returns 1; 0: refused. x: the inputs.
 *                   Tensors are checked before, opcode, flags, sizes and addresses of the first
 *                   ones are in the step.
 *   NAME_run(s)     runs the step if its kernel is one of this op's; 0: it is not
 * An op that computes images row by row says so in the check: by AIFES_BY_ELEMENTS(s), or the fields
 * start to stride of AIFES_ROWS(s); its run() makes the next row, at s->step.y.
 * for int8 and, #if AIFES_FLOAT, for float32. What is read from the model after the check may have
 * any value: it must decide about no address, and nothing may be undefined. */
#ifndef AIFES_OPS_H
#define AIFES_OPS_H

#include "dense.h"
#include "map.h"
#include "softmax.h"
#define AIFES_OPS_ONE(OP) OP(dense, DENSE) OP(map, MAP) OP(softmax, SOFTMAX)

#if AIFES_SEVERAL
#include "add.h"
#define AIFES_OPS_SEVERAL(OP) AIFES_OPS_ONE(OP) OP(add, ADD)
#endif

#if AIFES_CNN
#include "conv.h"
#include "multiply.h"
#include "pool.h"
#define AIFES_OPS_CNN(OP)                                                                          \
    AIFES_OPS_SEVERAL(OP) OP(conv, CONV) OP(pool, POOL) OP(multiply, MULTIPLY)
#if AIFES_FLOAT
#define AIFES_OPS AIFES_OPS_CNN
#else
#include "mean.h"
#define AIFES_OPS(OP) AIFES_OPS_CNN(OP) OP(mean, MEAN)
#endif
#elif AIFES_SEVERAL
#define AIFES_OPS AIFES_OPS_SEVERAL
#else
#define AIFES_OPS AIFES_OPS_ONE
#endif

#endif
