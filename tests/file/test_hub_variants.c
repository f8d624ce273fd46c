// What hub folders of one model have in different ways: where the weights lie, how FP8 holds its scales,
// experts in one tensor, rope scaling, methods that quantized the weights. Each folder is a reference model
// with some text put before its config.json, and, most often, a few weights written here.
#include "base/half.h"
#include "file/tensors.h"
#include "quant/types.h"
#include "file/folder.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct stored {
    const char *name, *dtype;
    int n_dims;
    size_t dims[3], size;
    const void *data;
};

static void write_weights(const struct folder *f, const char *name, const struct stored *list, size_t n) {
    static uint8_t file[1 << 18];
    char header[8192] = "{", path[1024];
    size_t at = 0, length = 1;
    for (size_t i = 0; i < n; i++) {
        char shape[64] = "";
        for (int j = 0, k = 0; j < list[i].n_dims; j++)
            k += snprintf(shape + k, sizeof(shape) - (size_t)k, "%s%zu", j ? "," : "", list[i].dims[j]);
        length += (size_t)snprintf(header + length, sizeof(header) - length,
            "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", i ? "," : "",
            list[i].name, list[i].dtype, shape, at, at + list[i].size);
        at += list[i].size;
    }
    header[length++] = '}';
    for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)length >> 8 * i);
    memcpy(file + 8, header, length);
    uint8_t *to = file + 8 + length;
    for (size_t i = 0; i < n; i++, to += list[i - 1].size) memcpy(to, list[i].data, list[i].size);
    folder_file(f, name, path);
    unlink(path); // a link to the reference model's file
    write_bytes(path, file, (size_t)(to - file));
}

// A reference model's folder with `config` put before the keys of config.json (the first of two equal keys
// counts)
static void make(struct folder *f, const char *model, const char *config) {
    char text[2048];
    folder_make(f, model);
    snprintf(text, sizeof(text), "{%s", config);
    folder_edit(f, "config.json", "{", text);
}

static void drop(const struct folder *f, const char *name) {
    char path[1024];
    folder_file(f, name, path);
    assert_int_equal(unlink(path), 0);
}

static struct fm_tensors *open_folder(const struct folder *f) {
    struct fathom_error err = {0};
    struct fm_tensors *t = fm_tensors_open(f->path, &err);
    if (!t) fail_msg("%s", err.message);
    return t;
}

static void check_refused(struct folder *f, const char *message) {
    struct fathom_error err = {0};
    struct fm_tensors *t = fm_tensors_open(f->path, &err);
    if (t || !strstr(err.message, message))
        fail_msg("\"%s\", expected \"%s\"", t ? "opened" : err.message, message);
}

// ---- FP8 and its scales ----------------------------------------------------------------------------------

static double e4m3(uint8_t code) {
    const int exponent = code >> 3 & 15, mantissa = code & 7;
    return (code & 128 ? -1 : 1) * ldexp(exponent ? 8 + mantissa : mantissa, (exponent ? exponent : 1) - 10);
}

enum { ROWS = 130, COLS = 288, HEADS = 4, HEAD = 24, HIDDEN = 96 };
static uint8_t codes[ROWS * COLS];
static float scales[ROWS * COLS];
static uint16_t short_scales[ROWS * COLS];

// Scales that F16 and BF16 hold too, 2 to the power of i * 5 mod 7, less 3.
static double scale_at(size_t i) {
    return ldexp(1, (int)(i * 5 % 7) - 3);
}

static void fill(void) {
    for (size_t i = 0; i < sizeof(codes); i++) codes[i] = (i * 7 % 256 & 0x7f) == 0x7f ? 0 : (uint8_t)(i * 7);
}

// Returns the scales in a dtype.
static struct stored stored_scales(const char *name, const char *dtype, int n_dims, size_t d0, size_t d1) {
    const size_t n = (n_dims > 0 ? d0 : 1) * (n_dims > 1 ? d1 : 1);
    static uint8_t exponents[ROWS * COLS];
    for (size_t i = 0; i < n; i++) {
        const float scale = (float)scale_at(i);
        scales[i] = scale;
        exponents[i] = (uint8_t)(127 + (int)log2f(scale));
        short_scales[i] = !strcmp(dtype, "F16") ? fm_to_half(scale) : fm_to_bf16(scale);
    }
    const bool floats = !strcmp(dtype, "F32"), bytes = !strcmp(dtype, "F8_E8M0");
    return (struct stored){name, dtype, n_dims, {d0, d1},
        n *
            (floats         ? 4
                    : bytes ? 1
                            : 2),
        floats      ? (const void *)scales
            : bytes ? (const void *)exponents
                    : (const void *)short_scales};
}

#define O_PROJ "model.layers.0.self_attn.o_proj."
#define FP8(more) "\"quantization_config\": {\"quant_method\": \"fp8\"" more "},"
#define TENSORS \
    "\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": \"float-quantized\", " \
    "\"config_groups\": {\"group_0\": {\"weights\": {\"num_bits\": 8, \"type\": \"float\"}}}},"

static const struct {
    const char *config, *name, *dtype;
    int n_dims;
    size_t d0, d1;         // shape of the scales
    size_t rows, cols;     // that share one
    enum fathom_type type; // presented
} forms[] = {
    {FP8(""), "weight_scale_inv", "F32", 2, 2, 3, 128, 128, FATHOM_F8_E4M3},
    {FP8(""), "weight_scale_inv", "BF16", 2, 2, 3, 128, 128, FATHOM_F8_E4M3}, // Qwen3
    {FP8(", \"weight_block_size\": [128, 128]"), "weight_scale_inv", "F16", 2, 2, 3, 128, 128,
        FATHOM_F8_E4M3},
    {FP8(""), "scale", "F8_E8M0", 2, 2, 3, 128, 128, FATHOM_F8_E4M3},
    {FP8(", \"weight_block_size\": [64, 256]"), "weight_scale_inv", "BF16", 2, 3, 2, 64, 256, FATHOM_F8_E4M3},
    {FP8(", \"weight_block_size\": [1, 128]"), "weight_scale_inv", "F32", 2, 130, 3, 1, 128, FATHOM_F8_E4M3},
    {FP8(", \"weight_block_size\": [16, 32]"), "weight_scale_inv", "F32", 2, 9, 9, 16, 32, FATHOM_F32},
    {FP8(", \"weight_block_size\": null"), "weight_scale", "F32", 0, 0, 0, 1000, 1000, FATHOM_F8_E4M3},
    {TENSORS, "weight_scale", "BF16", 2, 130, 1, 1, 1000, FATHOM_F8_E4M3}, // one a row
    {TENSORS, "weight_scale", "F16", 1, 130, 0, 1, 1000, FATHOM_F8_E4M3},
    {TENSORS, "weight_scale", "BF16", 1, 1, 0, 1000, 1000, FATHOM_F8_E4M3}, // one
    {"\"quantization_config\": {\"quant_method\": \"modelopt\", \"quant_algo\": \"FP8\"},", "weight_scale",
        "F32", 2, 1, 1, 1000, 1000, FATHOM_F8_E4M3},
    {"\"quantization_config\": {\"quant_method\": \"fbgemm_fp8\"},", "weight_scale", "F32", 2, 130, 1, 1,
        1000, FATHOM_F8_E4M3},
};

static void scales_of_fp8_are_read_in_every_form(void **state) {
    (void)state;
    fill();
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        struct folder f;
        struct fathom_error err = {0};
        char name[128];
        snprintf(name, sizeof(name), O_PROJ "%s", forms[i].name);
        make(&f, "qwen3", forms[i].config);
        const struct stored list[] = {{O_PROJ "weight", "F8_E4M3", 2, {ROWS, COLS}, sizeof(codes), codes},
            stored_scales(name, forms[i].dtype, forms[i].n_dims, forms[i].d0, forms[i].d1),
            {O_PROJ "input_scale", "F32", 0, {0}, 4, scales}}; // of the activations: not needed
        write_weights(&f, "model.safetensors", list, 3);
        struct fm_tensors *t = open_folder(&f);
        const struct fm_tensor *o = fm_tensors_find(t, "blk.0.attn_output.weight");
        assert_non_null(o);
        assert_int_equal(o->type, forms[i].type);
        static uint8_t bytes[ROWS * COLS * 4];
        float row[COLS];
        assert_true(fm_tensor_read(t, o, 0, o->size, bytes, &err));
        const size_t n_cols = (COLS + forms[i].cols - 1) / forms[i].cols;
        for (size_t r = 0; r < ROWS; r++) {
            fm_dequantize_row(o->type, bytes + r * (o->size / ROWS), row, COLS);
            for (size_t k = 0; k < COLS; k++) {
                const size_t at = r / forms[i].rows * n_cols + k / forms[i].cols;
                if (row[k] != (float)(scale_at(at) * e4m3(codes[r * COLS + k])))
                    fail_msg("form %zu, row %zu, column %zu: %g, expected %g * %g", i, r, k, (double)row[k],
                        scale_at(at), e4m3(codes[r * COLS + k]));
            }
        }
        fm_tensors_close(&t);
        folder_remove(&f);
    }
}

static void scales_of_other_shapes_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *config, *dtype;
        int n_dims;
        size_t d0, d1;
        const char *message;
    } cases[] = {
        {FP8(""), "F32", 2, 3, 2, "expected [2, 3] of them, one a row (130), or one"},
        {FP8(""), "F32", 1, 131, 0, "expected [2, 3] of them, one a row (130), or one"},
        {FP8(""), "I16", 2, 2, 3, "as I16; supported: F32, F16, BF16, F8_E8M0"},
        {FP8(", \"weight_block_size\": [64]"), "F32", 2, 2, 3,
            "weight_block_size of quantization_config is not two"},
        {FP8(", \"weight_block_size\": [0, 128]"), "F32", 2, 2, 3,
            "weight_block_size of quantization_config is not two"},
        {FP8(", \"weight_block_size\": [64, 64]"), "F32", 2, 2, 3, "expected [3, 5] of them"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct folder f;
        make(&f, "qwen3", cases[i].config);
        const struct stored list[] = {{O_PROJ "weight", "F8_E4M3", 2, {ROWS, COLS}, sizeof(codes), codes},
            stored_scales(
                O_PROJ "weight_scale_inv", cases[i].dtype, cases[i].n_dims, cases[i].d0, cases[i].d1)};
        write_weights(&f, "model.safetensors", list, 2);
        check_refused(&f, cases[i].message);
        folder_remove(&f);
    }
}

// Llama's queries are presented in pairs of rows; each row keeps its scale.
static void rows_in_pairs_keep_their_scales(void **state) {
    (void)state;
    struct folder f;
    struct fathom_error err = {0};
    fill();
    make(&f, "llama", TENSORS);
    const struct stored list[] = {{"model.layers.0.self_attn.q_proj.weight", "F8_E4M3", 2,
                                      {HEADS * HEAD, HIDDEN}, HEADS * HEAD * HIDDEN, codes},
        stored_scales("model.layers.0.self_attn.q_proj.weight_scale", "BF16", 2, HEADS * HEAD, 1)};
    write_weights(&f, "model.safetensors", list, 2);
    struct fm_tensors *t = open_folder(&f);
    const struct fm_tensor *q = fm_tensors_find(t, "blk.0.attn_q.weight");
    uint8_t bytes[HIDDEN + 4];
    float row[HIDDEN];
    for (size_t r = 0; r < HEADS * HEAD; r++) {
        const size_t i = r % HEAD, from = r - i + i / 2 + i % 2 * (HEAD / 2);
        assert_true(fm_tensor_read(t, q, r * sizeof(bytes), sizeof(bytes), bytes, &err));
        fm_dequantize_row(q->type, bytes, row, HIDDEN);
        for (size_t k = 0; k < HIDDEN; k++)
            assert_true(row[k] == (float)(scale_at(from) * e4m3(codes[from * HIDDEN + k])));
    }
    fm_tensors_close(&t);
    folder_remove(&f);
}

// The keys of kv_b_proj are presented transposed: 48 rows share a scale here, so one head's 32 rows take in
// two.
static void transposed_keys_keep_their_scales(void **state) {
    (void)state;
    enum { NOPE = 32, VALUE = 32, RANK = 64, KV_ROWS = HEADS * (NOPE + VALUE), SHARE = 48 };
    struct folder f;
    struct fathom_error err = {0};
    fill();
    make(&f, "v3", FP8(", \"weight_block_size\": [48, 128]") "\"n_routed_experts\": 0,");
    const struct stored list[] = {
        {"model.layers.0.self_attn.kv_b_proj.weight", "F8_E4M3", 2, {KV_ROWS, RANK}, KV_ROWS * RANK, codes},
        stored_scales("model.layers.0.self_attn.kv_b_proj.weight_scale_inv", "F16", 2, 6, 1)};
    write_weights(&f, "model.safetensors", list, 2);
    struct fm_tensors *t = open_folder(&f);
    const struct fm_tensor *k = fm_tensors_find(t, "blk.0.attn_k_b.weight");
    static float values[HEADS * RANK * NOPE];
    assert_int_equal(k->type, FATHOM_F32);
    assert_int_equal(k->size, sizeof(values));
    assert_true(fm_tensor_read(t, k, 0, k->size, values, &err));
    for (size_t h = 0; h < HEADS; h++)
        for (size_t r = 0; r < RANK; r++)
            for (size_t c = 0; c < NOPE; c++) {
                const size_t from = h * (NOPE + VALUE) + c;
                assert_true(values[(h * RANK + r) * NOPE + c] ==
                    (float)(scale_at(from / SHARE) * e4m3(codes[from * RANK + r])));
            }
    fm_tensors_close(&t);
    folder_remove(&f);
}

// ---- Methods ---------------------------------------------------------------------------------------------

static void methods_are_refused_by_name(void **state) {
    (void)state;
#define METHOD(text) "\"quantization_config\": {" text "},"
    static const struct {
        const char *config, *file, *text, *message;
    } cases[] = {
        {METHOD("\"quant_method\": \"awq\", \"bits\": 4"), NULL, NULL,
            "quantized by \"awq\", which is not read"},
        {METHOD("\"quant_method\": \"gptq\", \"bits\": 4"), NULL, NULL, "by \"gptq\""},
        {METHOD("\"quant_method\": \"mxfp4\""), NULL, NULL, "by \"mxfp4\""},
        {METHOD("\"quant_method\": \"hqq\""), NULL, NULL, "by \"hqq\""},
        {METHOD("\"quant_method\": \"exl3\""), NULL, NULL, "by \"exl3\""},
        {METHOD("\"quant_method\": \"fp8\", \"fmt\": \"e5m2\""), NULL, NULL, "by \"fp8\" (e5m2)"},
        {METHOD("\"quant_method\": \"modelopt\", \"quant_algo\": \"NVFP4\""), NULL, NULL,
            "by \"modelopt\" (NVFP4)"},
        {METHOD(
             "\"quant_method\": \"compressed-tensors\", \"format\": \"pack-quantized\", \"config_groups\": "
             "{\"group_0\": {\"weights\": {\"num_bits\": 4, \"type\": \"int\"}}}"),
            NULL, NULL, "by \"compressed-tensors\" (pack-quantized)"},
        {"\"quantization\": {\"group_size\": 64, \"bits\": 4},", NULL, NULL, "by \"mlx\""},
        {"", "hf_quant_config.json", "{\"quantization\": {\"quant_algo\": \"NVFP4\"}}",
            "by \"modelopt\" (NVFP4)"},
        {"", "quantize_config.json", "{\"bits\": 4}",
            "quantize_config.json: the weights are quantized by \"gptq\""},
        {"", "quant_config.json", "{\"w_bit\": 4}", "by \"awq\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct folder f;
        char path[1024];
        make(&f, "qwen2", cases[i].config);
        if (cases[i].file) {
            folder_file(&f, cases[i].file, path);
            write_bytes(path, cases[i].text, strlen(cases[i].text));
        }
        check_refused(&f, cases[i].message);
        check_refused(&f, "the original folder in BF16, and GGUF files"); // what is read
        folder_remove(&f);
    }
    static const char *const ends[] = {"qweight", "weight.absmax", "SCB"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) { // by the names of its tensors
        struct folder f;
        char name[64], message[128];
        make(&f, "qwen2", METHOD("\"quant_method\": \"bitsandbytes\", \"load_in_4bit\": true"));
        snprintf(name, sizeof(name), "model.layers.0.mlp.up_proj.%s", ends[i]);
        snprintf(message, sizeof(message), "tensor %s is of a quantizer such as AWQ, GPTQ or bits", name);
        const struct stored list[] = {{name, "I32", 2, {1, 1}, 4, scales}};
        write_weights(&f, "model.safetensors", list, 1);
        check_refused(&f, message);
        folder_remove(&f);
    }
}

// A method of the config that has not changed the floats of the folder
static void floats_are_read_beside_a_method(void **state) {
    (void)state;
    static const char *const configs[] = {
        METHOD("\"quant_method\": \"bitsandbytes\", \"load_in_4bit\": true"),
        METHOD("\"load_in_8bit\": true"),
        METHOD("\"quant_method\": \"compressed-tensors\", \"config_groups\": {\"group_0\": {\"weights\": "
               "null, \"output_activations\": {\"num_bits\": 8, \"type\": \"float\"}}}"),
    };
    for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
        struct folder f;
        make(&f, "qwen2", configs[i]);
        struct fm_tensors *t = open_folder(&f);
        fm_tensors_close(&t);
        folder_remove(&f);
    }
}

// ---- Where the weights lie -------------------------------------------------------------------------------

#define NORM "model.norm.weight"
static float norm_of(const struct folder *f) {
    struct fm_tensors *t = open_folder(f);
    float first = NAN;
    const struct fm_tensor *norm = fm_tensors_find(t, "output_norm.weight");
    assert_non_null(norm);
    assert_true(fm_tensor_read(t, norm, 0, 4, &first, NULL));
    fm_tensors_close(&t);
    return first;
}

static void write_norm(const struct folder *f, const char *file, float value) {
    const struct stored list[] = {{NORM, "F32", 1, {1}, 4, &value}};
    write_weights(f, file, list, 1);
}

static void write_index(const struct folder *f, const char *file) {
    char text[256], path[1024];
    const int n = snprintf(text, sizeof(text), "{\"weight_map\": {\"" NORM "\": \"%s\"}}", file);
    folder_file(f, "model.safetensors.index.json", path);
    unlink(path);
    write_bytes(path, text, (size_t)n);
}

static void a_stale_index_does_not_count(void **state) {
    (void)state;
    struct folder f;
    make(&f, "qwen2", "");
    write_norm(&f, "model.safetensors", 3);
    write_index(&f, "model-00001-of-00002.safetensors"); // which is not there
    assert_true(norm_of(&f) == 3);
    write_norm(&f, "model-00001-of-00002.safetensors", 5);
    assert_true(norm_of(&f) == 3);
    drop(&f, "model.safetensors"); // then the index counts
    assert_true(norm_of(&f) == 5);
    write_index(&f, "./model-00001-of-00002.safetensors");
    assert_true(norm_of(&f) == 5);
    static const char *const outside[] = {
        "../x.safetensors", "./../x.safetensors", "/x.safetensors", "..", "./", "a/b"};
    for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++) {
        write_index(&f, outside[i]);
        check_refused(&f, "the file of tensor " NORM " is not a name in this folder");
    }
    folder_remove(&f);
}

static void shards_need_no_index(void **state) {
    (void)state;
    struct folder f;
    make(&f, "qwen2", "");
    drop(&f, "model.safetensors");
    const struct stored other[] = {{"model.layers.0.input_layernorm.weight", "F32", 1, {1}, 4, &(float){7}}};
    write_weights(&f, "model-00001-of-00002.safetensors", other, 1);
    check_refused(&f, "model-00002-of-00002.safetensors: cannot open: No such file or directory");
    write_norm(&f, "model-00002-of-00002.safetensors", 9);
    assert_true(norm_of(&f) == 9);
    folder_remove(&f);
}

static void names_may_have_capitals(void **state) {
    (void)state;
    struct folder f;
    make(&f, "qwen2", "");
    drop(&f, "model.safetensors");
    write_norm(&f, "Model.SafeTensors", 11);
    assert_true(norm_of(&f) == 11);
    folder_remove(&f);
}

static void other_weights_are_named(void **state) {
    (void)state;
    struct folder f;
    char path[1024];
    make(&f, "qwen2", "");
    drop(&f, "model.safetensors"), drop(&f, "golden.safetensors"), drop(&f, "long.safetensors");
    folder_file(&f, "pytorch_model.bin", path);
    write_bytes(path, "PK", 2);
    check_refused(
        &f, "holds pytorch_model.bin, but no model.safetensors and no model.safetensors.index.json");
    folder_remove(&f);
}

// ---- Experts in one tensor, and tensors that count -------------------------------------------------------

static void experts_may_lie_in_one_tensor(void **state) {
    (void)state;
    enum { EXPERTS = 2, INTER = 32, SIZE = INTER * HIDDEN };
    static uint16_t gate_up[EXPERTS * 2 * SIZE], down[EXPERTS * SIZE], read[EXPERTS * SIZE];
    struct folder f;
    struct fathom_error err = {0};
    for (size_t i = 0; i < EXPERTS * 2 * SIZE; i++) gate_up[i] = (uint16_t)(i * 3);
    for (size_t i = 0; i < EXPERTS * SIZE; i++) down[i] = (uint16_t)(i * 5);
    make(&f, "v3", "\"num_hidden_layers\": 2, \"n_routed_experts\": 2,");
    struct stored list[] = {{"model.layers.1.mlp.experts.gate_up_proj", "BF16", 3,
                                {EXPERTS, 2 * INTER, HIDDEN}, sizeof(gate_up), gate_up},
        {"model.layers.1.mlp.experts.down_proj", "BF16", 3, {EXPERTS, HIDDEN, INTER}, sizeof(down), down}};
    write_weights(&f, "model.safetensors", list, 2);
    struct fm_tensors *t = open_folder(&f);
    static const char *const names[] = {"blk.1.ffn_gate_exps.weight", "blk.1.ffn_up_exps.weight"};
    for (size_t j = 0; j < 2; j++) {
        const struct fm_tensor *half = fm_tensors_find(t, names[j]);
        assert_non_null(half);
        assert_int_equal(half->dims[0], HIDDEN);
        assert_int_equal(half->dims[1], INTER);
        assert_int_equal(half->dims[2], EXPERTS);
        assert_true(fm_tensor_read(t, half, 0, half->size, read, &err));
        for (size_t e = 0; e < EXPERTS; e++)
            assert_memory_equal(read + e * SIZE, gate_up + (2 * e + j) * SIZE, SIZE * 2);
    }
    const struct fm_tensor *d = fm_tensors_find(t, "blk.1.ffn_down_exps.weight");
    assert_int_equal(d->dims[0], INTER);
    assert_int_equal(d->dims[1], HIDDEN);
    assert_true(fm_tensor_read(t, d, 0, d->size, read, &err));
    assert_memory_equal(read, down, sizeof(down));
    fm_tensors_close(&t);
    list[0].dims[1] = HIDDEN, list[0].dims[2] = 2 * INTER; // transposed, as other models have it
    write_weights(&f, "model.safetensors", list, 2);
    check_refused(&f, "experts.gate_up_proj does not have the shape [experts, 2 * moe_intermediate, hidden]");
    folder_remove(&f);
}

static void tensors_that_count_are_not_passed_over(void **state) {
    (void)state;
    static const struct {
        const char *model, *name;
        bool refused;
    } cases[] = {
        {"qwen3", "model.layers.0.mlp.up_proj.bias", true},
        {"qwen3", "model.layers.0.mlp.up_proj.weight_scale_2", true},
        {"qwen3", "model.layers.1.post_feedforward_layernorm.weight", true},
        {"qwen3", "model.layers.0.self_attn.sinks", true},
        {"llama", "model.layers.0.self_attn.q_proj.bias", true},
        {"qwen3", "model.layers.0.mlp.up_proj.input_scale", false},
        {"qwen3", "model.layers.0.self_attn.k_scale", false},
        {"qwen3", "model.layers.0.self_attn.kv_scale", false},
        {"qwen3", "model.layers.0.mlp.up_proj.act_scale", false},
        {"qwen3", "model.layers.0.mlp.up_proj.input_zero_point", false},
        {"qwen3", "model.layers.0.mlp.up_proj.weight_zero_point", true},
        {"qwen3", "model.layers.0.self_attn.rotary_emb.inv_freq", false},
        {"qwen3", "model.layers.2.post_feedforward_layernorm.weight", false}, // there are two layers
        {"qwen3", "model.vision.norm.weight", false},
        {"qwen3", "model.vision_tower.encoder.layers.0.layer_norm1.weight", false},
        {"qwen3", "vision_model.encoder.layers.0.self_attn.q_proj.bias", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct folder f;
        char message[256];
        make(&f, cases[i].model, "");
        const struct stored list[] = {
            {"model.layers.0.mlp.up_proj.weight", "F32", 2, {1, 1}, 4, scales},
            {"model.layers.0.self_attn.q_proj.weight", "F32", 2, {HEADS * HEAD, 1}, 4 * HEADS * HEAD, scales},
            {cases[i].name, "F32", 1, {1}, 4, scales},
        };
        write_weights(&f, "model.safetensors", list, 3);
        snprintf(message, sizeof(message), "tensor %s would change the result", cases[i].name);
        if (cases[i].refused) {
            check_refused(&f, message);
        } else {
            struct fm_tensors *t = open_folder(&f);
            fm_tensors_close(&t);
        }
        folder_remove(&f);
    }
}

// ---- config.json -----------------------------------------------------------------------------------------

static void numbers_of_python_are_read_or_refused_by_key(void **state) {
    (void)state;
    static const struct {
        const char *model, *config, *message; // NULL: read
    } cases[] = {
        {"qwen2", "\"attention_bias\": true, \"mlp_bias\": true,", NULL}, // the tensors tell
        {"qwen3", "\"time_step_limit\": [0.0, Infinity], \"x\": NaN, \"y\": -Infinity,",
            NULL}, // nobody asks for it
        {"qwen3", "\"num_key_value_heads\": [2, 2], \"intermediate_size\": [288, 288],", NULL},
        {"qwen3", "\"rms_norm_eps\": 1, \"hidden_size\": 96.0,", NULL},
        {"v4", "\"swiglu_limit\": Infinity,", NULL},
        {"qwen3", "\"num_key_value_heads\": [2, 4],", "key num_key_value_heads is not a whole number"},
        {"qwen3", "\"rms_norm_eps\": NaN,", "key rms_norm_eps is not a finite number"},
        {"qwen3", "\"rms_norm_eps\": \"1e-6\",", "key rms_norm_eps is not a finite number"},
        {"qwen3", "\"max_position_embeddings\": Infinity,",
            "key max_position_embeddings is not a whole number"},
        {"qwen3", "\"hidden_size\": 96.5,", "key hidden_size is not a whole number"},
        {"qwen3", "\"num_attention_heads\": 0,", "key num_attention_heads is not within 1 to 65535"},
        {"qwen3", "\"num_key_value_heads\": 0,", "key num_key_value_heads does not divide"},
        {"qwen3", "\"head_dim\": 0,", "key head_dim is not an even number"},
        {"v4", "\"n_routed_experts\": 0,", "key n_routed_experts is missing or 0"},
        {"v4", "\"n_routed_experts\": null,", "key n_routed_experts is missing or 0"},
        {"v3", "\"kv_lora_rank\": 0,", "key kv_lora_rank is not within 1 to 65535"},
        {"v3", "\"v_head_dim\": 0,", "key v_head_dim is not within 1 to 16383"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct folder f;
        make(&f, cases[i].model, cases[i].config);
        if (cases[i].message) {
            check_refused(&f, cases[i].message);
        } else {
            struct fm_tensors *t = open_folder(&f);
            float limit;
            if (fm_meta_array_f32(t, "deepseek4.swiglu_clamp_exp", 0, &limit))
                assert_true(limit == 0); // none
            fm_tensors_close(&t);
        }
        folder_remove(&f);
    }
}

static void rope_scaling_is_read_or_refused_by_name(void **state) {
    (void)state;
#define ROPE(text) "\"rope_scaling\": {" text "},"
#define YARN "\"rope_type\": \"yarn\", \"factor\": 4.0"
    const double usual = 0.1 * log(4) + 1;
    const struct {
        const char *model, *config, *type, *message;
        double factor, attention; // 1: no key
        uint32_t original;
    } cases[] = {
        {"qwen3", ROPE("\"type\": \"linear\", \"factor\": 4"), "linear", NULL, 4, 1, 0},
        {"llama", ROPE("\"rope_type\": \"linear\", \"factor\": 2.5"), "linear", NULL, 2.5, 1, 0},
        {"v3", ROPE("\"type\": \"linear\", \"factor\": 4.0"), "linear", NULL, 4, 1, 0},
        {"qwen3", ROPE(YARN), "yarn", NULL, 4, 1, 512},
        {"qwen3", ROPE(YARN) "\"original_max_position_embeddings\": 256,", "yarn", NULL, 4, 1, 256},
        {"qwen3",
            ROPE("\"rope_type\": \"yarn\", \"factor\": null, \"original_max_position_embeddings\": 128"),
            "yarn", NULL, 4, 1, 128},
        {"qwen3", ROPE(YARN ", \"attention_factor\": 1.0"), "yarn", NULL, 4, 1 / usual, 512},
        {"qwen3", ROPE(YARN ", \"attn_factor\": 0.5"), "yarn", NULL, 4, 0.5, 512},
        {"qwen3", ROPE(YARN ", \"mscale\": 1.0, \"mscale_all_dim\": 1.0"), "yarn", NULL, 4, 1 / usual, 512},
        {"qwen3", ROPE(YARN ", \"mscale\": 2.0"), "yarn", NULL, 4, 1, 512},
        {"v3", ROPE(YARN ", \"attention_factor\": 1.5"), "yarn", NULL, 4, 1.5, 512},
        {"v3", ROPE(YARN ", \"mscale\": 1.0, \"mscale_all_dim\": 1.0, \"attn_factor\": 0.5"), "yarn", NULL, 4,
            0.5, 512},
        {"v3", ROPE(YARN), "yarn", NULL, 4, usual, 512},
        {"qwen3", ROPE(YARN ", \"truncate\": false"), NULL, "truncate of YaRN \"false\" is not supported", 1,
            1, 0},
        {"qwen3", ROPE(YARN ", \"extrapolation_factor\": 2"), NULL, "extrapolation_factor of YaRN", 1, 1, 0},
        {"qwen3", ROPE("\"rope_type\": \"dynamic\", \"factor\": 2.0"), NULL,
            "rope scaling \"dynamic\" is not supported; supported: linear, llama3, yarn, default", 1, 1, 0},
        {"qwen3", ROPE("\"rope_type\": \"longrope\""), NULL, "rope scaling \"longrope\"", 1, 1, 0},
        {"v3", ROPE("\"rope_type\": \"llama3\""), NULL,
            "\"llama3\" is not supported; supported: linear, yarn", 1, 1, 0},
        {"qwen3", ROPE("\"rope_type\": \"linear\""), NULL, "key factor is missing", 1, 1, 0},
        {"qwen3", ROPE("\"rope_type\": \"yarn\""), NULL, "key factor is missing", 1, 1, 0},
        {"llama", ROPE("\"factor\": 4.0"), NULL, "key rope_type is missing beside factor", 1, 1, 0},
        {"qwen3", "\"rope_parameters\": {\"rope_theta\": 10000, \"factor\": 4.0},", NULL,
            "key rope_type is missing beside factor", 1, 1, 0},
        {"qwen3", "\"rope_parameters\": {\"full_attention\": {\"rope_type\": \"default\"}},", NULL,
            "rope_parameters of a kind of layers \"full_attention\" is not supported", 1, 1, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct folder f;
        make(&f, cases[i].model, cases[i].config);
        if (cases[i].message) {
            check_refused(&f, cases[i].message);
            folder_remove(&f);
            continue;
        }
        struct fm_tensors *t = open_folder(&f);
        const char *arch = strcmp(cases[i].model, "v3") != 0 ? cases[i].model : "deepseek2", *type = "";
        char key[128];
        float factor = 1, attention = 1;
        uint32_t original = 0;
        size_t length;
        snprintf(key, sizeof(key), "%s.rope.scaling.type", arch);
        assert_true(fm_meta_string(t, key, &type, &length, NULL));
        assert_string_equal(type, cases[i].type);
        snprintf(key, sizeof(key), "%s.rope.scaling.factor", arch);
        assert_true(fm_meta_f32(t, key, &factor, NULL));
        assert_float_equal(factor, cases[i].factor, 0);
        snprintf(key, sizeof(key), "%s.rope.scaling.attn_factor", arch);
        fm_meta_f32(t, key, &attention, NULL);
        assert_float_equal(attention, cases[i].attention, 1e-6);
        snprintf(key, sizeof(key), "%s.rope.scaling.original_context_length", arch);
        fm_meta_u32(t, key, &original, NULL);
        assert_int_equal(original, cases[i].original);
        fm_tensors_close(&t);
        folder_remove(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales_of_fp8_are_read_in_every_form),
        cmocka_unit_test(scales_of_other_shapes_are_refused),
        cmocka_unit_test(rows_in_pairs_keep_their_scales),
        cmocka_unit_test(transposed_keys_keep_their_scales),
        cmocka_unit_test(methods_are_refused_by_name),
        cmocka_unit_test(floats_are_read_beside_a_method),
        cmocka_unit_test(a_stale_index_does_not_count),
        cmocka_unit_test(shards_need_no_index),
        cmocka_unit_test(names_may_have_capitals),
        cmocka_unit_test(other_weights_are_named),
        cmocka_unit_test(experts_may_lie_in_one_tensor),
        cmocka_unit_test(tensors_that_count_are_not_passed_over),
        cmocka_unit_test(numbers_of_python_are_read_or_refused_by_key),
        cmocka_unit_test(rope_scaling_is_read_or_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
