// Tables of a model's file whose numbers are indices into other tensors: DeepSeek-V4's experts of each token.
// A number that is no expert's is refused, and the message names it. Otherwise the device could read past the
// weights.
#include "convert/convert.h"
#include "engine/golden.h"
#include "file/folder.h"
#include "file/tensors.h"
#include <fathom/fathom.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// after the standard headers
#include <cmocka.h>

enum { N_NUMBERS = 768 * 3 /* of a layer: the vocabulary's, three experts each, of 8 */ };

struct file {
    char *bytes;
    size_t size, tables[2]; // where the tables of layers 0 and 1 begin
};

static struct folder hub, out; // the model with weights of its own; its GGUF
static char weights_path[1024], gguf_path[1024];
static struct file weights, gguf;

static bool find_in_hub(void) {
    uint64_t header;
    memcpy(&header, weights.bytes, 8);
    for (int i = 0; i < 2; i++) {
        char name[64];
        unsigned long begin;
        snprintf(name, sizeof(name), "\"model.layers.%d.ffn.gate.tid2eid\"", i);
        const char *entry = strstr(weights.bytes + 8, name);
        const char *offsets = entry ? strstr(entry, "data_offsets\":[") : NULL;
        if (!offsets || sscanf(offsets, "data_offsets\":[%lu", &begin) != 1) return false;
        weights.tables[i] = 8 + header + begin;
    }
    return true;
}

static bool find_in_gguf(void) {
    struct fm_tensors *tensors = fm_tensors_open(gguf_path, NULL);
    if (!tensors) return false;
    for (int i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof(name), "blk.%d.ffn_gate_tid2eid.weight", i);
        const char *data = fm_tensor_map(tensors, fm_tensors_find(tensors, name));
        gguf.tables[i] = (size_t)(data - (const char *)fm_tensors_around(tensors, data).data);
    }
    fm_tensors_close(&tensors);
    return true;
}

static int make_files(void **state) {
    (void)state;
    folder_make(&hub, "v4");
    folder_file(&hub, "model.safetensors", weights_path);
    strcpy(out.path, "/tmp/fathom-out-XXXXXX");
    if (!mkdtemp(out.path)) return -1;
    folder_file(&out, "v4.gguf", gguf_path);
    weights.bytes = read_whole_file(weights_path, &weights.size);
    if (!weights.bytes || unlink(weights_path)) return -1;
    if (!fm_convert(REFERENCE "v4", gguf_path, FATHOM_F16, true, NULL, NULL)) return -1;
    gguf.bytes = read_whole_file(gguf_path, &gguf.size);
    return gguf.bytes && find_in_hub() && find_in_gguf() ? 0 : -1;
}

static int remove_files(void **state) {
    (void)state;
    folder_remove(&hub);
    folder_remove(&out);
    free(weights.bytes);
    free(gguf.bytes);
    return 0;
}

// Writes the file with one number changed.
static void change(
    const struct file *file, const char *path, int layer, uint32_t place, int64_t number, size_t width) {
    char before[8], *at = file->bytes + file->tables[layer] + place * width;
    memcpy(before, at, width);
    memcpy(at, &number, width); // little-endian
    write_bytes(path, file->bytes, file->size);
    memcpy(at, before, width);
}

// With `says` NULL, the model must be loaded.
static void check_start(const char *model, int layer, const char *says) {
    struct fathom_error err = {0};
    char name[64];
    snprintf(name, sizeof(name), "blk.%d.ffn_gate_tid2eid.weight", layer);
    const struct fathom_engine_params params = {.size = sizeof(params), .model = model, .n_context = 64};
    struct fathom_engine *engine = fathom_engine_create(&params, &err);
    if (!says && !engine) fail_msg("%s", err.message);
    if (says && engine) fail_msg("%s was loaded; it should say \"%s\"", model, says);
    if (says && (!strstr(err.message, model) || !strstr(err.message, name) || !strstr(err.message, says)))
        fail_msg("\"%s\" does not name %s, %s and \"%s\"", err.message, model, name, says);
    if (says) assert_int_equal(err.status, FATHOM_INVALID);
    fathom_engine_destroy(&engine);
}

static const struct {
    int layer;
    uint32_t place;
    int64_t number;
    const char *says;
} in_both[] =
    {
        {0, 0, 7, NULL},
        {1, N_NUMBERS - 1, 0, NULL},
        {0, 0, 8, "names expert 8 of 8"},
        {0, N_NUMBERS - 1, 8, "names expert 8 of 8"},
        {1, 0, 100000, "names expert 100000 of 8"},
        {1, N_NUMBERS - 1, INT32_MAX, "names expert 2147483647 of 8"},
},
  in_gguf[] =
      {
          {0, 1, -1, "names expert -1 of 8"},
          {1, 2, INT32_MIN, "names expert -2147483648 of 8"},
},
  in_hub[] = {
      // 64 bits: no number may become small by a cut to 32 bits
      {0, 1, -1, "names expert 2147483647 of 8"},
      {0, 2, 1ll << 32, "names expert 2147483647 of 8"},
      {1, N_NUMBERS - 1, INT64_MIN + 3, "names expert 2147483647 of 8"},
};

static void experts_of_tokens(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(in_both) / sizeof(*in_both); i++) {
        change(&gguf, gguf_path, in_both[i].layer, in_both[i].place, in_both[i].number, 4);
        check_start(gguf_path, in_both[i].layer, in_both[i].says);
        change(&weights, weights_path, in_both[i].layer, in_both[i].place, in_both[i].number, 8);
        check_start(hub.path, in_both[i].layer, in_both[i].says);
    }
    for (size_t i = 0; i < sizeof(in_gguf) / sizeof(*in_gguf); i++) {
        change(&gguf, gguf_path, in_gguf[i].layer, in_gguf[i].place, in_gguf[i].number, 4);
        check_start(gguf_path, in_gguf[i].layer, in_gguf[i].says);
    }
    for (size_t i = 0; i < sizeof(in_hub) / sizeof(*in_hub); i++) {
        change(&weights, weights_path, in_hub[i].layer, in_hub[i].place, in_hub[i].number, 8);
        check_start(hub.path, in_hub[i].layer, in_hub[i].says);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(experts_of_tokens)};
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
