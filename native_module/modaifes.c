/* The Python module _aifes: one source for a loadable .mpy and for a user C module in firmware.
 *
 *   net = _aifes.load(model, arena)   checks the model; ValueError if it is damaged
 *   at = net(x, y, 0)                 runs all samples of x into y; 0: done
 *   at = net(0)                       runs one sample that lies in the arena
 *   at = net(x, y, at), net(at)       goes on, if at > 0; x and y do not fit the model, if at < 0
 *
 * A net can only come from load(). Model and arena are looked up at each call: Python code may
 * have changed their sizes. Floats are read and written as bits in buffers: passing a C float
 * through MicroPython's function table is broken on several chips. */
#if MICROPY_ENABLE_DYNRUNTIME
#include "py/dynruntime.h"
#ifdef __XTENSA__
/* mpy_ld links the table itself, but no address inside of it: keep the compiler from making one */
static inline const uint16_t *qstr_table(void)
{
    const uint16_t *table = mp_native_qstr_table;
    __asm("" : "+r"(table));
    return table;
}
#define mp_native_qstr_table qstr_table()
#endif
#else
#include "py/binary.h"
#include "py/obj.h"
#include "py/runtime.h"
#endif

#include "aifes.h"

typedef struct {
    mp_obj_base_t base;
    mp_obj_t model, arena;
    aifes_net net;
} net_obj_t;

#if MICROPY_ENABLE_DYNRUNTIME
mp_obj_full_type_t net_type;
#else
extern const mp_obj_type_t net_type;
#endif

/* The bytes of a buffer of at least n */
__attribute__((noinline)) static void *get_bytes(mp_obj_t obj, int access, size_t n)
{
    mp_buffer_info_t info;
    mp_get_buffer_raise(obj, &info, access);
    if (info.len < n) {
        mp_raise_ValueError(MP_ERROR_TEXT("bad model or arena"));
    }
    return info.buf;
}

/* The elements of x or y; 0 if it is no buffer of int8 or float32, or empty */
static int get_elements(mp_obj_t obj, int access, aifes_buffer *b)
{
    mp_buffer_info_t info;
    if (!mp_get_buffer(obj, &info, access)) {
        return 0;
    }
    b->is_float = info.typecode == 'f';
    b->data = info.buf;
    b->n = b->is_float ? info.len / 4 : info.len;
    return b->n && (b->is_float || info.typecode == 'b' || info.typecode == 'B'
        || info.typecode == BYTEARRAY_TYPECODE);
}

static mp_obj_t net_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args)
{
    net_obj_t *self = MP_OBJ_TO_PTR(self_in);
    aifes_buffer x, y;
    mp_arg_check_num(n_args, n_kw, 1, 3, false);
    mp_int_t at = mp_obj_get_int(args[n_args - 1]);
    aifes_place(&self->net, get_bytes(self->model, MP_BUFFER_READ, self->net.header.length),
        get_bytes(self->arena, MP_BUFFER_WRITE, self->net.header.arena));
    if (n_args < 3) {
        at = (mp_uint_t)at < self->net.header.n_ops ? aifes_run(&self->net, NULL, NULL, 0, at) : 0;
    } else if (get_elements(args[0], MP_BUFFER_READ, &x)
        && get_elements(args[1], MP_BUFFER_WRITE, &y)) {
        at = aifes_run_samples(&self->net, &x, &y, at);
    } else {
        at = -1;
    }
    return MP_OBJ_NEW_SMALL_INT(at);
}

static mp_obj_t load(mp_obj_t model_in, mp_obj_t arena_in)
{
    mp_buffer_info_t model;
    mp_get_buffer_raise(model_in, &model, MP_BUFFER_READ);
    size_t size = aifes_net_size(model.buf, model.len);
    net_obj_t *self = m_malloc(sizeof(net_obj_t) - sizeof(aifes_net) + size);
    self->base.type = (mp_obj_type_t *)&net_type;
    self->model = model_in;
    self->arena = arena_in;
    int valid = aifes_load(&self->net, size, model.buf, model.len);
    get_bytes(arena_in, MP_BUFFER_WRITE, valid ? self->net.header.arena : SIZE_MAX);
    return MP_OBJ_FROM_PTR(self);
}
static MP_DEFINE_CONST_FUN_OBJ_2(load_obj, load);

#if MICROPY_ENABLE_DYNRUNTIME

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args)
{
    MP_DYNRUNTIME_INIT_ENTRY
    net_type.base.type = (void *)&mp_type_type;
    net_type.name = MP_QSTR_Net;
    MP_OBJ_TYPE_SET_SLOT(&net_type, call, net_call, 0);
    mp_store_global(MP_QSTR_load, MP_OBJ_FROM_PTR(&load_obj));
    MP_DYNRUNTIME_INIT_EXIT
}

#else

MP_DEFINE_CONST_OBJ_TYPE(net_type, MP_QSTR_Net, MP_TYPE_FLAG_NONE, call, net_call);

static const mp_rom_map_elem_t globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__aifes)},
    {MP_ROM_QSTR(MP_QSTR_load), MP_ROM_PTR(&load_obj)},
};
static MP_DEFINE_CONST_DICT(globals, globals_table);

const mp_obj_module_t aifes_user_cmodule = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&globals,
};
MP_REGISTER_MODULE(MP_QSTR__aifes, aifes_user_cmodule);

#endif
