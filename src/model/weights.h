// A model's weights on a device, by name.
#ifndef FM_MODEL_WEIGHTS_H
#define FM_MODEL_WEIGHTS_H
#include "model/hparams.h"
#include "base/watch.h"
#include "model/slots.h"
#include <fathom/fathom.h>

// Vectors (norms, biases) are float32 views into fm_weights.vectors. The buffer is NULL if the model lacks
// the vector.
struct fm_layer {
    struct fathom_view attn_norm, ffn_norm; // [n_hidden]
    struct fathom_weight *q;         // [n_heads * (n_nope + n_rope)][n_hidden], if there is no query latent
    struct fathom_weight *q_a, *q_b; // [q_rank][n_hidden], [n_heads * (n_nope + n_rope)][q_rank]
    struct fathom_view q_a_norm;     // [q_rank]
    struct fathom_weight *kv_a;      // [kv_rank + n_rope][n_hidden]
    struct fathom_view kv_a_norm;    // [kv_rank]
    // Grouped attention: q is [n_heads * n_value][n_hidden], k and v are [n_kv * n_value][n_hidden]. If all
    // three have one type, qkv holds their rows in this order instead.
    struct fathom_weight *k, *v, *qkv;
    struct fathom_view q_bias, k_bias, v_bias; // one value per row of q, k, v
    struct fathom_view q_norm, k_norm;         // [n_value]
    struct fathom_weight *k_b;                 // [n_heads][kv_rank][n_nope]
    struct fathom_weight *v_b;                 // [n_heads][n_value][kv_rank]
    // the indexer: [n_index_heads * n_index][q_rank], [n_index][n_hidden]
    struct fathom_weight *index_q, *index_k;
    struct fathom_weight *index_weights;            // [n_index_heads][n_hidden]
    struct fathom_view index_norm, index_norm_bias; // [n_index]
    // [n_hidden][n_heads * n_value]; DeepSeek-V4: [n_hidden][n_out_groups * out_rank]
    struct fathom_weight *out;
    // DeepSeek-V4 alone, where kv_a is [kv_rank][n_hidden]:
    struct fathom_weight *out_a; // [n_out_groups][out_rank][n_heads / n_out_groups * kv_rank]
    struct fathom_view sinks;    // [n_heads]
    // see fathom_compress
    struct fm_compressor {
        struct fathom_weight *kv, *gate;
        struct fathom_view bias, norm;
    } compressor, index_compressor;
    // see fathom_hyper_mix
    struct fm_hyper {
        struct fathom_weight *logits;
        struct fathom_view base, scale;
    } attn_mix, ffn_mix;
    struct fathom_view expert_table; // uint32[n_vocab][n_experts_used]
    struct fathom_weight *router;    // [n_experts][n_hidden]; NULL: a dense layer
    struct fathom_view router_bias;  // [n_experts]
    struct fathom_weight *gate, *up; // [n_experts][n_expert_inter][n_hidden]
    struct fathom_weight *down;      // [n_experts][n_hidden][n_expert_inter]
    // The three above are NULL if their experts are in fm_weights.slots.
    // the shared expert, or the SwiGLU of a dense layer
    struct fathom_weight *shared_gate, *shared_up, *shared_down;
};

struct fm_weights {
    struct fathom_weight *embedding; // [n_vocab][n_hidden]
    struct fathom_weight *head;      // [n_vocab][n_hidden]; is `embedding` if the file has no output.weight
    struct fathom_view final_norm;   // [n_hidden]
    struct fm_hyper final_mix;       // DeepSeek-V4
    struct fm_layer *layers;         // [n_layers + n_drafting]
    struct fathom_view draft_token_norm, draft_state_norm, draft_final_norm; // [n_hidden]
    struct fathom_weight *draft_mix;                                         // [n_hidden][2 * n_hidden]
    struct fm_slots *slots; // of the experts; NULL: they are in gate, up and down
    struct fathom_buffer *vectors;
    struct fathom_weight **matrices; // each matrix above once
    size_t n_matrices;
};

// What loading will need, computed without a device: bytes of the tensors, parameters in all, and parameters
// that one token uses. Checks every name, shape and type that fm_weights_load will use.
struct fm_weights_size {
    uint64_t bytes, parameters, parameters_active;
    size_t n_unused;    // tensors of the file that the model does not use
    const char *unused; // the first one's name, in `tensors`
};
bool fm_weights_measure(const struct fm_tensors *tensors, const struct fm_hparams *hp,
    struct fm_weights_size *size, struct fathom_error *err);

// Loads to where the plan says. Weights that the device can use in place, in the mapped file, are not copied.
// `tensors` must then stay open for as long as such weights live, and as long as slots are filled from the
// file. A file with a tensor that would have to be applied, and is not, is
// refused by both functions; other tensors that are not used go to the log.
bool fm_weights_load(struct fathom_gpu *gpu, const struct fm_tensors *tensors, const struct fm_hparams *hp,
    const struct fathom_memory_plan *plan, struct fm_watch *watch, const struct fathom_log *log,
    struct fm_weights *weights, struct fathom_error *err);
void fm_weights_free(struct fm_weights *weights);
#endif
