// Which model a session's cache is of. The directory of tensors and the numbers of the metadata tell most
// models apart. A tuned form of the same model differs in the tensors' bytes alone: a few bytes in the middle
// of every tensor are part of the key, so a form is told apart if it differs there in one tensor.
#include "base/names.h"
#include "engine/engine.h"
#include "model/arch/arch.h"
#include <string.h>

enum { SAMPLE = 64 };

// Whole numbers, such as one a layer. Of longer arrays, such as one number a token, the first.
static uint64_t add_array(const struct fm_tensors *tensors, const char *name, uint64_t key) {
    int32_t value;
    for (size_t i = 0; i < FM_MAX_LAYERS && fm_meta_array_i32(tensors, name, i, &value); i++) {
        const uint64_t own[] = {key, (uint64_t)value};
        key = fm_hash(own, sizeof(own));
    }
    return key;
}

uint64_t fm_model_key(const struct fm_tensors *tensors, const struct fm_hparams *hp) {
    uint64_t key = fm_directory_key(tensors, fm_hash(hp->arch->name, strlen(hp->arch->name)));
    for (size_t i = 0; i < fm_meta_count(tensors); i++) {
        enum fm_value_type type;
        const char *name = fm_meta_key(tensors, i, &type);
        if (type == FM_VALUE_ARRAY) key = add_array(tensors, name, key);
    }
    for (size_t i = 0; i < fm_tensors_count(tensors); i++) {
        const struct fm_tensor *t = fm_tensors_at(tensors, i);
        struct {
            uint64_t key;
            unsigned char bytes[SAMPLE];
        } own = {.key = key};
        const uint64_t n = t->size < SAMPLE ? t->size : SAMPLE;
        struct fathom_error unreadable = {0}; // the key then has zeros for the tensor, every time
        fm_tensor_read(tensors, t, (t->size - n) / 2, n, own.bytes, &unreadable);
        key = fm_hash(&own, sizeof(own));
    }
    return key;
}
