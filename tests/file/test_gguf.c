// GGUF files, whole and broken, written here byte by byte. Each broken file gives one message that names the
// faulty thing.
#include "base/half.h"
#include "base/mapped_file.h"
#include "bytes.h"
#include "file/gguf/gguf.h"
#include "quant/types.h"
#include "file/folder.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 };

static void put_string(struct bytes *b, const char *text) {
    put_u64(b, strlen(text));
    put(b, text, strlen(text));
}

static void header(struct bytes *b, uint64_t n_tensors, uint64_t n_keys) {
    put(b, "GGUF", 4);
    put_u32(b, 3);
    put_u64(b, n_tensors);
    put_u64(b, n_keys);
}

static void key(struct bytes *b, const char *name, uint32_t type) {
    put_string(b, name);
    put_u32(b, type);
}

static void tensor(
    struct bytes *b, const char *name, uint64_t n_cols, uint64_t n_rows, uint32_t type, uint64_t offset) {
    put_string(b, name);
    put_u32(b, 2);
    put_u64(b, n_cols);
    put_u64(b, n_rows);
    put_u32(b, type);
    put_u64(b, offset);
}

// Padding, then n bytes 0, 1, 2, ...
static void data(struct bytes *b, size_t n) {
    put(b, NULL, (32 - b->size % 32) % 32);
    for (size_t i = 0; i < n; i++) put(b, &(uint8_t){(uint8_t)i}, 1);
}

// ---- Whole -----------------------------------------------------------------------------------------------

static void all_kinds_of_metadata(void **state) {
    (void)state;
    struct bytes b = {0};
    header(&b, 0, 12);
    key(&b, "u8", U8), put(&b, &(uint8_t){200}, 1);
    key(&b, "i16", I16), put(&b, &(int16_t){-5}, 2);
    key(&b, "u64", U64), put_u64(&b, 1ull << 40);
    key(&b, "f32", F32), put(&b, &(float){1.5f}, 4);
    key(&b, "f64", F64), put(&b, &(double){0.25}, 8);
    key(&b, "bool", BOOL), put(&b, &(uint8_t){1}, 1);
    key(&b, "string", STRING), put_string(&b, "text");
    key(&b, "strings", ARRAY), put_u32(&b, STRING), put_u64(&b, 2), put_string(&b, "a"), put_string(&b, "");
    key(&b, "ints", ARRAY), put_u32(&b, I8), put_u64(&b, 3), put(&b, "\xff\x00\x07", 3);
    key(&b, "f64 whole", F64), put(&b, &(double){96}, 8);
    key(&b, "u32", U32), put_u32(&b, 1);
    key(&b, "equal", ARRAY), put_u32(&b, I16), put_u64(&b, 2), put(&b, "\3\0\3\0", 4);
    uint8_t *bytes = exact_copy(&b);
    struct fathom_error err = {0};
    struct fm_tensors *t = fm_gguf_from_memory("m.gguf", bytes, b.size, &err);
    assert_non_null(t);
    uint32_t u = 7;
    float f;
    bool flag;
    const char *text;
    size_t length;
    int32_t i;
    assert_true(fm_meta_u32(t, "u8", &u, &err));
    assert_int_equal(u, 200);
    assert_true(fm_meta_f32(t, "f32", &f, &err));
    assert_true(f == 1.5f);
    assert_true(fm_meta_f32(t, "f64", &f, &err));
    assert_true(f == 0.25f);
    assert_true(fm_meta_bool(t, "bool", &flag, &err));
    assert_true(flag);
    assert_true(fm_meta_string(t, "string", &text, &length, &err));
    assert_string_equal(text, "text");
    assert_int_equal(length, 4);
    assert_int_equal(fm_meta_array_length(t, "strings"), 2);
    assert_true(fm_meta_array_string(t, "strings", 0, &text, &length));
    assert_string_equal(text, "a");
    assert_false(fm_meta_array_string(t, "strings", 2, &text, &length));
    assert_true(fm_meta_array_i32(t, "ints", 0, &i));
    assert_int_equal(i, -1);
    assert_true(fm_meta_array_f32(t, "ints", 2, &f));
    assert_true(f == 7);
    // a number of another type, where nothing is lost
    assert_true(fm_meta_u32(t, "f64 whole", &u, &err));
    assert_int_equal(u, 96);
    assert_true(fm_meta_f32(t, "i16", &f, &err));
    assert_true(f == -5);
    assert_true(fm_meta_bool(t, "u32", &flag, &err));
    assert_true(flag);
    assert_true(fm_meta_u32(t, "equal", &u, &err));
    assert_int_equal(u, 3);
    assert_true(fm_meta_f32(t, "equal", &f, &err));
    assert_true(f == 3);
    // missing: false without an error
    assert_false(fm_meta_u32(t, "none", &u, &err));
    assert_int_equal(err.status, FATHOM_OK);
    assert_int_equal(u, 3);
    // wrong type, or too large: an error with the key's name
    static const struct {
        const char *name, *message;
    } wrong[] = {
        {"string", "m.gguf: key string is the string \"text\", expected a whole number of 32 bits"},
        {"f32", "m.gguf: key f32 is 1.5, expected a whole number of 32 bits"},
        {"bool", "m.gguf: key bool is true, expected a whole number of 32 bits"},
        {"u64", "m.gguf: key u64 is 1099511627776, expected a whole number of 32 bits"},
        {"i16", "m.gguf: key i16 is -5, expected a whole number of 32 bits"},
        {"ints",
            "m.gguf: key ints is an array of 3 elements that are not all equal, expected a whole number of "
            "32 bits"},
        {"strings", "m.gguf: key strings is an array of 2 elements, expected a whole number of 32 bits"},
    };
    for (size_t n = 0; n < sizeof(wrong) / sizeof(*wrong); n++) {
        err = (struct fathom_error){0};
        assert_false(fm_meta_u32(t, wrong[n].name, &u, &err));
        assert_int_equal(err.status, FATHOM_INVALID);
        assert_string_equal(err.message, wrong[n].message);
    }
    err = (struct fathom_error){0};
    assert_false(fm_meta_bool(t, "u8", &flag, &err));
    assert_string_equal(err.message, "m.gguf: key u8 is 200, expected true or false");
    fm_tensors_close(&t);
    assert_null(t);
    fm_tensors_close(&t);
    free(bytes);
}

static void tensors_are_found_and_read(void **state) {
    (void)state;
    struct bytes b = {0};
    header(&b, 2, 0);
    tensor(&b, "second", 32, 2, FATHOM_Q8_0, 32);
    tensor(&b, "first", 4, 2, FATHOM_F32, 0);
    data(&b, 32 + 68);
    uint8_t *bytes = exact_copy(&b);
    struct fathom_error err = {0};
    struct fm_tensors *t = fm_gguf_from_memory("m.gguf", bytes, b.size, &err);
    assert_non_null(t);
    assert_int_equal(fm_tensors_count(t), 2);
    assert_null(fm_tensors_find(t, "third"));
    const struct fm_tensor *second = fm_tensors_find(t, "second");
    assert_ptr_equal(second, fm_tensors_at(t, 0));
    assert_null(fm_tensors_at(t, 2));
    assert_int_equal(second->size, 68);
    assert_int_equal(second->dims[2], 1);
    uint8_t part[3];
    assert_true(fm_tensor_read(t, second, 65, 3, part, &err));
    assert_memory_equal(part, ((uint8_t[]){97, 98, 99}), 3);
    assert_memory_equal(fm_tensor_map(t, second), bytes + b.size - 68, 68);
    assert_false(fm_tensor_read(t, second, 66, 3, part, &err));
    assert_string_equal(err.message, "m.gguf: tensor second has 68 bytes, asked for 3 at 66");
    fm_tensors_close(&t);
    free(bytes);
}

// ---- Broken ----------------------------------------------------------------------------------------------

static void zeros(struct bytes *b) {
    put(b, NULL, 4096);
}
static void nothing(struct bytes *b) {
    put(b, "GG", 2);
}
static void old_magic(struct bytes *b) {
    put(b, "ggjt", 4), put(b, NULL, 60);
}
static void version_1(struct bytes *b) {
    put(b, "GGUF\1\0\0\0", 8), put(b, NULL, 60);
}
static void big_endian(struct bytes *b) {
    put(b, "GGUF\0\0\0\3", 8), put(b, NULL, 60);
}
static void many_keys(struct bytes *b) {
    header(b, 0, 1ull << 60), put(b, NULL, 64);
}
static void many_tensors(struct bytes *b) {
    header(b, 1ull << 60, 0), put(b, NULL, 64);
}
static void long_key(struct bytes *b) {
    header(b, 0, 1), put_u64(b, UINT64_MAX), put(b, NULL, 64);
}
static void empty_key(struct bytes *b) {
    header(b, 0, 1), key(b, "", U32), put(b, NULL, 64);
}
static void key_type(struct bytes *b) {
    header(b, 0, 1), key(b, "k", 13), put(b, NULL, 64);
}
static void key_twice(struct bytes *b) {
    header(b, 0, 2), key(b, "k", U32), put_u32(b, 1), key(b, "k", U32), put_u32(b, 1);
}
static void key_cut(struct bytes *b) {
    header(b, 0, 1), key(b, "general.name", STRING), put_u64(b, 100), put(b, "only this", 9);
}
static void bool_two(struct bytes *b) {
    header(b, 0, 1), key(b, "k", BOOL), put(b, "\2", 1);
}
static void array_long(struct bytes *b) {
    header(b, 0, 1), key(b, "k", ARRAY), put_u32(b, U64), put_u64(b, 1ull << 61), put(b, NULL, 64);
}
static void array_strings(struct bytes *b) {
    header(b, 0, 1), key(b, "k", ARRAY), put_u32(b, STRING), put_u64(b, 1ull << 61);
    put(b, NULL, 64);
}
static void array_nested(struct bytes *b) {
    header(b, 0, 1), key(b, "k", ARRAY), put_u32(b, ARRAY), put_u64(b, 0);
}
static void array_type(struct bytes *b) {
    header(b, 0, 1), key(b, "k", ARRAY), put_u32(b, 99), put_u64(b, 0);
}
static void alignment_odd(struct bytes *b) {
    header(b, 0, 1), key(b, "general.alignment", U32), put_u32(b, 33);
}
static void alignment_text(struct bytes *b) {
    header(b, 0, 1), key(b, "general.alignment", STRING), put_string(b, "32");
}
static void split(struct bytes *b) {
    header(b, 0, 1), key(b, "split.count", U16), put(b, "\5\0", 2);
}
static void no_dims(struct bytes *b) {
    header(b, 1, 0), put_string(b, "w"), put_u32(b, 0), put(b, NULL, 64);
}
static void five_dims(struct bytes *b) {
    header(b, 1, 0), put_string(b, "w"), put_u32(b, 5), put(b, NULL, 64);
}
static void zero_dim(struct bytes *b) {
    header(b, 1, 0), tensor(b, "w", 4, 0, FATHOM_F32, 0), data(b, 64);
}
static void overflow(struct bytes *b) {
    header(b, 1, 0), tensor(b, "w", 1ull << 40, 1ull << 40, FATHOM_F32, 0), data(b, 64);
}
static void overflow_bytes(struct bytes *b) {
    header(b, 1, 0), tensor(b, "w", 1ull << 31, 1ull << 31, FATHOM_F32, 0), data(b, 64);
}
static void type_unknown(struct bytes *b) {
    header(b, 1, 0), tensor(b, "w", 32, 2, 77, 0), data(b, 64);
}
static void type_q8_1(struct bytes *b) {
    header(b, 1, 0), tensor(b, "blk.0.ffn_up.weight", 256, 1, 9, 0), data(b, 320);
}
static void part_of_block(struct bytes *b) {
    header(b, 1, 0), tensor(b, "w", 48, 2, FATHOM_Q4_0, 0), data(b, 64);
}
static void offset_odd(struct bytes *b) {
    header(b, 1, 0), tensor(b, "w", 4, 2, FATHOM_F32, 16), data(b, 64);
}
static void offset_absurd(struct bytes *b) {
    header(b, 1, 0), tensor(b, "w", 4, 2, FATHOM_F32, UINT64_MAX - 31), data(b, 64);
}
static void past_end(struct bytes *b) {
    header(b, 1, 0), tensor(b, "w", 4, 4, FATHOM_F32, 0), data(b, 63);
}
static void no_data(struct bytes *b) {
    header(b, 1, 0), tensor(b, "w", 4, 4, FATHOM_F32, 0);
}
static void overlap(struct bytes *b) {
    header(b, 2, 0), tensor(b, "v", 4, 4, FATHOM_F32, 0), tensor(b, "w", 4, 4, FATHOM_F32, 32);
    data(b, 96);
}
static void same_place(struct bytes *b) {
    header(b, 2, 0), tensor(b, "v", 4, 4, FATHOM_F32, 0), tensor(b, "w", 4, 4, FATHOM_F32, 0);
    data(b, 64);
}
static void tensor_twice(struct bytes *b) {
    header(b, 2, 0), tensor(b, "w", 4, 2, FATHOM_F32, 0), tensor(b, "w", 4, 2, FATHOM_F32, 32);
    data(b, 64);
}

static const struct {
    void (*make)(struct bytes *b);
    enum fathom_status status;
    const char *message;
} broken[] = {
    {zeros, FATHOM_INVALID, "m.gguf: is not a GGUF file: it starts with 00000000, expected 47475546"},
    {nothing, FATHOM_INVALID, "m.gguf: ends too early, after 2 bytes, in the header"},
    {old_magic, FATHOM_INVALID, "m.gguf: is not a GGUF file: it starts with 67676a74, expected 47475546"},
    {version_1, FATHOM_UNSUPPORTED, "m.gguf: GGUF version 1, supported: 2 and 3"},
    {big_endian, FATHOM_UNSUPPORTED, "m.gguf: is a big-endian GGUF file"},
    {many_keys, FATHOM_INVALID,
        "m.gguf: announces 1152921504606846976 keys and 0 tensors, more than its 88 bytes can hold"},
    {many_tensors, FATHOM_INVALID,
        "m.gguf: announces 0 keys and 1152921504606846976 tensors, more than its 88 bytes can hold"},
    {long_key, FATHOM_INVALID, "m.gguf: ends too early, after 96 bytes, in a metadata key"},
    {empty_key, FATHOM_INVALID, "m.gguf: a metadata key is empty or holds a zero byte"},
    {key_type, FATHOM_INVALID, "m.gguf: key k has type 13, which does not exist"},
    {key_twice, FATHOM_INVALID, "m.gguf: key k occurs twice"},
    {key_cut, FATHOM_INVALID, "m.gguf: ends too early, after 65 bytes, in general.name"},
    {bool_two, FATHOM_INVALID, "m.gguf: key k is 2, expected 0 or 1"},
    {array_long, FATHOM_INVALID, "m.gguf: ends too early, after 113 bytes, in k"},
    {array_strings, FATHOM_INVALID, "m.gguf: ends too early, after 113 bytes, in k"},
    {array_nested, FATHOM_UNSUPPORTED, "m.gguf: key k is an array of arrays"},
    {array_type, FATHOM_INVALID, "m.gguf: key k is an array of type 99, which does not exist"},
    {alignment_odd, FATHOM_INVALID,
        "m.gguf: key general.alignment is 33, expected a power of two up to 1048576"},
    {alignment_text, FATHOM_INVALID,
        "m.gguf: key general.alignment is the string \"32\", expected a whole number of 32 bits"},
    {split, FATHOM_UNSUPPORTED, "m.gguf: is file 1 of the 5 of a split model, which cannot come from memory"},
    {no_dims, FATHOM_INVALID, "m.gguf: tensor w has 0 dimensions, expected 1 to 4"},
    {five_dims, FATHOM_INVALID, "m.gguf: tensor w has 5 dimensions, expected 1 to 4"},
    {zero_dim, FATHOM_INVALID, "m.gguf: tensor w has no elements: dimension 1 is 0"},
    {overflow, FATHOM_INVALID,
        "m.gguf: tensor w has a size past 64 bits: [1099511627776, 1099511627776, 1, 1] of F32"},
    {overflow_bytes, FATHOM_INVALID,
        "m.gguf: tensor w has a size past 64 bits: [2147483648, 2147483648, 1, 1] of F32"},
    {type_unknown, FATHOM_INVALID, "m.gguf: tensor w has type 77, which does not exist"},
    {type_q8_1, FATHOM_UNSUPPORTED,
        "m.gguf: tensor blk.0.ffn_up.weight is stored as Q8_1, which Fathom cannot read"},
    {part_of_block, FATHOM_INVALID,
        "m.gguf: tensor w has rows of 48 elements, expected a multiple of 32 for Q4_0"},
    {offset_odd, FATHOM_INVALID, "m.gguf: tensor w lies at offset 16, expected a multiple of 32"},
    {offset_absurd, FATHOM_INVALID,
        "m.gguf: tensor w reaches past the end of the file: 32 bytes at offset 18446744073709551584 of 64"},
    {past_end, FATHOM_INVALID,
        "m.gguf: tensor w reaches past the end of the file: 64 bytes at offset 0 of 63"},
    {no_data, FATHOM_INVALID, "m.gguf: ends too early, after 65 bytes, in the padding before the tensors"},
    {overlap, FATHOM_INVALID, "m.gguf: tensors v and w overlap at offset 32"},
    {same_place, FATHOM_INVALID, "m.gguf: tensors v and w overlap at offset 0"},
    {tensor_twice, FATHOM_INVALID, "m.gguf: tensor w occurs twice"},
};

static void each_broken_file_is_named(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
        struct bytes b = {0};
        struct fathom_error err = {0};
        broken[i].make(&b);
        uint8_t *bytes = exact_copy(&b);
        assert_null(fm_gguf_from_memory("m.gguf", bytes, b.size, &err));
        assert_string_equal(err.message, broken[i].message);
        assert_int_equal(err.status, broken[i].status);
        assert_null(fm_gguf_from_memory("m.gguf", bytes, b.size, NULL)); // an error is optional
        free(bytes);
    }
}

// A file that is cut anywhere is refused.
static void each_cut_is_refused(void **state) {
    (void)state;
    struct bytes b = {0};
    header(&b, 1, 3);
    key(&b, "number", U32), put_u32(&b, 1);
    key(&b, "text", STRING), put_string(&b, "text");
    key(&b, "list", ARRAY), put_u32(&b, STRING), put_u64(&b, 2), put_string(&b, "a"), put_string(&b, "b");
    tensor(&b, "w", 4, 2, FATHOM_F32, 0);
    data(&b, 32);
    for (const size_t whole = b.size; b.size-- > 0;) {
        struct fathom_error err = {0};
        uint8_t *bytes = exact_copy(&b);
        assert_true(b.size < whole);
        assert_null(fm_gguf_from_memory("m.gguf", bytes, b.size, &err));
        assert_int_equal(err.status, FATHOM_INVALID);
        free(bytes);
    }
}

// ---- Older deepseek2 files -------------------------------------------------------------------------------

static void legacy(struct bytes *b, uint32_t type, uint32_t n_heads) {
    header(b, 1, 5);
    key(b, "general.architecture", STRING), put_string(b, "deepseek2");
    key(b, "deepseek2.attention.head_count", U32), put_u32(b, n_heads);
    key(b, "deepseek2.attention.key_length", U32), put_u32(b, 12);
    key(b, "deepseek2.attention.value_length", U32), put_u32(b, 3);
    key(b, "deepseek2.rope.dimension_count", U32), put_u32(b, 8);
    tensor(b, "blk.7.attn_kv_b.weight", 32, 14, type, 0); // two heads of 4 + 3 rows
    data(b, type == FATHOM_F32 ? 32 * 14 * 4 : 34 * 14);
}

static void kv_b_in_one_piece_is_split(void **state) {
    (void)state;
    static const enum fathom_type types[] = {FATHOM_F32, FATHOM_Q8_0};
    for (int n = 0; n < 2; n++) {
        struct bytes b = {0};
        struct fathom_error err = {0};
        legacy(&b, types[n], 2);
        uint8_t *bytes = exact_copy(&b);
        struct fm_tensors *t = fm_gguf_from_memory("m.gguf", bytes, b.size, &err);
        if (!t) fail_msg("%s", err.message);
        assert_int_equal(fm_tensors_count(t), 2);
        const struct fm_tensor *k = fm_tensors_find(t, "blk.7.attn_k_b.weight"),
                               *v = fm_tensors_find(t, "blk.7.attn_v_b.weight");
        assert_non_null(k);
        assert_int_equal(k->dims[0], 4);
        assert_int_equal(k->dims[1], 32);
        assert_int_equal(k->dims[2], 2);
        assert_non_null(v);
        assert_int_equal(v->dims[0], 32);
        assert_int_equal(v->dims[1], 3);
        assert_int_equal(v->dims[2], 2);
        const size_t row_size = n ? 34 : 128;
        const uint8_t *stored = bytes + b.size - 14 * row_size;
        for (uint32_t h = 0; h < 2; h++) {
            uint8_t values[3 * 128];
            assert_true(fm_tensor_read(t, v, h * 3 * row_size, 3 * row_size, values, &err));
            assert_memory_equal(values, stored + (h * 7 + 4) * row_size, 3 * row_size);
            for (uint32_t c = 0; c < 4; c++) {
                float row[32];
                fm_dequantize_row(types[n], stored + (h * 7 + c) * row_size, row, 32);
                for (uint32_t r = 0; r < 32; r++) {
                    const uint32_t size = n ? 2 : 4, half = fm_to_half(row[r]);
                    uint8_t element[4];
                    assert_true(fm_tensor_read(t, k, ((h * 32 + r) * 4 + c) * size, size, element, &err));
                    assert_memory_equal(element, n ? (const void *)&half : &row[r], size);
                }
            }
        }
        fm_tensors_close(&t);
        free(bytes);
    }
    struct bytes b = {0};
    struct fathom_error err = {0};
    legacy(&b, FATHOM_F32, 3);
    assert_null(fm_gguf_from_memory("m.gguf", b.data, b.size, &err));
    assert_string_equal(
        err.message, "m.gguf: tensor blk.7.attn_kv_b.weight is [32, 14], expected [latent, 3 * (4 + 3)]");
}

// ---- Tensors in one piece --------------------------------------------------------------------------------

static void tensor_3d(
    struct bytes *b, const char *name, const uint64_t dims[3], uint32_t type, uint64_t offset) {
    put_string(b, name);
    put_u32(b, 3);
    for (int i = 0; i < 3; i++) put_u64(b, dims[i]);
    put_u32(b, type);
    put_u64(b, offset);
}

// Of each expert the rows of the gate come first, then those of the up projection, in any type.
static void gate_and_up_in_one_piece_are_cut(void **state) {
    (void)state;
    enum { COLS = 32, INTER = 3, EXPERTS = 2 };
    static const enum fathom_type types[] = {FATHOM_F32, FATHOM_Q8_0};
    for (int n = 0; n < 2; n++) {
        struct bytes b = {0};
        struct fathom_error err = {0};
        const size_t row_size = n ? 34 : 128, part = INTER * row_size, all = 2 * EXPERTS * part;
        header(&b, 2, 1);
        key(&b, "general.architecture", STRING), put_string(&b, "deepseek2");
        tensor_3d(
            &b, "blk.3.ffn_gate_up_exps.weight", (const uint64_t[]){COLS, 2 * INTER, EXPERTS}, types[n], 0);
        tensor(&b, "blk.0.ffn_gate_up.weight", 4, 6, FATHOM_F32, (all + 31) / 32 * 32);
        data(&b, (all + 31) / 32 * 32 + 96);
        uint8_t *bytes = exact_copy(&b);
        const uint8_t *stored = bytes + b.size - 96 - (all + 31) / 32 * 32, *dense = bytes + b.size - 96;
        struct fm_tensors *t = fm_gguf_from_memory("m.gguf", bytes, b.size, &err);
        if (!t) fail_msg("%s", err.message);
        assert_int_equal(fm_tensors_count(t), 4);
        static const char *const names[] = {"blk.3.ffn_gate_exps.weight", "blk.3.ffn_up_exps.weight"};
        for (size_t j = 0; j < 2; j++) {
            const struct fm_tensor *half = fm_tensors_find(t, names[j]);
            uint8_t read[EXPERTS * INTER * 128];
            assert_non_null(half);
            assert_string_equal(half->name, names[j]);
            assert_int_equal(half->type, types[n]);
            assert_int_equal(half->dims[0], COLS);
            assert_int_equal(half->dims[1], INTER);
            assert_int_equal(half->dims[2], EXPERTS);
            assert_int_equal(half->size, EXPERTS * part);
            assert_true(fm_tensor_read(t, half, 0, half->size, read, &err));
            for (size_t e = 0; e < EXPERTS; e++)
                assert_memory_equal(read + e * part, stored + (2 * e + j) * part, part);
        }
        assert_memory_equal(fm_tensor_map(t, fm_tensors_find(t, "blk.0.ffn_gate.weight")), dense, 48);
        assert_memory_equal(fm_tensor_map(t, fm_tensors_find(t, "blk.0.ffn_up.weight")), dense + 48, 48);
        fm_tensors_close(&t);
        free(bytes);
    }
    struct bytes b = {0};
    struct fathom_error err = {0};
    header(&b, 1, 1);
    key(&b, "general.architecture", STRING), put_string(&b, "deepseek2");
    tensor(&b, "blk.0.ffn_gate_up.weight", 4, 5, FATHOM_F32, 0);
    data(&b, 96);
    assert_null(fm_gguf_from_memory("m.gguf", b.data, b.size, &err));
    assert_string_equal(err.message,
        "m.gguf: tensor blk.0.ffn_gate_up.weight has 5 rows, expected those of gate and up in equal numbers");
}

static void qkv_in_one_piece_is_cut(void **state) {
    (void)state;
    for (uint32_t n_rows = 16; n_rows < 18; n_rows++) { // 4 + 2 * 2 heads of 2 rows; 17 rows do not divide
        struct bytes b = {0};
        struct fathom_error err = {0};
        header(&b, 2, 3);
        key(&b, "general.architecture", STRING), put_string(&b, "qwen2");
        key(&b, "qwen2.attention.head_count", U32), put_u32(&b, 4);
        key(&b, "qwen2.attention.head_count_kv", U32), put_u32(&b, 2);
        tensor(&b, "blk.1.attn_qkv.weight", 4, n_rows, FATHOM_F32, 0);
        put_string(&b, "blk.1.attn_qkv.bias"), put_u32(&b, 1), put_u64(&b, 16), put_u32(&b, FATHOM_F32);
        put_u64(&b, 288);
        data(&b, 288 + 64);
        uint8_t *bytes = exact_copy(&b);
        const uint8_t *stored = bytes + b.size - 288 - 64;
        struct fm_tensors *t = fm_gguf_from_memory("m.gguf", bytes, b.size, &err);
        if (n_rows == 17) {
            assert_null(t);
            assert_string_equal(err.message,
                "m.gguf: tensor blk.1.attn_qkv.weight has 17 rows, expected those of 4 + 2 * 2 heads");
            free(bytes);
            continue;
        }
        if (!t) fail_msg("%s", err.message);
        static const char *const letters[] = {"q", "k", "v"};
        static const size_t first[] = {0, 8, 12}, rows[] = {8, 4, 4};
        for (int i = 0; i < 3; i++) {
            char name[64];
            snprintf(name, sizeof(name), "blk.1.attn_%s.weight", letters[i]);
            const struct fm_tensor *w = fm_tensors_find(t, name);
            assert_non_null(w);
            assert_int_equal(w->dims[1], rows[i]);
            assert_memory_equal(fm_tensor_map(t, w), stored + 16 * first[i], 16 * rows[i]);
            snprintf(name, sizeof(name), "blk.1.attn_%s.bias", letters[i]);
            w = fm_tensors_find(t, name);
            assert_non_null(w);
            assert_int_equal(w->dims[0], rows[i]);
            assert_memory_equal(fm_tensor_map(t, w), stored + 288 + 4 * first[i], 4 * rows[i]);
        }
        fm_tensors_close(&t);
        free(bytes);
    }
}

static void qkv_of_another_architecture_stays_whole(void **state) {
    (void)state;
    struct bytes b = {0};
    struct fathom_error err = {0};
    header(&b, 1, 3);
    key(&b, "general.architecture", STRING), put_string(&b, "gpt2");
    key(&b, "gpt2.attention.head_count", U32), put_u32(&b, 4);
    key(&b, "gpt2.attention.head_count_kv", U32), put_u32(&b, 4);
    tensor(&b, "blk.0.attn_qkv.weight", 4, 12, FATHOM_F32, 0);
    data(&b, 192);
    struct fm_tensors *t = fm_gguf_from_memory("m.gguf", b.data, b.size, &err);
    if (!t) fail_msg("%s", err.message);
    assert_int_equal(fm_tensors_count(t), 1);
    assert_string_equal(fm_tensors_at(t, 0)->name, "blk.0.attn_qkv.weight");
    assert_int_equal(fm_tensors_at(t, 0)->dims[1], 12);
    fm_tensors_close(&t);
}

// ---- Split over files ------------------------------------------------------------------------------------

// File `number` of `count`, with one tensor of 8 numbers
static void write_split(const struct folder *folder, const char *name, uint16_t number, uint16_t count,
    uint32_t n_tensors, const char *w) {
    struct bytes b = {0};
    char path[1024];
    header(&b, 1, 3);
    key(&b, "split.no", U16), put(&b, &number, 2);
    key(&b, "split.count", U16), put(&b, &count, 2);
    key(&b, "split.tensors.count", I32), put_u32(&b, n_tensors);
    tensor(&b, w, 4, 2, FATHOM_F32, 0);
    data(&b, 31);
    put(&b, &(uint8_t){(uint8_t)number}, 1);
    folder_file(folder, name, path);
    write_bytes(path, b.data, b.size);
}

static void check_split(const struct folder *folder, const char *name, const char *message) {
    char path[1024];
    struct fathom_error err = {0};
    folder_file(folder, name, path);
    assert_null(fm_tensors_open(path, &err));
    if (!strstr(err.message, message)) fail_msg("%s", err.message);
}

static void split_models_load_from_their_first_file(void **state) {
    (void)state;
    struct folder folder = {"/tmp/fathom-file-XXXXXX"};
    struct fathom_error err = {0};
    char path[1024];
    assert_non_null(mkdtemp(folder.path));
    write_split(&folder, "m-00001-of-00003.gguf", 0, 3, 3, "a");
    write_split(&folder, "m-00003-of-00003.gguf", 2, 3, 3, "c");
    check_split(&folder, "m-00001-of-00003.gguf", "m-00002-of-00003.gguf: cannot open");
    write_split(&folder, "m-00002-of-00003.gguf", 1, 3, 3, "b");
    folder_file(&folder, "m-00001-of-00003.gguf", path);
    struct fm_tensors *t = fm_tensors_open(path, &err);
    if (!t) fail_msg("%s", err.message);
    assert_int_equal(fm_tensors_count(t), 3);
    const char *names[] = {"a", "b", "c"};
    for (uint8_t i = 0; i < 3; i++) {
        uint8_t last;
        assert_true(fm_tensor_read(t, fm_tensors_find(t, names[i]), 31, 1, &last, &err));
        assert_int_equal(last, i);
        const struct fm_mapped_file *file;
        uint64_t at;
        char name[32];
        snprintf(name, sizeof(name), "m-%05d-of-00003.gguf", i + 1);
        assert_true(fm_tensor_place(t, fm_tensors_find(t, names[i]), 0, 32, &file, &at));
        assert_non_null(strstr(file->path, name));
        assert_int_equal(at + 32, file->size);
    }
    fm_tensors_close(&t);
    check_split(&folder, "m-00002-of-00003.gguf",
        "m-00002-of-00003.gguf: is file 2 of the 3 of a split model; open the first");
    write_split(&folder, "m-00002-of-00003.gguf", 1, 3, 3, "a");
    check_split(&folder, "m-00001-of-00003.gguf", "tensor a occurs twice");
    write_split(&folder, "m-00002-of-00003.gguf", 2, 3, 3, "b");
    check_split(&folder, "m-00001-of-00003.gguf",
        "m-00002-of-00003.gguf: says that it is file 3 of 3, expected 2 of 3");
    write_split(&folder, "m-00002-of-00003.gguf", 1, 3, 3, "b");
    write_split(&folder, "m-00001-of-00003.gguf", 0, 3, 4, "a");
    check_split(&folder, "m-00001-of-00003.gguf", "its 3 files have 3 tensors, expected 4");
    write_split(&folder, "first.gguf", 0, 3, 3, "a");
    check_split(&folder, "first.gguf",
        "first.gguf: is the first of 3 files, but its name does not end in -00001-of-00003.gguf");
    write_split(&folder, "first.gguf", 3, 3, 3, "a");
    check_split(&folder, "first.gguf", "first.gguf: says that it is file 4 of 3");
    folder_remove(&folder);
}

static void capitals_are_letters_too(void **state) {
    (void)state;
    struct folder folder = {"/tmp/fathom-file-XXXXXX"};
    struct fathom_error err = {0};
    char path[1024];
    assert_non_null(mkdtemp(folder.path));
    write_split(&folder, "M-00001-OF-00002.GGUF", 0, 2, 2, "a");
    write_split(&folder, "M-00002-OF-00002.GGUF", 1, 2, 2, "b");
    folder_file(&folder, "M-00001-OF-00002.GGUF", path);
    struct fm_tensors *t = fm_tensors_open(path, &err);
    if (!t) fail_msg("%s", err.message);
    assert_int_equal(fm_tensors_count(t), 2);
    fm_tensors_close(&t);
    folder_remove(&folder);
}

// A folder without safetensors stands for the one model in it; a split model is one.
static void a_folder_stands_for_its_model(void **state) {
    (void)state;
    struct folder folder = {"/tmp/fathom-file-XXXXXX"};
    struct fathom_error err = {0};
    char path[1024], message[2048];
    assert_non_null(mkdtemp(folder.path));
    write_split(&folder, "m-00002-of-00002.gguf", 1, 2, 2, "b");
    assert_null(fm_tensors_open(folder.path, &err));
    snprintf(message, sizeof(message),
        "%s: holds m-00002-of-00002.gguf, a later file of a split model, without the first", folder.path);
    assert_string_equal(err.message, message);
    write_split(&folder, "m-00001-of-00002.gguf", 0, 2, 2, "a");
    write_split(&folder, "mmproj-m.gguf", 0, 1, 1, "v");
    folder_file(&folder, "config.json", path); // of a repository of GGUF files
    write_bytes(path, "{}", 2);
    err = (struct fathom_error){0};
    struct fm_tensors *t = fm_tensors_open(folder.path, &err);
    if (!t) fail_msg("%s", err.message);
    assert_int_equal(fm_tensors_count(t), 2);
    folder_file(&folder, "m-00001-of-00002.gguf", path);
    assert_string_equal(fm_tensors_path(t), path);
    fm_tensors_close(&t);
    write_split(&folder, "A.GGUF", 0, 1, 1, "a");
    assert_null(fm_tensors_open(folder.path, &err));
    snprintf(message, sizeof(message),
        "%s: holds 2 models; name the file of one: A.GGUF, m-00001-of-00002.gguf", folder.path);
    assert_string_equal(err.message, message);
    folder_remove(&folder);
}

static void a_missing_file_is_named(void **state) {
    (void)state;
    struct fathom_error err = {0};
    assert_null(fm_tensors_open("/no/such/model.gguf", &err));
    assert_int_equal(err.status, FATHOM_IO);
    assert_string_equal(err.message, "/no/such/model.gguf: cannot open: No such file or directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds_of_metadata),
        cmocka_unit_test(tensors_are_found_and_read),
        cmocka_unit_test(each_broken_file_is_named),
        cmocka_unit_test(each_cut_is_refused),
        cmocka_unit_test(kv_b_in_one_piece_is_split),
        cmocka_unit_test(gate_and_up_in_one_piece_are_cut),
        cmocka_unit_test(qkv_in_one_piece_is_cut),
        cmocka_unit_test(qkv_of_another_architecture_stays_whole),
        cmocka_unit_test(capitals_are_letters_too),
        cmocka_unit_test(a_folder_stands_for_its_model),
        cmocka_unit_test(split_models_load_from_their_first_file),
        cmocka_unit_test(a_missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
