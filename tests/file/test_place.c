// Where a tensor's bytes lie in the files: the files there hold what fm_tensor_read() gives.
#include "base/mapped_file.h"
#include "file/tensors.h"
#include "file/folder.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct fm_tensors *open_model(const char *name) {
    struct fathom_error err = {0};
    char path[1024];
    snprintf(path, sizeof(path), REFERENCE "%s", name);
    struct fm_tensors *t = fm_tensors_open(path, &err);
    if (!t) fail_msg("%s", err.message);
    return t;
}

// Returns false where the range has no place; compares the bytes where it has one.
static bool check_range(const struct fm_tensors *t, const struct fm_tensor *tensor, uint64_t offset,
    uint64_t size, const char *file) {
    const struct fm_mapped_file *mapped = NULL;
    uint64_t at = 0;
    if (!fm_tensor_place(t, tensor, offset, size, &mapped, &at)) return false;
    uint8_t *there = malloc(size), *expected = malloc(size);
    FILE *f = fopen(mapped->path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    assert_int_equal(fread(there, 1, size, f), size);
    fclose(f);
    assert_true(fm_tensor_read(t, tensor, offset, size, expected, NULL));
    assert_memory_equal(there, expected, size);
    if (file) assert_non_null(strstr(mapped->path, file));
    free(there);
    free(expected);
    return true;
}

static const struct fm_tensor *find(const struct fm_tensors *t, const char *name) {
    const struct fm_tensor *tensor = fm_tensors_find(t, name);
    if (!tensor) fail_msg("%s is missing", name);
    return tensor;
}

static void every_place_holds_the_tensors_bytes(void **state) {
    (void)state;
    static const char *models[] = {"v2-lite", "v3", "v3-fp8", "v32", "v4", "llama"};
    for (size_t m = 0; m < sizeof(models) / sizeof(*models); m++) {
        struct fm_tensors *t = open_model(models[m]);
        int placed = 0;
        for (size_t i = 0; i < fm_tensors_count(t); i++) {
            const struct fm_tensor *tensor = fm_tensors_at(t, i);
            const uint64_t slices = tensor->dims[2], size = tensor->size / slices;
            for (uint64_t s = 0; s < slices; s++) placed += check_range(t, tensor, s * size, size, NULL);
            placed += check_range(t, tensor, tensor->size / 3, 5, NULL);
            check_range(t, tensor, 0, tensor->size, NULL);
        }
        assert_true(placed > 0);
        print_message("%s: %d ranges\n", models[m], placed);
        fm_tensors_close(&t);
    }
}

static void experts_lie_in_the_shards_of_a_folder(void **state) {
    (void)state;
    struct fm_tensors *t = open_model("v3");
    bool found[2] = {false, false};
    for (int layer = 1; layer < 3; layer++) {
        char name[64];
        snprintf(name, sizeof(name), "blk.%d.ffn_up_exps.weight", layer);
        const struct fm_tensor *up = find(t, name);
        assert_int_equal(up->dims[2], 16);
        const uint64_t size = up->size / 16;
        for (uint64_t e = 0; e < 16; e++) {
            assert_true(check_range(t, up, e * size, size, "tests/data/reference/v3/model-0000"));
            assert_true(check_range(t, up, e * size + 3, size - 5, NULL));
            const struct fm_mapped_file *mapped;
            uint64_t at;
            assert_true(fm_tensor_place(t, up, e * size, 1, &mapped, &at));
            found[strstr(mapped->path, "model-00002") != NULL] = true;
        }
        // between two experts' up matrices lie other matrices
        assert_false(check_range(t, up, size - 1, 2, NULL));
        assert_false(check_range(t, up, 0, up->size, NULL));
    }
    assert_true(found[0]);
    assert_true(found[1]);
    fm_tensors_close(&t);
}

static void what_is_converted_has_no_place(void **state) {
    (void)state;
    struct fm_tensors *t = open_model("v3");
    const struct fm_tensor *head = find(t, "token_embd.weight");
    assert_false(check_range(t, find(t, "blk.1.attn_k_b.weight"), 0, 64, NULL)); // transposed
    assert_false(check_range(t, find(t, "output_norm.weight"), 0, 64, NULL));    // widened
    assert_true(check_range(t, head, 0, head->size, NULL));
    assert_true(check_range(t, head, head->size - 1, 1, NULL));
    assert_false(check_range(t, head, head->size, 1, NULL));
    assert_false(check_range(t, head, head->size - 1, 2, NULL));
    assert_false(check_range(t, head, UINT64_MAX, 2, NULL));
    assert_false(check_range(t, head, 0, 0, NULL));
    fm_tensors_close(&t);
    t = open_model("v3-fp8");
    assert_false(check_range(t, find(t, "blk.1.ffn_up_exps.weight"), 0, 64, NULL)); // gets its scales
    fm_tensors_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_place_holds_the_tensors_bytes),
        cmocka_unit_test(experts_lie_in_the_shards_of_a_folder),
        cmocka_unit_test(what_is_converted_has_no_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
