// fathom run: answers one question, or chats on a terminal.
#include "common.h"
#include "lines.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PROMPT_BYTES (64u << 20)

struct run_options {
    struct device_options device;
    const char *model, *prompt, *file, *template_name, *template_file;
    bool raw, disable_thinking, greedy, json, hide_thought;
    struct fathom_sampling sampling; // of the options; then what is used
    struct {
        bool temperature, top_k, top_p, min_p, repeat_penalty, seed;
    } given;
    uint32_t n_tokens;
};

// The state of the output. A terminal shows the thought dim. any: something of this answer was printed.
struct printer {
    bool to_terminal, hide_thought, silent, in_thought, any;
    char last;
};

// The text of an answer is on the terminal, and a bar would run into it.
static bool text_begun;
static double stop_seen; // when the work first heard of an interruption; 0: of none

// Cancels every phase. An answer gets a moment for its next token first: print_piece then ends the answer,
// and the conversation keeps what there is of it.
static bool report(void *user, enum fathom_phase phase, uint64_t done, uint64_t total) {
    (void)user;
    const bool go_on = (text_begun ? no_bar : progress_bar).report(NULL, phase, done, total);
    if (go_on || phase != FATHOM_PHASE_ANSWER) return go_on;
    if (stop_seen == 0) stop_seen = clock_seconds();
    return clock_seconds() - stop_seen < 0.3;
}

static void leave_thought(struct printer *p) {
    if (!p->in_thought) return;
    if (!p->hide_thought) printf("%s%s\n", p->to_terminal ? "\033[0m" : "", p->last == '\n' ? "" : "\n");
    p->in_thought = false;
}

static bool print_piece(void *user, enum fathom_piece kind, const char *text) {
    struct printer *p = user;
    if (!p->silent) {
        text_begun = true;
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
        [FATHOM_END_CALLER] = "interrupted",
        [FATHOM_END_STRING] = "string"};
    return names[end];
}

static cJSON *calls_json(const struct fathom_reply *reply) {
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < reply->n_tool_calls; i++) {
        cJSON *call = cJSON_CreateObject();
        cJSON_AddStringToObject(call, "name", reply->tool_calls[i].name);
        cJSON_AddStringToObject(call, "arguments", reply->tool_calls[i].arguments);
        cJSON_AddItemToArray(list, call);
    }
    return list;
}

static int show_json(const struct fathom_engine *engine, struct fathom_chat *chat,
    const struct fathom_reply *reply, const struct decoding *decoding, const struct run_options *o) {
    const struct fathom_session_stats stats = session_stats(fathom_chat_get_session(chat));
    struct fathom_gpu_counters counters = {.size = sizeof(counters)};
    fathom_gpu_get_counters(fathom_engine_get_gpu(engine), &counters);
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
    cJSON_AddItemToObject(json, "tool_calls", calls_json(reply));
    cJSON_AddStringToObject(json, "end", end_name(reply->end));
    cJSON_AddNumberToObject(json, "prompt_tokens", reply->n_prompt_ids);
    char seed[32]; // as text: a JSON number does not hold 64 bits
    snprintf(seed, sizeof(seed), "%llu", (unsigned long long)o->sampling.seed);
    cJSON_AddStringToObject(json, "seed", seed);
    cJSON_AddItemToObject(json, "timings", timings);
    const struct fathom_session_stats *t = &stats;
    cJSON_AddNumberToObject(timings, "load_seconds", load_seconds(engine));
    cJSON_AddNumberToObject(timings, "prefill_seconds", t->prefill_seconds);
    cJSON_AddNumberToObject(timings, "prefill_tokens", t->prefill_tokens);
    cJSON_AddNumberToObject(timings, "prefill_tokens_per_second",
        t->prefill_seconds > 0 ? t->prefill_tokens / t->prefill_seconds : 0);
    cJSON_AddNumberToObject(timings, "decode_seconds", t->decode_seconds);
    cJSON_AddNumberToObject(timings, "decode_tokens", t->decode_tokens);
    cJSON_AddNumberToObject(timings, "decode_tokens_per_second",
        t->decode_seconds > 0 ? t->decode_tokens / t->decode_seconds : 0);
    cJSON_AddItemToObject(json, "start", start_json(engine, fathom_chat_get_session(chat)));
    cJSON *drafts = drafts_json(fathom_chat_get_session(chat));
    if (drafts) cJSON_AddItemToObject(json, "drafts", drafts);
    experts_to_json(json, fathom_engine_get_plan(engine), decoding);
    cJSON_AddItemToObject(json, "counters", count);
    cJSON_AddNumberToObject(count, "decode_steps", (double)stats.decode_steps);
    cJSON_AddNumberToObject(count, "decode_submits", (double)stats.decode_submits);
    cJSON_AddNumberToObject(count, "decode_recordings", (double)stats.decode_recordings);
    cJSON_AddNumberToObject(count, "pipelines_built", (double)counters.pipelines_built);
    cJSON_AddNumberToObject(count, "pipelines_from_cache", (double)counters.pipelines_from_cache);
    cJSON_AddNumberToObject(count, "device_memory_bytes", (double)counters.memory_allocated);
    cJSON_AddNumberToObject(count, "device_peak_bytes", (double)counters.device_peak);
    cJSON_AddNumberToObject(count, "host_peak_bytes", (double)counters.host_peak);
    cJSON_AddNumberToObject(count, "in_place_bytes", (double)counters.memory_in_place);
    free(text);
    return print_json(json);
}

// Says why there is no answer, or that the text was cut.
static void say_cut(
    const struct fathom_engine *engine, const struct fathom_reply *reply, const struct run_options *o) {
    const bool full = reply->end == FATHOM_END_CONTEXT;
    if ((!full && reply->end != FATHOM_END_LENGTH) || o->n_tokens == 0) return;
    if (o->raw || reply->answer[0] || reply->n_tool_calls) {
        if (full) fprintf(stderr, "fathom: the context is full\n");
        return;
    }
    const char *where = reply->thought[0] ? "within the thought" : "before the answer";
    if (full)
        fprintf(stderr, "fathom: the context of %u positions (--ctx) was full %s: there is no answer\n",
            fathom_engine_get_plan(engine)->n_context, where);
    else
        fprintf(
            stderr, "fathom: the limit of %u tokens (-n) came %s: there is no answer\n", o->n_tokens, where);
}

static int answer_once(
    struct fathom_engine *engine, struct fathom_chat *chat, const char *prompt, const struct run_options *o) {
    struct fathom_error err = {0};
    struct fathom_reply reply = {.size = sizeof(reply)};
    struct printer printer = {
        .to_terminal = takes_escapes(STDOUT_FILENO),
        .hide_thought = o->hide_thought,
        .silent = o->json,
    };
    text_begun = false;
    stop_seen = 0;
    struct decoding decoding = decoding_begin(fathom_chat_get_session(chat));
    struct fathom_ask_params params = {
        .size = sizeof(params),
        .on_piece = print_piece,
        .user = &printer,
        .sampling = &o->sampling,
        .disable_thinking = o->disable_thinking,
    };
    ask_limit(&params, o->n_tokens);
    const bool ok = fathom_chat_ask(chat, prompt, &params, &reply, &err);
    if (!ok) {
        leave_thought(&printer); // resets the dim terminal
        return refuse(&err);
    }
    if (o->device.verbose)
        fputs("fathom: ", stderr), print_start(stderr, engine, fathom_chat_get_session(chat));
    decoding_end(&decoding, fathom_chat_get_session(chat));
    if (o->json) return show_json(engine, chat, &reply, &decoding, o);
    leave_thought(&printer);
    if (printer.any) fputs("\n", stdout);
    for (size_t i = 0; i < reply.n_tool_calls; i++) // of a model that calls tools without having any
        printf("%s(%s)\n", reply.tool_calls[i].name, reply.tool_calls[i].arguments);
    fflush(stdout);
    print_drafts(stderr, fathom_chat_get_session(chat));
    print_experts(stderr, fathom_engine_get_plan(engine), &decoding, o->device.verbose);
    say_cut(engine, &reply, o);
    if (reply.end == FATHOM_END_CALLER && !interrupted())
        fprintf(stderr, "fathom: the answer could not be written\n");
    return reply.end == FATHOM_END_CALLER ? EXIT_REFUSED : EXIT_DONE;
}

// A chat whose context is nearly full says so before the next question.
static void say_left(struct fathom_chat *chat) {
    const struct fathom_session *session = fathom_chat_get_session(chat);
    const uint32_t all = fathom_session_context(session), left = all - fathom_session_length(session);
    if (left > 0 && left < all / 4)
        fprintf(stderr, "fathom: %u of %u positions are left; /clear makes room\n", left, all);
}

// Reads questions until /quit or the end of the input. /clear begins a new conversation.
static int converse(struct fathom_engine *engine, struct fathom_chat *chat, const struct run_options *o) {
    struct lines *lines = lines_open();
    work_ends();
    if (!lines) return EXIT_REFUSED;
    fprintf(stderr, "/clear begins a new conversation, /quit or Ctrl-D ends; Ctrl-C stops an answer\n");
    for (char *question; (question = lines_next(lines)); free(question)) {
        if (!strcmp(question, "/quit")) {
            free(question);
            break;
        }
        work_begins();
        if (!strcmp(question, "/clear"))
            fathom_chat_clear(chat);
        else if (!is_blank(question)) {
            answer_once(engine, chat, question, o); // the chat continues after an error
            say_left(chat);
        }
        work_ends();
    }
    lines_close(lines);
    fputs("\n", stdout);
    return EXIT_DONE;
}

// chat_template: in Jinja, or NULL.
static int with_chat(struct fathom_engine *engine, const char *prompt, const char *chat_template,
    const struct run_options *o) {
    struct fathom_error err = {0};
    struct fathom_chat_params params = {
        .size = sizeof(params),
        .chat_template =
            &FATHOM_INIT(fathom_template_params, .name = o->template_name, .text = chat_template),
        .raw = o->raw,
        .session = &FATHOM_INIT(fathom_session_params, .progress = {report, NULL}),
    };
    struct fathom_chat *chat = fathom_chat_create(engine, &params, &err);
    if (!chat) return refuse(&err);
    const int code = prompt ? answer_once(engine, chat, prompt, o) : converse(engine, chat, o);
    fathom_chat_destroy(&chat);
    return code;
}

// Reads the prompt from -p as it is, from -f, or from standard input when that is not a terminal. A file's
// text loses one line end at its end, which editors and echo write. *prompt stays NULL for a chat.
static int read_prompt(const struct run_options *o, char **prompt) {
    struct fathom_error err = {0};
    size_t size;
    *prompt = NULL;
    if (o->prompt) {
        *prompt = strdup(o->prompt);
    } else if (o->file || !isatty(STDIN_FILENO)) {
        *prompt = read_text(o->file ? o->file : "-", MAX_PROMPT_BYTES, &size, &err);
        if (!*prompt) return refuse(&err);
        drop_line_end(*prompt);
    } else {
        return EXIT_NOT_YET;
    }
    if (!*prompt) return out_of_memory();
    if (!(o->raw ? !**prompt : is_blank(*prompt))) return EXIT_NOT_YET;
    free(*prompt);
    fprintf(stderr, "fathom run: the %s is empty; give one with -p or -f\n", o->raw ? "text" : "question");
    return EXIT_WRONG_USE;
}

// The model's own sampling, but for what the options say.
static struct fathom_sampling choose_sampling(
    const struct fathom_engine *engine, const struct run_options *o) {
    struct fathom_sampling s = {.size = sizeof(s)};
    const struct fathom_sampling *own = fathom_engine_get_sampling(engine);
    if (!o->greedy) {
        s.temperature = o->given.temperature ? o->sampling.temperature : own->temperature;
        s.top_k = o->given.top_k ? o->sampling.top_k : own->top_k;
        s.top_p = o->given.top_p ? o->sampling.top_p : own->top_p;
        s.min_p = o->given.min_p ? o->sampling.min_p : own->min_p;
        s.repeat_penalty = own->repeat_penalty;
        s.seed = o->given.seed ? o->sampling.seed : clock_seed();
        if (o->given.top_p && s.top_p == 0) s.temperature = 0; // the limit: the likeliest token alone
    }
    if (o->given.repeat_penalty) s.repeat_penalty = o->sampling.repeat_penalty;
    return s;
}

int run_main(int argc, char **argv) {
    struct run_options o = {.n_tokens = OPTION_NO_LIMIT};
    const struct option options[] = {
        {"-p", OPTION_TEXT, &o.prompt, "TEXT", "the question", NULL},
        {"-f", OPTION_TEXT, &o.file, "FILE", "the question's file (- is stdin)", NULL},
        LIMIT_OPTION(&o.n_tokens),
        {"--raw", OPTION_FLAG, &o.raw, NULL, "no chat template: continue the text as it is", NULL},
        TEMPLATE_OPTIONS(&o.template_name, &o.template_file),
        {"--no-think", OPTION_FLAG, &o.disable_thinking, NULL,
            "answer without a thought, if the template can", NULL},
        {"--greedy", OPTION_FLAG, &o.greedy, NULL, "always the likeliest token", NULL},
        {"--temp", OPTION_NUMBER, &o.sampling.temperature, "T", "temperature (the model's; 0: greedy)",
            &o.given.temperature, 1000},
        {"--top-k", OPTION_COUNT, &o.sampling.top_k, "K", "only the K likeliest (the model's; 0: off)",
            &o.given.top_k},
        {"--top-p", OPTION_NUMBER, &o.sampling.top_p, "P",
            "only the likeliest that make up P (the model's; 1: off)", &o.given.top_p, 1},
        {"--min-p", OPTION_NUMBER, &o.sampling.min_p, "P",
            "only those at least P times as likely as the best (the model's; 0: off)", &o.given.min_p, 1},
        {"--repeat-penalty", OPTION_NUMBER, &o.sampling.repeat_penalty, "R",
            "divide the logits of earlier tokens by R (the model's; 1: off)", &o.given.repeat_penalty, 1000},
        {"--seed", OPTION_SEED, &o.sampling.seed, "N", "the same seed gives the same text (the clock)",
            &o.given.seed},
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
    if (o.raw && (o.template_name || o.template_file)) {
        fprintf(stderr, "fathom run: --raw takes no template\n");
        return EXIT_WRONG_USE;
    }
    char *prompt, *demo = NULL, *chat_template;
    if (!read_template(o.template_file, &chat_template)) return EXIT_REFUSED;
    if ((code = read_prompt(&o, &prompt)) != EXIT_NOT_YET) {
        free(chat_template);
        return code;
    }
    watch_interrupt();
    struct fathom_engine *engine = NULL;
    code = EXIT_REFUSED;
    if (o.model || (demo = demo_model())) engine = open_engine(o.model ? o.model : demo, &o.device);
    if (engine) o.sampling = choose_sampling(engine, &o);
    if (engine) code = with_chat(engine, prompt, chat_template, &o);
    fathom_engine_destroy(&engine);
    free(demo);
    free(prompt);
    free(chat_template);
    return code;
}
