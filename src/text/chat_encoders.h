// The programs that DeepSeek's V3.2 and V4 bring in place of a chat template, as encoders in C. The prompt
// has an origin for each byte, as a rendered template has (jinja.h).
#ifndef FM_TEXT_CHAT_ENCODERS_H
#define FM_TEXT_CHAT_ENCODERS_H
#include "text/chat.h"

struct fm_chat_encoder;
extern const struct fm_chat_encoder fm_chat_v32, fm_chat_v4;

// Appends the prompt of a conversation that fm_chat_check_messages() accepts. Returns false when out of
// memory.
bool fm_chat_encode(
    const struct fm_chat_encoder *encoder, const struct fm_conversation *talk, struct fm_chat_text *out);
#endif
