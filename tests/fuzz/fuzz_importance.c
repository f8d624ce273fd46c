// An importance matrix in either of its forms: opens it, and looks up every name that the file may hold.
#include "fuzz.h"
#include "convert/importance.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[] = "/tmp/fathom-fuzz-XXXXXX";
    struct fathom_error err = {0};
    const int fd = mkstemp(path);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    close(fd);
    struct fm_importance *importance = fm_importance_open(path, &err);
    if (!importance && (err.status == FATHOM_OK || !strstr(err.message, path))) abort();
    const struct fm_tensor tensor = {
        .name = "blk.0.ffn_up.weight",
        .type = FATHOM_F32,
        .n_dims = 2,
        .dims = {4, 3, 2, 1},
        .size = 96,
    };
    if (importance && fm_importance_fits(importance, &tensor, &err))
        for (uint64_t i = 0; i < 2; i++) {
            const float *values = fm_importance_find(importance, &tensor, i);
            if (values) fuzz_use(values, 4 * sizeof(*values));
        }
    fm_importance_close(&importance);
    unlink(path);
    return 0;
}
