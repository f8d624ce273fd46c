// Decides where experts lie: slots in device memory, homes in host memory, the file. Pure arithmetic.
#ifndef FM_ENGINE_PLACEMENT_H
#define FM_ENGINE_PLACEMENT_H
#include "engine/inventory.h"

struct fm_machine {
    bool unified;          // device memory is part of the host's
    bool limited;          // by the user, so that no byte more may be taken
    bool in_place;         // the device reads weights in the mapped file
    uint64_t device, host; // free bytes, within the limits
    uint64_t both;         // where unified: free bytes of the one memory; else UINT64_MAX
    uint64_t slack;        // device memory that the allocator may lose within a limit
    uint64_t max_pool;     // most bytes of one buffer that a binding addresses
};

// What a plan lacks, and how much it needs of how much there is.
enum fm_short {
    FM_ENOUGH,
    FM_SHORT_FIXED,   // device memory for everything but experts
    FM_SHORT_MAPPED,  // host memory for everything but experts
    FM_SHORT_DEVICE,  // DEVICE was asked for
    FM_SHORT_HOST,    // HOST was asked for
    FM_SHORT_SLOTS,   // device memory for the slots that all layers share
    FM_SHORT_RANGE,   // what one binding addresses, for a token's experts
    FM_SHORT_STAGING, // host memory for the homes that all layers share
    FM_SHORT_FORM,    // experts would have to be read from the file, which does not hold them as stored
};
struct fm_shortage {
    enum fm_short what;
    uint64_t needed, available;
};

// Device memory that slots, and experts within a limit, leave free: the allocator cuts buffers from blocks,
// which do not come out even.
enum { FM_SLOT_RESERVE = 32 }; // one part in 32

// Fills the plan's fields about experts, `total`, `fixed`, `in_place` and `fits`, from `weights`, `cache`,
// `scratch` and `n_chunk`. `fits` is false where something is short; the plan is then that of a model that
// lies in device memory whole. Slots are as many as fit; whether slots pay is not decided here.
struct fm_shortage fm_place(const struct fm_inventory *inventory, const struct fm_machine *machine,
    enum fathom_experts wanted, struct fathom_memory_plan *plan);

// Bytes of n slots of every layer, with their tables; of homes for n experts of every layer as the disk's
// windows, and for all experts side by side.
uint64_t fm_slots_size(const struct fm_inventory *inventory, uint32_t n_chunk, uint32_t n);
uint64_t fm_homes_size(const struct fm_inventory *inventory, uint32_t n);
uint64_t fm_host_size(const struct fm_inventory *inventory);
#endif
