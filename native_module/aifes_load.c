/* The guard of int8 models: nothing that passes leads aifes_run out of buffer and arena. */
#include "aifes.h"

#define DENSE AIFES_DENSE
#define ITEM 1
#include "guard.h"

static int check_op(const aifes_header *h, const aifes_op *op, uint32_t low)
{
    uint32_t n_in = op->n_in, n_out = op->n_out, interleave = op->interleave, padded = 0;
    uint32_t sizes[4] = {0, 0, 0, op->opcode == AIFES_SOFTMAX ? 512 : 256};
    const uint32_t *constants = &op->weights;
    if (op->opcode < AIFES_DENSE || op->opcode > AIFES_SOFTMAX
        || (n_in >> 14 && op->opcode != AIFES_MAP)) {
        return 0;
    }
    if (op->opcode == AIFES_DENSE) {
        if (!interleave || interleave > n_out || (op->group != 1 && op->group != 4)
            || op->low > op->high || n_out > h->metadata) {
            return 0;
        }
        while (padded < n_out) {
            padded += interleave;
        }
        sizes[0] = product(padded, n_in);
        sizes[1] = 4 * n_out;
        sizes[2] = op->shifts ? n_out : 0;
        sizes[3] = op->table ? 256 : 0;
    } else if (n_in != n_out) {
        return 0;
    }
    for (int i = 0; i < 4; i++) {
        if (sizes[i] && !inside(constants[i], sizes[i], low, h->metadata)) {
            return 0;
        }
    }
    return 1;
}

size_t aifes_net_size(const uint8_t *buf, size_t length)
{
    return net_size(buf, length);
}

int aifes_load(aifes_net *net, size_t size, const uint8_t *buf, size_t length)
{
    return load_net(net, size, buf, length);
}
