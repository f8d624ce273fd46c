#include "model/keys.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *fm_key_name(const struct fm_keys *k, const char *suffix, char buffer[128]) {
    snprintf(buffer, 128, "%s.%s", k->arch, suffix);
    return buffer;
}

void fm_key_bad(struct fm_keys *k, const char *key, const char *what) {
    const size_t n = strlen(k->arch);
    const bool whole = !strncmp(key, k->arch, n) && key[n] == '.';
    if (k->failed) return; // the first error is kept
    fm_fail(k->err, FATHOM_INVALID, "%s: key %s%s%s %s", fm_tensors_path(k->tensors), whole ? "" : k->arch,
        whole ? "" : ".", key, what);
    k->failed = true;
}

// Keeps a getter's message, which names file, key and value.
static void keep(struct fm_keys *k, const struct fathom_error *wrong) {
    fm_fail(k->err, wrong->status, "%s", wrong->message);
    k->failed = true;
}

uint32_t fm_key_u32(struct fm_keys *k, const char *suffix, uint32_t low, uint32_t high, uint32_t missing) {
    char key[128];
    fm_key_name(k, suffix, key);
    if (k->failed) return low;
    uint32_t value = missing;
    struct fathom_error wrong = {0};
    if (!fm_meta_u32(k->tensors, key, &value, &wrong)) {
        if (wrong.status != FATHOM_OK) return keep(k, &wrong), low;
        if (missing == UINT32_MAX) return fm_key_bad(k, key, "is missing"), low;
        return missing;
    }
    if (value < low || value > high) {
        fm_fail(k->err, FATHOM_INVALID, "%s: key %s is %u, expected %u to %u", fm_tensors_path(k->tensors),
            key, value, low, high);
        k->failed = true;
        return low;
    }
    return value;
}

float fm_key_f32(struct fm_keys *k, const char *suffix, float low, float high, float missing) {
    char key[128];
    fm_key_name(k, suffix, key);
    if (k->failed) return low;
    float value = missing;
    struct fathom_error wrong = {0};
    if (!fm_meta_f32(k->tensors, key, &value, &wrong)) {
        if (wrong.status != FATHOM_OK) return keep(k, &wrong), low;
        if (isnan(missing)) return fm_key_bad(k, key, "is missing"), low;
        return missing;
    }
    if (!(value >= low && value <= high)) {
        fm_fail(k->err, FATHOM_INVALID, "%s: key %s is %g, expected %g to %g", fm_tensors_path(k->tensors),
            key, value, low, high);
        k->failed = true;
        return low;
    }
    return value;
}

bool fm_key_bool(struct fm_keys *k, const char *suffix, bool missing) {
    char key[128];
    fm_key_name(k, suffix, key);
    bool value = missing;
    struct fathom_error wrong = {0};
    if (!k->failed && !fm_meta_bool(k->tensors, key, &value, &wrong) && wrong.status != FATHOM_OK)
        keep(k, &wrong);
    return value;
}

float fm_key_layer_f32(
    struct fm_keys *k, const char *suffix, uint32_t i, float low, float high, float missing) {
    char key[128];
    float value;
    fm_key_name(k, suffix, key);
    if (fm_meta_array_length(k->tensors, key) <= i) return fm_key_f32(k, suffix, low, high, missing);
    if (!fm_meta_array_f32(k->tensors, key, i, &value))
        return fm_key_bad(k, key, "is not an array of numbers"), low;
    if (!(value >= low && value <= high))
        return fm_key_bad(k, key, "has an element that is out of range"), low;
    return value;
}
