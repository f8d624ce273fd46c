// The inside of a chat: a conversation in the model's own template, over one session.
#ifndef FM_ENGINE_CHAT_H
#define FM_ENGINE_CHAT_H
#include "engine/answer.h"
#include "engine/session.h"
#include "engine/talk.h"

struct fathom_chat {
    struct fathom_engine *engine;
    struct fathom_session *session;
    struct fm_talk talk;
    struct fathom_template *chat_template; // NULL: the chat is raw
    enum fm_call_style call_style;         // of chat_template
    struct fm_answer reply;                // the last one
};

// A chat that has no session yet, with the conversation *talk, which it takes and leaves empty, on failure
// too.
struct fathom_chat *fm_chat_create(
    struct fathom_engine *engine, struct fm_talk *talk, struct fathom_error *err);
// Refuses to edit a raw chat.
bool fm_chat_edits(const struct fathom_chat *chat, const char *function, struct fathom_error *err);
#endif
