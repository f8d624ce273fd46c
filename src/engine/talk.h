// A conversation apart from its session: what a chat's file keeps beside the text and the cache.
#ifndef FM_ENGINE_TALK_H
#define FM_ENGINE_TALK_H
#include "base/text_buffer.h"
#include "engine/messages.h"
#include <time.h>

struct fm_talk {
    bool raw;
    const char *template_name, *template_text; // of the chat's parameters; NULL: the model's own
    struct tm now;                             // for templates that write the date: when the chat was created
    const char *tools;                         // NULL: none
    size_t n_system;                           // 1: the first message is the system prompt of the parameters
    struct fm_messages messages;
};

// All of the texts are copies that the talk owns.
void fm_talk_free(struct fm_talk *talk);
// False: out of memory; *copy is empty then.
bool fm_talk_copy(struct fm_talk *copy, const struct fm_talk *talk);
// As JSON, with a version. False: out of memory.
bool fm_talk_write(const struct fm_talk *talk, struct fm_text *out);
// Reads what fm_talk_write() wrote. Checks the form alone: the template decides about the messages. On
// failure *talk is empty.
bool fm_talk_read(struct fm_talk *talk, const char *text, size_t length, struct fathom_error *err);
#endif
