// The sampling that generation_config.json of a hub folder asks for, as keys of a GGUF file.
#include "file/folder.h"
#include "file/tensors.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { NONE = -9, N_KEYS = 5 };
static const char *const keys[N_KEYS] = {"general.sampling.temp", "general.sampling.top_k",
    "general.sampling.top_p", "general.sampling.min_p", "general.sampling.penalty_repeat"};

static void write_generation(const struct folder *f, const char *text) {
    char path[1024];
    folder_file(f, "generation_config.json", path);
    write_bytes(path, text, strlen(text));
}

static void keys_of_files(void **state) {
    (void)state;
    static const struct {
        const char *text;
        float values[N_KEYS];
    } rows[] = {
        {"{}", {NONE, NONE, NONE, NONE, NONE}}, {"{\"eos_token_id\": 1}", {NONE, NONE, NONE, NONE, NONE}},
        {"{\"temperature\": 0.6, \"top_p\": 0.95}", {0.6f, NONE, 0.95f, NONE, NONE}},
        {"{\"do_sample\": true, \"temperature\": 0.7, \"top_k\": 20, \"top_p\": 0.8, \"min_p\": 0.05, "
         "\"repetition_penalty\": 1.05}",
            {0.7f, 20, 0.8f, 0.05f, 1.05f}},
        {"{\"do_sample\": true}", {1, NONE, NONE, NONE, NONE}},
        {"{\"do_sample\": false}", {0, NONE, NONE, NONE, NONE}},
        {"{\"do_sample\": false, \"temperature\": 0.7, \"top_k\": 50}", {0, 50, NONE, NONE, NONE}},
        {"{\"top_k\": -1}", {1, -1, NONE, NONE, NONE}},
        {"{\"temperature\": null, \"top_k\": null, \"do_sample\": null}", {NONE, NONE, NONE, NONE, NONE}},
        {"{\"top_p\": 7}", {1, NONE, 7, NONE, NONE}}, // engines leave the number out
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct folder f;
        struct fathom_error err = {0};
        folder_make(&f, "llama");
        write_generation(&f, rows[i].text);
        struct fm_tensors *t = fm_tensors_open(f.path, &err);
        if (!t) fail_msg("%s: %s", rows[i].text, err.message);
        for (int k = 0; k < N_KEYS; k++) {
            float value = NONE;
            fm_meta_f32(t, keys[k], &value, NULL);
            if (value != rows[i].values[k]) fail_msg("%s: %s is %g", rows[i].text, keys[k], value);
        }
        fm_tensors_close(&t);
        folder_remove(&f);
    }
}

static void refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"{\"temperature\": \"0.6\"}", "generation_config.json: temperature is not a finite number"},
        {"{\"temperature\": NaN}", "temperature is not a finite number"},
        {"{\"temperature\": 1e300}", "temperature is not a finite number"},
        {"{\"top_p\": [0.9]}", "top_p is not a finite number"},
        {"{\"min_p\": true}", "min_p is not a finite number"},
        {"{\"repetition_penalty\": {}}", "repetition_penalty is not a finite number"},
        {"{\"top_k\": 1.5}", "top_k is not a whole number from -1 to 2147483647"},
        {"{\"top_k\": 1e12}", "top_k is not a whole number"},
        {"{\"top_k\": -2}", "top_k is not a whole number"},
        {"{\"do_sample\": 1}", "do_sample is not true or false"},
        {"{", "generation_config.json"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct folder f;
        struct fathom_error err = {0};
        folder_make(&f, "llama");
        write_generation(&f, rows[i].text);
        assert_null(fm_tensors_open(f.path, &err));
        assert_int_equal(err.status, FATHOM_INVALID);
        if (!strstr(err.message, rows[i].says)) fail_msg("%s: %s", rows[i].text, err.message);
        folder_remove(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_files),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
