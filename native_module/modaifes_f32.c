/* The Python module _aifes_f32: float32 models. x and y are float32; model and arena begin at a
 * multiple of 4, else ValueError. Firmware has all ops of float32 in it; loadable files are
 * _aifes_cnn_f32.mpy, alike, and _aifes_f32.mpy without conv and pool: AIFES_CNN=0. */
#include "micropython.h"

#define AIFES_FLOAT 1
#define AIFES_SEVERAL 1
#define MODULE_NAME MP_QSTR__aifes_f32
#define NET_NAME MP_QSTR_Net
#define LOAD_NAME MP_QSTR_load
#define USER_MODULE aifes_f32_user_cmodule
#define net_type aifes_f32_net_type

#if defined(__riscv) && defined(MICROPY_ENABLE_DYNRUNTIME)
#include "riscv_calls.h"
#endif
#include "module.h"
