// Experts that do not all fit into device memory: slots on the device, which take some of a layer's experts,
// and homes in host memory, from which expert_fetch copies them. See fathom_expert_place.
#ifndef FM_MODEL_SLOTS_H
#define FM_MODEL_SLOTS_H
#include "base/watch.h"
#include "file/tensors.h"
#include "model/hparams.h"
#include <fathom/fathom.h>

enum { FM_GATE, FM_UP, FM_DOWN, FM_N_MATRICES };

// The tensors of a layer's experts.
struct fm_expert_tensors {
    const struct fm_tensor *tensor; // [n_experts][n_rows][n_cols], of the file, while that is open
    enum fathom_type type;
    uint32_t n_rows, n_cols; // 0: the layer is dense
};

struct fm_layer_slots {
    struct fm_expert_tensors matrices[FM_N_MATRICES];
    uint64_t matrix_size[FM_N_MATRICES];        // bytes of one expert's
    struct fathom_weight *pools[FM_N_MATRICES]; // [n_slots] matrices
    struct fathom_slice *rounds[FM_N_MATRICES]; // [n_rounds]: the pool, once for each round
    struct fathom_weight *homes;     // float32[n_homes][home_size / 4], in host memory; NULL: only staging
    uint64_t home_size;              // bytes
    uint64_t home_at[FM_N_MATRICES]; // bytes: where a matrix, or the window of the file around it, begins
    struct fathom_view state;        // of fathom_expert_place
    struct fathom_view table;        // uint32[n_experts][4], in host memory: homes of fathom_expert_fetch
    // uint32[n_vocab][top_k]: the host's copy of the table that gives each token its experts; NULL: there is
    // none, or nothing is read from the file
    uint32_t *choices;
};

struct fm_slots {
    uint32_t n_layers; // with the draft layer; the layers without experts have no pools
    uint32_t n_experts, n_slots, n_homes, n_rounds;
    uint32_t top_k, n_vocab;
    uint32_t n_resizes;
    uint32_t version; // changes with n_slots and `guesses`: what was recorded before must be recorded again
    // Each layer of a decode step also runs the next layer's gate, and the host reads those experts ahead.
    bool guesses;
    bool on_disk; // the file is the experts' place, and homes keep some; else every expert has its home
    bool words;   // the file has matrices at any word; see fathom_expert_fetch
    // The host copies to the slots, because it sees the device's memory; else expert_fetch does. Only
    // on_disk.
    bool host_copies;
    bool shared;   // all layers share the slots, which keep nothing from layer to layer
    bool in_doubt; // a step failed in the middle: fm_slots_forget() must come before the next one
    struct fm_layer_slots *layers; // [n_layers]
    struct fathom_weight *staging; // float32[n_staging][home_size / 4]: homes for one round; NULL: none
    struct fathom_buffer *states, *tables, *fetches, *empty;
    struct fathom_buffer *guessed; // see fm_slots_guessed; NULL: nothing is read from the file
    uint64_t state_size;           // bytes from one layer's state to the next
};

// Creates an empty object for n_layers layers. `plan` gives the numbers of slots and homes.
struct fm_slots *fm_slots_create(
    const struct fm_hparams *hp, const struct fathom_memory_plan *plan, struct fathom_error *err);
// Takes note of matrix `which` of the experts of a layer.
void fm_slots_add(struct fm_slots *slots, uint32_t layer, int which, const struct fm_tensor *tensor,
    uint32_t n_rows, uint32_t n_cols);
// Keeps a copy of the layer's table of experts by token, if there will be reads to begin early.
bool fm_slots_add_choices(
    struct fm_slots *slots, uint32_t layer, const uint32_t *choices, struct fathom_error *err);
// Allocates slots and homes, when all matrices are known.
bool fm_slots_allocate(
    struct fathom_gpu *gpu, struct fm_slots *slots, struct fm_watch *watch, struct fathom_error *err);
// Changes the number of slots to n_slots, or to as many as there is memory for; n_slots is at most the number
// in the plan, for which the staging has homes. The slots are empty afterwards. Waits for the device.
// After a failure there may be no slots: until another call succeeds, no step may be recorded.
bool fm_slots_resize(
    struct fathom_gpu *gpu, struct fm_slots *slots, uint32_t n_slots, struct fathom_error *err);
bool fm_slots_exist(const struct fm_slots *slots);
void fm_slots_destroy(struct fm_slots **slots);

// The host's pointer to a home; NULL: there is no such home. Homes from n_homes on are those of the staging.
char *fm_slots_home(const struct fm_slots *slots, uint32_t layer, uint32_t home);
// Writes the place of an expert into the layer's table: `home`, where matrix i begins skip[i] bytes after
// home_at[i]; a multiple of 4.
void fm_slots_set_home(const struct fm_slots *slots, uint32_t layer, uint32_t expert, uint32_t home,
    const uint64_t skip[FM_N_MATRICES]);
// The lists of expert_place for one round, which the host may read between the parts of a stream:
// the number of experts that round `round` of the last call fetches, and the experts. Their slots follow
// n_slots numbers after them.
uint32_t fm_slots_fetches(const struct fm_slots *slots, uint32_t round, const volatile uint32_t **experts);

// Switches `guesses`.
void fm_slots_guess(struct fm_slots *slots, bool guesses);
// The most tokens for which the next layer's gate is run, and the views for its ids and weights in host
// memory. One layer's guesses overwrite those of the layer before.
enum { FM_GUESSED_TOKENS = 1 + FATHOM_MAX_DRAFTS };
void fm_slots_guessed(const struct fm_slots *slots, struct fathom_view *ids, struct fathom_view *weights);

// The parts of a layer's state that say what is in the slots: zero, nothing is.
void fm_slots_contents(
    const struct fm_slots *slots, uint32_t layer, struct fathom_view *table, struct fathom_view *in_slots);
// Bytes of one expert.
uint64_t fm_slots_expert_size(const struct fm_layer_slots *layer);
// Empties all slots, which ends the doubt.
bool fm_slots_forget(struct fathom_gpu *gpu, struct fm_slots *slots, struct fathom_error *err);
// Adds the layers' depths (FATHOM_EXPERT_STATE) to depths[n_experts + 1].
bool fm_slots_depths(
    struct fathom_gpu *gpu, const struct fm_slots *slots, uint64_t *depths, struct fathom_error *err);
// Adds to *stats what the device has counted. The counts go with slots that fm_slots_resize() has lost.
bool fm_slots_count(struct fathom_gpu *gpu, const struct fm_slots *slots, struct fathom_expert_stats *stats,
    struct fathom_error *err);

// The weight for a batch: the pool of a matrix, n_rounds times.
struct fathom_weight fm_slots_weight(
    const struct fm_slots *slots, uint32_t layer, int which, uint32_t n_rounds);

// Tags of the cuts in a stream: what the host must bring before the next part runs, and how many experts of
// the next layer the part before has guessed.
static inline uint64_t fm_slots_tag(uint32_t layer, uint32_t round, uint32_t n_guessed) {
    return (uint64_t)layer << 32 | (uint64_t)n_guessed << 48 | round;
}
static inline uint32_t fm_slots_tag_layer(uint64_t tag) {
    return (uint32_t)(tag >> 32 & UINT16_MAX);
}
static inline uint32_t fm_slots_tag_round(uint64_t tag) {
    return (uint32_t)tag;
}
static inline uint32_t fm_slots_tag_guessed(uint64_t tag) {
    return (uint32_t)(tag >> 48);
}
#endif
