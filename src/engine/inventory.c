#include "engine/inventory.h"
#include "base/error.h"
#include "model/walk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ALIGN: the allocator's, and that of vectors in model/weights.c. SESSION: buffers of a few words.
enum { ALIGN = 256, SESSION = 16 << 10 };

struct counting {
    struct fm_walk walk; // first: the visitor gets a pointer to this
    struct fm_inventory *inventory;
    uint32_t alignment;
};

// Whether each expert can be read from a file as it is stored. expert_fetch copies words.
static bool lies_as_stored(const struct fm_tensors *tensors, const struct fm_tensor *t, uint32_t n_experts) {
    const struct fm_mapped_file *file;
    const uint64_t size = t->size / n_experts;
    uint64_t offset;
    for (uint32_t i = 0; i < n_experts; i++)
        if (!fm_tensor_place(tensors, t, i * size, size, &file, &offset) || offset % 4) return false;
    return true;
}

static void count_expert(struct counting *c, const struct fm_need *need, const struct fm_tensor *t) {
    struct fm_inventory *inv = c->inventory;
    unsigned i = 0;
    if (inv->n_layers == 0) inv->type = t->type; // the gate comes first
    sscanf(need->name, "blk.%u.", &i);           // the names of experts begin so
    if (inv->n_layers == 0 || inv->layers[inv->n_layers - 1].layer != i)
        inv->layers[inv->n_layers++] = (struct fm_expert_layer){.layer = i};
    const struct fm_layer *layer = &c->walk.weights->layers[i];
    const int m = need->weight == &layer->gate ? 0 : need->weight == &layer->up ? 1 : 2;
    inv->layers[inv->n_layers - 1].matrix[m] = t->size / need->n_mats;
    if (!inv->converted[0] && !lies_as_stored(c->walk.tensors, t, need->n_mats))
        snprintf(inv->converted, sizeof(inv->converted), "%s", need->name);
}

static bool count(struct fm_walk *w, const struct fm_need *need, const struct fm_tensor *t) {
    struct counting *c = (struct counting *)w;
    struct fm_inventory *inv = c->inventory;
    // weights of several tensors and vectors are copied, see model/weights.c
    const uintptr_t at = (uintptr_t)fm_tensor_map(w->tensors, t);
    const bool mapped = !need->vector && !need->all_rows && at && at % c->alignment == 0;
    if (need->per_expert) {
        *(mapped ? &inv->experts_mapped : &inv->experts_copied) += t->size;
        count_expert(c, need, t);
        return true;
    }
    *(mapped ? &inv->fixed_mapped : &inv->fixed_copied) += t->size;
    if (!mapped) { // a vector becomes floats; a matrix has a word more
        const uint64_t elements = (uint64_t)need->n_mats * need->n_rows * need->n_cols,
                       bytes = need->vector ? 4 * elements : t->size + 4;
        inv->padding += (bytes + ALIGN - 1) / ALIGN * ALIGN - t->size;
    }
    // without a head of its own, a token reads the whole embedding
    const bool row_only = need->lookup && fm_tensors_find(w->tensors, "output.weight");
    if (!need->draft && !need->table && !row_only) inv->fixed_read += t->size;
    return true;
}

bool fm_inventory_take(const struct fm_tensors *tensors, const struct fm_hparams *hp, uint32_t alignment,
    struct fm_inventory *inventory, struct fathom_error *err) {
    const uint32_t n_layers = hp->n_layers + hp->n_drafting;
    *inventory = (struct fm_inventory){
        .n_experts = hp->n_experts,
        .top_k = hp->n_experts_used,
        .padding = SESSION,
    };
    struct fm_weights names = {.layers = calloc(n_layers, sizeof(*names.layers))};
    inventory->layers = calloc(n_layers, sizeof(*inventory->layers));
    struct counting c = {
        .walk = {.tensors = tensors, .hp = hp, .weights = &names, .visit = count, .err = err},
        .inventory = inventory,
        .alignment = alignment ? alignment : 1,
    };
    bool ok = (names.layers && inventory->layers) ||
        fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for %u layers", n_layers);
    ok = ok && fm_walk_model(&c.walk);
    free(names.layers);
    if (!ok) fm_inventory_free(inventory);
    return ok;
}

void fm_inventory_free(struct fm_inventory *inventory) {
    free(inventory->layers);
    *inventory = (struct fm_inventory){0};
}

uint64_t fm_inventory_experts(const struct fm_inventory *inventory) {
    return inventory->experts_mapped + inventory->experts_copied;
}
