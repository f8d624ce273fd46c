// Copies of a chat: in memory and in a file.
#include "engine/chat.h"
#include "engine/session_file.h"
#include <stdlib.h>

struct fathom_chat *fathom_chat_fork(struct fathom_chat *chat, struct fathom_error *err) {
    if (!FM_GIVEN(chat, "chat", err)) return NULL;
    struct fm_talk talk;
    if (!fm_talk_copy(&talk, &chat->talk)) {
        fm_fail(err, FATHOM_NO_MEMORY, "chat: no memory for the conversation");
        return NULL;
    }
    struct fathom_chat *copy = fm_chat_create(chat->engine, &talk, err);
    if (copy && !(copy->session = fathom_session_fork(chat->session, err))) fathom_chat_destroy(&copy);
    return copy;
}

bool fathom_chat_save(struct fathom_chat *chat, const char *path, struct fathom_error *err) {
    if (!FM_GIVEN(chat, "chat", err) || !FM_GIVEN(path, "path", err)) return false;
    struct fm_text json = {0};
    const bool ok = fm_talk_write(&chat->talk, &json)
        ? fm_session_save(chat->session, path, json.text, json.length, err)
        : fm_fail(err, FATHOM_NO_MEMORY, "chat: no memory for the conversation");
    fm_text_free(&json);
    return ok;
}

struct fathom_chat *fathom_chat_restore(struct fathom_engine *engine, const char *path,
    const struct fathom_session_params *params, struct fathom_error *err) {
    if (!FM_GIVEN(engine, "engine", err) || !FM_GIVEN(path, "path", err)) return NULL;
    void *json = NULL;
    size_t length = 0;
    struct fm_talk talk;
    struct fathom_chat *chat = NULL;
    struct fathom_session *session = fm_session_restore(engine, path, params, &json, &length, err);
    if (!session) return NULL;
    if (!json)
        fm_fail(err, FATHOM_INVALID,
            "%s: holds a session without a conversation, which fathom_session_restore() reads", path);
    else if (!fm_talk_read(&talk, json, length, err) || !(chat = fm_chat_create(engine, &talk, err)))
        fm_error_prefix(err, "%s", path);
    if (chat)
        chat->session = session;
    else
        fathom_session_destroy(&session);
    free(json);
    return chat;
}
