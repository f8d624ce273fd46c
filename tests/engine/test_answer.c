// Answers from tokens, without a model: pieces, stop strings, the end of a thought.
#include "base/error.h"
#include "engine/answer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
// after the standard headers
#include <cmocka.h>

static const char thought[] = "Huit fois 62, é🙂.\n",
                  answer[] = "Il a 496 livres : 8 × 62 🙂🙂 aab aaab.";

struct fixture {
    struct fathom_tokenizer *tokenizer;
    struct fathom_template *r1;
};

static int open_fixture(void **state) {
    struct fathom_error err = {0};
    struct fixture *f = calloc(1, sizeof(*f));
    const struct fm_chat_source source = {.name = "deepseek-r1", .architecture = "deepseek2"};
    if ((f->tokenizer = fathom_tokenizer_open(FATHOM_SOURCE_DIR "/tools/demo/minnow-q8_0.gguf", &err)))
        f->r1 = fm_chat_template_create(f->tokenizer, &source, &err);
    if (!f->r1) print_error("%s\n", err.message);
    *state = f;
    return f->r1 ? 0 : -1;
}

static int close_fixture(void **state) {
    struct fixture *f = *state;
    fathom_template_destroy(&f->r1);
    fathom_tokenizer_destroy(&f->tokenizer);
    free(f);
    return 0;
}

static void encode(const struct fixture *f, const char *text, size_t length, struct fm_tokens *tokens) {
    struct fathom_error err = {0};
    if (!fm_tokenizer_encode(f->tokenizer, text, length, true, tokens, &err)) fail_msg("%s", err.message);
}

// What came through on_piece.
struct heard {
    char texts[2][512]; // by enum fathom_piece
    int n_pieces, n_wanted;
};

static bool hear(void *user, enum fathom_piece kind, const char *text) {
    struct heard *heard = user;
    assert_true(kind == FATHOM_PIECE_ANSWER || !heard->texts[FATHOM_PIECE_ANSWER][0]); // in order
    strcat(heard->texts[kind], text);
    return ++heard->n_pieces != heard->n_wanted;
}

static struct fm_answer_form form_of(const struct fixture *f, struct heard *heard, struct fm_stops stops) {
    return (struct fm_answer_form){
        .tokenizer = f->tokenizer,
        .chat_template = f->r1,
        .on_piece = hear,
        .user = heard,
        .stops = stops,
    };
}

// What is held back after each token must be the beginning of a stop.
static void check_held(const struct fm_answer *a) {
    const size_t held = a->answer.length - a->n_handed;
    bool begins = held == 0;
    for (size_t i = 0; i < a->form.stops.n; i++)
        begins |= held < strlen(a->form.stops.items[i]) &&
            !strncmp(a->answer.text + a->n_handed, a->form.stops.items[i], held);
    if (!begins) fail_msg("\"%s\" is held back", a->answer.text + a->n_handed);
}

static void take_all(struct fm_answer *a, const struct fm_answer_form *form, const struct fm_tokens *tokens) {
    fm_answer_start(a, form, &(struct fm_chat_state){.in_answer = false});
    for (size_t i = 0; i < tokens->count; i++) {
        const bool wanted = fm_answer_take(a, tokens->ids[i]);
        if (form->call_style == FM_CALL_NONE && a->end != FATHOM_END_STRING) check_held(a);
        if (!wanted) break;
    }
    assert_true(fm_answer_finish(a));
}

// The reply: thought, mark, two line ends, and the answer cut into tokens at the bytes of `cuts`.
static struct fm_tokens reply_of(const struct fixture *f, const size_t *cuts, size_t n_cuts) {
    struct fm_tokens tokens = {0};
    size_t begin = 0;
    encode(f, thought, strlen(thought), &tokens);
    encode(f, "</think>\n\n", 10, &tokens);
    for (size_t i = 0; i <= n_cuts; i++) {
        const size_t end = i < n_cuts ? cuts[i] : strlen(answer);
        encode(f, answer + begin, end - begin, &tokens);
        begin = end;
    }
    encode(f, "<｜end▁of▁sentence｜>", strlen("<｜end▁of▁sentence｜>"), &tokens);
    return tokens;
}

static bool at_border(size_t byte) {
    return ((unsigned char)answer[byte] & 0xC0) != 0x80;
}

// The tokens that stay before byte `stop` of the answer: all before it that end with a whole character.
static size_t kept_tokens(const struct fixture *f, const struct fm_tokens *tokens, size_t stop) {
    size_t bytes = 0, kept = 0, i = 0, length;
    while (fathom_tokenizer_find(f->tokenizer, "</think>") != tokens->ids[i]) i++;
    kept = ++i;
    for (bool in_text = false; i < tokens->count; i++) {
        const char *text = fathom_token_bytes(f->tokenizer, tokens->ids[i], &length);
        while (!in_text && length && *text == '\n') text++, length--;
        in_text |= length > 0;
        if ((bytes += length) > stop) break;
        if (at_border(bytes)) kept = i + 1;
    }
    return kept;
}

// Checks an answer that a stop at byte `stop` has ended.
static void check_stopped(const struct fixture *f, const struct fm_answer *a, const struct heard *heard,
    const struct fm_tokens *tokens, size_t stop) {
    assert_int_equal(a->end, FATHOM_END_STRING);
    assert_int_equal(a->answer.length, stop);
    assert_memory_equal(a->answer.text, answer, stop);
    assert_int_equal(strlen(heard->texts[FATHOM_PIECE_ANSWER]), stop);
    assert_memory_equal(heard->texts[FATHOM_PIECE_ANSWER], answer, stop);
    assert_string_equal(a->thought.text, thought);
    assert_string_equal(heard->texts[FATHOM_PIECE_THOUGHT], thought);
    assert_int_equal(a->ids.count, kept_tokens(f, tokens, stop));
    assert_memory_equal(a->ids.ids, tokens->ids, a->ids.count * sizeof(*tokens->ids));
}

static void whole(void **state) {
    const struct fixture *f = *state;
    struct fm_answer a = {0};
    struct heard heard = {0};
    struct fm_tokens tokens = reply_of(f, NULL, 0);
    const struct fm_answer_form form = form_of(f, &heard, (struct fm_stops){0});
    take_all(&a, &form, &tokens);
    assert_int_equal(a.end, FATHOM_END_STOP);
    assert_string_equal(a.thought.text, thought);
    assert_string_equal(a.answer.text, answer);
    assert_string_equal(heard.texts[FATHOM_PIECE_ANSWER], answer);
    assert_int_equal(a.ids.count, tokens.count);
    size_t mark = 0;
    while (tokens.ids[mark] != fathom_tokenizer_find(f->tokenizer, "</think>")) mark++;
    assert_int_equal(a.n_thought_ids, mark + 1);
    fm_answer_free(&a);
    free(tokens.ids);
}

// Every part of the answer as a stop.
static void every_stop(void **state) {
    const struct fixture *f = *state;
    struct fm_answer a = {0};
    struct fm_tokens tokens = reply_of(f, NULL, 0);
    char stop[sizeof(answer)];
    const char *stops[] = {stop};
    size_t n = 0;
    for (size_t begin = 0; answer[begin]; begin++)
        for (size_t end = begin + 1; end <= strlen(answer); end++) {
            if (!at_border(begin) || !at_border(end)) continue;
            struct heard heard = {0};
            const struct fm_answer_form form = form_of(f, &heard, (struct fm_stops){stops, 1});
            memcpy(stop, answer + begin, end - begin);
            stop[end - begin] = 0;
            take_all(&a, &form, &tokens);
            check_stopped(f, &a, &heard, &tokens, (size_t)(strstr(answer, stop) - answer));
            n++;
        }
    print_message("%zu stops\n", n);
    fm_answer_free(&a);
    free(tokens.ids);
}

// The same stops end the answer at the same byte, however the answer is cut into tokens.
static void every_split(void **state) {
    static const struct {
        const char *stops[3];
        const char *before; // text of the answer at which it ends; NULL: no stop is in it
    } cases[] = {
        {{"496"}, "496 livres"},
        {{"496 livres", "9"}, "96 livres"},  // complete first
        {{"6", "496"}, "496 livres"},        // the longest of those that are complete at once
        {{"livres ?", "livre"}, "livres :"}, // the first turns out to be none
        {{"🙂 a"}, "🙂 aab"},
        {{"aaab"}, "aaab."}, // "aab" began before
        {{"ab aab", "aab."}, "aab."},
        {{"Il"}, "Il"},
        {{"62 livres", "\n", "Huit"}, NULL}, // line ends before the answer, and the thought, are not searched
        {{". ", "."}, "."},
    };
    const struct fixture *f = *state;
    struct fm_answer a = {0};
    for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
        struct fm_stops stops = {cases[c].stops, 0};
        while (stops.n < 3 && cases[c].stops[stops.n]) stops.n++;
        for (size_t i = 1; answer[i]; i++)
            for (size_t j = i; answer[j]; j++) {
                if (!at_border(i) || !at_border(j)) continue;
                const size_t cuts[] = {i, j};
                struct heard heard = {0};
                struct fm_tokens tokens = reply_of(f, cuts, 2);
                const struct fm_answer_form form = form_of(f, &heard, stops);
                take_all(&a, &form, &tokens);
                if (cases[c].before)
                    check_stopped(f, &a, &heard, &tokens, (size_t)(strstr(answer, cases[c].before) - answer));
                else
                    assert_string_equal(heard.texts[FATHOM_PIECE_ANSWER], answer);
                free(tokens.ids);
            }
    }
    fm_answer_free(&a);
}

// A stop in the text of a call ends the answer; an unfinished call is text.
static void stop_in_call(void **state) {
    static const char *const texts[] = {
        "Voilà <tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>STOP",
        "Voilà <tool_call>{\"name\": \"f\", STOP"};
    static const char *const stops[] = {"STOP"};
    const struct fixture *f = *state;
    struct fm_answer a = {0};
    for (int i = 0; i < 2; i++) {
        struct heard heard = {0};
        struct fm_tokens tokens = {0};
        struct fm_answer_form form = form_of(f, &heard, (struct fm_stops){stops, 1});
        form.call_style = FM_CALL_JSON;
        encode(f, "x</think>", 9, &tokens);
        encode(f, texts[i], strlen(texts[i]), &tokens);
        take_all(&a, &form, &tokens);
        assert_int_equal(a.end, FATHOM_END_STRING);
        assert_int_equal(a.calls.n, i ? 0 : 1);
        assert_string_equal(a.answer.text, i ? "Voilà <tool_call>{\"name\": \"f\", " : "Voilà ");
        assert_string_equal(heard.texts[FATHOM_PIECE_ANSWER], a.answer.text);
        free(tokens.ids);
    }
    fm_answer_free(&a);
}

// After on_piece has returned false it is not called again, and the text so far is kept.
static void caller_stops(void **state) {
    // ends of words that may begin a stop are held back when the piece before them is handed over
    static const char *const stops[] = {"s ?", "a ?", "v ?", " ?", "b ?", "62 ?"};
    const struct fixture *f = *state;
    struct fm_tokens tokens = reply_of(f, NULL, 0);
    struct fm_answer a = {0};
    for (int n = 1; n < 40; n++) {
        struct heard heard = {.n_wanted = n};
        const struct fm_answer_form form = form_of(f, &heard, (struct fm_stops){stops, 6});
        take_all(&a, &form, &tokens);
        if (a.end == FATHOM_END_STOP) break; // there are not so many pieces
        assert_int_equal(a.end, FATHOM_END_CALLER);
        assert_int_equal(heard.n_pieces, n);
        if (a.answer.length) assert_memory_equal(a.answer.text, answer, a.answer.length);
        assert_true(n < 39);
    }
    fm_answer_free(&a);
    free(tokens.ids);
}

// A budget of every size: the thought has so many tokens, the one too many is not taken, and the answer
// follows the mark.
static void budget(void **state) {
    const struct fixture *f = *state;
    struct fm_tokens tokens = reply_of(f, NULL, 0);
    struct fm_answer a = {0};
    uint32_t mark = 0;
    while (tokens.ids[mark] != fathom_tokenizer_find(f->tokenizer, "</think>")) mark++;
    for (uint32_t max = 1; max < mark + 2; max++) {
        struct heard heard = {0};
        struct fm_answer_form form = form_of(f, &heard, (struct fm_stops){0});
        form.max_thought = max;
        fm_answer_start(&a, &form, &(struct fm_chat_state){.in_answer = false});
        uint32_t i = 0;
        while (fm_answer_take(&a, tokens.ids[i])) i++;
        assert_int_equal(a.thought_is_full, max < mark);
        if (a.thought_is_full) {
            assert_int_equal(i, max);
            assert_int_equal(a.ids.count, max);
            assert_int_equal(a.end, FATHOM_END_LENGTH);
            a.thought_is_full = false;
            for (i = mark - 1; fm_answer_take(&a, tokens.ids[i]); i++) {} // a line end, and the mark
            assert_false(a.thought_is_full);
        }
        assert_true(fm_answer_finish(&a));
        assert_int_equal(a.end, FATHOM_END_STOP);
        assert_string_equal(a.answer.text, answer);
        assert_string_equal(heard.texts[FATHOM_PIECE_THOUGHT], a.thought.text);
        assert_int_equal(a.ids.ids[a.n_thought_ids - 1], tokens.ids[mark]);
    }
    fm_answer_free(&a);
    free(tokens.ids);
}

static void end_of_thought(void **state) {
    static const struct {
        const char *text, *end;
    } cases[] = {
        {"<｜User｜>q<｜Assistant｜><think>\nLet me see", "\n</think>\n\n"},
        {"<｜User｜>q<｜Assistant｜><think>\nLet me see.\n", "</think>\n\n"},
        {"<｜User｜>q<｜Assistant｜><think>\n", "</think>\n\n"},
        {"<｜User｜>q<｜Assistant｜><think>Let me see", "</think>"},
        {"<｜User｜>q<｜Assistant｜><think>Let me see.\n", "</think>"},
        {"<think>\nold\n</think>\n\na<｜User｜>q<｜Assistant｜><think>new",
            "</think>"}, // the last opening mark
        {"<｜User｜>q<｜Assistant｜><think>", "</think>"},
    };
    const struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fathom_error err = {0};
        struct fm_tokens text = {0}, end = {0}, want = {0};
        encode(f, cases[i].text, strlen(cases[i].text), &text);
        encode(f, cases[i].end, strlen(cases[i].end), &want);
        if (!fm_chat_end_thought(f->r1, text.ids, text.count, &end, &err)) fail_msg("%s", err.message);
        assert_int_equal(end.count, want.count);
        assert_memory_equal(end.ids, want.ids, want.count * sizeof(*want.ids));
        free(text.ids);
        free(end.ids);
        free(want.ids);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole), cmocka_unit_test(every_stop),
        cmocka_unit_test(every_split), cmocka_unit_test(stop_in_call), cmocka_unit_test(caller_stops),
        cmocka_unit_test(budget), cmocka_unit_test(end_of_thought)};
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
