// Makes the keys of the sampling that generation_config.json asks for.
#include "file/hub/hub_parts.h"
#include <float.h>
#include <math.h>

struct generation {
    struct fm_hub *hub;
    const cJSON *json;
};

static bool bad(const struct generation *g, const char *key, const char *what) {
    g->hub->failed = true;
    return fm_fail(
        g->hub->err, FATHOM_INVALID, "%s: %s %s", fm_hub_path(g->hub, "generation_config.json"), key, what);
}

// *value stays where the file does not say; *says becomes true where it does.
static bool number(const struct generation *g, const char *key, double *value, bool *says) {
    const cJSON *item = fm_hub_item(g->json, key);
    if (!item) return true;
    if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) <= FLT_MAX))
        return bad(g, key, "is not a finite number");
    *value = item->valuedouble;
    return *says = true;
}

static bool copy_f32(const struct generation *g, const char *from, const char *to, bool *any) {
    bool says = false;
    double value = 0;
    if (!number(g, from, &value, &says)) return false;
    if (says) fm_hub_set_f32(g->hub, to, value);
    *any |= says;
    return true;
}

static bool copy_top_k(const struct generation *g, bool *any) {
    bool says = false;
    double value = 0;
    if (!number(g, "top_k", &value, &says)) return false;
    if (value != floor(value) || value < -1 || value > INT32_MAX)
        return bad(g, "top_k", "is not a whole number from -1 to 2147483647");
    if (says)
        fm_hub_set(g->hub, "general.sampling.top_k",
            (struct fm_meta_value){.type = FM_META_I32, .i = (int64_t)value});
    *any |= says;
    return true;
}

// A file that says anything of sampling has a temperature: transformers takes 1 where none is given.
// "do_sample": false is a temperature of 0, which GGUF has no other key for.
static bool set_temperature(const struct generation *g, bool any) {
    const cJSON *sample = fm_hub_item(g->json, "do_sample");
    double value = 1;
    if (!number(g, "temperature", &value, &any)) return false;
    if (sample && !cJSON_IsBool(sample)) return bad(g, "do_sample", "is not true or false");
    if (cJSON_IsFalse(sample)) value = 0;
    if (any || sample) fm_hub_set_f32(g->hub, "general.sampling.temp", value);
    return true;
}

bool fm_hub_sampling(struct fm_hub *hub) {
    cJSON *json;
    if (!fm_hub_json(hub, "generation_config.json", &json)) return false;
    const struct generation g = {hub, json};
    bool any = false;
    const bool ok = copy_top_k(&g, &any) && copy_f32(&g, "top_p", "general.sampling.top_p", &any) &&
        copy_f32(&g, "min_p", "general.sampling.min_p", &any) &&
        copy_f32(&g, "repetition_penalty", "general.sampling.penalty_repeat", &any) &&
        set_temperature(&g, any);
    cJSON_Delete(json);
    return ok && !hub->failed;
}
