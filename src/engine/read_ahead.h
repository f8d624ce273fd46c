// The inside of the residency, and what it reads before the device asks: experts that follow from the tokens,
// and experts that the next layer's gate has guessed.
#ifndef FM_ENGINE_READ_AHEAD_H
#define FM_ENGINE_READ_AHEAD_H
#include "base/disk_reader.h"
#include "engine/residency.h"

enum { FM_MAX_TOP_K = 16 }; // of fathom_expert_gate

// One expert's room in host memory. The homes of a layer keep experts, the least recently used goes first.
// Those of the staging serve one round.
struct fm_home {
    uint32_t expert;  // + 1; 0: none
    uint64_t used;    // the clock of the last round that fetched from it
    uint64_t busy;    // ticket of that round's part: until it is done, the device reads the home
    uint64_t reading; // ticket of the read that fills it, until somebody has waited for it; 0: none
    uint64_t skip[FM_N_MATRICES]; // bytes before each matrix in its window
};

// Where a matrix lies in the files.
struct fm_expert_place {
    uint32_t file; // of the reader
    uint64_t offset;
};

struct fm_layer_homes {
    struct fm_home *homes;         // [n_homes]
    uint32_t *home_of;             // [n_experts]: home + 1; 0: none
    struct fm_expert_place *place; // [n_experts][FM_N_MATRICES]
    // By what the device has fetched: the experts in slots, and what each slot holds, + 1. The device alone
    // decides what a step fetches; this only tells what need not be read ahead.
    bool *in_slot;   // [n_experts]
    uint32_t *slots; // [n_experts], of which n_slots count
    uint64_t n_late; // experts whose read began when the device asked for them
};

struct fm_residency {
    struct fathom_gpu *gpu;
    const struct fm_tensors *tensors;
    struct fm_slots *slots;
    struct fm_disk_reader *reader;
    struct fm_watch *watch;              // of the submit at hand
    const struct fm_mapped_file **files; // of the reader, by number
    uint32_t n_files;
    struct fm_layer_homes *layers;
    struct fm_home *staging;
    uint32_t n_staging, next_staging;
    // [n_experts]: the homes of the round at hand, and the slots that take what is in them
    struct fm_home **used;
    uint32_t *slot_of_used;
    uint32_t n_used;
    bool *needed; // [n_experts], of one layer
    uint64_t clock;
    uint64_t pass, pass_before; // the clock when the stream at hand began, and the one before
    uint32_t n_resizes;         // of the slots, when the copy of what is in them began
    // what the gate of the next layer has guessed, and the homes that were given to guesses
    uint32_t guesses[FM_GUESSED_TOKENS * FM_MAX_TOP_K], n_guesses;
    struct fm_home *guessed[FM_MAX_TOP_K];
    uint32_t n_guessed;
    struct fm_comparison comparisons[FM_N_COMPARISONS];
    struct fathom_log log;
    struct fathom_expert_stats stats; // those of reads
};

// residency.c. oldest: the least recently used of the layer's homes that were last used before `before`;
// homes that are being filled come last. fill: begins to read an expert into one of the layer's homes.
struct fm_home *fm_residency_oldest(struct fm_residency *r, uint32_t layer, uint64_t before);
bool fm_residency_fill(
    struct fm_residency *r, uint32_t layer, uint32_t expert, struct fm_home *home, struct fathom_error *err);

// Begins to read what n tokens need of the layers whose experts follow from the tokens.
bool fm_read_known(struct fm_residency *r, const int32_t *ids, uint32_t n, struct fathom_error *err);
// The gate's n guesses, which the gate of a later layer overwrites.
void fm_take_guesses(struct fm_residency *r, uint32_t n);
// Begins to read the guessed experts of a layer, as many as one token needs. Homes that this step or the step
// before has used are kept: a guess may be wrong.
bool fm_read_guesses(struct fm_residency *r, uint32_t layer, struct fathom_error *err);
// The device has said what it fetches in the layer's rounds: reads of wrong guesses that have not begun are
// dropped, so that they delay nothing, and their homes are the first ones that others get.
void fm_judge_guesses(struct fm_residency *r, uint32_t layer, uint32_t n_rounds);
#endif
