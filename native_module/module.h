/* What both modules are made of: modaifes.c for int8 and modaifes_f32.c for float32 define
 *
 *   MODULE_NAME, NET_NAME, LOAD_NAME, USER_MODULE, net_type
 *   NET_SIZE, LOAD, RUN_SAMPLES             functions of aifes.h or f32.h
 *   PLACE_AT_LOAD                           what load() does at its end
 *   place(net, model, arena)                as aifes_place; may raise
 *   run_ops(net, last, args, n_args)        net(at) and net(at, end), `last` of these numbers
 *   TAKES_INT8(typecode)                    besides float32
 *
 * A net can only come from load(). Model and arena are looked up at each call: Python code may
 * have changed their sizes. Floats are read and written as bits in buffers: passing a C float
 * through MicroPython's function table is broken on several chips. */
#ifndef AIFES_MODULE_H
#define AIFES_MODULE_H

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

/* The elements of x or y; 0 if it is no buffer that the net takes, or empty */
static int get_elements(mp_obj_t obj, int access, aifes_buffer *b)
{
    mp_buffer_info_t info;
    if (mp_obj_get_type(obj) == &mp_type_str || !mp_get_buffer(obj, &info, access)) {
        return 0;
    }
    b->is_float = info.typecode == 'f';
    b->data = info.buf;
    b->n = info.len >> 2 * b->is_float;
    if (b->is_float ? (uintptr_t)b->data & 3 : !TAKES_INT8(info.typecode)) {
        return 0; /* some interpreters can view any bytes as floats */
    }
    return b->n;
}

static void place_net(net_obj_t *self)
{
    place(&self->net, get_bytes(self->model, MP_BUFFER_READ, self->net.header.length),
        get_bytes(self->arena, MP_BUFFER_WRITE, self->net.header.arena));
}

static mp_obj_t net_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args)
{
    net_obj_t *self = MP_OBJ_TO_PTR(self_in);
    aifes_buffer x, y;
    mp_arg_check_num(n_args, n_kw, 1, 3, false);
    mp_int_t at = mp_obj_get_int(args[n_args - 1]);
    place_net(self);
    if (n_args < 3) {
        at = run_ops(&self->net, at, args, n_args);
    } else if (get_elements(args[0], MP_BUFFER_READ, &x)
        && get_elements(args[1], MP_BUFFER_WRITE, &y)) {
        at = RUN_SAMPLES(&self->net, &x, &y, at);
    } else {
        at = -1;
    }
    return MP_OBJ_NEW_SMALL_INT(at);
}

static mp_obj_t load(mp_obj_t model_in, mp_obj_t arena_in)
{
    mp_buffer_info_t model;
    mp_get_buffer_raise(model_in, &model, MP_BUFFER_READ);
    size_t size = NET_SIZE(model.buf, model.len);
    net_obj_t *self = m_malloc(sizeof(net_obj_t) - sizeof(aifes_net) + size);
    self->base.type = (mp_obj_type_t *)&net_type;
    self->model = model_in;
    self->arena = arena_in;
    int valid = LOAD(&self->net, size, model.buf, model.len);
    get_bytes(arena_in, MP_BUFFER_WRITE, valid ? self->net.header.arena : SIZE_MAX);
    PLACE_AT_LOAD
    return MP_OBJ_FROM_PTR(self);
}
static MP_DEFINE_CONST_FUN_OBJ_2(load_obj, load);

#if MICROPY_ENABLE_DYNRUNTIME

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args)
{
    MP_DYNRUNTIME_INIT_ENTRY
    net_type.base.type = (void *)&mp_type_type;
    net_type.name = NET_NAME;
    MP_OBJ_TYPE_SET_SLOT(&net_type, call, net_call, 0);
    /* else only load_obj keeps both, and the GC follows no pointer to the middle of a block */
    mp_store_global(NET_NAME, MP_OBJ_FROM_PTR(&net_type));
    mp_store_global(LOAD_NAME, MP_OBJ_FROM_PTR(&load_obj));
    MP_DYNRUNTIME_INIT_EXIT
}

#else

MP_DEFINE_CONST_OBJ_TYPE(net_type, NET_NAME, MP_TYPE_FLAG_NONE, call, net_call);

static const mp_rom_map_elem_t globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MODULE_NAME)},
    {MP_ROM_QSTR(LOAD_NAME), MP_ROM_PTR(&load_obj)},
};
static MP_DEFINE_CONST_DICT(globals, globals_table);

const mp_obj_module_t USER_MODULE = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&globals,
};
MP_REGISTER_MODULE(MODULE_NAME, USER_MODULE);

#endif

#endif
