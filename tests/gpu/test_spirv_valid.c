// Khronos' validator accepts the SPIR-V of every shader, as compiled and as trimmed for a few types. No
// device is needed, so the test also covers shaders that no driver here can run.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "gpu/spirv.h"
#include "quant/types.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { SKIPPED = 77 };

static const char spirv_val[] = FATHOM_SPIRV_VAL; // its path; empty: not installed

static bool is_valid(const uint32_t *words, size_t n_words) {
    char command[4096];
    snprintf(command, sizeof(command), "'%s' --target-env vulkan1.2 --scalar-block-layout -", spirv_val);
    FILE *pipe = popen(command, "w");
    assert_non_null(pipe);
    const size_t n = fwrite(words, sizeof(*words), n_words, pipe);
    return pclose(pipe) == 0 && n == n_words;
}

static void test_as_compiled(void **state) {
    (void)state;
    int n_bad = 0;
    for (size_t i = 0; i < fm_n_shaders; i++) {
        if (is_valid(fm_shaders[i]->words, fm_shaders[i]->n_words)) continue;
        print_error("%s\n", fm_shaders[i]->name);
        n_bad++;
    }
    assert_int_equal(n_bad, 0);
}

static void test_as_trimmed(void **state) {
    (void)state;
    static const uint32_t types[] = {FATHOM_F32, FATHOM_Q4_K, FATHOM_IQ3_S};
    int n_bad = 0;
    for (size_t i = 0; i < 3 * fm_n_shaders; i++) {
        const struct fm_shader *shader = fm_shaders[i / 3];
        uint32_t spec[FM_MAX_SPEC], *words;
        size_t n_words;
        for (int j = 0; j < FM_MAX_SPEC; j++) spec[j] = types[i % 3];
        assert_true(fm_spirv_trim(shader, spec, FM_MAX_SPEC, &words, &n_words));
        if (!is_valid(words, n_words)) {
            print_error("%s for %s\n", shader->name, fm_type_info(types[i % 3])->name);
            n_bad++;
        }
        free(words);
    }
    assert_int_equal(n_bad, 0);
}

// A module whose bound lies below its ids is refused: so the validator does run.
static void test_the_validator_refuses(void **state) {
    (void)state;
    const struct fm_shader *shader = fm_shaders[0];
    uint32_t *words = calloc(shader->n_words, sizeof(*words));
    assert_non_null(words);
    for (size_t i = 0; i < shader->n_words; i++) words[i] = shader->words[i];
    words[3] = 1; // the bound of the ids
    assert_false(is_valid(words, shader->n_words));
    free(words);
}

int main(void) {
    if (!*spirv_val) {
        printf("skipped: no spirv-val is installed\n");
        return SKIPPED;
    }
    signal(SIGPIPE, SIG_IGN); // so a validator that ends early fails its shader and not this program
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_compiled),
        cmocka_unit_test(test_as_trimmed),
        cmocka_unit_test(test_the_validator_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
