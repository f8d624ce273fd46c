// Measures how fast a device reads weights in its own memory and in the host's, and copies between them.
#ifndef FM_OP_RATES_H
#define FM_OP_RATES_H
#include "base/watch.h"
#include <fathom/fathom.h>

// Sets device, link, host and cut_seconds of *rates, with weights of rows of n_cols elements, by the
// operators and the variants that a token of such a model takes. Takes less than half a second and builds two
// pipelines. Allocates no more than an eighth of the free memory, or of a limit.
bool fm_rates_measure(struct fathom_gpu *gpu, enum fathom_type type, uint32_t n_cols,
    struct fathom_rates *rates, struct fm_watch *watch, struct fathom_error *err);
// The same, from a file of the cache folder if there is one; else measures and writes the file. A gpu in
// exact mode or with forced variants neither reads nor writes the file.
bool fm_rates_get(struct fathom_gpu *gpu, enum fathom_type type, uint32_t n_cols, struct fathom_rates *rates,
    struct fm_watch *watch, struct fathom_error *err);

// Checks the contents of such a file.
struct fm_rates_file {
    uint32_t version, reserved;
    double device, link, host, cut_seconds;
};
enum { FM_RATES_VERSION = 2 };
bool fm_rates_parse(const void *data, size_t size, struct fathom_rates *rates);
#endif
