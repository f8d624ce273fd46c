// The host's memory in place: weights that lie in a mapped file, and what a device can import.
#include "gpu/support.h"
#include <sys/mman.h>

enum { PAGE = 4096, RANGE = 4 * PAGE };

// A file of pseudo-random bytes, mapped like a model: read-only, so that a write would end the test.
static struct fathom_host_range map_file(uint64_t size) {
    char path[] = "/tmp/fathom-in-place-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    uint8_t *bytes = malloc(size);
    for (uint64_t i = 0; i < size; i++) bytes[i] = (uint8_t)((i + 1) * 0x9e3779b97f4a7c15u >> 56);
    assert_int_equal(write(fd, bytes, size), size);
    free(bytes);
    void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(data != MAP_FAILED);
    close(fd);
    return (struct fathom_host_range){data, (size + PAGE - 1) / PAGE * PAGE};
}

// Computes y = x with the shader, which reads x as operators read weights.
static void read_words(struct fathom_gpu *gpu, struct fathom_view x, uint32_t *words) {
    struct fathom_error err = {0};
    const uint32_t n = (uint32_t)(x.size / 4);
    struct fathom_buffer *y = fathom_buffer_create(gpu, x.size, FATHOM_MEMORY_DEVICE, &err);
    struct fathom_stream *stream = y ? fathom_stream_create(gpu, &err) : NULL;
    check(stream != NULL, &err);
    record_affine(stream, x, fathom_buffer_view(y), (struct affine_args){n, 1, 0});
    run_stream(gpu, stream);
    check(fathom_download(gpu, fathom_buffer_view(y), words, &err), &err);
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&y);
}

// One weight in place of the file's bytes at `at`: the slices cover the weight, and the device reads the
// file's bytes.
static void in_place(struct fathom_gpu *gpu, struct fathom_host_range file, uint64_t at,
    enum fathom_type type, uint32_t n_mats, uint32_t n_rows, uint32_t n_cols) {
    struct fathom_error err = {0};
    const uint8_t *data = (const uint8_t *)file.data + at;
    const uint64_t row = fathom_row_size(type, n_cols), used = counters_of(gpu).memory_in_place;
    struct fathom_weight *w =
        fathom_weight_create_in_place(gpu, type, n_mats, n_rows, n_cols, data, file, &err);
    check(w != NULL, &err);
    assert_true(counters_of(gpu).memory_in_place >= used + n_mats * n_rows * row);
    uint8_t *got = malloc(RANGE);
    uint32_t next = 0;
    for (uint32_t i = 0; i < w->n_slices; i++) {
        const struct fathom_slice *v = &w->slices[i];
        assert_int_equal(v->first_row, next);
        if (n_mats > 1) assert_int_equal(v->n_rows % n_rows, 0);
        assert_in_range(v->view.size, v->n_rows * row, gpu->info.max_storage_range);
        read_words(gpu, v->view, (uint32_t *)got);
        assert_memory_equal(got, data + next * row, v->n_rows * row);
        memset(got, 0, RANGE);
        check(fathom_download(gpu, v->view, got, &err), &err);
        assert_memory_equal(got, data + next * row, v->n_rows * row);
        next += v->n_rows;
    }
    assert_int_equal(next, n_mats * n_rows);
    assert_false(fathom_weight_upload(gpu, w, 0, 1, got, &err)); // the mapped file is read-only
    assert_int_equal(err.status, FATHOM_INVALID);
    free(got);
    fathom_weight_destroy(&w);
    assert_int_equal(counters_of(gpu).memory_in_place, used);
}

static void refuse_in_place_of(struct fathom_gpu *gpu, const void *data, struct fathom_host_range readable,
    uint32_t n_mats, uint32_t n_rows) {
    struct fathom_error err = {0};
    const struct fathom_gpu_counters before = counters_of(gpu);
    assert_null(fathom_weight_create_in_place(gpu, FATHOM_F32, n_mats, n_rows, 64, data, readable, &err));
    assert_int_equal(err.status, FATHOM_UNSUPPORTED);
    assert_int_equal(counters_of(gpu).memory_in_place, before.memory_in_place);
    assert_int_equal(counters_of(gpu).memory_allocated, before.memory_allocated);
}

static void refuse_in_place(
    struct fathom_gpu *gpu, const void *data, struct fathom_host_range readable, uint32_t n_rows) {
    refuse_in_place_of(gpu, data, readable, 1, n_rows);
}

static void test_in_place(void **state) {
    (void)state;
    struct fathom_gpu *gpu = create_gpu(
        &FATHOM_INIT(fathom_gpu_params, .debug = &FATHOM_INIT(fathom_gpu_debug, .max_storage_range = RANGE)));
    if (gpu->import_alignment == 0) {
        fathom_gpu_destroy(&gpu);
        skip();
    }
    const uint64_t size = 50 * PAGE + 123, align = gpu->info.storage_alignment;
    const struct fathom_host_range file = map_file(size);
    const uint8_t *data = file.data;
    in_place(gpu, file, 0, FATHOM_F32, 1, 10, 64);                 // one slice, at the file's start
    in_place(gpu, file, PAGE + 3 * align, FATHOM_F32, 1, 300, 36); // several, from inside a page
    in_place(gpu, file, 3 * align, FATHOM_Q8_0, 1, 501,
        96); // rows of 102 bytes: a slice starts at every 8th or more
    in_place(gpu, file, align, FATHOM_Q4_0, 21, 32, 96); // whole matrices
    in_place(gpu, file, 7 * align, FATHOM_BF16, 9, 20, 100);
    refuse_in_place_of(
        gpu, data + 7 * align, file, 9, 40); // a slice that is a page shorter holds no whole matrix
    in_place(gpu, file, size / align * align - 256 * align, FATHOM_F32, 1, (uint32_t)align,
        64);                                                 // to the last bytes
    refuse_in_place(gpu, data + align + 4, file, 10);        // a binding may not start there
    refuse_in_place(gpu, data + file.size - 256, file, 1);   // decoders read the next word, which is missing
    refuse_in_place(gpu, data + file.size + align, file, 1); // outside
    refuse_in_place(gpu, data + align, (struct fathom_host_range){data + align, file.size - align},
        1); // its page is outside the mapping
    gpu->max_imports = gpu->n_imports;
    refuse_in_place(gpu, data, file, 1); // the driver's allocations are used up
    munmap((void *)(uintptr_t)file.data, size);
    fathom_gpu_destroy(&gpu);
}

static void fill(uint32_t *words, uint64_t n, uint64_t seed) {
    for (uint64_t i = 0; i < n; i++) words[i] = (uint32_t)((seed + i) * 0x9e3779b97f4a7c15u >> 32);
}

// A file larger than the device's heaps, of holes with a mark here and there. The device reads it, in slices
// of as much as it binds, and the file counts against no heap.
static void test_in_place_beyond_the_heap(void **state) {
    (void)state;
    enum { N_COLS = 1024 /* a row is a page */, N_MARKS = 40 };
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = create_gpu(NULL);
    if (gpu->info.max_import == 0) {
        fathom_gpu_destroy(&gpu);
        skip();
    }
    const uint64_t heap = gpu->info.memory_total, size = (heap + heap / 8 + (1ull << 30)) / PAGE * PAGE;
    char path[] = "/tmp/fathom-in-place-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    uint32_t marks[N_COLS], got[N_COLS];
    for (uint64_t i = 0; i < N_MARKS; i++) {
        fill(marks, N_COLS, i);
        assert_int_equal(
            pwrite(fd, marks, sizeof(marks), (off_t)(i * (size / PAGE - 1) / (N_MARKS - 1) * PAGE)), PAGE);
    }
    void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(data != MAP_FAILED);
    close(fd);
    const struct fathom_host_range file = {data, size};
    const uint64_t allocated = counters_of(gpu).memory_allocated, usage = memory_of(gpu).device_usage;
    const uint32_t most = 1u << 20; // rows of one weight: 4 GiB
    uint32_t n_marks = 0, n_weights = 0;
    struct fathom_weight *weights[256];
    // the word after the last row is outside the file, so its last page is in no weight
    for (uint64_t row = 0; row < size / PAGE - 1; row += most) {
        const uint32_t n = size / PAGE - 1 - row < most ? (uint32_t)(size / PAGE - 1 - row) : most;
        assert_true(n_weights < 256);
        struct fathom_weight *w = fathom_weight_create_in_place(
            gpu, FATHOM_F32, 1, n, N_COLS, (const char *)data + row * PAGE, file, &err);
        check(w != NULL, &err);
        weights[n_weights++] = w;
    }
    assert_true(counters_of(gpu).memory_in_place > heap);
    assert_int_equal(counters_of(gpu).memory_allocated, allocated);
    assert_true(memory_of(gpu).device_usage < usage + heap / 2);
    for (uint32_t i = 0; i < n_weights; i++)
        for (uint32_t k = 0; k < weights[i]->n_slices; k++) {
            const struct fathom_slice *s = &weights[i]->slices[k];
            assert_true(s->view.size <= gpu->info.max_import);
            for (uint64_t m = 0; m < N_MARKS; m++) {
                const uint64_t row = m * (size / PAGE - 1) / (N_MARKS - 1),
                               first = (uint64_t)i * most + s->first_row;
                if (row < first || row >= first + s->n_rows) continue;
                read_words(gpu, (struct fathom_view){s->view.buffer, (row - first) * PAGE, PAGE}, got);
                fill(marks, N_COLS, m);
                assert_memory_equal(got, marks, PAGE);
                n_marks++;
            }
        }
    assert_int_equal(n_marks, N_MARKS - 1); // the last mark is in the last page
    for (uint32_t i = 0; i < n_weights; i++) fathom_weight_destroy(&weights[i]);
    munmap(data, size);
    fathom_gpu_destroy(&gpu);
}

// What the list of devices says before a gpu exists, and what the gpu says.
static void test_max_import(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = fathom_gpu_create(NULL, &err);
    check(gpu != NULL, &err);
    const uint64_t most = fathom_gpu_get_info(gpu)->max_import;
    struct fathom_gpu_list *list = fathom_gpu_list_create(&err);
    check(list != NULL, &err);
    assert_int_equal(fathom_gpu_list_get(list, gpu->info.index)->max_import, most);
    fathom_gpu_list_destroy(&list);
    assert_int_equal(most > 0, gpu->import_alignment > 0);
    assert_true(most <= gpu->info.max_allocation);
    assert_int_equal(counters_of(gpu).submits, 0);
    assert_int_equal(counters_of(gpu).memory_in_place, 0);
    fathom_gpu_destroy(&gpu);
    gpu = create_gpu(&FATHOM_INIT(
        fathom_gpu_params, .debug = &FATHOM_INIT(fathom_gpu_debug, .disabled_caps = FATHOM_CAP_HOST_IMPORT)));
    assert_int_equal(fathom_gpu_get_info(gpu)->max_import, 0);
    fathom_gpu_destroy(&gpu);
    gpu = create_gpu(
        &FATHOM_INIT(fathom_gpu_params, .debug = &FATHOM_INIT(fathom_gpu_debug, .discrete = true)));
    assert_int_equal(fathom_gpu_get_info(gpu)->max_import, 0);
    fathom_gpu_destroy(&gpu);
}

// A device may read a mapped file, and never write to it.
static void test_in_place_is_read_only(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = create_gpu(NULL);
    const struct fathom_host_range file = map_file(4 * PAGE);
    struct fathom_buffer *x = fm_buffer_import(gpu, file.data, PAGE, file),
                         *y = fathom_buffer_create(gpu, PAGE, FATHOM_MEMORY_DEVICE, &err);
    struct fathom_stream *stream = fathom_stream_create(gpu, &err);
    check(y && stream, &err);
    if (x) {
        record_affine(stream, fathom_buffer_view(y), fathom_buffer_view(x), (struct affine_args){4, 1, 0});
        assert_false(fathom_stream_finish(stream, &err));
        assert_non_null(strstr(err.message, "only read"));
        err = (struct fathom_error){0};
        fathom_stream_begin(stream);
        fathom_stream_copy(stream, fathom_buffer_view(y), fathom_buffer_view(x));
        assert_false(fathom_stream_finish(stream, &err));
        assert_false(fathom_upload(gpu, fathom_buffer_view(x), file.data, NULL));
    }
    fathom_stream_destroy(&stream);
    fathom_buffer_destroy(&y);
    fathom_buffer_destroy(&x);
    munmap((void *)(uintptr_t)file.data, 4 * PAGE);
    fathom_gpu_destroy(&gpu);
}

static VkResult refuse_pointer(VkDevice device, VkExternalMemoryHandleTypeFlagBits type, const void *pointer,
    VkMemoryHostPointerPropertiesEXT *properties) {
    (void)device, (void)type, (void)pointer, (void)properties;
    return VK_ERROR_INVALID_EXTERNAL_HANDLE;
}

static void test_in_place_refused(void **state) {
    (void)state;
    const struct fathom_host_range file = map_file(4 * PAGE);
    struct fathom_gpu *gpu = create_gpu(&FATHOM_INIT(fathom_gpu_params,
        .debug = &FATHOM_INIT(fathom_gpu_debug, .disabled_caps = FATHOM_CAP_HOST_IMPORT))); // no extension
    refuse_in_place(gpu, file.data, file, 4);
    fathom_gpu_destroy(&gpu);
    gpu = create_gpu(NULL);
    gpu->vk.vkGetMemoryHostPointerPropertiesEXT =
        refuse_pointer; // like drivers that take only anonymous memory
    refuse_in_place(gpu, file.data, file, 4);
    assert_int_equal(gpu->import_alignment, 0); // no other import is tried
    refuse_in_place(gpu, file.data, file, 4);
    gpu->info.unified_memory = false; // a card
    refuse_in_place(gpu, file.data, file, 4);
    fathom_gpu_destroy(&gpu);
    munmap((void *)(uintptr_t)file.data, 4 * PAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_in_place_beyond_the_heap),
        cmocka_unit_test(test_max_import),
        cmocka_unit_test(test_in_place_is_read_only),
        cmocka_unit_test(test_in_place_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
