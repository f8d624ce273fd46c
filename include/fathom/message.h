// Messages of a conversation, and the calls of tools in them. Texts are UTF-8, zero-terminated.
#ifndef FATHOM_MESSAGE_H
#define FATHOM_MESSAGE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum fathom_role { FATHOM_ROLE_SYSTEM, FATHOM_ROLE_USER, FATHOM_ROLE_ASSISTANT, FATHOM_ROLE_TOOL };

struct fathom_tool_call {
    const char *name, *arguments; // arguments: a JSON object
    const char *id;               // what a result's tool_call_id names; NULL: none
};

struct fathom_message {
    enum fathom_role role;
    const char *content;          // NULL: empty. Of a tool: its result
    const char *reasoning;        // an assistant's thought before the content; NULL: none. Models want earlier ones back or not: the template
                                  // keeps those that its model wants
    const struct fathom_tool_call *tool_calls; // an assistant's, after the content
    size_t n_tool_calls;
    const char *tool_call_id;     // of a tool: the call that this answers; NULL: results come in the calls' order
};

#ifdef __cplusplus
}
#endif
#endif
