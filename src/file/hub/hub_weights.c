// The names of a hub folder's tensors, and GGUF's for them.
#include "base/folder.h"
#include "file/hub/hub_parts.h"
#include <stdio.h>
#include <string.h>

// What a layer has besides kv_b_proj and experts: "model.layers.N.<from>" becomes "blk.N.<to>".
static const struct {
    const char *from, *to;
    bool as_f32;
} layer_names[] = {
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.q_a_proj.weight", "attn_q_a.weight"},
    {"self_attn.q_a_layernorm.weight", "attn_q_a_norm.weight"},
    {"self_attn.q_b_proj.weight", "attn_q_b.weight"},
    {"self_attn.kv_a_proj_with_mqa.weight", "attn_kv_a_mqa.weight"},
    {"self_attn.kv_a_layernorm.weight", "attn_kv_a_norm.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attn.indexer.wq_b.weight", "indexer.attn_q_b.weight"},
    {"self_attn.indexer.wk.weight", "indexer.attn_k.weight"},
    {"self_attn.indexer.weights_proj.weight", "indexer.proj.weight"},
    {"self_attn.indexer.k_norm.weight", "indexer.k_norm.weight"},
    {"self_attn.indexer.k_norm.bias", "indexer.k_norm.bias"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
    {"mlp.gate.weight", "ffn_gate_inp.weight", true},
    {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
    {"mlp.shared_experts.gate_proj.weight", "ffn_gate_shexp.weight"},
    {"mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight"},
    {"mlp.shared_experts.down_proj.weight", "ffn_down_shexp.weight"},
    {"eh_proj.weight", "nextn.eh_proj.weight"},
    {"embed_tokens.weight", "nextn.embed_tokens.weight"},
    {"enorm.weight", "nextn.enorm.weight"},
    {"hnorm.weight", "nextn.hnorm.weight"},
    {"shared_head.head.weight", "nextn.shared_head_head.weight"},
    {"shared_head.norm.weight", "nextn.shared_head_norm.weight"},
};

// The same of DeepSeek-V4, "<prefix>layers.N.<from>"; transformers writes another name of some.
static const struct {
    const char *from, *to;
    bool as_f32;
} v4_layer_names[] = {
    {"attn_norm.weight", "attn_norm.weight"},
    {"attn.wq_a.weight", "attn_q_a.weight"},
    {"attn.q_norm.weight", "attn_q_a_norm.weight"},
    {"attn.wq_b.weight", "attn_q_b.weight"},
    {"attn.wkv.weight", "attn_kv.weight"},
    {"attn.kv_norm.weight", "attn_kv_a_norm.weight"},
    {"attn.norm.weight", "attn_kv_a_norm.weight"},
    {"attn.attn_sink", "attn_sinks.weight"},
    {"attn.wo_a.weight", "attn_output_a.weight"},
    {"attn.wo_b.weight", "attn_output_b.weight"},
    {"attn.compressor.wkv.weight", "attn_compressor_kv.weight"},
    {"attn.compressor.wgate.weight", "attn_compressor_gate.weight"},
    {"attn.compressor.ape", "attn_compressor_ape.weight", true},
    {"attn.compressor.norm.weight", "attn_compressor_norm.weight"},
    {"attn.indexer.wq_b.weight", "indexer.attn_q_b.weight"},
    {"attn.indexer.weights_proj.weight", "indexer.proj.weight"},
    {"attn.indexer.compressor.wkv.weight", "indexer_compressor_kv.weight"},
    {"attn.indexer.compressor.wgate.weight", "indexer_compressor_gate.weight"},
    {"attn.indexer.compressor.ape", "indexer_compressor_ape.weight", true},
    {"attn.indexer.compressor.norm.weight", "indexer_compressor_norm.weight"},
    {"hc_attn_fn", "hc_attn_fn.weight", true},
    {"hc_attn_base", "hc_attn_base.weight"},
    {"hc_attn_scale", "hc_attn_scale.weight"},
    {"hc_ffn_fn", "hc_ffn_fn.weight", true},
    {"hc_ffn_base", "hc_ffn_base.weight"},
    {"hc_ffn_scale", "hc_ffn_scale.weight"},
    {"ffn_norm.weight", "ffn_norm.weight"},
    {"ffn.gate.weight", "ffn_gate_inp.weight", true},
    {"ffn.gate.bias", "exp_probs_b.bias"},
    {"ffn.shared_experts.w1.weight", "ffn_gate_shexp.weight"},
    {"ffn.shared_experts.w2.weight", "ffn_down_shexp.weight"},
    {"ffn.shared_experts.w3.weight", "ffn_up_shexp.weight"},
};

static bool v4_layer(struct fm_hub_files *f, uint32_t i) {
    char from[128], to[64];
    for (size_t j = 0; j < sizeof(v4_layer_names) / sizeof(*v4_layer_names); j++) {
        snprintf(from, sizeof(from), "%slayers.%u.%s", f->prefix, i, v4_layer_names[j].from);
        snprintf(to, sizeof(to), "blk.%u.%s", i, v4_layer_names[j].to);
        if (!fm_hub_present_plain(f, from, to, v4_layer_names[j].as_f32)) return false;
    }
    snprintf(from, sizeof(from), "%slayers.%u.ffn.gate.tid2eid", f->prefix, i);
    snprintf(to, sizeof(to), "blk.%u.ffn_gate_tid2eid.weight", i);
    return (i >= f->hub->n_hash || fm_hub_present_table(f, from, to)) &&
        fm_hub_present_experts(f, i, "gate") && fm_hub_present_experts(f, i, "up") &&
        fm_hub_present_experts(f, i, "down");
}

// The hub's names and, of the outermost parts, transformers'
static bool v4_all(struct fm_hub_files *f) {
    static const struct {
        const char *from, *to;
        bool as_f32;
    } names[] = {
        {"embed.weight", "token_embd.weight"},
        {"model.embed_tokens.weight", "token_embd.weight"},
        {"hc_head_fn", "output_hc_fn.weight", true},
        {"model.hc_head.hc_fn", "output_hc_fn.weight", true},
        {"hc_head_base", "output_hc_base.weight"},
        {"model.hc_head.hc_base", "output_hc_base.weight"},
        {"hc_head_scale", "output_hc_scale.weight"},
        {"model.hc_head.hc_scale", "output_hc_scale.weight"},
        {"norm.weight", "output_norm.weight"},
        {"model.norm.weight", "output_norm.weight"},
        {"head.weight", "output.weight"},
        {"lm_head.weight", "output.weight"},
    };
    fm_hub_set_u32(f->hub, ".block_count", f->hub->n_layers);
    f->prefix = fm_hub_find(f, "embed.weight") ? "" : "model.";
    if (f->hub->failed) return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (!fm_hub_present_plain(f, names[i].from, names[i].to, names[i].as_f32)) return false;
    for (uint32_t i = 0; i < f->hub->n_layers; i++)
        if (!v4_layer(f, i)) return false;
    return true;
}

static bool layer(struct fm_hub_files *f, uint32_t i) {
    char from[128], to[64];
    for (size_t j = 0; j < sizeof(layer_names) / sizeof(*layer_names); j++) {
        snprintf(from, sizeof(from), "model.layers.%u.%s", i, layer_names[j].from);
        snprintf(to, sizeof(to), "blk.%u.%s", i, layer_names[j].to);
        if (f->hub->arch->paired && fm_has_suffix(from, ".bias")) continue; // its rows are not in pairs
        const bool query = !strcmp(layer_names[j].to, "attn_q.weight"),
                   key = !strcmp(layer_names[j].to, "attn_k.weight");
        if (f->hub->arch->paired && (query || key)) {
            if (!fm_hub_present_paired_rows(f, from, to, query ? f->hub->n_heads : f->hub->n_kv))
                return false;
        } else if (!fm_hub_present_plain(f, from, to, layer_names[j].as_f32)) {
            return false;
        }
    }
    if (!fm_hub_present_split_kv_b(f, i)) return false;
    return i < f->hub->n_dense || !f->hub->n_experts ||
        (fm_hub_present_experts(f, i, "gate") && fm_hub_present_experts(f, i, "up") &&
            fm_hub_present_experts(f, i, "down"));
}

static bool all(struct fm_hub_files *f) {
    struct fm_hub *hub = f->hub;
    char name[64];
    snprintf(name, sizeof(name), "model.layers.%u.eh_proj.weight", hub->n_layers);
    if (!fm_hub_find(f, name)) hub->n_draft = 0; // announced, but the weights were left out
    fm_hub_set_u32(hub, ".block_count", hub->n_layers + hub->n_draft);
    if (hub->n_draft) fm_hub_set_u32(hub, ".nextn_predict_layers", hub->n_draft);
    const bool tied = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(hub->config, "tie_word_embeddings"));
    if (hub->failed || !fm_hub_present_plain(f, "model.embed_tokens.weight", "token_embd.weight", false))
        return false;
    if (!fm_hub_present_rope(f)) return false;
    for (uint32_t i = 0; i < hub->n_layers + hub->n_draft; i++)
        if (!layer(f, i)) return false;
    return fm_hub_present_plain(f, "model.norm.weight", "output_norm.weight", false) &&
        (tied || fm_hub_present_plain(f, "lm_head.weight", "output.weight", false));
}

bool fm_hub_weights(struct fm_hub *hub) {
    struct fm_hub_files f = {.hub = hub};
    const bool ok =
        fm_hub_files_open(&f) && (hub->arch->windowed ? v4_all : all)(&f) && fm_hub_check_used(&f);
    fm_hub_files_free(&f);
    return ok;
}
