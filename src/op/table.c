// All operators: what `devices` shows and the tests go through. A new one adds its two lines.
#include "op/op.h"
#include "base/sized.h"
#include "quant/types.h"
#include <stdio.h>
#include <string.h>

extern const struct fm_op fm_op_compress;
extern const struct fm_op fm_op_embed;
extern const struct fm_op fm_op_expanded_attention;
extern const struct fm_op fm_op_expert_down;
extern const struct fm_op fm_op_expert_fetch;
extern const struct fm_op fm_op_expert_gate;
extern const struct fm_op fm_op_expert_place;
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
    &fm_op_expert_fetch,
    &fm_op_expert_gate,
    &fm_op_expert_place,
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

const char *fathom_op_name(size_t i) {
    return i < fm_n_ops ? fm_ops[i]->name : NULL;
}

const char *fathom_op_default_variant(size_t i, const struct fathom_gpu_info *info, uint32_t n_tokens) {
    struct fathom_gpu_info known = {.size = sizeof(known)};
    if (i >= fm_n_ops || !fm_sized_read(&known, sizeof(known), info, "fathom_op_default_variant: info", NULL))
        return NULL;
    return fm_variant_default(&known, fm_ops[i]->variants, fm_ops[i]->n_variants, UINT32_MAX, n_tokens)->name;
}

// How the shapes of calls read: @ is a stored type, # a number, in the order of fm_call.shape. A part between
// commas whose numbers are all zero is left out.
static const struct {
    const char *op, *shape;
} shapes[] = {
    {"matmul", "@ # x # x #"},
    {"expert_gate", "@ # x #,top #"},
    {"expert_up", "@ # x #,top #,shared @ #,of #"},
    {"expert_down", "@ # x #,top #,shared @ #,to #"},
    {"latent_attention", "@ # heads,latent # + #"},
    {"expanded_attention", "@ by @ # heads,latent #,keys # + #,values #"},
    {"grouped_attention", "@ # heads,# x #"},
};

static const char *shape_of(const struct fm_call *call) {
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
        if (!strcmp(shapes[i].op, call->op)) return shapes[i].shape;
    return "#,#,#,#,#,#,#,#";
}

void fm_op_describe(const struct fm_call *call, char *text, size_t size) {
    const uint32_t *next = call->shape;
    size_t n = 0;
    text[0] = 0;
    for (const char *at = shape_of(call); *at;) {
        char part[64];
        size_t length = 0;
        bool some = false;
        for (; *at && *at != ','; at++) {
            const size_t room = length < sizeof(part) ? sizeof(part) - length : 0;
            const bool type = *at == '@', number = *at == '#';
            const uint32_t word = type || number ? *next++ : 0;
            some |= number && word;
            if (type)
                length += (size_t)snprintf(part + length, room, "%s", fm_type_name((enum fathom_type)word));
            else if (number)
                length += (size_t)snprintf(part + length, room, "%u", word);
            else
                length += (size_t)snprintf(part + length, room, "%c", *at);
        }
        at += *at == ',';
        if (some && n < size) n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", part);
    }
}
