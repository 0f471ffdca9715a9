/* float32 models: opcodes 4 to 6 of the same buffers, checked and run by functions of their own.
 * device/aifes/f32_format.py defines the fields, tests/test_native_f32.py compares. */
#ifndef AIFES_F32_H
#define AIFES_F32_H

#include "aifes.h"

enum { F32_DENSE = 4, F32_ACTIVATION, F32_SOFTMAX };
enum { F32_RELU, F32_LEAKY_RELU, F32_ELU, F32_SIGMOID, F32_TANH, F32_SOFTSIGN };

/* As aifes_net_size and aifes_load. */
size_t f32_net_size(const uint8_t *buf, size_t length);
int f32_load(aifes_net *net, size_t size, const uint8_t *buf, size_t length);

/* As aifes_place. Returns 0 if model or arena do not begin at a multiple of 4. */
int f32_place(aifes_net *net, const uint8_t *buf, int8_t *arena);

/* Run the ops at .. end - 1 of one sample that lies in the arena; returns as aifes_run. */
uint32_t f32_run(const aifes_net *net, uint32_t at, uint32_t end);

/* As aifes_run_samples, for float32. */
int32_t f32_run_samples(const aifes_net *net, const aifes_buffer *x, const aifes_buffer *y,
    uint32_t at);

#endif
