// The pre-tokenizers that a GGUF file only names, in tokenizer.ggml.pre.
#ifndef FM_TEXT_KNOWN_PATTERNS_H
#define FM_TEXT_KNOWN_PATTERNS_H
#include <stdbool.h>

enum { FM_MAX_KNOWN_PATTERNS = 6, FM_MAX_KNOWN_NAMES = 4 };
struct fm_known_patterns {
    const char *names[FM_MAX_KNOWN_NAMES + 1];       // NULL after the last
    const char *patterns[FM_MAX_KNOWN_PATTERNS + 1]; // applied in order, each isolates matches; NULL at end
    bool nfc, ignore_merges, adds_bos;
};

// Returns NULL for an unknown name.
const struct fm_known_patterns *fm_known_patterns_find(const char *name);
#endif
