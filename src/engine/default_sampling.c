// The sampling that a model's file asks for.
#include "base/log.h"
#include "engine/engine.h"

struct fathom_sampling fm_model_sampling(const struct fm_tensors *tensors, const struct fathom_log *log) {
    enum { TEMPERATURE, TOP_K, TOP_P, MIN_P, PENALTY, N };
    // The keys of converters to GGUF. A top_k of -1 or 0 is none. The other bounds are those of
    // fathom_session_generate().
    static const struct {
        const char *key;
        float least, most;
    } rows[N] = {
        [TEMPERATURE] = {"general.sampling.temp", 0, 1000},
        [TOP_K] = {"general.sampling.top_k", -1, 1 << 24},
        [TOP_P] = {"general.sampling.top_p", 0, 1},
        [MIN_P] = {"general.sampling.min_p", 0, 1},
        [PENALTY] = {"general.sampling.penalty_repeat", 0, 1000},
    };
    float values[N] = {[TEMPERATURE] = 1}; // what a file that has other keys leaves out
    bool any = false;
    for (int i = 0; i < N; i++) {
        struct fathom_error wrong = {0};
        float value;
        if (!fm_meta_f32(tensors, rows[i].key, &value, &wrong)) {
            if (wrong.status != FATHOM_OK) fm_log(log, FATHOM_LOG_WARNING, "%s; left out", wrong.message);
        } else if (value >= rows[i].least && value <= rows[i].most) {
            values[i] = value;
            any = true;
        } else {
            fm_log(log, FATHOM_LOG_WARNING, "%s: key %s is %g, expected %g to %g; left out",
                fm_tensors_path(tensors), rows[i].key, value, rows[i].least, rows[i].most);
        }
    }
    if (!any) return FATHOM_INIT(fathom_sampling, .temperature = 0.6f, .top_p = 0.95f);
    return FATHOM_INIT(fathom_sampling, .temperature = values[TEMPERATURE],
        .top_k = values[TOP_K] > 0 ? (uint32_t)values[TOP_K] : 0, .top_p = values[TOP_P],
        .min_p = values[MIN_P], .repeat_penalty = values[PENALTY]);
}
