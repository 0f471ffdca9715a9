// MicroPython's standard unix variant, without the modules that ask a newer py/ than 1.22's
#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)
#include "ports/unix/variants/mpconfigvariant_common.h"
#undef MICROPY_PY_MACHINE
#undef MICROPY_VFS_ROM
#define MICROPY_PY_ASYNCIO (0)
#define MICROPY_PY_CRYPTOLIB (0)
#define MICROPY_PY_FRAMEBUF (0)
#define MICROPY_PY_HASHLIB (0)
#define MICROPY_PY_HEAPQ (0)
#define MICROPY_PY_MACHINE (0)
#define MICROPY_PY_MARSHAL (0)
#define MICROPY_PY_RE (0)
#define MICROPY_PY_SELECT (0)
#define MICROPY_PY_UCTYPES (0)
#define MICROPY_STACK_CHECK (1)
#define MICROPY_VFS_ROM (0)
#define MICROPY_VFS_WRITABLE (1)

// what 1.22's py/ calls otherwise
#define mp_cstack_init_with_sp_here(size) \
    (mp_stack_ctrl_init(), mp_stack_set_limit((size) - 8192))
#define mp_obj_malloc_with_finaliser(struct_type, obj_type) \
    ({ struct_type *made = m_new_obj_with_finaliser(struct_type); \
       made->base.type = (obj_type); made; })
#define mp_obj_new_str_from_cstr(s) mp_obj_new_str((s), strlen(s))
