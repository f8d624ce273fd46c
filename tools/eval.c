// fathom eval: asks questions with one right answer each, with greedy decoding. A reply is right when it
// equals the answer exactly.
#include "common.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct question {
    cJSON *line; // the parsed line, owns the texts
    const char *text, *answer;
    char *wrong; // the reply, if that was wrong
};

struct questions {
    struct question *list;
    size_t n, capacity, n_asked, n_right, n_cut; // cut: a limit came before the answer
    uint64_t n_tokens;
};

struct eval_options {
    struct device_options device;
    const char *model, *file, *template_name, *template_file;
    uint32_t n_tokens;
    bool disable_thinking, show_wrong, json;
};

static void free_questions(struct questions *q) {
    for (size_t i = 0; i < q->n; i++) {
        cJSON_Delete(q->list[i].line);
        free(q->list[i].wrong);
    }
    free(q->list);
}

// Does JSON text escape a zero character, which would end a string of C?
static bool has_zero(const char *line, size_t length) {
    for (size_t i = 0; i + 5 < length; i++) {
        if (line[i] != '\\') continue;
        if (!memcmp(line + i + 1, "u0000", 5)) return true;
        i++; // the escaped character
    }
    return false;
}

// Adds one line of the file: an object with the strings `question` and `answer`. Other members are allowed.
static bool add_question(
    struct questions *q, const char *where, const char *line, size_t length, struct fathom_error *err) {
    if (q->n == q->capacity) {
        const size_t capacity = 2 * q->capacity + 64;
        struct question *grown = realloc(q->list, capacity * sizeof(*grown));
        if (!grown) return fail(err, FATHOM_NO_MEMORY, "%s: out of host memory", where);
        q->list = grown;
        q->capacity = capacity;
    }
    if (has_zero(line, length))
        return fail(err, FATHOM_INVALID, "%s: there is a zero character, \\u0000, which no text has", where);
    cJSON *json = cJSON_ParseWithLength(line, length);
    if (!json) return fail(err, FATHOM_INVALID, "%s: is no JSON", where);
    struct question *new = &q->list[q->n++];
    *new = (struct question){
        .line = json,
        .text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "question")),
        .answer = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "answer")),
    };
    if (!new->text || !new->answer)
        return fail(
            err, FATHOM_INVALID, "%s: there is no string \"%s\"", where, new->text ? "answer" : "question");
    if (is_blank(new->text)) return fail(err, FATHOM_INVALID, "%s: the question is empty", where);
    return true;
}

static bool read_questions(const char *path, struct questions *q, struct fathom_error *err) {
    size_t size, number = 0;
    char *text = read_text(path, SIZE_MAX / 4, &size, err);
    bool ok = text != NULL;
    for (const char *line = text, *end; ok && line < text + size; line = end + 1) {
        char where[PATH_MAX + 32];
        end = memchr(line, '\n', size - (size_t)(line - text));
        if (!end) end = text + size;
        snprintf(where, sizeof(where), "%s:%zu", path, ++number);
        if (line + strspn(line, " \t\r\n") < end)
            ok = add_question(q, where, line, (size_t)(end - line), err);
    }
    if (ok && !q->n) ok = fail(err, FATHOM_INVALID, "%s: holds no question", path);
    free(text);
    return ok;
}

// Returns the text without white space at both ends.
static size_t trim(const char **text) {
    *text += strspn(*text, " \t\r\n");
    size_t n = strlen(*text);
    while (n && strchr(" \t\r\n", (*text)[n - 1])) n--;
    return n;
}

static bool same(const char *a, const char *b) {
    const size_t n = trim(&a);
    return trim(&b) == n && !memcmp(a, b, n);
}

static bool ask_all(
    struct fathom_chat *chat, const struct eval_options *o, struct questions *q, struct fathom_error *err) {
    const struct fathom_sampling greedy = {.size = sizeof(greedy)};
    struct fathom_ask_params params = {
        .size = sizeof(params),
        .sampling = &greedy,
        .disable_thinking = o->disable_thinking,
    };
    ask_limit(&params, o->n_tokens);
    for (; q->n_asked < q->n; q->n_asked++) {
        struct question *one = &q->list[q->n_asked];
        struct fathom_reply reply = {.size = sizeof(reply)};
        fathom_chat_clear(chat);
        if (!fathom_chat_ask(chat, one->text, &params, &reply, err)) return false;
        if (!show_progress("asking", q->n_asked + 1, q->n))
            return fail(err, FATHOM_CANCELLED, "interrupted after %zu of %zu questions", q->n_asked, q->n);
        q->n_tokens += reply.n_ids;
        q->n_cut += !reply.answer[0] && (reply.end == FATHOM_END_LENGTH || reply.end == FATHOM_END_CONTEXT);
        if (same(reply.answer, one->answer))
            q->n_right++;
        else if (!(one->wrong = strdup(reply.answer)))
            return fail(err, FATHOM_NO_MEMORY, "out of host memory");
    }
    return true;
}

static cJSON *wrong_json(const struct questions *q) {
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < q->n; i++) {
        if (!q->list[i].wrong) continue;
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "question", q->list[i].text);
        cJSON_AddStringToObject(row, "answer", q->list[i].answer);
        cJSON_AddStringToObject(row, "reply", q->list[i].wrong);
        cJSON_AddItemToArray(array, row);
    }
    return array;
}

static int show(const struct fathom_engine *engine, struct fathom_chat *chat, const struct eval_options *o,
    const struct questions *q, double seconds) {
    const struct fathom_gpu_info *device = fathom_gpu_get_info(fathom_engine_get_gpu(engine));
    const double accuracy = (double)q->n_right / (double)q->n;
    if (!o->json) {
        for (size_t i = 0; o->show_wrong && i < q->n; i++)
            if (q->list[i].wrong)
                printf("question: %s\nanswer:   %s\nreply:    %s\n\n", q->list[i].text, q->list[i].answer,
                    q->list[i].wrong);
        printf("%zu of %zu right (%.1f %%), %llu tokens in %.1f s\n", q->n_right, q->n, 100 * accuracy,
            (unsigned long long)q->n_tokens, seconds);
        print_drafts(stdout, fathom_chat_get_session(chat));
        if (q->n_cut && o->n_tokens)
            fprintf(stderr, "fathom: %zu of %zu replies reached a limit (-n, --ctx) before their answer\n",
                q->n_cut, q->n);
        return EXIT_DONE;
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "model", o->model);
    cJSON_AddStringToObject(json, "file", o->file);
    cJSON_AddStringToObject(json, "device", device->name);
    cJSON_AddStringToObject(json, "driver", device->driver);
    cJSON_AddStringToObject(json, "version", fathom_version());
    cJSON_AddNumberToObject(json, "accuracy", accuracy);
    cJSON_AddNumberToObject(json, "right", (double)q->n_right);
    cJSON_AddNumberToObject(json, "questions", (double)q->n);
    cJSON_AddNumberToObject(json, "cut", (double)q->n_cut);
    cJSON_AddNumberToObject(json, "tokens", (double)q->n_tokens);
    cJSON_AddNumberToObject(json, "seconds", seconds);
    cJSON *drafts = drafts_json(fathom_chat_get_session(chat));
    if (drafts) cJSON_AddItemToObject(json, "drafts", drafts);
    if (o->show_wrong) cJSON_AddItemToObject(json, "wrong", wrong_json(q));
    return print_json(json);
}

static int evaluate(const struct eval_options *o, struct questions *q) {
    struct fathom_error err = {0};
    char *chat_template;
    if (!read_template(o->template_file, &chat_template)) return EXIT_REFUSED;
    struct fathom_engine *engine = open_engine(o->model, &o->device);
    if (!engine) {
        free(chat_template);
        return EXIT_REFUSED;
    }
    struct fathom_chat_params params = {
        .size = sizeof(params),
        .chat_template =
            &FATHOM_INIT(fathom_template_params, .name = o->template_name, .text = chat_template),
        .session = &FATHOM_INIT(fathom_session_params, .progress = no_bar),
    };
    struct fathom_chat *chat = fathom_chat_create(engine, &params, &err);
    free(chat_template);
    const double start = clock_seconds();
    const int done =
        chat && ask_all(chat, o, q, &err) ? show(engine, chat, o, q, clock_seconds() - start) : refuse(&err);
    fathom_chat_destroy(&chat);
    fathom_engine_destroy(&engine);
    return done;
}

int eval_main(int argc, char **argv) {
    struct eval_options o = {.n_tokens = OPTION_NO_LIMIT};
    const char *paths[2] = {0};
    const struct option options[] = {
        LIMIT_OPTION(&o.n_tokens),
        {"--wrong", OPTION_FLAG, &o.show_wrong, NULL, "show the questions with a wrong answer", NULL},
        TEMPLATE_OPTIONS(&o.template_name, &o.template_file),
        {"--no-think", OPTION_FLAG, &o.disable_thinking, NULL,
            "answer without a thought, if the template can", NULL},
        {"--json", OPTION_FLAG, &o.json, NULL, "one object", NULL},
        DRAFT_OPTION(o.device),
        DEVICE_OPTIONS(o.device),
    };
    const struct usage usage = {"eval", "MODEL QUESTIONS.jsonl",
        "Asks questions, one a line: {\"question\": \"...\", \"answer\": \"...\"}. Always takes the "
        "likeliest token;\na reply is right when it equals the answer, apart from white space at the ends.",
        options, sizeof(options) / sizeof(*options), 2, 2};
    size_t n_positional;
    const int code = options_parse(&usage, argc, argv, paths, &n_positional);
    if (code != EXIT_NOT_YET) return code;
    o.model = paths[0];
    o.file = paths[1];
    struct fathom_error err = {0};
    struct questions q = {0};
    watch_interrupt();
    const int done = read_questions(o.file, &q, &err) ? evaluate(&o, &q) : refuse(&err);
    free_questions(&q);
    return done;
}
