#include "convert/transcode.h"
#include "file/scaled.h"
#include "file/gguf/gguf_write.h"
#include "quant/types.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_ELEMENTS = 4 << 20, MAX_THREADS = 16 };

struct work {
    const struct fm_transcoding *job;
    uint64_t done, total; // bytes
    uint32_t n_threads;
    struct fathom_error *err;
    // buffers for one piece of a tensor
    uint8_t *stored, *result;
    float *floats;
};

static uint64_t bytes_of(enum fathom_type type, uint64_t n) {
    return n / fm_type_info(type)->block * fm_type_info(type)->bytes;
}

uint64_t fm_tensor_elements(const struct fm_tensor *tensor) {
    const struct fm_type_info *info = fm_type_info(tensor->type);
    return tensor->size / info->bytes * info->block;
}

// ---- Conversion of one piece on several threads ----------------------------------------------------------

struct slice {
    const struct work *work;
    const struct fm_tensor *from, *to;
    uint64_t piece, first, n; // elements: start of the piece in the tensor, start of the slice in the piece
    bool fits;
};

// With importances the function quantises row by row; a block then never crosses from one row to the next.
static bool quantize_slice(const struct slice *s, const float *x, uint8_t *result) {
    const uint64_t row = s->to->dims[0], start = s->piece + s->first;
    const struct fm_importance *importance = s->work->job->importance;
    if (!importance || fm_type_info(s->to->type)->block == 1 || !fm_importance_find(importance, s->to, 0))
        return fm_quantize_row(s->to->type, x, NULL, result, s->n);
    for (uint64_t i = 0; i < s->n;) {
        const uint64_t column = (start + i) % row, matrix = (start + i) / row / s->to->dims[1];
        const uint64_t n = s->n - i < row - column ? s->n - i : row - column;
        if (!fm_quantize_row(s->to->type, x + i, fm_importance_find(importance, s->to, matrix) + column,
                result + bytes_of(s->to->type, i), n))
            return false;
        i += n;
    }
    return true;
}

static void *recode_slice(void *argument) {
    struct slice *s = argument;
    float *floats = s->work->floats + s->first;
    fm_dequantize_row(s->from->type, s->work->stored + bytes_of(s->from->type, s->first), floats, s->n);
    s->fits = quantize_slice(s, floats, s->work->result + bytes_of(s->to->type, s->first));
    return NULL;
}

// Converts n elements from w->stored to w->result.
static bool recode_piece(const struct work *w, const struct fm_tensor *from, const struct fm_tensor *to,
    uint64_t piece, uint64_t n) {
    struct slice slices[MAX_THREADS];
    pthread_t threads[MAX_THREADS];
    bool started[MAX_THREADS] = {0};
    const uint64_t step = (n / w->n_threads + 255) / 256 * 256; // whole blocks of both types
    uint32_t n_slices = 0;
    for (uint64_t first = 0; first < n; n_slices++) {
        const uint64_t count = n_slices + 1 == w->n_threads || n - first < step ? n - first : step;
        slices[n_slices] =
            (struct slice){.work = w, .from = from, .to = to, .piece = piece, .first = first, .n = count};
        first += count;
    }
    for (uint32_t i = 1; i < n_slices; i++)
        started[i] = pthread_create(&threads[i], NULL, recode_slice, &slices[i]) == 0;
    bool fits = true;
    for (uint32_t i = 0; i < n_slices; i++) {
        if (started[i])
            pthread_join(threads[i], NULL);
        else
            recode_slice(&slices[i]);
        fits &= slices[i].fits;
    }
    return fits;
}

static bool report(struct work *w) {
    const struct fathom_progress *progress = w->job->progress;
    if (!progress || !progress->report ||
        progress->report(progress->user, FATHOM_PHASE_CONVERT, w->done, w->total))
        return true;
    return fm_fail(
        w->err, FATHOM_CANCELLED, "%s %s was cancelled", w->job->verb, fm_tensors_path(w->job->in));
}

static bool write_tensor(struct work *w, struct fm_gguf_writer *writer, const struct fm_tensor *to) {
    struct fm_source source;
    const struct fm_tensor wide = fm_scaled_widen(to->impl, &source), *from = &wide;
    const uint64_t elements = fm_tensor_elements(from);
    for (uint64_t first = 0; first < elements; first += PIECE_ELEMENTS) {
        const uint64_t n = elements - first < PIECE_ELEMENTS ? elements - first : PIECE_ELEMENTS;
        const uint64_t size = bytes_of(to->type, n);
        if (!fm_tensor_read(
                w->job->in, from, bytes_of(from->type, first), bytes_of(from->type, n), w->stored, w->err))
            return false;
        if (from->type != to->type && !recode_piece(w, from, to, first, n))
            return fm_fail(w->err, FATHOM_INVALID,
                "%s: tensor %s holds a value that %s cannot: infinite, not a number, or too large",
                fm_tensors_path(w->job->in), to->name, fm_type_name(to->type));
        if (!fm_gguf_writer_append(writer, from->type == to->type ? w->stored : w->result, size, w->err))
            return false;
        w->done += size;
        if (!report(w)) return false;
    }
    return true;
}

bool fm_transcode(const struct fm_transcoding *job, const char *out_path, struct fathom_error *err) {
    struct fm_gguf_writer *writer = NULL;
    const long n_cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct work w = {
        .job = job,
        .err = err,
        .n_threads = n_cores < 1    ? 1
            : n_cores > MAX_THREADS ? MAX_THREADS
                                    : (uint32_t)n_cores,
    };
    for (size_t i = 0; i < job->count; i++) w.total += job->list[i].size;
    w.stored = malloc(PIECE_ELEMENTS * sizeof(float));
    w.result = malloc(PIECE_ELEMENTS * sizeof(float));
    w.floats = malloc(PIECE_ELEMENTS * sizeof(float));
    bool ok = w.stored && w.result && w.floats;
    if (!ok)
        fm_fail(err, FATHOM_NO_MEMORY, "%s: out of host memory for %s", fm_tensors_path(job->in), job->verb);
    if (ok) writer = fm_gguf_writer_create(out_path, job->meta, job->list, job->count, err);
    ok = writer != NULL;
    for (size_t i = 0; i < job->count && ok; i++) ok = write_tensor(&w, writer, &job->list[i]);
    ok = ok && fm_gguf_writer_finish(writer, err);
    fm_gguf_writer_destroy(&writer);
    free(w.stored);
    free(w.result);
    free(w.floats);
    return ok;
}
