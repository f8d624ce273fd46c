// fathom tune: measures the operators' variants at a model's shapes and keeps the fastest for later starts.
#include "common.h"
#include <stdio.h>

static cJSON *row_json(const struct fathom_tuned *r) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "operator", r->op);
    cJSON_AddStringToObject(json, "shape", r->what);
    cJSON_AddNumberToObject(json, "tokens", r->n_tokens);
    cJSON_AddStringToObject(json, "default", r->default_variant);
    cJSON_AddStringToObject(json, "best", r->best);
    cJSON_AddNumberToObject(json, "default_microseconds", r->default_nanoseconds / 1e3);
    cJSON_AddNumberToObject(json, "best_microseconds", r->best_nanoseconds / 1e3);
    cJSON_AddNumberToObject(json, "measured", r->n_measured);
    cJSON_AddNumberToObject(json, "wrong", r->n_wrong);
    return json;
}

static void print_row(const struct fathom_tuned *r) {
    printf("%-18s %-44s %6u  ", r->op, r->what, r->n_tokens);
    if (!r->best[0])
        printf("not measured\n");
    else
        printf("%-14s %10.1f us %8.2f x %s%s\n", r->best, r->best_nanoseconds / 1e3,
            r->default_nanoseconds / r->best_nanoseconds, r->default_variant,
            r->n_wrong ? "  (others gave wrong results)" : "");
}

static int show(const struct fathom_engine *engine, const char *model, bool as_json) {
    const size_t n = fathom_engine_count_tuned(engine);
    const struct fathom_gpu_info *device = fathom_gpu_get_info(fathom_engine_get_gpu(engine));
    if (!as_json) {
        printf("%s on %s, %s\n%-18s %-44s %6s  %-14s %13s  faster than\n", model, device->name,
            device->driver, "operator", "shape", "tokens", "best", "a call");
        for (size_t i = 0; i < n; i++) print_row(fathom_engine_get_tuned(engine, i));
        return EXIT_DONE;
    }
    cJSON *json = cJSON_CreateObject(), *array = cJSON_CreateArray();
    cJSON_AddStringToObject(json, "model", model);
    cJSON_AddStringToObject(json, "device", device->name);
    cJSON_AddStringToObject(json, "driver", device->driver);
    cJSON_AddStringToObject(json, "version", fathom_version());
    cJSON_AddItemToObject(json, "choices", array);
    for (size_t i = 0; i < n; i++) cJSON_AddItemToArray(array, row_json(fathom_engine_get_tuned(engine, i)));
    return print_json(json);
}

int tune_main(int argc, char **argv) {
    struct device_options device = {.no_tune = true};
    const char *model = NULL;
    float seconds = 300;
    bool json = false;
    const struct option options[] = {
        {"--device", OPTION_TEXT, &device.device, "NAME", "index or part of a device's name (fathom devices)",
            NULL},
        {"--cache-8bit", OPTION_FLAG, &device.cache_8bit, NULL,
            "for a cache of 8 bits a value, which is tuned apart", NULL},
        {"--seconds", OPTION_NUMBER, &seconds, "S",
            "most time to spend (300); the rest keeps its default variant", NULL},
        PLACE_OPTIONS(device),
        {"--verbose", OPTION_FLAG, &device.verbose, NULL, "say what is loaded, and where", NULL},
        {"--json", OPTION_FLAG, &json, NULL, "one object", NULL},
    };
    const struct usage usage = {"tune", "MODEL [--cache-8bit] [--seconds S]",
        "Measures every operator's variants at this model's shapes, checks their results, and\nkeeps the "
        "fastest for every later start on this device.",
        options, sizeof(options) / sizeof(*options), 1, 1};
    size_t n_positional;
    const int code = options_parse(&usage, argc, argv, &model, &n_positional);
    if (code != EXIT_NOT_YET) return code;
    if (!(seconds > 0 && seconds <= 86400)) {
        fprintf(stderr, "fathom tune: --seconds is above 0 and at most 86400\n");
        return EXIT_WRONG_USE;
    }
    watch_interrupt();
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_engine(model, &device);
    if (!engine) return EXIT_REFUSED;
    const struct fathom_tune_params params = {
        .size = sizeof(params),
        .seconds = seconds,
        .progress = progress_bar,
    };
    const bool ok = fathom_engine_tune(engine, &params, &err);
    const bool stopped = !ok && err.status == FATHOM_CANCELLED;
    int done = ok || stopped ? show(engine, model, json) : refuse(&err);
    if (stopped) {
        fprintf(stderr, "fathom: tuning was interrupted; what was measured is kept\n");
        done = EXIT_REFUSED;
    }
    fathom_engine_destroy(&engine);
    return done;
}
