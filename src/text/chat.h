// Chat templates: a template converts a conversation to the prompt tokens that a family of models expects,
// and tells how the reply is split into thought, answer and tool calls.
//
// A template is one of two things. Most models bring a text in Jinja (jinja.h). DeepSeek's V3.2 and V4 bring
// a program in its place: chat_encoders.h has these.
#ifndef FM_TEXT_CHAT_H
#define FM_TEXT_CHAT_H
#include "base/text_buffer.h"
#include "text/tokenizer.h"
#include "text/tool_calls.h"
#include <fathom/message.h>
#include <time.h>

struct fm_chat_source {
    const char *name;         // a template that is built in: "deepseek-v4", …; NULL: not asked for
    const char *text;         // a text in Jinja; NULL: not given
    const char *architecture; // of the model; NULL: not known
    struct tm now;            // for templates that write the date
};
// Takes the template that `source` names or gives, else the model's own. Without one the architecture
// decides, or the marks that the tokenizer has. The tokenizer must live as long as the template. Returns NULL
// with *err set when there is no template, or when it is wrong.
struct fathom_template *fm_chat_template_create(
    const struct fathom_tokenizer *tokenizer, const struct fm_chat_source *source, struct fathom_error *err);

// ---- Prompt ----------------------------------------------------------------------------------------------

struct fm_conversation {
    const struct fathom_message *messages;
    size_t n;
    const char *tools;     // tools to call: JSON array of {"type": "function", "function": {…}}; NULL: none
    bool disable_thinking; // the model answers without a thought
    bool complete;         // no answer follows
};
// The state of a reply: whether the thought has ended, whether any token has been seen, and whether the
// thought was ended in place of the model, which may then end it once more.
struct fm_chat_state {
    bool in_answer, any, cut;
};

// Checks that a conversation can continue from these messages. complete: also checks that the model can
// answer.
bool fm_chat_check_messages(const struct fathom_template *chat_template,
    const struct fathom_message *messages, size_t n, bool complete, struct fathom_error *err);
bool fm_chat_check_tools(
    const struct fathom_template *chat_template, const char *tools, struct fathom_error *err);
// A text, and for each byte whether the byte is foreign: from a user, a tool or an earlier answer.
struct fm_chat_text {
    struct fm_text bytes, foreign;
};
void fm_chat_text_free(struct fm_chat_text *text);

// Writes the text of a conversation to *out, which is empty before. An answer follows, so that a user's
// message or results of tools end the conversation, and the text opens the answer; or the conversation is
// complete, and ends with any message.
bool fm_chat_render(const struct fathom_template *chat_template, const struct fm_conversation *talk,
    struct fm_chat_text *out, struct fathom_error *err);
// Appends the tokens of such a text. Marks are recognised in the template's own text alone, so that a message
// cannot forge a turn.
bool fm_chat_encode_text(const struct fathom_template *chat_template, const struct fm_chat_text *text,
    struct fm_tokens *tokens, struct fathom_error *err);
// Appends the prompt of the whole conversation, which must end with a user's message or with results of
// tools. The prompt opens the answer, or the thought before it; *state is the start state for
// fm_chat_follow().
bool fm_chat_prompt(const struct fathom_template *chat_template, const struct fm_conversation *talk,
    struct fm_tokens *tokens, struct fm_chat_state *state, struct fathom_error *err);

// ---- Reply -----------------------------------------------------------------------------------------------

// Where the thought is. The marks of a thought are the first pair of <think> </think>, [THINK] [/THINK],
// <|START_THINKING|> <|END_THINKING|>, <seed:think> </seed:think> and ◁think▷ ◁/think▷ that the tokenizer
// has.
//  - A prompt that ends with the opening mark, white space aside, opens the thought: the reply begins in the
//    thought, which its closing mark ends.
//  - After any other prompt the reply begins in the answer. A reply whose first token is the opening mark
//    begins with a thought all the same.
enum fm_chat_part {
    FM_CHAT_THOUGHT,
    FM_CHAT_THOUGHT_MARK,
    FM_CHAT_ANSWER,
    FM_CHAT_SECOND_MARK, // the end of a thought that was cut before, in the answer: no text
    FM_CHAT_END,
};
// Classifies each generated token.
enum fm_chat_part fm_chat_follow(
    const struct fathom_template *chat_template, struct fm_chat_state *state, int32_t id);

// Appends the tokens that end the thought in place of the model: the closing mark. Where the model's opening
// mark stands on a line of its own, so does the closing mark, and an empty line follows ("\n</think>\n\n").
// ids: the text so far, the prompt and the reply, which is in its thought.
bool fm_chat_end_thought(const struct fathom_template *chat_template, const int32_t *ids, size_t n,
    struct fm_tokens *tokens, struct fathom_error *err);

// How the model writes calls of tools, told from a prompt that the template renders with a call. tools: the
// conversation has a list of tools. Without one Llama's style is none, because any object would be a call.
enum fm_call_style fm_chat_call_style(const struct fathom_template *chat_template, bool tools);
#endif
