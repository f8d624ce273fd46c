// Keys of a model's architecture, "<architecture>.<suffix>", each within the bounds that later sizes rely on.
#ifndef FM_MODEL_KEYS_H
#define FM_MODEL_KEYS_H
#include "file/tensors.h"

// The first error sticks; after it the getters return the lower bound.
struct fm_keys {
    const struct fm_tensors *tensors;
    const char *arch;
    struct fathom_error *err;
    bool failed;
};

const char *fm_key_name(const struct fm_keys *k, const char *suffix, char buffer[128]);
void fm_key_bad(struct fm_keys *k, const char *key, const char *what);
// A whole number within [low, high]; `missing` is its value without the key, or UINT32_MAX where the key must
// be there.
uint32_t fm_key_u32(struct fm_keys *k, const char *suffix, uint32_t low, uint32_t high, uint32_t missing);
// The same of floats: NAN where the key must be there.
float fm_key_f32(struct fm_keys *k, const char *suffix, float low, float high, float missing);
bool fm_key_bool(struct fm_keys *k, const char *suffix, bool missing);
// Element i of an array, or the one number that holds for all.
float fm_key_layer_f32(
    struct fm_keys *k, const char *suffix, uint32_t i, float low, float high, float missing);
#endif
