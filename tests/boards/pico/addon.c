// core.c as a module for node: use(..), run(limit).
#include <node_api.h>

#include "core.c"

static void *bytes(napi_env env, napi_value buffer, uint32_t *size) {
    void *data = NULL;
    size_t length = 0;
    napi_get_arraybuffer_info(env, buffer, &data, &length);
    if (size) *size = (uint32_t)length;
    return data;
}

// use(state, RAM, flash, ROM): ArrayBuffers, which must live as long as this is used
static napi_value js_use(napi_env env, napi_callback_info info) {
    napi_value given[4];
    size_t n = 4;
    napi_get_cb_info(env, info, &n, given, NULL, NULL);
    state = bytes(env, given[0], NULL);
    ram.bytes = bytes(env, given[1], &ram.size);
    flash.bytes = bytes(env, given[2], &flash.size);
    rom.bytes = bytes(env, given[3], &rom.size);
    return NULL;
}

static napi_value js_run(napi_env env, napi_callback_info info) {
    napi_value limit, result;
    size_t n = 1;
    uint32_t cycles = 0;
    napi_get_cb_info(env, info, &n, &limit, NULL, NULL);
    napi_get_value_uint32(env, limit, &cycles);
    napi_create_uint32(env, run(cycles), &result);
    return result;
}

NAPI_MODULE_INIT() {
    napi_value function;
    napi_create_function(env, "use", NAPI_AUTO_LENGTH, js_use, NULL, &function);
    napi_set_named_property(env, exports, "use", function);
    napi_create_function(env, "run", NAPI_AUTO_LENGTH, js_run, NULL, &function);
    napi_set_named_property(env, exports, "run", function);
    return exports;
}
