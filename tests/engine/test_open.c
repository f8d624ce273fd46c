// What an engine is opened from, and what it tells of the model's text: a GGUF file in memory gives what the
// file gives; the model's sampling defaults; the tokenizer and the template give what a chat reads.
#include "convert/convert.h"
#include "device.h"
#include "engine/engine.h"
#include "engine/golden.h"
#include "file/folder.h"
#include <fathom/fathom.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
// after the standard headers
#include <cmocka.h>

enum { N_VOCAB = 768, N_PROMPT = 12, N_ANSWER = 8 };

static struct folder out;
static char gguf_path[1024];
static char *gguf; // the file's bytes, of malloc()
static size_t gguf_size;

static int make_file(void **state) {
    (void)state;
    strcpy(out.path, "/tmp/fathom-out-XXXXXX");
    if (!mkdtemp(out.path)) return -1;
    folder_file(&out, "v3.gguf", gguf_path);
    if (!fm_convert(REFERENCE "v3", gguf_path, FATHOM_Q8_0, true, NULL, NULL)) return -1;
    return (gguf = read_whole_file(gguf_path, &gguf_size)) ? 0 : -1;
}

static int remove_file(void **state) {
    (void)state;
    free(gguf);
    folder_remove(&out);
    return 0;
}

static void check_error(struct fathom_error *err, enum fathom_status status, const char *says) {
    if (!strstr(err->message, says)) fail_msg("\"%s\" does not say \"%s\"", err->message, says);
    assert_int_equal(err->status, status);
    *err = (struct fathom_error){0};
}

// ---- A model in memory -----------------------------------------------------------------------------------

struct run {
    float logits[N_PROMPT * N_VOCAB];
    int32_t answer[N_ANSWER];
    uint32_t n_answer;
    uint64_t in_place;
};

static bool keep(void *user, int32_t id) {
    struct run *run = user;
    run->answer[run->n_answer++] = id;
    return true;
}

static struct run run_engine(struct opening opening) {
    struct fathom_error err = {0};
    struct run run = {0};
    int32_t ids[N_PROMPT];
    for (int i = 0; i < N_PROMPT; i++) ids[i] = 17 * i + 3;
    struct fathom_engine *engine = open_on_device(opening, &err);
    if (!engine) fail_msg("%s", err.message);
    struct fathom_session *session = fathom_session_create(engine, NULL, &err);
    if (!session || !fathom_session_append(session, ids, N_PROMPT, run.logits, &err) ||
        !generate_of(session, NULL, N_ANSWER, keep, &run, NULL, &err))
        fail_msg("%s", err.message);
    run.in_place = counters_of(fathom_engine_get_gpu(engine)).memory_in_place;
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
    assert_null(engine);
    return run;
}

static void check_same(const struct run *a, const struct run *b) {
    assert_memory_equal(a->logits, b->logits, sizeof(a->logits));
    assert_int_equal(a->n_answer, N_ANSWER);
    assert_int_equal(b->n_answer, N_ANSWER);
    assert_memory_equal(a->answer, b->answer, sizeof(a->answer));
}

// Logits and tokens are those of the file: for memory that begins a page, as a program's own mapping does,
// and for memory at an odd address, which no device uses in place.
static void memory_gives_what_the_file_gives(void **state) {
    (void)state;
    char *page = mmap(NULL, gguf_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *odd = malloc(gguf_size + 1);
    assert_true(page != MAP_FAILED);
    assert_non_null(odd);
    memcpy(page, gguf, gguf_size);
    memcpy(odd + 1, gguf, gguf_size);
    assert_int_equal(mprotect(page, gguf_size, PROT_READ), 0);
    const struct run file = run_engine((struct opening){.engine.model = gguf_path});
    const struct run mapped =
        run_engine((struct opening){.engine.model_data = page, .engine.model_size = gguf_size});
    const struct run copied =
        run_engine((struct opening){.engine.model_data = odd + 1, .engine.model_size = gguf_size});
    check_same(&file, &mapped);
    check_same(&file, &copied);
    assert_memory_equal(page, gguf, gguf_size); // the program's memory, which the engine did not free
    assert_int_equal(mapped.in_place, file.in_place);
    assert_int_equal(copied.in_place, 0);
    print_message("%llu of %zu bytes in place\n", (unsigned long long)mapped.in_place, gguf_size);
    munmap(page, gguf_size);
    free(odd);
}

static void refuse(struct opening o, enum fathom_status status, const char *says) {
    struct fathom_error err = {0};
    assert_null(open_on_device(o, &err));
    check_error(&err, status, says);
    o.engine.size = sizeof(o.engine);
    assert_null(fathom_model_inspect(&o.engine, NULL, &err));
    if (strncmp(says, "fathom_", 7) != 0) check_error(&err, status, says);
}

static void bad_memory(void **state) {
    (void)state;
    const struct {
        size_t size;
        const char *says;
    } rows[] = {
        {1, "the model in memory: ends too early"},
        {23, "the model in memory: ends too early"},
        {100, "the model in memory: "},
        {gguf_size / 2, "the model in memory: tensor"},
        {gguf_size - 1, "the model in memory: tensor"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char *copy = malloc(rows[i].size); // AddressSanitizer sees a read past it
        assert_non_null(copy);
        memcpy(copy, gguf, rows[i].size);
        refuse((struct opening){.engine.model_data = copy, .engine.model_size = rows[i].size}, FATHOM_INVALID,
            rows[i].says);
        free(copy);
    }
    char garbage[4096];
    for (size_t i = 0; i < sizeof(garbage); i++) garbage[i] = (char)(i * 37 + 11);
    refuse((struct opening){.engine.model_data = garbage, .engine.model_size = sizeof(garbage)},
        FATHOM_INVALID, "the model in memory: is not a GGUF file");
    refuse((struct opening){.engine.model_data = garbage,
               .engine.model_size = sizeof(garbage),
               .engine.model = "descriptor 3"},
        FATHOM_INVALID, "descriptor 3: is not a GGUF file");
    // a folder of that name is no model, and is not read
    refuse(
        (struct opening){
            .engine.model_data = garbage, .engine.model_size = 64, .engine.model = REFERENCE "v3"},
        FATHOM_INVALID, "is not a GGUF file");
    refuse((struct opening){0}, FATHOM_INVALID, "fathom_engine_create: params.model is NULL");
    refuse((struct opening){.engine.model_data = garbage}, FATHOM_INVALID,
        "fathom_engine_create: params.model_size is 0");
    refuse((struct opening){.engine.model = gguf_path, .engine.model_size = 5}, FATHOM_INVALID,
        "fathom_engine_create: params.model_data is NULL");
    struct fathom_error err = {0};
    assert_null(fathom_model_inspect(&FATHOM_INIT(fathom_engine_params), NULL, &err));
    check_error(&err, FATHOM_INVALID, "fathom_model_inspect: params.model is NULL");
}

// There is no file to read experts from.
static void experts_of_memory(void **state) {
    (void)state;
    refuse(
        (struct opening){
            .engine.model_data = gguf, .engine.model_size = gguf_size, .engine.experts = FATHOM_EXPERTS_DISK},
        FATHOM_UNSUPPORTED, "the model is in memory; give the path of its file");
    const struct fathom_gpu_info card = {.size = sizeof(card),
        .type = FATHOM_GPU_DISCRETE,
        .max_storage_range = 1u << 30,
        .memory_free = 1ull << 40,
        .memory_total = 1ull << 40};
    const struct fathom_machine machine = {.size = sizeof(machine), .gpu = &card, .host_memory = 1ull << 40};
    struct fathom_engine_params params = {
        .size = sizeof(params), .model_data = gguf, .model_size = gguf_size, .experts = FATHOM_EXPERTS_HOST};
    struct fathom_error err = {0};
    struct fathom_inspection *host = fathom_model_inspect(&params, &machine, &err);
    if (!host) fail_msg("%s", err.message);
    assert_int_equal(fathom_inspection_get_plan(host)->experts, FATHOM_EXPERTS_HOST);
    fathom_inspection_destroy(&host);
    params.experts = FATHOM_EXPERTS_DISK;
    assert_null(fathom_model_inspect(&params, &machine, &err));
    check_error(&err, FATHOM_UNSUPPORTED, "the model is in memory");
    params.model_data = NULL, params.model_size = 0, params.model = gguf_path;
    struct fathom_inspection *disk = fathom_model_inspect(&params, &machine, &err);
    if (!disk) fail_msg("%s", err.message);
    fathom_inspection_destroy(&disk);
}

// ---- Sampling --------------------------------------------------------------------------------------------

struct messages {
    char text[4096];
};

static void keep_warnings(void *user, enum fathom_log_level level, const char *message) {
    struct messages *m = user;
    if (level == FATHOM_LOG_WARNING) strncat(m->text, message, sizeof(m->text) - strlen(m->text) - 1);
}

static void sampling_defaults(void **state) {
    (void)state;
    static const struct {
        const char *generation; // NULL: there is no such file
        struct fathom_sampling wanted;
        const char *warning; // NULL: none
    } rows[] = {
        {NULL, {.temperature = 0.6f, .top_p = 0.95f}, NULL},
        {"{\"eos_token_id\": 764}", {.temperature = 0.6f, .top_p = 0.95f}, NULL},
        {"{\"temperature\": 0.7, \"top_k\": 20, \"top_p\": 0.8, \"min_p\": 0.05, \"repetition_penalty\": "
         "1.05}",
            {.temperature = 0.7f, .top_k = 20, .top_p = 0.8f, .min_p = 0.05f, .repeat_penalty = 1.05f}, NULL},
        {"{\"do_sample\": false, \"temperature\": 0.7}", {.temperature = 0}, NULL},
        {"{\"do_sample\": true}", {.temperature = 1}, NULL},
        {"{\"top_k\": -1}", {.temperature = 1}, NULL},
        {"{\"temperature\": 0.3, \"top_p\": 7}", {.temperature = 0.3f},
            "key general.sampling.top_p is 7, expected 0 to 1"},
        {"{\"temperature\": -1}", {.temperature = 0.6f, .top_p = 0.95f},
            "key general.sampling.temp is -1, expected 0 to 1000"},
        {"{\"repetition_penalty\": 1e30}", {.temperature = 1}, "penalty_repeat is 1e+30"},
        {"{\"top_k\": 2000000000}", {.temperature = 1}, "top_k is 2e+09"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct folder f;
        char path[1024];
        folder_make(&f, "llama");
        folder_file(&f, "generation_config.json", path);
        if (rows[i].generation) write_bytes(path, rows[i].generation, strlen(rows[i].generation));
        struct messages warnings = {""};
        struct fathom_error err = {0};
        struct fathom_engine *engine = open_on_device(
            (struct opening){.engine.model = f.path, .gpu.log = {keep_warnings, &warnings}}, &err);
        if (!engine) fail_msg("%s", err.message);
        const struct fathom_sampling *s = fathom_engine_get_sampling(engine), *w = &rows[i].wanted;
        assert_int_equal(s->size, sizeof(*s));
        assert_true(s->temperature == w->temperature);
        assert_int_equal(s->top_k, w->top_k);
        assert_true(s->top_p == w->top_p);
        assert_true(s->min_p == w->min_p);
        assert_true(s->repeat_penalty == w->repeat_penalty);
        assert_int_equal(s->seed, 0);
        if (rows[i].warning && !strstr(warnings.text, rows[i].warning))
            fail_msg("%s: %s", rows[i].generation, warnings.text);
        if (!rows[i].warning) assert_null(strstr(warnings.text, "general.sampling"));
        fathom_engine_destroy(&engine);
        folder_remove(&f);
    }
}

// A person may edit generation_config.json: tuning files and saved sessions of the model stay good.
static void sampling_is_no_part_of_a_model(void **state) {
    (void)state;
    static const char *const texts[] = {"{}", "{\"temperature\": 0.5, \"top_k\": 3}"};
    uint64_t keys[2];
    for (int i = 0; i < 2; i++) {
        struct folder f;
        char path[1024];
        folder_make(&f, "llama");
        folder_file(&f, "generation_config.json", path);
        write_bytes(path, texts[i], strlen(texts[i]));
        struct fm_tensors *tensors = fm_tensors_open(f.path, NULL);
        assert_non_null(tensors);
        keys[i] = fm_directory_key(tensors, 0);
        fm_tensors_close(&tensors);
        folder_remove(&f);
    }
    assert_int_equal(keys[0], keys[1]);
}

// ---- Text ------------------------------------------------------------------------------------------------

// The engine's tokenizer, and the template alone, give the tokens that a chat reads.
static void text_of_an_engine(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_engine *engine =
        open_on_device((struct opening){.engine.model_data = gguf, .engine.model_size = gguf_size}, &err);
    if (!engine) fail_msg("%s", err.message);
    const struct fathom_tokenizer *tokenizer = fathom_engine_get_tokenizer(engine);
    assert_non_null(tokenizer);
    struct fathom_tokenizer *alone = fathom_tokenizer_open(gguf_path, &err);
    if (!alone) fail_msg("%s", err.message);
    assert_int_equal(fathom_tokenizer_count(tokenizer), fathom_tokenizer_count(alone));
    const struct fathom_tokenizer *both[] = {tokenizer, alone};
    struct fathom_chat *chat =
        fathom_chat_create(engine, &FATHOM_INIT(fathom_chat_params, .system = "Be kind."), &err);
    if (!chat) fail_msg("%s", err.message);
    const struct fathom_ask_params ask = {.size = sizeof(ask), .prompt_only = true};
    struct fathom_reply reply = {.size = sizeof(reply)};
    if (!fathom_chat_ask(chat, "What is 1 + 1?", &ask, &reply, &err)) fail_msg("%s", err.message);
    const struct fathom_message system = {.size = sizeof(system),
                                    .role = FATHOM_ROLE_SYSTEM,
                                    .content = "Be kind."},
                                question = {.size = sizeof(question),
                                    .role = FATHOM_ROLE_USER,
                                    .content = "What is 1 + 1?"};
    const struct fathom_message *const messages[] = {&system, &question};
    const struct fathom_conversation c = {.size = sizeof(c), .messages = messages, .n_messages = 2};
    const struct fathom_session *session = fathom_chat_get_session(chat);
    for (int i = 0; i < 2; i++) {
        struct fathom_template *t = fathom_template_create(both[i], NULL, &err);
        int32_t ids[256];
        size_t n;
        if (!t || !fathom_template_apply(t, &c, NULL, 0, NULL, ids, 256, &n, &err))
            fail_msg("%s", err.message);
        assert_int_equal(n, reply.n_prompt_ids);
        assert_int_equal(n, fathom_session_length(session));
        assert_memory_equal(ids, fathom_session_tokens(session), n * sizeof(*ids));
        fathom_template_destroy(&t);
    }
    assert_null(fathom_engine_get_tokenizer(NULL));
    fathom_tokenizer_destroy(&alone);
    fathom_chat_destroy(&chat);
    fathom_engine_destroy(&engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_gives_what_the_file_gives),
        cmocka_unit_test(bad_memory),
        cmocka_unit_test(experts_of_memory),
        cmocka_unit_test(sampling_defaults),
        cmocka_unit_test(sampling_is_no_part_of_a_model),
        cmocka_unit_test(text_of_an_engine),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
