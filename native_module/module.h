/* The Python module of a family, for a loadable .mpy and for a user C module in firmware:
 *
 *   net = _aifes.load(head, model, arena)   checks the model; ValueError if it is refused
 *   at = net(x, y, 0)         runs all samples of x into y; 0: done
 *   at = net(0)               runs one sample that lies in the arena
 *   at = net(first, end)      float32: runs its ops first .. end - 1; with conv to the end
 *   at = net(x, y, at), ..    goes on, if at > 0; x and y do not fit the model, if at < 0
 *   at = net(row, None, at)   with conv: takes a row of the input; at: AIFES_PUSH, and with it, but
 *                             for the first row, AIFES_RESULT, or to go on what came back: rows.h
 *   net(None, y, AIFES_PUSH)  with conv: the outputs into y
 *
 * head: header, tensors and records; of a model of format 2 the model itself. x and y: buffers; a
 * tuple of them where the net has several. A file defines MODULE_NAME, NET_NAME, LOAD_NAME and
 * USER_MODULE: the linker of .mpy files finds names in that file only.
 *
 * A net can only come from load(). Model and arena are looked up at each call: Python code may have
 * changed their sizes; what has moved is checked anew. Floats are read and written as bits in
 * buffers: passing a C float through MicroPython's function table is broken on several chips. */
#ifndef AIFES_MODULE_H
#define AIFES_MODULE_H

#define AIFES_PIECE mp_buffer_info_t
#include "engine.h"

#define TAKES_INT8(typecode)                                                                       \
    (!AIFES_FLOAT && (typecode == 'b' || typecode == 'B' || typecode == BYTEARRAY_TYPECODE))

typedef struct {
    mp_obj_base_t base;
    mp_obj_t head, model, arena;
    aifes_net net;
} net_obj_t;

#if MICROPY_ENABLE_DYNRUNTIME
mp_obj_full_type_t net_type;
#else
extern const mp_obj_type_t net_type;
#endif

/* Where model and arena lie now; if that is not where the net's addresses are, it is made anew */
AIFES_NOINLINE static void place(net_obj_t *self)
{
    aifes_memory m;
    mp_get_buffer_raise(self->model, &m.model, MP_BUFFER_READ);
    mp_get_buffer_raise(self->arena, &m.arena, MP_BUFFER_WRITE);
    if (m.model.buf == self->net.buf && m.model.len >= self->net.length
        && m.arena.buf == self->net.arena && m.arena.len >= self->net.arena_size) {
        return;
    }
    mp_get_buffer_raise(self->head, &m.head, MP_BUFFER_READ);
#if AIFES_FLOAT
    if (((uintptr_t)m.model.buf | (uintptr_t)m.arena.buf) & 3) {
        mp_raise_ValueError(
            MP_ERROR_TEXT("a float model and its arena must begin at a multiple of 4"));
    }
#endif
    if (!load_net(&self->net, &m)) {
        mp_raise_ValueError(MP_ERROR_TEXT("bad model or arena"));
    }
}

static mp_obj_t load(mp_obj_t head_in, mp_obj_t model_in, mp_obj_t arena_in)
{
    mp_buffer_info_t head;
    aifes_counts counts;
    mp_get_buffer_raise(head_in, &head, MP_BUFFER_READ);
    size_t size = net_size(head.buf, head.len, &counts);
    net_obj_t *self = m_malloc(sizeof(net_obj_t) - sizeof(aifes_net) + size);
    self->base.type = (mp_obj_type_t *)&net_type;
    self->head = head_in;
    self->model = model_in;
    self->arena = arena_in;
    self->net.counts = counts;
    self->net.length = ~(size_t)0;
    place(self);
    return MP_OBJ_FROM_PTR(self);
}
static MP_DEFINE_CONST_FUN_OBJ_3(load_obj, load);

/* The n buffers of x or y; 0 if they are not as many, or one of them is empty or none that the net takes */
AIFES_NOINLINE static int get_buffers(mp_obj_t obj, uint32_t n, int access, aifes_buffer *b)
{
    const mp_obj_t *items = &obj;
    mp_buffer_info_t info;
#if AIFES_SEVERAL
    if (n > 1) {
        const mp_obj_tuple_t *tuple = MP_OBJ_TO_PTR(obj);
        if (mp_obj_get_type(obj) != &mp_type_tuple || tuple->len != n) {
            return 0;
        }
        items = tuple->items;
    }
#else
    (void)n;
#endif
    do {
        if (mp_obj_get_type(*items) == &mp_type_str || !mp_get_buffer(*items, &info, access)) {
            return 0;
        }
#if SIZE_MAX > UINT32_MAX
        if (info.len >> 31) {
            return 0;
        }
#endif
        b->is_float = info.typecode == 'f';
        b->data = info.buf;
        b->n = info.len >> 2 * b->is_float;
        if (!b->n || (b->is_float ? (uintptr_t)b->data & 3 : !TAKES_INT8(info.typecode))) {
            return 0; /* some interpreters can view any bytes as floats */
        }
        b++;
        items++;
    } while (AIFES_SEVERAL && --n);
    return 1;
}

static mp_obj_t net_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args)
{
    net_obj_t *self = MP_OBJ_TO_PTR(self_in);
    const aifes_net *net = &self->net;
    aifes_buffer b[AIFES_SEVERAL ? 2 * AIFES_MAX_ENDS : 2];
    mp_arg_check_num(n_args, n_kw, 1, 3, false);
    mp_int_t at = mp_obj_get_int(args[n_args == 3 ? 2 : 0]);
    place(self);
#if AIFES_CNN
    b->n = 0; /* if there is no x */
#define IS_BUFFER(x, n, access, b)                                                                 \
    ((x == mp_const_none && at & AIFES_PUSH) || get_buffers(x, n, access, b))
#else
#define IS_BUFFER get_buffers
#endif
    if (n_args < 3) {
        mp_uint_t end = net->counts.n_ops;
#if AIFES_FLOAT
        if (n_args == 2) {
            const mp_uint_t last = mp_obj_get_int(args[1]);
            end = last < end ? last : end;
        }
#endif
        if (AIFES_CNN && !AIFES_FLOAT) {
            at = run(net, NULL, at & AIFES_MIDDLE, end);
        } else {
            at = ((mp_uint_t)at & ~(mp_uint_t)AIFES_MIDDLE) < end ? run(net, NULL, at, end) : 0;
        }
    } else if (IS_BUFFER(args[1], N_OUTPUTS(net), MP_BUFFER_WRITE, b + N_INPUTS(net))
        && IS_BUFFER(args[0], N_INPUTS(net), MP_BUFFER_READ, b)) {
#if AIFES_CNN
        if (args[1] == mp_const_none) { /* a row of a net with one input */
            at = steps_of(net)->rows.pushed && b->n == steps_of(net)->step.n_in
                ? (mp_int_t)push(net, b, at) : -1;
        } else if (!b->n && N_ENDS(net) == 2 && b[1].n == net->ends[1].place.n) {
            others(net, b, 1, 2);
            at = 0;
        } else
#endif
        {
            at = run_samples(net, b, at); /* -1 without x, too */
        }
    } else {
        at = -1;
    }
    return MP_OBJ_NEW_SMALL_INT(at);
}

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
