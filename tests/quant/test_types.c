// Stored types: the same bits as the gguf package's quantisers (tests/data/make_quants.py), and their way
// back.
#include "base/half.h"
#include "quant/types.h"
#include "quant/decoded.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { N = 512, BLOCK = 32 };
static const enum fathom_type types[] = {
    FATHOM_F16, FATHOM_BF16, FATHOM_Q8_0, FATHOM_Q4_0}; // in the file's order
enum { N_TYPES = 4 };
static const uint64_t sizes[N_TYPES] = {2 * N, 2 * N, N / BLOCK * 34, N / BLOCK * 18};

static float values[N];
static uint8_t expected[N_TYPES][2 * N];

static int load(void **state) {
    (void)state;
    FILE *file = fopen(FATHOM_SOURCE_DIR "/tests/data/quants.bin", "rb");
    if (!file) return -1;
    size_t n = fread(values, 1, sizeof(values), file);
    for (int i = 0; i < N_TYPES; i++) n += fread(expected[i], 1, sizes[i], file);
    fclose(file);
    return n == sizeof(values) + 4 * N + N / BLOCK * 52 ? 0 : -1;
}

static void quantisers_give_ggmls_bits(void **state) {
    (void)state;
    for (int i = 0; i < N_TYPES; i++) {
        uint8_t result[2 * N];
        uint64_t size;
        assert_true(fm_type_size(types[i], N, &size));
        assert_int_equal(size, sizes[i]);
        assert_true(fm_quantize_row(types[i], values, NULL, result, N));
        assert_memory_equal(result, expected[i], size);
    }
}

// Half a step of the scale, and for Q4_0, whose positive side ends one step early, a whole one.
static void the_way_back_is_near(void **state) {
    (void)state;
    static const float steps[N_TYPES] = {0x1p-11f, 0x1p-8f, 0.5f / 127, 1.0f / 8};
    for (int i = 0; i < N_TYPES; i++) {
        float back[N];
        fm_dequantize_row(types[i], expected[i], back, N);
        for (int block = 0; block < N / BLOCK; block++) {
            float most = 0;
            for (int j = 0; j < BLOCK; j++) most = fmaxf(most, fabsf(values[block * BLOCK + j]));
            // the scale itself is a half: 2^-11 of it, or half the smallest half, times up to 127
            const float bound = most * steps[i] * 1.01f + most * 0x1p-11f + 127 * 0x1p-25f;
            for (int j = 0; j < BLOCK; j++)
                assert_true(fabsf(back[block * BLOCK + j] - values[block * BLOCK + j]) <= bound);
        }
    }
}

static void decoders_read_ggmls_layout(void **state) {
    (void)state;
    uint8_t q4[18] = {0x00, 0xc0}, q8[34] = {0x00, 0x38}; // scales -2 and 0.5
    float x[BLOCK];
    for (int i = 0; i < 16; i++) q4[2 + i] = (uint8_t)(i | (15 - i) << 4);
    fm_dequantize_row(FATHOM_Q4_0, q4, x, BLOCK);
    for (int i = 0; i < 16; i++) {
        assert_true(x[i] == -2.0f * (float)(i - 8));
        assert_true(x[i + 16] == -2.0f * (float)(7 - i));
    }
    uint8_t q4_1[20] = {0x00, 0xc0, 0x00, 0x3a}; // scale -2, minimum 0.75
    memcpy(q4_1 + 4, q4 + 2, 16);
    fm_dequantize_row(FATHOM_Q4_1, q4_1, x, BLOCK);
    for (int i = 0; i < 16; i++) {
        assert_true(x[i] == -2.0f * (float)i + 0.75f);
        assert_true(x[i + 16] == -2.0f * (float)(15 - i) + 0.75f);
    }
    for (int i = 0; i < BLOCK; i++) q8[2 + i] = (uint8_t)(i * 8 - 128);
    fm_dequantize_row(FATHOM_Q8_0, q8, x, BLOCK);
    for (int i = 0; i < BLOCK; i++) assert_true(x[i] == 0.5f * (float)(i * 8 - 128));
}

// Of every format that is read only: PRNG blocks and extreme ones, decoded, against the hash of what the gguf
// package makes of the same blocks (tests/data/hash_decoded.py).
enum { N_BLOCKS = 64 };

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void decoders_give_the_packages_bits(void **state) {
    (void)state;
    static const uint8_t extremes[] = {0x00, 0xff, 0x80, 0x7f, 0x55, 0xaa};
    for (size_t i = 0; i < N_DECODED_TYPES; i++) {
        const struct fm_type_info *info = fm_type_info(decoded[i].type);
        uint64_t random = decoded[i].type, hash = 0xcbf29ce484222325u;
        for (int b = 0; b < N_BLOCKS; b++) {
            uint8_t block[512];
            float x[256];
            for (uint32_t j = 0; j < info->bytes; j++)
                block[j] = b < 6 ? extremes[b] : (uint8_t)splitmix(&random);
            for (int j = 0; j < decoded[i].n_halves; j++) block[decoded[i].halves[j]] &= 0xbf;
            fm_dequantize_row(decoded[i].type, block, x, info->block);
            for (uint32_t j = 0; j < 4 * info->block; j++) hash = (hash ^ ((uint8_t *)x)[j]) * 0x100000001b3u;
        }
        if (hash != decoded[i].hash) fail_msg("%s: 0x%016llx", info->name, (unsigned long long)hash);
    }
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    static const enum fathom_type all[] = {FATHOM_F32, FATHOM_F16, FATHOM_BF16, FATHOM_Q8_0, FATHOM_Q4_0};
    static const float wrong[] = {INFINITY, -INFINITY, NAN};
    uint8_t result[4 * BLOCK];
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < 3; j++) {
            float x[BLOCK] = {1, 2, [31] = wrong[j]};
            assert_false(fm_quantize_row(all[i], x, NULL, result, BLOCK));
        }
    }
    const float large[BLOCK] = {[7] = 1e30f};
    assert_true(fm_quantize_row(FATHOM_BF16, large, NULL, result, BLOCK));
    assert_false(fm_quantize_row(FATHOM_F16, large, NULL, result, BLOCK));
    assert_false(fm_quantize_row(FATHOM_Q8_0, large, NULL, result, BLOCK));
    assert_false(fm_quantize_row(FATHOM_Q4_0, large, NULL, result, BLOCK));
    const float tiny[BLOCK] = {[7] = 1e-44f}; // 1 / scale is infinite
    assert_true(fm_quantize_row(FATHOM_Q8_0, tiny, NULL, result, BLOCK));
    assert_true(fm_quantize_row(FATHOM_Q4_0, tiny, NULL, result, BLOCK));
}

static void types_have_names_and_sizes(void **state) {
    (void)state;
    uint64_t size;
    assert_string_equal(fm_type_name(FATHOM_Q8_0), "Q8_0");
    assert_int_equal(fm_type_find("bf16")->type, FATHOM_BF16);
    assert_null(fm_type_find("mxfp4"));
    assert_string_equal(fm_type_info(12)->name, "Q4_K");
    assert_true(fm_type_info(39)->supported);
    assert_false(fm_type_info(39)->writable);
    assert_false(fm_type_info(28)->supported);
    assert_null(fm_type_info(4));
    assert_false(fm_type_size(FATHOM_Q4_0, 33, &size));
    assert_false(fm_type_size(FATHOM_F32, 1ull << 62, &size));
}

// gpu.h says "NAME = number, // elements in bytes", or has this comment in the line before.
static void the_header_gives_each_block_its_size(void **state) {
    (void)state;
    FILE *file = fopen(FATHOM_SOURCE_DIR "/include/fathom/gpu.h", "r");
    assert_non_null(file);
    char line[256], name[32];
    unsigned n_found = 0, number, elements = 0, bytes = 0;
    bool inside = false;
    while (fgets(line, sizeof(line), file)) {
        if (!strcmp(line, "enum fathom_type {\n")) inside = true;
        if (!strcmp(line, "};\n")) inside = false;
        const char *comment = strstr(line, "// ");
        unsigned a, b;
        if (!inside) continue;
        if (comment && sscanf(comment, "// %u in %u", &a, &b) == 2) elements = a, bytes = b;
        if (sscanf(line, " FATHOM_%31[A-Z0-9_] = %i", name, (int *)&number) != 2) continue;
        const struct fm_type_info *info = fm_type_info(number);
        if (!info) fail_msg("%s has the number %u, which is no type", name, number);
        assert_string_equal(info->name, name);
        if (info->block != elements || info->bytes != bytes)
            fail_msg("gpu.h says that %s has %u in %u, it has %u in %u", name, elements, bytes, info->block,
                info->bytes);
        elements = bytes = 0;
        n_found++;
    }
    fclose(file);
    unsigned n_supported = 0;
    for (uint32_t type = 0; type < 64; type++)
        if (fm_type_info(type) && fm_type_info(type)->supported) n_supported++;
    assert_int_equal(n_found, n_supported + 1); // and F8_E4M3
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantisers_give_ggmls_bits),
        cmocka_unit_test(the_way_back_is_near),
        cmocka_unit_test(decoders_read_ggmls_layout),
        cmocka_unit_test(decoders_give_the_packages_bits),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(types_have_names_and_sizes),
        cmocka_unit_test(the_header_gives_each_block_its_size),
    };
    return cmocka_run_group_tests(tests, load, NULL);
}
