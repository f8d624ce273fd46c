// The pre-tokenizers that a GGUF file only names, in tokenizer.ggml.pre: how a text is cut into words.
#ifndef FM_FILE_KNOWN_PATTERNS_H
#define FM_FILE_KNOWN_PATTERNS_H
#include <stdbool.h>

enum { FM_MAX_KNOWN_PATTERNS = 6, FM_MAX_KNOWN_NAMES = 9 };
struct fm_known_patterns {
    const char *names[FM_MAX_KNOWN_NAMES + 1];       // NULL after the last
    const char *patterns[FM_MAX_KNOWN_PATTERNS + 1]; // applied in order, each isolates matches; NULL at end
    bool nfc, ignore_merges, adds_bos;
};

// GPT-2's expression, which ByteLevel of a tokenizer.json uses with use_regex.
extern const char fm_pattern_gpt2[];

// Returns NULL for an unknown name.
const struct fm_known_patterns *fm_known_patterns_find(const char *name);
// Returns the name of the patterns, which end with NULL and may be spelled as in a tokenizer.json. Returns
// NULL where GGUF has no name for them. GGUF has no key for ignore_merges: where no name has the given value,
// a name with the other value is returned.
const char *fm_known_patterns_name(const char *const *patterns, bool nfc, bool ignore_merges);
#endif
