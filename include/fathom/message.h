// Messages of a conversation, and the tool calls in them. Texts are UTF-8 and zero-terminated.
#ifndef FATHOM_MESSAGE_H
#define FATHOM_MESSAGE_H

#include <fathom/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum fathom_role { FATHOM_ROLE_SYSTEM, FATHOM_ROLE_USER, FATHOM_ROLE_ASSISTANT, FATHOM_ROLE_TOOL };

// Never grows.
struct fathom_tool_call {
    const char *name, *arguments; // arguments: a JSON object
    const char *id;               // the tool_call_id of a result names this id; NULL: none
};

struct fathom_message {
    size_t size;
    enum fathom_role role;
    const char *content;   // NULL: empty. For a tool: the result
    const char *reasoning; // the assistant's thought before the content; NULL: none. The template
                           // decides which earlier thoughts the model reads again
    const struct fathom_tool_call *tool_calls; // calls by the assistant, after the content
    size_t n_tool_calls;
    const char *tool_call_id; // for a tool: the id of the answered call; NULL: results are in call order
};

#ifdef __cplusplus
}
#endif
#endif
