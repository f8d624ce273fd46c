// fathom perplexity: measures how well a model predicts a text, counted as llama-perplexity does. The text is
// cut into windows of --ctx tokens. Each window begins with the model's first token, if the model has one,
// and the first half of a window is read but not scored.
#include "common.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEFAULT_WINDOW = 512, LEAST_WINDOW = 4, MAX_ROWS = 256 /* rows of logits on the host at once */ };

struct sums {
    double nll, squares;
    uint64_t n;
};

// The negative log-likelihood of a token, in nats.
static double surprise(const float *logits, uint32_t n_vocab, int32_t id) {
    float top = logits[0];
    double sum = 0;
    for (uint32_t i = 1; i < n_vocab; i++) top = fmaxf(top, logits[i]);
    for (uint32_t i = 0; i < n_vocab; i++) sum += expf(logits[i] - top);
    return log(sum) - ((double)logits[id] - top);
}

struct text {
    int32_t *ids;
    size_t n;
    int32_t begin; // the model's first token; -1: none
};

// The place of a window in the text, for the progress bar over all windows.
struct reading {
    uint64_t before, total;
};

static bool report(void *user, enum fathom_phase phase, uint64_t done, uint64_t total) {
    (void)total;
    const struct reading *r = user;
    if (phase != FATHOM_PHASE_PROMPT) return !interrupted();
    return show_progress("scoring", r->before + done, r->total);
}

// The logits of token i predict token i + 1. The logits of the window's second half count, except those of
// the last token.
static bool score_window(struct fathom_session *s, const int32_t *ids, uint32_t n_window, uint32_t n_vocab,
    float *logits, struct reading *reading, struct sums *sums, struct fathom_error *err) {
    const uint32_t first = n_window / 2, last = n_window - 1;
    if (!fathom_session_truncate(s, 0, err) || !fathom_session_append(s, ids, first, NULL, err)) return false;
    for (uint32_t i = first, n; i < last; i += n) {
        n = last - i < MAX_ROWS ? last - i : MAX_ROWS;
        reading->before += i == first ? first : MAX_ROWS;
        if (!fathom_session_append(s, ids + i, n, logits, err)) return false;
        for (uint32_t row = 0; row < n; row++) {
            const double nll = surprise(logits + (size_t)row * n_vocab, n_vocab, ids[i + row + 1]);
            sums->nll += nll;
            sums->squares += nll * nll;
            sums->n++;
        }
    }
    return true;
}

static bool score(struct fathom_session *s, struct text *text, uint32_t n_window, uint32_t n_vocab,
    struct reading *reading, struct sums *sums, struct fathom_error *err) {
    const uint64_t n_windows = text->n / n_window;
    float *logits = malloc(sizeof(*logits) * MAX_ROWS * n_vocab);
    bool ok =
        logits || fail(err, FATHOM_NO_MEMORY, "out of host memory for the logits of %d tokens", MAX_ROWS);
    for (uint64_t i = 0; ok && i < n_windows; i++) {
        int32_t *ids = text->ids + i * n_window;
        if (text->begin >= 0) ids[0] = text->begin;
        *reading = (struct reading){i * n_window, n_windows * n_window};
        ok = score_window(s, ids, n_window, n_vocab, logits, reading, sums, err);
    }
    progress_clear();
    free(logits);
    return ok;
}

static int show(const struct fathom_engine *engine, const char *model, const char *file, size_t n_tokens,
    uint32_t n_window, const struct sums *sums, double seconds, bool as_json) {
    const struct fathom_gpu_info *device = fathom_gpu_get_info(fathom_engine_get_gpu(engine));
    const double n = (double)sums->n, mean = sums->nll / n, variance = sums->squares / n - mean * mean,
                 perplexity = exp(mean);
    // the standard error of the perplexity
    const double deviation = n > 1 && variance > 0 ? sqrt(variance / (n - 1)) * perplexity : 0;
    const size_t n_windows = n_tokens / n_window;
    if (!as_json) {
        printf("perplexity %.4f +/- %.4f over %zu windows of %u tokens (%llu scored), %.1f tokens/s\n",
            perplexity, deviation, n_windows, n_window, (unsigned long long)sums->n,
            (double)(n_windows * n_window) / seconds);
        return EXIT_DONE;
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "model", model);
    cJSON_AddStringToObject(json, "file", file);
    cJSON_AddStringToObject(json, "device", device->name);
    cJSON_AddStringToObject(json, "driver", device->driver);
    cJSON_AddStringToObject(json, "version", fathom_version());
    cJSON_AddNumberToObject(json, "perplexity", perplexity);
    cJSON_AddNumberToObject(json, "deviation", deviation);
    cJSON_AddNumberToObject(json, "nats_per_token", mean);
    cJSON_AddNumberToObject(json, "tokens", (double)n_tokens);
    cJSON_AddNumberToObject(json, "context", n_window);
    cJSON_AddNumberToObject(json, "windows", (double)n_windows);
    cJSON_AddNumberToObject(json, "scored", n);
    cJSON_AddNumberToObject(json, "seconds", seconds);
    return print_json(json);
}

// Encodes a text, after the model's first token.
static bool encode(const struct fathom_tokenizer *tokenizer, const char *bytes, size_t size,
    struct text *text, struct fathom_error *err) {
    size_t n;
    if (!fathom_tokenize(tokenizer, bytes, size, false, NULL, 0, &n, err)) return false;
    text->begin = fathom_tokenizer_first(tokenizer);
    const size_t first = text->begin >= 0;
    text->ids = malloc((first + n + 1) * sizeof(*text->ids));
    if (!text->ids) return fail(err, FATHOM_NO_MEMORY, "out of host memory for %zu tokens", n);
    text->ids[0] = text->begin;
    text->n = first + n;
    return fathom_tokenize(tokenizer, bytes, size, false, text->ids + first, n, &n, err);
}

static bool read_tokens(
    const char *model, const char *file, uint32_t n_window, struct text *text, struct fathom_error *err) {
    size_t size = 0;
    char *bytes = read_text(file, SIZE_MAX / 4, &size, err);
    struct fathom_tokenizer *tokenizer = bytes ? fathom_tokenizer_open(model, err) : NULL;
    bool ok = tokenizer && encode(tokenizer, bytes, size, text, err);
    if (ok && text->n < n_window)
        ok = fail(err, FATHOM_INVALID,
            "%s: has %zu tokens, but a window has %u; use a longer text or a smaller --ctx", file, text->n,
            n_window);
    fathom_tokenizer_destroy(&tokenizer);
    free(bytes);
    return ok;
}

int perplexity_main(int argc, char **argv) {
    struct device_options device = {0};
    const char *paths[2] = {0};
    bool json = false;
    const struct option options[] = {
        {"--json", OPTION_FLAG, &json, NULL, "one object", NULL},
        DEVICE_OPTIONS(device),
    };
    const struct usage usage = {"perplexity", "MODEL FILE [--ctx N]",
        "Measures how well a model predicts a text, counted as llama-perplexity does: windows of\n--ctx "
        "tokens (512); only the second half of each window is scored.",
        options, sizeof(options) / sizeof(*options), 2, 2};
    size_t n_positional;
    const int code = options_parse(&usage, argc, argv, paths, &n_positional);
    if (code != EXIT_NOT_YET) return code;
    if (!device.n_context) device.n_context = DEFAULT_WINDOW;
    if (device.n_context < LEAST_WINDOW) {
        fprintf(stderr, "fathom perplexity: --ctx is at least %d\n", LEAST_WINDOW);
        return EXIT_WRONG_USE;
    }
    watch_interrupt();
    struct fathom_error err = {0};
    struct text text = {0};
    struct sums sums = {0};
    struct reading reading = {0};
    if (!read_tokens(paths[0], paths[1], device.n_context, &text, &err)) {
        free(text.ids);
        return refuse(&err);
    }
    int done = EXIT_REFUSED;
    struct fathom_engine *engine = open_engine(paths[0], &device);
    if (engine) {
        struct fathom_session *session = fathom_session_create(
            engine, &FATHOM_INIT(fathom_session_params, .progress = {report, &reading}), &err);
        const double start = clock_seconds();
        const bool ok = session &&
            score(session, &text, device.n_context, fathom_engine_get_info(engine)->n_vocab, &reading, &sums,
                &err);
        done = ok
            ? show(engine, paths[0], paths[1], text.n, device.n_context, &sums, clock_seconds() - start, json)
            : refuse(&err);
        fathom_session_destroy(&session);
    }
    fathom_engine_destroy(&engine);
    free(text.ids);
    return done;
}
