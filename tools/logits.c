// fathom logits: computes a model's logits for given tokens, for conformance checks.
#include "common.h"
#include <fathom/debug.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Parses "1,2,3" to ids, which have room for all that the text can hold. Prints the error and returns false
// on failure.
static bool parse_ids(const char *list, int32_t *ids, uint32_t *n) {
    *n = 0;
    for (const char *at = list;;) {
        char *end;
        errno = 0;
        const long id = strtol(at, &end, 10);
        if (end == at || errno || id < 0 || id > INT32_MAX || (*end && *end != ',')) {
            fprintf(stderr, "fathom logits: \"%s\" is not a list of token ids\n", at);
            return false;
        }
        ids[(*n)++] = (int32_t)id;
        if (!*end) return true;
        at = end + 1;
    }
}

// Writes one tensor, `logits` [n_tokens][n_vocab].
static bool write_safetensors(
    struct output *file, const float *logits, uint64_t n_tokens, uint64_t n_vocab, struct fathom_error *err) {
    char header[256];
    const uint64_t size = 4 * n_tokens * n_vocab;
    int n = snprintf(header, sizeof(header),
        "{\"logits\":{\"dtype\":\"F32\",\"shape\":[%llu,%llu],\"data_offsets\":[0,%llu]}}",
        (unsigned long long)n_tokens, (unsigned long long)n_vocab, (unsigned long long)size);
    while (n % 8) header[n++] = ' ';
    const uint64_t length = (uint64_t)n;
    return output_write(file, &length, 8, err) && output_write(file, header, length, err) &&
        output_write(file, logits, size, err) && output_finish(file, err);
}

// Creates the output, before the work begins. Refuses one of the model's own files.
static bool open_output(const char *model, const char *path, struct output *file, struct fathom_error *err) {
    struct fathom_inspection *inspection =
        fathom_model_inspect(&FATHOM_INIT(fathom_engine_params, .model = model), NULL, err);
    if (!inspection) return false;
    const bool is_input = fathom_inspection_has_file(inspection, path);
    fathom_inspection_destroy(&inspection);
    if (is_input)
        return fail(err, FATHOM_INVALID,
            "%s: is both the input and the output; writing it would destroy the model %s; name another file",
            path, model);
    return output_create(file, path, err);
}

static bool compute(struct fathom_engine *engine, const int32_t *ids, uint32_t n, uint32_t n_chunk,
    bool decode, struct output *out, struct fathom_error *err) {
    const uint32_t n_vocab = fathom_engine_get_info(engine)->n_vocab;
    struct fathom_session *session = fathom_session_create(
        engine, &FATHOM_INIT(fathom_session_params, .n_chunk = n_chunk, .progress = progress_bar), err);
    float *logits = malloc(sizeof(*logits) * n * n_vocab);
    bool ok = session &&
        (logits || fail(err, FATHOM_NO_MEMORY, "out of host memory for the logits of %u tokens", n));
    ok = ok &&
        (decode ? fathom_session_append_decode(session, ids, n, logits, err)
                : fathom_session_append(session, ids, n, logits, err));
    ok = ok && write_safetensors(out, logits, n, n_vocab, err);
    free(logits);
    fathom_session_destroy(&session);
    return ok;
}

int logits_main(int argc, char **argv) {
    struct device_options device = {0};
    const char *model = NULL, *list = NULL, *out = NULL;
    uint32_t n_chunk = 0, n;
    bool decode = false;
    const struct option options[] = {
        {"--ids", OPTION_TEXT, &list, "1,2,3", "the tokens", NULL},
        {"--out", OPTION_TEXT, &out, "FILE", "a safetensors file with `logits`, float32 [tokens, vocabulary]",
            NULL},
        {"--chunk", OPTION_COUNT, &n_chunk, "N", "tokens of one prefill step", NULL},
        {"--decode", OPTION_FLAG, &decode, NULL, "one by one, through the decode step", NULL},
        DEVICE_OPTIONS(device),
    };
    const struct usage usage = {"logits", "MODEL --ids 1,2,3 --out FILE",
        "Computes the logits of every token of a text.", options, sizeof(options) / sizeof(*options), 1, 1};
    size_t n_positional;
    const int code = options_parse(&usage, argc, argv, &model, &n_positional);
    if (code != EXIT_NOT_YET) return code;
    if (!list || !out) {
        fprintf(stderr, "fathom logits: --ids and --out are needed\n");
        return EXIT_WRONG_USE;
    }
    int32_t *ids = malloc((strlen(list) / 2 + 1) * sizeof(*ids));
    if (!ids) return out_of_memory();
    if (!parse_ids(list, ids, &n)) return free(ids), EXIT_WRONG_USE;
    struct fathom_error err = {0};
    watch_interrupt();
    struct output file = {0};
    const bool opened = open_output(model, out, &file, &err);
    struct fathom_engine *engine = opened ? open_engine(model, &device) : NULL;
    int done = opened ? EXIT_REFUSED : refuse(&err);
    if (engine) done = compute(engine, ids, n, n_chunk, decode, &file, &err) ? EXIT_DONE : refuse(&err);
    output_discard(&file);
    fathom_engine_destroy(&engine);
    free(ids);
    return done;
}
