// A session in a file: the text, the used part of the caches, and bytes of the caller's own.
// src/decisions/session-file.md has the format.
#ifndef FM_ENGINE_SESSION_FILE_H
#define FM_ENGINE_SESSION_FILE_H
#include <fathom/session.h>

// fathom_session_save() and fathom_session_restore() with a section of n_extra bytes for the caller, which a
// chat uses for its conversation. A file written without one, or with other bytes than the caller knows, is a
// matter of the caller.
bool fm_session_save(struct fathom_session *session, const char *path, const void *extra, size_t n_extra,
    struct fathom_error *err);
// *extra, which the caller frees, gets the bytes, and is NULL where there are none; extra NULL: they are
// left. On failure *extra is NULL. The bytes are those that were saved: their checksum has been compared.
struct fathom_session *fm_session_restore(struct fathom_engine *engine, const char *path,
    const struct fathom_session_params *params, void **extra, size_t *n_extra, struct fathom_error *err);
#endif
