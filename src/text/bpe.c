#include "text/bpe.h"
#include <stdlib.h>
#include <string.h>

struct fm_bpe_symbol {
    int32_t id, previous, next;
}; // id -1: merged into the left one
struct fm_bpe_candidate {
    uint64_t value;
    int32_t at, left, right;
}; // value as from fm_vocab_merge()

void fm_bpe_scratch_clear(struct fm_bpe_scratch *scratch) {
    free(scratch->ids);
    free(scratch->symbols);
    free(scratch->heap);
    *scratch = (struct fm_bpe_scratch){0};
}

static bool grow(void **array, size_t *capacity, size_t n, size_t size, struct fathom_error *err) {
    if (n <= *capacity) return true;
    size_t bigger = *capacity ? *capacity : 64;
    while (bigger < n) bigger *= 2;
    void *memory = realloc(*array, bigger * size);
    if (!memory) return fm_fail(err, FATHOM_NO_MEMORY, "tokenizer: no memory for a word of %zu symbols", n);
    *array = memory;
    *capacity = bigger;
    return true;
}

// Most words are short. For short words a new search for the best pair after each merge is faster than a
// queue.
enum { SHORT_WORD = 32 };

static size_t merge_short(const struct fm_vocab *vocab, int32_t *ids, size_t n) {
    uint64_t pairs[SHORT_WORD];
    for (size_t i = 0; i + 1 < n; i++) pairs[i] = fm_vocab_merge(vocab, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (pairs[i] < pairs[best]) best = i;
        if (pairs[best] == FM_NO_MERGE) break;
        ids[best] = (int32_t)(uint32_t)pairs[best];
        n--;
        memmove(ids + best + 1, ids + best + 2, (n - best - 1) * sizeof(*ids));
        memmove(pairs + best, pairs + best + 1, (n - best - 1) * sizeof(*pairs));
        if (best > 0) pairs[best - 1] = fm_vocab_merge(vocab, ids[best - 1], ids[best]);
        if (best + 1 < n) pairs[best] = fm_vocab_merge(vocab, ids[best], ids[best + 1]);
    }
    return n;
}

// ---- Long words: a list of symbols and a heap of possible merges, O(n log n) -----------------------------

static bool before(const struct fm_bpe_candidate *a, const struct fm_bpe_candidate *b) {
    return a->value < b->value || (a->value == b->value && a->at < b->at);
}

static bool heap_push(struct fm_bpe_scratch *scratch, size_t *count, struct fm_bpe_candidate candidate,
    struct fathom_error *err) {
    if (!grow((void **)&scratch->heap, &scratch->n_heap, *count + 1, sizeof(*scratch->heap), err))
        return false;
    size_t i = (*count)++;
    for (; i > 0 && before(&candidate, &scratch->heap[(i - 1) / 2]); i = (i - 1) / 2)
        scratch->heap[i] = scratch->heap[(i - 1) / 2];
    scratch->heap[i] = candidate;
    return true;
}

static struct fm_bpe_candidate heap_pop(struct fm_bpe_candidate *heap, size_t *count) {
    struct fm_bpe_candidate top = heap[0], last = heap[--*count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < *count; i = child) {
        if (child + 1 < *count && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &last)) break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}

static bool push_pair(const struct fm_vocab *vocab, struct fm_bpe_scratch *scratch, size_t *count, int32_t at,
    struct fathom_error *err) {
    const struct fm_bpe_symbol *symbol = &scratch->symbols[at];
    if (symbol->next < 0) return true;
    int32_t right = scratch->symbols[symbol->next].id;
    uint64_t value = fm_vocab_merge(vocab, symbol->id, right);
    return value == FM_NO_MERGE ||
        heap_push(scratch, count, (struct fm_bpe_candidate){value, at, symbol->id, right}, err);
}

static bool merge_long(
    const struct fm_vocab *vocab, struct fm_bpe_scratch *scratch, size_t *n, struct fathom_error *err) {
    if (!grow((void **)&scratch->symbols, &scratch->n_symbols, *n, sizeof(*scratch->symbols), err))
        return false;
    struct fm_bpe_symbol *symbols = scratch->symbols;
    for (size_t i = 0; i < *n; i++)
        symbols[i] =
            (struct fm_bpe_symbol){scratch->ids[i], (int32_t)i - 1, i + 1 < *n ? (int32_t)i + 1 : -1};
    size_t waiting = 0;
    for (size_t i = 0; i < *n; i++)
        if (!push_pair(vocab, scratch, &waiting, (int32_t)i, err)) return false;
    while (waiting) {
        struct fm_bpe_candidate best = heap_pop(scratch->heap, &waiting);
        struct fm_bpe_symbol *left = &symbols[best.at];
        // skips the pair when an earlier merge took one of the two symbols
        if (left->id != best.left || left->next < 0 || symbols[left->next].id != best.right) continue;
        struct fm_bpe_symbol *right = &symbols[left->next];
        left->id = (int32_t)(uint32_t)best.value;
        left->next = right->next;
        if (right->next >= 0) symbols[right->next].previous = best.at;
        right->id = -1;
        if (left->previous >= 0 && !push_pair(vocab, scratch, &waiting, left->previous, err)) return false;
        if (!push_pair(vocab, scratch, &waiting, best.at, err)) return false;
    }
    size_t count = 0;
    for (int32_t i = 0; i >= 0; i = symbols[i].next) scratch->ids[count++] = symbols[i].id;
    *n = count;
    return true;
}

bool fm_bpe_merge(const struct fm_vocab *vocab, const char *word, size_t length, int32_t unknown,
    struct fm_bpe_scratch *scratch, size_t *count, struct fathom_error *err) {
    if (!grow((void **)&scratch->ids, &scratch->n_ids, length, sizeof(*scratch->ids), err)) return false;
    for (size_t i = 0; i < length; i++) {
        int32_t id = vocab->byte_ids[(unsigned char)word[i]];
        if (id < 0) id = unknown;
        if (id < 0)
            return fm_fail(err, FATHOM_INVALID, "tokenizer: the vocabulary has no token for byte 0x%02x",
                (unsigned char)word[i]);
        scratch->ids[i] = id;
    }
    *count = length;
    if (length > SHORT_WORD) return merge_long(vocab, scratch, count, err);
    *count = merge_short(vocab, scratch->ids, length);
    return true;
}
