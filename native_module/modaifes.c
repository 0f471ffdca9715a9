/* The Python module _aifes: one source for a loadable .mpy and for a user C module in firmware.
 *
 *   net = _aifes.load(model, arena)   checks the model; ValueError if it is damaged
 *   at = net(x, y, 0)                 runs all samples of x into y; 0: done
 *   at = net(0)                       runs one sample that lies in the arena
 *   at = net(x, y, at), net(at)       goes on, if at > 0; x and y do not fit the model, if at < 0 */
#include "micropython.h"

#include "aifes.h"

#define MODULE_NAME MP_QSTR__aifes
#define NET_NAME MP_QSTR_Net /* the linker finds names in this file only */
#define LOAD_NAME MP_QSTR_load
#define USER_MODULE aifes_user_cmodule
#define net_type aifes_net_type
#define NET_SIZE aifes_net_size
#define LOAD aifes_load
#define RUN_SAMPLES aifes_run_samples
#define PLACE_AT_LOAD
#define TAKES_INT8(typecode)                                                                       \
    (typecode == 'b' || typecode == 'B' || typecode == BYTEARRAY_TYPECODE)

static inline void place(aifes_net *net, const uint8_t *model, int8_t *arena)
{
    aifes_place(net, model, arena);
}

static inline mp_int_t run_ops(const aifes_net *net, mp_uint_t at,
    const mp_obj_t *args, size_t n_args)
{
    (void)args, (void)n_args;
    return at < net->header.n_ops ? aifes_run(net, NULL, NULL, 0, at) : 0;
}

#include "module.h"
