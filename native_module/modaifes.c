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
    mp_buffer_info_t model, arena;
    aifes_buffer x = {NULL, 0, 0}, y = {NULL, 0, 0};
    mp_arg_check_num(n_args, n_kw, 1, 3, false);
    mp_int_t at = mp_obj_get_int(args[n_args - 1]);
    mp_get_buffer_raise(self->model, &model, MP_BUFFER_READ);
    mp_get_buffer_raise(self->arena, &arena, MP_BUFFER_WRITE);
    if (model.len < self->net.header.length || arena.len < self->net.header.arena) {
        mp_raise_ValueError(MP_ERROR_TEXT("model or arena became smaller"));
    }
    if (n_args == 3 && !(get_elements(args[0], MP_BUFFER_READ, &x)
        && get_elements(args[1], MP_BUFFER_WRITE, &y))) {
        return MP_OBJ_NEW_SMALL_INT(-1);
    }
    return MP_OBJ_NEW_SMALL_INT(aifes_run(&self->net, model.buf, arena.buf, &x, &y, at));
}

static mp_obj_t load(mp_obj_t model_in, mp_obj_t arena_in)
{
    mp_buffer_info_t model, arena;
    mp_get_buffer_raise(model_in, &model, MP_BUFFER_READ);
    mp_get_buffer_raise(arena_in, &arena, MP_BUFFER_WRITE);
    size_t size = aifes_net_size(model.buf, model.len);
    net_obj_t *self = m_malloc(sizeof(net_obj_t) - sizeof(aifes_net) + size);
    self->base.type = (mp_obj_type_t *)&net_type;
    self->model = model_in;
    self->arena = arena_in;
    if (!aifes_load(&self->net, size, model.buf, model.len)) {
        mp_raise_ValueError(MP_ERROR_TEXT("not a valid .aifes model"));
    }
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
