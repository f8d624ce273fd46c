// Names the pre-tokenizer of a tokenizer.json as GGUF does.
#include "file/hub/hub_parts.h"
#include "file/known_patterns.h"
#include <string.h>

// The expressions of the steps, each of which isolates its matches.
struct splits {
    const char *patterns[FM_MAX_KNOWN_PATTERNS + 2];
    size_t n;
    bool drops;      // a step drops what lies between its matches
    bool byte_level; // the last step was seen
    bool unknown;    // a step that no name of GGUF has
};

static const cJSON *member(const cJSON *object, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static bool is(const cJSON *object, const char *name, const char *text) {
    const char *value = cJSON_GetStringValue(member(object, name));
    return value && !strcmp(value, text);
}

static void add(struct splits *s, const char *pattern) {
    if (!pattern || s->n > FM_MAX_KNOWN_PATTERNS || s->byte_level)
        s->unknown = true;
    else
        s->patterns[s->n++] = pattern;
}

static void read_step(struct splits *s, const cJSON *step, int depth) {
    const cJSON *item;
    if (is(step, "type", "Sequence") && depth < 8) {
        cJSON_ArrayForEach(item, member(step, "pretokenizers")) read_step(s, item, depth + 1);
    } else if (is(step, "type", "Split")) {
        const bool inverted = cJSON_IsTrue(member(step, "invert"));
        add(s, cJSON_GetStringValue(member(member(step, "pattern"), "Regex")));
        s->drops = s->drops || inverted;
        if (!is(step, "behavior", inverted ? "Removed" : "Isolated")) s->unknown = true;
    } else if (is(step, "type", "Digits")) {
        add(s, cJSON_IsTrue(member(step, "individual_digits")) ? "\\p{N}" : "\\p{N}+");
    } else if (is(step, "type", "ByteLevel")) {
        if (!cJSON_IsFalse(member(step, "use_regex"))) add(s, fm_pattern_gpt2); // missing: true
        if (cJSON_IsTrue(member(step, "add_prefix_space")) || s->byte_level) s->unknown = true;
        s->byte_level = true;
    } else {
        s->unknown = true;
    }
}

// Returns false for a normalizer that does more than NFC.
static bool read_normalizer(const cJSON *step, bool *nfc) {
    const cJSON *item;
    if (!step || cJSON_IsNull(step)) return true;
    if (is(step, "type", "NFC")) return *nfc = true;
    if (!is(step, "type", "Sequence")) return false;
    cJSON_ArrayForEach(item, member(step, "normalizers")) if (!is(item, "type", "NFC")) return false;
    *nfc = *nfc || cJSON_GetArraySize(member(step, "normalizers")) > 0;
    return true;
}

const char *fm_hub_pre_tokenizer(const cJSON *tokenizer) {
    struct splits s = {0};
    bool nfc = false;
    read_step(&s, member(tokenizer, "pre_tokenizer"), 0);
    if (!read_normalizer(member(tokenizer, "normalizer"), &nfc) || s.unknown || !s.byte_level) return NULL;
    if (s.drops && s.n > 1) return NULL; // what one expression does not match, another may
    const char *name = fm_known_patterns_name(
        s.patterns, nfc, cJSON_IsTrue(member(member(tokenizer, "model"), "ignore_merges")));
    // deepseek-llm lists all cased letters of its version of Unicode: the beginning says enough
    if (!name && !nfc && s.n == 6 && !strcmp(s.patterns[0], "[\r\n]") &&
        !strncmp(s.patterns[1], "\\s?[A-Za-z", 10))
        name = "deepseek-llm";
    return name;
}
