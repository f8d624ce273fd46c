// The keys of rotary positions: rope_scaling of older folders, rope_parameters of newer ones.
#include "file/hub/hub_parts.h"
#include <math.h>
#include <string.h>

// 0.1 * mscale * ln(factor) + 1, the correction of YaRN.
static double magnitude(double mscale, double factor) {
    return factor > 1 ? 0.1 * mscale * log(factor) + 1 : 1;
}

// Llama 3 stretches long wavelengths by a factor, short ones not at all, those between in part; GGUF holds
// what the frequencies are divided by.
static void set_llama3_rope(struct fm_hub *hub, const cJSON *rope, double base) {
    const double factor = fm_hub_number(hub, rope, "factor", NAN),
                 low = fm_hub_number(hub, rope, "low_freq_factor", 1),
                 high = fm_hub_number(hub, rope, "high_freq_factor", 4);
    const double context = fm_hub_whole(hub, rope, "original_max_position_embeddings", UINT32_MAX);
    if (!hub->failed && !(factor >= 1 && low > 0 && high > low))
        fm_hub_bad(hub, "rope_scaling", "has factors that are not in order");
    float *divisors =
        hub->failed ? NULL : fm_arena_alloc(&hub->tensors->arena, hub->n_rope / 2, sizeof(*divisors));
    if (!divisors) {
        if (!hub->failed) hub->failed = !fm_no_memory(hub->tensors, hub->err);
        return;
    }
    for (uint32_t i = 0; i < hub->n_rope / 2; i++) {
        const double turns =
            context * pow(base, -2.0 * i / hub->n_rope) / (2 * M_PI); // over the original context
        const double kept = fmin(fmax((turns - low) / (high - low), 0), 1);
        divisors[i] = (float)(1 / ((1 - kept) / factor + kept));
    }
    hub->rope_divisors = divisors;
}

// The context that a model was trained with before it was stretched: in rope_scaling, beside it, or the
// context itself, as transformers looks for it.
static uint32_t original_context(struct fm_hub *hub, const cJSON *rope) {
    static const char key[] = "original_max_position_embeddings";
    const uint32_t context = fm_hub_whole(hub, hub->config, "max_position_embeddings", UINT32_MAX);
    return fm_hub_whole(hub, rope, key, fm_hub_whole(hub, hub->config, key, context));
}

// The factor on cosines and sines beside what GGUF's readers make of the other keys: 0.1 ln(factor) + 1 for
// dense models, 1 for latent attention. attention_factor is the whole of it; attn_factor, which vLLM reads,
// multiplies.
static double attention_factor(struct fm_hub *hub, const cJSON *rope, double factor) {
    const double whole = fm_hub_number(hub, rope, "attention_factor", 0),
                 times = fm_hub_number(hub, rope, "attn_factor", 1),
                 mscale = fm_hub_number(hub, rope, "mscale", hub->n_kv ? 0 : 1),
                 mscale_all = fm_hub_number(hub, rope, "mscale_all_dim", 0);
    const double implied = hub->n_kv ? magnitude(1, factor) : 1;
    if (whole) return whole / implied;
    if (!hub->n_kv || (mscale && mscale_all))
        return magnitude(mscale, factor) / magnitude(mscale_all, factor) / implied * times;
    return times;
}

static void set_yarn(struct fm_hub *hub, const cJSON *rope) {
    const uint32_t original = original_context(hub, rope);
    // without a factor, by how much the context has grown; both must then be there
    const bool known = original && fm_hub_item(rope, "original_max_position_embeddings");
    const double stretched = fm_hub_whole(hub, hub->config, "max_position_embeddings", UINT32_MAX),
                 factor = fm_hub_number(hub, rope, "factor", known ? stretched / original : NAN);
    const cJSON *truncate = fm_hub_item(rope, "truncate");
    if (truncate && !cJSON_IsTrue(truncate)) fm_hub_unsupported(hub, "truncate of YaRN", "false", "true");
    if (fm_hub_number(hub, rope, "extrapolation_factor", 1) != 1)
        fm_hub_unsupported(hub, "extrapolation_factor of YaRN", "other than 1", "1");
    fm_hub_set_string(hub, ".rope.scaling.type", "yarn");
    fm_hub_set_f32(hub, ".rope.scaling.factor", factor);
    fm_hub_set_u32(hub, ".rope.scaling.original_context_length", original);
    fm_hub_set_f32(hub, ".rope.scaling.yarn_beta_fast", fm_hub_number(hub, rope, "beta_fast", 32));
    fm_hub_set_f32(hub, ".rope.scaling.yarn_beta_slow", fm_hub_number(hub, rope, "beta_slow", 1));
    if (!hub->n_kv)
        fm_hub_set_f32(
            hub, ".rope.scaling.yarn_log_multiplier", 0.1 * fm_hub_number(hub, rope, "mscale_all_dim", 0));
    const double attention = attention_factor(hub, rope, factor);
    if (attention != 1) fm_hub_set_f32(hub, ".rope.scaling.attn_factor", attention);
}

static void set_linear(struct fm_hub *hub, const cJSON *rope) {
    fm_hub_set_string(hub, ".rope.scaling.type", "linear");
    fm_hub_set_f32(hub, ".rope.scaling.factor", fm_hub_number(hub, rope, "factor", NAN));
    const double mscale_all = hub->n_kv ? 0 : fm_hub_number(hub, rope, "mscale_all_dim", 0);
    if (mscale_all) fm_hub_set_f32(hub, ".rope.scaling.yarn_log_multiplier", 0.1 * mscale_all);
}

// A factor without a type is refused: some readers take it for linear, others ignore it.
static const char *type_of(struct fm_hub *hub, const cJSON *rope) {
    if (fm_hub_item(rope, "factor") && !fm_hub_item(rope, "rope_type") && !fm_hub_item(rope, "type"))
        fm_hub_bad(hub, "rope_type", "is missing beside factor; for linear scaling, \"linear\" is wanted");
    return fm_hub_text(hub, rope, "rope_type", fm_hub_text(hub, rope, "type", "default"));
}

// Newer folders hold all of it in rope_parameters, older ones have rope_scaling (or null) beside rope_theta.
// Where a person has added rope_scaling to a newer folder, it counts, as for transformers.
void fm_hub_rope(struct fm_hub *hub) {
    const cJSON *newer = fm_hub_item(hub->config, "rope_parameters"),
                *older = fm_hub_item(hub->config, "rope_scaling"), *part;
    const cJSON *main = fm_hub_item(newer, "main"),
                *compressed = fm_hub_item(
                    newer, "compress"); // DeepSeek-V4's, of layers without and with compressed rows
    if (newer && !cJSON_IsObject(newer)) return fm_hub_bad(hub, "rope_parameters", "is not an object");
    if (older && !cJSON_IsObject(older)) return fm_hub_bad(hub, "rope_scaling", "is not an object");
    cJSON_ArrayForEach(part,
        newer) if (cJSON_IsObject(part) && part != main && part != compressed) return fm_hub_unsupported(hub,
        "rope_parameters of a kind of layers", part->string, "one for all layers");
    const bool added = older && strcmp(type_of(hub, older), "default") != 0;
    const cJSON *rope = compressed ? compressed : newer && !added ? newer : older;
    const double older_base = fm_hub_number(hub, hub->config, "rope_theta", 10000),
                 base =
                     newer ? fm_hub_number(hub, main ? main : newer, "rope_theta", older_base) : older_base;
    fm_hub_set_u32(hub, ".rope.dimension_count", hub->n_rope);
    fm_hub_set_f32(hub, ".rope.freq_base", base);
    if (hub->arch->windowed)
        fm_hub_set_f32(hub, ".attention.compress_rope_freq_base",
            fm_hub_number(hub, compressed, "rope_theta",
                fm_hub_number(hub, hub->config, "compress_rope_theta", 160000)));
    const char *type = type_of(hub, rope);
    if (!strcmp(type, "default")) return;
    if (!strcmp(type, "yarn")) return set_yarn(hub, rope);
    if (!hub->arch->windowed && !strcmp(type, "linear")) return set_linear(hub, rope);
    if (hub->n_kv && !strcmp(type, "llama3")) return set_llama3_rope(hub, rope, base);
    fm_hub_unsupported(hub, "rope scaling", type,
        hub->arch->windowed ? "yarn, default"
            : hub->n_kv     ? "linear, llama3, yarn, default"
                            : "linear, yarn, default");
}
