#include "file/hub/hub_parts.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void bad(struct fm_hub *hub, const char *key, const char *what) {
    if (!hub->failed) hub->failed = !fm_fail(hub->err, FATHOM_INVALID, "%s: key %s %s", hub->path, key, what);
}

static void unsupported(struct fm_hub *hub, const char *key, const char *value, const char *supported) {
    if (!hub->failed)
        hub->failed = !fm_fail(hub->err, FATHOM_UNSUPPORTED,
            "%s: %s \"%.64s\" is not supported; supported: %s", hub->path, key, value, supported);
}

// NULL where the key is missing or null.
static const cJSON *item(const cJSON *object, const char *key) {
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(found) ? NULL : found;
}

// `missing` is the value without the key; UINT32_MAX: it must be there.
static uint32_t whole(struct fm_hub *hub, const cJSON *object, const char *key, uint32_t missing) {
    const cJSON *found = item(object, key);
    uint64_t value = missing;
    if (!found && missing == UINT32_MAX) bad(hub, key, "is missing");
    if (found && (!fm_json_whole(found, &value) || value >= UINT32_MAX))
        bad(hub, key, "is not a whole number of 32 bits");
    return hub->failed ? 0 : (uint32_t)value;
}

// A NAN for `missing`: it must be there.
static double number(struct fm_hub *hub, const cJSON *object, const char *key, double missing) {
    const cJSON *found = item(object, key);
    if (!found && isnan(missing)) bad(hub, key, "is missing");
    if (!found) return missing;
    if (!cJSON_IsNumber(found) || !(fabs(found->valuedouble) <= FLT_MAX)) {
        bad(hub, key, "is not a number");
        return 1;
    }
    return found->valuedouble;
}

static bool truth(struct fm_hub *hub, const char *key, bool missing) {
    const cJSON *found = item(hub->config, key);
    if (found && !cJSON_IsBool(found)) bad(hub, key, "is not true or false");
    return found ? cJSON_IsTrue(found) : missing;
}

static const char *text(struct fm_hub *hub, const cJSON *object, const char *key, const char *missing) {
    const cJSON *found = item(object, key);
    if (found && !cJSON_IsString(found)) bad(hub, key, "is not a string");
    return cJSON_IsString(found) ? found->valuestring : missing;
}

static void set_general(struct fm_hub *hub) {
    const size_t length = strlen(hub->dir);
    size_t end = length, start;
    while (end > 1 && hub->dir[end - 1] == '/') end--;
    for (start = end; start && hub->dir[start - 1] != '/';) start--;
    fm_hub_set_string(hub, "general.architecture", hub->arch->name);
    fm_hub_set_string(hub, "general.type", "model");
    const char *name = fm_arena_string(&hub->tensors->arena, hub->dir + start, end - start);
    if (!name)
        hub->failed = !fm_no_memory(hub->tensors, hub->err);
    else
        fm_hub_set_string(hub, "general.name", name);
}

// A row of src/model/arch belongs to each arch of these.
static const struct fm_hub_arch archs[] = {
    {"deepseek_v2", "deepseek2", .score = "softmax"},
    {"deepseek_v3", "deepseek2", .score = "sigmoid"},
    {"deepseek_v32", "deepseek32", .score = "sigmoid", .indexed = true},
    {"deepseek_v4", "deepseek4", .score = "sqrtsoftplus", .indexed = true, .windowed = true},
    {"glm4_moe_lite", "deepseek2", .score = "sigmoid", .n_dense = 1}, // GLM-4.7-Flash
    {"llama", "llama", .grouped = true, .paired = true},
    {"qwen2", "qwen2", .grouped = true},
    {"qwen3", "qwen3", .grouped = true},
};

static bool find_arch(struct fm_hub *hub) {
    const char *type = text(hub, hub->config, "model_type", NULL);
    char names[256] = "";
    size_t n = 0;
    for (size_t i = 0; i < sizeof(archs) / sizeof(*archs); i++) {
        if (type && !strcmp(type, archs[i].model_type)) return hub->arch = &archs[i], true;
        if (n < sizeof(names))
            n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "", archs[i].model_type);
    }
    if (type)
        unsupported(hub, "model_type", type, names);
    else
        bad(hub, "model_type", "is missing");
    return false;
}

// Refuses what the architecture would compute otherwise.
static void check_supported(struct fm_hub *hub) {
    const char *activation = text(hub, hub->config, "hidden_act", "silu");
    if (strcmp(activation, "silu") != 0) unsupported(hub, "hidden_act", activation, "silu");
    if (truth(hub, "attention_bias", false)) unsupported(hub, "attention_bias", "true", "false");
    if (truth(hub, "rope_interleave", true) == false) unsupported(hub, "rope_interleave", "false", "true");
    if (whole(hub, hub->config, "moe_layer_freq", 1) != 1)
        unsupported(hub, "moe_layer_freq", "other than 1", "1");
}

// What every architecture has
static void set_common(struct fm_hub *hub) {
    const cJSON *c = hub->config;
    hub->n_layers = whole(hub, c, "num_hidden_layers", UINT32_MAX);
    hub->n_heads = whole(hub, c, "num_attention_heads", UINT32_MAX);
    hub->n_vocab = whole(hub, c, "vocab_size", UINT32_MAX);
    if (!hub->failed && (hub->n_layers < 1 || hub->n_layers > 1024))
        bad(hub, "num_hidden_layers", "is not within 1 to 1024");
    if (!hub->failed && (hub->n_vocab < 1 || hub->n_vocab > 1u << 24))
        bad(hub, "vocab_size", "is not within 1 to 16777216");
    // small enough that no sum or product of two overflows
    if (!hub->failed && (hub->n_heads < 1 || hub->n_heads > 65535))
        bad(hub, "num_attention_heads", "is not within 1 to 65535");
    fm_hub_set_u32(hub, ".context_length", whole(hub, c, "max_position_embeddings", UINT32_MAX));
    fm_hub_set_u32(hub, ".embedding_length", whole(hub, c, "hidden_size", UINT32_MAX));
    const uint32_t n_inter =
        whole(hub, c, "intermediate_size", hub->arch->windowed ? 0 : UINT32_MAX); // V4 has no dense layers
    if (n_inter) fm_hub_set_u32(hub, ".feed_forward_length", n_inter);
    fm_hub_set_u32(hub, ".vocab_size", hub->n_vocab);
    fm_hub_set_u32(hub, ".attention.head_count", hub->n_heads);
    fm_hub_set_f32(hub, ".attention.layer_norm_rms_epsilon", number(hub, c, "rms_norm_eps", 1e-6));
}

// Dense layers with grouped-query attention
static void set_grouped(struct fm_hub *hub) {
    const cJSON *c = hub->config;
    const uint32_t n_hidden = whole(hub, c, "hidden_size", UINT32_MAX);
    hub->n_kv = whole(hub, c, "num_key_value_heads", hub->n_heads);
    hub->n_rope = whole(hub, c, "head_dim", hub->n_heads ? n_hidden / hub->n_heads : 0);
    if (!hub->failed && (hub->n_kv < 1 || hub->n_heads % hub->n_kv))
        bad(hub, "num_key_value_heads", "does not divide num_attention_heads");
    if (!hub->failed && (hub->n_rope < 4 || hub->n_rope > 16383 || hub->n_rope % 2))
        bad(hub, "head_dim", "is not an even number within 4 to 16382");
    if (truth(hub, "mlp_bias", false)) unsupported(hub, "mlp_bias", "true", "false");
    if (truth(hub, "use_sliding_window", false)) unsupported(hub, "use_sliding_window", "true", "false");
    fm_hub_set_u32(hub, ".attention.head_count_kv", hub->n_kv);
    fm_hub_set_u32(hub, ".attention.key_length", hub->n_rope);
    fm_hub_set_u32(hub, ".attention.value_length", hub->n_rope);
}

// Leading layers without experts: newer folders name the kind of every layer.
static uint32_t dense_layers(struct fm_hub *hub) {
    const cJSON *kinds = item(hub->config, "mlp_layer_types"), *kind;
    if (!kinds) return whole(hub, hub->config, "first_k_dense_replace", hub->arch->n_dense);
    uint32_t n = 0, i = 0;
    cJSON_ArrayForEach(kind, kinds) {
        const char *name = cJSON_GetStringValue(kind);
        if (!name || (strcmp(name, "dense") && strcmp(name, "sparse")))
            return bad(hub, "mlp_layer_types", "has an element other than dense and sparse"), 0;
        if (!strcmp(name, "dense") && n++ != i)
            return bad(hub, "mlp_layer_types", "has dense after sparse"), 0;
        i++;
    }
    return n;
}

static void set_latent_shape(struct fm_hub *hub) {
    const cJSON *c = hub->config;
    hub->n_draft = whole(hub, c, "num_nextn_predict_layers", 0);
    hub->n_dense = dense_layers(hub);
    hub->n_nope = whole(hub, c, "qk_nope_head_dim", UINT32_MAX);
    hub->n_rope = whole(hub, c, "qk_rope_head_dim", UINT32_MAX);
    hub->n_value = whole(hub, c, "v_head_dim", UINT32_MAX);
    hub->kv_rank = whole(hub, c, "kv_lora_rank", UINT32_MAX);
    if (hub->n_draft > 64) bad(hub, "num_nextn_predict_layers", "is more than 64");
    if (!hub->failed && (hub->kv_rank < 1 || hub->kv_rank > 65535))
        bad(hub, "kv_lora_rank", "is not within 1 to 65535");
    if (!hub->failed && (hub->n_nope < 1 || hub->n_nope > 16383))
        bad(hub, "qk_nope_head_dim", "is not within 1 to 16383");
    if (!hub->failed && (hub->n_rope < 1 || hub->n_rope > 16383))
        bad(hub, "qk_rope_head_dim", "is not within 1 to 16383");
    if (!hub->failed && (hub->n_value < 1 || hub->n_value > 16383))
        bad(hub, "v_head_dim", "is not within 1 to 16383");
    fm_hub_set_u32(hub, ".leading_dense_block_count", hub->n_dense);
}

// The attention of all heads over one shared latent, which is how GGUF sees it: one key-value head.
static void set_latent_attention(struct fm_hub *hub) {
    set_latent_shape(hub);
    fm_hub_set_u32(hub, ".attention.head_count_kv", 1);
    const uint32_t q_rank = whole(hub, hub->config, "q_lora_rank", 0);
    if (q_rank) fm_hub_set_u32(hub, ".attention.q_lora_rank", q_rank);
    fm_hub_set_u32(hub, ".attention.kv_lora_rank", hub->kv_rank);
    fm_hub_set_u32(hub, ".attention.key_length", hub->kv_rank + hub->n_rope);
    fm_hub_set_u32(hub, ".attention.value_length", hub->kv_rank);
    fm_hub_set_u32(hub, ".attention.key_length_mla", hub->n_nope + hub->n_rope);
    fm_hub_set_u32(hub, ".attention.value_length_mla", hub->n_value);
}

// The lightning indexer of DeepSeek-V3.2 and V4
static void set_indexer(struct fm_hub *hub) {
    const cJSON *c = hub->config;
    if (!hub->arch->indexed) return;
    fm_hub_set_u32(hub, ".attention.indexer.head_count", whole(hub, c, "index_n_heads", UINT32_MAX));
    fm_hub_set_u32(hub, ".attention.indexer.key_length", whole(hub, c, "index_head_dim", UINT32_MAX));
    fm_hub_set_u32(hub, ".attention.indexer.top_k", whole(hub, c, "index_topk", UINT32_MAX));
}

// How many positions a compressed row of each layer stands for: older folders say so, newer ones name the
// kind of the layer.
static void set_ratios(struct fm_hub *hub) {
    const cJSON *c = hub->config, *ratios = item(c, "compress_ratios"), *kinds = item(c, "layer_types"),
                *rates = item(c, "compress_rates");
    const uint32_t few =
        whole(hub, rates, "compressed_sparse_attention", whole(hub, c, "compress_rate_csa", 4));
    const uint32_t many =
        whole(hub, rates, "heavily_compressed_attention", whole(hub, c, "compress_rate_hca", 128));
    uint32_t *list = hub->failed ? NULL : fm_arena_alloc(&hub->tensors->arena, hub->n_layers, sizeof(*list));
    if (!list) {
        if (!hub->failed) hub->failed = !fm_no_memory(hub->tensors, hub->err);
        return;
    }
    if (few != 4) unsupported(hub, "compress_rates.compressed_sparse_attention", "other than 4", "4");
    for (uint32_t i = 0; i < hub->n_layers && !hub->failed; i++) {
        const cJSON *ratio = cJSON_GetArrayItem(ratios, (int)i), *kind = cJSON_GetArrayItem(kinds, (int)i);
        const char *name = cJSON_GetStringValue(kind);
        uint64_t value = 0;
        if (ratios ? !fm_json_whole(ratio, &value) || value > 4096 : !name)
            return bad(
                hub, ratios ? "compress_ratios" : "layer_types", "is not an array with an element a layer");
        if (ratios)
            list[i] = (uint32_t)value;
        else if (!strcmp(name, "sliding_attention"))
            list[i] = 0;
        else if (!strcmp(name, "compressed_sparse_attention"))
            list[i] = few;
        else if (!strcmp(name, "heavily_compressed_attention"))
            list[i] = many;
        else
            unsupported(hub, "layer_types", name,
                "sliding_attention, compressed_sparse_attention, heavily_compressed_attention");
    }
    fm_hub_set(hub, ".attention.compress_ratios",
        (struct fm_meta_value){
            .type = FM_META_ARRAY,
            .element = FM_META_U32,
            .count = hub->n_layers,
            .items = list,
        });
}

static void set_hash_layers(struct fm_hub *hub) {
    const cJSON *kinds = item(hub->config, "mlp_layer_types"), *kind;
    uint32_t n = 0, i = 0;
    cJSON_ArrayForEach(kind, kinds) {
        const char *name = cJSON_GetStringValue(kind);
        if (!name || (strcmp(name, "hash_moe") && strcmp(name, "moe")))
            return bad(hub, "mlp_layer_types", "has an element other than hash_moe and moe");
        if (!strcmp(name, "hash_moe") && n++ != i)
            return bad(hub, "mlp_layer_types", "has hash_moe after moe");
        i++;
    }
    hub->n_hash = kinds ? n : whole(hub, hub->config, "num_hash_layers", 3);
    fm_hub_set_u32(hub, ".hash_layer_count", hub->n_hash);
}

// DeepSeek-V4: attention to a sliding window and to compressed rows, hyper-connections
static void set_sliding_window_attention(struct fm_hub *hub) {
    const cJSON *c = hub->config;
    const uint32_t head_dim = whole(hub, c, "head_dim", UINT32_MAX);
    const double partial = number(hub, c, "partial_rotary_factor", 0);
    hub->n_rope = whole(hub, c, "qk_rope_head_dim",
        partial > 0 && partial <= 1 ? (uint32_t)(partial * head_dim + 0.5) : UINT32_MAX);
    if (!hub->failed && (head_dim > 65535 || hub->n_rope < 1 || hub->n_rope > head_dim))
        bad(hub, "qk_rope_head_dim", "is not within 1 to head_dim");
    fm_hub_set_u32(hub, ".attention.head_count_kv", 1);
    fm_hub_set_u32(hub, ".attention.key_length", head_dim);
    fm_hub_set_u32(hub, ".attention.value_length", head_dim);
    fm_hub_set_u32(hub, ".attention.q_lora_rank", whole(hub, c, "q_lora_rank", UINT32_MAX));
    fm_hub_set_u32(hub, ".attention.sliding_window", whole(hub, c, "sliding_window", 128));
    fm_hub_set_u32(hub, ".attention.output_group_count", whole(hub, c, "o_groups", UINT32_MAX));
    fm_hub_set_u32(hub, ".attention.output_lora_rank", whole(hub, c, "o_lora_rank", UINT32_MAX));
    fm_hub_set_u32(hub, ".hyper_connection.count", whole(hub, c, "hc_mult", 4));
    fm_hub_set_u32(hub, ".hyper_connection.sinkhorn_iterations", whole(hub, c, "hc_sinkhorn_iters", 20));
    fm_hub_set_f32(hub, ".hyper_connection.epsilon", number(hub, c, "hc_eps", 1e-6));
    float *limits = hub->failed ? NULL : fm_arena_alloc(&hub->tensors->arena, hub->n_layers, sizeof(*limits));
    if (!limits && !hub->failed) hub->failed = !fm_no_memory(hub->tensors, hub->err);
    for (uint32_t i = 0; limits && i < hub->n_layers; i++)
        limits[i] = (float)number(hub, c, "swiglu_limit", 10);
    const struct fm_meta_value all = {
        .type = FM_META_ARRAY,
        .element = FM_META_F32,
        .count = hub->n_layers,
        .items = limits,
    };
    fm_hub_set(hub, ".swiglu_clamp_exp", all);
    fm_hub_set(hub, ".swiglu_clamp_shexp", all);
    set_ratios(hub);
    set_hash_layers(hub);
}

static void set_groups(struct fm_hub *hub, bool sigmoid) {
    const char *method = text(hub, hub->config, "topk_method", sigmoid ? "noaux_tc" : "greedy");
    const uint32_t n_groups = whole(hub, hub->config, "n_group", 1),
                   n_used = whole(hub, hub->config, "topk_group", 1);
    if (!strcmp(method, "greedy") || n_groups <= 1) return;
    if (strcmp(method, sigmoid ? "noaux_tc" : "group_limited_greedy") != 0)
        unsupported(hub,
            sigmoid ? "topk_method of a sigmoid gate with groups"
                    : "topk_method of a softmax gate with groups",
            method, sigmoid ? "noaux_tc" : "group_limited_greedy");
    fm_hub_set_u32(hub, ".expert_group_count", n_groups);
    fm_hub_set_u32(hub, ".expert_group_used_count", n_used);
}

static void set_experts(struct fm_hub *hub) {
    const cJSON *c = hub->config;
    hub->n_experts = whole(hub, c, "n_routed_experts", 0);
    if (hub->n_experts > 65535) bad(hub, "n_routed_experts", "is more than 65535");
    if (!hub->n_experts) return;
    const char *scoring = text(hub, c, "scoring_func", hub->arch->score);
    const bool sigmoid = !strcmp(scoring, "sigmoid"), softplus = !strcmp(scoring, "sqrtsoftplus");
    if (!sigmoid && !softplus && strcmp(scoring, "softmax") != 0)
        unsupported(hub, "scoring_func", scoring, "softmax, sigmoid, sqrtsoftplus");
    fm_hub_set_u32(hub, ".expert_count", hub->n_experts);
    fm_hub_set_u32(hub, ".expert_used_count", whole(hub, c, "num_experts_per_tok", UINT32_MAX));
    fm_hub_set_u32(hub, ".expert_shared_count", whole(hub, c, "n_shared_experts", 0));
    fm_hub_set_u32(hub, ".expert_feed_forward_length", whole(hub, c, "moe_intermediate_size", UINT32_MAX));
    fm_hub_set_f32(hub, ".expert_weights_scale", number(hub, c, "routed_scaling_factor", 1));
    if (truth(hub, "norm_topk_prob", sigmoid || softplus)) fm_hub_set_bool(hub, ".expert_weights_norm", true);
    fm_hub_set_u32(hub, ".expert_gating_func", softplus ? 4 : sigmoid ? 2 : 1);
    if (!hub->arch->windowed) set_groups(hub, sigmoid);
}

// 0.1 * mscale * ln(factor) + 1, the correction of YaRN.
static double magnitude(double mscale, double factor) {
    return factor > 1 ? 0.1 * mscale * log(factor) + 1 : 1;
}

// Llama 3 stretches long wavelengths by a factor, short ones not at all, those between in part; GGUF holds
// what the frequencies are divided by.
static void set_llama3_rope(struct fm_hub *hub, const cJSON *rope, double base) {
    const double factor = number(hub, rope, "factor", NAN), low = number(hub, rope, "low_freq_factor", 1),
                 high = number(hub, rope, "high_freq_factor", 4);
    const double context = whole(hub, rope, "original_max_position_embeddings", UINT32_MAX);
    if (!hub->failed && !(factor >= 1 && low > 0 && high > low))
        bad(hub, "rope_scaling", "has factors that are not in order");
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

static void set_rope(struct fm_hub *hub) {
    // newer folders hold all of it in rope_parameters, older ones have rope_scaling (or null) beside
    // rope_theta
    const cJSON *newer = item(hub->config, "rope_parameters"), *older = item(hub->config, "rope_scaling");
    const cJSON *main = item(newer, "main"),
                *compressed =
                    item(newer, "compress"); // DeepSeek-V4's, of layers without and with compressed rows
    const cJSON *rope = compressed ? compressed : newer ? newer : older;
    if (rope && !cJSON_IsObject(rope))
        bad(hub, newer ? "rope_parameters" : "rope_scaling", "is not an object");
    const double older_base = number(hub, hub->config, "rope_theta", 10000),
                 base = newer ? number(hub, main ? main : newer, "rope_theta", older_base) : older_base;
    fm_hub_set_u32(hub, ".rope.dimension_count", hub->n_rope);
    fm_hub_set_f32(hub, ".rope.freq_base", base);
    if (hub->arch->windowed)
        fm_hub_set_f32(hub, ".attention.compress_rope_freq_base",
            number(hub, compressed, "rope_theta", number(hub, hub->config, "compress_rope_theta", 160000)));
    const char *type = text(hub, rope, "rope_type", text(hub, rope, "type", "default"));
    if (!strcmp(type, "default")) return;
    if (hub->n_kv && !strcmp(type, "llama3")) return set_llama3_rope(hub, rope, base);
    if (strcmp(type, "yarn") != 0)
        return unsupported(hub, "rope scaling", type, hub->n_kv ? "llama3, yarn, default" : "yarn, default");
    const double factor = number(hub, rope, "factor", NAN);
    const double mscale = number(hub, rope, "mscale", 1), mscale_all = number(hub, rope, "mscale_all_dim", 0);
    fm_hub_set_string(hub, ".rope.scaling.type", "yarn");
    fm_hub_set_f32(hub, ".rope.scaling.factor", factor);
    fm_hub_set_u32(hub, ".rope.scaling.original_context_length",
        whole(hub, rope, "original_max_position_embeddings", UINT32_MAX));
    fm_hub_set_f32(hub, ".rope.scaling.yarn_beta_fast", number(hub, rope, "beta_fast", 32));
    fm_hub_set_f32(hub, ".rope.scaling.yarn_beta_slow", number(hub, rope, "beta_slow", 1));
    if (hub->n_kv) return;
    fm_hub_set_f32(hub, ".rope.scaling.yarn_log_multiplier", 0.1 * mscale_all);
    const double ratio = magnitude(mscale, factor) / magnitude(mscale_all, factor);
    if (ratio != 1) fm_hub_set_f32(hub, ".rope.scaling.attn_factor", ratio);
}

bool fm_hub_keys(struct fm_hub *hub) {
    if (!cJSON_IsObject(hub->config))
        return fm_fail(hub->err, FATHOM_INVALID, "%s: is not a JSON object", hub->path);
    if (!find_arch(hub)) return false;
    set_general(hub);
    check_supported(hub);
    set_common(hub);
    if (hub->arch->grouped) {
        set_grouped(hub);
    } else {
        (hub->arch->windowed ? set_sliding_window_attention : set_latent_attention)(hub);
        set_indexer(hub);
        set_experts(hub);
    }
    set_rope(hub);
    return !hub->failed;
}
