// The conversation in a chat's file. What is read can be written, and reads as the same again.
#include "engine/talk.h"
#include "fuzz.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fathom_error err = {0};
    struct fm_talk talk, again;
    struct fm_text json = {0}, same = {0};
    const bool ok = fm_talk_read(&talk, (const char *)data, size, &err);
    fuzz_check(&err, ok);
    if (!ok) return 0;
    if (talk.n_system > talk.messages.n) abort();
    for (size_t i = 0; i < talk.messages.n; i++) {
        const struct fathom_message *message = &talk.messages.items[i];
        if (message->content) fuzz_use(message->content, strlen(message->content));
        for (size_t j = 0; j < message->n_tool_calls; j++)
            if (!message->tool_calls[j].name || !message->tool_calls[j].arguments) abort();
    }
    if (!fm_talk_write(&talk, &json) || !fm_talk_read(&again, json.text, json.length, NULL) ||
        !fm_talk_write(&again, &same) || strcmp(json.text, same.text))
        abort();
    fm_text_free(&json);
    fm_text_free(&same);
    fm_talk_free(&talk);
    fm_talk_free(&again);
    return 0;
}
