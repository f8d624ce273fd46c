// fathom bench: measures tokens per second as llama-bench does. Tokenising and sampling on the host do not
// count, each test is repeated, and prefill and decode may start at a depth.
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}
static double median(const struct bench_test *t) {
    return t->n_repeats % 2 ? t->rates[t->n_repeats / 2]
                            : (t->rates[t->n_repeats / 2 - 1] + t->rates[t->n_repeats / 2]) / 2;
}

// Random tokens, the same in every run.
static int32_t *random_ids(uint32_t n, uint32_t n_vocab) {
    int32_t *ids = malloc((n + 1) * sizeof(*ids));
    uint32_t state = 1;
    for (uint32_t i = 0; ids && i < n; i++) {
        state = state * 1664525u + 1013904223u;
        ids[i] = (int32_t)((state >> 8) % n_vocab);
    }
    return ids;
}

static bool keep_going(void *user, int32_t id) {
    (void)user, (void)id;
    return !interrupted();
}

// Sets the session's text to the first n ids, and keeps the part that the session already holds.
static bool set_text(struct fathom_session *s, const int32_t *ids, uint32_t n, struct fathom_error *err) {
    const int32_t *tokens = fathom_session_tokens(s);
    const uint32_t most = n - 1 < fathom_session_length(s) ? n - 1 : fathom_session_length(s);
    uint32_t same = 0;
    while (same < most && tokens[same] == ids[same]) same++;
    return fathom_session_truncate(s, same, err) && fathom_session_append(s, ids + same, n - same, NULL, err);
}

// The first decode step reads the last token of a prompt, so the test gives one more token.
double bench_once(
    struct fathom_session *s, const struct bench_test *t, const int32_t *ids, struct fathom_error *err) {
    const bool decode = t->decode;
    const uint32_t before = decode ? (t->depth ? t->depth : 1)
        : t->depth                 ? t->depth + 1
                                   : 0,
                   given = t->depth + t->n_tokens + 1;
    uint32_t n = 0;
    if (!(before ? set_text(s, ids, before, err) : fathom_session_truncate(s, 0, err))) return -1;
    const double start = clock_seconds();
    const struct fathom_sampling greedy = {.size = sizeof(greedy)};
    const struct fathom_generate_params params = {
        .size = sizeof(params),
        .sampling = &greedy,
        .max_tokens = t->n_tokens,
        .on_token = keep_going,
    };
    const bool ok = decode ? fathom_session_generate(s, &params, &n, err)
                           : fathom_session_append(s, ids + before, given - before, NULL, err);
    return ok ? clock_seconds() - start : -1;
}

static bool measure(
    struct fathom_session *s, struct bench_test *t, const int32_t *ids, struct fathom_error *err) {
    for (uint32_t i = 0; i <= t->n_repeats; i++) { // the first one warms up
        const double seconds = bench_once(s, t, ids, err);
        if (seconds < 0) return false;
        if (i > 0)
            t->rates[i - 1] = t->n_tokens / seconds;
        else
            t->decoding = decoding_begin(s);
        if (!show_progress("measuring", i + 1, t->n_repeats + 1))
            return fail(err, FATHOM_CANCELLED, "interrupted");
    }
    qsort(t->rates, t->n_repeats, sizeof(*t->rates), compare);
    decoding_end(&t->decoding, s);
    t->decoding.rate = median(t);
    return true;
}

static cJSON *test_json(const struct fathom_memory_plan *plan, const struct bench_test *t) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "test", t->decode ? "decode" : "prefill");
    cJSON_AddNumberToObject(json, "tokens", t->n_tokens);
    cJSON_AddNumberToObject(json, "depth", t->depth);
    cJSON_AddNumberToObject(json, "repeats", t->n_repeats);
    cJSON_AddNumberToObject(json, "median", median(t));
    cJSON_AddNumberToObject(json, "min", t->rates[0]);
    cJSON_AddNumberToObject(json, "max", t->rates[t->n_repeats - 1]);
    experts_to_json(json, plan, &t->decoding);
    return json;
}

static int show(const struct fathom_engine *engine, const struct fathom_session *session, const char *model,
    const struct bench_test *tests, size_t n, bool as_json, bool verbose) {
    const struct fathom_memory_plan *plan = fathom_engine_get_plan(engine);
    const struct fathom_gpu_info *device = fathom_gpu_get_info(fathom_engine_get_gpu(engine));
    if (!as_json) {
        printf("%s on %s, %s\n  ", model, device->name, device->driver);
        print_start(stdout, engine, session);
        for (size_t i = 0; i < n; i++) {
            char name[64];
            snprintf(name, sizeof(name), tests[i].depth ? "%s%u @ d%u" : "%s%u",
                tests[i].decode ? "tg" : "pp", tests[i].n_tokens, tests[i].depth);
            printf("  %-18s %9.2f tokens/s (%.2f to %.2f, %u runs)\n", name, median(&tests[i]),
                tests[i].rates[0], tests[i].rates[tests[i].n_repeats - 1], tests[i].n_repeats);
            print_experts(stdout, plan, &tests[i].decoding, verbose);
        }
        print_drafts(stdout, session);
        return EXIT_DONE;
    }
    char date[32];
    clock_date(date);
    cJSON *json = cJSON_CreateObject(), *array = cJSON_CreateArray();
    cJSON_AddStringToObject(json, "model", model);
    cJSON_AddStringToObject(json, "device", device->name);
    cJSON_AddStringToObject(json, "driver", device->driver);
    cJSON_AddStringToObject(json, "version", fathom_version());
    cJSON_AddStringToObject(json, "date", date);
    cJSON_AddItemToObject(json, "start", start_json(engine, session));
    cJSON_AddItemToObject(json, "tests", array);
    cJSON *drafts = drafts_json(session);
    if (drafts) cJSON_AddItemToObject(json, "drafts", drafts);
    for (size_t i = 0; i < n; i++) cJSON_AddItemToArray(array, test_json(plan, &tests[i]));
    return print_json(json);
}

int bench_main(int argc, char **argv) {
    struct device_options device = {0};
    const char *model = NULL;
    uint32_t n_prefill = 512, n_decode = 128, depth = 0, n_repeats = 5;
    bool json = false, ops = false;
    const struct option options[] = {
        {"-p", OPTION_COUNT, &n_prefill, "N", "tokens of the prefill test (512; 0: none)", NULL},
        {"-n", OPTION_COUNT, &n_decode, "N", "tokens of the decode test (128; 0: none)", NULL},
        {"-d", OPTION_COUNT, &depth, "N", "tokens in the context before a test (0)", NULL},
        {"-r", OPTION_COUNT, &n_repeats, "N", "runs of each test (5)", NULL},
        {"--ops", OPTION_FLAG, &ops, NULL, "a table of operators, with each one's share of the roofline",
            NULL},
        {"--json", OPTION_FLAG, &json, NULL, "one object", NULL},
        DRAFT_OPTION(device),
        DEVICE_OPTIONS(device),
    };
    const struct usage usage = {"bench", "MODEL [-p N] [-n N] [-d N] [--ops]",
        "Measures prefill and decode: median and spread, in tokens a second.", options,
        sizeof(options) / sizeof(*options), 1, 1};
    size_t n_positional;
    const int code = options_parse(&usage, argc, argv, &model, &n_positional);
    if (code != EXIT_NOT_YET) return code;
    if (n_repeats < 1 || n_repeats > BENCH_MAX_REPEATS || n_prefill > 1u << 24 || n_decode > 1u << 24 ||
        depth > 1u << 24) {
        fprintf(stderr, "fathom bench: -r is 1 to %d, and -p, -n and -d are at most %u\n", BENCH_MAX_REPEATS,
            1u << 24);
        return EXIT_WRONG_USE;
    }
    const uint32_t longest = depth + (n_prefill > n_decode ? n_prefill : n_decode) + 2;
    if (device.n_context < longest) device.n_context = longest;
    if (ops && json) {
        fprintf(stderr, "fathom bench: --ops has no --json form\n");
        return EXIT_WRONG_USE;
    }
    device.timers = ops;
    watch_interrupt();
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_engine(model, &device);
    if (!engine) return EXIT_REFUSED;
    struct fathom_session *session =
        fathom_session_create(engine, &FATHOM_INIT(fathom_session_params, .progress = no_bar), &err);
    int32_t *ids = random_ids(longest, fathom_engine_get_info(engine)->n_vocab);
    struct bench_test tests[2];
    size_t n = 0;
    if (n_prefill)
        tests[n++] = (struct bench_test){.n_tokens = n_prefill, .depth = depth, .n_repeats = n_repeats};
    if (n_decode)
        tests[n++] =
            (struct bench_test){.decode = true, .n_tokens = n_decode, .depth = depth, .n_repeats = n_repeats};
    bool ok =
        session && (ids || fail(&err, FATHOM_NO_MEMORY, "out of host memory for %u token ids", longest));
    for (size_t i = 0; ok && !ops && i < n; i++) ok = measure(session, &tests[i], ids, &err);
    if (ok && ops) ok = bench_ops(engine, session, model, tests, n, ids, &err);
    const int done = !ok ? refuse(&err)
        : ops            ? EXIT_DONE
                         : show(engine, session, model, tests, n, json, device.verbose);
    free(ids);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
    return done;
}
