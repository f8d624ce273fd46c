#include "convert/preset.h"
#include "quant/types.h"
#include <fathom/convert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { SMALL, MEDIUM, LARGE };

// The numbers are those of llama.cpp's LLAMA_FTYPE.
static const struct fm_preset presets[] = {
    {"F32", 0, FATHOM_F32},
    {"F16", 1, FATHOM_F16},
    {"BF16", 32, FATHOM_BF16},
    {"Q8_0", 7, FATHOM_Q8_0},
    {"Q6_K", 18, FATHOM_Q6_K},
    {"Q5_K_M", 17, FATHOM_Q5_K, MEDIUM},
    {"Q5_K_S", 16, FATHOM_Q5_K, SMALL},
    {"Q5_1", 9, FATHOM_Q5_1},
    {"Q5_0", 8, FATHOM_Q5_0},
    {"Q4_K_M", 15, FATHOM_Q4_K, MEDIUM},
    {"Q4_K_S", 14, FATHOM_Q4_K, SMALL},
    {"Q4_1", 3, FATHOM_Q4_1},
    {"Q4_0", 2, FATHOM_Q4_0},
    {"IQ4_NL", 25, FATHOM_IQ4_NL},
    {"IQ4_XS", 30, FATHOM_IQ4_XS},
    {"Q3_K_L", 13, FATHOM_Q3_K, LARGE},
    {"Q3_K_M", 12, FATHOM_Q3_K, MEDIUM},
    {"Q3_K_S", 11, FATHOM_Q3_K, SMALL},
    {"Q2_K", 10, FATHOM_Q2_K, MEDIUM},
    {"Q2_K_S", 21, FATHOM_Q2_K, SMALL},
};
enum { N_MIXES = sizeof(presets) / sizeof(*presets) };

const struct fm_preset *fm_preset_find(const char *name) {
    char medium[16];
    snprintf(medium, sizeof(medium), "%.12s_M", name);
    for (int i = 0; i < N_MIXES; i++)
        if (!strcasecmp(presets[i].name, name) || !strcasecmp(presets[i].name, medium)) return &presets[i];
    return NULL;
}

const char *fathom_preset_name(size_t i) {
    return i < N_MIXES ? presets[i].name : NULL;
}

const char *fathom_preset_find(const char *name) {
    const struct fm_preset *preset = name ? fm_preset_find(name) : NULL;
    return preset ? preset->name : NULL;
}

static bool ends_with(const char *name, const char *end) {
    const size_t length = strlen(name), n = strlen(end);
    return length >= n && !strcmp(name + length - n, end);
}

bool fm_preset_applies(const struct fm_tensor *tensor) {
    static const char *const kept[] = {
        "_norm.weight", "ffn_gate_inp.weight", "_ape.weight", "_fn.weight", "enorm.weight", "hnorm.weight"};
    if (tensor->n_dims < 2 || (int)tensor->type == FM_TYPE_I32 || !ends_with(tensor->name, ".weight"))
        return false;
    for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
        if (ends_with(tensor->name, kept[i])) return false;
    return true;
}

bool fm_preset_makes_values(const char *name) {
    return strstr(name, "attn_v.weight") || strstr(name, "attn_kv_b.weight") ||
        strstr(name, "attn_qkv.weight");
}

// True for the first eighth of the layers, the last eighth, and every third layer between them.
static bool takes_more_bits(uint32_t i, uint32_t n) {
    return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

static enum fathom_type choose_head(const struct fm_preset *preset, const struct fm_tensor *tensor) {
    if (preset->type == FATHOM_Q8_0 || tensor->dims[0] % 256) return FATHOM_Q8_0;
    return FATHOM_Q6_K;
}

static enum fathom_type choose_values(const struct fm_preset *preset, struct fm_preset_model *model) {
    const uint32_t i = model->next_value++;
    const bool more = takes_more_bits(i, model->n_values), shared = model->n_heads_per_kv >= 4;
    if (model->n_experts == 8) return FATHOM_Q8_0; // these matrices are small compared with the experts
    switch (preset->type) {
    case FATHOM_Q2_K:
        return preset->quality == MEDIUM ? shared ? FATHOM_Q4_K : FATHOM_Q3_K
            : shared                     ? FATHOM_Q4_K
                                         : FATHOM_Q2_K;
    case FATHOM_Q3_K:
        return preset->quality == LARGE ? FATHOM_Q5_K
            : preset->quality == SMALL  ? FATHOM_Q3_K
            : i < 2                     ? FATHOM_Q5_K
                                        : FATHOM_Q4_K;
    case FATHOM_Q4_K:
        return preset->quality == MEDIUM ? more ? FATHOM_Q6_K : FATHOM_Q4_K
            : i < 4                      ? FATHOM_Q5_K
                                         : FATHOM_Q4_K;
    case FATHOM_Q5_K: return preset->quality == MEDIUM && more ? FATHOM_Q6_K : FATHOM_Q5_K;
    case FATHOM_IQ4_NL:
    case FATHOM_IQ4_XS: return shared ? FATHOM_Q5_K : preset->type;
    default: return preset->type;
    }
}

static enum fathom_type choose_down(
    const struct fm_preset *preset, const struct fm_preset_model *model, uint32_t layer) {
    const bool early = layer < model->n_layers / 8, more = takes_more_bits(layer, model->n_layers);
    switch (preset->type) {
    case FATHOM_Q2_K: return preset->quality == MEDIUM ? FATHOM_Q3_K : early ? FATHOM_Q4_K : FATHOM_Q2_K;
    case FATHOM_Q3_K:
        if (preset->quality == SMALL) return FATHOM_Q3_K;
        return preset->quality == LARGE || layer < model->n_layers / 16 ? FATHOM_Q5_K : FATHOM_Q4_K;
    case FATHOM_Q4_K:
        return preset->quality == MEDIUM ? more ? FATHOM_Q6_K : FATHOM_Q4_K
            : early                      ? FATHOM_Q5_K
                                         : FATHOM_Q4_K;
    case FATHOM_Q5_K: return preset->quality == MEDIUM && more ? FATHOM_Q6_K : FATHOM_Q5_K;
    case FATHOM_IQ4_NL:
    case FATHOM_IQ4_XS: return early && !model->has_importance ? FATHOM_Q5_K : preset->type;
    case FATHOM_Q4_0: return early && model->has_importance ? FATHOM_Q4_1 : FATHOM_Q4_0;
    case FATHOM_Q5_0: return early && model->has_importance ? FATHOM_Q5_1 : FATHOM_Q5_0;
    default: return preset->type;
    }
}

static enum fathom_type choose_attention_output(
    const struct fm_preset *preset, const struct fm_preset_model *model) {
    const enum fathom_type type = preset->type;
    if (model->n_experts == 8)
        return type == FATHOM_Q2_K || type == FATHOM_Q4_K || type == FATHOM_IQ4_NL || type == FATHOM_IQ4_XS ||
                (type == FATHOM_Q3_K && preset->quality != LARGE)
            ? FATHOM_Q5_K
            : type;
    if (type == FATHOM_Q2_K) return FATHOM_Q3_K;
    if (type == FATHOM_Q3_K && preset->quality != SMALL)
        return preset->quality == LARGE ? FATHOM_Q5_K : FATHOM_Q4_K;
    return type;
}

// For queries, keys and values in one matrix
static enum fathom_type choose_joined(const struct fm_preset *preset) {
    if (preset->quality == SMALL) return preset->type;
    switch (preset->type) {
    case FATHOM_Q3_K: return FATHOM_Q4_K;
    case FATHOM_Q4_K: return FATHOM_Q5_K;
    case FATHOM_Q5_K: return FATHOM_Q6_K;
    default: return preset->type;
    }
}

enum fathom_type fm_preset_choose(
    const struct fm_preset *preset, struct fm_preset_model *model, const struct fm_tensor *tensor) {
    const char *name = tensor->name;
    unsigned layer = 0;
    sscanf(name, "blk.%u.", &layer);
    if (fm_type_info(preset->type)->block == 1) return preset->type;
    if (!strcmp(name, "output.weight") || ends_with(name, "nextn.shared_head_head.weight") ||
        (!model->has_output && !strcmp(name, "token_embd.weight")))
        return choose_head(preset, tensor);
    if (strstr(name, "attn_qkv.weight")) {
        model->next_value++;
        return choose_joined(preset);
    }
    if (fm_preset_makes_values(name)) return choose_values(preset, model);
    if (strstr(name, "attn_k.weight") && model->n_experts == 8) return FATHOM_Q8_0;
    if (strstr(name, "ffn_down")) return choose_down(preset, model, layer);
    if (strstr(name, "attn_output.weight")) return choose_attention_output(preset, model);
    return preset->type;
}

enum fathom_type fm_preset_fit(enum fathom_type type, uint64_t n) {
    if (n % fm_type_info(type)->block == 0) return type;
    if (n % 32) return FATHOM_F16;
    switch (type) {
    case FATHOM_Q4_K: return FATHOM_Q5_0;
    case FATHOM_Q5_K: return FATHOM_Q5_1;
    case FATHOM_Q6_K: return FATHOM_Q8_0;
    case FATHOM_IQ4_XS: return FATHOM_IQ4_NL;
    default: return FATHOM_Q4_0; // Q2_K, Q3_K
    }
}
