#include "text/pretokenize.h"
#include <stdlib.h>
#include <string.h>

static struct fm_split *next_split(struct fm_pretokenizer *pretokenizer, struct fathom_error *err) {
    if (pretokenizer->n_splits < FM_MAX_SPLITS) return &pretokenizer->splits[pretokenizer->n_splits];
    fm_fail(err, FATHOM_UNSUPPORTED, "tokenizer: pre_tokenizer has more than %d steps", FM_MAX_SPLITS);
    return NULL;
}

bool fm_pretokenizer_add(struct fm_pretokenizer *pretokenizer, enum fm_split_kind kind, bool invert,
    const char *pattern, size_t length, bool literal, struct fathom_error *err) {
    struct fm_split *split = next_split(pretokenizer, err);
    if (!split) return false;
    *split = (struct fm_split){kind, invert, fm_regex_create(pattern, length, literal, err)};
    if (!split->regex) return false;
    pretokenizer->n_splits++;
    return true;
}

bool fm_pretokenizer_add_prefix_space(struct fm_pretokenizer *pretokenizer, struct fathom_error *err) {
    struct fm_split *split = next_split(pretokenizer, err);
    if (!split) return false;
    *split = (struct fm_split){.kind = FM_SPLIT_PREFIX_SPACE};
    pretokenizer->n_splits++;
    return true;
}

void fm_pretokenizer_clear(struct fm_pretokenizer *pretokenizer) {
    for (size_t i = 0; i < pretokenizer->n_splits; i++) fm_regex_destroy(&pretokenizer->splits[i].regex);
    pretokenizer->n_splits = 0;
}

void fm_words_clear(struct fm_words *words) {
    free(words->spans.items);
    free(words->pieces.items);
    free(words->cuts.items);
    free(words->own);
    fm_regex_match_destroy(&words->match);
    *words = (struct fm_words){0};
}

static bool push(struct fm_spans *spans, size_t start, size_t end, struct fathom_error *err) {
    if (spans->count == spans->capacity) {
        size_t capacity = spans->capacity ? 2 * spans->capacity : 256;
        struct fm_span *items = realloc(spans->items, capacity * sizeof(*items));
        if (!items) return fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory for %zu words", capacity);
        spans->items = items;
        spans->capacity = capacity;
    }
    spans->items[spans->count++] = (struct fm_span){(uint32_t)start, (uint32_t)(end - start)};
    return true;
}

static bool push_filled(struct fm_spans *spans, size_t start, size_t end, struct fathom_error *err) {
    return start == end || push(spans, start, end, err);
}

// Finds the cuts of one piece by an expression. Gaps and matches alternate, beginning with the gap before the
// first match. Each of them may be empty.
static bool find_cuts(
    const struct fm_split *split, struct fm_words *words, struct fm_span piece, struct fathom_error *err) {
    const char *text = words->text + piece.start;
    words->cuts.count = 0;
    size_t from = 0, last = 0;
    bool not_empty = false;
    while (from <= piece.length) {
        size_t start, end;
        int found =
            fm_regex_find(split->regex, words->match, text, piece.length, from, not_empty, &start, &end, err);
        if (found < 0) return false;
        if (found == 0) break;
        if (!push(&words->cuts, last, start, err) || !push(&words->cuts, start, end, err)) return false;
        not_empty = true; // an empty match directly after a match does not count
        from = last = end;
    }
    return push(&words->cuts, last, piece.length, err);
}

// Cut i of a piece: odd cuts are matches, even cuts are gaps. An empty gap is absent, unless it is the only
// cut.
static bool is_match(const struct fm_split *split, size_t i) {
    return (i % 2 == 1) != split->invert;
}

static bool absent(const struct fm_words *words, size_t i) {
    return i % 2 == 0 && words->cuts.items[i].length == 0 && words->cuts.count > 1;
}

static bool merge_with_neighbour(
    const struct fm_split *split, struct fm_words *words, size_t base, struct fathom_error *err) {
    bool backwards = split->kind == FM_SPLIT_MERGED_WITH_NEXT; // mirrors MERGED_WITH_PREVIOUS from the end
    size_t first = words->pieces.count, n = words->cuts.count;
    bool before_was_match = false;
    for (size_t k = 0; k < n; k++) {
        size_t i = backwards ? n - 1 - k : k;
        if (absent(words, i)) continue;
        struct fm_span cut = words->cuts.items[i];
        bool match = is_match(split, i);
        if (match && !before_was_match && words->pieces.count > first) {
            struct fm_span *neighbour = &words->pieces.items[words->pieces.count - 1];
            neighbour->length += cut.length;
            if (backwards) neighbour->start = (uint32_t)(base + cut.start);
        } else if (!push(&words->pieces, base + cut.start, base + cut.start + cut.length, err)) {
            return false;
        }
        before_was_match = match;
    }
    for (size_t a = first, b = words->pieces.count; backwards && a + 1 < b; a++, b--) {
        struct fm_span swap = words->pieces.items[a];
        words->pieces.items[a] = words->pieces.items[b - 1];
        words->pieces.items[b - 1] = swap;
    }
    size_t kept = first;
    for (size_t i = first; i < words->pieces.count; i++)
        if (words->pieces.items[i].length) words->pieces.items[kept++] = words->pieces.items[i];
    words->pieces.count = kept;
    return true;
}

static bool join_alike(
    const struct fm_split *split, struct fm_words *words, size_t base, struct fathom_error *err) {
    size_t start = 0, end = 0;
    bool inside = false;
    for (size_t i = 0; i < words->cuts.count; i++) {
        if (absent(words, i)) continue;
        struct fm_span cut = words->cuts.items[i];
        if (is_match(split, i) != inside) {
            if (!push_filled(&words->pieces, base + start, base + end, err)) return false;
            start = cut.start;
            inside = is_match(split, i);
        }
        end = cut.start + cut.length;
    }
    return push_filled(&words->pieces, base + start, base + end, err);
}

static bool split_piece(
    const struct fm_split *split, struct fm_words *words, struct fm_span piece, struct fathom_error *err) {
    if (!find_cuts(split, words, piece, err)) return false;
    switch (split->kind) {
    case FM_SPLIT_MERGED_WITH_PREVIOUS:
    case FM_SPLIT_MERGED_WITH_NEXT: return merge_with_neighbour(split, words, piece.start, err);
    case FM_SPLIT_CONTIGUOUS: return join_alike(split, words, piece.start, err);
    default: break;
    }
    for (size_t i = 0; i < words->cuts.count; i++) {
        struct fm_span cut = words->cuts.items[i];
        if (split->kind == FM_SPLIT_REMOVED && is_match(split, i)) continue;
        if (!push_filled(&words->pieces, piece.start + cut.start, piece.start + cut.start + cut.length, err))
            return false;
    }
    return true;
}

static bool prefix_space(struct fm_words *words, struct fathom_error *err) {
    size_t total = 0;
    for (size_t i = 0; i < words->spans.count; i++) total += words->spans.items[i].length + 1;
    char *text = malloc(total + 1);
    if (!text) return fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory for a text of %zu bytes", total);
    size_t used = 0;
    for (size_t i = 0; i < words->spans.count; i++) {
        struct fm_span *span = &words->spans.items[i];
        size_t start = used;
        if (words->text[span->start] != ' ') text[used++] = ' ';
        memcpy(text + used, words->text + span->start, span->length);
        used += span->length;
        *span = (struct fm_span){(uint32_t)start, (uint32_t)(used - start)};
    }
    free(words->own);
    words->text = words->own = text;
    return true;
}

bool fm_pretokenize(const struct fm_pretokenizer *pretokenizer, const char *text, size_t length,
    struct fm_words *words, struct fathom_error *err) {
    if (!words->match && !(words->match = fm_regex_match_create(err))) return false;
    words->text = text;
    words->spans.count = 0;
    if (!push_filled(&words->spans, 0, length, err)) return false;
    for (size_t i = 0; i < pretokenizer->n_splits; i++) {
        const struct fm_split *split = &pretokenizer->splits[i];
        if (split->kind == FM_SPLIT_PREFIX_SPACE) {
            if (!prefix_space(words, err)) return false;
            continue;
        }
        words->pieces.count = 0;
        for (size_t k = 0; k < words->spans.count; k++)
            if (!split_piece(split, words, words->spans.items[k], err)) return false;
        struct fm_spans swap = words->spans;
        words->spans = words->pieces;
        words->pieces = swap;
    }
    return true;
}
