// Files for the tokenizer tests.
#ifndef TEST_TEXT_SUPPORT_H
#define TEST_TEXT_SUPPORT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST_REFERENCE FATHOM_SOURCE_DIR "/tests/data/reference"

// The contents of a file, ended by a zero; NULL: there is no file. free() the result.
static inline char *read_file(const char *path, size_t *length) {
    *length = 0;
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    text[size] = 0;
    fclose(file);
    *length = (size_t)size;
    return text;
}

// The same for a file that must be there.
static inline char *need_file(const char *path, size_t *length) {
    char *text = read_file(path, length);
    if (!text) fail_msg("%s is missing", path);
    return text;
}
#endif
