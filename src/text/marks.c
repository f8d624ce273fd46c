#include "text/marks.h"
#include <string.h>

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool has_name(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) return true;
    }
    return false;
}

static bool encloses(const char *text, size_t length, const char *open, const char *close) {
    const size_t n = strlen(open), n_close = strlen(close);
    return length > n + n_close && memcmp(text, open, n) == 0 &&
        memcmp(text + length - n_close, close, n_close) == 0 && has_name(text + n, length - n - n_close);
}

bool fm_looks_like_mark(const char *text, size_t length) {
    while (length && is_space(*text)) text++, length--;
    while (length && is_space(text[length - 1])) length--;
    return encloses(text, length, "<", ">") || encloses(text, length, "[", "]") ||
        encloses(text, length, "｜", "｜");
}

bool fm_looks_like_control(const char *text, size_t length) {
    return encloses(text, length, "<|", "|>") || encloses(text, length, "<｜", "｜>");
}

bool fm_is_end_mark(const char *text, size_t length) {
    static const char *const ends[] = {"<｜end▁of▁sentence｜>", "<|eot_id|>", "<|eom_id|>", "<|im_end|>",
        "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<EOT>",
        "_<EOT>", "[EOT]", "[EOS]", "<end_of_utterance>"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        if (strlen(ends[i]) == length && memcmp(text, ends[i], length) == 0) return true;
    return false;
}
