// What devices.cmake says of a test's device, besides the driver, which the loader finds; and short forms of
// public calls.
#ifndef TEST_DEVICE_H
#define TEST_DEVICE_H
#include <fathom/debug.h>
#include <stdlib.h>

// The device called "card" is lavapipe with this variable set.
static inline bool device_is_card(void) {
    return getenv("FATHOM_TEST_CARD") != NULL;
}

// Parameters for the test's device. *debug is filled from params.debug, and the result points to it.
static inline struct fathom_gpu_params device_params(
    struct fathom_gpu_params params, struct fathom_gpu_debug *debug) {
    *debug = params.debug ? *params.debug : FATHOM_INIT(fathom_gpu_debug);
    debug->discrete |= device_is_card();
    debug->short_submits |= device_is_card();
    params.debug = debug;
    return params;
}

// The parameters of an engine in one struct, whose pointers open_opening() sets.
struct opening {
    struct fathom_engine_params engine;
    struct fathom_gpu_params gpu;
    struct fathom_gpu_debug debug;
};

static inline struct fathom_engine *open_opening(struct opening o, struct fathom_error *err) {
    o.engine.size = sizeof(o.engine), o.gpu.size = sizeof(o.gpu), o.debug.size = sizeof(o.debug);
    o.gpu.debug = &o.debug;
    o.engine.gpu = &o.gpu;
    return fathom_engine_create(&o.engine, err);
}
// The same on the test's device.
static inline struct fathom_engine *open_on_device(struct opening o, struct fathom_error *err) {
    o.debug.discrete |= device_is_card();
    o.debug.short_submits |= device_is_card();
    return open_opening(o, err);
}

static inline struct fathom_gpu_counters counters_of(const struct fathom_gpu *gpu) {
    struct fathom_gpu_counters counters = {.size = sizeof(counters)};
    fathom_gpu_get_counters(gpu, &counters);
    return counters;
}
static inline struct fathom_gpu_memory memory_of(const struct fathom_gpu *gpu) {
    struct fathom_gpu_memory memory = {.size = sizeof(memory)};
    fathom_gpu_get_memory(gpu, &memory);
    return memory;
}
static inline struct fathom_session_stats stats_of(const struct fathom_session *session) {
    struct fathom_session_stats stats = {.size = sizeof(stats)};
    fathom_session_get_stats(session, &stats);
    return stats;
}
static inline struct fathom_expert_stats expert_stats_of(const struct fathom_session *session) {
    struct fathom_expert_stats stats = {.size = sizeof(stats)};
    fathom_session_get_expert_stats(session, &stats);
    return stats;
}

// sampling NULL: greedy.
static inline bool generate_of(struct fathom_session *session, const struct fathom_sampling *sampling,
    uint32_t max_tokens, bool (*on_token)(void *user, int32_t id), void *user, uint32_t *n_generated,
    struct fathom_error *err) {
    const struct fathom_sampling greedy = {.size = sizeof(greedy)};
    const struct fathom_generate_params params = {
        .size = sizeof(params),
        .sampling = sampling ? sampling : &greedy,
        .max_tokens = max_tokens,
        .on_token = on_token,
        .user = user,
    };
    return fathom_session_generate(session, &params, n_generated, err);
}
// sampling: greedy.
static inline bool ask_of(struct fathom_chat *chat, const char *question, uint32_t max_tokens,
    struct fathom_reply *reply, struct fathom_error *err) {
    const struct fathom_sampling greedy = {.size = sizeof(greedy)};
    const struct fathom_ask_params params = {
        .size = sizeof(params), .sampling = &greedy, .max_tokens = max_tokens};
    if (reply) reply->size = sizeof(*reply);
    return fathom_chat_ask(chat, question, &params, reply, err);
}
#endif
