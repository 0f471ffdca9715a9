/* What a module needs of MicroPython, in a loadable file or in firmware. */
#ifndef AIFES_MICROPYTHON_H
#define AIFES_MICROPYTHON_H

#ifndef MICROPY_ENABLE_DYNRUNTIME
#define MICROPY_ENABLE_DYNRUNTIME 0 /* some firmware is built with -Wundef */
#endif

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

#endif
