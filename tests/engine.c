/* The engine of a family as functions with names, for the tests: a shared library for CPython,
 * code for emulated chips. */
#include "../native_module/engine.h"

const int aifes_is_float = AIFES_FLOAT;

size_t aifes_net_size(const uint8_t *head, size_t length)
{
    aifes_counts counts;
    return net_size(head, length, &counts);
}

/* memory is changed */
int aifes_load(aifes_net *net, aifes_memory *memory)
{
    net_size(memory->head.buf, memory->head.len, &net->counts);
    return load_net(net, memory);
}

/* a second name, not a call: its instructions are counted */
uint32_t aifes_run(const aifes_net *net, const aifes_buffer *b, uint32_t at, uint32_t end)
    __attribute__((alias("run")));

int32_t aifes_run_samples(const aifes_net *net, aifes_buffer *b, uint32_t at)
{
    return run_samples(net, b, at);
}

#if AIFES_CNN
uint32_t aifes_push(const aifes_net *net, const aifes_buffer *row, uint32_t at)
{
    return push(net, row, at);
}

/* b: of the ends; only outputs are written */
void aifes_outputs(const aifes_net *net, const aifes_buffer *b)
{
    others(net, b, N_INPUTS(net), N_ENDS(net));
}
#endif
