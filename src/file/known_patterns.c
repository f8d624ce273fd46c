// The patterns from the tokenizer.json files of the models.
#include "file/known_patterns.h"
#include "base/utf8.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const char fm_pattern_gpt2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

// The cased letters of the Unicode version that DeepSeek LLM's tokenizer uses.
#define CASED_LETTERS \
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}\\x{1c4}-\\x{293}\\x{295}-" \
    "\\x{2af}\\x{370}-\\x{373}" \
    "\\x{376}\\x{377}\\x{37b}-\\x{37d}\\x{37f}\\x{386}\\x{388}-\\x{38a}\\x{38c}\\x{38e}-\\x{3a1}\\x{3a3}-" \
    "\\x{3f5}\\x{3f7}-\\x{481}" \
    "\\x{48a}-\\x{52f}\\x{531}-\\x{556}\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-" \
    "\\x{1cba}\\x{1cbd}-\\x{1cbf}" \
    "\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}\\x{" \
    "1f20}-\\x{1f45}" \
    "\\x{1f48}-\\x{1f4d}\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{" \
    "1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}" \
    "\\x{1fc2}-\\x{1fc4}\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}\\x{" \
    "1ff2}-\\x{1ff4}" \
    "\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}\\x{2124}\\x{2126}" \
    "\\x{2128}\\x{212a}-\\x{212d}" \
    "\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}\\x{214e}\\x{2183}\\x{2184}\\x{2c00}" \
    "-\\x{2c7b}\\x{2c7e}-\\x{2ce4}" \
    "\\x{2ceb}-\\x{2cee}\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}\\x{" \
    "a771}-\\x{a787}" \
    "\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}\\x{" \
    "ff41}-\\x{ff5a}" \
    "\\x{10400}-\\x{1044f}\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{" \
    "10cf2}\\x{118a0}-\\x{118df}" \
    "\\x{1e900}-\\x{1e943}"

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
// Qwen and Llama differ in the number of digits in a word.
#define CONTRACTIONS_LETTERS_THEN(digits) \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits \
                 "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
// Words of GPT-4o and its relatives: upper case letters, then lower case letters.
#define UPPER "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}"
#define LOWER "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}"
#define CASES_THEN(end, digits) \
    "[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]*[" LOWER "]+" end "|[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]+[" LOWER \
    "]*" end "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
// Kimi's classes exclude Han: "[...&&[^\p{Han}]]" of its own file.
#define NOT_HAN(class) "(?:(?!\\p{Han})[" class "])"

#define IDEOGRAPHS_AND_HANGUL "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+"
#define BETWEEN_PUNCTUATION " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{ff0c}\\x{3001}\\x{964}\\x{6d4}\\x{60c})]+"

static const struct fm_known_patterns known[] = {
    {.names = {"deepseek-v3", "hunyuan-dense", "joyai-llm"}, // V3, R1, V4
        .patterns = {"\\p{N}{1,3}", "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+",
            "[!\"#$%&'()*+,\\-./"
            ":;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
            "?[\\p{P}\\p{S}]+[\\r\\n]*"
            "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
    {
        .names = {"deepseek-llm"}, // LLM and V2
        .patterns = {"[\\r\\n]", "\\s?[" CASED_LETTERS "]+",
            "\\s?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}]+",
            "\\s+$", IDEOGRAPHS_AND_HANGUL, "\\p{N}"},
    },
    {
        .names = {"deepseek-coder"},
        .patterns = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", IDEOGRAPHS_AND_HANGUL, "\\p{N}"},
    },
    {
        .names = {"smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b"},
        .patterns = {"\\p{N}", fm_pattern_gpt2},
    },
    {.names = {"command-r"}, .patterns = {"\\p{N}", fm_pattern_gpt2}, .nfc = true},
    {
        .names = {"gpt-2", "phi-2", "gigachat", "a.x-4.0", "mellum", "exaone4", "jais", "trillion",
            "granite-docling"},
        .patterns = {fm_pattern_gpt2},
    },
    {.names = {"olmo", "mpt"}, .patterns = {fm_pattern_gpt2}, .nfc = true},
    {
        .names = {"default"}, // llama.cpp's default, which belongs to no model
        .patterns = {"[\\p{P}$+<=>^~|]+", fm_pattern_gpt2, "\\p{N}+", "[0-9][0-9][0-9]"},
    },
    {.names = {"falcon"}, .patterns = {"[\\p{P}$+<=>^~|`]+", fm_pattern_gpt2, "[0-9][0-9][0-9]"}},
    {
        .names = {"qwen2", "deepseek-r1-qwen", "megrez", "kormo", "stablelm2"},
        .patterns = {CONTRACTIONS_LETTERS_THEN("\\p{N}")},
        .nfc = true,
    },
    {
        .names = {"hunyuan", "grok-2", "solar-open"},
        .patterns = {CONTRACTIONS_LETTERS_THEN("\\p{N}")},
    },
    {
        .names = {"qwen35"},
        .patterns = {CONTRACTIONS
            "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*"
            "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
        .nfc = true,
    },
    {
        .names = {"glm4", "chatglm-bpe", "dbrx", "smaug-bpe"},
        .patterns = {CONTRACTIONS_LETTERS_THEN("\\p{N}{1,3}")},
    },
    {
        .names = {"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"},
        .patterns = {CONTRACTIONS_LETTERS_THEN("\\p{N}{1,3}")},
        .ignore_merges = true,
        .adds_bos = true,
    },
    {
        .names = {"gpt-4o", "llama4", "kanana2", "minimax-m2"},
        .patterns = {CASES_THEN(CONTRACTIONS "?", "\\p{N}{1,3}")},
    },
    {
        .names = {"tekken"},
        .patterns = {CASES_THEN("", "\\p{N}")},
        .ignore_merges = true,
        .adds_bos = true,
    },
    {
        .names = {"kimi-k2"},
        .patterns = {"[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?" NOT_HAN(UPPER) "*" NOT_HAN(
            LOWER) "+" CONTRACTIONS
                   "?|[^\\r\\n\\p{L}\\p{N}]?" NOT_HAN(UPPER) "+" NOT_HAN(
                       LOWER) "*" CONTRACTIONS
                              "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
    },
    {
        .names = {"bailingmoe", "bailingmoe2", "llada-moe"},
        .patterns =
            {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*"
             "|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"},
    },
    {
        .names = {"seed-coder"},
        .patterns = {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| "
                                  "?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
    },
    {.names = {"bloom", "poro-chat", "gpt3-finnish"}, .patterns = {BETWEEN_PUNCTUATION}},
    {.names = {"viking"}, .patterns = {BETWEEN_PUNCTUATION, "\\p{N}"}},
};

const struct fm_known_patterns *fm_known_patterns_find(const char *name) {
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        for (const char *const *at = known[i].names; *at; at++)
            if (strcmp(name, *at) == 0) return &known[i];
    return NULL;
}

// ---- Names by patterns -----------------------------------------------------------------------------------

// Reads an expression byte by byte. "\n", "\r", "\t" and "\x{...}" count as the characters that they mean,
// because a tokenizer.json may hold either form.
struct spelling {
    const char *at;
    char held[4];
    int n_held, n_used;
};

static int next_byte(struct spelling *s) {
    static const char escapes[] = "nrt", meant[] = "\n\r\t";
    if (s->n_used < s->n_held) return (unsigned char)s->held[s->n_used++];
    const char *at = s->at;
    if (!*at) return -1;
    s->at++;
    if (*at != '\\' || !at[1]) return (unsigned char)*at;
    const char *const found = strchr(escapes, at[1]);
    if (found) return s->at++, meant[found - escapes];
    if (at[1] == 'x' && at[2] == '{') {
        char *end;
        const unsigned long code = strtoul(at + 3, &end, 16);
        if (*end == '}' && code <= 0x10ffff) {
            s->at = end + 1;
            s->n_held = (int)fm_utf8_encode((uint32_t)code, s->held);
            s->n_used = 1;
            return (unsigned char)s->held[0];
        }
    }
    // the byte behind the backslash stands for itself: it begins no other escape
    s->held[0] = *s->at++;
    s->n_held = 1;
    s->n_used = 0;
    return '\\';
}

static bool same_pattern(const char *a, const char *b) {
    struct spelling x = {.at = a}, y = {.at = b};
    for (;;) {
        const int byte = next_byte(&x);
        if (byte != next_byte(&y)) return false;
        if (byte < 0) return true;
    }
}

static bool same_patterns(const struct fm_known_patterns *row, const char *const *patterns) {
    size_t i = 0;
    while (row->patterns[i] && patterns[i] && same_pattern(row->patterns[i], patterns[i])) i++;
    return !row->patterns[i] && !patterns[i];
}

const char *fm_known_patterns_name(const char *const *patterns, bool nfc, bool ignore_merges) {
    const char *name = NULL;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (known[i].nfc != nfc || !same_patterns(&known[i], patterns)) continue;
        if (known[i].ignore_merges == ignore_merges) return known[i].names[0];
        if (!name) name = known[i].names[0];
    }
    return name;
}
