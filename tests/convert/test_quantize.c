// Quantising: errors of the encoders, the choice of types, importances, and files that are whole or absent.
#include "file/directory.h"
#include "convert/importance.h"
#include "quant/types.h"
#include "file/folder.h"
#include <fathom/convert.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct folder out; // of a test's own
static char out_path[1024];

static int make_out(void **state) {
    (void)state;
    strcpy(out.path, "/tmp/fathom-out-XXXXXX");
    if (!mkdtemp(out.path)) return -1;
    folder_file(&out, "out.gguf", out_path);
    return 0;
}

static int remove_out(void **state) {
    (void)state;
    folder_remove(&out);
    return 0;
}

// ---- One row ---------------------------------------------------------------------------------------------

enum { N = 4096 };

// Normally distributed, the same every time
static void normal(float *x, size_t n) {
    uint64_t random = 12345;
    for (size_t i = 0; i < n; i++) {
        double sum = -6;
        for (int k = 0; k < 12; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(random >> 40) * 0x1p-24;
        }
        x[i] = (float)sum;
    }
}

static double error_of(enum fathom_type type, const float *x, const float *importance) {
    static uint8_t bytes[4 * N];
    static float back[N];
    double sum = 0, weights = 0;
    assert_true(fm_quantize_row(type, x, importance, bytes, N));
    fm_dequantize_row(type, bytes, back, N);
    for (int i = 0; i < N; i++) {
        const double w = importance ? (double)importance[i] : 1;
        sum += w * ((double)back[i] - x[i]) * ((double)back[i] - x[i]);
        weights += w;
    }
    return sum / weights;
}

// Bounds of the error, relative to the variance of a normal row. They are lower than what ggml's searches
// reach on the same row; see src/decisions/quantize.md.
static const struct {
    enum fathom_type type;
    double most;
} bounds[] = {
    {FATHOM_Q8_0, 4e-5},
    {FATHOM_Q6_K, 4e-4},
    {FATHOM_Q5_K, 1.6e-3},
    {FATHOM_Q5_1, 1.9e-3},
    {FATHOM_Q5_0, 2.2e-3},
    {FATHOM_Q4_K, 6.5e-3},
    {FATHOM_Q4_1, 7.5e-3},
    {FATHOM_Q4_0, 9.5e-3},
    {FATHOM_IQ4_NL, 6.5e-3},
    {FATHOM_IQ4_XS, 6.5e-3},
    {FATHOM_Q3_K, 2.8e-2},
    {FATHOM_Q2_K, 1e-1},
};

static void errors_are_small(void **state) {
    (void)state;
    static float x[N];
    normal(x, N);
    for (size_t i = 0; i < sizeof(bounds) / sizeof(*bounds); i++) {
        const double error = error_of(bounds[i].type, x, NULL);
        if (!(error > 0 && error < bounds[i].most))
            fail_msg(
                "%s: %g of the variance, at most %g", fm_type_name(bounds[i].type), error, bounds[i].most);
    }
}

static void importances_are_heeded(void **state) {
    (void)state;
    static float x[N], importance[N];
    normal(x, N);
    for (int i = 0; i < N; i++) importance[i] = i % 8 ? 0.01f : 10;
    for (size_t i = 1; i < sizeof(bounds) / sizeof(*bounds); i++) {
        static uint8_t plain[4 * N], weighed[4 * N];
        static float a[N], b[N];
        assert_true(fm_quantize_row(bounds[i].type, x, NULL, plain, N));
        assert_true(fm_quantize_row(bounds[i].type, x, importance, weighed, N));
        fm_dequantize_row(bounds[i].type, plain, a, N);
        fm_dequantize_row(bounds[i].type, weighed, b, N);
        double without = 0, with = 0;
        for (int k = 0; k < N; k++) {
            without += (double)importance[k] * (a[k] - x[k]) * (a[k] - x[k]);
            with += (double)importance[k] * (b[k] - x[k]) * (b[k] - x[k]);
        }
        if (!(with < 0.9 * without))
            fail_msg("%s: a weighted error of %g, without importances %g", fm_type_name(bounds[i].type), with,
                without);
    }
}

static void hard_rows(void **state) {
    (void)state;
    static float x[N];
    static uint8_t bytes[4 * N];
    static float back[N];
    for (size_t i = 0; i < sizeof(bounds) / sizeof(*bounds); i++) {
        const enum fathom_type type = bounds[i].type;
        static const float values[] = {0, 1e-30f, 1, -3e4f};
        for (int v = 0; v < 4; v++) { // rows of one value
            for (int k = 0; k < N; k++) x[k] = values[v];
            assert_true(fm_quantize_row(type, x, NULL, bytes, N));
            fm_dequantize_row(type, bytes, back, N);
            for (int k = 0; k < N; k++) assert_true(fabsf(back[k] - x[k]) <= 0.08f * fabsf(x[k]) + 1e-29f);
        }
        x[17] = NAN;
        assert_false(fm_quantize_row(type, x, NULL, bytes, N));
        x[17] = INFINITY;
        assert_false(fm_quantize_row(type, x, NULL, bytes, N));
    }
}

// ---- Files -----------------------------------------------------------------------------------------------

static struct fathom_quantize_result quantize(
    const char *in, const char *preset, const struct fathom_tensor_rule *rules, size_t n_rules) {
    struct fathom_error err = {0};
    struct fathom_quantize_result result = {.size = sizeof(result)};
    const struct fathom_quantize_params params = {
        .size = sizeof(params),
        .in = in,
        .out = out_path,
        .preset = preset,
        .rules = rules,
        .n_rules = n_rules,
    };
    if (!fathom_quantize(&params, &result, &err)) fail_msg("%s", err.message);
    assert_int_equal(result.size, sizeof(result));
    assert_int_equal(folder_count(&out), 1);
    return result;
}

static enum fathom_type type_of(const char *name) {
    struct fm_tensors *t = fm_tensors_open(out_path, NULL);
    assert_non_null(t);
    const struct fm_tensor *tensor = fm_tensors_find(t, name);
    assert_non_null(tensor);
    const enum fathom_type type = tensor->type;
    fm_tensors_close(&t);
    return type;
}

// v3's rows have 32, 64 or 96 elements and hold no super-block
static void types_go_where_they_should(void **state) {
    (void)state;
    const struct fathom_quantize_result r = quantize(REFERENCE "v3", "q4_k", NULL, 0);
    assert_int_equal(type_of("blk.1.ffn_up_exps.weight"), FATHOM_Q5_0);
    assert_int_equal(type_of("output.weight"), FATHOM_Q8_0);
    assert_int_equal(type_of("blk.1.ffn_gate_inp.weight"), FATHOM_F32);
    assert_int_equal(type_of("blk.1.attn_q_a_norm.weight"), FATHOM_F32);
    assert_true(r.n_fallen_back > 20);
    assert_int_equal(r.n_requantized, 0);
    struct fm_tensors *t = fm_tensors_open(out_path, NULL);
    uint32_t n_tensors[64] = {0};
    assert_non_null(t);
    for (size_t i = 0; i < fm_tensors_count(t); i++) n_tensors[fm_tensors_at(t, i)->type]++;
    assert_memory_equal(n_tensors, r.n_tensors, sizeof(n_tensors));
    fm_tensors_close(&t);
    assert_true(r.bytes < r.bytes_before);
    static const struct fathom_tensor_rule rules[] = {
        {"ffn_down", FATHOM_Q8_0}, {"blk.[01].attn_output.weight", FATHOM_F16}};
    quantize(REFERENCE "v3", "iq4_xs", rules, 2);
    assert_int_equal(type_of("blk.1.ffn_down_exps.weight"), FATHOM_Q8_0);
    assert_int_equal(type_of("blk.1.attn_output.weight"), FATHOM_F16);
    assert_int_equal(type_of("blk.2.attn_output.weight"), FATHOM_IQ4_NL);
    quantize(REFERENCE "v4", "q8_0", NULL, 0);
    assert_int_equal((int)type_of("blk.0.ffn_gate_tid2eid.weight"), FM_TYPE_I32);
    quantize(REFERENCE "v3-fp8", "q8_0", NULL, 0);
    assert_int_equal(type_of("blk.1.attn_output.weight"), FATHOM_Q8_0);
}

static void the_same_every_time(void **state) {
    (void)state;
    char other[1024];
    folder_file(&out, "first.gguf", other);
    quantize(REFERENCE "v3", "q5_k_m", NULL, 0);
    assert_int_equal(rename(out_path, other), 0);
    assert_true(fathom_quantize(
        &FATHOM_INIT(fathom_quantize_params, .in = REFERENCE "v3", .out = out_path, .preset = "q5_k_m"), NULL,
        NULL));
    struct fm_tensors *a = fm_tensors_open(other, NULL), *b = fm_tensors_open(out_path, NULL);
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(fm_tensors_count(a), fm_tensors_count(b));
    for (size_t i = 0; i < fm_tensors_count(a); i++) {
        const struct fm_tensor *x = fm_tensors_at(a, i), *y = fm_tensors_at(b, i);
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->size, y->size);
        assert_memory_equal(fm_tensor_map(a, x), fm_tensor_map(b, y), x->size);
    }
    fm_tensors_close(&a);
    fm_tensors_close(&b);
}

// ---- Importance files of the older form: number of matrices, then name, runs, values ---------------------

static size_t put_matrix(uint8_t *at, const char *name, int32_t n, float value) {
    const int32_t length = (int32_t)strlen(name), runs = 2;
    memcpy(at, &length, 4);
    memcpy(at + 4, name, (size_t)length);
    memcpy(at + 4 + length, &runs, 4);
    memcpy(at + 8 + length, &n, 4);
    for (int32_t i = 0; i < n; i++) memcpy(at + 12 + length + 4 * i, &value, 4);
    return 12 + (size_t)length + 4 * (size_t)n;
}

static void importance_files(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int32_t n;
        float value;
        const char *message;
    } cases[] = {
        {"blk.1.attn_output.weight", 128, 1, NULL},
        {"blk.1.attn_output.weight", 96, 1, "tensor blk.1.attn_output.weight"},
        {"blk.1.attn_output.weight", 128, NAN, "value 0 of blk.1.attn_output.weight is"},
        {"blk.1.attn_output.weight", 128, -1, "expected a mean of squares"},
    };
    char path[1024];
    folder_file(&out, "imatrix.dat", path);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        static uint8_t file[4096];
        const int32_t one = 1;
        struct fathom_error err = {0};
        struct fathom_quantize_result result = {.size = sizeof(result)};
        memcpy(file, &one, 4);
        write_bytes(path, file, 4 + put_matrix(file + 4, cases[i].name, cases[i].n, cases[i].value));
        const bool ok = fathom_quantize(&FATHOM_INIT(fathom_quantize_params, .in = REFERENCE "v3",
                                            .out = out_path, .preset = "q4_0", .importance = path),
            &result, &err);
        if (ok != !cases[i].message || (!ok && !strstr(err.message, cases[i].message)))
            fail_msg("case %zu: \"%s\"", i, ok ? "accepted" : err.message);
        if (ok) assert_int_equal(result.n_important, 1);
        if (ok) assert_int_equal(unlink(out_path), 0);
        assert_int_equal(folder_count(&out), 1); // only the importances
    }
    write_bytes(path, "\1\0\0\0\377\377\377\177", 8);
    struct fathom_error err = {0};
    assert_null(fm_importance_open(path, &err));
    assert_non_null(strstr(err.message, path));
}

// ---- Failures: one message, no new file, and an old file stays -------------------------------------------

static bool cancel(void *user, enum fathom_phase phase, uint64_t done, uint64_t total) {
    (void)user;
    if (phase != FATHOM_PHASE_CONVERT) return true;
    return done < total / 2;
}

static void failures_leave_nothing(void **state) {
    (void)state;
    static const struct fathom_tensor_rule nowhere[] = {{"attn_qqq", FATHOM_Q8_0}},
                                           read_only[] = {{"attn_q", FATHOM_IQ2_XXS}},
                                           nameless[] = {{NULL, FATHOM_Q8_0}};
    const struct fathom_progress progress = {cancel, NULL};
    const char *const v3 = REFERENCE "v3", *const none = "/nonexistent/imatrix";
    const struct {
        struct fathom_quantize_params params;
        enum fathom_status status;
        const char *message;
    } cases[] = {
        {{.in = v3, .preset = "Q4_0", .rules = nowhere, .n_rules = 1}, FATHOM_INVALID,
            "no matrix has a name like \"attn_qqq\""},
        {{.in = v3, .preset = "Q4_0", .rules = read_only, .n_rules = 1}, FATHOM_UNSUPPORTED,
            "attn_q: the type IQ2_XXS is read, not written"},
        {{.in = v3, .preset = "Q4_0", .rules = nameless, .n_rules = 1}, FATHOM_INVALID, "rules[0].pattern"},
        {{.in = v3, .preset = "Q4_0", .n_rules = 1}, FATHOM_INVALID, "params.rules is NULL"},
        {{.in = v3, .preset = "Q9"}, FATHOM_INVALID, "params.preset is \"Q9\""},
        {{.in = v3}, FATHOM_INVALID, "params.preset"},
        {{.preset = "Q4_0"}, FATHOM_INVALID, "params.in is NULL"},
        {{.in = v3, .preset = "Q4_0", .progress = progress}, FATHOM_CANCELLED, "was cancelled"},
        {{.in = v3, .preset = "Q4_0", .importance = none}, FATHOM_IO, none},
        {{.in = "/nonexistent/model.gguf", .preset = "Q4_0"}, FATHOM_IO, "/nonexistent/model.gguf"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fathom_error err = {FATHOM_NO_DEVICE, "of an earlier call"};
        struct fathom_quantize_params params = cases[i].params;
        params.size = sizeof(params);
        params.out = out_path;
        write_bytes(out_path, "before", 6);
        assert_false(fathom_quantize(&params, NULL, &err));
        if (!strstr(err.message, cases[i].message))
            fail_msg("case %zu: \"%s\", expected \"%s\"", i, err.message, cases[i].message);
        assert_int_equal(err.status, cases[i].status);
        char *text = read_text(out_path);
        assert_string_equal(text, "before");
        free(text);
        assert_int_equal(folder_count(&out), 1);
    }
    quantize(REFERENCE "v3", "q8_0", NULL, 0);
    struct fathom_error err = {0};
    assert_false(fathom_quantize(
        &FATHOM_INIT(fathom_quantize_params, .in = out_path, .out = out_path, .preset = "q4_0"), NULL, &err));
    assert_non_null(strstr(err.message, "is both the input and the output"));
    assert_int_equal(type_of("blk.1.attn_output.weight"), FATHOM_Q8_0);
}

// Programs list the presets, and find the one that a person means.
static void presets_have_names(void **state) {
    (void)state;
    size_t n = 0;
    for (const char *name; (name = fathom_preset_name(n)); n++)
        assert_ptr_equal(fathom_preset_find(name), name);
    assert_int_equal(n, 20);
    assert_null(fathom_preset_name(SIZE_MAX));
    assert_string_equal(fathom_preset_find("q4_k"), "Q4_K_M");
    assert_null(fathom_preset_find("q9"));
    assert_null(fathom_preset_find(NULL));
    enum fathom_type type = FATHOM_F32;
    assert_true(fathom_type_find("iq2_xxs", &type));
    assert_int_equal(type, FATHOM_IQ2_XXS);
    assert_string_equal(fathom_type_name(type), "IQ2_XXS");
    assert_false(fathom_type_find("q4_k_m", &type)); // a preset, no type
    assert_false(fathom_type_find("i32", &type));    // of no weight
    assert_false(fathom_type_find(NULL, &type));
    assert_int_equal(type, FATHOM_IQ2_XXS);
    assert_string_equal(fathom_type_name((enum fathom_type)9999), "?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_small),
        cmocka_unit_test(importances_are_heeded),
        cmocka_unit_test(hard_rows),
        cmocka_unit_test(presets_have_names),
        cmocka_unit_test_setup_teardown(types_go_where_they_should, make_out, remove_out),
        cmocka_unit_test_setup_teardown(the_same_every_time, make_out, remove_out),
        cmocka_unit_test_setup_teardown(importance_files, make_out, remove_out),
        cmocka_unit_test_setup_teardown(failures_leave_nothing, make_out, remove_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
