// Reads a tensor of a golden.safetensors file (trusted data of our own), and hashes results.
#ifndef TEST_GOLDEN_H
#define TEST_GOLDEN_H
#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline char *read_whole_file(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*size + 1);
    if (data && fread(data, 1, *size, f) != *size) {
        free(data);
        data = NULL;
    }
    if (data) data[*size] = 0;
    fclose(f);
    return data;
}

// A copy of the tensor's bytes (4 a value), and the number of values. NULL: the file or the tensor is
// missing. free() the copy.
static inline void *golden_tensor(const char *path, const char *name, size_t *n_values) {
    size_t size;
    char *file = read_whole_file(path, &size);
    uint64_t header;
    if (!file) return NULL;
    memcpy(&header, file, 8);
    cJSON *json = cJSON_ParseWithLength(file + 8, header);
    const cJSON *offsets = cJSON_GetObjectItem(cJSON_GetObjectItem(json, name), "data_offsets");
    void *copy = NULL;
    if (offsets) {
        const size_t begin = (size_t)cJSON_GetArrayItem(offsets, 0)->valuedouble,
                     end = (size_t)cJSON_GetArrayItem(offsets, 1)->valuedouble;
        copy = malloc(end - begin);
        memcpy(copy, file + 8 + header + begin, end - begin);
        *n_values = (end - begin) / 4;
    }
    cJSON_Delete(json);
    free(file);
    return copy;
}

// FNV-1a over 32-bit words. Equal bits have equal hashes.
static inline uint64_t hash_floats(const float *values, size_t n) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, values + i, 4);
        hash = (hash ^ word) * 0x100000001b3u;
    }
    return hash;
}
#endif
