#include "file/hub/hub_parts.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void fm_hub_bad(struct fm_hub *hub, const char *key, const char *what) {
    if (!hub->failed) hub->failed = !fm_fail(hub->err, FATHOM_INVALID, "%s: key %s %s", hub->path, key, what);
}

void fm_hub_unsupported(struct fm_hub *hub, const char *key, const char *value, const char *supported) {
    if (!hub->failed)
        hub->failed = !fm_fail(hub->err, FATHOM_UNSUPPORTED,
            "%s: %s \"%.64s\" is not supported; supported: %s", hub->path, key, value, supported);
}

const cJSON *fm_hub_item(const cJSON *object, const char *key) {
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(found) ? NULL : found;
}

// The one value of an array of equal numbers, such as a width for each layer; other values as they are
static const cJSON *one_of(const cJSON *value) {
    const cJSON *element;
    if (!cJSON_IsArray(value) || !value->child) return value;
    cJSON_ArrayForEach(element, value) if (!cJSON_IsNumber(element) ||
        element->valuedouble != value->child->valuedouble) return value;
    return value->child;
}

uint32_t fm_hub_whole(struct fm_hub *hub, const cJSON *object, const char *key, uint32_t missing) {
    const cJSON *found = one_of(fm_hub_item(object, key));
    uint64_t value = missing;
    if (!found && missing == UINT32_MAX) fm_hub_bad(hub, key, "is missing");
    if (found && (!fm_json_whole(found, &value) || value >= UINT32_MAX))
        fm_hub_bad(hub, key, "is not a whole number of 32 bits");
    return hub->failed ? 0 : (uint32_t)value;
}

double fm_hub_number(struct fm_hub *hub, const cJSON *object, const char *key, double missing) {
    const cJSON *found = one_of(fm_hub_item(object, key));
    if (!found && isnan(missing)) fm_hub_bad(hub, key, "is missing");
    if (!found) return missing;
    if (!cJSON_IsNumber(found) || !(fabs(found->valuedouble) <= FLT_MAX)) {
        fm_hub_bad(hub, key, "is not a finite number");
        return 1;
    }
    return found->valuedouble;
}

static bool truth(struct fm_hub *hub, const char *key, bool missing) {
    const cJSON *found = fm_hub_item(hub->config, key);
    if (found && !cJSON_IsBool(found)) fm_hub_bad(hub, key, "is not true or false");
    return found ? cJSON_IsTrue(found) : missing;
}

const char *fm_hub_text(struct fm_hub *hub, const cJSON *object, const char *key, const char *missing) {
    const cJSON *found = fm_hub_item(object, key);
    if (found && !cJSON_IsString(found)) fm_hub_bad(hub, key, "is not a string");
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
    const char *type = fm_hub_text(hub, hub->config, "model_type", NULL);
    char names[256] = "";
    size_t n = 0;
    for (size_t i = 0; i < sizeof(archs) / sizeof(*archs); i++) {
        if (type && !strcmp(type, archs[i].model_type)) return hub->arch = &archs[i], true;
        if (n < sizeof(names))
            n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "", archs[i].model_type);
    }
    if (type)
        fm_hub_unsupported(hub, "model_type", type, names);
    else
        fm_hub_bad(hub, "model_type", "is missing");
    return false;
}

// Refuses what the architecture would compute otherwise. Biases are not among it: the tensors tell
// (fm_hub_check_used), and Qwen2 has some whatever attention_bias says.
static void check_supported(struct fm_hub *hub) {
    const char *activation = fm_hub_text(hub, hub->config, "hidden_act", "silu");
    if (strcmp(activation, "silu") != 0) fm_hub_unsupported(hub, "hidden_act", activation, "silu");
    if (truth(hub, "rope_interleave", true) == false)
        fm_hub_unsupported(hub, "rope_interleave", "false", "true");
    if (fm_hub_whole(hub, hub->config, "moe_layer_freq", 1) != 1)
        fm_hub_unsupported(hub, "moe_layer_freq", "other than 1", "1");
}

// What every architecture has
static void set_common(struct fm_hub *hub) {
    const cJSON *c = hub->config;
    hub->n_layers = fm_hub_whole(hub, c, "num_hidden_layers", UINT32_MAX);
    hub->n_heads = fm_hub_whole(hub, c, "num_attention_heads", UINT32_MAX);
    hub->n_vocab = fm_hub_whole(hub, c, "vocab_size", UINT32_MAX);
    if (!hub->failed && (hub->n_layers < 1 || hub->n_layers > 1024))
        fm_hub_bad(hub, "num_hidden_layers", "is not within 1 to 1024");
    if (!hub->failed && (hub->n_vocab < 1 || hub->n_vocab > 1u << 24))
        fm_hub_bad(hub, "vocab_size", "is not within 1 to 16777216");
    // small enough that no sum or product of two overflows
    if (!hub->failed && (hub->n_heads < 1 || hub->n_heads > 65535))
        fm_hub_bad(hub, "num_attention_heads", "is not within 1 to 65535");
    fm_hub_set_u32(hub, ".context_length", fm_hub_whole(hub, c, "max_position_embeddings", UINT32_MAX));
    hub->n_hidden = fm_hub_whole(hub, c, "hidden_size", UINT32_MAX);
    fm_hub_set_u32(hub, ".embedding_length", hub->n_hidden);
    const uint32_t n_inter = fm_hub_whole(
        hub, c, "intermediate_size", hub->arch->windowed ? 0 : UINT32_MAX); // V4 has no dense layers
    if (n_inter) fm_hub_set_u32(hub, ".feed_forward_length", n_inter);
    fm_hub_set_u32(hub, ".vocab_size", hub->n_vocab);
    fm_hub_set_u32(hub, ".attention.head_count", hub->n_heads);
    fm_hub_set_f32(hub, ".attention.layer_norm_rms_epsilon", fm_hub_number(hub, c, "rms_norm_eps", 1e-6));
}

// Dense layers with grouped-query attention
static void set_grouped(struct fm_hub *hub) {
    const cJSON *c = hub->config;
    hub->n_kv = fm_hub_whole(hub, c, "num_key_value_heads", hub->n_heads);
    hub->n_rope = fm_hub_whole(hub, c, "head_dim", hub->n_heads ? hub->n_hidden / hub->n_heads : 0);
    if (!hub->failed && (hub->n_kv < 1 || hub->n_heads % hub->n_kv))
        fm_hub_bad(hub, "num_key_value_heads", "does not divide num_attention_heads");
    if (!hub->failed && (hub->n_rope < 4 || hub->n_rope > 16383 || hub->n_rope % 2))
        fm_hub_bad(hub, "head_dim", "is not an even number within 4 to 16382");
    if (truth(hub, "use_sliding_window", false))
        fm_hub_unsupported(hub, "use_sliding_window", "true", "false");
    fm_hub_set_u32(hub, ".attention.head_count_kv", hub->n_kv);
    fm_hub_set_u32(hub, ".attention.key_length", hub->n_rope);
    fm_hub_set_u32(hub, ".attention.value_length", hub->n_rope);
}

// Leading layers without experts: newer folders name the kind of every layer.
static uint32_t dense_layers(struct fm_hub *hub) {
    const cJSON *kinds = fm_hub_item(hub->config, "mlp_layer_types"), *kind;
    if (!kinds) return fm_hub_whole(hub, hub->config, "first_k_dense_replace", hub->arch->n_dense);
    uint32_t n = 0, i = 0;
    cJSON_ArrayForEach(kind, kinds) {
        const char *name = cJSON_GetStringValue(kind);
        if (!name || (strcmp(name, "dense") && strcmp(name, "sparse")))
            return fm_hub_bad(hub, "mlp_layer_types", "has an element other than dense and sparse"), 0;
        if (!strcmp(name, "dense") && n++ != i)
            return fm_hub_bad(hub, "mlp_layer_types", "has dense after sparse"), 0;
        i++;
    }
    return n;
}

static void set_latent_shape(struct fm_hub *hub) {
    const cJSON *c = hub->config;
    hub->n_draft = fm_hub_whole(hub, c, "num_nextn_predict_layers", 0);
    hub->n_dense = dense_layers(hub);
    hub->n_nope = fm_hub_whole(hub, c, "qk_nope_head_dim", UINT32_MAX);
    hub->n_rope = fm_hub_whole(hub, c, "qk_rope_head_dim", UINT32_MAX);
    hub->n_value = fm_hub_whole(hub, c, "v_head_dim", UINT32_MAX);
    hub->kv_rank = fm_hub_whole(hub, c, "kv_lora_rank", UINT32_MAX);
    if (hub->n_draft > 64) fm_hub_bad(hub, "num_nextn_predict_layers", "is more than 64");
    if (!hub->failed && (hub->kv_rank < 1 || hub->kv_rank > 65535))
        fm_hub_bad(hub, "kv_lora_rank", "is not within 1 to 65535");
    if (!hub->failed && (hub->n_nope < 1 || hub->n_nope > 16383))
        fm_hub_bad(hub, "qk_nope_head_dim", "is not within 1 to 16383");
    if (!hub->failed && (hub->n_rope < 1 || hub->n_rope > 16383))
        fm_hub_bad(hub, "qk_rope_head_dim", "is not within 1 to 16383");
    if (!hub->failed && (hub->n_value < 1 || hub->n_value > 16383))
        fm_hub_bad(hub, "v_head_dim", "is not within 1 to 16383");
    fm_hub_set_u32(hub, ".leading_dense_block_count", hub->n_dense);
}

// The attention of all heads over one shared latent, which is how GGUF sees it: one key-value head.
static void set_latent_attention(struct fm_hub *hub) {
    set_latent_shape(hub);
    fm_hub_set_u32(hub, ".attention.head_count_kv", 1);
    const uint32_t q_rank = fm_hub_whole(hub, hub->config, "q_lora_rank", 0);
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
    fm_hub_set_u32(hub, ".attention.indexer.head_count", fm_hub_whole(hub, c, "index_n_heads", UINT32_MAX));
    fm_hub_set_u32(hub, ".attention.indexer.key_length", fm_hub_whole(hub, c, "index_head_dim", UINT32_MAX));
    fm_hub_set_u32(hub, ".attention.indexer.top_k", fm_hub_whole(hub, c, "index_topk", UINT32_MAX));
}

// How many positions a compressed row of each layer stands for: older folders say so, newer ones name the
// kind of the layer.
static void set_ratios(struct fm_hub *hub) {
    const cJSON *c = hub->config, *ratios = fm_hub_item(c, "compress_ratios"),
                *kinds = fm_hub_item(c, "layer_types"), *rates = fm_hub_item(c, "compress_rates");
    const uint32_t few =
        fm_hub_whole(hub, rates, "compressed_sparse_attention", fm_hub_whole(hub, c, "compress_rate_csa", 4));
    const uint32_t many = fm_hub_whole(
        hub, rates, "heavily_compressed_attention", fm_hub_whole(hub, c, "compress_rate_hca", 128));
    uint32_t *list = hub->failed ? NULL : fm_arena_alloc(&hub->tensors->arena, hub->n_layers, sizeof(*list));
    if (!list) {
        if (!hub->failed) hub->failed = !fm_no_memory(hub->tensors, hub->err);
        return;
    }
    if (few != 4) fm_hub_unsupported(hub, "compress_rates.compressed_sparse_attention", "other than 4", "4");
    for (uint32_t i = 0; i < hub->n_layers && !hub->failed; i++) {
        const cJSON *ratio = cJSON_GetArrayItem(ratios, (int)i), *kind = cJSON_GetArrayItem(kinds, (int)i);
        const char *name = cJSON_GetStringValue(kind);
        uint64_t value = 0;
        if (ratios ? !fm_json_whole(ratio, &value) || value > 4096 : !name)
            return fm_hub_bad(
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
            fm_hub_unsupported(hub, "layer_types", name,
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
    const cJSON *kinds = fm_hub_item(hub->config, "mlp_layer_types"), *kind;
    uint32_t n = 0, i = 0;
    cJSON_ArrayForEach(kind, kinds) {
        const char *name = cJSON_GetStringValue(kind);
        if (!name || (strcmp(name, "hash_moe") && strcmp(name, "moe")))
            return fm_hub_bad(hub, "mlp_layer_types", "has an element other than hash_moe and moe");
        if (!strcmp(name, "hash_moe") && n++ != i)
            return fm_hub_bad(hub, "mlp_layer_types", "has hash_moe after moe");
        i++;
    }
    hub->n_hash = kinds ? n : fm_hub_whole(hub, hub->config, "num_hash_layers", 3);
    fm_hub_set_u32(hub, ".hash_layer_count", hub->n_hash);
}

// 0: none
static float swiglu_limit(struct fm_hub *hub) {
    const cJSON *limit = fm_hub_item(hub->config, "swiglu_limit");
    if (cJSON_IsNumber(limit) && limit->valuedouble > FLT_MAX) return 0; // Infinity
    return (float)fm_hub_number(hub, hub->config, "swiglu_limit", 10);
}

// DeepSeek-V4: attention to a sliding window and to compressed rows, hyper-connections
static void set_sliding_window_attention(struct fm_hub *hub) {
    const cJSON *c = hub->config;
    const uint32_t head_dim = fm_hub_whole(hub, c, "head_dim", UINT32_MAX);
    const double partial = fm_hub_number(hub, c, "partial_rotary_factor", 0);
    hub->n_rope = fm_hub_whole(hub, c, "qk_rope_head_dim",
        partial > 0 && partial <= 1 ? (uint32_t)(partial * head_dim + 0.5) : UINT32_MAX);
    if (!hub->failed && (head_dim > 65535 || hub->n_rope < 1 || hub->n_rope > head_dim))
        fm_hub_bad(hub, "qk_rope_head_dim", "is not within 1 to head_dim");
    fm_hub_set_u32(hub, ".attention.head_count_kv", 1);
    fm_hub_set_u32(hub, ".attention.key_length", head_dim);
    fm_hub_set_u32(hub, ".attention.value_length", head_dim);
    fm_hub_set_u32(hub, ".attention.q_lora_rank", fm_hub_whole(hub, c, "q_lora_rank", UINT32_MAX));
    fm_hub_set_u32(hub, ".attention.sliding_window", fm_hub_whole(hub, c, "sliding_window", 128));
    fm_hub_set_u32(hub, ".attention.output_group_count", fm_hub_whole(hub, c, "o_groups", UINT32_MAX));
    fm_hub_set_u32(hub, ".attention.output_lora_rank", fm_hub_whole(hub, c, "o_lora_rank", UINT32_MAX));
    fm_hub_set_u32(hub, ".hyper_connection.count", fm_hub_whole(hub, c, "hc_mult", 4));
    fm_hub_set_u32(
        hub, ".hyper_connection.sinkhorn_iterations", fm_hub_whole(hub, c, "hc_sinkhorn_iters", 20));
    fm_hub_set_f32(hub, ".hyper_connection.epsilon", fm_hub_number(hub, c, "hc_eps", 1e-6));
    float *limits = hub->failed ? NULL : fm_arena_alloc(&hub->tensors->arena, hub->n_layers, sizeof(*limits));
    if (!limits && !hub->failed) hub->failed = !fm_no_memory(hub->tensors, hub->err);
    for (uint32_t i = 0; limits && i < hub->n_layers; i++) limits[i] = swiglu_limit(hub);
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
    const char *method = fm_hub_text(hub, hub->config, "topk_method", sigmoid ? "noaux_tc" : "greedy");
    const uint32_t n_groups = fm_hub_whole(hub, hub->config, "n_group", 1),
                   n_used = fm_hub_whole(hub, hub->config, "topk_group", 1);
    if (!strcmp(method, "greedy") || n_groups <= 1) return;
    if (strcmp(method, sigmoid ? "noaux_tc" : "group_limited_greedy") != 0)
        fm_hub_unsupported(hub,
            sigmoid ? "topk_method of a sigmoid gate with groups"
                    : "topk_method of a softmax gate with groups",
            method, sigmoid ? "noaux_tc" : "group_limited_greedy");
    fm_hub_set_u32(hub, ".expert_group_count", n_groups);
    fm_hub_set_u32(hub, ".expert_group_used_count", n_used);
}

static void set_experts(struct fm_hub *hub) {
    const cJSON *c = hub->config;
    hub->n_experts = fm_hub_whole(hub, c, "n_routed_experts", 0);
    if (hub->n_experts > 65535) fm_hub_bad(hub, "n_routed_experts", "is more than 65535");
    if (!hub->n_experts && hub->arch->windowed) fm_hub_bad(hub, "n_routed_experts", "is missing or 0");
    if (!hub->n_experts) return;
    const char *scoring = fm_hub_text(hub, c, "scoring_func", hub->arch->score);
    const bool sigmoid = !strcmp(scoring, "sigmoid"), softplus = !strcmp(scoring, "sqrtsoftplus");
    if (!sigmoid && !softplus && strcmp(scoring, "softmax") != 0)
        fm_hub_unsupported(hub, "scoring_func", scoring, "softmax, sigmoid, sqrtsoftplus");
    fm_hub_set_u32(hub, ".expert_count", hub->n_experts);
    fm_hub_set_u32(hub, ".expert_used_count", fm_hub_whole(hub, c, "num_experts_per_tok", UINT32_MAX));
    fm_hub_set_u32(hub, ".expert_shared_count", fm_hub_whole(hub, c, "n_shared_experts", 0));
    hub->n_expert_inter = fm_hub_whole(hub, c, "moe_intermediate_size", UINT32_MAX);
    fm_hub_set_u32(hub, ".expert_feed_forward_length", hub->n_expert_inter);
    fm_hub_set_f32(hub, ".expert_weights_scale", fm_hub_number(hub, c, "routed_scaling_factor", 1));
    if (truth(hub, "norm_topk_prob", sigmoid || softplus)) fm_hub_set_bool(hub, ".expert_weights_norm", true);
    fm_hub_set_u32(hub, ".expert_gating_func", softplus ? 4 : sigmoid ? 2 : 1);
    if (!hub->arch->windowed) set_groups(hub, sigmoid);
}

bool fm_hub_keys(struct fm_hub *hub) {
    if (!cJSON_IsObject(hub->config))
        return fm_fail(hub->err, FATHOM_INVALID, "%s: is not a JSON object", hub->path);
    if (!find_arch(hub) || !fm_hub_check_method(hub)) return false;
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
    fm_hub_rope(hub);
    return !hub->failed;
}
