#include "op/rates.h"
#include "base/clock.h"
#include "base/size.h"
#include "gpu/cache_file.h"
#include "gpu/internal.h"
#include "gpu/watched.h"
#include <stdlib.h>
#include <string.h>

// CPU_BYTES, CARD_BYTES: a weight that no cache holds. FIRST_BYTES: enough to estimate the time of all of it.
// MOST_RUNS of a measurement, unless seconds_each are over before; the quickest run counts.
enum {
    CPU_BYTES = 32 << 20,
    CARD_BYTES = 256 << 20,
    FIRST_BYTES = 1 << 20,
    LEAST_ROWS = 32,
    MOST_RUNS = 5,
    LIST_WORDS = 64
};
static const double seconds_each = 0.08, seconds_run = 0.02;

struct bench {
    struct fathom_gpu *gpu;
    struct fm_watch *watch;
    struct fathom_stream *stream;
    struct fathom_weight *weight;       // in device memory
    struct fathom_buffer *host, *x, *y; // host: as large as the weight
    struct fathom_buffer *lists;        // a list of expert_fetch, and a table of homes after LIST_WORDS
};

static uint32_t rows_that_fit(const struct fathom_gpu *gpu, uint64_t row_size) {
    const struct fathom_gpu_info *info = &gpu->info;
    const struct fathom_gpu_params *p = &gpu->params;
    uint64_t bytes = info->type == FATHOM_GPU_CPU ? CPU_BYTES : CARD_BYTES;
    bytes = fm_least(bytes, fm_least(info->max_storage_range, info->max_allocation) / 2);
    bytes = fm_least(bytes, info->memory_free / 8);
    if (p->device_limit) bytes = fm_least(bytes, p->device_limit / 8);
    if (p->host_limit) bytes = fm_least(bytes, p->host_limit / 8);
    const uint64_t rows = bytes / row_size / LEAST_ROWS * LEAST_ROWS;
    return (uint32_t)(rows ? rows : LEAST_ROWS);
}

static bool create(struct bench *b, enum fathom_type type, uint32_t n_cols, struct fathom_error *err) {
    const uint64_t row_size = fathom_row_size(type, n_cols);
    if (row_size == 0)
        return fm_fail(
            err, FATHOM_INVALID, "no weight has rows of %u elements of type %d", n_cols, (int)type);
    const uint32_t n_rows = rows_that_fit(b->gpu, row_size);
    return (b->stream = fathom_stream_create(b->gpu, err)) &&
        (b->weight = fathom_weight_create(b->gpu, type, 1, n_rows, n_cols, err)) &&
        (b->host = fathom_buffer_create(b->gpu, b->weight->slices[0].view.size, FATHOM_MEMORY_HOST, err)) &&
        (b->lists = fathom_buffer_create(b->gpu, 8 * LIST_WORDS, FATHOM_MEMORY_HOST, err)) &&
        (b->x = fathom_buffer_create(b->gpu, 4ull * n_cols, FATHOM_MEMORY_DEVICE, err)) &&
        (b->y = fathom_buffer_create(b->gpu, 4ull * n_rows, FATHOM_MEMORY_DEVICE, err));
}

static void destroy(struct bench *b) {
    fathom_stream_destroy(&b->stream);
    fathom_weight_destroy(&b->weight);
    fathom_buffer_destroy(&b->host);
    fathom_buffer_destroy(&b->lists);
    fathom_buffer_destroy(&b->x);
    fathom_buffer_destroy(&b->y);
}

// Ends the recording and runs it several times. *seconds: of the quickest run.
static bool time_stream(struct bench *b, double *seconds, struct fathom_error *err) {
    const double begin = fm_clock();
    if (!fm_stream_finish(b->stream, b->watch, err)) return false;
    for (int i = 0; i < MOST_RUNS && (i < 2 || fm_clock() - begin < seconds_each); i++) {
        uint64_t ticket;
        double start = fm_clock();
        if (!fm_stream_submit(b->stream, b->watch, &ticket, err) ||
            !fm_gpu_wait(b->gpu, ticket, b->watch, err))
            return false;
        const double took = fm_lap(&start);
        if (i == 0 || took < *seconds) *seconds = took;
    }
    return true;
}

// A copy of `size` bytes to the weight.
static bool time_copy(struct bench *b, uint64_t size, double *seconds, struct fathom_error *err) {
    struct fathom_view to = b->weight->slices[0].view, from = fathom_buffer_view(b->host);
    to.size = from.size = size;
    fathom_stream_begin(b->stream);
    fathom_stream_copy(b->stream, from, to);
    return time_stream(b, seconds, err);
}

// A fetch of one expert, as decode steps copy. Its three matrices are parts of the weight. *bytes: copied.
static bool time_fetch(struct bench *b, double *bytes, double *seconds, struct fathom_error *err) {
    const uint32_t n_rows = b->weight->n_rows / 3 / LEAST_ROWS * LEAST_ROWS;
    const uint64_t row_size = fathom_row_size(b->weight->type, b->weight->n_cols), size = n_rows * row_size;
    struct fathom_slice slices[3];
    struct fathom_weight parts[3];
    if (size % b->gpu->info.storage_alignment || size % 16 || n_rows == 0) { // an odd type: like a copy
        *bytes = (double)(row_size * b->weight->n_rows / 4 * 4);
        return time_copy(b, (uint64_t)*bytes, seconds, err);
    }
    for (int i = 0; i < 3; i++) {
        slices[i] = (struct fathom_slice){b->weight->slices[0].view, 0, n_rows};
        slices[i].view.offset += i * size, slices[i].view.size = size;
        parts[i] = *b->weight;
        parts[i].n_rows = n_rows, parts[i].slices = &slices[i];
    }
    uint32_t *words = fathom_buffer_map(b->lists);
    const uint32_t list[] = {1, 0, 0, 0}, home[] = {0, 0, (uint32_t)(size / 4), (uint32_t)(size / 2)};
    memcpy(words, list, sizeof(list));
    memcpy(words + LIST_WORDS, home, sizeof(home));
    *bytes = 3.0 * (double)size;
    fathom_stream_begin(b->stream);
    fathom_expert_fetch(b->stream,
        &FATHOM_INIT(fathom_expert_fetch_params, .fetches = {b->lists, 0, 12},
            .homes = {b->lists, 4 * LIST_WORDS, 16}, .source = fathom_buffer_view(b->host), .gate = &parts[0],
            .up = &parts[1], .down = &parts[2], .n_experts = 1, .n_slots = 1, .n_tokens = 1, .top_k = 1));
    return time_stream(b, seconds, err);
}

// One token's product with n_rows of the weight, or of the same weight in host memory.
static bool time_product(
    struct bench *b, uint32_t n_rows, bool host, double *seconds, struct fathom_error *err) {
    struct fathom_slice slice = b->weight->slices[0];
    struct fathom_weight weight = *b->weight;
    weight.slices = &slice;
    weight.n_rows = slice.n_rows = n_rows;
    if (host) slice.view = fathom_buffer_view(b->host);
    fathom_stream_begin(b->stream);
    fathom_matmul(b->stream,
        &FATHOM_INIT(fathom_matmul_params, .w = &weight, .x = fathom_buffer_view(b->x),
            .y = (struct fathom_view){b->y, 0, 4ull * n_rows}, .n_tokens = 1));
    return time_stream(b, seconds, err);
}

// As many rows as take seconds_run; a slow device computes with few.
static bool choose_rows(struct bench *b, uint64_t row_size, uint32_t *n_rows, struct fathom_error *err) {
    const uint32_t all = b->weight->n_rows, first = (uint32_t)fm_least(all, FIRST_BYTES / row_size + 1);
    double seconds;
    if (!time_product(b, first, false, &seconds, err)) return false;
    *n_rows =
        seconds < seconds_run ? (uint32_t)fm_least(all, (uint64_t)(first * seconds_run / seconds)) : first;
    return true;
}

static double rate(double bytes, double seconds, double overhead) {
    return bytes / (seconds > 2 * overhead ? seconds - overhead : seconds);
}

bool fm_rates_measure(struct fathom_gpu *gpu, enum fathom_type type, uint32_t n_cols,
    struct fathom_rates *rates, struct fm_watch *watch, struct fathom_error *err) {
    struct bench b = {.gpu = gpu, .watch = watch};
    const uint64_t row_size = fathom_row_size(type, n_cols);
    double cut = 0, device = 0, host = 0, link = 0, copied = 0;
    uint32_t n_rows = 0;
    const bool ok = fm_watch_tell(watch, FATHOM_PHASE_TUNE, 0, 0, err) && create(&b, type, n_cols, err) &&
        time_copy(&b, 4, &cut, err) && choose_rows(&b, row_size, &n_rows, err) &&
        time_product(&b, n_rows, false, &device, err) && time_product(&b, n_rows, true, &host, err) &&
        time_fetch(&b, &copied, &link, err);
    const double bytes = (double)row_size * n_rows;
    destroy(&b);
    if (!ok) return false;
    rates->device = rate(bytes, device, cut);
    rates->host = rate(bytes, host, cut);
    rates->link = rate(copied, link, cut);
    rates->cut_seconds = cut;
    return true;
}

bool fm_rates_parse(const void *data, size_t size, struct fathom_rates *rates) {
    struct fm_rates_file f;
    if (size != sizeof(f)) return false;
    memcpy(&f, data, sizeof(f));
    const double values[] = {f.device, f.link, f.host, f.cut_seconds};
    if (f.version != FM_RATES_VERSION) return false;
    for (int i = 0; i < 4; i++)
        if (!(values[i] > 0 && values[i] < 1e15)) return false;
    rates->device = f.device, rates->link = f.link, rates->host = f.host, rates->cut_seconds = f.cut_seconds;
    return true;
}

bool fm_rates_get(struct fathom_gpu *gpu, enum fathom_type type, uint32_t n_cols, struct fathom_rates *rates,
    struct fm_watch *watch, struct fathom_error *err) {
    const uint32_t shape[] = {(uint32_t)type, n_cols, gpu->debug.discrete, gpu->info.unified_memory};
    const uint64_t key = fm_cache_key_add(fm_cache_key(gpu), shape, sizeof(shape));
    const bool kept = !gpu->params.exact && !gpu->params.variants;
    size_t size = 0;
    bool unusable;
    void *data = kept ? fm_cache_read(gpu, "rates", key, &size, &unusable) : NULL;
    const bool read = data && fm_rates_parse(data, size, rates);
    free(data);
    if (read) return true;
    const double begin = fm_clock();
    if (!fm_rates_measure(gpu, type, n_cols, rates, watch, err)) return false;
    fm_log(&gpu->params.log, FATHOM_LOG_INFO,
        "%s: measured %.1f GB/s of weights, %.1f GB/s of weights in host memory, %.1f GB/s of copies, %.0f "
        "us a submit, in %.2f s",
        gpu->info.name, rates->device / 1e9, rates->host / 1e9, rates->link / 1e9, 1e6 * rates->cut_seconds,
        fm_clock() - begin);
    const struct fm_rates_file f = {
        FM_RATES_VERSION, 0, rates->device, rates->link, rates->host, rates->cut_seconds};
    if (kept) fm_cache_write(gpu, "rates", key, &f, sizeof(f));
    return true;
}
