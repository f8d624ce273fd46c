// fathom run: answers one question, or chats on a terminal.
#include "common.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef FATHOM_HAVE_LIBEDIT
#include <histedit.h>
#endif

#define MAX_PROMPT_BYTES (64u << 20)

struct run_options {
    struct device_options device;
    const char *model, *prompt, *file, *template_name;
    bool raw, disable_thinking, greedy, json, hide_thought, seed_given, temperature_given;
    struct fathom_sampling sampling;
    uint32_t n_tokens;
};

// The state of the output. A terminal shows the thought dim.
struct printer {
    bool to_terminal, hide_thought, silent, in_thought, any;
    char last;
};

static void leave_thought(struct printer *p) {
    if (!p->in_thought) return;
    if (!p->hide_thought) printf("%s%s\n", p->to_terminal ? "\033[0m" : "", p->last == '\n' ? "" : "\n");
    p->in_thought = false;
}

static bool print_piece(void *user, enum fathom_piece kind, const char *text) {
    struct printer *p = user;
    if (!p->silent) {
        if (kind == FATHOM_PIECE_THOUGHT && !p->in_thought) {
            p->in_thought = true;
            if (!p->hide_thought && p->to_terminal) fputs("\033[2m", stdout);
        }
        if (kind == FATHOM_PIECE_ANSWER) leave_thought(p);
        if (kind == FATHOM_PIECE_ANSWER || !p->hide_thought)
            fputs(text, stdout), p->any = true, p->last = text[0] ? text[strlen(text) - 1] : p->last;
        if (fflush(stdout) != 0) return false;
    }
    return !interrupted();
}

static const char *end_name(enum fathom_end end) {
    static const char *const names[] = {[FATHOM_END_STOP] = "stop",
        [FATHOM_END_LENGTH] = "length",
        [FATHOM_END_CONTEXT] = "context",
        [FATHOM_END_CALLER] = "interrupted"};
    return names[end];
}

static int show_json(const struct fathom_engine *engine, struct fathom_chat *chat,
    const struct fathom_reply *reply, const struct run_options *o) {
    const struct fathom_session_stats stats = fathom_session_get_stats(fathom_chat_get_session(chat));
    const struct fathom_gpu_counters counters = fathom_gpu_get_counters(fathom_engine_get_gpu(engine));
    cJSON *json = cJSON_CreateObject(), *timings = cJSON_CreateObject(), *count = cJSON_CreateObject();
    const size_t n_thought = strlen(reply->thought), n_text = n_thought + strlen(reply->answer) + 16;
    char *text = malloc(n_text);
    if (!text) return cJSON_Delete(json), cJSON_Delete(timings), cJSON_Delete(count), out_of_memory();
    snprintf(text, n_text, "%s%s%s", reply->thought,
        o->raw || !n_thought                                    ? ""
            : reply->end == FATHOM_END_STOP || reply->answer[0] ? "</think>\n\n"
                                                                : "",
        reply->answer);
    cJSON_AddItemToObject(json, "tokens", cJSON_CreateIntArray(reply->ids, (int)reply->n_ids));
    cJSON_AddStringToObject(json, "text", text);
    cJSON_AddStringToObject(json, "thought", reply->thought);
    cJSON_AddStringToObject(json, "answer", reply->answer);
    cJSON_AddStringToObject(json, "end", end_name(reply->end));
    cJSON_AddNumberToObject(json, "prompt_tokens", reply->n_prompt_ids);
    char seed[32]; // as text: a JSON number does not hold 64 bits
    snprintf(seed, sizeof(seed), "%llu", (unsigned long long)o->sampling.seed);
    cJSON_AddStringToObject(json, "seed", seed);
    cJSON_AddItemToObject(json, "timings", timings);
    const struct fathom_session_times *t = &stats.timings;
    cJSON_AddNumberToObject(timings, "load_seconds", t->load_seconds);
    cJSON_AddNumberToObject(timings, "prefill_seconds", t->prefill_seconds);
    cJSON_AddNumberToObject(timings, "prefill_tokens", t->prefill_tokens);
    cJSON_AddNumberToObject(timings, "prefill_tokens_per_second",
        t->prefill_seconds > 0 ? t->prefill_tokens / t->prefill_seconds : 0);
    cJSON_AddNumberToObject(timings, "decode_seconds", t->decode_seconds);
    cJSON_AddNumberToObject(timings, "decode_tokens", t->decode_tokens);
    cJSON_AddNumberToObject(timings, "decode_tokens_per_second",
        t->decode_seconds > 0 ? t->decode_tokens / t->decode_seconds : 0);
    cJSON_AddItemToObject(json, "start", start_json(fathom_chat_get_session(chat)));
    cJSON *drafts = drafts_json(fathom_chat_get_session(chat));
    if (drafts) cJSON_AddItemToObject(json, "drafts", drafts);
    cJSON_AddItemToObject(json, "counters", count);
    cJSON_AddNumberToObject(count, "decode_steps", (double)stats.decode_steps);
    cJSON_AddNumberToObject(count, "decode_submits", (double)stats.decode_submits);
    cJSON_AddNumberToObject(count, "decode_recordings", (double)stats.decode_recordings);
    cJSON_AddNumberToObject(count, "pipelines_built", (double)counters.pipelines_built);
    cJSON_AddNumberToObject(count, "pipelines_from_cache", (double)counters.pipelines_from_cache);
    cJSON_AddNumberToObject(count, "device_memory_bytes", (double)counters.memory_allocated);
    cJSON_AddNumberToObject(count, "in_place_bytes", (double)counters.memory_in_place);
    free(text);
    return print_json(json);
}

static int answer_once(
    struct fathom_engine *engine, struct fathom_chat *chat, const char *prompt, const struct run_options *o) {
    struct fathom_error err = {0};
    struct fathom_reply reply;
    struct printer printer = {
        .to_terminal = isatty(STDOUT_FILENO),
        .hide_thought = o->hide_thought,
        .silent = o->json,
    };
    const bool ok = fathom_chat_ask(chat, prompt, print_piece, &printer, &reply, &err);
    if (!ok) {
        leave_thought(&printer); // resets the dim terminal
        return refuse(&err);
    }
    if (o->device.verbose) fputs("fathom: ", stderr), print_start(stderr, fathom_chat_get_session(chat));
    if (o->json) return show_json(engine, chat, &reply, o);
    leave_thought(&printer);
    if (printer.any) fputs("\n", stdout);
    fflush(stdout);
    print_drafts(stderr, fathom_chat_get_session(chat));
    if (reply.end == FATHOM_END_CONTEXT) fprintf(stderr, "fathom: the context is full\n");
    if (reply.end == FATHOM_END_CALLER && !interrupted())
        fprintf(stderr, "fathom: the answer could not be written\n");
    return reply.end == FATHOM_END_CALLER ? EXIT_REFUSED : EXIT_DONE;
}

#ifdef FATHOM_HAVE_LIBEDIT
static char *prompt_text(EditLine *line) {
    (void)line;
    return "> ";
}

// Reads questions until /quit or the end of the input. /clear begins a new conversation.
static int converse(struct fathom_engine *engine, struct fathom_chat *chat, const struct run_options *o) {
    HistEvent event;
    History *past = history_init();
    EditLine *line = el_init("fathom", stdin, stdout, stderr);
    int code = EXIT_DONE, n;
    work_ends();
    if (!past || !line) {
        fprintf(stderr, "fathom: the line editor does not start\n");
        code = EXIT_REFUSED;
    } else {
        history(past, &event, H_SETSIZE, 1000);
        el_set(line, EL_PROMPT, prompt_text);
        el_set(line, EL_EDITOR, "emacs");
        el_set(line, EL_SIGNAL, 1);
        el_set(line, EL_HIST, history, past);
        fprintf(stderr, "/clear begins a new conversation, /quit or Ctrl-D ends; Ctrl-C stops an answer\n");
    }
    for (const char *text; code != EXIT_REFUSED && (text = el_gets(line, &n)) && n > 0;) {
        char *question = strndup(text, strcspn(text, "\n"));
        if (!question || !strcmp(question, "/quit")) {
            free(question);
            break;
        }
        if (question[0]) history(past, &event, H_ENTER, text);
        work_begins();
        if (!strcmp(question, "/clear"))
            fathom_chat_clear(chat);
        else if (question[0])
            answer_once(engine, chat, question, o); // the chat continues after an error
        work_ends();
        free(question);
    }
    if (line) el_end(line);
    if (past) history_end(past);
    fputs("\n", stdout);
    return code;
}
#endif

static int with_chat(struct fathom_engine *engine, const char *prompt, const struct run_options *o) {
    struct fathom_error err = {0};
    struct fathom_chat *chat = fathom_chat_create(engine,
        &(struct fathom_chat_params){
            .sampling = o->sampling,
            .template_name = o->template_name,
            .disable_thinking = o->disable_thinking,
            .raw = o->raw,
            .max_tokens = o->n_tokens,
            .progress = progress_bar,
        },
        &err);
    if (!chat) return refuse(&err);
#ifdef FATHOM_HAVE_LIBEDIT
    const int code = prompt ? answer_once(engine, chat, prompt, o) : converse(engine, chat, o);
#else
    const int code = answer_once(engine, chat, prompt, o);
#endif
    fathom_chat_destroy(&chat);
    return code;
}

// Reads the prompt from -p, from -f, or from standard input when that is not a terminal. *prompt stays NULL
// for a chat.
static int read_prompt(const struct run_options *o, char **prompt) {
    struct fathom_error err = {0};
    size_t size;
    *prompt = NULL;
    if (o->prompt)
        *prompt = strdup(o->prompt);
    else if (o->file || !isatty(STDIN_FILENO))
        *prompt = read_file(o->file ? o->file : "-", MAX_PROMPT_BYTES, &size, &err);
#ifdef FATHOM_HAVE_LIBEDIT
    else
        return EXIT_NOT_YET;
#endif
    if (*prompt) return EXIT_NOT_YET;
    if (o->prompt) return out_of_memory();
    if (err.status == FATHOM_OK) fprintf(stderr, "fathom run: give a question with -p or -f\n");
    return err.status == FATHOM_OK ? EXIT_WRONG_USE : refuse(&err);
}

// Sets the values that R1's authors advise, unless the user gave others.
static void default_sampling(struct run_options *o) {
    if (o->greedy) {
        o->sampling = (struct fathom_sampling){.repeat_penalty = o->sampling.repeat_penalty};
        return;
    }
    if (!o->temperature_given) o->sampling.temperature = 0.6f;
    if (o->sampling.top_p == 0) o->sampling.top_p = 0.95f;
    if (!o->seed_given) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        o->sampling.seed = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    }
}

int run_main(int argc, char **argv) {
    struct run_options o = {0};
    const struct option options[] = {
        {"-p", OPTION_TEXT, &o.prompt, "TEXT", "the question", NULL},
        {"-f", OPTION_TEXT, &o.file, "FILE", "the question's file (- is stdin)", NULL},
        {"-n", OPTION_COUNT, &o.n_tokens, "N", "most tokens of an answer, including the thought", NULL},
        {"--raw", OPTION_FLAG, &o.raw, NULL, "no chat template: continue the text as it is", NULL},
        {"--template", OPTION_TEXT, &o.template_name, "NAME", "this chat template instead of the model's own",
            NULL},
        {"--no-think", OPTION_FLAG, &o.disable_thinking, NULL,
            "answer without a thought, if the template can", NULL},
        {"--greedy", OPTION_FLAG, &o.greedy, NULL, "always the likeliest token", NULL},
        {"--temp", OPTION_NUMBER, &o.sampling.temperature, "T", "temperature (0.6)", &o.temperature_given},
        {"--top-k", OPTION_COUNT, &o.sampling.top_k, "K", "only the K likeliest (0: off)", NULL},
        {"--top-p", OPTION_NUMBER, &o.sampling.top_p, "P", "only the likeliest that make up P (0.95; 1: off)",
            NULL},
        {"--min-p", OPTION_NUMBER, &o.sampling.min_p, "P",
            "only those at least P times as likely as the best (0: off)", NULL},
        {"--repeat-penalty", OPTION_NUMBER, &o.sampling.repeat_penalty, "R",
            "divide the logits of earlier tokens by R (1: off)", NULL},
        {"--seed", OPTION_SEED, &o.sampling.seed, "N", "the same seed gives the same text (the clock)",
            &o.seed_given},
        {"--json", OPTION_FLAG, &o.json, NULL, "one object: tokens, text, thought, answer, timings", NULL},
        {"--no-think-print", OPTION_FLAG, &o.hide_thought, NULL, "print the answer only", NULL},
        DRAFT_OPTION(o.device),
        DEVICE_OPTIONS(o.device),
    };
    const struct usage usage = {"run", "[MODEL] [-p TEXT | -f FILE]",
        "Answers a question; without one, on a terminal, chats. Without MODEL: the demonstration model.",
        options, sizeof(options) / sizeof(*options), 0, 1};
    size_t n_positional;
    int code = options_parse(&usage, argc, argv, &o.model, &n_positional);
    if (code != EXIT_NOT_YET) return code;
    if (o.prompt && o.file) {
        fprintf(stderr, "fathom run: give either -p or -f\n");
        return EXIT_WRONG_USE;
    }
    char *prompt, *demo = NULL;
    if ((code = read_prompt(&o, &prompt)) != EXIT_NOT_YET) return code;
    default_sampling(&o);
    watch_interrupt();
    struct fathom_engine *engine = NULL;
    code = EXIT_REFUSED;
    if (o.model || (demo = demo_model())) engine = open_engine(o.model ? o.model : demo, &o.device);
    if (engine) code = with_chat(engine, prompt, &o);
    fathom_engine_destroy(&engine);
    free(demo);
    free(prompt);
    return code;
}
