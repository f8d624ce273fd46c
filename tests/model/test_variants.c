// What files of one model say in different ways: keys under older names, numbers of other types, other forms
// of rope scaling, tensors under other names. Each file is a reference model with some keys and tensors
// changed, written to a folder of the test's own. The last test has the tensors that must not be passed over.
#include "convert/convert.h"
#include "convert/transcode.h"
#include "file/directory.h"
#include "model/hparams.h"
#include "model/weights.h"
#include "quant/types.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// after the standard headers
#include <cmocka.h>

#define REFERENCE FATHOM_SOURCE_DIR "/tests/data/reference/"
enum { MINNOW, V2, V4, LLAMA, QWEN3, N_MODELS };
static char paths[N_MODELS][64];

static bool make(const char *folder, char path[64]) {
    char from[1024];
    snprintf(from, sizeof(from), REFERENCE "%s", folder);
    strcpy(path, "/tmp/fathom-variants-XXXXXX");
    const int fd = mkstemp(path);
    if (fd < 0) return false;
    close(fd);
    return fm_convert(from, path, FATHOM_F16, true, NULL, NULL);
}

static int make_models(void **state) {
    (void)state;
    const bool ok = make("v2", paths[V2]) && make("v4", paths[V4]) && make("llama", paths[LLAMA]) &&
        make("qwen3", paths[QWEN3]);
    return ok ? 0 : -1;
}

static int remove_models(void **state) {
    (void)state;
    for (int i = 0; i < N_MODELS; i++)
        if (paths[i][0]) unlink(paths[i]);
    return 0;
}

// A change of a file: keys that are set, keys that are dropped, and tensors under another name (NULL:
// dropped;
// "+x" adds the tensor once more as x) or in another type.
struct change {
    struct fm_meta_value set[6];
    const char *drop[6];
    struct {
        const char *from, *to;
    } names[6];
    bool half_vectors; // vectors become F16
};

#define WHOLE(name, number) \
    { .key = name, .type = FM_META_U32, .u = number }
#define NUMBER(name, number) \
    { .key = name, .type = FM_META_F32, .f = number }
#define TEXT(name, string_) \
    { \
        .key = name, .type = FM_META_STRING, .string = { string_, sizeof(string_) - 1 } \
    }

static bool is_dropped(const struct change *c, const char *key) {
    bool dropped = false;
    for (size_t i = 0; i < 6; i++) {
        dropped |= c->drop[i] && !strcmp(c->drop[i], key);
        dropped |= c->set[i].key && !strcmp(c->set[i].key, key);
    }
    return dropped;
}

// Appends a tensor of the input under its new names.
static size_t append(
    const struct change *c, const struct fm_tensor *from, struct fm_tensor *list, size_t count) {
    struct fm_tensor t = *from;
    bool kept = true;
    t.impl = from;
    if (c->half_vectors && t.n_dims == 1 && t.type == FATHOM_F32) t.type = FATHOM_F16, t.size /= 2;
    for (size_t i = 0; i < 6 && c->names[i].from; i++) {
        if (strcmp(c->names[i].from, from->name) != 0) continue;
        const char *to = c->names[i].to;
        kept &= to && *to == '+';
        if (!to) continue;
        list[count] = t;
        list[count++].name = *to == '+' ? to + 1 : to;
    }
    if (kept) list[count++] = t;
    return count;
}

static struct fm_tensors *open_changed(int model, const struct change *c) {
    struct fathom_error err = {0};
    struct fm_tensors *in = fm_tensors_open(
        model == MINNOW ? FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf" : paths[model], &err);
    if (!in) fail_msg("%s", err.message);
    struct fm_meta meta = {0};
    struct fm_tensor *list = calloc(in->count + 6, sizeof(*list));
    size_t count = 0;
    assert_non_null(list);
    for (size_t i = 0; i < in->meta.count; i++)
        if (!is_dropped(c, in->meta.values[i].key)) assert_true(fm_meta_add(&meta, in->meta.values[i], &err));
    for (size_t i = 0; i < 6 && c->set[i].key; i++) assert_true(fm_meta_add(&meta, c->set[i], &err));
    for (size_t i = 0; i < in->count; i++) count = append(c, &in->list[i], list, count);
    char path[] = "/tmp/fathom-variant-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    const struct fm_transcoding job = {
        .in = in, .meta = &meta, .list = list, .count = count, .verb = "writing"};
    if (!fm_transcode(&job, path, &err)) fail_msg("%s", err.message);
    struct fm_tensors *out = fm_tensors_open(path, &err);
    unlink(path);
    if (!out) fail_msg("%s", err.message);
    free(list);
    fm_meta_free(&meta);
    fm_tensors_close(&in);
    return out;
}

static bool read_changed(int model, const struct change *c, struct fm_hparams *hp,
    struct fm_weights_size *size, struct fathom_error *err) {
    struct fm_tensors *t = open_changed(model, c);
    const bool ok = fm_hparams_read(t, hp, err) && fm_weights_measure(t, hp, size, err);
    if (ok) size->unused = NULL; // lives in the directory
    fm_tensors_close(&t);
    return ok;
}

static struct fm_hparams hparams_of(int model, const struct change *c) {
    struct fathom_error err = {0};
    struct fm_hparams hp;
    struct fm_weights_size size;
    if (!read_changed(model, c, &hp, &size, &err)) fail_msg("%s", err.message);
    return hp;
}

static void check_refused(int model, const struct change *c, const char *message) {
    struct fathom_error err = {0};
    struct fm_hparams hp;
    struct fm_weights_size size;
    const bool ok = read_changed(model, c, &hp, &size, &err);
    if (ok || !strstr(err.message, message))
        fail_msg("\"%s\", expected \"%s\"", ok ? "accepted" : err.message, message);
}

// ---- The gate's score ------------------------------------------------------------------------------------

#define GATING "deepseek2.expert_gating_func"

static void a_bias_of_the_gate_means_a_sigmoid(void **state) {
    (void)state;
    const struct change changes[] = {
        {.drop = {GATING}},
        {.set = {WHOLE(GATING, 0)}}, // llama.cpp's number for "not known"
        {.drop = {GATING},           // under its name without .bias
            .names = {{"blk.1.exp_probs_b.bias", "blk.1.exp_probs_b"},
                {"blk.2.exp_probs_b.bias", "blk.2.exp_probs_b"},
                {"blk.3.exp_probs_b.bias", "blk.3.exp_probs_b"}}},
        {.drop = {GATING}, .names = {{"blk.1.exp_probs_b.bias", NULL}, {"blk.2.exp_probs_b.bias", NULL}}},
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        const struct fm_hparams hp = hparams_of(MINNOW, &changes[i]);
        assert_int_equal(hp.gate_score, FATHOM_GATE_SIGMOID);
        assert_int_equal(hp.group_score, FATHOM_GROUP_TOP2);
        assert_non_null(hp.note);
        assert_non_null(strstr(hp.note, "expert_gating_func"));
    }
    assert_null(hparams_of(MINNOW, &(struct change){0}).note); // the file says it
}

static void without_a_bias_the_architecture_decides(void **state) {
    (void)state;
    const struct fm_hparams v2 = hparams_of(V2, &(struct change){.drop = {GATING}}),
                            v4 = hparams_of(V4, &(struct change){.drop = {"deepseek4.expert_gating_func"}});
    assert_int_equal(v2.gate_score, FATHOM_GATE_SOFTMAX);
    assert_null(v2.note);
    assert_int_equal(v4.gate_score, FATHOM_GATE_SQRT_SOFTPLUS);
    check_refused(V4, &(struct change){.set = {WHOLE("deepseek4.expert_count", 0)}}, "expert_count");
}

// The bias is loaded under its other name: it counts among the parameters.
static void the_bias_counts_under_each_name(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fm_hparams hp;
    struct fm_weights_size named, renamed, without;
    const struct change none = {0}, other = {.names = {{"blk.1.exp_probs_b.bias", "blk.1.exp_probs_b"}}},
                        gone = {.names = {{"blk.1.exp_probs_b.bias", NULL}}};
    assert_true(read_changed(MINNOW, &none, &hp, &named, &err));
    assert_true(read_changed(MINNOW, &other, &hp, &renamed, &err));
    assert_true(read_changed(MINNOW, &gone, &hp, &without, &err));
    assert_int_equal(renamed.parameters, named.parameters);
    assert_int_equal(without.parameters, named.parameters - hp.n_experts);
}

// ---- Rotary positions ------------------------------------------------------------------------------------

// How much slower than plain rotation the first pair turns, and the factor on its cosines
static double slowing(const struct fm_hparams *hp) {
    float table[2 * FM_MAX_ROPE];
    fm_rope_table(hp, 0, 2, table);
    return 1 / atan2(table[hp->n_rope + 1], table[hp->n_rope]);
}

static void linear_scaling_divides_the_positions(void **state) {
    (void)state;
#define NO_DIVISORS \
    .names = {{"rope_freqs.weight", NULL}}, .drop = { "llama.rope.scaling.original_context_length" }
    const struct {
        struct change change;
        double slowing;
    } cases[] = {
        {{NO_DIVISORS}, 1},
        {{.set = {TEXT("llama.rope.scaling.type", "linear"), NUMBER("llama.rope.scaling.factor", 4)},
             NO_DIVISORS},
            4},
        {{.set = {NUMBER("llama.rope.scaling.factor", 4)}, NO_DIVISORS},
            4},                                                            // linear where the type is missing
        {{.set = {NUMBER("llama.rope.scale_linear", 4)}, NO_DIVISORS}, 4}, // the old key
        {{.set = {TEXT("llama.rope.scaling.type", "linear"), NUMBER("llama.rope.scale_linear", 4)},
             NO_DIVISORS},
            4},
        {{.set = {NUMBER("llama.rope.scaling.factor", 2), NUMBER("llama.rope.scale_linear", 4)}, NO_DIVISORS},
            2},
        {{.set = {WHOLE("llama.rope.scaling.factor", 8)}, NO_DIVISORS}, 8},
        {{.set = {NUMBER("llama.rope.scaling.factor", 0)}, NO_DIVISORS}, 1},
        {{.set = {TEXT("llama.rope.scaling.type", "none"), NUMBER("llama.rope.scaling.factor", 4)},
             NO_DIVISORS},
            1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct fm_hparams hp = hparams_of(LLAMA, &cases[i].change);
        assert_float_equal(slowing(&hp), cases[i].slowing, 1e-5);
    }
    // with latent attention too, and not in DeepSeek-V4
    const struct change latent = {
        .set = {TEXT("deepseek2.rope.scaling.type", "linear"), NUMBER("deepseek2.rope.scaling.factor", 4)},
        .drop = {"deepseek2.rope.scaling.yarn_log_multiplier"}};
    const struct fm_hparams hp = hparams_of(V2, &latent);
    assert_float_equal(slowing(&hp), 4, 1e-5);
    assert_float_equal(hp.softmax_scale, 1 / sqrtf((float)(hp.n_nope + hp.n_rope)), 1e-7);
    check_refused(V4,
        &(struct change){.set = {TEXT("deepseek4.rope.scaling.type", "linear"),
                             NUMBER("deepseek4.rope.scaling.factor", 4)}},
        "rope scaling \"linear\" is not one of none, yarn");
}

static void other_scalings_are_refused_by_name(void **state) {
    (void)state;
    const struct change longrope = {.set = {TEXT("llama.rope.scaling.type", "longrope")}},
                        dynamic = {.set = {TEXT("llama.rope.scaling.type", "dynamic")}},
                        small = {.set = {NUMBER("llama.rope.scaling.factor", 0.5f)}},
                        number = {.set = {WHOLE("llama.rope.scaling.type", 2)}},
                        text = {.set = {TEXT("llama.rope.scaling.factor", "4")}};
    check_refused(LLAMA, &longrope, "rope scaling \"longrope\" is not one of none, linear, yarn");
    check_refused(LLAMA, &dynamic, "rope scaling \"dynamic\"");
    check_refused(LLAMA, &small, "key llama.rope.scaling.factor is less than 1");
    check_refused(LLAMA, &number, "key llama.rope.scaling.type is not a string");
    check_refused(LLAMA, &text, "key llama.rope.scaling.factor is the string \"4\", expected a number");
}

#define YARN TEXT("qwen3.rope.scaling.type", "yarn"), NUMBER("qwen3.rope.scaling.factor", 4)

static void yarns_factors_multiply_in_dense_models(void **state) {
    (void)state;
    const double usual = 0.1 * log(4) + 1;
    const struct {
        struct change change;
        double magnitude;
        uint32_t original;
    } cases[] = {
        {{.set = {YARN, WHOLE("qwen3.rope.scaling.original_context_length", 128)}}, usual, 128},
        {{.set = {YARN}}, usual, 512}, // context_length
        {{.set = {YARN, NUMBER("qwen3.rope.scaling.attn_factor", 0.5f)}}, usual / 2, 512},
        {{.set = {YARN, NUMBER("qwen3.rope.scaling.yarn_attn_factor", 0.5f)}}, usual / 2, 512},
        {{.set = {YARN, NUMBER("qwen3.rope.scaling.yarn_log_multiplier", 0.1f)}}, 1, 512},
        {{.set = {TEXT("qwen3.rope.scaling.type", "yarn"), NUMBER("qwen3.rope.scale_linear", 4)}}, usual,
            512},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct fm_hparams hp = hparams_of(QWEN3, &cases[i].change);
        assert_float_equal(hp.rope_magnitude, cases[i].magnitude, 1e-6);
        assert_int_equal(hp.yarn_original_context, cases[i].original);
        assert_float_equal(hp.yarn_factor, 4, 0);
        assert_float_equal(hp.softmax_scale, 1 / sqrtf((float)hp.n_rope), 1e-7);
    }
    const struct change mixed = {.set = {YARN, NUMBER("qwen3.rope.scaling.yarn_ext_factor", 0.5f)}},
                        none = {.set = {TEXT("qwen3.rope.scaling.type", "yarn")}};
    check_refused(QWEN3, &mixed, "rope.scaling.yarn_ext_factor is not 1");
    check_refused(QWEN3, &none, "key qwen3.rope.scaling.factor is missing");
}

// ---- Numbers of other types ------------------------------------------------------------------------------

static const uint32_t alike[] = {2, 2, 2}, differing[] = {2, 4, 2};
#define LIST(name, list) \
    { .key = name, .type = FM_META_ARRAY, .element = FM_META_U32, .count = 3, .items = list }

static void equal_numbers_count_as_one(void **state) {
    (void)state;
    const uint32_t kv = hparams_of(LLAMA, &(struct change){0}).n_kv;
    assert_int_equal(kv, alike[0]);
    const struct change list = {.set = {LIST("llama.attention.head_count_kv", alike)}},
                        differs = {.set = {LIST("llama.attention.head_count_kv", differing)}},
                        base = {.set = {WHOLE("llama.rope.freq_base", 5000)}},
                        heads = {.set = {NUMBER("llama.attention.head_count_kv", 2)}},
                        part = {.set = {NUMBER("llama.attention.head_count_kv", 2.5f)}},
                        text = {.set = {TEXT("llama.attention.head_count_kv", "2")}},
                        negative = {.set = {{.key = "llama.attention.head_count_kv",
                                        .type = FM_META_I32,
                                        .i = -2}}},
                        infinite = {.set = {NUMBER("llama.rope.freq_base", INFINITY)}};
    assert_int_equal(hparams_of(LLAMA, &list).n_kv, 2);
    assert_int_equal(hparams_of(LLAMA, &heads).n_kv, 2);
    assert_float_equal(hparams_of(LLAMA, &base).rope_base, 5000, 0);
    check_refused(LLAMA, &differs,
        "key llama.attention.head_count_kv is an array of 3 elements that are not all equal");
    check_refused(LLAMA, &part, "key llama.attention.head_count_kv is 2.5, expected a whole number");
    check_refused(
        LLAMA, &text, "key llama.attention.head_count_kv is the string \"2\", expected a whole number");
    check_refused(LLAMA, &negative, "key llama.attention.head_count_kv is -2, expected a whole number");
    check_refused(LLAMA, &infinite, "key llama.rope.freq_base is inf, expected 1.5 to 1e+09");
}

// ---- Tensors ---------------------------------------------------------------------------------------------

static void vectors_may_be_halves(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fm_hparams hp;
    struct fm_weights_size size;
    if (!read_changed(LLAMA, &(struct change){.half_vectors = true}, &hp, &size, &err))
        fail_msg("%s", err.message);
    const struct fm_hparams whole = hparams_of(LLAMA, &(struct change){0});
    for (uint32_t i = 0; i < hp.n_rope / 2; i++)
        assert_float_equal(hp.rope_divisors[i], whole.rope_divisors[i], 0.001 * whole.rope_divisors[i]);
}

static void what_would_change_the_result_is_refused(void **state) {
    (void)state;
    static const struct {
        int model;
        const char *name;
    } cases[] = {{MINNOW, "blk.0.ffn_up.scale"}, {MINNOW, "blk.1.ffn_down_exps.input_scale"},
        {MINNOW, "blk.1.ffn_gate_up_exps.scale"}, {MINNOW, "blk.0.attn_output.bias"}, {MINNOW, "output.bias"},
        {MINNOW, "token_embd.scale"}, {MINNOW, "rope_freqs.weight"}, {MINNOW, "blk.0.attn_q_b.lora_a"},
        {MINNOW, "blk.0.post_attention_norm.weight"}, {LLAMA, "blk.0.attn_k.bias"},
        {LLAMA, "blk.1.attn_sinks.weight"}, {LLAMA, "rope_factors_long.weight"},
        {LLAMA, "blk.0.ffn_gate.scale"}, {QWEN3, "blk.1.attn_output.bias"}, {V2, "token_embd_norm.weight"},
        {V2, "blk.2.exp_probs_b"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char to[64], message[128];
        snprintf(to, sizeof(to), "+%s", cases[i].name);
        snprintf(message, sizeof(message), "tensor %s", cases[i].name);
        check_refused(cases[i].model, &(struct change){.names = {{"output_norm.weight", to}}}, message);
    }
}

static void what_changes_nothing_is_counted(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fm_hparams hp;
    struct fm_weights_size size;
    const struct change one = {.names = {{"output_norm.weight", "+blk.0.extra.weight"},
                                   {"blk.4.nextn.enorm.weight", "+blk.4.nextn.extra.bias"},
                                   {"blk.1.attn_norm.weight", "+blk.1.attn_rot_embd"},
                                   {"blk.0.attn_norm.weight", "+v.blk.0.ln1.bias"},
                                   {"blk.0.ffn_norm.weight", "+mm.input_norm.weight"}}};
    if (!read_changed(MINNOW, &(struct change){0}, &hp, &size, &err)) fail_msg("%s", err.message);
    const size_t before = size.n_unused; // the draft layer
    if (!read_changed(MINNOW, &one, &hp, &size, &err)) fail_msg("%s", err.message);
    assert_int_equal(size.n_unused, before + 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bias_of_the_gate_means_a_sigmoid),
        cmocka_unit_test(without_a_bias_the_architecture_decides),
        cmocka_unit_test(the_bias_counts_under_each_name),
        cmocka_unit_test(linear_scaling_divides_the_positions),
        cmocka_unit_test(other_scalings_are_refused_by_name),
        cmocka_unit_test(yarns_factors_multiply_in_dense_models),
        cmocka_unit_test(equal_numbers_count_as_one),
        cmocka_unit_test(vectors_may_be_halves),
        cmocka_unit_test(what_would_change_the_result_is_refused),
        cmocka_unit_test(what_changes_nothing_is_counted),
    };
    return cmocka_run_group_tests(tests, make_models, remove_models);
}
