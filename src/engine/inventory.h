// What a model's file holds, as the plan sees it: experts by layers, and everything else.
#ifndef FM_ENGINE_INVENTORY_H
#define FM_ENGINE_INVENTORY_H
#include "model/weights.h"

enum { FM_EXPERT_MATRICES = 3 }; // gate, up and down

struct fm_expert_layer {
    uint32_t layer;
    uint64_t matrix[FM_EXPERT_MATRICES]; // bytes of one expert's gate, up and down
};

struct fm_inventory {
    // Bytes of weights that are not experts, and of experts: those that lie in the mapped file as the device
    // reads them, and those that must be copied.
    uint64_t fixed_mapped, fixed_copied, experts_mapped, experts_copied;
    uint64_t padding;    // device memory that copies of `fixed` take beyond their bytes: see inventory.c
    uint64_t fixed_read; // bytes of `fixed` that a token reads; without the draft layer
    struct fm_expert_layer *layers; // with experts, the draft layer's last
    uint32_t n_layers, n_experts, top_k;
    enum fathom_type type; // of the first layer's gates
    char converted[64]; // an expert tensor whose bytes the device cannot read as stored; empty: there is none
};
// Checks names, shapes and types as fm_weights_measure() does. Free after a success.
// alignment: at which a device binds memory (storage_alignment); what lies elsewhere must be copied. 0: any.
bool fm_inventory_take(const struct fm_tensors *tensors, const struct fm_hparams *hp, uint32_t alignment,
    struct fm_inventory *inventory, struct fathom_error *err);
void fm_inventory_free(struct fm_inventory *inventory);

// Bytes of all experts; of the experts that a token chooses, without the draft layer.
uint64_t fm_inventory_experts(const struct fm_inventory *inventory);
#endif
