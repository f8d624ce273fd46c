#include "text/tool_calls.h"
#include "base/json.h"
#include "text/call_marks.h"
#include "text/call_reader.h"
#include <stdlib.h>
#include <string.h>

void fm_tool_calls_free(struct fm_tool_calls *calls) {
    for (size_t i = 0; i < calls->n; i++) {
        free((char *)calls->items[i].name);
        free((char *)calls->items[i].arguments);
        free((char *)calls->items[i].id);
    }
    free(calls->items);
    *calls = (struct fm_tool_calls){0};
}

void fm_call_reading_free(struct fm_call_reading *reading) {
    fm_tool_calls_free(&reading->calls);
    free(reading->texts);
    *reading = (struct fm_call_reading){0};
}

bool fm_call_reading_text(const struct fm_call_reading *reading, const char *answer, struct fm_text *out) {
    for (size_t i = 0; i < reading->n_texts; i++) {
        const struct fm_call_text *t = &reading->texts[i];
        if (i && out->length && !fm_text_append(out, "\n", 1)) return false;
        if (!fm_text_append(out, answer + t->begin, t->end - t->begin)) return false;
    }
    return fm_text_append(out, "", 0);
}

// Reads the call, or the calls, at a mark. Returns where they end, or NULL where there is none.
static const char *read_unit(struct fm_call_reader *r, enum fm_mark_kind kind, const char *at) {
    switch (kind) {
    case FM_MARK_TOOL_CALL: return fm_read_tool_call(r, at);
    case FM_MARK_FUNCTION: return fm_read_function(r, at);
    case FM_MARK_INVOKE: return fm_read_invoke(r, at);
    case FM_MARK_NAMED: return fm_read_named(r, at);
    case FM_MARK_LIST: return fm_read_list(r, at);
    case FM_MARK_OBJECT: return fm_read_object(r, at);
    case FM_MARK_CLOSE:
    case FM_MARK_NONE: break;
    }
    return NULL;
}

static void read_all(struct fm_call_reader *r) {
    const char *at = r->start, *piece = at;
    while (at < r->end && r->n_failed < FM_CALL_MAX_FAILED && !r->no_memory) {
        size_t length;
        bool partial;
        const enum fm_mark_kind kind = fm_mark_at(r->style, at, r->end, &length, &partial);
        if (kind == FM_MARK_NONE) {
            at++;
            continue;
        }
        const size_t n_calls = r->out->calls.n, n_texts = r->out->n_texts;
        fm_call_add_text(r, piece, at);
        const char *behind = read_unit(r, kind, at + length);
        if (behind && r->out->calls.n > n_calls) {
            at = piece = behind;
            continue;
        }
        r->out->n_texts = n_texts;
        r->n_failed += kind != FM_MARK_CLOSE && kind != FM_MARK_OBJECT;
        const char *next = fm_call_skip_space(r, at + length);
        // a mark around all calls, or a mark that comes twice: not text
        if (kind == FM_MARK_CLOSE ||
            (kind != FM_MARK_OBJECT && fm_mark_next(r->style, next, r->end) == next)) {
            fm_call_add_text(r, piece, at);
            at = piece = at + length;
            continue;
        }
        // no call: all is text, up to the mark that closes it
        at = kind == FM_MARK_OBJECT ? at + length + 1 : fm_call_behind_bad(r, at + length);
    }
    fm_call_add_text(r, piece, r->end);
}

bool fm_calls_read(
    enum fm_call_style style, const char *tools, const char *answer, struct fm_call_reading *reading) {
    struct fm_call_reader r = {
        .style = style,
        .tools = tools ? fm_json_parse("tools", tools, strlen(tools), NULL) : NULL,
        .start = answer,
        .end = answer + strlen(answer),
        .out = reading,
    };
    *reading = (struct fm_call_reading){0};
    if (style != FM_CALL_NONE) read_all(&r);
    if (!reading->calls.n && !r.no_memory) { // all is text, white space too
        free(reading->texts);
        reading->n_texts = 0;
        if (!(reading->texts = malloc(sizeof(*reading->texts))))
            r.no_memory = true;
        else
            reading->texts[reading->n_texts++] = (struct fm_call_text){0, strlen(answer)};
    }
    cJSON_Delete(r.tools);
    if (r.no_memory) fm_call_reading_free(reading);
    return !r.no_memory;
}
