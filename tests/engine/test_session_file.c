// A session's file: what is refused and how, what a failure leaves behind, and the caller's own bytes.
#include "base/checksum.h"
#include "engine/golden.h"
#include "engine/session.h"
#include "engine/session_copies.h"
#include "engine/session_file.h"
#include "engine/session_parse.h"
#include "file/tensors.h"
#include <dirent.h>

enum { N_PROMPT = 6 };

static void save(struct fathom_session *session, const char *path, const char *extra) {
    struct fathom_error err = {0};
    if (!fm_session_save(session, path, extra, extra ? strlen(extra) : 0, &err)) fail_msg("%s", err.message);
}

static void write_file(const char *path, const void *data, size_t size) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void refused(struct fathom_engine *engine, const char *path,
    const struct fathom_session_params *params, enum fathom_status status, const char *says) {
    struct fathom_error err = {0};
    void *extra = &err;
    size_t n_extra = 7;
    assert_null(fm_session_restore(engine, path, params, &extra, &n_extra, &err));
    if (!strstr(err.message, says)) fail_msg("\"%s\" and not \"%s\"", err.message, says);
    if (strncmp(err.message, path, strlen(path)) != 0) fail_msg("no path: %s", err.message);
    assert_int_equal(err.status, status);
    assert_null(extra);
    assert_int_equal(n_extra, 0);
}

static bool parses(const uint8_t *data, size_t size) {
    struct fathom_error err = {0};
    struct fm_session_contents contents;
    uint8_t *exact = malloc(size ? size : 1); // so that a sanitizer sees a read past the end
    assert_non_null(exact);
    memcpy(exact, data, size);
    const bool ok = fm_session_parse(exact, size, NULL, &contents, &err);
    if (ok) fm_session_contents_free(&contents);
    assert_int_equal(ok, err.status == FATHOM_OK);
    free(exact);
    return ok;
}

// A small file, and an engine that can restore it.
struct saved {
    struct fathom_engine *engine;
    char path[64];
    uint8_t *data;
    size_t size;
};

static struct saved open_saved(const char *model, struct opening opening, uint32_t n_prompt) {
    struct saved s = {.engine = open_named(model, opening)};
    struct fathom_session *session = open_session(s.engine, 20);
    read_prompt(session, n_prompt);
    free_name(s.path);
    save(session, s.path, "a caller's bytes");
    s.data = (uint8_t *)read_whole_file(s.path, &s.size);
    assert_non_null(s.data);
    fathom_session_destroy(&session);
    return s;
}

static void close_saved(struct saved *s) {
    unlink(s->path);
    free(s->data);
    fathom_engine_destroy(&s->engine);
}

static void every_byte_counts(void **state) {
    (void)state;
    struct saved s = open_saved("v4", (struct opening){{0}}, N_PROMPT);
    print_message("%zu bytes\n", s.size);
    assert_true(parses(s.data, s.size));
    for (size_t i = 0; i < s.size; i++) {
        s.data[i] ^= (uint8_t)(1u << i % 8);
        if (parses(s.data, s.size)) fail_msg("byte %zu of %zu does not count", i, s.size);
        s.data[i] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t n = 0; n < s.size; n++)
        if (parses(s.data, n)) fail_msg("the first %zu of %zu bytes pass", n, s.size);
    uint8_t *longer = calloc(1, s.size + 64);
    memcpy(longer, s.data, s.size);
    for (size_t n = 1; n <= 64; n++) assert_false(parses(longer, s.size + n));
    free(longer);
    close_saved(&s);
}

// Writes the head's own checksum.
static void seal_head(uint8_t *data) {
    struct fm_checksum sum;
    fm_checksum_begin(&sum);
    fm_checksum_add(&sum, data, FM_SESSION_HEAD - 8);
    const uint64_t value = fm_checksum_end(&sum);
    memcpy(data + FM_SESSION_HEAD - 8, &value, 8);
}

static void says_what_is_wrong(void **state) {
    (void)state;
    struct saved s = open_saved("v3", (struct opening){{0}}, N_PROMPT);
    char path[64];
    free_name(path);
    static const struct {
        size_t at;
        uint8_t value; // that is added
        bool sealed;
        enum fathom_status status;
        const char *says;
    } changes[] = {
        {0, 1, false, FATHOM_INVALID, "not a file of a session"},
        {8, 1, true, FATHOM_UNSUPPORTED, "version 2, this library reads version 1"},
        {12, 1, true, FATHOM_UNSUPPORTED, "byte order"},
        {16, 1, true, FATHOM_INVALID, "cut short"},
        {16, 255, true, FATHOM_INVALID, "appended to"},
        {24, 1, true, FATHOM_INVALID, "another model"},
        {32, 1, true, FATHOM_UNSUPPORTED, "cache"},
        {36, 1, true, FATHOM_INVALID,
            "section of kind 1, number 0, 24 bytes, stands where that of the tokens"},
        {40, 8, true, FATHOM_INVALID, "a text of 6 tokens cannot have 13"},
        {40, 255, true, FATHOM_INVALID, "cache of layer 0 has"},
        {48, 1, true, FATHOM_INVALID, "section"},
        {50, 255, true, FATHOM_INVALID, "layers do not fit"},
        {48, 255, true, FATHOM_INVALID, "bytes follow the last section"},
        {52, 2, true, FATHOM_INVALID, "of 2 draft layers"},
        {56, 1, true, FATHOM_INVALID, "that of the caller's bytes should"},
        {70, 1, false, FATHOM_INVALID, "checksum of the head"},
        {FM_SESSION_HEAD + 16, 1, false, FATHOM_INVALID, "checksum of the tokens"},
        {FM_SESSION_HEAD + 16 + 24 + 8 + 16, 1, false, FATHOM_INVALID, "checksum of the caller's bytes"},
        {FM_SESSION_HEAD + 16 + 24 + 8 + 16 + 16 + 8 + 16, 1, false, FATHOM_INVALID,
            "checksum of the cache of layer 0"},
        {FM_SESSION_HEAD + 16 + 24 + 8 + 15, 1, false, FATHOM_INVALID, "reaches past the end"},
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        uint8_t *data = malloc(s.size);
        memcpy(data, s.data, s.size);
        data[changes[i].at] = (uint8_t)(data[changes[i].at] + changes[i].value);
        if (changes[i].sealed) seal_head(data);
        write_file(path, data, s.size);
        refused(s.engine, path, NULL, changes[i].status, changes[i].says);
        free(data);
    }
    write_file(path, s.data, 20);
    refused(s.engine, path, NULL, FATHOM_INVALID, "its head alone");
    write_file(path, "", 0);
    refused(s.engine, path, NULL, FATHOM_INVALID, "is empty");
    unlink(path);
    refused(s.engine, path, NULL, FATHOM_IO, "cannot open");
    refused(s.engine, "/tmp", NULL, FATHOM_IO, "not a plain file");
    // a token that the vocabulary does not have, with the right checksum
    struct fm_checksum sum;
    uint8_t *tokens = s.data + FM_SESSION_HEAD;
    tokens[16 + 3] = 0x70;
    fm_checksum_begin(&sum);
    fm_checksum_add(&sum, tokens, 16 + 24);
    const uint64_t value = fm_checksum_end(&sum);
    memcpy(tokens + 16 + 24, &value, 8);
    write_file(path, s.data, s.size);
    refused(s.engine, path, NULL, FATHOM_INVALID, "is not in the vocabulary of 768");
    unlink(path);
    close_saved(&s);
}

// The demonstration model with other values in one tensor: a form that was tuned.
static void tuned_form(char path[64]) {
    struct fathom_error err = {0};
    size_t size = 0;
    char *file = read_whole_file(DEMO, &size);
    struct fm_tensors *tensors = fm_tensors_open(DEMO, &err);
    assert_non_null(file);
    assert_non_null(tensors);
    const struct fm_tensor *t = fm_tensors_find(tensors, "blk.1.attn_output.weight");
    assert_non_null(t);
    const char *data = fm_tensor_map(tensors, t);
    const struct fathom_host_range whole = fm_tensors_around(tensors, data);
    for (uint64_t i = 2; i < t->size; i += 34) file[data - (const char *)whole.data + i] ^= 1; // Q8_0
    fm_tensors_close(&tensors);
    free_name(path);
    write_file(path, file, size);
    free(file);
}

static void others_are_refused(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct saved s = open_saved(NULL, (struct opening){{0}}, 30);
    struct fathom_engine *other = open_named("v3", (struct opening){{0}});
    refused(other, s.path, NULL, FATHOM_INVALID, "of another model");
    fathom_engine_destroy(&other);
    char tuned[64];
    tuned_form(tuned);
    other = open_on_device((struct opening){.engine = {.model = tuned, .n_context = 256}}, &err);
    if (!other) fail_msg("%s", err.message);
    refused(other, s.path, NULL, FATHOM_INVALID, "of another model");
    fathom_engine_destroy(&other);
    unlink(tuned);
    other = open_named(NULL, (struct opening){.gpu.exact = true});
    refused(other, s.path, NULL, FATHOM_UNSUPPORTED, "of type F16, this engine's is of type F32");
    fathom_engine_destroy(&other);
    other = open_named(NULL, (struct opening){.engine.cache_8bit = true});
    refused(other, s.path, NULL, FATHOM_UNSUPPORTED, "of type F16, this engine's is of type Q8_0");
    fathom_engine_destroy(&other);
    // the text must fit
    refused(s.engine, s.path, &FATHOM_INIT(fathom_session_params, .n_context = 29), FATHOM_INVALID,
        "30 tokens, the context holds 29");
    struct fathom_session *fits =
        fathom_session_restore(s.engine, s.path, &FATHOM_INIT(fathom_session_params, .n_context = 30), &err);
    if (!fits) fail_msg("%s", err.message);
    assert_int_equal(fathom_session_context(fits), 30);
    fathom_session_destroy(&fits);
    close_saved(&s);
}

// A draft layer's cache is left out where nothing is drafted, and cannot be made up.
static void draft_layers(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct saved plain = open_saved(NULL, (struct opening){{0}}, 30),
                 drafting = open_saved(NULL, (struct opening){.engine.n_drafts = 2}, 30);
    refused(drafting.engine, plain.path, NULL, FATHOM_UNSUPPORTED, "no cache of the draft layer");
    struct fathom_session *a = fathom_session_restore(plain.engine, plain.path, NULL, &err),
                          *b = fathom_session_restore(plain.engine, drafting.path, NULL, &err);
    if (!a || !b) fail_msg("%s", err.message);
    const struct text want = write_on(a, &greedy, 10, 0), got = write_on(b, &greedy, 10, 0);
    assert_memory_equal(got.ids, want.ids, 40);
    fathom_session_destroy(&a);
    fathom_session_destroy(&b);
    close_saved(&plain);
    close_saved(&drafting);
}

static void extra_bytes(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct saved s = open_saved("v3", (struct opening){{0}}, N_PROMPT);
    void *extra;
    size_t n;
    struct fathom_session *session = fm_session_restore(s.engine, s.path, NULL, &extra, &n, &err);
    if (!session) fail_msg("%s", err.message);
    assert_int_equal(n, 16);
    assert_memory_equal(extra, "a caller's bytes", 16);
    free(extra);
    save(session, s.path, NULL);
    fathom_session_destroy(&session);
    session = fm_session_restore(s.engine, s.path, NULL, &extra, &n, &err);
    if (!session) fail_msg("%s", err.message);
    assert_null(extra);
    assert_int_equal(n, 0);
    fathom_session_destroy(&session);
    close_saved(&s);
}

// ---- Progress --------------------------------------------------------------------------------------------

struct watch {
    uint64_t done, total;
    uint32_t n_reports, stop_at;
};
static bool watch(void *user, enum fathom_phase phase, uint64_t done, uint64_t total) {
    struct watch *w = user;
    if (phase != FATHOM_PHASE_STATE) return true;
    if (w->n_reports) assert_true(done >= w->done);
    assert_true(done <= total);
    w->done = done, w->total = total;
    return ++w->n_reports != w->stop_at;
}

static uint32_t files_in(const char *folder) {
    uint32_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir));) n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

// Every call reports to its end, and can be cancelled at any report. A save that is cancelled leaves the
// older file.
static void cancelled_at_any_report(void **state) {
    (void)state;
    struct saved s = open_saved("v3", (struct opening){{0}}, N_PROMPT);
    struct fathom_error err = {0};
    struct watch w = {0};
    const struct fathom_session_params params = {.size = sizeof(params), .progress = {watch, &w}};
    char folder[64] = "/tmp/fathom-session-XXXXXX", path[96];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/session", folder);
    struct fathom_session *session = fathom_session_restore(s.engine, s.path, &params, &err);
    if (!session) fail_msg("%s", err.message);
    assert_true(w.n_reports > 0);
    assert_int_equal(w.total, 2 * s.size);
    const uint32_t n_restore = w.n_reports;
    for (uint32_t i = 1; i <= n_restore; i++) {
        err = (struct fathom_error){0};
        w = (struct watch){.stop_at = i};
        assert_null(fathom_session_restore(s.engine, s.path, &params, &err));
        assert_int_equal(err.status, FATHOM_CANCELLED);
        assert_int_equal(w.n_reports, i);
    }
    w = (struct watch){0};
    write_file(path, "older", 5);
    for (uint32_t i = 1;; i++) {
        size_t size = 0;
        err = (struct fathom_error){0};
        w = (struct watch){.stop_at = i};
        const bool ok = fathom_session_save(session, path, &err);
        char *data = read_whole_file(path, &size);
        assert_int_equal(files_in(folder), 1);
        if (ok) {
            assert_int_equal(size, w.total);
            free(data);
            break;
        }
        assert_int_equal(err.status, FATHOM_CANCELLED);
        assert_int_equal(size, 5);
        assert_memory_equal(data, "older", 5);
        free(data);
        assert_true(i < 1000);
    }
    w = (struct watch){0};
    struct fathom_session *copy = fathom_session_fork(session, &err);
    if (!copy) fail_msg("%s", err.message);
    assert_true(w.n_reports > 0);
    assert_int_equal(w.done, w.total);
    fathom_session_destroy(&copy);
    w = (struct watch){.stop_at = 1};
    assert_null(fathom_session_fork(session, &err));
    assert_int_equal(err.status, FATHOM_CANCELLED);
    unlink(path);
    rmdir(folder);
    fathom_session_destroy(&session);
    close_saved(&s);
}

static void no_such_folder(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fathom_engine *engine = open_named("v3", (struct opening){{0}});
    struct fathom_session *session = open_session(engine, 20);
    assert_false(fathom_session_save(session, "/nowhere/at/all", &err));
    assert_int_equal(err.status, FATHOM_IO);
    assert_non_null(strstr(err.message, "/nowhere/at/all"));
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(draft_layers),
        cmocka_unit_test(extra_bytes),
        cmocka_unit_test(cancelled_at_any_report),
        cmocka_unit_test(no_such_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
