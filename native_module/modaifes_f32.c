/* The Python module _aifes_f32, for float32 models: as _aifes, and
 *
 *   at = net(first, end)              runs the ops first .. end - 1 of the sample in the arena
 *
 * x and y are float32; model and arena begin at a multiple of 4, else ValueError. */
#include "micropython.h"

#include "f32.h"

#define MODULE_NAME MP_QSTR__aifes_f32
#define NET_NAME MP_QSTR_Net /* the linker finds names in this file only */
#define LOAD_NAME MP_QSTR_load
#define USER_MODULE aifes_f32_user_cmodule
#define net_type aifes_f32_net_type
#define NET_SIZE f32_net_size
#define LOAD f32_load
#define RUN_SAMPLES f32_run_samples
#define PLACE_AT_LOAD place_net(self);
#define TAKES_INT8(typecode) 0

static inline void place(aifes_net *net, const uint8_t *model, int8_t *arena)
{
    if (!f32_place(net, model, arena)) {
        mp_raise_ValueError(
            MP_ERROR_TEXT("a float model and its arena must begin at a multiple of 4"));
    }
}

static inline mp_int_t run_ops(const aifes_net *net, mp_uint_t last,
    const mp_obj_t *args, size_t n_args)
{
    mp_uint_t at = mp_obj_get_int(args[0]), end = net->header.n_ops;
    if (n_args == 2 && last < end) {
        end = last;
    }
    return at < end ? f32_run(net, at, end) : 0;
}

#include "module.h"
