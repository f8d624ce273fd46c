#include "engine/answer.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

static bool fail(struct fm_answer *a) {
    a->failed = true;
    return fm_fail(a->form.err, FATHOM_NO_MEMORY, "chat: no memory for the answer");
}

// Hands the bytes [begin, end) of a text to the caller.
static bool hand_over(
    struct fm_answer *a, enum fathom_piece kind, struct fm_text *whole, size_t begin, size_t end) {
    if (begin == end || !a->form.on_piece) return true;
    const char behind = whole->text[end];
    whole->text[end] = 0;
    const bool wanted = a->form.on_piece(a->form.user, kind, whole->text + begin);
    whole->text[end] = behind;
    if (!wanted) { // and no more pieces
        a->end = FATHOM_END_CALLER;
        a->form.on_piece = NULL;
    }
    return wanted;
}

// Hands over the bytes of the answer before byte `end` that are no part of a tool call.
static bool hand_over_answer(struct fm_answer *a, size_t end) {
    const size_t begin = a->n_handed;
    a->n_handed = a->form.call_style == FM_CALL_NONE
        ? end
        : begin + fm_calls_begin(a->form.call_style, a->answer.text + begin, end - begin);
    return hand_over(a, FATHOM_PIECE_ANSWER, &a->answer, begin, a->n_handed);
}

// Ends the answer before a stop: cuts the text there, and drops the tokens that reach past it.
static void end_before(struct fm_answer *a, size_t stop) {
    a->answer.text[a->answer.length = stop] = 0;
    while (a->ids.count && a->ends[a->ids.count - 1] > stop) a->ids.count--;
    a->utf8 = (struct fm_utf8_stream){0};
    hand_over_answer(a, stop);
    a->end = FATHOM_END_STRING;
}

// Adds a text of whole UTF-8 characters to the thought or the answer. Drops line ends before the first word.
static bool add_text(struct fm_answer *a, bool in_answer, const char *text, size_t length) {
    struct fm_text *whole = in_answer ? &a->answer : &a->thought;
    if (whole->length == 0 && a->form.chat_template)
        while (length && *text == '\n') text++, length--;
    if (length == 0) return true;
    const size_t begin = whole->length;
    if (!fm_text_append(whole, text, length)) return fail(a);
    if (!in_answer) return hand_over(a, FATHOM_PIECE_THOUGHT, whole, begin, whole->length);
    size_t stop;
    if (fm_stops_find(&a->form.stops, whole->text, begin, whole->length, &stop))
        return end_before(a, stop), false;
    return hand_over_answer(a, fm_stops_before(&a->form.stops, whole->text, whole->length));
}

// Adds a character that the tokens have left incomplete.
static bool add_incomplete(struct fm_answer *a, bool in_answer) {
    char out[16];
    return add_text(a, in_answer, out, fm_utf8_flush(&a->utf8, out));
}

static bool add_token(struct fm_answer *a, bool in_answer, int32_t id) {
    size_t length;
    const char *bytes = fathom_token_bytes(a->form.tokenizer, id, &length);
    size_t *end = &a->ends[a->ids.count - 1];
    if (fathom_token_is_control(a->form.tokenizer, id) &&
        !fm_call_has_mark(a->form.call_style, bytes, length))
        return true;
    char *out = malloc(4 * length + 16);
    if (!out) return fail(a);
    const size_t n = fm_utf8_push(&a->utf8, bytes, length, out);
    *end = SIZE_MAX; // until the text is added: a stop in the text drops this token
    const bool wanted = add_text(a, in_answer, out, n);
    *end = a->utf8.n_held ? SIZE_MAX : a->answer.length;
    free(out);
    return wanted;
}

static bool add_id(struct fm_answer *a, int32_t id) {
    struct fm_tokens *ids = &a->ids;
    if (ids->count == ids->capacity) {
        const size_t capacity = 2 * ids->capacity + 64;
        int32_t *grown = realloc(ids->ids, capacity * sizeof(*grown));
        if (!grown) return fail(a);
        ids->ids = grown;
        size_t *ends = realloc(a->ends, capacity * sizeof(*ends));
        if (!ends) return fail(a);
        a->ends = ends;
        ids->capacity = capacity;
    }
    a->ends[ids->count] = a->answer.length;
    ids->ids[ids->count++] = id;
    return true;
}

void fm_answer_start(
    struct fm_answer *a, const struct fm_answer_form *form, const struct fm_chat_state *state) {
    struct fm_answer fresh = {
        .form = *form,
        .state = *state,
        .thought = a->thought,
        .answer = a->answer,
        .ids = a->ids,
        .ends = a->ends,
        .end = FATHOM_END_LENGTH,
    };
    fm_tool_calls_free(&a->calls);
    *a = fresh;
    a->ids.count = 0;
    fm_text_clear(&a->thought);
    fm_text_clear(&a->answer);
}

bool fm_answer_take(struct fm_answer *a, int32_t id) {
    const enum fm_chat_part part = fathom_token_is_end(a->form.tokenizer, id) ? FM_CHAT_END
        : a->form.chat_template ? fm_chat_follow(a->form.chat_template, &a->state, id)
                                : FM_CHAT_ANSWER;
    if (part == FM_CHAT_THOUGHT && a->form.max_thought && a->n_thought == a->form.max_thought) {
        a->form.max_thought = 0;
        a->thought_is_full = a->state.cut = true;
        return false;
    }
    if (!add_id(a, id)) return false;
    if (part == FM_CHAT_THOUGHT || part == FM_CHAT_THOUGHT_MARK) a->n_thought_ids = (uint32_t)a->ids.count;
    switch (part) {
    case FM_CHAT_THOUGHT: a->n_thought++; return add_token(a, false, id);
    case FM_CHAT_THOUGHT_MARK: return add_incomplete(a, false);
    case FM_CHAT_ANSWER: return add_token(a, true, id);
    case FM_CHAT_SECOND_MARK: return true;
    case FM_CHAT_END: break;
    }
    a->end = FATHOM_END_STOP;
    return false;
}

// Puts the text that is no call in place of the answer behind byte a->n_handed, and takes the calls in it.
static bool read_calls(struct fm_answer *a) {
    struct fm_text *answer = &a->answer;
    struct fm_call_reading reading;
    struct fm_text rest = {0};
    bool fits = fm_calls_read(a->form.call_style, a->form.tools, answer->text + a->n_handed, &reading) &&
        fm_call_reading_text(&reading, answer->text + a->n_handed, &rest);
    answer->text[answer->length = a->n_handed] = 0;
    if (fits && rest.length && answer->length && reading.texts[0].begin) // behind a call
        fits = fm_text_append(answer, "\n", 1);
    fits = fits && fm_text_append(answer, rest.text, rest.length);
    a->calls = reading.calls;
    reading.calls = (struct fm_tool_calls){0};
    fm_call_reading_free(&reading);
    fm_text_free(&rest);
    return fits || fail(a);
}

bool fm_answer_finish(struct fm_answer *a) {
    const enum fathom_end end = a->end; // whatever on_piece says to the last pieces
    add_incomplete(a, a->state.in_answer || !a->form.chat_template);
    if (!a->failed && a->answer.length && a->form.call_style != FM_CALL_NONE) read_calls(a);
    if (a->failed) return false;
    hand_over(a, FATHOM_PIECE_ANSWER, &a->answer, a->n_handed, a->answer.length);
    if (a->end == FATHOM_END_CALLER) a->end = end;
    return true;
}

void fm_answer_free(struct fm_answer *a) {
    fm_tool_calls_free(&a->calls);
    fm_text_free(&a->thought);
    fm_text_free(&a->answer);
    free(a->ids.ids);
    free(a->ends);
    *a = (struct fm_answer){0};
}
