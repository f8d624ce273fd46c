// What the parts of the hub reader share: config.json while the directory is being made from it.
#ifndef FM_FILE_HUB_PARTS_H
#define FM_FILE_HUB_PARTS_H
#include "base/json.h"
#include "file/directory.h"
#include "file/hub/safetensors.h"

// One row a model_type of config.json.
struct fm_hub_arch {
    const char *model_type;
    const char *name;    // GGUF's general.architecture
    const char *score;   // of the gate where config.json does not say; NULL: no experts
    uint32_t n_dense;    // leading layers without experts where config.json does not say
    bool grouped;        // keys and values of their own heads, dense layers; else latents
    bool paired;         // GGUF has the rows of queries and keys in pairs
    bool indexed;        // a lightning indexer
    bool windowed;       // DeepSeek-V4: other keys and names
};

struct fm_hub {
    struct fm_tensors *tensors; // being filled
    const char *dir;
    const char *path; // of config.json, for messages
    const cJSON *config;
    const struct fm_hub_arch *arch;
    struct fathom_error *err;
    bool failed; // sticky; *err is set
    // what the tensors' names and shapes need
    uint32_t n_layers, n_draft, n_dense, n_hash, n_experts, n_heads, n_nope, n_rope, n_value, kv_rank, n_vocab;
    uint32_t n_kv;              // heads of keys and values; 0: latent attention
    const float *rope_divisors; // [n_rope / 2], of Llama 3's frequencies, in the directory's arena; NULL: none
};

// hub_config.c: config.json to keys. Fills the numbers above.
bool fm_hub_keys(struct fm_hub *hub);
// hub_weights.c: safetensors to tensors, and the keys that count layers.
bool fm_hub_weights(struct fm_hub *hub);
// hub_scaled.c: what a stored matrix (or vector, of one row) is presented as, and where its scales are. `scales`: the tensor that belongs to
// it by name, or NULL.
struct fm_hub_form {
    enum fm_source_kind kind; // COPY, F8 or F4
    enum fathom_type type;
    uint64_t n_rows, n_cols; // elements
    const uint8_t *scales;
    uint32_t scale_cols;
    bool exponents;
};
bool fm_hub_form(struct fm_hub *hub, const struct fm_safetensor *stored, const struct fm_safetensor *scales, struct fm_hub_form *form);
// hub_tokenizer.c: tokenizer.json and tokenizer_config.json to tokenizer.* keys. A folder without tokenizer.json gets none.
bool fm_hub_tokenizer(struct fm_hub *hub);

// The hub's own file NAME, in the directory's arena; NULL without memory (the failure is set).
const char *fm_hub_path(struct fm_hub *hub, const char *name);
// Metadata. The key is copied; "{arch}." is put before one that starts with a dot. Strings and items must live in the arena.
void fm_hub_set(struct fm_hub *hub, const char *key, struct fm_meta_value value);
void fm_hub_set_u32(struct fm_hub *hub, const char *key, uint32_t value);
void fm_hub_set_f32(struct fm_hub *hub, const char *key, double value);
void fm_hub_set_bool(struct fm_hub *hub, const char *key, bool value);
void fm_hub_set_string(struct fm_hub *hub, const char *key, const char *text);
#endif
