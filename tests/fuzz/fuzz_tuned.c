// The contents of a tuning file: rows of choices.
#include "fuzz.h"
#include "gpu/tuned.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fm_tuned *rows;
    const long n = fm_tuned_parse(data, size, &rows);
    if ((n < 0) != (rows == NULL)) abort();
    for (long i = 0; i < n; i++) {
        fuzz_use(&rows[i], sizeof(rows[i]));
        if (!strlen(rows[i].op) || !strlen(rows[i].variant) || rows[i].first_token > rows[i].last_token)
            abort();
    }
    free(rows);
    return 0;
}
