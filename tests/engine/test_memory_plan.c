// The plan of a model's memory: its parts and their total, the device that the model just fits, and the
// memory that engine and session take.
#include "device.h"
#include "engine/engine.h"
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

static bool inspect_of(const struct fm_plan_request *r, struct inspected *i, struct fathom_error *err) {
    const struct fathom_gpu_debug debug = {.size = sizeof(debug), .discrete = r->keep_slots};
    const struct fathom_gpu_params gpu = {
        .size = sizeof(gpu),
        .exact = r->exact,
        .device_limit = r->device_limit,
        .host_limit = r->host_limit,
        .debug = &debug,
    };
    const struct fathom_engine_params params = {
        .size = sizeof(params),
        .model = r->model,
        .gpu = &gpu,
        .n_context = r->n_context,
        .cache_8bit = r->cache_8bit,
        .experts = r->experts,
    };
    const struct fathom_machine machine = {
        .size = sizeof(machine), .gpu = r->gpu, .host_memory = r->host_memory, .rates = r->rates};
    struct fathom_inspection *inspection = fathom_model_inspect(&params, &machine, err);
    if (!inspection) return false;
    i->info = *fathom_inspection_get_info(inspection);
    i->plan = *fathom_inspection_get_plan(inspection);
    fathom_inspection_destroy(&inspection);
    return true;
}

static struct inspected inspect_with(const struct fm_plan_request *params) {
    struct fathom_error err = {0};
    struct inspected i;
    if (!inspect_of(params, &i, &err)) fail_msg("%s", err.message);
    assert_int_equal(i.plan.weights, i.info.weight_bytes);
    if (i.plan.experts == FATHOM_EXPERTS_DEVICE)
        assert_int_equal(i.plan.total, i.plan.weights + i.plan.cache + i.plan.scratch);
    assert_true(i.plan.weights > 0);
    assert_true(i.plan.cache > 0);
    assert_true(i.plan.scratch > 0);
    return i;
}

static struct inspected inspect(
    const char *model, const struct fathom_gpu_info *gpu, bool exact, uint32_t n_context) {
    return inspect_with(
        &(struct fm_plan_request){.model = model, .gpu = gpu, .exact = exact, .n_context = n_context});
}

// The plan fits a device with exactly as much memory. With one byte less a dense model does not fit, and a
// mixture takes shorter chunks.
static void fits_to_the_byte(void **state) {
    (void)state;
    struct fathom_gpu_info gpu = {
        .size = sizeof(gpu), .type = FATHOM_GPU_DISCRETE, .max_storage_range = 1u << 30};
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
            assert_int_equal(less.plan.fits, less.info.n_experts > 0);
            if (less.plan.fits) assert_in_range(less.plan.total, 1, gpu.memory_free);
            if (less.plan.fits) assert_in_range(less.plan.n_chunk, 1, roomy.plan.n_chunk / 2);
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

// ---- Models that do not fit whole
// --------------------------------------------------------------------------

static const struct fathom_gpu_info card = {.size = sizeof(card),
    .type = FATHOM_GPU_DISCRETE,
    .max_storage_range = 1u << 30,
    .memory_free = 1ull << 40,
    .memory_total = 1ull << 40};

static struct fm_plan_request limited(uint64_t device_limit, uint64_t host_limit) {
    return (struct fm_plan_request){
        .model = minnow,
        .gpu = &card,
        .n_context = 256,
        .device_limit = device_limit,
        .host_limit = host_limit,
        .host_memory = 1ull << 40,
    };
}

// From all experts down to none: the limit is kept, slots only become fewer, and the floor is the last step.
static void limits_from_all_to_none(void **state) {
    (void)state;
    struct fm_plan_request params = limited(0, 0);
    const struct inspected whole = inspect_with(&params);
    assert_int_equal(whole.plan.n_slots, whole.info.n_experts);
    uint32_t last = whole.plan.n_slots, n_sizes = 0, n_short = 0;
    uint64_t least = 0, with = 0, without = 0; // the least limit with slots, the largest without
    for (uint64_t limit = whole.plan.total + whole.plan.total / 8; limit > whole.plan.total / 8;
         limit -= 16384) {
        struct fathom_error err = {0};
        struct inspected i;
        params.device_limit = limit;
        if (!inspect_of(&params, &i, &err)) {
            assert_int_equal(err.status, FATHOM_NO_MEMORY);
            assert_non_null(strstr(err.message, "is the limit"));
            break;
        }
        least = limit;
        assert_true(i.plan.fits);
        assert_int_equal(i.plan.available, limit);
        assert_in_range(i.plan.total, 1, limit);
        if (i.plan.n_chunk == whole.plan.n_chunk) assert_in_range(i.plan.n_slots, 0, last);
        if (i.plan.n_chunk == whole.plan.n_chunk) last = i.plan.n_slots;
        if (i.plan.n_slots) assert_in_range(i.plan.n_slots, i.plan.floor, i.info.n_experts);
        if (i.plan.n_slots < i.info.n_experts) assert_int_equal(i.plan.experts, FATHOM_EXPERTS_HOST);
        n_sizes += i.plan.n_slots == i.plan.floor;
        if (i.plan.n_slots == 0) without = limit > without ? limit : without;
        if (i.plan.n_slots) with = limit;
        n_short +=
            i.plan.n_slots && i.plan.experts == FATHOM_EXPERTS_HOST && i.plan.n_chunk < whole.plan.n_chunk;
    }
    assert_true(n_sizes > 0);
    assert_true(n_short > 0);
    assert_true(without < with); // shorter chunks make room for slots, as long as there are any
    params.device_limit = least;
    const struct inspected bare = inspect_with(&params);
    assert_int_equal(bare.plan.n_slots, 0);
    assert_int_equal(bare.plan.slot_bytes, 0);
    assert_int_equal(bare.plan.n_chunk, 32);
}

static void refused(struct fm_plan_request params, enum fathom_status status, const char *text) {
    struct fathom_error err = {0};
    struct inspected i;
    assert_false(inspect_of(&params, &i, &err));
    assert_int_equal(err.status, status);
    if (!strstr(err.message, text)) fail_msg("\"%s\" lacks \"%s\"", err.message, text);
}

static void what_cannot_be_kept_is_refused(void **state) {
    (void)state;
    struct fm_plan_request p = limited(1 << 20, 0);
    refused(
        p, FATHOM_NO_MEMORY, "1.00 MiB of device memory is the limit, everything but experts needs 3.43 MiB");
    p = limited(5 << 20, 0);
    p.experts = FATHOM_EXPERTS_DEVICE;
    refused(p, FATHOM_NO_MEMORY, "experts host would fit");
    p.host_limit = 1 << 20;
    refused(p, FATHOM_NO_MEMORY, "experts disk would fit");
    p.experts = FATHOM_EXPERTS_HOST;
    refused(
        p, FATHOM_NO_MEMORY, "experts in host memory were asked for; they need 4.82 MiB, 0.56 MiB is free");
    p.experts = FATHOM_EXPERTS_AUTO;
    p.host_limit = 500 << 10; // the staging buffers take 192 KiB, a shared block 256 KiB
    refused(p, FATHOM_NO_MEMORY, "0.04 MiB is free within the limit");
    p = limited(0, 0);
    p.model = REFERENCE("v3-fp8");
    p.experts = FATHOM_EXPERTS_DISK;
    refused(p, FATHOM_UNSUPPORTED, "fathom convert from a hub folder");
    p.model = REFERENCE("llama");
    refused(p, FATHOM_INVALID, "the model has none");
    struct fathom_gpu_info small = card; // no limit of the user's: the plan says that nothing fits
    small.memory_free = 1 << 20;
    p = limited(0, 0);
    p.gpu = &small;
    struct fathom_error err = {0};
    struct inspected i;
    assert_true(inspect_of(&p, &i, &err));
    assert_false(i.plan.fits);
    assert_in_range(i.plan.fixed, 1 << 20, 8 << 20);
    p.experts = FATHOM_EXPERTS_HOST;
    refused(p, FATHOM_NO_MEMORY, "1.00 MiB of device memory is free");
}

// Experts in host memory have slots only where slots are foretold to be faster.
static void the_faster_way_over_host_memory(void **state) {
    (void)state;
    struct fm_plan_request p = limited(0, 0);
    p.experts = FATHOM_EXPERTS_HOST;
    p.rates = (struct fathom_rates){.device = 100e9, .link = 1e9, .host = 1e9, .token_seconds = 1e-9};
    const struct inspected copied = inspect_with(&p);
    assert_int_equal(copied.plan.n_slots, copied.info.n_experts - 1);
    p.rates.host = 100e9;
    const struct inspected read = inspect_with(&p);
    assert_int_equal(read.plan.n_slots, 0);
    assert_int_equal(read.plan.slot_bytes, 0);
    assert_int_equal(read.plan.total, copied.plan.total - copied.plan.slot_bytes);
    assert_true(read.plan.forecast.seconds < copied.plan.forecast.seconds);
    assert_int_equal(read.plan.n_slots_fit, copied.plan.n_slots);
    p.keep_slots = true;
    assert_int_equal(inspect_with(&p).plan.n_slots, copied.plan.n_slots);
    assert_true(read.plan.rates.disk > 0); // typical, since it was not given
}

static uint64_t taken(struct fathom_engine *engine) {
    const struct fathom_gpu_counters c = counters_of(fathom_engine_get_gpu(engine));
    return c.memory_used + c.memory_in_place;
}

// The engine takes the memory that was planned for weights, the session the memory for the cache and the
// scratch. Not planned are: vectors that are wider in memory than in the file, the rest to the next 256 bytes
// of each buffer, and the few words of a step.
static void check_taken(const char *model, struct opening opening) {
    enum { MORE_OF_WEIGHTS = 48 << 10, MORE_OF_SESSION = 8 << 10 };
    struct fathom_error err = {0};
    opening.engine.model = model;
    struct fathom_engine *engine = open_opening(opening, &err);
    if (!engine) fail_msg("%s", err.message);
    const struct fathom_memory_plan plan = *fathom_engine_get_plan(engine);
    const uint64_t weights = taken(engine);
    struct fathom_session *session = fathom_session_create(engine, NULL, &err);
    if (!session) fail_msg("%s", err.message);
    const uint64_t rest = taken(engine) - weights;
    print_message("%s, %u tokens%s: weights %llu of %llu, cache and scratch %llu of %llu\n",
        model + strlen(FATHOM_SOURCE_DIR), plan.n_context, opening.gpu.exact ? ", exact" : "",
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
        check_taken(models[i], (struct opening){.engine.n_context = 128});
        check_taken(models[i], (struct opening){.engine.n_context = 128, .gpu.exact = true});
        check_taken(models[i], (struct opening){.engine.n_context = 500});
    }
    check_taken(models[0], (struct opening){.engine.n_context = 500, .engine.cache_8bit = true});
    check_taken(minnow, (struct opening){.engine.n_context = 500});
    check_taken(minnow, (struct opening){.engine.n_context = 500, .engine.n_drafts = 2});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_to_the_byte),
        cmocka_unit_test(limits_from_all_to_none),
        cmocka_unit_test(what_cannot_be_kept_is_refused),
        cmocka_unit_test(the_faster_way_over_host_memory),
        cmocka_unit_test(takes_what_was_planned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
