// All operators: what `devices` shows and the tests go through. A new one adds its two lines.
#include "op/op.h"
#include <string.h>

extern const struct fm_op fm_op_compress;
extern const struct fm_op fm_op_embed;
extern const struct fm_op fm_op_expanded_attention;
extern const struct fm_op fm_op_expert_down;
extern const struct fm_op fm_op_expert_gate;
extern const struct fm_op fm_op_expert_up;
extern const struct fm_op fm_op_grouped_attention;
extern const struct fm_op fm_op_hyper_expand;
extern const struct fm_op fm_op_hyper_mix;
extern const struct fm_op fm_op_index_score;
extern const struct fm_op fm_op_index_select;
extern const struct fm_op fm_op_index_store;
extern const struct fm_op fm_op_kv_store;
extern const struct fm_op fm_op_latent_attention;
extern const struct fm_op fm_op_latent_store;
extern const struct fm_op fm_op_matmul;
extern const struct fm_op fm_op_rms_norm;
extern const struct fm_op fm_op_rope;
extern const struct fm_op fm_op_sample;

const struct fm_op *const fm_ops[] = {
    &fm_op_compress,
    &fm_op_embed,
    &fm_op_expanded_attention,
    &fm_op_expert_down,
    &fm_op_expert_gate,
    &fm_op_expert_up,
    &fm_op_grouped_attention,
    &fm_op_hyper_expand,
    &fm_op_hyper_mix,
    &fm_op_index_score,
    &fm_op_index_select,
    &fm_op_index_store,
    &fm_op_kv_store,
    &fm_op_latent_attention,
    &fm_op_latent_store,
    &fm_op_matmul,
    &fm_op_rms_norm,
    &fm_op_rope,
    &fm_op_sample,
};
const size_t fm_n_ops = sizeof(fm_ops) / sizeof(fm_ops[0]);

const struct fm_op *fm_op_find(const char *name) {
    for (size_t i = 0; i < fm_n_ops; i++)
        if (!strcmp(fm_ops[i]->name, name)) return fm_ops[i];
    return NULL;
}
