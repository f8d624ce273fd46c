// The hyper-parameters of a model's file, checked. Later size computations rely on these bounds.
#ifndef FM_MODEL_HPARAMS_H
#define FM_MODEL_HPARAMS_H
#include "model/keys.h"
#include <fathom/fathom.h>

enum { FM_MAX_ROPE = 256, FM_MAX_ROPE_TABLES = 2, FM_MAX_LAYERS = 1024 };

struct fm_arch;

struct fm_hparams {
    const struct fm_arch *arch; // model/arch/arch.h
    uint32_t n_layers;          // of the trunk; draft (multi-token-prediction) layers follow them in the file
    uint32_t n_draft_layers;
    uint32_t n_drafting;     // draft layers in use: 0 or 1, the engine's choice
    uint32_t n_dense_layers; // leading layers without experts
    uint32_t n_hidden, n_vocab, n_context_trained;
    uint32_t n_streams;     // residual streams: 1; DeepSeek-V4: FATHOM_RESIDUALS
    uint32_t n_dense_inter; // width of a dense layer's SwiGLU
    float norm_eps;

    uint32_t n_heads;
    uint32_t n_kv;    // key-value heads of n_value values each; a key is rotated whole; 0: latent attention
    uint32_t q_rank;  // width of the query latent; 0: the query is projected directly
    uint32_t kv_rank; // width of the key-value latent; 0 if n_kv is not 0
    uint32_t n_nope, n_rope; // values of a query or key without and with rotary position
    uint32_t n_value;        // values of a head
    // the lightning indexer's heads and their width; positions that attention selects, 0: all
    uint32_t n_index_heads, n_index, index_top_k;
    float softmax_scale; // (n_nope + n_rope)^-1/2, times YaRN's correction squared

    // DeepSeek-V4: key and value are one latent of kv_rank = n_nope + n_rope values; the last n_rope are
    // rotated.
    // the sliding window: positions before it are seen only as compressed rows; 0: another architecture
    uint32_t sliding_window;
    // positions per compressed row of a layer; 0: the layer has no compressed rows
    uint16_t ratios[FM_MAX_LAYERS];
    uint32_t n_indexed;              // layers whose ratio is FM_INDEXED_RATIO
    float compressed_rope_base;      // of the layers with compressed rows; only these layers use YaRN
    uint32_t n_out_groups, out_rank; // the output projection's groups of heads, and the rows of each
    uint32_t n_hash_layers;          // leading layers whose experts come from a table by token
    uint32_t n_mix_iterations;       // Sinkhorn-Knopp iterations
    float mix_eps;
    float swiglu_limit; // 0: none

    uint32_t n_experts, n_experts_used, n_experts_shared, n_expert_inter;
    uint32_t n_groups, n_groups_used; // 1, 1: no groups
    enum fathom_gate_score gate_score;
    enum fathom_group_score group_score;
    bool gate_normalise;
    float gate_scale;

    bool rope_halves;                     // rotated pairs are (i, i + n_rope / 2), else (2i, 2i + 1)
    float rope_divisors[FM_MAX_ROPE / 2]; // divisors of the frequencies
    bool has_rope_tensor;                 // rope_freqs.weight is in them
    float rope_base;
    uint32_t n_rope_tables; // DeepSeek-V4: 2, the second for layers with compressed rows
    float yarn_factor;      // 1: plain rotary positions
    float yarn_beta_fast, yarn_beta_slow, rope_magnitude; // magnitude: factor on cosines and sines
    uint32_t yarn_original_context;

    const char *note; // what the file does not say and is assumed; NULL: nothing
};

// In layers of this ratio an indexer selects among the compressed rows, and neighbouring compressed rows
// overlap: each position is in two of them. Layers of other ratios have few compressed rows.
enum { FM_INDEXED_RATIO = 4 };

bool fm_hparams_read(const struct fm_tensors *tensors, struct fm_hparams *hp, struct fathom_error *err);
// Fills the fields of *info that follow from the hyper-parameters, and sets the others to 0.
void fm_hparams_describe(const struct fm_hparams *hp, struct fathom_model_info *info);

// Reads the keys that several architectures share.
void fm_read_indexer(struct fm_keys *keys, struct fm_hparams *hp);
// `score`: the gate's score in files that do not name it; SOFTMAX: a sigmoid if the gate has a bias.
void fm_read_experts(struct fm_keys *keys, struct fm_hparams *hp, enum fathom_gate_score score);
// Reads plain, linear or YaRN rotary positions, and sets softmax_scale. YaRN's correction of the scores goes
// into softmax_scale with latent attention, into rope_magnitude in dense models. DeepSeek-V4 (windowed) has
// none, and no linear scaling.
enum fm_rope_kind { FM_ROPE_LATENT, FM_ROPE_DENSE, FM_ROPE_WINDOWED };
void fm_read_rope(struct fm_keys *keys, struct fm_hparams *hp, enum fm_rope_kind kind);

// Cosines and sines of table i for positions [0, n_positions): table[position][n_rope / 2][2]. The table is
// computed in double precision, so that every device rotates by the same angles. YaRN follows arXiv
// 2309.00071 and DeepSeek's inference code; if there are two tables, only the second uses YaRN.
void fm_rope_table(const struct fm_hparams *hp, uint32_t i, uint32_t n_positions, float *table);
#endif
