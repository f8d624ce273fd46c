// A GGUF file in memory: its directory, all metadata, all tensors, and the tokenizer of its keys.
#include "file/gguf/gguf.h"
#include "quant/types.h"
#include "fuzz.h"
#include "text/tokenizer.h"

static void use_key(const struct fm_tensors *tensors, size_t i) {
    enum fm_value_type type;
    const char *key = fm_meta_key(tensors, i, &type), *text;
    uint32_t u;
    int32_t n;
    float f;
    bool b;
    size_t length;
    struct fathom_error err[4] = {0};
    fm_meta_u32(tensors, key, &u, &err[0]);
    fm_meta_f32(tensors, key, &f, &err[1]);
    fm_meta_bool(tensors, key, &b, &err[2]);
    if (fm_meta_string(tensors, key, &text, &length, &err[3])) fuzz_use(text, length + 1);
    if (!fm_meta_has(tensors, key)) abort();
    const size_t count = fm_meta_array_length(tensors, key);
    for (size_t j = 0; j <= count && j < 4096; j++) {
        if (fm_meta_array_string(tensors, key, j, &text, &length)) fuzz_use(text, length + 1);
        fm_meta_array_i32(tensors, key, j, &n);
        fm_meta_array_f32(tensors, key, j, &f);
    }
}

static void use_tensor(const struct fm_tensors *tensors, const struct fm_tensor *tensor) {
    struct fathom_error err = {0};
    if (fm_tensors_find(tensors, tensor->name) != tensor) abort();
    uint8_t *bytes = malloc(tensor->size);
    if (!bytes) abort(); // no tensor is larger than the input
    const bool ok = fm_tensor_read(tensors, tensor, 0, tensor->size, bytes, &err);
    fuzz_check(&err, ok);
    if (!ok) abort();
    const void *map = fm_tensor_map(tensors, tensor); // NULL: the bytes are not as stored
    if (map) fuzz_use(map, tensor->size);
    const struct fm_type_info *info = fm_type_info(tensor->type);
    float row[256]; // a block of any type, or several
    const uint64_t n = tensor->size / info->bytes * info->block;
    if (n >= 256) fm_dequantize_row(tensor->type, bytes, row, 256);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fathom_error err = {0};
    struct fm_tensors *tensors = fm_gguf_from_memory("fuzz.gguf", data, size, &err);
    fuzz_check(&err, tensors != NULL);
    if (!tensors) return 0;
    for (size_t i = 0; i < fm_meta_count(tensors); i++) use_key(tensors, i);
    for (size_t i = 0; i < fm_tensors_count(tensors); i++) use_tensor(tensors, fm_tensors_at(tensors, i));
    if (fm_meta_has(tensors, "tokenizer.ggml.tokens")) {
        struct fathom_tokenizer *tokenizer = fm_tokenizer_from_tensors(tensors, &err);
        fuzz_check(&err, tokenizer != NULL);
        fathom_tokenizer_destroy(&tokenizer);
    }
    fm_tensors_close(&tensors);
    return 0;
}
