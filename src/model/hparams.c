#include "model/arch/arch.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

// Reads keys of one architecture; the first error sticks.
struct reader {
    const struct fm_tensors *tensors;
    const char *arch;
    struct fathom_error *err;
    bool failed;
};

static const char *key_name(const struct reader *r, const char *suffix, char buffer[128]) {
    snprintf(buffer, 128, "%s.%s", r->arch, suffix);
    return buffer;
}

static void bad(struct reader *r, const char *key, const char *what) {
    fm_fail(r->err, FATHOM_INVALID, "%s: key %s %s", fm_tensors_path(r->tensors), key, what);
    r->failed = true;
}

// A whole number within [low, high]; `missing` is its value without the key, or UINT32_MAX where the key must be there.
static uint32_t read_u32(struct reader *r, const char *suffix, uint32_t low, uint32_t high, uint32_t missing) {
    char key[128];
    key_name(r, suffix, key);
    if (r->failed) return low;
    uint32_t value = missing;
    struct fathom_error wrong = {0};
    if (!fm_meta_u32(r->tensors, key, &value, &wrong)) {
        if (wrong.status != FATHOM_OK) return bad(r, key, "is not a whole number of 32 bits"), low;
        if (missing == UINT32_MAX) return bad(r, key, "is missing"), low;
        return missing;
    }
    if (value < low || value > high) {
        fm_fail(r->err, FATHOM_INVALID, "%s: key %s is %u, expected %u to %u", fm_tensors_path(r->tensors), key, value, low, high);
        r->failed = true;
        return low;
    }
    return value;
}

static float read_f32(struct reader *r, const char *suffix, float low, float high, float missing) {
    char key[128];
    key_name(r, suffix, key);
    if (r->failed) return low;
    float value = missing;
    struct fathom_error wrong = {0};
    if (!fm_meta_f32(r->tensors, key, &value, &wrong)) {
        if (wrong.status != FATHOM_OK) return bad(r, key, "is not a number"), low;
        if (isnan(missing)) return bad(r, key, "is missing"), low;
        return missing;
    }
    if (!(value >= low && value <= high)) {
        fm_fail(r->err, FATHOM_INVALID, "%s: key %s is %g, expected %g to %g", fm_tensors_path(r->tensors), key, value, low, high);
        r->failed = true;
        return low;
    }
    return value;
}

static bool read_bool(struct reader *r, const char *suffix, bool missing) {
    char key[128];
    key_name(r, suffix, key);
    bool value = missing;
    struct fathom_error wrong = {0};
    if (!r->failed && !fm_meta_bool(r->tensors, key, &value, &wrong) && wrong.status != FATHOM_OK) bad(r, key, "is not true or false");
    return value;
}

static void read_latent_attention(struct reader *r, struct fm_hparams *hp) {
    hp->n_heads = read_u32(r, "attention.head_count", 1, 1024, UINT32_MAX);
    hp->q_rank = read_u32(r, "attention.q_lora_rank", 0, 65536, 0);
    hp->kv_rank = read_u32(r, "attention.kv_lora_rank", 4, 512, UINT32_MAX);
    hp->n_rope = read_u32(r, "rope.dimension_count", 4, 128, UINT32_MAX);
    // Older files, whose heads have keys of their own, give the lengths of a head; newer ones there those of the latent.
    const bool older = hp->n_heads > 1 && read_u32(r, "attention.head_count_kv", 1, 1024, 1) == hp->n_heads;
    const uint32_t key_length = read_u32(r, older ? "attention.key_length" : "attention.key_length_mla", 8, 512, UINT32_MAX);
    hp->n_value = read_u32(r, older ? "attention.value_length" : "attention.value_length_mla", 4, 512, UINT32_MAX);
    hp->norm_eps = read_f32(r, "attention.layer_norm_rms_epsilon", 0, 1, NAN);
    if (r->failed) return;
    if (key_length <= hp->n_rope) return bad(r, "attention.key_length_mla", "is not larger than rope.dimension_count");
    hp->n_nope = key_length - hp->n_rope;
    if (hp->q_rank % 4 || hp->kv_rank % 4 || hp->n_rope % 4 || hp->n_nope % 4 || hp->n_value % 4)
        bad(r, "attention.*", "gives a head or latent width that is not a multiple of 4");
}

// The lightning indexer of DeepSeek-V3.2 and of V4's layers of ratio 4
static void read_indexer(struct reader *r, struct fm_hparams *hp) {
    hp->n_index_heads = read_u32(r, "attention.indexer.head_count", 1, 1024, UINT32_MAX);
    hp->n_index = read_u32(r, "attention.indexer.key_length", 4, 512, UINT32_MAX);
    hp->index_top_k = read_u32(r, "attention.indexer.top_k", 1, 1u << 20, UINT32_MAX);
    if (r->failed) return;
    if (hp->n_index % 4 || hp->n_index < hp->n_rope) return bad(r, "attention.indexer.key_length",
        "is not a multiple of 4 that is at least rope.dimension_count");
    if (!hp->q_rank) return bad(r, "attention.q_lora_rank", "is missing, which the indexer's queries are made of");
}

// Element i of an array, or the one number that holds for all.
static float read_layer_f32(struct reader *r, const char *suffix, uint32_t i, float low, float high, float missing) {
    char key[128];
    float value;
    key_name(r, suffix, key);
    if (fm_meta_array_length(r->tensors, key) <= i) return read_f32(r, suffix, low, high, missing);
    if (!fm_meta_array_f32(r->tensors, key, i, &value)) return bad(r, key, "is not an array of numbers"), low;
    if (!(value >= low && value <= high)) return bad(r, key, "has an element that is out of range"), low;
    return value;
}

static void read_ratios(struct reader *r, struct fm_hparams *hp) {
    char key[128];
    key_name(r, "attention.compress_ratios", key);
    for (uint32_t i = 0; !r->failed && i < hp->n_layers; i++) {
        int32_t ratio;
        if (!fm_meta_array_i32(r->tensors, key, i, &ratio)) return bad(r, key, "is not an array of whole numbers, one a layer");
        if (ratio < 0 || ratio == 1 || ratio > 4096) return bad(r, key, "has an element that is not 0 or within 2 to 4096");
        hp->ratios[i] = (uint16_t)ratio;
        hp->n_indexed += ratio == FM_INDEXED_RATIO;
    }
}

// DeepSeek-V4: latents of which a window is seen, and summaries of what lies before; streams in place of one residual
static void read_window_attention(struct reader *r, struct fm_hparams *hp) {
    hp->n_heads = read_u32(r, "attention.head_count", 1, 1024, UINT32_MAX);
    hp->q_rank = read_u32(r, "attention.q_lora_rank", 4, 65536, UINT32_MAX);
    hp->kv_rank = hp->n_value = read_u32(r, "attention.key_length", 8, 512, UINT32_MAX);
    hp->n_rope = read_u32(r, "rope.dimension_count", 4, FM_MAX_ROPE, UINT32_MAX);
    hp->norm_eps = read_f32(r, "attention.layer_norm_rms_epsilon", 0, 1, NAN);
    hp->window = read_u32(r, "attention.sliding_window", 1, 1u << 20, UINT32_MAX);
    hp->n_out_groups = read_u32(r, "attention.output_group_count", 1, 1024, UINT32_MAX);
    hp->out_rank = read_u32(r, "attention.output_lora_rank", 4, 65536, UINT32_MAX);
    hp->summary_rope_base = read_f32(r, "attention.compress_rope_freq_base", 1.5f, 1e9f, NAN);
    hp->n_mix_iterations = read_u32(r, "hyper_connection.sinkhorn_iterations", 1, 1000, UINT32_MAX);
    hp->mix_eps = read_f32(r, "hyper_connection.epsilon", 0, 1, NAN);
    hp->n_hash_layers = read_u32(r, "hash_layer_count", 0, UINT32_MAX - 1, 0);
    hp->swiglu_limit = read_layer_f32(r, "swiglu_clamp_exp", 0, 0, 1e30f, 0);
    for (uint32_t i = 0; !r->failed && i < hp->n_layers; i++)
        if (read_layer_f32(r, "swiglu_clamp_exp", i, 0, 1e30f, 0) != hp->swiglu_limit || read_layer_f32(r, "swiglu_clamp_shexp", i, 0, 1e30f,
            hp->swiglu_limit) != hp->swiglu_limit)
            bad(r, "swiglu_clamp_exp", "differs between layers or from swiglu_clamp_shexp, which is not supported");
    read_u32(r, "hyper_connection.count", FATHOM_STREAMS, FATHOM_STREAMS, UINT32_MAX);
    read_ratios(r, hp);
    if (r->failed) return;
    hp->n_draft_layers = 0; // of another form, which is not supported: they are left out
    if (hp->n_rope >= hp->kv_rank) return bad(r, "rope.dimension_count", "is not smaller than attention.key_length");
    hp->n_nope = hp->kv_rank - hp->n_rope;
    if (hp->n_heads % hp->n_out_groups) return bad(r, "attention.output_group_count", "does not divide attention.head_count");
    if (hp->q_rank % 4 || hp->kv_rank % 4 || hp->n_rope % 4 || hp->out_rank % 4) return bad(r, "attention.*",
        "gives a head or latent width that is not a multiple of 4");
    if (hp->n_indexed) read_indexer(r, hp);
    if (hp->n_hash_layers > hp->n_layers) hp->n_hash_layers = hp->n_layers;
}

static void read_grouped_attention(struct reader *r, struct fm_hparams *hp) {
    hp->n_heads = read_u32(r, "attention.head_count", 1, 1024, UINT32_MAX);
    hp->n_kv = read_u32(r, "attention.head_count_kv", 1, 1024, hp->n_heads);
    hp->n_value = read_u32(r, "attention.key_length", 4, FM_MAX_ROPE, hp->n_hidden / hp->n_heads);
    hp->n_rope = hp->n_value;
    hp->rope_halves = strcmp(r->arch, "llama") != 0; // llama.cpp's converter pairs the rows of Llama's queries and keys
    hp->norm_eps = read_f32(r, "attention.layer_norm_rms_epsilon", 0, 1, NAN);
    hp->n_dense_layers = hp->n_layers;
    hp->n_dense_inter = read_u32(r, "feed_forward_length", 4, 1u << 20, UINT32_MAX);
    const uint32_t n_value = read_u32(r, "attention.value_length", 1, UINT32_MAX, hp->n_value), n_turned = read_u32(r, "rope.dimension_count", 1,
        UINT32_MAX, hp->n_value);
    const uint32_t n_experts = read_u32(r, "expert_count", 0, UINT32_MAX, 0);
    if (r->failed) return;
    if (hp->n_heads % hp->n_kv) return bad(r, "attention.head_count_kv", "does not divide attention.head_count");
    if (n_value != hp->n_value) return bad(r, "attention.value_length", "is not attention.key_length");
    if (n_turned != hp->n_value) return bad(r, "rope.dimension_count", "is not attention.key_length");
    if (hp->n_value < 4 || hp->n_value > FM_MAX_ROPE || hp->n_value % 4) return bad(r, "attention.key_length", "is not a multiple of 4 within 4 to 256");
    if (n_experts) return bad(r, "expert_count", "is not 0: of this architecture, only dense models are supported");
}

// Llama 3's divisors of the frequencies, where the file has them
static void read_rope_divisors(struct reader *r, struct fm_hparams *hp) {
    for (uint32_t i = 0; i < FM_MAX_ROPE / 2; i++) hp->rope_divisors[i] = 1;
    const struct fm_tensor *t = hp->n_kv ? fm_tensors_find(r->tensors, "rope_freqs.weight") : NULL;
    if (!t || r->failed) return;
    if (t->type != FATHOM_F32 || t->n_dims != 1 || t->dims[0] != hp->n_rope / 2) {
        r->failed = !fm_fail(r->err, FATHOM_INVALID, "%s: tensor rope_freqs.weight is not F32 of %u elements", fm_tensors_path(r->tensors), hp->n_rope / 2);
        return;
    }
    if (!fm_tensor_read(r->tensors, t, 0, t->size, hp->rope_divisors, r->err)) r->failed = true;
    for (uint32_t i = 0; !r->failed && i < hp->n_rope / 2; i++)
        if (!(hp->rope_divisors[i] >= 1e-6f && hp->rope_divisors[i] <= 1e6f))
            r->failed = !fm_fail(r->err, FATHOM_INVALID, "%s: tensor rope_freqs.weight has the element %g", fm_tensors_path(r->tensors),
                hp->rope_divisors[i]);
}

static void read_experts(struct reader *r, struct fm_hparams *hp) {
    hp->n_dense_layers = read_u32(r, "leading_dense_block_count", 0, hp->n_layers, 0);
    hp->n_dense_inter = read_u32(r, "feed_forward_length", hp->n_dense_layers ? 4 : 0, 1u << 20, hp->n_dense_layers ? UINT32_MAX : 0);
    hp->n_experts = read_u32(r, "expert_count", 0, 512, 0);
    if (hp->n_experts == 0) {
        if (!r->failed && hp->n_dense_layers != hp->n_layers) bad(r, "expert_count", "is missing, but not all layers are dense");
        return;
    }
    hp->n_experts_used = read_u32(r, "expert_used_count", 1, hp->n_experts < 16 ? hp->n_experts : 16, UINT32_MAX);
    hp->n_experts_shared = read_u32(r, "expert_shared_count", 0, 64, 0);
    hp->n_expert_inter = read_u32(r, "expert_feed_forward_length", 4, 1u << 16, UINT32_MAX);
    hp->n_groups = read_u32(r, "expert_group_count", 0, 32, 1);
    hp->n_groups_used = read_u32(r, "expert_group_used_count", 0, 32, 1);
    if (hp->n_groups <= 1) hp->n_groups = hp->n_groups_used = 1;
    hp->gate_normalise = read_bool(r, "expert_weights_norm", false);
    hp->gate_scale = read_f32(r, "expert_weights_scale", -1000, 1000, 1);
    if (hp->gate_scale == 0) hp->gate_scale = 1; // some converters write 0 for "none"
    hp->gate_score = (enum fathom_gate_score)read_u32(r, "expert_gating_func", FATHOM_GATE_SOFTMAX, FATHOM_GATE_SQRT_SOFTPLUS, FATHOM_GATE_SOFTMAX);
    if (!r->failed && hp->gate_score == 3) bad(r, "expert_gating_func", "is 3, expected 1, 2 or 4");
    // No key says how a group is judged: V2 takes its best expert, V3 (the sigmoid gate) the sum of its two best.
    hp->group_score = hp->gate_score == FATHOM_GATE_SIGMOID ? FATHOM_GROUP_TOP2 : FATHOM_GROUP_MAX;
    if (r->failed) return;
    if (hp->n_experts % hp->n_groups) return bad(r, "expert_group_count", "does not divide expert_count");
    if (hp->n_groups_used < 1 || hp->n_groups_used > hp->n_groups) return bad(r, "expert_group_used_count", "is out of range");
    if (hp->n_experts / hp->n_groups * hp->n_groups_used < hp->n_experts_used)
        return bad(r, "expert_used_count", "is more than the experts of the groups in use");
}

static void read_rope(struct reader *r, struct fm_hparams *hp) {
    char key[128];
    hp->rope_base = read_f32(r, "rope.freq_base", 1.5f, 1e9f, 10000);
    hp->yarn_factor = hp->rope_magnitude = 1;
    const char *type = "none";
    size_t length;
    struct fathom_error wrong = {0};
    if (!fm_meta_string(r->tensors, key_name(r, "rope.scaling.type", key), &type, &length, &wrong) && wrong.status != FATHOM_OK)
        return bad(r, key, "is not a string");
    float correction = 1;
    if (!strcmp(type, "yarn")) {
        hp->yarn_factor = read_f32(r, "rope.scaling.factor", 1, 1e6f, NAN);
        hp->yarn_original_context = read_u32(r, "rope.scaling.original_context_length", 1, 1u << 30, UINT32_MAX);
        hp->yarn_beta_fast = read_f32(r, "rope.scaling.yarn_beta_fast", 1e-3f, 1e6f, 32);
        hp->yarn_beta_slow = read_f32(r, "rope.scaling.yarn_beta_slow", 1e-3f, 1e6f, 1);
        hp->rope_magnitude = read_f32(r, "rope.scaling.attn_factor", 1e-3f, 1e3f, 1);
        if (hp->n_kv) hp->rope_magnitude *= 1 + 0.1f * logf(hp->yarn_factor); // of latent attention, the converter has put it into the keys
        // the key holds 0.1 * mscale_all_dim
        correction = 1 + read_f32(r, "rope.scaling.yarn_log_multiplier", 0, 100, 0) * logf(hp->yarn_factor);
    } else if (hp->n_kv && !strcmp(type, "linear")) {
        const float factor = read_f32(r, "rope.scaling.factor", 1, 1e6f, NAN);
        for (uint32_t i = 0; i < hp->n_rope / 2; i++) hp->rope_divisors[i] *= factor;
    } else if (strcmp(type, "none") != 0) {
        fm_fail(r->err, FATHOM_UNSUPPORTED, "%s: rope scaling \"%s\" is not one of none, %syarn", fm_tensors_path(r->tensors), type,
            hp->n_kv ? "linear, " : "");
        r->failed = true;
    }
    if (hp->window) hp->n_rope_tables = 2;
    if (hp->window) correction = hp->rope_magnitude = 1; // DeepSeek-V4 stretches, but does not scale
    hp->softmax_scale = correction * correction / sqrtf((float)(hp->n_nope + hp->n_rope));
}

static bool refuse_arch(const struct fm_tensors *tensors, const char *name, struct fathom_error *err) {
    char names[256] = "";
    for (size_t i = 0, n = 0; i < fm_n_archs && n < sizeof(names); i++)
        n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "", fm_archs[i]->name);
    return fm_fail(err, FATHOM_UNSUPPORTED, "%s: architecture \"%s\" is not supported; supported: %s", fm_tensors_path(tensors), name, names);
}

bool fm_hparams_read(const struct fm_tensors *tensors, struct fm_hparams *hp, struct fathom_error *err) {
    *hp = (struct fm_hparams){.n_groups = 1, .n_groups_used = 1, .gate_scale = 1, .n_rope_tables = 1};
    const char *arch;
    size_t length;
    struct fathom_error wrong = {0};
    if (!fm_meta_string(tensors, "general.architecture", &arch, &length, &wrong))
        return fm_fail(err, FATHOM_INVALID, "%s: key general.architecture is missing or not a string", fm_tensors_path(tensors));
    const bool grouped = !strcmp(arch, "llama") || !strcmp(arch, "qwen2") || !strcmp(arch, "qwen3");
    const bool sparse = !strcmp(arch, "deepseek32"), windowed = !strcmp(arch, "deepseek4");
    if (!(hp->arch = fm_arch_find(arch))) return refuse_arch(tensors, arch, err);
    struct reader r = {.tensors = tensors, .arch = arch, .err = err};
    const uint32_t n_blocks = read_u32(&r, "block_count", 1, 1024, UINT32_MAX);
    hp->n_draft_layers = read_u32(&r, "nextn_predict_layers", 0, n_blocks - 1, 0);
    hp->n_layers = n_blocks - hp->n_draft_layers;
    hp->n_hidden = read_u32(&r, "embedding_length", 4, 1u << 17, UINT32_MAX);
    if (!r.failed && hp->n_hidden % 4) bad(&r, "embedding_length", "is not a multiple of 4");
    hp->n_context_trained = read_u32(&r, "context_length", 1, 1u << 30, UINT32_MAX);
    if (grouped) {
        read_grouped_attention(&r, hp);
    } else {
        (windowed ? read_window_attention : read_latent_attention)(&r, hp);
        if (sparse) read_indexer(&r, hp);
        read_experts(&r, hp);
    }
    read_rope_divisors(&r, hp);
    read_rope(&r, hp);
    const struct fm_tensor *embedding = fm_tensors_find(tensors, "token_embd.weight");
    if (r.failed) return false;
    if (!embedding) return fm_fail(err, FATHOM_INVALID, "%s: tensor token_embd.weight is missing", fm_tensors_path(tensors));
    if (embedding->n_dims != 2 || embedding->dims[1] < 1 || embedding->dims[1] > 1u << 24)
        return fm_fail(err, FATHOM_INVALID, "%s: tensor token_embd.weight does not have a row for each token", fm_tensors_path(tensors));
    hp->n_vocab = read_u32(&r, "vocab_size", 1, 1u << 24, (uint32_t)embedding->dims[1]);
    if (!r.failed && hp->n_vocab != embedding->dims[1])
        return fm_fail(err, FATHOM_INVALID, "%s: token_embd.weight has %llu rows, but the vocabulary has %u tokens", fm_tensors_path(tensors),
            (unsigned long long)embedding->dims[1], hp->n_vocab);
    return !r.failed;
}

// The pair index at which a rotation makes `turns` full turns over the original context.
static double yarn_pair(const struct fm_hparams *hp, double base, double turns) {
    return hp->n_rope * log(hp->yarn_original_context / (turns * 2 * M_PI)) / (2 * log(base));
}

static double frequency(const struct fm_hparams *hp, uint32_t table, uint32_t pair) {
    const double base = table ? hp->summary_rope_base : hp->rope_base;
    const double plain = pow(base, -2.0 * pair / hp->n_rope) / hp->rope_divisors[pair];
    if (hp->yarn_factor == 1 || table + 1 < hp->n_rope_tables) return plain;
    const double low = fmax(floor(yarn_pair(hp, base, hp->yarn_beta_fast)), 0);
    double high = fmin(ceil(yarn_pair(hp, base, hp->yarn_beta_slow)), hp->n_rope - 1.0);
    if (high == low) high += 0.001;
    const double ramp = fmin(fmax((pair - low) / (high - low), 0), 1); // 0: keep the frequency, 1: stretch it
    return plain / hp->yarn_factor * ramp + plain * (1 - ramp);
}

void fm_rope_table(const struct fm_hparams *hp, uint32_t i, uint32_t n_positions, float *table) {
    for (uint32_t pair = 0; pair < hp->n_rope / 2; pair++) {
        const double f = frequency(hp, i, pair);
        for (uint32_t position = 0; position < n_positions; position++) {
            float *entry = table + ((size_t)position * (hp->n_rope / 2) + pair) * 2;
            entry[0] = (float)(cos(position * f) * hp->rope_magnitude);
            entry[1] = (float)(sin(position * f) * hp->rope_magnitude);
        }
    }
}
