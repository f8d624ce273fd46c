#include "model/arch/arch.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

// The lightning indexer of DeepSeek-V3.2, and of DeepSeek-V4's layers of ratio 4.
void fm_read_indexer(struct fm_keys *k, struct fm_hparams *hp) {
    hp->n_index_heads = fm_key_u32(k, "attention.indexer.head_count", 1, 1024, UINT32_MAX);
    hp->n_index = fm_key_u32(k, "attention.indexer.key_length", 4, 512, UINT32_MAX);
    hp->index_top_k = fm_key_u32(k, "attention.indexer.top_k", 1, 1u << 20, UINT32_MAX);
    if (k->failed) return;
    if (hp->n_index % 4 || hp->n_index < hp->n_rope)
        return fm_key_bad(k, "attention.indexer.key_length",
            "is not a multiple of 4 that is at least rope.dimension_count");
    if (!hp->q_rank)
        return fm_key_bad(k, "attention.q_lora_rank", "is missing, which the indexer's queries are made of");
}

// Reads the gate's score. Files without the key are files of DeepSeek-V2, whose gate is a softmax, or the
// first files of GLM-4.7-Flash, whose gate is a sigmoid. Only the sigmoid gate of these has a bias for the
// choice of experts. llama.cpp writes 0 where it does not know the score.
static void read_score(struct fm_keys *k, struct fm_hparams *hp, enum fathom_gate_score other) {
    const uint32_t score = fm_key_u32(k, "expert_gating_func", 0, FATHOM_GATE_SQRT_SOFTPLUS, 0);
    bool biased = false;
    if (!k->failed && score == 3) fm_key_bad(k, "expert_gating_func", "is 3, expected 1, 2 or 4");
    hp->gate_score = score ? (enum fathom_gate_score)score : other;
    for (uint32_t i = hp->n_dense_layers; i < hp->n_layers && !biased; i++)
        biased = fm_router_bias(k->tensors, i);
    if (score || !biased || other != FATHOM_GATE_SOFTMAX) return;
    hp->gate_score = FATHOM_GATE_SIGMOID;
    hp->note =
        "key expert_gating_func is missing; the experts' gate is taken for a sigmoid, because the file has "
        "exp_probs_b, a bias for the choice of experts";
}

void fm_read_experts(struct fm_keys *k, struct fm_hparams *hp, enum fathom_gate_score score) {
    hp->n_dense_layers = fm_key_u32(k, "leading_dense_block_count", 0, hp->n_layers, 0);
    hp->n_dense_inter = fm_key_u32(
        k, "feed_forward_length", hp->n_dense_layers ? 4 : 0, 1u << 20, hp->n_dense_layers ? UINT32_MAX : 0);
    hp->n_experts = fm_key_u32(k, "expert_count", 0, 512, 0);
    if (hp->n_experts == 0) {
        if (!k->failed && hp->n_dense_layers != hp->n_layers)
            fm_key_bad(k, "expert_count", "is missing, but not all layers are dense");
        return;
    }
    hp->n_experts_used =
        fm_key_u32(k, "expert_used_count", 1, hp->n_experts < 16 ? hp->n_experts : 16, UINT32_MAX);
    hp->n_experts_shared = fm_key_u32(k, "expert_shared_count", 0, 64, 0);
    hp->n_expert_inter = fm_key_u32(k, "expert_feed_forward_length", 4, 1u << 16, UINT32_MAX);
    hp->n_groups = fm_key_u32(k, "expert_group_count", 0, 32, 1);
    hp->n_groups_used = fm_key_u32(k, "expert_group_used_count", 0, 32, 1);
    if (hp->n_groups <= 1) hp->n_groups = hp->n_groups_used = 1;
    hp->gate_normalise = fm_key_bool(k, "expert_weights_norm", false);
    hp->gate_scale = fm_key_f32(k, "expert_weights_scale", -1000, 1000, 1);
    if (hp->gate_scale == 0) hp->gate_scale = 1; // some converters write 0 for "none"
    read_score(k, hp, score);
    // No key says how a group is scored. V2 scores a group by its best expert, V3 (the sigmoid gate) by the
    // sum of its two best.
    hp->group_score = hp->gate_score == FATHOM_GATE_SIGMOID ? FATHOM_GROUP_TOP2 : FATHOM_GROUP_MAX;
    if (k->failed) return;
    if (hp->n_experts % hp->n_groups)
        return fm_key_bad(k, "expert_group_count", "does not divide expert_count");
    if (hp->n_groups_used < 1 || hp->n_groups_used > hp->n_groups)
        return fm_key_bad(k, "expert_group_used_count", "is out of range");
    if (hp->n_experts / hp->n_groups * hp->n_groups_used < hp->n_experts_used)
        return fm_key_bad(k, "expert_used_count", "is more than the experts of the groups in use");
}

// The type of the scaling. Where the key is missing, the type is linear if there is a factor, as llama.cpp
// has it.
static const char *scaling_type(struct fm_keys *k, float factor) {
    char key[128];
    const char *type = factor == 1 ? "none" : "linear";
    size_t length;
    struct fathom_error wrong = {0};
    if (!fm_meta_string(k->tensors, fm_key_name(k, "rope.scaling.type", key), &type, &length, &wrong) &&
        wrong.status != FATHOM_OK)
        fm_key_bad(k, key, "is not a string");
    return type;
}

// The old key is that of the first files of DeepSeek-Coder. 0 stands for no scaling.
static float scaling_factor(struct fm_keys *k) {
    char key[128];
    const char *suffix = fm_meta_has(k->tensors, fm_key_name(k, "rope.scaling.factor", key))
        ? "rope.scaling.factor"
        : "rope.scale_linear";
    const float factor = fm_key_f32(k, suffix, 0, 1e6f, 1);
    if (factor != 0 && factor < 1) fm_key_bad(k, suffix, "is less than 1");
    return factor == 0 ? 1 : factor;
}

static void read_yarn(struct fm_keys *k, struct fm_hparams *hp) {
    char key[128];
    if (!fm_meta_has(k->tensors, fm_key_name(k, "rope.scaling.factor", key)) &&
        !fm_meta_has(k->tensors, fm_key_name(k, "rope.scale_linear", key)))
        fm_key_bad(k, "rope.scaling.factor", "is missing");
    hp->yarn_factor = scaling_factor(k);
    hp->yarn_original_context =
        fm_key_u32(k, "rope.scaling.original_context_length", 1, 1u << 30, hp->n_context_trained);
    hp->yarn_beta_fast = fm_key_f32(k, "rope.scaling.yarn_beta_fast", 1e-3f, 1e6f, 32);
    hp->yarn_beta_slow = fm_key_f32(k, "rope.scaling.yarn_beta_slow", 1e-3f, 1e6f, 1);
    if (fm_key_f32(k, "rope.scaling.yarn_ext_factor", -1e6f, 1e6f, 1) != 1)
        fm_key_bad(k, "rope.scaling.yarn_ext_factor", "is not 1, the one value supported");
    // two names of one factor: llama.cpp's converter writes the second since it reads attention_factor
    hp->rope_magnitude = fm_key_f32(k, "rope.scaling.attn_factor", 1e-3f, 1e3f, 1) *
        fm_key_f32(k, "rope.scaling.yarn_attn_factor", 1e-3f, 1e3f, 1);
}

void fm_read_rope(struct fm_keys *k, struct fm_hparams *hp, enum fm_rope_kind kind) {
    hp->rope_base = fm_key_f32(k, "rope.freq_base", 1.5f, 1e9f, 10000);
    hp->yarn_factor = hp->rope_magnitude = 1;
    const float factor = scaling_factor(k);
    const char *type = scaling_type(k, factor);
    float correction = 1;
    if (k->failed) return;
    if (!strcmp(type, "yarn")) {
        read_yarn(k, hp);
    } else if (kind != FM_ROPE_WINDOWED && !strcmp(type, "linear")) {
        for (uint32_t i = 0; i < hp->n_rope / 2; i++) hp->rope_divisors[i] *= factor;
    } else if (strcmp(type, "none") != 0 && !k->failed) {
        fm_fail(k->err, FATHOM_UNSUPPORTED, "%s: rope scaling \"%.64s\" is not one of none, %syarn",
            fm_tensors_path(k->tensors), type, kind == FM_ROPE_WINDOWED ? "" : "linear, ");
        k->failed = true;
    }
    // the key's value is 0.1 * mscale_all_dim
    if (strcmp(type, "none") != 0)
        correction = 1 + fm_key_f32(k, "rope.scaling.yarn_log_multiplier", 0, 100, 0) * logf(factor);
    hp->softmax_scale = 1 / sqrtf((float)(hp->n_nope + hp->n_rope));
    if (kind == FM_ROPE_LATENT) // the converter has put the rest of YaRN's correction into attn_factor
        hp->softmax_scale = correction * correction / sqrtf((float)(hp->n_nope + hp->n_rope));
    if (kind == FM_ROPE_DENSE) hp->rope_magnitude *= (1 + 0.1f * logf(hp->yarn_factor)) / correction;
}

static bool refuse_arch(const struct fm_tensors *tensors, const char *name, struct fathom_error *err) {
    char names[256] = "";
    for (size_t i = 0, n = 0; i < fm_n_archs && n < sizeof(names); i++)
        n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "", fm_archs[i]->name);
    return fm_fail(err, FATHOM_UNSUPPORTED, "%s: architecture \"%s\" is not supported; supported: %s",
        fm_tensors_path(tensors), name, names);
}

bool fm_hparams_read(const struct fm_tensors *tensors, struct fm_hparams *hp, struct fathom_error *err) {
    *hp = (struct fm_hparams){
        .n_groups = 1,
        .n_groups_used = 1,
        .gate_scale = 1,
        .n_rope_tables = 1,
        .n_streams = 1,
    };
    const char *arch;
    size_t length;
    struct fathom_error wrong = {0};
    if (!fm_meta_string(tensors, "general.architecture", &arch, &length, &wrong))
        return fm_fail(err, FATHOM_INVALID, "%s: key general.architecture is missing or not a string",
            fm_tensors_path(tensors));
    if (!(hp->arch = fm_arch_find(arch))) return refuse_arch(tensors, arch, err);
    struct fm_keys k = {.tensors = tensors, .arch = arch, .err = err};
    const uint32_t n_blocks = fm_key_u32(&k, "block_count", 1, 1024, UINT32_MAX);
    hp->n_draft_layers = fm_key_u32(&k, "nextn_predict_layers", 0, n_blocks - 1, 0);
    hp->n_layers = n_blocks - hp->n_draft_layers;
    hp->n_hidden = fm_key_u32(&k, "embedding_length", 4, 1u << 17, UINT32_MAX);
    if (!k.failed && hp->n_hidden % 4) fm_key_bad(&k, "embedding_length", "is not a multiple of 4");
    hp->n_context_trained = fm_key_u32(&k, "context_length", 1, 1u << 30, UINT32_MAX);
    for (uint32_t i = 0; i < FM_MAX_ROPE / 2; i++) hp->rope_divisors[i] = 1;
    hp->arch->read(&k, hp);
    const struct fm_tensor *embedding = fm_tensors_find(tensors, "token_embd.weight");
    if (k.failed) return false;
    if (!embedding)
        return fm_fail(
            err, FATHOM_INVALID, "%s: tensor token_embd.weight is missing", fm_tensors_path(tensors));
    if (embedding->n_dims != 2 || embedding->dims[1] < 1 || embedding->dims[1] > 1u << 24)
        return fm_fail(err, FATHOM_INVALID, "%s: tensor token_embd.weight does not have a row for each token",
            fm_tensors_path(tensors));
    hp->n_vocab = fm_key_u32(&k, "vocab_size", 1, 1u << 24, (uint32_t)embedding->dims[1]);
    if (!k.failed && hp->n_vocab != embedding->dims[1])
        return fm_fail(err, FATHOM_INVALID,
            "%s: token_embd.weight has %llu rows, but the vocabulary has %u tokens", fm_tensors_path(tensors),
            (unsigned long long)embedding->dims[1], hp->n_vocab);
    return !k.failed;
}

void fm_hparams_describe(const struct fm_hparams *hp, struct fathom_model_info *info) {
    *info = FATHOM_INIT(fathom_model_info, .n_layers = hp->n_layers, .n_dense_layers = hp->n_dense_layers,
        .n_hidden = hp->n_hidden, .n_vocab = hp->n_vocab, .n_heads = hp->n_heads, .n_kv = hp->n_kv,
        .n_experts = hp->n_experts, .n_experts_used = hp->n_experts_used,
        .n_experts_shared = hp->n_experts_shared, .q_rank = hp->q_rank, .kv_rank = hp->kv_rank,
        .n_rope = hp->n_rope, .n_nope = hp->n_nope, .n_value = hp->n_value,
        .n_draft_layers = hp->n_draft_layers, .n_context_trained = hp->n_context_trained);
    snprintf(info->architecture, sizeof(info->architecture), "%s", hp->arch->name);
}

// The pair index at which the rotation makes `turns` full turns over the original context.
static double yarn_pair(const struct fm_hparams *hp, double base, double turns) {
    return hp->n_rope * log(hp->yarn_original_context / (turns * 2 * M_PI)) / (2 * log(base));
}

static double frequency(const struct fm_hparams *hp, uint32_t table, uint32_t pair) {
    const double base = table ? hp->compressed_rope_base : hp->rope_base;
    const double plain = pow(base, -2.0 * pair / hp->n_rope) / hp->rope_divisors[pair];
    if (hp->yarn_factor == 1 || table + 1 < hp->n_rope_tables) return plain;
    const double low = fmax(floor(yarn_pair(hp, base, hp->yarn_beta_fast)), 0);
    double high = fmin(ceil(yarn_pair(hp, base, hp->yarn_beta_slow)), hp->n_rope - 1.0);
    if (high == low) high += 0.001;
    // 0: keeps the frequency, 1: divides it by yarn_factor
    const double ramp = fmin(fmax((pair - low) / (high - low), 0), 1);
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
