// A fault in the middle: the call that met it says so, and the next one gives what it gives without faults.
// Runs under the layer of layer.c.
#include "device.h"
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
// after the standard headers
#include <cmocka.h>

enum { N_IDS = 5, N_VOCAB_MOST = 4096 };
static const int32_t ids[N_IDS] = {3, 1, 4, 1, 5};
static void (*fault_plan)(const char *fault, const char *calls);
static float wanted[N_IDS * N_VOCAB_MOST], got[N_IDS * N_VOCAB_MOST];
static size_t size; // of the logits, in bytes

static struct fathom_engine *open_engine(void) {
    struct fathom_error err = {0};
    struct fathom_engine *engine = fathom_engine_create(
        &FATHOM_INIT(fathom_engine_params, .model = FATHOM_SOURCE_DIR "/tests/data/reference/qwen2",
            .n_context = 128, .gpu = &FATHOM_INIT(fathom_gpu_params, .timers = true)),
        &err);
    if (!engine) fail_msg("%s", err.message);
    return engine;
}

static struct fathom_session *open_session(struct fathom_engine *engine) {
    struct fathom_error err = {0};
    struct fathom_session *session = fathom_session_create(engine, NULL, &err);
    if (!session) fail_msg("%s", err.message);
    return session;
}

static int find_logits(void **state) {
    (void)state;
    void *layer = dlopen(getenv("FAULT_LAYER"), RTLD_NOW);
    if (!layer) return -1;
    *(void **)&fault_plan = dlsym(layer, "fault_plan");
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_engine();
    const uint32_t n_vocab = fathom_engine_get_info(engine)->n_vocab;
    struct fathom_session *session = open_session(engine);
    size = sizeof(*wanted) * N_IDS * n_vocab;
    const bool ok = n_vocab <= N_VOCAB_MOST && fathom_session_append(session, ids, N_IDS, wanted, &err);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
    return ok && fault_plan ? 0 : -1;
}

static void the_next_call_is_right(void **state) {
    (void)state;
    static const struct {
        const char *fault, *call;
    } faults[] = {
        {"host@1", "vkCreateComputePipelines"},
        {"device@2", "vkCreateComputePipelines"},
        {"host@1", "vkCreateShaderModule"},
        {"host@1", "vkCreatePipelineLayout"},
        {"device@2", "vkCreateDescriptorSetLayout"},
        {"host@1", "vkCreateDescriptorPool"},
        {"pool@3", "vkAllocateDescriptorSets"},
        {"host@1", "vkAllocateCommandBuffers"},
        {"host@1", "vkBeginCommandBuffer"},
        {"device@1", "vkEndCommandBuffer"},
        {"device@1", "vkQueueSubmit"},
        {"host@1", "vkWaitSemaphores"},
        {"host@1", "vkCreateQueryPool"},
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
        struct fathom_error err = {0};
        struct fathom_engine *engine = open_engine();
        fault_plan(faults[i].fault, faults[i].call);
        struct fathom_session *session = fathom_session_create(engine, NULL, &err);
        const bool failed = !session || !fathom_session_append(session, ids, N_IDS, got, &err);
        fault_plan(NULL, NULL);
        if (!failed) fail_msg("%s of %s was not met", faults[i].fault, faults[i].call);
        if (!strstr(err.message, faults[i].call)) fail_msg("%s: %s", faults[i].call, err.message);
        err = (struct fathom_error){0};
        if (!session) session = open_session(engine);
        assert_true(fathom_session_truncate(session, 0, &err));
        if (!fathom_session_append(session, ids, N_IDS, got, &err))
            fail_msg("after %s: %s", faults[i].call, err.message);
        assert_memory_equal(got, wanted, size);
        fathom_session_destroy(&session);
        fathom_engine_destroy(&engine);
    }
}

static void a_lost_device_says_why(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_engine();
    struct fathom_session *session = open_session(engine);
    fault_plan("lost@1", "vkQueueSubmit");
    assert_false(fathom_session_append(session, ids, N_IDS, got, &err));
    assert_int_equal(err.status, FATHOM_DEVICE_LOST);
    for (int i = 0; i < 2; i++) {
        err = (struct fathom_error){0};
        assert_false(fathom_session_append(session, ids, N_IDS, got, &err));
        assert_int_equal(err.status, FATHOM_DEVICE_LOST);
        assert_non_null(strstr(err.message, "lost earlier"));
        assert_non_null(strstr(err.message, "vkQueueSubmit"));
    }
    fault_plan(NULL, NULL);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

// The loss is met by a destroy, which has no error: the next call must say it, and not wait anew.
static void a_loss_while_freeing_is_kept(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = fathom_gpu_create(
        &FATHOM_INIT(fathom_gpu_params, .debug = &FATHOM_INIT(fathom_gpu_debug, .discrete = true)), &err);
    if (!gpu) fail_msg("%s", err.message);
    struct fathom_buffer *buffer = fathom_buffer_create(gpu, 1 << 20, FATHOM_MEMORY_DEVICE, &err);
    if (!buffer) fail_msg("%s", err.message);
    fault_plan("lost@1", "vkGetSemaphoreCounterValue");
    fathom_buffer_destroy(&buffer);
    assert_false(fathom_gpu_wait(gpu, 0, &err));
    fault_plan(NULL, NULL);
    assert_int_equal(err.status, FATHOM_DEVICE_LOST);
    assert_non_null(strstr(err.message, "lost earlier"));
    assert_non_null(strstr(err.message, "vkGetSemaphoreCounterValue"));
    fathom_gpu_destroy(&gpu);
}

// Drivers that refuse the pages of a file, and drivers that take them and lose the device at the submit that
// reads them: the gpu works, without mapped files in place.
static void a_gpu_does_without_imports(void **state) {
    (void)state;
    static const struct {
        const char *fault, *call;
    } faults[] = {
        {"host@1", "vkGetMemoryHostPointerPropertiesEXT"},
        {"handle@2", "vkAllocateMemory"}, // 1: the marks
        {"device@1", "vkQueueSubmit"},
        {"lost@1", "vkQueueSubmit"},
        {"lost@1", "vkWaitSemaphores"},
    };
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = fathom_gpu_create(NULL, &err);
    if (!gpu) fail_msg("%s", err.message);
    assert_true(fathom_gpu_get_info(gpu)->max_import > 0);
    fathom_gpu_destroy(&gpu);
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
        fault_plan(faults[i].fault, faults[i].call);
        gpu = fathom_gpu_create(NULL, &err);
        fault_plan(NULL, NULL);
        if (!gpu) fail_msg("%s of %s: %s", faults[i].fault, faults[i].call, err.message);
        if (fathom_gpu_get_info(gpu)->max_import) fail_msg("%s was not met", faults[i].call);
        assert_int_equal(counters_of(gpu).device_allocated, 0);
        struct fathom_stream *stream = fathom_stream_create(gpu, &err);
        struct fathom_buffer *a = fathom_buffer_create(gpu, 4096, FATHOM_MEMORY_HOST, &err),
                             *b = fathom_buffer_create(gpu, 4096, FATHOM_MEMORY_HOST, &err);
        if (!stream || !a || !b) fail_msg("%s", err.message);
        uint64_t ticket = 0;
        memset(fathom_buffer_map(a), 7, 4096);
        fathom_stream_copy(stream, fathom_buffer_view(a), fathom_buffer_view(b));
        if (!fathom_stream_finish(stream, &err) || !fathom_stream_submit(stream, &ticket, &err) ||
            !fathom_gpu_wait(gpu, ticket, &err))
            fail_msg("after %s of %s: %s", faults[i].fault, faults[i].call, err.message);
        assert_memory_equal(fathom_buffer_map(a), fathom_buffer_map(b), 4096);
        fathom_stream_destroy(&stream);
        fathom_buffer_destroy(&b);
        fathom_buffer_destroy(&a);
        fathom_gpu_destroy(&gpu);
    }
}

static void times_are_whole_or_none(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_engine();
    struct fathom_session *session = open_session(engine);
    if (!fathom_session_append(session, ids, N_IDS, NULL, &err)) fail_msg("%s", err.message);
    fault_plan("not-ready@3", "vkGetQueryPoolResults");
    assert_int_equal(fathom_session_read_timings(session, false), 0);
    fault_plan(NULL, NULL);
    assert_true(fathom_session_read_timings(session, false) > 3);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_call_is_right),
        cmocka_unit_test(a_lost_device_says_why),
        cmocka_unit_test(a_loss_while_freeing_is_kept),
        cmocka_unit_test(a_gpu_does_without_imports),
        cmocka_unit_test(times_are_whole_or_none),
    };
    return cmocka_run_group_tests(tests, find_logits, NULL);
}
