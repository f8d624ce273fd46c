// A template, a zero, and its variables. What is rendered is UTF-8, and each byte has an origin.
#include "fuzz.h"
#include "text/jinja.h"
#include "text/utf8.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    const size_t n_template = zero ? (size_t)(zero - data) : size;
    const char *variables = zero ? (const char *)zero + 1 : "{}";
    const char *const own[] = {"bos_token", "eos_token", "messages.*.role"};
    const struct fm_jinja_input input = {.variables = variables,
        .length = zero ? size - n_template - 1 : 2,
        .own = own,
        .n_own = 3,
        .now = {.tm_year = 126, .tm_mday = 2},
        .max_steps = 100000,
        .max_memory = 8 << 20};
    struct fathom_error err = {0};
    struct fm_jinja *jinja = fm_jinja_parse((const char *)data, n_template, &err);
    fuzz_check(&err, jinja != NULL);
    if (!jinja) return 0;
    struct fm_jinja_output out;
    const int ok = fm_jinja_render(jinja, &input, &out, &err);
    fuzz_check(&err, ok);
    if (ok && (fm_utf8_valid(out.text, out.length) != out.length || out.text[out.length])) abort();
    for (size_t i = 0; i < out.length; i++)
        if (out.foreign[i] > 1) abort();
    fuzz_use(out.text, out.length);
    fm_jinja_output_free(&out);
    fm_jinja_destroy(&jinja);
    return 0;
}
