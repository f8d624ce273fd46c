// Hyper-parameters and weights of a broken model file: each fault gives one message that names the key or the
// tensor. A test reads the demonstration model, changes one key or one tensor in memory, and runs the checks.
#include "convert/convert.h"
#include "engine/engine.h"
#include "file/folder.h"
#include "file/gguf/gguf.h"
#include "model/hparams.h"
#include "model/weights.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// after the standard headers
#include <cmocka.h>

struct bytes {
    unsigned char *data;
    size_t size;
};
static struct bytes model, v4, glm,
    v2; // Minnow; the small DeepSeek-V4, GLM-4.7-Flash and DeepSeek-V2, converted

static bool read_file(const char *path, struct bytes *bytes) {
    FILE *f = fopen(path, "rb");
    if (!f) return false;
    fseek(f, 0, SEEK_END);
    bytes->size = (size_t)ftell(f);
    rewind(f);
    bytes->data = malloc(bytes->size);
    const bool ok = bytes->data && fread(bytes->data, 1, bytes->size, f) == bytes->size;
    fclose(f);
    return ok;
}

static bool read_converted(const char *folder, struct bytes *bytes) {
    char path[] = "/tmp/fathom-hparams-XXXXXX";
    const int fd = mkstemp(path);
    if (fd < 0) return false;
    close(fd);
    const bool ok = fm_convert(folder, path, FATHOM_F16, true, NULL, NULL) && read_file(path, bytes);
    unlink(path);
    return ok;
}

static int read_models(void **state) {
    (void)state;
    const bool ok = read_converted(REFERENCE "v4", &v4) && read_converted(REFERENCE "glm4-lite", &glm) &&
        read_converted(REFERENCE "v2", &v2);
    return ok && read_file(FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf", &model) ? 0 : -1;
}

static int free_models(void **state) {
    (void)state;
    free(model.data);
    free(v4.data);
    free(glm.data);
    free(v2.data);
    return 0;
}

// Where a name ends in the file's header.
static unsigned char *after(unsigned char *copy, const char *name) {
    const size_t n = strlen(name);
    for (size_t i = 0; i + n < 100000; i++)
        if (!memcmp(copy + i, name, n)) return copy + i + n;
    fail_msg("%s is not in the file", name);
    return NULL;
}

enum change { RENAMED, MISTYPED, VALUE, DIMENSION };
static const struct fault {
    enum change change;
    const char *name;
    uint32_t value;
    const char *message;
} faults[] = {
    {RENAMED, "deepseek2.block_count", 0, "deepseek2.block_count is missing"},
    {RENAMED, "deepseek2.embedding_length", 0, "deepseek2.embedding_length is missing"},
    {RENAMED, "deepseek2.attention.kv_lora_rank", 0, "kv_lora_rank is missing"},
    {RENAMED, "deepseek2.attention.key_length_mla", 0, "key_length_mla is missing"},
    {RENAMED, "deepseek2.attention.layer_norm_rms_epsilon", 0, "rms_epsilon is missing"},
    {RENAMED, "deepseek2.expert_used_count", 0, "expert_used_count is missing"},
    {RENAMED, "deepseek2.rope.scaling.factor", 0, "rope.scaling.factor is missing"},
    {RENAMED, "general.architecture", 0, "general.architecture"},
    {MISTYPED, "deepseek2.block_count", 6, "block_count is 7.00649e-45, expected a whole number"},
    {MISTYPED, "deepseek2.attention.head_count", 6, "head_count is 5.60519e-45, expected a whole number"},
    {VALUE, "deepseek2.block_count", 0, "block_count is 0"},
    {VALUE, "deepseek2.block_count", 4000000000u, "block_count is 4000000000"},
    {VALUE, "deepseek2.block_count", 9, "blk.5.attn_norm.weight is missing"},
    {VALUE, "deepseek2.attention.head_count", 0, "head_count is 0"},
    {VALUE, "deepseek2.attention.head_count", 8, "attn_q_b.weight"},
    {VALUE, "deepseek2.attention.kv_lora_rank", 66, "multiple of 4"},
    {VALUE, "deepseek2.attention.kv_lora_rank", 1u << 30, "kv_lora_rank is 1073741824"},
    {VALUE, "deepseek2.attention.key_length_mla", 16, "key_length_mla is not larger"},
    {VALUE, "deepseek2.expert_count", 0xffffffffu, "expert_count is 4294967295"},
    {VALUE, "deepseek2.expert_used_count", 17, "expert_used_count is 17"},
    {VALUE, "deepseek2.expert_used_count", 9, "more than the experts of the groups"},
    {VALUE, "deepseek2.expert_group_count", 3, "does not divide"},
    {VALUE, "deepseek2.expert_group_used_count", 5, "expert_group_used_count is out of range"},
    {VALUE, "deepseek2.expert_gating_func", 3, "expert_gating_func is 3"},
    {VALUE, "deepseek2.vocab_size", 769, "769"},
    {VALUE, "deepseek2.nextn_predict_layers", 5, "nextn_predict_layers is 5"},
    {VALUE, "deepseek2.leading_dense_block_count", 5, "leading_dense_block_count is 5"},
    {VALUE, "deepseek2.rope.freq_base", 0, "freq_base is 0"},
    {VALUE, "deepseek2.rope.scaling.factor", 0x7fc00000u, "factor is nan"},
    {RENAMED, "blk.2.ffn_gate_exps.weight", 0, "blk.2.ffn_gate_exps.weight is missing"},
    {RENAMED, "token_embd.weight", 0, "token_embd.weight is missing"},
    {RENAMED, "blk.0.attn_q_a_norm.weight", 0, "blk.0.attn_q_a_norm.weight is missing"},
    {DIMENSION, "blk.1.attn_kv_a_mqa.weight", 64, "blk.1.attn_kv_a_mqa.weight is [64"},
};

static const struct fault v4_faults[] = {
    {RENAMED, "deepseek4.attention.sliding_window", 0, "sliding_window is missing"},
    {RENAMED, "deepseek4.attention.compress_ratios", 0,
        "compress_ratios is not an array of whole numbers, one a layer"},
    {RENAMED, "deepseek4.attention.compress_rope_freq_base", 0, "compress_rope_freq_base is missing"},
    {RENAMED, "deepseek4.attention.indexer.top_k", 0, "indexer.top_k is missing"},
    {VALUE, "deepseek4.attention.sliding_window", 0, "sliding_window is 0"},
    {VALUE, "deepseek4.attention.output_group_count", 3,
        "output_group_count does not divide attention.head_count"},
    {VALUE, "deepseek4.attention.key_length", 66, "multiple of 4"},
    {VALUE, "deepseek4.rope.dimension_count", 64,
        "rope.dimension_count is not smaller than attention.key_length"},
    {VALUE, "deepseek4.hyper_connection.count", 8, "hyper_connection.count is 8"},
    {VALUE, "deepseek4.hyper_connection.sinkhorn_iterations", 0, "sinkhorn_iterations is 0"},
    {VALUE, "deepseek4.hash_layer_count", 3, "blk.2.ffn_gate_tid2eid.weight is missing"},
    {RENAMED, "blk.0.ffn_gate_tid2eid.weight", 0, "blk.0.ffn_gate_tid2eid.weight is missing"},
    {RENAMED, "blk.1.attn_compressor_ape.weight", 0, "blk.1.attn_compressor_ape.weight is missing"},
    {RENAMED, "blk.3.hc_ffn_scale.weight", 0, "blk.3.hc_ffn_scale.weight is missing"},
    {RENAMED, "output_hc_fn.weight", 0, "output_hc_fn.weight is missing"},
    {DIMENSION, "blk.2.indexer_compressor_kv.weight", 32, "blk.2.indexer_compressor_kv.weight is [32"},
    {DIMENSION, "blk.5.attn_output_a.weight", 64, "blk.5.attn_output_a.weight is [64"},
};

static void change(unsigned char *copy, const struct fault *f) {
    unsigned char *end = after(copy, f->name);
    switch (f->change) {
    case RENAMED: end[-1]++; break;
    case MISTYPED: memcpy(end, &f->value, 4); break;
    case VALUE: memcpy(end + 4, &f->value, 4); break;
    case DIMENSION: memcpy(end + 4, &(uint64_t){f->value}, 8); break;
    }
}

static void check_faults(const struct bytes *whole, const struct fault *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char *copy = malloc(whole->size);
        memcpy(copy, whole->data, whole->size);
        change(copy, &list[i]);
        struct fathom_error err = {0};
        struct fm_hparams hp;
        struct fm_weights_size size;
        struct fm_tensors *tensors = fm_gguf_from_memory("broken.gguf", copy, whole->size, &err);
        const bool ok =
            tensors && fm_hparams_read(tensors, &hp, &err) && fm_weights_measure(tensors, &hp, &size, &err);
        if (ok || !strstr(err.message, list[i].message) || !strstr(err.message, "broken.gguf"))
            fail_msg("%s changed: \"%s\" does not name broken.gguf and \"%s\"", list[i].name,
                ok ? "accepted" : err.message, list[i].message);
        fm_tensors_close(&tensors);
        free(copy);
    }
}

static void faults_are_named(void **state) {
    (void)state;
    check_faults(&model, faults, sizeof(faults) / sizeof(*faults));
    check_faults(&v4, v4_faults, sizeof(v4_faults) / sizeof(*v4_faults));
}

static void whole_model(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fm_hparams hp;
    struct fm_weights_size size;
    struct fm_tensors *tensors = fm_gguf_from_memory("whole.gguf", model.data, model.size, &err);
    assert_non_null(tensors);
    assert_true(fm_hparams_read(tensors, &hp, &err));
    assert_true(fm_weights_measure(tensors, &hp, &size, &err));
    assert_int_equal(hp.n_layers, 4);
    assert_int_equal(hp.n_draft_layers, 1);
    assert_int_equal(hp.n_nope, 32);
    assert_int_equal(hp.group_score, FATHOM_GROUP_TOP2);
    assert_true(size.parameters > 6000000);
    assert_true(size.parameters_active < size.parameters);
    fm_tensors_close(&tensors);
}

// llama.cpp's first files of GLM-4.7-Flash do not name the gate's score, and nor do those of DeepSeek-V2.
static void missing_gate_score(void **state) {
    (void)state;
    const struct {
        const struct bytes *file;
        enum fathom_gate_score score;
    } files[] = {{&glm, FATHOM_GATE_SIGMOID}, {&v2, FATHOM_GATE_SOFTMAX}};
    for (size_t i = 0; i < 2; i++) {
        unsigned char *copy = malloc(files[i].file->size);
        memcpy(copy, files[i].file->data, files[i].file->size);
        change(copy, &(struct fault){RENAMED, "deepseek2.expert_gating_func"});
        struct fathom_error err = {0};
        struct fm_hparams hp;
        struct fm_tensors *tensors = fm_gguf_from_memory("older.gguf", copy, files[i].file->size, &err);
        if (!tensors || !fm_hparams_read(tensors, &hp, &err)) fail_msg("%s", err.message);
        assert_int_equal(hp.gate_score, files[i].score);
        fm_tensors_close(&tensors);
        free(copy);
    }
}

// Without YaRN, pair i is rotated by position * base^(-2i / n_rope).
static void plain_rotation(void **state) {
    (void)state;
    const struct fm_hparams hp = {
        .n_rope = 4,
        .rope_divisors = {1, 1},
        .rope_base = 10000,
        .yarn_factor = 1,
        .rope_magnitude = 1,
    };
    float table[3 * 4];
    fm_rope_table(&hp, 0, 3, table);
    const float want[12] = {1, 0, 1, 0, 0.54030231f, 0.84147098f, 0.99995000f, 0.00999983f, -0.41614684f,
        0.90929743f, 0.99980001f, 0.01999867f};
    for (int i = 0; i < 12; i++) {
        assert_true(table[i] > want[i] - 1e-7f);
        assert_true(table[i] < want[i] + 1e-7f);
    }
}

// Whatever a number of the file is: no crash, no division by zero, and one message if the model is refused.
static void check_any(const struct bytes *whole, unsigned char *copy, const char *key) {
    struct fathom_error err = {0};
    struct fm_hparams hp;
    struct fathom_model_info info;
    struct fathom_memory_plan plan;
    struct fm_tensors *t = fm_gguf_from_memory("any.gguf", copy, whole->size, &err);
    const bool ok = t && fm_hparams_read(t, &hp, &err) &&
        fm_memory_plan(t, &hp, &(struct fm_plan_request){.model = "any.gguf"}, NULL, &info, &plan, &err);
    if (ok != (err.message[0] == 0)) fail_msg("%s: %s", key, err.message);
    fm_tensors_close(&t);
}

static void any_number_is_read_or_refused(void **state) {
    (void)state;
    static const uint32_t values[] = {0, 1, 2, 3, 5, 4096, 65535, 1u << 20, 1u << 30, UINT32_MAX,
        0x3f000000u /* 0.5 */, 0x7f800000u, 0x7fc00000u};
    const struct bytes *const files[] = {&model, &v4, &glm, &v2};
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        struct fm_tensors *t = fm_gguf_from_memory("any.gguf", files[i]->data, files[i]->size, NULL);
        unsigned char *copy = malloc(files[i]->size);
        assert_non_null(t);
        assert_non_null(copy);
        memcpy(copy, files[i]->data, files[i]->size);
        for (size_t j = 0; j < fm_meta_count(t); j++) {
            enum fm_value_type type;
            const char *key = fm_meta_key(t, j, &type);
            if (strncmp(key, "deepseek", 8) != 0 || type > FM_VALUE_FLOAT) continue;
            unsigned char *value = after(copy, key) + 4;
            for (size_t k = 0; k < sizeof(values) / sizeof(*values); k++) {
                memcpy(value, &values[k], 4);
                check_any(files[i], copy, key);
            }
            memcpy(value, files[i]->data + (value - copy), 4);
        }
        free(copy);
        fm_tensors_close(&t);
    }
}

// The same of config.json of a hub folder, whose numbers also shape the tensors.
static void any_number_of_config_json_is_read_or_refused(void **state) {
    (void)state;
    static const char *const models[] = {"v2-lite", "v3", "v32", "v4", "glm4-lite", "llama", "qwen3"},
                             *const values[] = {
                                 "0", "-1", "1", "3", "4294967294", "1e300", "null", "\"1\"", "NaN"};
    for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++) {
        struct folder f;
        char path[1024];
        folder_make(&f, models[i]);
        folder_file(&f, "tokenizer.json", path);
        assert_int_equal(unlink(path), 0); // takes time, and has no part in this
        folder_file(&f, "config.json", path);
        char *text = read_text(path), *edited = malloc(strlen(text) + 32);
        assert_int_equal(unlink(path), 0);
        assert_non_null(edited);
        for (char *c = text; (c = strpbrk(c, ":[,")); c++) {
            const size_t space = 1 + strspn(c + 1, " \n"), number = strspn(c + space, "-0123456789.e+");
            for (size_t k = 0; number && k < sizeof(values) / sizeof(*values); k++) {
                struct fathom_error err = {0};
                struct fm_hparams hp;
                struct fm_weights_size size;
                const int n =
                    sprintf(edited, "%.*s%s%s", (int)(c + space - text), text, values[k], c + space + number);
                write_bytes(path, edited, (size_t)n);
                struct fm_tensors *t = fm_tensors_open(f.path, &err);
                const bool ok = t && fm_hparams_read(t, &hp, &err) && fm_weights_measure(t, &hp, &size, &err);
                if (ok != (err.message[0] == 0)) fail_msg("%s: %s", models[i], err.message);
                fm_tensors_close(&t);
            }
        }
        free(edited);
        free(text);
        folder_remove(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole_model), cmocka_unit_test(faults_are_named),
        cmocka_unit_test(missing_gate_score), cmocka_unit_test(plain_rotation),
        cmocka_unit_test(any_number_is_read_or_refused),
        cmocka_unit_test(any_number_of_config_json_is_read_or_refused)};
    return cmocka_run_group_tests(tests, read_models, free_models);
}
