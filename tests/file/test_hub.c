// Hub folders under GGUF's keys and names: the reference models, and folders with something wrong in them.
#include "base/half.h"
#include "base/mapped_file.h"
#include "file/hub/hub.h"
#include "file/hub/safetensors.h"
#include "quant/types.h"
#include "file/folder.h"
#include <math.h>
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

static uint32_t get_u32(const struct fm_tensors *t, const char *key) {
    uint32_t value = UINT32_MAX;
    fm_meta_u32(t, key, &value, NULL);
    return value;
}

static double get_f32(const struct fm_tensors *t, const char *key) {
    float value = NAN;
    fm_meta_f32(t, key, &value, NULL);
    return value;
}

static void check_string(const struct fm_tensors *t, const char *key, const char *expected) {
    const char *text = "";
    size_t length;
    assert_true(fm_meta_string(t, key, &text, &length, NULL));
    assert_string_equal(text, expected);
    assert_int_equal(length, strlen(expected));
}

static void v3_has_llama_cpps_keys(void **state) {
    (void)state;
    struct fm_tensors *t = open_model("v3");
    static const struct {
        const char *key;
        uint32_t value;
    } whole[] = {
        {"block_count", 3},
        {"context_length", 512},
        {"embedding_length", 96},
        {"feed_forward_length", 192},
        {"leading_dense_block_count", 1},
        {"vocab_size", 768},
        {"attention.head_count", 4},
        {"attention.head_count_kv", 1},
        {"attention.q_lora_rank", 64},
        {"attention.kv_lora_rank", 64},
        {"attention.key_length", 80},
        {"attention.value_length", 64},
        {"attention.key_length_mla", 48},
        {"attention.value_length_mla", 32},
        {"expert_count", 16},
        {"expert_used_count", 4},
        {"expert_shared_count", 1},
        {"expert_feed_forward_length", 32},
        {"expert_gating_func", 2},
        {"expert_group_count", 4},
        {"expert_group_used_count", 2},
        {"rope.dimension_count", 16},
        {"rope.scaling.original_context_length", 128},
        {"nextn_predict_layers", UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++) {
        char key[64];
        snprintf(key, sizeof(key), "deepseek2.%s", whole[i].key);
        assert_int_equal(get_u32(t, key), whole[i].value);
    }
    bool normalise = false;
    assert_true(fm_meta_bool(t, "deepseek2.expert_weights_norm", &normalise, NULL));
    assert_true(normalise);
    assert_true(get_f32(t, "deepseek2.expert_weights_scale") == 2.5);
    assert_true(get_f32(t, "deepseek2.attention.layer_norm_rms_epsilon") == 1e-6f);
    assert_true(get_f32(t, "deepseek2.rope.freq_base") == 10000);
    assert_true(get_f32(t, "deepseek2.rope.scaling.factor") == 4);
    assert_true(get_f32(t, "deepseek2.rope.scaling.yarn_log_multiplier") == 0.1f);
    assert_false(fm_meta_has(t, "deepseek2.rope.scaling.attn_factor"));
    check_string(t, "general.architecture", "deepseek2");
    check_string(t, "deepseek2.rope.scaling.type", "yarn");
    fm_tensors_close(&t);
}

static void v2_differs_where_it_should(void **state) {
    (void)state;
    struct fm_tensors *t = open_model("v2");
    assert_int_equal(get_u32(t, "deepseek2.expert_gating_func"), 1);
    assert_int_equal(get_u32(t, "deepseek2.expert_group_count"), 4);
    assert_true(get_f32(t, "deepseek2.expert_weights_scale") == 4);
    assert_false(fm_meta_has(t, "deepseek2.expert_weights_norm"));
    assert_null(fm_tensors_find(t, "blk.1.exp_probs_b.bias"));
    fm_tensors_close(&t);
    t = open_model("v2-lite");
    assert_false(fm_meta_has(t, "deepseek2.attention.q_lora_rank"));
    assert_false(fm_meta_has(t, "deepseek2.expert_group_count"));
    assert_non_null(fm_tensors_find(t, "blk.0.attn_q.weight"));
    assert_null(fm_tensors_find(t, "blk.0.attn_q_a.weight"));
    assert_true(get_f32(t, "deepseek2.rope.scaling.yarn_log_multiplier") == 0.0707f);
    fm_tensors_close(&t);
}

// config.json of GLM-4.7-Flash differs from DeepSeek-V3's in what it leaves out: the gate's score, and
// leading dense layers.
static void glm_lite_has_what_its_folder_omits(void **state) {
    (void)state;
    struct fm_tensors *t = open_model("glm4-lite");
    check_string(t, "general.architecture", "deepseek2");
    assert_int_equal(get_u32(t, "deepseek2.block_count"), 3);
    assert_int_equal(get_u32(t, "deepseek2.leading_dense_block_count"), 1);
    assert_int_equal(get_u32(t, "deepseek2.expert_gating_func"), 2);
    assert_int_equal(get_u32(t, "deepseek2.attention.key_length_mla"), 48);
    assert_int_equal(get_u32(t, "deepseek2.attention.value_length_mla"), 64);
    assert_true(get_f32(t, "deepseek2.rope.freq_base") == 1e6f);
    assert_true(get_f32(t, "deepseek2.expert_weights_scale") == 1.8f);
    assert_false(fm_meta_has(t, "deepseek2.rope.scaling.type"));
    assert_false(fm_meta_has(t, "deepseek2.expert_group_count"));
    assert_non_null(fm_tensors_find(t, "blk.2.exp_probs_b.bias"));
    fm_tensors_close(&t);
    struct folder f;
    folder_make(&f, "glm4-lite");
    folder_edit(&f, "config.json", "mlp_layer_types",
        "x"); // the hub's own folder has first_k_dense_replace, or nothing
    t = fm_tensors_open(f.path, NULL);
    assert_non_null(t);
    assert_int_equal(get_u32(t, "deepseek2.leading_dense_block_count"), 1);
    fm_tensors_close(&t);
    folder_remove(&f);
}

static void the_tokenizer_is_written_as_keys(void **state) {
    (void)state;
    struct fm_tensors *t = open_model("v3");
    const char *text;
    size_t length;
    int32_t kind;
    check_string(t, "tokenizer.ggml.model", "gpt2");
    check_string(t, "tokenizer.ggml.pre", "deepseek-v3");
    assert_int_equal(fm_meta_array_length(t, "tokenizer.ggml.tokens"), 768);
    assert_int_equal(fm_meta_array_length(t, "tokenizer.ggml.token_type"), 768);
    assert_int_equal(fm_meta_array_length(t, "tokenizer.ggml.merges"), 505);
    assert_true(fm_meta_array_string(t, "tokenizer.ggml.merges", 1, &text, &length));
    assert_string_equal(text, "\xc4\xa0 \xc3\xa2\xc4\xa8"); // "Ġ âĨ"
    assert_true(fm_meta_array_string(t, "tokenizer.ggml.tokens", 761, &text, &length));
    assert_string_equal(text, "<think>");
    static const int32_t kinds[][2] = {{0, 1}, {761, 4}, {763, 3}, {766, 3}};
    for (int i = 0; i < 4; i++) {
        assert_true(fm_meta_array_i32(t, "tokenizer.ggml.token_type", (size_t)kinds[i][0], &kind));
        assert_int_equal(kind, kinds[i][1]);
    }
    assert_int_equal(get_u32(t, "tokenizer.ggml.bos_token_id"), 763);
    assert_int_equal(get_u32(t, "tokenizer.ggml.eos_token_id"), 764);
    fm_tensors_close(&t);
}

// One tensor of the folder's own, by its own name.
static const struct fm_safetensor *find(const struct fm_safetensors *file, const char *name) {
    for (size_t i = 0; i < file->count; i++)
        if (!strcmp(file->list[i].name, name)) return &file->list[i];
    fail_msg("%s is missing", name);
    return NULL;
}

static uint16_t u16_at(const uint8_t *bytes, size_t i) {
    return (uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
}

static void tensors_come_from_their_places(void **state) {
    (void)state;
    enum { HEADS = 4, NOPE = 32, VALUE = 32, RANK = 64, HIDDEN = 96, EXPERTS = 8, INTER = 32 };
    struct fm_tensors *t = open_model("v2-lite");
    struct fm_mapped_file map;
    struct fm_safetensors file;
    assert_true(fm_mapped_file_open(&map, REFERENCE "v2-lite/model.safetensors", NULL));
    assert_true(fm_safetensors_from_memory(&file, "", map.data, map.size, NULL));
    static uint8_t bytes[4 * RANK * HEADS * (NOPE + VALUE) * 2];

    const uint8_t *kv_b =
        find(&file, "model.layers.1.self_attn.kv_b_proj.weight")->data; // [HEADS * (NOPE + VALUE)][RANK]
    const struct fm_tensor *k = fm_tensors_find(t, "blk.1.attn_k_b.weight"),
                           *v = fm_tensors_find(t, "blk.1.attn_v_b.weight");
    assert_int_equal(k->dims[0], NOPE);
    assert_int_equal(k->dims[1], RANK);
    assert_int_equal(k->dims[2], HEADS);
    assert_null(fm_tensor_map(t, k));
    assert_true(fm_tensor_read(t, k, 0, k->size, bytes, NULL));
    for (size_t h = 0; h < HEADS; h++)
        for (size_t r = 0; r < RANK; r++)
            for (size_t c = 0; c < NOPE; c++)
                assert_int_equal(u16_at(bytes, (h * RANK + r) * NOPE + c),
                    u16_at(kv_b, (h * (NOPE + VALUE) + c) * RANK + r));
    uint8_t part[5]; // a range that begins and ends within an element
    assert_true(fm_tensor_read(t, k, RANK * NOPE * 2 - 3, 5, part, NULL));
    assert_memory_equal(part, bytes + RANK * NOPE * 2 - 3, 5);
    assert_true(fm_tensor_read(t, v, 0, v->size, bytes, NULL));
    for (size_t h = 0; h < HEADS; h++)
        assert_memory_equal(
            bytes + h * VALUE * RANK * 2, kv_b + (h * (NOPE + VALUE) + NOPE) * RANK * 2, VALUE * RANK * 2);

    const struct fm_tensor *up = fm_tensors_find(t, "blk.2.ffn_up_exps.weight");
    assert_int_equal(up->dims[2], EXPERTS);
    assert_true(fm_tensor_read(t, up, HIDDEN * INTER * 2 * 3, HIDDEN * INTER * 2, bytes, NULL));
    assert_memory_equal(
        bytes, find(&file, "model.layers.2.mlp.experts.3.up_proj.weight")->data, HIDDEN * INTER * 2);

    const struct fm_tensor *norm = fm_tensors_find(t, "output_norm.weight"); // bfloat16 in the file
    assert_int_equal(norm->type, FATHOM_F32);
    float values[HIDDEN];
    assert_true(fm_tensor_read(t, norm, 0, norm->size, values, NULL));
    for (size_t i = 0; i < HIDDEN; i++)
        assert_true(values[i] == fm_from_bf16(u16_at(find(&file, "model.norm.weight")->data, i)));
    fm_safetensors_free(&file);
    fm_mapped_file_close(&map);
    fm_tensors_close(&t);
}

static void newer_configs_say_the_same(void **state) {
    (void)state;
    struct folder f;
    folder_make(&f, "v3");
    folder_edit(&f, "config.json", "\"rope_theta\": 10000.0,", "");
    folder_edit(&f, "config.json", "\"rope_scaling\": {\n  \"type\"",
        "\"rope_parameters\": {\n  \"rope_theta\": 5000.0, \"rope_type\"");
    struct fm_tensors *t = fm_tensors_open(f.path, NULL);
    assert_non_null(t);
    assert_true(get_f32(t, "deepseek2.rope.freq_base") == 5000);
    check_string(t, "deepseek2.rope.scaling.type", "yarn");
    assert_int_equal(get_u32(t, "deepseek2.rope.scaling.original_context_length"), 128);
    fm_tensors_close(&t);
    folder_edit(&f, "config.json", "\"mscale\": 1.0", "\"mscale\": 2.0");
    t = fm_tensors_open(f.path, NULL);
    assert_non_null(t);
    assert_true(fabs(get_f32(t, "deepseek2.rope.scaling.attn_factor") -
                    (0.2 * log(4) + 1) / (0.1 * log(4) + 1)) < 1e-6);
    fm_tensors_close(&t);
    folder_remove(&f);
}

static const struct {
    const char *model, *file, *old, *new;
    enum fathom_status status;
    const char *message;
} broken[] = {
    {"v3", "config.json", "deepseek_v3", "martian", FATHOM_UNSUPPORTED,
        "config.json: model_type \"martian\" is not supported; supported: deepseek_v2, deepseek_v3, "
        "deepseek_v32, deepseek_v4, glm4_moe_lite, "
        "llama, qwen2, qwen3"},
    {"v3", "config.json", "\"model_type\"", "\"x\"", FATHOM_INVALID,
        "config.json: key model_type is missing"},
    {"v3", "config.json", "\"hidden_size\": 96", "\"hidden_size\": \"96\"", FATHOM_INVALID,
        "config.json: key hidden_size is not a whole number of 32 bits"},
    {"v3", "config.json", "\"hidden_size\": 96", "\"hidden_size\": -96", FATHOM_INVALID,
        "config.json: key hidden_size is not a whole number of 32 bits"},
    {"v3", "config.json", "\"kv_lora_rank\"", "\"x\"", FATHOM_INVALID,
        "config.json: key kv_lora_rank is missing"},
    {"v3", "config.json", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4000000", FATHOM_INVALID,
        "config.json: key num_hidden_layers is not within 1 to 1024"},
    {"v3", "config.json", "\"silu\"", "\"gelu\"", FATHOM_UNSUPPORTED,
        "config.json: hidden_act \"gelu\" is not supported; supported: silu"},
    {"v3", "config.json", "\"sigmoid\"", "\"tanh\"", FATHOM_UNSUPPORTED,
        "config.json: scoring_func \"tanh\" is not supported; supported: softmax, sigmoid"},
    {"v3", "config.json", "noaux_tc", "group_limited_greedy", FATHOM_UNSUPPORTED,
        "config.json: topk_method of a sigmoid gate with groups \"group_limited_greedy\" is not supported; "
        "supported: noaux_tc"},
    {"v3", "config.json", "\"yarn\"", "\"dynamic\"", FATHOM_UNSUPPORTED,
        "config.json: rope scaling \"dynamic\" is not supported; supported: linear, yarn, default"},
    {"v3", "config.json", "\"factor\": 4.0", "\"factor\": \"4\"", FATHOM_INVALID,
        "config.json: key factor is not a finite number"},
    {"v3", "config.json", "\"norm_topk_prob\": true", "\"norm_topk_prob\": 1", FATHOM_INVALID,
        "config.json: key norm_topk_prob is not true or false"},
    {"v3", "config.json", "{", "[", FATHOM_INVALID, "config.json: is not JSON: wrong near byte"},
    {"v3", "config.json", "\"v_head_dim\": 32", "\"v_head_dim\": 16", FATHOM_INVALID,
        "tensor model.layers.0.self_attn.kv_b_proj.weight does not have the shape [heads * (nope + value), "
        "latent] of config.json"},
    {"v3", "config.json", "\"n_routed_experts\": 16", "\"n_routed_experts\": 17", FATHOM_INVALID,
        "tensor model.layers.1.mlp.experts.16.gate_proj.weight is missing"},
    {"v3", "config.json", "\"vocab_size\": 768", "\"vocab_size\": 700", FATHOM_INVALID,
        "has id 700, but vocab_size of config.json is 700"},
    {"v4", "config.json", "\"sliding_attention\"", "\"dancing_attention\"", FATHOM_UNSUPPORTED,
        "config.json: layer_types \"dancing_attention\" is not supported"},
    {"v4", "config.json", "\"compressed_sparse_attention\": 4", "\"compressed_sparse_attention\": 8",
        FATHOM_UNSUPPORTED,
        "config.json: compress_rates.compressed_sparse_attention \"other than 4\" is not supported"},
    {"v4", "config.json", "\"layer_types\"", "\"x\"", FATHOM_INVALID,
        "config.json: key layer_types is not an array with an element a layer"},
    {"v4", "config.json", "\"hash_moe\",", "\"moe\",", FATHOM_INVALID,
        "config.json: key mlp_layer_types has hash_moe after moe"},
    {"v4", "config.json", "\"qk_rope_head_dim\": 16", "\"qk_rope_head_dim\": 65", FATHOM_INVALID,
        "config.json: key qk_rope_head_dim is not within 1 to head_dim"},
    {"v4", "config.json", "\"sqrtsoftplus\"", "\"tanh\"", FATHOM_UNSUPPORTED,
        "supported: softmax, sigmoid, sqrtsoftplus"},
    {"v4", "config.json", "\"n_routed_experts\": 8", "\"n_routed_experts\": 9", FATHOM_INVALID,
        "tensor model.layers.0.ffn.experts.8.w1.weight is missing"},
    {"glm4-lite", "config.json", "\"dense\"", "\"moe\"", FATHOM_INVALID,
        "config.json: key mlp_layer_types has an element other than dense and sparse"},
    {"glm4-lite", "config.json", "\"sparse\"\n", "\"dense\"\n", FATHOM_INVALID,
        "config.json: key mlp_layer_types has dense after sparse"},
    {"v3", "model.safetensors.index.json", "weight_map", "x", FATHOM_INVALID,
        "model.safetensors.index.json: key weight_map is missing or not an object"},
    {"v3", "model.safetensors.index.json", "\"model-00001-of", "\"../model-00001-of", FATHOM_INVALID,
        "model.safetensors.index.json: the file of tensor lm_head.weight is not a name in this folder"},
    {"v3", "model.safetensors.index.json", "\"model-00001-of", "\"model-00003-of", FATHOM_IO,
        "model-00003-of-00002.safetensors: cannot open: No such file or directory"},
    {"v3", "model.safetensors.index.json", "\"lm_head.weight\"", "\"lm_tail.weight\"", FATHOM_INVALID,
        "index.json: tensor lm_tail.weight is in none of the files"},
    {"v3", "model.safetensors.index.json", "model-00001-of", "model-00002-of", FATHOM_INVALID,
        "index.json: tensor lm_head.weight is in model-00001-of-00002.safetensors, not in "
        "model-00002-of-00002.safetensors"},
    {"v3", "tokenizer.json", "\"BPE\"", "\"Unigram\"", FATHOM_UNSUPPORTED,
        "tokenizer.json: model.type \"Unigram\" is not supported; supported: BPE"},
    {"v3", "tokenizer.json", "\"vocab\"", "\"x\"", FATHOM_INVALID,
        "tokenizer.json: model.vocab is missing or not an object"},
    {"v3", "tokenizer.json", "\"id\": 763", "\"id\": 762", FATHOM_INVALID, "have the same id 762"},
};

static void each_broken_folder_is_named(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
        struct folder f;
        struct fathom_error err = {0};
        folder_make(&f, broken[i].model);
        folder_edit(&f, broken[i].file, broken[i].old, broken[i].new);
        struct fm_tensors *t = fm_tensors_open(f.path, &err);
        if (t || !strstr(err.message, broken[i].message) || strncmp(err.message, f.path, strlen(f.path)) != 0)
            fail_msg("case %zu: \"%s\", expected \"%s\"", i, t ? "opened" : err.message, broken[i].message);
        assert_int_equal(err.status, broken[i].status);
        folder_remove(&f);
    }
}

static void missing_files_are_named(void **state) {
    (void)state;
    static const char *const names[] = {"model-00002-of-00002.safetensors", "config.json"};
    for (int i = 0; i < 2; i++) {
        struct folder f;
        struct fathom_error err = {0};
        char path[1024], expected[2048];
        folder_make(&f, "v3");
        folder_file(&f, names[i], path);
        assert_int_equal(unlink(path), 0);
        assert_null(fm_tensors_open(f.path, &err));
        snprintf(expected, sizeof(expected), "%s: cannot open: No such file or directory", path);
        assert_string_equal(err.message, expected);
        assert_int_equal(err.status, FATHOM_IO);
        folder_remove(&f);
    }
}

// ---- Matrices with scales in a tensor of their own -------------------------------------------------------

enum { F8_ROWS = 130, F8_COLS = 160, F4_ROWS = 3, F4_COLS = 64 };
static uint8_t f8[F8_ROWS][F8_COLS], f4[F4_ROWS][F4_COLS / 2];
static const float f8_scales[2][2] = {{0.5f, 3.0f}, {0.001f, 1e6f}};
static const uint8_t f8_exponents[2][2] = {{127, 130}, {100, 1}},
                     f4_exponents[F4_ROWS][F4_COLS / 32] = {{127, 120}, {0, 140}, {128, 127}};

// v3's folder with one file of an FP8 and an FP4 matrix, with the given dtypes and shapes. floats: the FP8
// matrix's scales.
static void scaled_folder(struct folder *f, bool floats, const char *f8_scale, const char *f4_scale) {
    static const char *const gone[] = {"model.safetensors.index.json", "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors"};
    char path[1024];
    folder_make(f, "v3");
    for (int i = 0; i < 3; i++) {
        folder_file(f, gone[i], path);
        if (unlink(path) != 0) abort();
    }
    folder_edit(f, "config.json", "\"n_routed_experts\": 16", "\"n_routed_experts\": 0");
    for (size_t i = 0; i < sizeof(f8); i++)
        f8[i / F8_COLS][i % F8_COLS] = (i * 7 % 256 & 0x7f) == 0x7f ? 0 : (uint8_t)(i * 7);
    for (size_t i = 0; i < sizeof(f4); i++) f4[i / (F4_COLS / 2)][i % (F4_COLS / 2)] = (uint8_t)(i * 29 + 3);
    static uint8_t file[65536];
    const size_t scale_bytes = floats ? sizeof(f8_scales) : sizeof(f8_exponents), a = sizeof(f8),
                 b = a + scale_bytes, c = b + sizeof(f4), d = c + sizeof(f4_exponents);
    char header[2048];
    const int length = snprintf(header, sizeof(header),
        "{\"model.layers.0.self_attn.o_proj.weight\":{\"dtype\":\"F8_E4M3\",\"shape\":[%d,%d],\"data_"
        "offsets\":[0,%zu]},"
        "\"model.layers.0.self_attn.o_proj.%s,\"data_offsets\":[%zu,%zu]},"
        "\"model.layers.0.mlp.up_proj.weight\":{\"dtype\":\"I8\",\"shape\":[%d,%d],\"data_offsets\":[%zu,%zu]"
        "},"
        "\"model.layers.0.mlp.up_proj.%s,\"data_offsets\":[%zu,%zu]}}",
        F8_ROWS, F8_COLS, a, f8_scale, a, b, F4_ROWS, F4_COLS / 2, b, c, f4_scale, c, d);
    for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)length >> 8 * i);
    memcpy(file + 8, header, (size_t)length);
    uint8_t *data = file + 8 + length;
    memcpy(data, f8, sizeof(f8));
    memcpy(data + a, floats ? (const void *)f8_scales : f8_exponents, scale_bytes);
    memcpy(data + b, f4, sizeof(f4));
    memcpy(data + c, f4_exponents, sizeof(f4_exponents));
    folder_file(f, "model.safetensors", path);
    write_bytes(path, file, 8 + (size_t)length + d);
}
#define F8_FLOATS "weight_scale_inv\":{\"dtype\":\"F32\",\"shape\":[2,2]"
#define F8_EXPONENTS "scale\":{\"dtype\":\"F8_E8M0\",\"shape\":[2,2]"
#define F4_EXPONENTS "scale\":{\"dtype\":\"F8_E8M0\",\"shape\":[3,2]"

static double e4m3(uint8_t code) {
    const int exponent = code >> 3 & 15, mantissa = code & 7;
    return (code & 128 ? -1 : 1) * ldexp(exponent ? 8 + mantissa : mantissa, (exponent ? exponent : 1) - 10);
}

static void scales_are_put_beside_their_elements(void **state) {
    (void)state;
    for (int floats = 0; floats < 2; floats++) {
        struct folder f;
        struct fathom_error err = {0};
        scaled_folder(&f, floats, floats ? F8_FLOATS : F8_EXPONENTS, F4_EXPONENTS);
        struct fm_tensors *t = fm_tensors_open(f.path, &err);
        if (!t) fail_msg("%s", err.message);
        const struct fm_tensor *o = fm_tensors_find(t, "blk.0.attn_output.weight"),
                               *up = fm_tensors_find(t, "blk.0.ffn_up.weight");
        assert_int_equal(o->type, FATHOM_F8_E4M3);
        assert_int_equal(up->type, FATHOM_MXFP4);
        assert_int_equal(o->size, F8_ROWS * fathom_row_size(FATHOM_F8_E4M3, F8_COLS));
        static uint8_t bytes[F8_ROWS * (F8_COLS + 8)];
        float row[F8_COLS];
        assert_true(fm_tensor_read(t, o, 0, o->size, bytes, &err));
        for (int r = 0; r < F8_ROWS; r++) {
            fm_dequantize_row(o->type, bytes + r * (o->size / F8_ROWS), row, F8_COLS);
            for (int k = 0; k < F8_COLS; k++) {
                const double scale = floats ? (double)f8_scales[r / 128][k / 128]
                                            : ldexp(1, f8_exponents[r / 128][k / 128] - 127);
                assert_true(row[k] == (float)(scale * e4m3(f8[r][k])));
            }
        }
        uint8_t part[9]; // a range that begins and ends within blocks
        assert_true(fm_tensor_read(t, o, o->size / F8_ROWS * 129 + 130, 9, part, &err));
        assert_memory_equal(part, bytes + o->size / F8_ROWS * 129 + 130, 9);
        static const double e2m1[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6};
        assert_true(fm_tensor_read(t, up, 0, up->size, bytes, &err));
        for (int r = 0; r < F4_ROWS; r++) {
            fm_dequantize_row(up->type, bytes + r * (up->size / F4_ROWS), row, F4_COLS);
            for (int k = 0; k < F4_COLS; k++)
                assert_true(row[k] ==
                    (float)ldexp(e2m1[f4[r][k / 2] >> k % 2 * 4 & 15], f4_exponents[r][k / 32] - 127));
        }
        fm_tensors_close(&t);
        folder_remove(&f);
    }
}

static void broken_scales_are_named(void **state) {
    (void)state;
    static const struct {
        const char *f8_scale, *f4_scale, *message;
    } cases[] = {
        {"nothing\":{\"dtype\":\"F32\",\"shape\":[2,2]", F4_EXPONENTS,
            "tensor model.layers.0.self_attn.o_proj.weight is F8_E4M3, but no tensor holds its scales"},
        {"weight_scale_inv\":{\"dtype\":\"F32\",\"shape\":[1,4]", F4_EXPONENTS,
            "o_proj.weight_scale_inv holds the scales of model.layers.0.self_attn.o_proj.weight, expected "
            "[2, 2]"},
        {"weight_scale_inv\":{\"dtype\":\"I32\",\"shape\":[2,2]", F4_EXPONENTS,
            "as I32; supported: F32, F16, BF16, F8_E8M0"},
        {F8_FLOATS, "scale\":{\"dtype\":\"F8_E8M0\",\"shape\":[2,3]",
            "up_proj.scale holds the scales of model.layers.0.mlp.up_proj.weight, expected [3, 2]"},
        {F8_FLOATS, "scale\":{\"dtype\":\"I8\",\"shape\":[3,2]", "as I8; supported: F8_E8M0"},
        {F8_FLOATS, "nothing\":{\"dtype\":\"F8_E8M0\",\"shape\":[3,2]",
            "tensor model.layers.0.mlp.up_proj.weight is stored as I8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct folder f;
        struct fathom_error err = {0};
        scaled_folder(&f, true, cases[i].f8_scale, cases[i].f4_scale);
        struct fm_tensors *t = fm_tensors_open(f.path, &err);
        if (t || !strstr(err.message, cases[i].message))
            fail_msg("case %zu: \"%s\", expected \"%s\"", i, t ? "opened" : err.message, cases[i].message);
        folder_remove(&f);
    }
}

// A NaN among the elements, and a scale that is infinite.
static void what_is_no_number_is_named(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint8_t byte;
    } faults[] = {
        {F8_COLS * 129 + 131, 0xff}, {sizeof(f8) + 7, 0x7f}}; // the second: f8_scales[0][1], infinite
    for (int i = 0; i < 2; i++) {
        struct folder f;
        struct fathom_error err = {0};
        char path[1024];
        scaled_folder(&f, true, F8_FLOATS, F4_EXPONENTS);
        folder_file(&f, "model.safetensors", path);
        FILE *file = fopen(path, "r+b");
        uint8_t size[2];
        assert_non_null(file);
        assert_int_equal(fread(size, 1, 2, file), 2);
        assert_int_equal(fseek(file, (long)(8 + size[0] + 256 * size[1] + faults[i].at), SEEK_SET), 0);
        if (i) assert_int_equal(fseek(file, -1, SEEK_CUR), 0);
        assert_true(i ? fwrite("\x80\x7f", 1, 2, file) == 2 : fputc(faults[i].byte, file) != EOF);
        fclose(file);
        struct fm_tensors *t = fm_tensors_open(f.path, &err);
        const struct fm_tensor *o = fm_tensors_find(t, "blk.0.attn_output.weight");
        static uint8_t bytes[F8_ROWS * (F8_COLS + 8)];
        assert_false(fm_tensor_read(t, o, 0, o->size, bytes, &err));
        assert_non_null(strstr(err.message,
            "tensor blk.0.attn_output.weight holds a value or a scale that is not a finite number"));
        fm_tensors_close(&t);
        folder_remove(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v3_has_llama_cpps_keys),
        cmocka_unit_test(v2_differs_where_it_should),
        cmocka_unit_test(glm_lite_has_what_its_folder_omits),
        cmocka_unit_test(the_tokenizer_is_written_as_keys),
        cmocka_unit_test(tensors_come_from_their_places),
        cmocka_unit_test(newer_configs_say_the_same),
        cmocka_unit_test(each_broken_folder_is_named),
        cmocka_unit_test(missing_files_are_named),
        cmocka_unit_test(scales_are_put_beside_their_elements),
        cmocka_unit_test(broken_scales_are_named),
        cmocka_unit_test(what_is_no_number_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
