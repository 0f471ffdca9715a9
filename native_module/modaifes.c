/* The Python module _aifes: int8 models. Firmware has all ops of int8 in it; loadable files are
 * _aifes_cnn.mpy, alike, and _aifes.mpy for dense nets of one input and one output:
 * AIFES_SEVERAL=0. */
#include "micropython.h"

#define AIFES_FLOAT 0
#ifndef AIFES_SEVERAL
#define AIFES_SEVERAL 1
#endif
#define MODULE_NAME MP_QSTR__aifes
#define NET_NAME MP_QSTR_Net
#define LOAD_NAME MP_QSTR_load
#define USER_MODULE aifes_user_cmodule
#define net_type aifes_net_type

#if defined(__riscv) && defined(MICROPY_ENABLE_DYNRUNTIME)
#include "riscv_calls.h"
#endif
#ifdef AIFES_RISCV_SAVE
#include "riscv_save.h"
#endif
#include "module.h"
