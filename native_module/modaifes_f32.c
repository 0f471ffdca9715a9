/* The Python module _aifes_f32: float32 models. x and y are float32; model and arena begin at a
 * multiple of 4, else ValueError. */
#include "micropython.h"

#define AIFES_FLOAT 1
#define AIFES_SEVERAL 1
#define MODULE_NAME MP_QSTR__aifes_f32
#define NET_NAME MP_QSTR_Net
#define LOAD_NAME MP_QSTR_load
#define USER_MODULE aifes_f32_user_cmodule
#define net_type aifes_f32_net_type

#include "module.h"
