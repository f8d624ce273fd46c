// The state that the parts of the hub reader share while they fill the directory.
#ifndef FM_FILE_HUB_PARTS_H
#define FM_FILE_HUB_PARTS_H
#include "base/json.h"
#include "file/directory.h"
#include "file/hub/safetensors.h"

// One row a model_type of config.json.
struct fm_hub_arch {
    const char *model_type;
    const char *name;  // GGUF's general.architecture
    const char *score; // of the gate where config.json does not say; NULL: no experts
    uint32_t n_dense;  // leading layers without experts where config.json does not say
    bool grouped;      // keys and values of their own heads, dense layers; else latents
    bool paired;       // GGUF has the rows of queries and keys in pairs
    bool indexed;      // a lightning indexer
    bool windowed;     // DeepSeek-V4: other keys and names
};

struct fm_hub {
    struct fm_tensors *tensors; // the directory that is filled
    const char *dir;
    const char *path; // of config.json, for messages
    const cJSON *config;
    const struct fm_hub_arch *arch;
    struct fathom_error *err;
    bool failed; // sticky; *err is set
    // numbers that the names and shapes of the tensors depend on
    uint32_t n_layers, n_draft, n_dense, n_hash, n_experts, n_heads, n_nope, n_rope, n_value, kv_rank,
        n_vocab, n_hidden, n_expert_inter;
    uint32_t n_kv;              // heads of keys and values; 0: latent attention
    const float *rope_divisors; // [n_rope / 2]: divisors of Llama 3's frequencies, in the arena; NULL: none
};

// hub_config.c: makes keys from config.json. Fills the numbers above.
bool fm_hub_keys(struct fm_hub *hub);
// hub_rope.c: makes the keys of rotary positions.
void fm_hub_rope(struct fm_hub *hub);
// hub_method.c: refuses a folder whose weights a method has quantized that is not read, by the method's name.
bool fm_hub_check_method(struct fm_hub *hub);

// What the parts of hub_config.c and hub_rope.c read config.json with. A value of the wrong kind sets the
// failure, with the key; null counts as missing.
const cJSON *fm_hub_item(const cJSON *object, const char *key);
// `missing` is the value without the key; UINT32_MAX: the key is required. An array of equal numbers counts
// as the number.
uint32_t fm_hub_whole(struct fm_hub *hub, const cJSON *object, const char *key, uint32_t missing);
// NAN: the key is required.
double fm_hub_number(struct fm_hub *hub, const cJSON *object, const char *key, double missing);
const char *fm_hub_text(struct fm_hub *hub, const cJSON *object, const char *key, const char *missing);
void fm_hub_bad(struct fm_hub *hub, const char *key, const char *what);
void fm_hub_unsupported(struct fm_hub *hub, const char *key, const char *value, const char *supported);

// hub_files.c: the folder's own tensors by their own names, while the directory is made from them.
struct fm_hub_stored {
    const struct fm_safetensor *tensor;
    uint32_t file;
    bool used;
};
struct fm_hub_files {
    struct fm_hub *hub;
    struct fm_safetensors *contents; // of each file of hub->tensors->files
    const char **names;              // of each file, for messages; in the arena
    size_t capacity;
    struct fm_names index; // tensor's name -> position in stored
    struct fm_hub_stored *stored;
    size_t n_stored;
    const char *prefix; // of the trunk's names: "model." or ""
};
bool fm_hub_files_open(struct fm_hub_files *files);
void fm_hub_files_free(struct fm_hub_files *files);
// Returns the tensor, or NULL. `use` also marks the tensor as used.
const struct fm_safetensor *fm_hub_find(const struct fm_hub_files *files, const char *name);
const struct fm_safetensor *fm_hub_use(struct fm_hub_files *files, const char *name);
// Refuses a folder with a tensor that nothing has used and that would change the result: a bias, a scale or a
// norm of the layers.
bool fm_hub_check_used(struct fm_hub_files *files);

// hub_present.c: add a tensor of the folder to the directory, `from` under the name `to`; a tensor that the
// folder lacks is left out. plain: a vector or a matrix; as_f32: as F32 whatever it is. paired_rows: the
// heads' rows in pairs. table: tokens' experts, as I32. experts: one projection ("gate", "up", "down") of all
// experts of a layer, stacked. split_kv_b: kv_b_proj of a layer as attn_k_b and attn_v_b. rope: the divisors
// of Llama 3's frequencies.
bool fm_hub_present_plain(struct fm_hub_files *files, const char *from, const char *to, bool as_f32);
bool fm_hub_present_paired_rows(
    struct fm_hub_files *files, const char *from, const char *to, uint32_t n_heads);
bool fm_hub_present_table(struct fm_hub_files *files, const char *from, const char *to);
bool fm_hub_present_experts(struct fm_hub_files *files, uint32_t layer, const char *projection);
bool fm_hub_present_split_kv_b(struct fm_hub_files *files, uint32_t layer);
bool fm_hub_present_rope(struct fm_hub_files *files);
// hub_weights.c: makes tensors from the safetensors files, and the keys that count layers.
bool fm_hub_weights(struct fm_hub *hub);

// hub_scaled.c: determines how a stored matrix (or vector, as one row) is presented, and where its scales
// are. `scales` is the tensor of scales that belongs to it by name, or NULL.
struct fm_hub_form {
    enum fm_source_kind kind; // COPY, F8 or F4
    enum fathom_type type;
    uint64_t n_rows, n_cols; // elements
    const uint8_t *scales;
    enum fm_scale_type scale_type;
    uint32_t scale_cols, rows_per_scale, cols_per_scale; // as in fm_source
};
bool fm_hub_form(struct fm_hub *hub, const struct fm_safetensor *stored, const struct fm_safetensor *scales,
    struct fm_hub_form *form);
// hub_tokenizer.c: makes tokenizer.* keys from tokenizer.json, tokenizer_config.json and
// the ids of generation_config.json. A folder without tokenizer.json gets no such keys.
bool fm_hub_tokenizer(struct fm_hub *hub);
// hub_splits.c: returns GGUF's name of the pre-tokenizer of a tokenizer.json. Returns NULL where GGUF has
// none.
const char *fm_hub_pre_tokenizer(const cJSON *tokenizer);
// hub_templates.c: makes the keys of the chat templates. config: tokenizer_config.json, or NULL.
bool fm_hub_chat_templates(struct fm_hub *hub, const cJSON *config);

// hub_sampling.c: makes the keys general.sampling.* from generation_config.json.
bool fm_hub_sampling(struct fm_hub *hub);

// Loads a JSON file of the folder. *json is NULL when there is no such file. Free with cJSON_Delete().
bool fm_hub_json(struct fm_hub *hub, const char *name, cJSON **json);
// Returns the path of the folder's file `name`, in the directory's arena. Returns NULL without memory, with
// the failure set.
const char *fm_hub_path(struct fm_hub *hub, const char *name);
// Set metadata. The functions copy the key and put "{arch}" before a key that starts with a dot. Strings and
// items must live in the arena.
void fm_hub_set(struct fm_hub *hub, const char *key, struct fm_meta_value value);
void fm_hub_set_u32(struct fm_hub *hub, const char *key, uint32_t value);
void fm_hub_set_f32(struct fm_hub *hub, const char *key, double value);
void fm_hub_set_bool(struct fm_hub *hub, const char *key, bool value);
void fm_hub_set_string(struct fm_hub *hub, const char *key, const char *text);
#endif
