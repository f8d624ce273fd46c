// What goes wrong with a model whose experts are not all in device memory: reads that fail, a file that is
// cut short, settings that cannot be kept. The message names the thing, the process lives, and what is asked
// for afterwards is right, in the same session and in a new engine. The device pretends to be a card.
#include "device.h"
#include "engine/golden.h"
#include "faults/failing_fs.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
// after the standard headers
#include <cmocka.h>

#define MINNOW FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf"
#define REFERENCE(name) FATHOM_SOURCE_DIR "/tests/data/reference/" name
#define KIB 1024ull
#define MIB (1024 * KIB)
enum { N_PROMPT = 24, N_NEW = 8, N_CONTEXT = 128 };

static char folder[] = "/tmp/fathom-slot-failures-XXXXXX";
static struct failing_fs file_fs, mirror_fs; // both serve MINNOW
static const char *no_fs;                    // why there are none
static struct fathom_memory_plan whole;      // of MINNOW with all experts in device memory
static int32_t wanted[N_NEW];

struct setup {
    const char *model, *mirror;
    uint64_t device_limit, host_limit;
    enum fathom_experts experts;
    uint32_t n_drafts;
};

static char warnings[1024]; // what the engine logged

static void keep_warning(void *user, enum fathom_log_level level, const char *message) {
    (void)user;
    const size_t n = strlen(warnings);
    if (level == FATHOM_LOG_WARNING) snprintf(warnings + n, sizeof(warnings) - n, "%s\n", message);
}

static struct fathom_engine *create(const struct setup *s, struct fathom_error *err) {
    warnings[0] = 0;
    *err = (struct fathom_error){0};
    const struct opening opening = {
        .engine.model = s->model,
        .engine.mirror = s->mirror,
        .engine.n_context = N_CONTEXT,
        .engine.n_drafts = s->n_drafts,
        .engine.experts = s->experts,
        .gpu.exact = true,
        .gpu.device_limit = s->device_limit,
        .gpu.host_limit = s->host_limit,
        .gpu.log.write = keep_warning,
        .debug.discrete = true,
    };
    return open_opening(opening, err);
}

static struct fathom_engine *must_create(const struct setup *s) {
    struct fathom_error err;
    struct fathom_engine *engine = create(s, &err);
    if (!engine) fail_msg("%s: %s", s->model, err.message);
    return engine;
}

static struct fathom_session *open_session(struct fathom_engine *engine) {
    struct fathom_error err = {0};
    struct fathom_session *session =
        fathom_session_create(engine, &FATHOM_INIT(fathom_session_params, .n_chunk = 16), &err);
    if (!session) fail_msg("%s", err.message);
    return session;
}

static bool collect(void *user, int32_t id) {
    int32_t **next = user;
    *(*next)++ = id;
    return true;
}

static bool read_prompt(struct fathom_session *session, struct fathom_error *err) {
    int32_t prompt[N_PROMPT];
    for (int i = 0; i < N_PROMPT; i++) prompt[i] = (i * 7919 + i * i * 31) % 760;
    *err = (struct fathom_error){0};
    return fathom_session_append(session, prompt, N_PROMPT, NULL, err);
}

static bool generate(struct fathom_session *session, int32_t *ids, struct fathom_error *err) {
    uint32_t n;
    *err = (struct fathom_error){0};
    memset(ids, 0xff, N_NEW * sizeof(*ids));
    return generate_of(session, NULL, N_NEW, collect, &ids, &n, err);
}

// What the session gives from the beginning is right.
static void is_right(struct fathom_session *session) {
    struct fathom_error err = {0};
    int32_t ids[N_NEW];
    assert_true(fathom_session_truncate(session, 0, &err));
    if (!read_prompt(session, &err) || !generate(session, ids, &err)) fail_msg("%s", err.message);
    assert_memory_equal(ids, wanted, sizeof(wanted));
}

static void works(const struct setup *s) {
    struct fathom_engine *engine = must_create(s);
    struct fathom_session *session = open_session(engine);
    is_right(session);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

static void says(const struct fathom_error *err, enum fathom_status status, const char *a, const char *b) {
    assert_int_equal(err->status, status);
    if (!strstr(err->message, a)) fail_msg("\"%s\" lacks \"%s\"", err->message, a);
    if (!strstr(err->message, b)) fail_msg("\"%s\" lacks \"%s\"", err->message, b);
}

static void copy_file(const char *from, const char *to, size_t length) {
    size_t size = 0;
    char *data = read_whole_file(from, &size);
    FILE *f = fopen(to, "r+b"); // the file that is there stays the file
    if (!f) f = fopen(to, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, length ? length : size, f), length ? length : size);
    fclose(f);
    free(data);
}

static const char *in_folder(const char *name) {
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

// Device memory for everything but the experts, and for this share of the experts.
static uint64_t share(double experts) {
    return whole.total - whole.expert_bytes + (uint64_t)(experts * (double)whole.expert_bytes);
}

// ---- Reads that fail -------------------------------------------------------------------------------------

// Few homes, none, and slots that all layers share.
static const struct {
    double share;
    uint64_t host_limit;
    uint32_t n_drafts;
} places[] = {{0.3, 3 * MIB, 0}, {0.3, 1400 * KIB, 0}, {0.02, 1400 * KIB, 0}, {0.3, 1400 * KIB, 2}};
enum { N_PLACES = sizeof(places) / sizeof(*places) };

static struct setup on_disk(const char *model, size_t place) {
    return (struct setup){
        .model = model,
        .device_limit = share(places[place].share),
        .host_limit = places[place].host_limit,
        .n_drafts = places[place].n_drafts,
        .experts = FATHOM_EXPERTS_DISK,
    };
}

// A file that is cut short while the model runs, and is whole again later.
static void test_cut_short(void **state) {
    (void)state;
    for (size_t i = 0; i < N_PLACES; i++) {
        const char *path = in_folder("cut.gguf");
        struct fathom_error err;
        int32_t ids[N_NEW];
        copy_file(MINNOW, path, 0);
        const struct setup setup = on_disk(path, i);
        struct fathom_engine *engine = must_create(&setup);
        struct fathom_session *session = open_session(engine);
        if (!read_prompt(session, &err)) fail_msg("%s", err.message);
        // the beginning stays, which has the directory
        assert_int_equal(truncate(path, 256 * KIB), 0);
        for (int again = 0; again < 2; again++) {
            assert_false(generate(session, ids, &err));
            says(&err, FATHOM_IO, path, "shorter");
        }
        assert_true(fathom_session_truncate(session, 0, &err));
        assert_false(read_prompt(session, &err));
        says(&err, FATHOM_IO, path, "shorter");
        assert_null(create(&setup, &err));
        says(&err, FATHOM_INVALID, path, "");
        works(&(struct setup){.model = MINNOW});
        copy_file(MINNOW, path, 0);
        is_right(session);
        fathom_session_destroy(&session);
        fathom_engine_destroy(&engine);
        works(&setup);
        unlink(path);
    }
}

static void need_fs(void) {
    if (!no_fs) return;
    print_message("skipped: %s\n", no_fs);
    skip();
}

// Read k of the prompt, or of the tokens, fails; then reads work again.
static void test_read_error(void **state) {
    (void)state;
    need_fs();
    for (size_t i = 0; i < N_PLACES; i++) {
        const struct setup setup = on_disk(file_fs.path, i);
        struct fathom_engine *engine = must_create(&setup);
        struct fathom_session *session = open_session(engine);
        is_right(session);
        uint32_t n_failed[2] = {0};
        for (int part = 0; part < 2; part++) // prompt, tokens
            for (uint32_t k = 1; k < 100; k *= 2) {
                struct fathom_error err = {0};
                int32_t ids[N_NEW];
                fathom_session_truncate(session, 0, &err);
                if (part == 1 && !read_prompt(session, &err)) fail_msg("%s", err.message);
                failing_fs_fail(&file_fs, k, 1);
                const bool ok = part == 0 ? read_prompt(session, &err) : generate(session, ids, &err);
                const bool met = file_fs.control->n_reads >= k;
                failing_fs_fail(&file_fs, 0, 0);
                assert_int_equal(ok, !met);
                if (ok) break;
                n_failed[part]++;
                says(&err, FATHOM_IO, file_fs.path, "Input/output error");
                // the same text goes on from where the error came
                if (part == 0 && !read_prompt(session, &err)) fail_msg("%s", err.message);
                const uint32_t length = fathom_session_length(session) - N_PROMPT;
                assert_memory_equal(fathom_session_tokens(session) + N_PROMPT, wanted, 4 * length);
                if (!generate(session, ids, &err)) fail_msg("%s", err.message);
                assert_memory_equal(ids, wanted + length, 4 * (N_NEW - length));
            }
        print_message("place %zu: %u failures in prompts, %u in tokens\n", i, n_failed[0], n_failed[1]);
        assert_true(n_failed[0] > 2);
        assert_true(n_failed[1] > 2);
        fathom_session_destroy(&session);
        fathom_engine_destroy(&engine);
    }
}

// The reads of a round end in another order than they began, and much later than the last of them.
static void test_late_reads(void **state) {
    (void)state;
    need_fs();
    const struct setup setup = on_disk(file_fs.path, 1);
    struct fathom_engine *engine = must_create(&setup);
    struct fathom_session *session = open_session(engine);
    file_fs.control->reversed = true;
    is_right(session);
    file_fs.control->reversed = false;
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

// Reads that fail for good: the engine fails, and another file works.
static void test_broken_disk(void **state) {
    (void)state;
    need_fs();
    struct fathom_error err;
    const struct setup setup = on_disk(file_fs.path, 0);
    struct fathom_engine *engine = must_create(&setup);
    struct fathom_session *session = open_session(engine);
    failing_fs_fail(&file_fs, 1, UINT32_MAX);
    for (int again = 0; again < 3; again++) {
        assert_false(read_prompt(session, &err));
        says(&err, FATHOM_IO, file_fs.path, "Input/output error");
        assert_int_equal(fathom_session_length(session), 0);
    }
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
    failing_fs_fail(&file_fs, 0, 0);
    works(&setup);
}

// A mirror that fails is left, and the file gives everything; then both fail.
static void test_mirror(void **state) {
    (void)state;
    need_fs();
    for (uint32_t k = 1; k < 30; k += 11) {
        struct fathom_error err;
        struct setup setup = on_disk(file_fs.path, 1);
        setup.mirror = mirror_fs.path;
        struct fathom_engine *engine = must_create(&setup);
        struct fathom_session *session = open_session(engine);
        file_fs.control->reversed = true; // a slow drive, so that the mirror is read
        is_right(session);
        assert_string_equal(warnings, "");
        failing_fs_fail(&mirror_fs, k, UINT32_MAX);
        is_right(session);
        file_fs.control->reversed = false;
        if (!strstr(warnings, mirror_fs.path)) fail_msg("read %u: \"%s\" lacks the mirror", k, warnings);
        if (!strstr(warnings, "Input/output error")) fail_msg("\"%s\" lacks the error", warnings);
        assert_null(strchr(strchr(warnings, '\n') + 1, '\n')); // said once
        failing_fs_fail(&file_fs, k, UINT32_MAX);
        fathom_session_truncate(session, 0, &err);
        assert_false(read_prompt(session, &err));
        says(&err, FATHOM_IO, file_fs.path, "Input/output error");
        failing_fs_fail(&file_fs, 0, 0);
        failing_fs_fail(&mirror_fs, 0, 0);
        is_right(session);
        fathom_session_destroy(&session);
        fathom_engine_destroy(&engine);
    }
}

// ---- The program -----------------------------------------------------------------------------------------

// Runs the program with both outputs in `text`. Returns its exit code; -1: it was killed.
static int run_program(const char *program, const char *model, const char *experts, char *text, size_t size) {
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1), dup2(ends[1], 2);
        close(ends[0]), close(ends[1]);
        execl(program, program, "run", model, "-p", "2+3", "-n", "3", "--raw", "--greedy", "--no-tune",
            "--discrete", "--experts", experts, "--vram", "14MiB", "--ram", "10MiB", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t n; (n = read(ends[0], text + length, size - 1 - length)) > 0;) length += (size_t)n;
    text[length] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Where experts are copied to host memory, the load reads the mapped file: a failure is a message all the
// same.
static void test_program(void **state) {
    (void)state;
    need_fs();
    const char *program = getenv("FATHOM_PROGRAM");
    if (!program) {
        print_message("skipped: FATHOM_PROGRAM names no program\n");
        skip();
    }
    static const char *const experts[] = {"host", "disk"};
    for (size_t i = 0; i < 2; i++) {
        char text[4096];
        uint32_t n_failed = 0;
        for (uint32_t k = 1; k < 1000; k *= 2) {
            // for good: a page that the kernel reads ahead is read again when it is needed
            failing_fs_fail(&file_fs, k, UINT32_MAX);
            const int code = run_program(program, file_fs.path, experts[i], text, sizeof(text));
            const bool met = file_fs.control->n_reads >= k;
            failing_fs_fail(&file_fs, 0, 0);
            if (!met) break;
            n_failed++;
            if (code != 1) fail_msg("experts %s, read %u: exit code %d: %s", experts[i], k, code, text);
            if (!strstr(text, file_fs.path)) fail_msg("\"%s\" lacks %s", text, file_fs.path);
        }
        print_message("experts %s: %u failures\n", experts[i], n_failed);
        assert_true(n_failed > 3);
        assert_int_equal(run_program(program, file_fs.path, experts[i], text, sizeof(text)), 0);
    }
}

// ---- Settings that cannot be kept ------------------------------------------------------------------------

static void test_settings(void **state) {
    (void)state;
    const char *flipped = in_folder("flipped.gguf"), *cut = in_folder("short.gguf");
    char twin[160], empty[160];
    snprintf(twin, sizeof(twin), "%s/twin", folder);
    snprintf(empty, sizeof(empty), "%s/twin/minnow-q8_0.gguf", folder);
    mkdir(twin, 0700);
    mkdir(empty, 0700); // a folder in the place of the copy
    copy_file(MINNOW, flipped, 0);
    FILE *f = fopen(flipped, "r+b");
    assert_non_null(f);
    fseek(f, 40000, SEEK_SET);
    fputc(fgetc(f) ^ 1, f);
    fclose(f);
    copy_file(MINNOW, cut, 4 * MIB);
    const enum fathom_experts host = FATHOM_EXPERTS_HOST, disk = FATHOM_EXPERTS_DISK;
    const struct {
        struct setup setup;
        enum fathom_status status;
        const char *a, *b;
    } rows[] = {
        {{MINNOW, NULL, 1, 0, disk}, FATHOM_NO_MEMORY, MINNOW, "of device memory is the limit"},
        {{MINNOW, NULL, 1, 0, host}, FATHOM_NO_MEMORY, MINNOW, "of device memory is the limit"},
        {{MINNOW, NULL, 1, 0, FATHOM_EXPERTS_AUTO}, FATHOM_NO_MEMORY, MINNOW,
            "of device memory is the limit"},
        {{MINNOW, NULL, share(0.3), 1, disk}, FATHOM_NO_MEMORY, "no host memory", "host_limit allows 1"},
        {{MINNOW, NULL, share(0.3), 600 * KIB, disk}, FATHOM_NO_MEMORY, "4 experts", "host memory"},
        {{MINNOW, NULL, share(0.3), 3 * MIB, host}, FATHOM_NO_MEMORY, "all experts in host memory",
            "experts disk would need less"},
        {{MINNOW, NULL, share(0.3), 0, FATHOM_EXPERTS_DEVICE}, FATHOM_NO_MEMORY,
            "all experts in device memory", "would fit"},
        {{MINNOW, REFERENCE("v3/config.json"), share(0.3), 0, disk}, FATHOM_INVALID, "config.json", MINNOW},
        {{MINNOW, flipped, share(0.3), 0, disk}, FATHOM_INVALID, flipped, "differ"},
        {{MINNOW, "/nowhere/x.gguf", share(0.3), 0, disk}, FATHOM_IO, "/nowhere/x.gguf", "No such file"},
        {{MINNOW, "/proc", share(0.3), 0, disk}, FATHOM_IO, "/proc/minnow-q8_0.gguf", "No such file"},
        {{MINNOW, twin, share(0.3), 0, disk}, FATHOM_IO, empty, "plain file"},
        {{MINNOW, MINNOW, share(0.3), 0, disk}, FATHOM_INVALID, MINNOW, "another drive"},
        {{REFERENCE("v3-fp8"), NULL, 0, 0, disk}, FATHOM_UNSUPPORTED, "v3-fp8", "fathom convert"},
        {{REFERENCE("qwen2"), NULL, 0, 0, disk}, FATHOM_INVALID, "qwen2", "has none"},
        {{cut, NULL, share(0.3), 0, disk}, FATHOM_INVALID, cut, "past the end"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fathom_error err;
        struct fathom_engine *engine = create(&rows[i].setup, &err);
        if (engine) fail_msg("row %zu: an engine was made", i);
        print_message("%s\n", err.message);
        says(&err, rows[i].status, rows[i].a, rows[i].b);
    }
    unlink(flipped), unlink(cut), rmdir(empty), rmdir(twin);
}

// Any limit gives an engine that works, or a refusal that says what is short; more is never refused.
static void try_limits(
    uint64_t setup_limit[2], int which, uint64_t first, uint64_t end, uint64_t step, const char *short_of) {
    uint32_t n_works = 0, n_refused = 0;
    for (uint64_t limit = first; limit < end; limit += step) {
        struct fathom_error err;
        setup_limit[which] = limit;
        const struct setup setup = {MINNOW, NULL, setup_limit[0], setup_limit[1], FATHOM_EXPERTS_DISK};
        struct fathom_engine *engine = create(&setup, &err);
        if (!engine) {
            says(&err, FATHOM_NO_MEMORY, MINNOW, short_of);
            assert_int_equal(n_works, 0);
            n_refused++;
            continue;
        }
        struct fathom_session *session = open_session(engine);
        is_right(session);
        fathom_session_destroy(&session);
        fathom_engine_destroy(&engine);
        n_works++;
    }
    assert_true(n_works > 5);
    assert_true(n_refused > 0);
}

static void test_limits(void **state) {
    (void)state;
    try_limits((uint64_t[]){share(0.3), 0}, 1, 400 * KIB, 6 * MIB, 700 * KIB, "of host memory");
    try_limits((uint64_t[]){0, 0}, 0, share(0) - 2 * MIB, share(1), 700 * KIB, "device memory");
}

static int start(void **state) {
    (void)state;
    struct fathom_error err;
    struct setup setup = {.model = MINNOW};
    if (!mkdtemp(folder)) return -1;
    no_fs = failing_fs_start(&file_fs, MINNOW);
    if (!no_fs) no_fs = failing_fs_start(&mirror_fs, MINNOW);
    struct fathom_engine *engine = must_create(&setup);
    whole = *fathom_engine_get_plan(engine);
    struct fathom_session *session = open_session(engine);
    const bool ok = read_prompt(session, &err) && generate(session, wanted, &err);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
    return ok ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    if (file_fs.server) failing_fs_stop(&file_fs);
    if (mirror_fs.server) failing_fs_stop(&mirror_fs);
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_read_error),
        cmocka_unit_test(test_late_reads),
        cmocka_unit_test(test_broken_disk),
        cmocka_unit_test(test_mirror),
        cmocka_unit_test(test_program),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, start, end);
}
