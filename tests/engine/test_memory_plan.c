// The plan of a model's memory: its parts and their total, the device that the model just fits, and the
// memory that engine and session take.
#include <fathom/fathom.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// after the standard headers
#include <cmocka.h>

#define REFERENCE(name) FATHOM_SOURCE_DIR "/tests/data/reference/" name
static const char v4[] = REFERENCE("v4"), minnow[] = FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf";
static const char *const models[] = {
    // one model of every architecture
    REFERENCE("v2-lite"),
    REFERENCE("v2"),
    REFERENCE("v3"),
    REFERENCE("v3-fp8"),
    REFERENCE("v32"),
    v4,
    REFERENCE("llama"),
    REFERENCE("qwen2"),
    REFERENCE("qwen3"),
};
enum { N_MODELS = sizeof(models) / sizeof(*models) };

struct inspected {
    struct fathom_model_info info;
    struct fathom_memory_plan plan;
};

static struct inspected inspect(
    const char *model, const struct fathom_gpu_info *gpu, bool exact, uint32_t n_context) {
    struct fathom_error err = {0};
    struct inspected i;
    if (!fathom_model_inspect(
            &(struct fathom_inspect_params){
                .model = model, .gpu = gpu, .exact = exact, .n_context = n_context},
            &i.info, &i.plan, &err))
        fail_msg("%s", err.message);
    assert_int_equal(i.plan.weights, i.info.weight_bytes);
    if (i.plan.experts == FATHOM_EXPERTS_DEVICE)
        assert_int_equal(i.plan.total, i.plan.weights + i.plan.cache + i.plan.scratch);
    assert_true(i.plan.weights > 0);
    assert_true(i.plan.cache > 0);
    assert_true(i.plan.scratch > 0);
    return i;
}

// The plan fits a device with exactly as much memory. With one byte less a dense model does not fit, and a
// mixture keeps some experts in host memory.
static void fits_to_the_byte(void **state) {
    (void)state;
    struct fathom_gpu_info gpu = {.type = FATHOM_GPU_DISCRETE, .max_storage_range = 1u << 30};
    for (size_t m = 0; m < N_MODELS; m++)
        for (int exact = 0; exact < 2; exact++) {
            gpu.memory_free = 1ull << 40;
            const struct inspected roomy = inspect(models[m], &gpu, exact, 256);
            assert_true(roomy.plan.fits);
            assert_int_equal(roomy.plan.available, gpu.memory_free);
            gpu.memory_free = roomy.plan.total;
            const struct inspected exactly = inspect(models[m], &gpu, exact, 256);
            assert_true(exactly.plan.fits);
            assert_int_equal(exactly.plan.experts, FATHOM_EXPERTS_DEVICE);
            assert_int_equal(exactly.plan.n_slots, exactly.info.n_experts);
            gpu.memory_free--;
            const struct inspected less = inspect(models[m], &gpu, exact, 256);
            if (less.info.n_experts) { // some of the experts do not fit
                assert_true(less.plan.fits);
                assert_int_equal(less.plan.experts, FATHOM_EXPERTS_HOST);
                assert_true(less.plan.n_slots < less.info.n_experts);
                assert_in_range(less.plan.total, 1, gpu.memory_free);
            } else {
                assert_false(less.plan.fits);
            }
            const struct inspected none = inspect(models[m], NULL, exact, 256);
            assert_false(none.plan.fits);
            assert_int_equal(none.plan.available, 0);
            // twice the context takes twice the cache; DeepSeek-V4's cache grows less
            const struct inspected twice = inspect(models[m], NULL, exact, 512);
            if (models[m] != v4) assert_int_equal(none.plan.cache, 256 * none.info.cache_bytes_per_token);
            if (models[m] != v4) assert_int_equal(twice.plan.cache, 512 * none.info.cache_bytes_per_token);
            assert_int_equal(twice.plan.weights, none.plan.weights);
        }
}

static uint64_t taken(struct fathom_engine *engine) {
    const struct fathom_gpu_counters c = fathom_gpu_get_counters(fathom_engine_get_gpu(engine));
    return c.memory_used + c.memory_in_place;
}

// The engine takes the memory that was planned for weights, the session the memory for the cache and the
// scratch. Not planned are: vectors that are wider in memory than in the file, the rest to the next 256 bytes
// of each buffer, and the few words of a step.
static void check_taken(const char *model, struct fathom_engine_params params) {
    enum { MORE_OF_WEIGHTS = 48 << 10, MORE_OF_SESSION = 8 << 10 };
    struct fathom_error err = {0};
    params.model = model;
    struct fathom_engine *engine = fathom_engine_create(&params, &err);
    if (!engine) fail_msg("%s", err.message);
    const struct fathom_memory_plan plan = *fathom_engine_get_plan(engine);
    const uint64_t weights = taken(engine);
    struct fathom_session *session = fathom_session_create(engine, NULL, &err);
    if (!session) fail_msg("%s", err.message);
    const uint64_t rest = taken(engine) - weights;
    print_message("%s, %u tokens%s: weights %llu of %llu, cache and scratch %llu of %llu\n",
        model + strlen(FATHOM_SOURCE_DIR), plan.n_context, params.gpu.exact ? ", exact" : "",
        (unsigned long long)weights, (unsigned long long)plan.weights, (unsigned long long)rest,
        (unsigned long long)(plan.cache + plan.scratch));
    assert_int_equal(plan.total, plan.weights + plan.cache + plan.scratch);
    assert_in_range(weights, plan.weights, plan.weights + MORE_OF_WEIGHTS);
    assert_in_range(rest, plan.cache + plan.scratch, plan.cache + plan.scratch + MORE_OF_SESSION);
    fathom_session_destroy(&session);
    assert_int_equal(taken(engine), weights);
    fathom_engine_destroy(&engine);
}

static void takes_what_was_planned(void **state) {
    (void)state;
    for (size_t i = 0; i < N_MODELS; i++) {
        check_taken(models[i], (struct fathom_engine_params){.n_context = 128});
        check_taken(models[i], (struct fathom_engine_params){.n_context = 128, .gpu.exact = true});
        check_taken(models[i], (struct fathom_engine_params){.n_context = 500});
    }
    check_taken(models[0], (struct fathom_engine_params){.n_context = 500, .cache_8bit = true});
    check_taken(minnow, (struct fathom_engine_params){.n_context = 500});
    check_taken(minnow, (struct fathom_engine_params){.n_context = 500, .n_drafts = 2});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_to_the_byte),
        cmocka_unit_test(takes_what_was_planned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
