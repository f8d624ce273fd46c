// Converting to GGUF: the file holds what the folder held, and after a failure there is no file.
#include "convert/convert.h"
#include "file/directory.h"
#include "file/gguf/gguf_write.h"
#include "quant/types.h"
#include "file/folder.h"
#include <fathom/convert.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>

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

static struct fm_tensors *open_path(const char *path) {
    struct fathom_error err = {0};
    struct fm_tensors *t = fm_tensors_open(path, &err);
    if (!t) fail_msg("%s", err.message);
    return t;
}

static void convert(const char *in, enum fathom_type type, bool keep_draft_layer) {
    struct fathom_error err = {0};
    const struct fathom_convert_params params = {
        .size = sizeof(params),
        .in = in,
        .out = out_path,
        .type = type,
        .drop_draft_layers = !keep_draft_layer,
    };
    if (!fathom_convert(&params, &err)) fail_msg("%s", err.message);
    assert_int_equal(folder_count(&out), 1);
}

static void check_same_value(const struct fm_meta_value *a, const struct fm_meta_value *b) {
    assert_non_null(b);
    assert_int_equal(a->type, b->type);
    if (a->type == FM_META_STRING)
        assert_string_equal(a->string.text, b->string.text);
    else if (a->type != FM_META_ARRAY)
        assert_int_equal(a->u, b->u); // floats: the same double
    if (a->type != FM_META_ARRAY) return;
    assert_int_equal(a->element, b->element);
    assert_int_equal(a->count, b->count);
    if (a->element != FM_META_STRING)
        assert_memory_equal(a->items, b->items, a->count * fm_meta_size(a->element));
    for (size_t i = 0; a->element == FM_META_STRING && i < a->count; i++)
        assert_string_equal(a->strings[i].text, b->strings[i].text);
}

static void check_same_tensor(const struct fm_tensors *a, const struct fm_tensor *x,
    const struct fm_tensors *b, const struct fm_tensor *y) {
    assert_non_null(y);
    assert_string_equal(x->name, y->name);
    assert_int_equal(x->type, y->type);
    assert_int_equal(x->n_dims, y->n_dims);
    assert_memory_equal(x->dims, y->dims, sizeof(x->dims));
    uint8_t *bytes = malloc(x->size), *other = malloc(x->size);
    assert_true(fm_tensor_read(a, x, 0, x->size, bytes, NULL));
    assert_true(fm_tensor_read(b, y, 0, y->size, other, NULL));
    assert_memory_equal(bytes, other, x->size);
    free(bytes);
    free(other);
}

static void the_file_says_what_the_folder_said(void **state) {
    (void)state;
    static const char *const models[] = {"v2-lite", "v2", "v3"}; // their matrices are bfloat16
    for (int m = 0; m < 3; m++) {
        char in[1024];
        snprintf(in, sizeof(in), REFERENCE "%s", models[m]);
        convert(in, FATHOM_BF16, true);
        struct fm_tensors *a = open_path(in), *b = open_path(out_path);
        assert_int_equal(fm_meta_count(b), fm_meta_count(a) + 2); // file_type, quantization_version
        for (size_t i = 0; i < a->meta.count; i++)
            check_same_value(&a->meta.values[i], fm_meta_find(&b->meta, a->meta.values[i].key));
        assert_int_equal(fm_tensors_count(b), fm_tensors_count(a));
        for (size_t i = 0; i < fm_tensors_count(a); i++)
            check_same_tensor(a, fm_tensors_at(a, i), b, fm_tensors_at(b, i));
        fm_tensors_close(&a);
        fm_tensors_close(&b);
    }
}

// What generation_config.json says of sampling goes to the file, as llama.cpp's keys.
static void sampling_is_kept(void **state) {
    (void)state;
    static const char generation[] = "{\"do_sample\": true, \"temperature\": 0.7, \"top_k\": 20, \"top_p\": "
                                     "0.8, \"min_p\": 0.05, \"repetition_penalty\": 1.05}";
    static const struct {
        const char *key;
        enum fm_meta_type type;
        double value;
    } rows[] = {
        {"general.sampling.temp", FM_META_F32, 0.7f},
        {"general.sampling.top_k", FM_META_I32, 20},
        {"general.sampling.top_p", FM_META_F32, 0.8f},
        {"general.sampling.min_p", FM_META_F32, 0.05f},
        {"general.sampling.penalty_repeat", FM_META_F32, 1.05f},
    };
    struct folder in;
    char path[1024];
    folder_make(&in, "llama");
    folder_file(&in, "generation_config.json", path);
    write_bytes(path, generation, sizeof(generation) - 1);
    convert(in.path, FATHOM_F32, true);
    struct fm_tensors *t = open_path(out_path);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct fm_meta_value *value = fm_meta_find(&t->meta, rows[i].key);
        assert_non_null(value);
        assert_int_equal(value->type, rows[i].type);
        assert_true((value->type == FM_META_F32 ? value->f : (double)value->i) == rows[i].value);
    }
    fm_tensors_close(&t);
    folder_remove(&in);
}

static void each_type_goes_where_it_should(void **state) {
    (void)state;
    static const enum fathom_type types[] = {FATHOM_F32, FATHOM_F16, FATHOM_BF16, FATHOM_Q8_0, FATHOM_Q4_0};
    static const uint32_t file_types[] = {0, 1, 32, 7, 2};
    for (int i = 0; i < 5; i++) {
        convert(REFERENCE "v3", types[i], true);
        struct fm_tensors *t = open_path(out_path);
        uint32_t value = UINT32_MAX;
        assert_true(fm_meta_u32(t, "general.file_type", &value, NULL));
        assert_int_equal(value, file_types[i]);
        const enum fathom_type outer = types[i] == FATHOM_Q4_0 ? FATHOM_Q8_0 : types[i];
        assert_int_equal(fm_tensors_find(t, "token_embd.weight")->type, outer);
        assert_int_equal(fm_tensors_find(t, "output.weight")->type, outer);
        static const char *const matrices[] = {"blk.0.ffn_up.weight", "blk.1.attn_k_b.weight",
            "blk.1.attn_v_b.weight", "blk.2.ffn_down_exps.weight"};
        for (int j = 0; j < 4; j++) assert_int_equal(fm_tensors_find(t, matrices[j])->type, types[i]);
        static const char *const fine[] = {"blk.0.attn_norm.weight", "blk.1.ffn_gate_inp.weight",
            "blk.1.exp_probs_b.bias", "output_norm.weight"};
        for (int j = 0; j < 4; j++) assert_int_equal(fm_tensors_find(t, fine[j])->type, FATHOM_F32);
        fm_tensors_close(&t);
    }
}

// A GGUF file with one matrix whose rows no block divides, written by the writer alone.
static void write_odd(const char *path, const float values[80]) {
    struct fm_meta meta = {0};
    const struct fm_string token = {"a", 1};
    const struct fm_tensor matrix = {
        .name = "blk.0.attn_output.weight",
        .type = FATHOM_F32,
        .n_dims = 2,
        .dims = {40, 2, 1, 1},
        .size = 320,
    };
    assert_true(fm_meta_add(
        &meta, (struct fm_meta_value){.key = "x.block_count", .type = FM_META_U32, .u = 1}, NULL));
    assert_true(fm_meta_add(&meta,
        (struct fm_meta_value){.key = "tokenizer.ggml.pre", .type = FM_META_STRING, .string = token}, NULL));
    assert_true(fm_meta_add(&meta,
        (struct fm_meta_value){
            .key = "tokenizer.ggml.tokens",
            .type = FM_META_ARRAY,
            .element = FM_META_STRING,
            .count = 1,
            .strings = &token,
        },
        NULL));
    assert_true(fm_meta_add(&meta,
        (struct fm_meta_value){
            .key = "tokenizer.ggml.merges",
            .type = FM_META_ARRAY,
            .element = FM_META_STRING,
            .count = 1,
            .strings = &token,
        },
        NULL));
    struct fm_gguf_writer *w = fm_gguf_writer_create(path, &meta, &matrix, 1, NULL);
    assert_non_null(w);
    struct fathom_error err = {0};
    assert_false(fm_gguf_writer_append(w, values, 324, &err));
    assert_non_null(strstr(err.message, "324 bytes too many for tensor blk.0.attn_output.weight"));
    err = (struct fathom_error){0};
    assert_true(fm_gguf_writer_append(w, values, 100, &err));
    assert_false(fm_gguf_writer_finish(w, &err));
    assert_non_null(strstr(err.message, "bytes of tensor blk.0.attn_output.weight are missing"));
    assert_int_not_equal(access(path, F_OK), 0); // not yet
    err = (struct fathom_error){0};
    assert_true(fm_gguf_writer_append(w, values + 25, 220, &err));
    assert_true(fm_gguf_writer_finish(w, &err));
    fm_gguf_writer_destroy(&w);
    fm_meta_free(&meta);
}

static void odd_rows_become_f16(void **state) {
    (void)state;
    char odd[1024];
    float values[80], back[80];
    for (int i = 0; i < 80; i++) values[i] = (float)i / 8;
    folder_file(&out, "odd.gguf", odd);
    write_odd(odd, values);
    assert_true(fm_convert(odd, out_path, FATHOM_Q8_0, true, NULL, NULL));
    struct fm_tensors *t = open_path(out_path);
    const struct fm_tensor *matrix = fm_tensors_at(t, 0);
    assert_int_equal(matrix->type, FATHOM_F16);
    fm_dequantize_row(FATHOM_F16, fm_tensor_map(t, matrix), back, 80);
    assert_memory_equal(back, values, sizeof(values));
    fm_tensors_close(&t);
}

static void values_that_do_not_fit_are_named(void **state) {
    (void)state;
    char odd[1024];
    float values[80] = {[77] = NAN};
    struct fathom_error err = {0};
    folder_file(&out, "odd.gguf", odd);
    write_odd(odd, values);
    assert_false(fm_convert(odd, out_path, FATHOM_Q8_0, true, NULL, &err));
    assert_int_equal(err.status, FATHOM_INVALID);
    assert_non_null(strstr(err.message,
        "tensor blk.0.attn_output.weight holds a value that F16 cannot: infinite, not a number, or too "
        "large"));
    assert_int_equal(folder_count(&out), 1);
}

// ---- Failures: one message, no new file, and an old file stays -------------------------------------------

static void check_failure(
    const char *in, const struct fathom_progress *progress, enum fathom_status status, const char *message) {
    struct fathom_error err = {FATHOM_NO_DEVICE, "of an earlier call"};
    struct fathom_convert_params params = {
        .size = sizeof(params), .in = in, .out = out_path, .type = FATHOM_Q8_0};
    if (progress) params.progress = *progress;
    write_bytes(out_path, "before", 6);
    assert_false(fathom_convert(&params, &err));
    assert_int_equal(err.status, status);
    if (!strstr(err.message, message)) fail_msg("\"%s\", expected \"%s\"", err.message, message);
    assert_int_equal(folder_count(&out), 1);
    char *text = read_text(out_path);
    assert_string_equal(text, "before");
    free(text);
}

static void a_full_disk_leaves_nothing(void **state) {
    (void)state;
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN); // so a write past the limit fails as on a full disk
    for (rlim_t size = 100; size < 600000;
         size = size * 9 / 2) { // in the keys, between the tensors, in the last bytes
        limit = (struct rlimit){.rlim_cur = size, .rlim_max = before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        check_failure(
            REFERENCE "v3", NULL, FATHOM_IO, "/out.gguf: no room for the file: File too large after ");
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, old);
}

static bool stop_at_ten(void *user, enum fathom_phase phase, uint64_t done, uint64_t total) {
    assert_int_equal(phase, FATHOM_PHASE_CONVERT);
    assert_true(done <= total);
    return ++*(int *)user < 10;
}

static void cancelling_leaves_nothing(void **state) {
    (void)state;
    int n = 0;
    check_failure(REFERENCE "v3", &(struct fathom_progress){stop_at_ten, &n}, FATHOM_CANCELLED,
        "reference/v3 was cancelled");
    assert_int_equal(n, 10);
}

static void bad_input_leaves_nothing(void **state) {
    (void)state;
    struct folder in;
    char path[1024];
    check_failure(
        "/no/such/folder", NULL, FATHOM_IO, "/no/such/folder: cannot open: No such file or directory");
    folder_make(&in, "v3");
    folder_edit(&in, "tokenizer.json", "N}{1,3}", "N}{1,4}");
    check_failure(in.path, NULL, FATHOM_UNSUPPORTED,
        ": the splits in pre_tokenizer of tokenizer.json are not supported");
    folder_file(&in, "tokenizer.json", path);
    assert_int_equal(unlink(path), 0);
    check_failure(in.path, NULL, FATHOM_INVALID, ": tokenizer.json is missing");
    folder_remove(&in);
}

static void bad_parameters_are_named(void **state) {
    (void)state;
    struct fathom_error err = {0};
    assert_false(fathom_convert(NULL, &err));
    assert_int_equal(err.status, FATHOM_INVALID);
    assert_non_null(strstr(err.message, "params is NULL"));
    assert_false(fathom_convert(&FATHOM_INIT(fathom_convert_params, .out = out_path), &err));
    assert_non_null(strstr(err.message, "params.in is NULL"));
    assert_false(fathom_convert(&FATHOM_INIT(fathom_convert_params, .in = REFERENCE "v3"), &err));
    assert_non_null(strstr(err.message, "params.out is NULL"));
    assert_false(fathom_convert(
        &FATHOM_INIT(fathom_convert_params, .in = REFERENCE "v3", .out = out_path, .type = FATHOM_Q4_K),
        &err));
    assert_int_equal(err.status, FATHOM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "params.type is F32, F16, BF16, Q8_0 or Q4_0, not Q4_K"));
    struct fathom_convert_params unsized = {.size = 0, .in = REFERENCE "v3", .out = out_path};
    assert_false(fathom_convert(&unsized, &err));
    assert_int_equal(err.status, FATHOM_INVALID);
    assert_non_null(strstr(err.message, "fathom_convert: params.size is 0"));
    assert_int_equal(folder_count(&out), 0);
}

static void a_missing_folder_is_named(void **state) {
    (void)state;
    struct fathom_error err = {0};
    assert_false(fm_convert(REFERENCE "v3", "/no/such/folder/out.gguf", FATHOM_F32, true, NULL, &err));
    assert_int_equal(err.status, FATHOM_IO);
    assert_non_null(strstr(err.message, "/no/such/folder/out.gguf"));
    assert_non_null(strstr(err.message, "cannot create: No such file or directory"));
}

// Minnow has a draft layer; its weights are not in the repository.
static void the_draft_layer_may_stay_out(void **state) {
    (void)state;
    const char *shared = getenv("FATHOM_SHARED");
    char in[1024], file[1100];
    snprintf(in, sizeof(in), "%s/reference/minnow", shared ? shared : FATHOM_SOURCE_DIR "/../shared");
    snprintf(file, sizeof(file), "%s/model.safetensors", in);
    if (access(file, R_OK) != 0) {
        print_message("skipped: the_draft_layer_may_stay_out: %s is not there\n", file);
        skip();
    }
    for (int keep = 0; keep < 2; keep++) {
        convert(in, FATHOM_Q8_0, keep);
        struct fm_tensors *t = open_path(out_path);
        uint32_t n_blocks = 0, n_draft = 0;
        assert_true(fm_meta_u32(t, "deepseek2.block_count", &n_blocks, NULL));
        assert_int_equal(n_blocks, keep ? 5 : 4);
        assert_int_equal(fm_meta_u32(t, "deepseek2.nextn_predict_layers", &n_draft, NULL), keep);
        assert_int_equal(n_draft, keep);
        static const char *const names[] = {
            "eh_proj", "embed_tokens", "enorm", "hnorm", "shared_head_head", "shared_head_norm"};
        for (int i = 0; i < 6; i++) {
            char name[64];
            snprintf(name, sizeof(name), "blk.4.nextn.%s.weight", names[i]);
            assert_int_equal(fm_tensors_find(t, name) != NULL, keep);
        }
        assert_int_equal(fm_tensors_find(t, "blk.4.ffn_up_exps.weight") != NULL, keep);
        assert_int_equal(fm_tensors_count(t), keep ? 94 : 70);
        fm_tensors_close(&t);
    }
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_out, remove_out)
    const struct CMUnitTest tests[] = {
        CASE(the_file_says_what_the_folder_said),
        CASE(sampling_is_kept),
        CASE(each_type_goes_where_it_should),
        CASE(odd_rows_become_f16),
        CASE(values_that_do_not_fit_are_named),
        CASE(a_full_disk_leaves_nothing),
        CASE(cancelling_leaves_nothing),
        CASE(bad_input_leaves_nothing),
        CASE(bad_parameters_are_named),
        CASE(a_missing_folder_is_named),
        CASE(the_draft_layer_may_stay_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
