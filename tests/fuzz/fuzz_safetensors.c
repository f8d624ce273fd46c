// A safetensors file in memory: its header and all tensors.
#include "file/hub/safetensors.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fathom_error err = {0};
    struct fm_safetensors file;
    const bool ok = fm_safetensors_from_memory(&file, "fuzz.safetensors", data, size, &err);
    fuzz_check(&err, ok);
    for (size_t i = 0; ok && i < file.count; i++) fuzz_use(file.list[i].data, file.list[i].size);
    fm_safetensors_free(&file);
    return 0;
}
