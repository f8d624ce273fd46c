// The parts of each family's chat template. Marks in these texts are added tokens of the model. The text
// between two marks is encoded as a whole.
#ifndef FM_TEXT_CHAT_FORMS_H
#define FM_TEXT_CHAT_FORMS_H
#include "text/chat.h"

// The earlier thoughts that stay in the prompt.
enum fm_keep {
    FM_KEEP_NONE,
    FM_KEEP_SINCE_USER,     // thoughts after the last question, between calls
    FM_KEEP_ANY_SINCE_USER, // the same, even when thinking is off, but no empty thoughts
    FM_KEEP_WITH_TOOLS,     // all thoughts, when there are tools
};

// FUNCTIONS: the "function" of each entry alone. SECTIONS: prose.
enum fm_tool_list { FM_LIST_NONE, FM_LIST_FUNCTIONS, FM_LIST_ENTRIES, FM_LIST_SECTIONS };

struct fm_tool_form {
    enum fm_tool_list list;
    const char *list_open, *list_between, *list_close; // not used with FM_LIST_NONE
    bool list_alone;                                   // no system prompt: no empty line before the list
    enum fm_call_style style;
    const char *begin; // the text with which calls in an answer begin
    const char *calls_open, *call_open, *call_name_close, *call_close, *call_between, *calls_close;
    bool content_between; // call_between follows content that is not empty
    const char *results_open, *result_open, *result_close, *result_between, *results_close;
    const char *after;  // opens an answer after results; NULL: assistant.open
    bool thought_after; // a thought can follow `after`
};

struct fm_chat_form {
    const char *name;
    const char *begin, *default_system; // begins the prompt; the default system prompt, or NULL
    struct fm_turn {
        const char *open, *close;
    } system, user, assistant;
    const char *user_joint;       // replaces user.open after another turn of the user; NULL: not used
    bool answer_each;             // every question gets an answer, which may be empty
    const char *think, *no_think; // opens the thought; states that there is none. NULL: not possible
    const char *past;             // replaces an earlier thought that is not kept
    enum fm_keep keep;
    struct fm_turn thought;           // encloses a thought that is kept
    bool trim;                        // drops the white space around a message
    const struct fm_tool_form *tools; // NULL: none
};

extern const char *const fm_chat_marks[];          // marks that a tokenizer must have; NULL at the end
extern const char *const fm_chat_optional_marks[]; // marks that are plain text when the tokenizer lacks them
#endif
