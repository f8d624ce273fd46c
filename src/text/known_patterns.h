// How the models that a GGUF file only names ("tokenizer.ggml.pre") cut their text into words.
#ifndef FM_TEXT_KNOWN_PATTERNS_H
#define FM_TEXT_KNOWN_PATTERNS_H
#include <stdbool.h>

enum { FM_MAX_KNOWN_PATTERNS = 6, FM_MAX_KNOWN_NAMES = 4 };
struct fm_known_patterns {
    const char *names[FM_MAX_KNOWN_NAMES + 1];       // NULL behind the last
    const char *patterns[FM_MAX_KNOWN_PATTERNS + 1]; // each isolates its matches, one after the other; NULL behind the last
    bool nfc, ignore_merges, adds_bos;
};

// NULL: not known.
const struct fm_known_patterns *fm_known_patterns_find(const char *name);
#endif
