// An answer while the model generates it: splits the tokens' text into thought and answer, hands over the
// pieces, and holds back what may become a tool call or a stop string.
#ifndef FM_ENGINE_ANSWER_H
#define FM_ENGINE_ANSWER_H
#include "engine/stop_strings.h"
#include "text/chat.h"
#include "text/utf8.h"
#include <fathom/chat.h>

// What the tokens are of, and who wants the pieces. The answer keeps these pointers until it is finished.
struct fm_answer_form {
    const struct fathom_tokenizer *tokenizer;
    const struct fathom_template *chat_template; // NULL: a raw text, which is all answer
    enum fm_call_style call_style;
    const char *tools;
    fathom_piece_fn on_piece; // NULL: none
    void *user;
    struct fm_stops stops;
    uint32_t max_thought; // tokens; 0: no bound
    struct fathom_error *err;
};

struct fm_answer {
    struct fm_answer_form form;
    struct fm_chat_state state;
    struct fm_utf8_stream utf8;
    struct fm_text thought, answer;
    struct fm_tool_calls calls; // after fm_answer_finish()
    struct fm_tokens ids;
    // [ids.capacity]: the answer's bytes after each token, in whole characters; SIZE_MAX after a token that
    // ends within a character
    size_t *ends;
    size_t n_handed;                   // bytes of the answer that were handed over
    uint32_t n_thought, n_thought_ids; // tokens of the thought; ids up to its end, the marks included
    bool thought_is_full;              // max_thought tokens were followed by one more, which was not taken
    enum fathom_end end;               // FATHOM_END_LENGTH until something ends the answer
    bool failed;                       // form.err says why
};

// Begins an answer in *a, which is zeroed or holds an earlier one, whose memory is used again.
void fm_answer_start(
    struct fm_answer *a, const struct fm_answer_form *form, const struct fm_chat_state *state);
// Takes the next token. Returns false when no more are wanted: the answer has ended or failed, or its thought
// is full. A thought that was full goes on with the next call.
bool fm_answer_take(struct fm_answer *a, int32_t id);
// Hands over what was held back, and reads the tool calls. Returns false when out of memory.
bool fm_answer_finish(struct fm_answer *a);
void fm_answer_free(struct fm_answer *a);
#endif
