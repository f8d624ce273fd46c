// What a model's file says of its shape, checked: every later size computation can rely on these bounds.
#ifndef FM_MODEL_HPARAMS_H
#define FM_MODEL_HPARAMS_H
#include "model/keys.h"
#include <fathom/fathom.h>

enum { FM_MAX_ROPE = 256, FM_MAX_ROPE_TABLES = 2, FM_MAX_LAYERS = 1024 };

struct fm_arch;

struct fm_hparams {
    const struct fm_arch *arch;    // model/arch/arch.h
    uint32_t n_layers;             // of the trunk; draft (multi-token-prediction) layers follow them in the file
    uint32_t n_draft_layers;
    uint32_t n_drafting;           // of them, in use: 0 or 1, the engine's choice
    uint32_t n_dense_layers;       // leading layers without experts
    uint32_t n_hidden, n_vocab, n_context_trained;
    uint32_t n_streams;            // residual streams: 1; FATHOM_STREAMS of DeepSeek-V4
    uint32_t n_dense_inter;        // width of a dense layer's SwiGLU
    float norm_eps;

    uint32_t n_heads;
    uint32_t n_kv;                 // heads of keys and values, of n_value values each, all of them turned; 0: latent attention
    uint32_t q_rank;               // query latent; 0: the query is projected directly
    uint32_t kv_rank;              // key-value latent; 0 where n_kv is not
    uint32_t n_nope, n_rope;       // a query's and a key's parts without and with rotary position
    uint32_t n_value;              // of a head
    uint32_t n_index_heads, n_index, index_top_k; // the lightning indexer's heads and their width; positions that attention takes; 0: all
    float softmax_scale;           // (n_nope + n_rope)^-1/2, times YaRN's correction squared

    // DeepSeek-V4: keys and values are one latent of kv_rank = n_nope + n_rope values, of which the last n_rope are turned
    uint32_t window;               // positions that attention sees as they are; those before only in summaries; 0: another architecture
    uint16_t ratios[FM_MAX_LAYERS];// positions that a layer's summaries stand for; 0: it has none
    uint32_t n_indexed;            // layers of FM_INDEXED_RATIO
    float summary_rope_base;       // of the layers with summaries, which alone follow YaRN
    uint32_t n_out_groups, out_rank; // the output projection's groups of heads, and the rows of each
    uint32_t n_hash_layers;        // leading layers whose experts a table of tokens chooses
    uint32_t n_mix_iterations;     // of Sinkhorn and Knopp
    float mix_eps;
    float swiglu_limit;            // 0: none

    uint32_t n_experts, n_experts_used, n_experts_shared, n_expert_inter;
    uint32_t n_groups, n_groups_used; // 1, 1: no groups
    enum fathom_gate_score gate_score;
    enum fathom_group_score group_score;
    bool gate_normalise;
    float gate_scale;

    bool rope_halves;              // pairs turned are (i, i + n_rope / 2), else (2i, 2i + 1)
    float rope_divisors[FM_MAX_ROPE / 2]; // of the frequencies
    float rope_base;
    uint32_t n_rope_tables;        // DeepSeek-V4 has 2, the second of its layers with summaries
    float yarn_factor;             // 1: plain rotary positions
    float yarn_beta_fast, yarn_beta_slow, rope_magnitude; // magnitude: factor on cosines and sines
    uint32_t yarn_original_context;
};

// Layers with this ratio choose among their summaries by an indexer, and two summaries share a position; others have at most few of them.
enum { FM_INDEXED_RATIO = 4 };

bool fm_hparams_read(const struct fm_tensors *tensors, struct fm_hparams *hp, struct fathom_error *err);
// Fills what hyper-parameters say of a model; the rest of *info is 0.
void fm_hparams_describe(const struct fm_hparams *hp, struct fathom_model_info *info);

// What several architectures read alike.
void fm_read_indexer(struct fm_keys *keys, struct fm_hparams *hp);
void fm_read_experts(struct fm_keys *keys, struct fm_hparams *hp);
// Rotary positions, plain or YaRN's, and softmax_scale. `linear`: a plain stretch is known as well.
void fm_read_rope(struct fm_keys *keys, struct fm_hparams *hp, bool linear);

// Cosines and sines of table i for positions [0, n_positions): table[position][n_rope / 2][2]. Computed in double precision, so that every
// device turns by the same angles. YaRN as in arXiv 2309.00071 and DeepSeek's inference code; of two tables only the second follows it.
void fm_rope_table(const struct fm_hparams *hp, uint32_t i, uint32_t n_positions, float *table);
#endif
