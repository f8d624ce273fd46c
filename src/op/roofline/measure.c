// Measures the limits of a device; see fathom/debug.h.
#include "base/error.h"
#include "op/roofline/roofline.h"
#include <fathom/debug.h>

enum { N_ROUNDS = 7, READ_BYTES = 128 << 20 };

// Runs a stream of one dispatch several times. *least: nanoseconds of the quickest run, 0 without timers.
static bool time_kernel(struct fathom_gpu *gpu, struct fathom_stream *stream,
    const struct fathom_dispatch_time **time, double *least, struct fathom_error *err) {
    *least = 0;
    if (!fathom_stream_finish(stream, err)) return false;
    for (int i = 0; i < N_ROUNDS; i++) {
        uint64_t ticket;
        if (!fathom_stream_submit(stream, &ticket, err) || !fathom_gpu_wait(gpu, ticket, err)) return false;
        if (!fathom_stream_read_timings(stream)) continue;
        *time = fathom_stream_get_timing(stream, 0);
        if (*least == 0 || (*time)->nanoseconds < *least) *least = (*time)->nanoseconds;
    }
    return *least > 0 ||
        fm_fail(err, FATHOM_UNSUPPORTED, "%s has no GPU timers, or they cannot be read",
            fathom_gpu_get_info(gpu)->name);
}

bool fathom_gpu_measure_roofline(
    struct fathom_gpu *gpu, struct fathom_roofline *roofline, struct fathom_error *err) {
    if (!FM_GIVEN(gpu, "gpu", err) || !FM_GIVEN(roofline, "roofline", err)) return false;
    const uint64_t range = fathom_gpu_get_info(gpu)->max_storage_range,
                   size = range < READ_BYTES ? range / 4 * 4 : READ_BYTES;
    const float one = 1;
    const struct fathom_dispatch_time *time;
    double least;
    bool ok = false;
    struct fathom_stream *stream = fathom_stream_create(gpu, err);
    struct fathom_buffer *x = fathom_buffer_create(gpu, size, FATHOM_MEMORY_DEVICE, err),
                         *y = fathom_buffer_create(gpu, 4 * FM_ROOFLINE_RESULTS, FATHOM_MEMORY_DEVICE, err);
    if (!stream || !x || !y || !fathom_upload(gpu, (struct fathom_view){x, 0, 4}, &one, err)) goto fail;
    fm_roofline_read(stream, fathom_buffer_view(x), fathom_buffer_view(y));
    if (!time_kernel(gpu, stream, &time, &least, err)) goto fail;
    roofline->bytes_per_second = 1e9 * time->bytes / least;
    fathom_stream_begin(stream);
    fm_roofline_fma(stream, fathom_buffer_view(x), fathom_buffer_view(y));
    ok = time_kernel(gpu, stream, &time, &least, err);
    if (ok) roofline->flops_per_second = 1e9 * time->flops / least;
fail:
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&x);
    fathom_buffer_destroy(&y);
    return ok;
}
