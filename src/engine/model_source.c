// What an engine's model comes from: a path, or a program's memory.
#include "engine/engine.h"
#include "file/gguf/gguf.h"

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
