// Reads keys of a model's architecture, "<architecture>.<suffix>", and checks that each value is within the
// bounds that later sizes rely on.
#ifndef FM_MODEL_KEYS_H
#define FM_MODEL_KEYS_H
#include "file/tensors.h"

// The first error is kept. After an error the getters return the lower bound.
struct fm_keys {
    const struct fm_tensors *tensors;
    const char *arch;
    struct fathom_error *err;
    bool failed;
};

const char *fm_key_name(const struct fm_keys *k, const char *suffix, char buffer[128]);
// Sets an error about a key, which may be a suffix or a whole key.
void fm_key_bad(struct fm_keys *k, const char *key, const char *what);
// A whole number within [low, high]. `missing` is the value if the key is absent; UINT32_MAX: the key is
// required.
uint32_t fm_key_u32(struct fm_keys *k, const char *suffix, uint32_t low, uint32_t high, uint32_t missing);
// The same for floats. NAN: the key is required.
float fm_key_f32(struct fm_keys *k, const char *suffix, float low, float high, float missing);
bool fm_key_bool(struct fm_keys *k, const char *suffix, bool missing);
// Element i of an array, or the one number that holds for all elements.
float fm_key_layer_f32(
    struct fm_keys *k, const char *suffix, uint32_t i, float low, float high, float missing);
#endif
