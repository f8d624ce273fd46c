// What an engine's model comes from: a path, or a program's memory.
#include "base/sized.h"
#include "engine/engine.h"
#include "file/gguf/gguf.h"
#include <stdio.h>

bool fm_engine_params_read(struct fm_engine_params *params, const struct fathom_engine_params *given,
    const char *function, struct fathom_error *err) {
    char name[3][64];
    for (int i = 0; i < 3; i++)
        snprintf(name[i], sizeof(name[i]), "%s: params%s", function,
            (const char *[]){"", ".gpu", ".gpu.debug"}[i]);
    *params = (struct fm_engine_params){0};
    if (!fm_sized_read(&params->engine, sizeof(params->engine), given, name[0], err) ||
        !fm_sized_read(&params->gpu, sizeof(params->gpu), params->engine.gpu, name[1], err) ||
        !fm_sized_read(&params->debug, sizeof(params->debug), params->gpu.debug, name[2], err))
        return false;
    if ((unsigned)params->engine.experts > FATHOM_EXPERTS_DISK)
        return fm_fail(err, FATHOM_INVALID, "%s.experts is %d, which is no enum fathom_experts", name[0],
            (int)params->engine.experts);
    if ((unsigned)params->engine.tuning > FATHOM_TUNING_OFF)
        return fm_fail(err, FATHOM_INVALID, "%s.tuning is %d, which is no enum fathom_tuning", name[0],
            (int)params->engine.tuning);
    if (params->gpu.exact && params->engine.cache_8bit)
        return fm_fail(err, FATHOM_INVALID, "exact mode keeps float32 in the cache, not 8 bits");
    params->engine.size = sizeof(params->engine);
    params->gpu.size = sizeof(params->gpu);
    params->debug.size = sizeof(params->debug);
    params->gpu.debug = &params->debug;
    params->engine.gpu = &params->gpu;
    return true;
}

const char *fm_model_name(const struct fathom_engine_params *params) {
    return params->model ? params->model : "the model in memory";
}

struct fm_tensors *fm_model_open(
    const struct fathom_engine_params *params, const char *function, struct fathom_error *err) {
    if (!params->model && !params->model_data)
        fm_fail(err, FATHOM_INVALID, "%s: params.model is NULL, and so is params.model_data", function);
    else if (!params->model_data && params->model_size)
        fm_fail(err, FATHOM_INVALID, "%s: params.model_data is NULL, but params.model_size is %llu", function,
            (unsigned long long)params->model_size);
    else if (params->model_data && (!params->model_size || params->model_size > SIZE_MAX / 2))
        fm_fail(err, FATHOM_INVALID,
            "%s: params.model_size is %llu: set it to the bytes at params.model_data", function,
            (unsigned long long)params->model_size);
    else
        return params->model_data
            ? fm_gguf_from_memory(fm_model_name(params), params->model_data, params->model_size, err)
            : fm_tensors_open(params->model, err);
    return NULL;
}
