// Safetensors files, whole and broken.
#include "bytes.h"
#include "file/hub/safetensors.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void make(struct bytes *b, const char *header, size_t n_data) {
    b->size = 0;
    put_u64(b, strlen(header));
    put(b, header, strlen(header));
    for (size_t i = 0; i < n_data; i++) put(b, &(uint8_t){(uint8_t)i}, 1);
}

static void tensors_are_listed_by_place(void **state) {
    (void)state;
    struct bytes b;
    make(&b,
        "{\"__metadata__\":{\"format\":\"pt\"},\"late\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":["
        "24,32]},"
        "\"early\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},\"none\":{\"dtype\":\"I64\","
        "\"shape\":[0,9],\"data_"
        "offsets\":[32,32]},"
        "\"scalar\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[32,33]}}   ",
        33);
    uint8_t *bytes = exact_copy(&b);
    struct fm_safetensors file;
    struct fathom_error err = {0};
    assert_true(fm_safetensors_from_memory(&file, "m.safetensors", bytes, b.size, &err));
    assert_int_equal(file.count, 4);
    assert_string_equal(file.list[0].name, "early");
    assert_string_equal(file.list[0].dtype, "F32");
    assert_int_equal(file.list[0].n_dims, 2);
    assert_int_equal(file.list[0].dims[1], 3);
    assert_string_equal(file.list[1].name, "late");
    assert_int_equal(file.list[1].data[0], 24);
    assert_int_equal(file.list[2].size, 0);
    assert_int_equal(file.list[3].n_dims, 0);
    fm_safetensors_free(&file);
    free(bytes);
}

#define TENSOR(name, dtype, shape, offsets) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"

static const struct {
    const char *header;
    size_t n_data;
    const char *message;
} broken[] = {
    {"[]", 0, "the header is not a JSON object"},
    {"{\"a\":", 0, "is not JSON: wrong near byte 4"},
    {"{} {}", 0, "is not JSON: something follows the value at byte 3"},
    {"{\"a\":1}", 0, "tensor a has no shape"},
    {"{\"a\":{\"shape\":[]}}", 0, "tensor a has no dtype"},
    {"{\"a\":{\"shape\":[],\"dtype\":\"U8\"}}", 0,
        "tensor a has no data_offsets of two whole numbers in order"},
    {"{" TENSOR("a", "F12", "2", "0,8") "}", 8, "tensor a has dtype F12, which does not exist"},
    {"{" TENSOR("a", "F32", "-2", "0,8") "}", 8, "tensor a has a dimension that is not a whole number"},
    {"{" TENSOR("a", "F32", "1.5", "0,8") "}", 8, "tensor a has a dimension that is not a whole number"},
    {"{" TENSOR("a", "F32", "1,1,1,1,1,1,1,1,2", "0,8") "}", 8, "tensor a has more than 8 dimensions"},
    {"{" TENSOR("a", "F32", "4294967296,4294967296", "0,8") "}", 8, "tensor a has a size past 64 bits"},
    {"{" TENSOR("a", "F64", "1152921504606846976", "0,8") "}", 8,
        "tensor a has a dimension that is not a whole number"},
    {"{" TENSOR("a", "F64", "1048576,1048576,1048576", "0,8") "}", 8,
        "tensor a has a size past 64 bits, or not of whole bytes"},
    {"{" TENSOR("a", "F4", "3", "0,2") "}", 2, "tensor a has a size past 64 bits, or not of whole bytes"},
    {"{" TENSOR("a", "F32", "2", "8,0") "}", 8, "tensor a has no data_offsets of two whole numbers in order"},
    {"{" TENSOR("a", "F32", "2", "0,8,16") "}", 8,
        "tensor a has no data_offsets of two whole numbers in order"},
    {"{" TENSOR("a", "F32", "2", "0,8") "}", 7, "tensor a reaches past the end of the file: to byte 8 of 7"},
    {"{" TENSOR("a", "F32", "3", "0,8") "}", 8,
        "tensor a has 8 bytes, expected 12 for its shape and dtype F32"},
    {"{" TENSOR("a", "F32", "2", "0,8") "," TENSOR("b", "F32", "2", "4,12") "}", 12,
        "tensors a and b overlap at offset 4"},
    {"{" TENSOR("a", "F32", "2", "0,8") "," TENSOR("b", "F32", "2", "12,20") "}", 20,
        "nothing covers the 4 bytes before tensor b"},
    {"{" TENSOR("a", "F32", "2", "0,8") "}", 9, "1 bytes follow the last tensor"},
    {"{" TENSOR("a", "F32", "2", "0,8") "," TENSOR("a", "F32", "2", "8,16") "}", 16, "tensor a occurs twice"},
    {"{" TENSOR("", "F32", "2", "0,8") "}", 8, "a tensor's name is 0 bytes long, expected 1 to 255"},
};

static void check_refused(const struct bytes *b, const char *message) {
    char expected[256];
    struct fm_safetensors file;
    struct fathom_error err = {0};
    uint8_t *bytes = exact_copy(b);
    snprintf(expected, sizeof(expected), "m.safetensors: %s", message);
    assert_false(fm_safetensors_from_memory(&file, "m.safetensors", bytes, b->size, &err));
    fm_safetensors_free(&file);
    assert_string_equal(err.message, expected);
    assert_int_equal(err.status, FATHOM_INVALID);
    free(bytes);
}

static void each_broken_file_is_named(void **state) {
    (void)state;
    struct bytes b;
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
        make(&b, broken[i].header, broken[i].n_data);
        check_refused(&b, broken[i].message);
    }
}

static void each_broken_length_is_named(void **state) {
    (void)state;
    struct bytes b = {0};
    check_refused(&b, "is not a safetensors file: it has 0 bytes");
    put(&b, NULL, 4096);
    check_refused(&b, "is not a safetensors file: its header would have 0 bytes, expected 2 to 104857600");
    b.size = 0;
    put_u64(&b, UINT64_MAX);
    check_refused(&b,
        "is not a safetensors file: its header would have 18446744073709551615 bytes, expected 2 to "
        "104857600");
    b.size = 0;
    put_u64(&b, 1000);
    put(&b, "{}", 2);
    check_refused(&b, "ends too early: a header of 1000 bytes in a file of 10");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_listed_by_place),
        cmocka_unit_test(each_broken_file_is_named),
        cmocka_unit_test(each_broken_length_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
