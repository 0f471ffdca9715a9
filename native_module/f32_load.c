/* The guard of float32 models: nothing that passes leads f32_run out of buffer and arena. */
#include "f32.h"

#define DENSE F32_DENSE
#define ITEM 4
#include "guard.h"

static int check_op(const aifes_header *h, const aifes_op *op, uint32_t low)
{
    uint32_t n_in = op->n_in, n_out = op->n_out;
    if ((h->arena | op->x | op->y | op->weights | op->bias | op->table) & 3) {
        return 0;
    }
    if (op->opcode == F32_DENSE) {
        return (op->interleave == 1 || op->interleave == n_out)
            && inside(op->weights, product(4 * n_in, n_out), low, h->metadata)
            && inside(op->bias, 4 * n_out, low, h->metadata);
    }
    if (n_in != n_out || op->opcode < F32_DENSE || op->opcode > F32_SOFTMAX) {
        return 0;
    }
    return op->opcode == F32_SOFTMAX || op->flags == F32_RELU
        || (op->flags >= F32_SIGMOID && op->flags <= F32_SOFTSIGN)
        || (op->flags < F32_SIGMOID && inside(op->table, 4, low, h->metadata));
}

size_t f32_net_size(const uint8_t *buf, size_t length)
{
    return net_size(buf, length);
}

int f32_load(aifes_net *net, size_t size, const uint8_t *buf, size_t length)
{
    return load_net(net, size, buf, length);
}
