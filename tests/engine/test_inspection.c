// What an inspection tells of a model's file: its tensors, and whether a path is one of its own files.
#include "file/tensors.h"
#include <fathom/engine.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// after the standard headers
#include <cmocka.h>

#define REFERENCE(name) FATHOM_SOURCE_DIR "/tests/data/reference/" name
#define DEMO FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf"

static struct fathom_inspection *inspect(const char *model) {
    struct fathom_error err = {0};
    struct fathom_inspection *inspection =
        fathom_model_inspect(&FATHOM_INIT(fathom_engine_params, .model = model), NULL, &err);
    if (!inspection) fail_msg("%s", err.message);
    return inspection;
}

static void check_tensors(const char *model) {
    struct fathom_inspection *inspection = inspect(model);
    struct fm_tensors *tensors = fm_tensors_open(model, NULL);
    const size_t n = fathom_inspection_count_tensors(inspection);
    struct fathom_tensor_info t = {.size = sizeof(t)};
    assert_non_null(tensors);
    assert_int_equal(n, fm_tensors_count(tensors));
    for (size_t i = 0; i < n; i++) {
        const struct fm_tensor *want = fm_tensors_at(tensors, i);
        assert_true(fathom_inspection_get_tensor(inspection, i, &t));
        assert_int_equal(t.size, sizeof(t));
        assert_string_equal(t.name, want->name);
        assert_int_equal(t.type, want->type);
        assert_int_equal(t.n_dims, want->n_dims);
        assert_memory_equal(t.dims, want->dims, sizeof(t.dims));
        assert_int_equal(t.bytes, want->size);
    }
    assert_false(fathom_inspection_get_tensor(inspection, n, &t));
    assert_false(fathom_inspection_get_tensor(inspection, SIZE_MAX, &t));
    fm_tensors_close(&tensors);
    fathom_inspection_destroy(&inspection);
}

static void lists_the_tensors(void **state) {
    (void)state;
    check_tensors(DEMO);
    check_tensors(REFERENCE("v4"));
}

// A program that was compiled with a shorter struct gets the members that it has.
static void writes_no_more_than_the_size(void **state) {
    (void)state;
    struct fathom_inspection *inspection = inspect(DEMO);
    struct fathom_tensor_info t;
    memset(&t, 0x55, sizeof(t));
    t.size = offsetof(struct fathom_tensor_info, bytes);
    assert_true(fathom_inspection_get_tensor(inspection, 0, &t));
    assert_int_equal(t.bytes, 0x5555555555555555);
    assert_int_equal(t.size, offsetof(struct fathom_tensor_info, bytes));
    assert_in_range(t.n_dims, 1, 4);
    fathom_inspection_destroy(&inspection);
}

static void knows_its_files(void **state) {
    (void)state;
    struct fathom_inspection *file = inspect(DEMO), *folder = inspect(REFERENCE("v3"));
    assert_true(fathom_inspection_has_file(file, DEMO));
    assert_true(fathom_inspection_has_file(file, FATHOM_SOURCE_DIR "/tools/../tools/demo/minnow-q8_0.gguf"));
    assert_false(fathom_inspection_has_file(file, FATHOM_SOURCE_DIR "/tools/demo/other.gguf"));
    assert_false(fathom_inspection_has_file(file, REFERENCE("v3/config.json")));
    assert_true(fathom_inspection_has_file(folder, REFERENCE("v3/config.json")));
    assert_true(fathom_inspection_has_file(folder, REFERENCE("v3/model-00002-of-00002.safetensors")));
    assert_false(fathom_inspection_has_file(folder, REFERENCE("v3/new.gguf")));
    fathom_inspection_destroy(&file);
    fathom_inspection_destroy(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_the_tensors),
        cmocka_unit_test(writes_no_more_than_the_size),
        cmocka_unit_test(knows_its_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
