// Wrong use of the public functions, and what becomes of the caller's error.
#include "device.h"
#include <fathom/convert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// cmocka needs the four above
#include <cmocka.h>

#define DEMO FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf"

static struct {
    struct fathom_engine *engine;
    struct fathom_gpu *gpu;
    struct fathom_session *session;
    struct fathom_chat *chat;
    struct fathom_buffer *buffer;
    struct fathom_weight *weight;
    struct fathom_stream *stream;
} made;

static int make(void **state) {
    (void)state;
    struct fathom_error err = {0};
    made.engine = open_on_device((struct opening){.engine = {.model = DEMO, .n_context = 128}}, &err);
    if (!made.engine) return -1;
    made.gpu = fathom_engine_get_gpu(made.engine);
    made.session = fathom_session_create(made.engine, NULL, &err);
    made.chat = fathom_chat_create(made.engine, NULL, &err);
    made.buffer = fathom_buffer_create(made.gpu, 4096, FATHOM_MEMORY_DEVICE, &err);
    made.weight = fathom_weight_create(made.gpu, FATHOM_F32, 1, 8, 32, &err);
    made.stream = fathom_stream_create(made.gpu, &err);
    return made.session && made.chat && made.buffer && made.weight && made.stream ? 0 : -1;
}

static int destroy(void **state) {
    (void)state;
    fathom_stream_destroy(&made.stream);
    fathom_weight_destroy(&made.weight);
    fathom_buffer_destroy(&made.buffer);
    fathom_chat_destroy(&made.chat);
    fathom_session_destroy(&made.session);
    fathom_engine_destroy(&made.engine);
    return 0;
}

static void is_invalid(const char *call, bool ok, const struct fathom_error *err, const char *says) {
    if (ok) fail_msg("%s has not failed", call);
    if (err->status != FATHOM_INVALID) fail_msg("%s: status %d, \"%s\"", call, err->status, err->message);
    if (!strstr(err->message, says)) fail_msg("%s: \"%s\" and not \"%s\"", call, err->message, says);
}

// A call with NULL fails, also without an error to set; the error that was there before is gone.
#define REFUSED(says, ...) \
    do { \
        struct fathom_error err = {FATHOM_IO, "an older failure"}; \
        is_invalid(#__VA_ARGS__, (__VA_ARGS__), &err, says); \
    } while (0)

static void null_objects(void **state) {
    (void)state;
    const struct fathom_view view = fathom_buffer_view(made.buffer);
    const int32_t ids[1] = {5};
    char data[4096];
    uint64_t ticket;
    REFUSED("params is NULL", fathom_engine_create(NULL, &err));
    REFUSED("params.model is NULL", fathom_engine_create(&FATHOM_INIT(fathom_engine_params), &err));
    REFUSED("params is NULL", fathom_model_inspect(NULL, NULL, &err));
    REFUSED("params.model is NULL", fathom_model_inspect(&FATHOM_INIT(fathom_engine_params), NULL, &err));
    REFUSED("fathom_session_create: engine is NULL", fathom_session_create(NULL, NULL, &err));
    REFUSED("fathom_chat_create: engine is NULL", fathom_chat_create(NULL, NULL, &err));
    REFUSED("engine is NULL", fathom_engine_tune(NULL, NULL, &err));
    REFUSED("engine is NULL", fathom_engine_get_expert_stats(NULL, &FATHOM_INIT(fathom_expert_stats), &err));
    REFUSED("stats is NULL", fathom_engine_get_expert_stats(made.engine, NULL, &err));
    REFUSED("session is NULL", fathom_session_sync(NULL, ids, 1, NULL, &err));
    REFUSED("ids is NULL", fathom_session_sync(made.session, NULL, 1, NULL, &err));
    REFUSED("session is NULL", fathom_session_truncate(NULL, 0, &err));
    REFUSED("session is NULL", fathom_session_append(NULL, ids, 1, NULL, &err));
    REFUSED("ids is NULL", fathom_session_append(made.session, NULL, 1, NULL, &err));
    REFUSED("ids is NULL", fathom_session_append_decode(made.session, NULL, 1, NULL, &err));
    REFUSED("session is NULL", fathom_session_get_logits(NULL, (float *)data, &err));
    REFUSED("logits is NULL", fathom_session_get_logits(made.session, NULL, &err));
    REFUSED(
        "session is NULL", fathom_session_generate(NULL, &FATHOM_INIT(fathom_generate_params), NULL, &err));
    REFUSED("params is NULL", fathom_session_generate(made.session, NULL, NULL, &err));
    REFUSED("params.on_token is NULL",
        fathom_session_generate(
            made.session, &FATHOM_INIT(fathom_generate_params, .max_tokens = 1), NULL, &err));
    REFUSED("session is NULL", fathom_session_fork(NULL, &err));
    REFUSED("session is NULL", fathom_session_save(NULL, "x", &err));
    REFUSED("path is NULL", fathom_session_save(made.session, NULL, &err));
    REFUSED("engine is NULL", fathom_session_restore(NULL, "x", NULL, &err));
    REFUSED("path is NULL", fathom_session_restore(made.engine, NULL, NULL, &err));
    REFUSED("chat is NULL", fathom_chat_ask(NULL, "x", NULL, NULL, &err));
    REFUSED("chat is NULL", fathom_chat_regenerate(NULL, NULL, NULL, &err));
    REFUSED("chat is NULL", fathom_chat_add(NULL, &FATHOM_INIT(fathom_message), &err));
    REFUSED("message is NULL", fathom_chat_add(made.chat, NULL, &err));
    REFUSED("message.tool_calls is NULL",
        fathom_chat_add(
            made.chat, &FATHOM_INIT(fathom_message, .role = FATHOM_ROLE_ASSISTANT, .n_tool_calls = 1), &err));
    REFUSED("chat is NULL", fathom_chat_truncate(NULL, 0, &err));
    REFUSED("chat is NULL", fathom_chat_drop_oldest(NULL, 1, NULL, &err));
    REFUSED("chat is NULL", fathom_chat_fork(NULL, &err));
    REFUSED("chat is NULL", fathom_chat_save(NULL, "x", &err));
    REFUSED("path is NULL", fathom_chat_save(made.chat, NULL, &err));
    REFUSED("path is NULL", fathom_chat_restore(made.engine, NULL, NULL, &err));
    REFUSED("path is NULL", fathom_tokenizer_open(NULL, &err));
    REFUSED("tokenizer is NULL", fathom_detokenizer_create(NULL, false, &err));
    REFUSED("tokenizer is NULL", fathom_template_create(NULL, NULL, &err));
    REFUSED("params is NULL", fathom_convert(NULL, &err));
    REFUSED("params is NULL", fathom_quantize(NULL, NULL, &err));
    REFUSED("gpu is NULL", fathom_buffer_create(NULL, 4, FATHOM_MEMORY_HOST, &err));
    REFUSED("gpu is NULL", fathom_upload(NULL, view, data, &err));
    REFUSED("data is NULL", fathom_upload(made.gpu, view, NULL, &err));
    REFUSED("buffer is NULL", fathom_upload(made.gpu, (struct fathom_view){0}, data, &err));
    REFUSED("data is NULL", fathom_download(made.gpu, view, NULL, &err));
    REFUSED("buffer is NULL", fathom_download(made.gpu, (struct fathom_view){0}, data, &err));
    REFUSED("gpu is NULL", fathom_weight_create(NULL, FATHOM_F32, 1, 1, 4, &err));
    REFUSED("gpu is NULL", fathom_weight_create_host(NULL, FATHOM_F32, 1, 1, 4, &err));
    REFUSED("data is NULL",
        fathom_weight_create_in_place(
            made.gpu, FATHOM_F32, 1, 1, 4, NULL, (struct fathom_host_range){data, 64}, &err));
    REFUSED("weight is NULL", fathom_weight_upload(made.gpu, NULL, 0, 1, data, &err));
    REFUSED("data is NULL", fathom_weight_upload(made.gpu, made.weight, 0, 1, NULL, &err));
    REFUSED("gpu is NULL", fathom_stream_create(NULL, &err));
    REFUSED("stream is NULL", fathom_stream_finish(NULL, &err));
    REFUSED("stream is NULL", fathom_stream_submit(NULL, &ticket, &err));
    REFUSED("stream is NULL", fathom_stream_submit_part(NULL, 0, &ticket, &err));
    REFUSED("gpu is NULL", fathom_gpu_wait(NULL, 0, &err));
    assert_null(fathom_session_create(NULL, NULL, NULL)); // and without an error
}

static void getters_of_nothing(void **state) {
    (void)state;
    assert_null(fathom_engine_get_info(NULL));
    assert_null(fathom_engine_get_plan(NULL));
    assert_null(fathom_engine_get_gpu(NULL));
    assert_null(fathom_engine_get_tokenizer(NULL));
    assert_null(fathom_engine_get_sampling(NULL));
    assert_null(fathom_engine_get_tuned(NULL, 0));
    assert_int_equal(fathom_engine_count_tuned(NULL), 0);
    assert_null(fathom_gpu_get_info(NULL));
    assert_null(fathom_gpu_list_get(NULL, 0));
    assert_int_equal(fathom_gpu_list_count(NULL), 0);
    assert_int_equal(fathom_session_length(NULL), 0);
    assert_int_equal(fathom_session_context(NULL), 0);
    assert_null(fathom_session_tokens(NULL));
    assert_int_equal(fathom_session_read_timings(NULL, true), 0);
    assert_null(fathom_chat_get_session(NULL));
    assert_null(fathom_chat_get(NULL, 0));
    assert_int_equal(fathom_chat_count(NULL), 0);
    assert_null(fathom_buffer_map(NULL));
    assert_null(fathom_inspection_get_info(NULL));
    assert_int_equal(fathom_stream_parts(NULL), 0);
    fathom_gpu_get_counters(made.gpu, NULL);
    fathom_gpu_get_counters(NULL, &FATHOM_INIT(fathom_gpu_counters));
    fathom_chat_clear(NULL);
    fathom_stream_begin(NULL);
    fathom_stream_cut(NULL, 0);
    fathom_stream_copy(NULL, fathom_buffer_view(made.buffer), fathom_buffer_view(made.buffer));
    assert_null(fathom_token_bytes(NULL, 0, NULL));
    assert_non_null(fathom_token_bytes(fathom_engine_get_tokenizer(made.engine), 65, NULL));
    fathom_engine_destroy(NULL);
    fathom_gpu_destroy(NULL);
    fathom_session_destroy(NULL);
    fathom_chat_destroy(NULL);
    fathom_buffer_destroy(NULL);
    fathom_weight_destroy(NULL);
    fathom_stream_destroy(NULL);
    fathom_gpu_list_destroy(NULL);
    fathom_inspection_destroy(NULL);
}

static void refuse_stream(enum fathom_status status, const char *says) {
    struct fathom_error err = {0};
    assert_false(fathom_stream_finish(made.stream, &err));
    assert_int_equal(err.status, status);
    if (!strstr(err.message, says)) fail_msg("\"%s\" and not \"%s\"", err.message, says);
}

static bool never(void *user, enum fathom_phase phase, uint64_t done, uint64_t total) {
    (void)user, (void)phase, (void)done, (void)total;
    return false;
}

// Parameters by size: 0, those of an earlier and of a later version of the library.
static void sizes(void **state) {
    (void)state;
    REFUSED("params.size is 0", fathom_session_create(made.engine, &(struct fathom_session_params){0}, &err));
    REFUSED("params.size is 0", fathom_engine_create(&(struct fathom_engine_params){.model = DEMO}, &err));
    REFUSED("params.size is 0", fathom_gpu_create(&(struct fathom_gpu_params){0}, &err));
    REFUSED("stats.size is 0",
        fathom_engine_get_expert_stats(made.engine, &(struct fathom_expert_stats){0}, &err));
    // half a pointer, and sizes that nobody has set
    REFUSED("params.size is 12",
        fathom_engine_create(&(struct fathom_engine_params){.size = 12, .model = DEMO}, &err));
    REFUSED("params.size is",
        fathom_session_create(
            made.engine, &(struct fathom_session_params){.size = (size_t)made.engine & ~(size_t)7}, &err));
    struct {
        struct fathom_session_params params;
        uint64_t later;
    } longer = {.params = {.size = sizeof(longer), .n_context = 64}};
    struct fathom_error err = {0};
    struct fathom_session *s = fathom_session_create(made.engine, &longer.params, &err);
    if (!s) fail_msg("%s", err.message);
    assert_int_equal(fathom_session_context(s), 64);
    fathom_session_destroy(&s);
    longer.later = 1;
    assert_null(fathom_session_create(made.engine, &longer.params, &err));
    assert_int_equal(err.status, FATHOM_UNSUPPORTED);
    const struct fathom_session_params shorter = {
        .size = offsetof(struct fathom_session_params, progress), .n_context = 64, .progress.report = never};
    s = fathom_session_create(made.engine, &shorter, &err); // progress is not read
    if (!s) fail_msg("%s", err.message);
    fathom_session_destroy(&s);
    struct fathom_gpu_counters c;
    memset(&c, 0x55, sizeof(c));
    c.size = offsetof(struct fathom_gpu_counters, recorded);
    fathom_gpu_get_counters(made.gpu, &c);
    assert_int_equal(c.size, offsetof(struct fathom_gpu_counters, recorded));
    assert_int_equal(c.recorded, 0x5555555555555555u); // no byte behind the size is written
    assert_true(c.submits != 0x5555555555555555u);

    fathom_stream_begin(made.stream);
    fathom_embed(made.stream, &(struct fathom_embed_params){.w = made.weight});
    refuse_stream(FATHOM_INVALID, "embed: params.size is 0");
    fathom_stream_begin(made.stream);
    fathom_matmul(made.stream, NULL);
    refuse_stream(FATHOM_INVALID, "matmul: params is NULL");
    fathom_matmul(NULL, NULL);
}

static void numbers_of_no_enum(void **state) {
    (void)state;
    const struct fathom_engine_params params = FATHOM_INIT(fathom_engine_params, .model = DEMO);
    struct fathom_engine_params bad = params;
    bad.experts = FATHOM_EXPERTS_DISK + 1;
    REFUSED("params.experts is 4", fathom_engine_create(&bad, &err));
    REFUSED("params.experts is 4", fathom_model_inspect(&bad, NULL, &err));
    bad = params;
    bad.tuning = (enum fathom_tuning) - 1;
    REFUSED("params.tuning is -1", fathom_engine_create(&bad, &err));
}

static void exact_in_8_bits(void **state) {
    (void)state;
    const struct fathom_gpu_params gpu = FATHOM_INIT(fathom_gpu_params, .exact = true);
    const struct fathom_engine_params params =
        FATHOM_INIT(fathom_engine_params, .model = DEMO, .gpu = &gpu, .cache_8bit = true);
    REFUSED("exact mode keeps float32", fathom_engine_create(&params, &err));
    REFUSED("exact mode keeps float32", fathom_model_inspect(&params, NULL, &err));
}

// A prompt that fills the context exactly leaves no position for an answer.
static void prompt_of_the_context(void **state) {
    (void)state;
    struct fathom_error err = {0};
    uint32_t n = 0;
    assert_true(fathom_chat_count_tokens(made.chat, "x", NULL, &n, NULL, &err));
    const struct fathom_session_params session = FATHOM_INIT(fathom_session_params, .n_context = n);
    struct fathom_chat *chat =
        fathom_chat_create(made.engine, &FATHOM_INIT(fathom_chat_params, .session = &session), &err);
    assert_non_null(chat);
    REFUSED("and the answer needs one at least", fathom_chat_ask(chat, "x", NULL, NULL, &err));
    fathom_chat_destroy(&chat);
}

static void output_without_name(void **state) {
    (void)state;
    REFUSED("the name of the output is empty", fathom_session_save(made.session, "", &err));
    REFUSED("the name of the output is empty", fathom_chat_save(made.chat, "", &err));
}

// A call that succeeds leaves the error as it was; one that fails sets it anew.
static void errors(void **state) {
    (void)state;
    const int32_t ids[] = {1, 2, 3};
    struct fathom_error err = {FATHOM_IO, "an older failure"};
    uint64_t ticket;
    uint32_t value;
    assert_true(fathom_session_append(made.session, ids, 3, NULL, &err));
    assert_true(fathom_session_truncate(made.session, 0, &err));
    assert_true(fathom_chat_count_tokens(made.chat, "x", NULL, &value, NULL, &err));
    assert_true(fathom_chat_count_tokens(made.chat, "x", NULL, NULL, &value, &err));
    assert_true(ask_of(made.chat, "How much is 3 + 4?", 4, NULL, &err));
    struct fathom_session *fork = fathom_session_fork(made.session, &err);
    assert_non_null(fork);
    fathom_session_destroy(&fork);
    struct fathom_engine *engine =
        open_on_device((struct opening){.engine = {.model = DEMO, .n_context = 128}}, &err);
    assert_non_null(engine);
    fathom_engine_destroy(&engine);
    fathom_stream_begin(made.stream);
    assert_true(fathom_stream_finish(made.stream, &err));
    assert_true(fathom_stream_submit(made.stream, &ticket, &err));
    assert_true(fathom_gpu_wait(made.gpu, ticket, &err));
    assert_int_equal(err.status, FATHOM_IO);
    assert_string_equal(err.message, "an older failure");
    assert_false(fathom_session_truncate(made.session, 9, &err));
    assert_int_equal(err.status, FATHOM_INVALID);
    assert_non_null(strstr(err.message, "truncate"));
    assert_null(fathom_tokenizer_open("/nowhere", &err));
    assert_int_equal(err.status, FATHOM_IO);
    assert_non_null(strstr(err.message, "/nowhere"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_objects),
        cmocka_unit_test(getters_of_nothing),
        cmocka_unit_test(sizes),
        cmocka_unit_test(numbers_of_no_enum),
        cmocka_unit_test(exact_in_8_bits),
        cmocka_unit_test(prompt_of_the_context),
        cmocka_unit_test(output_without_name),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, make, destroy);
}
