// What the families' chat templates consist of. Marks in these texts are added tokens of the model; what stands between two marks is encoded
// as one.
#ifndef FM_TEXT_CHAT_FORMS_H
#define FM_TEXT_CHAT_FORMS_H
#include "text/chat.h"

// Which earlier thoughts the model sees again.
enum fm_keep {
    FM_KEEP_NONE,
    FM_KEEP_SINCE_USER,        // those behind the last question, between calls
    FM_KEEP_ANY_SINCE_USER,    // the same, whether thinking is on or not, but not empty ones
    FM_KEEP_WITH_TOOLS,        // all, where there are tools
};

enum fm_tool_list { FM_LIST_NONE, FM_LIST_FUNCTIONS /* their "function" alone */, FM_LIST_ENTRIES, FM_LIST_SECTIONS /* prose */ };
enum fm_call_style { FM_CALL_FENCED /* ```json */, FM_CALL_BARE, FM_CALL_JSON /* one object */, FM_CALL_DSML };

struct fm_tool_form {
    enum fm_tool_list list;
    const char *list_open, *list_between, *list_close; // FM_LIST_NONE: not written
    bool list_alone;                                   // without a system prompt, no empty line before the list
    enum fm_call_style style;
    const char *begin;                                 // of all calls, by which they are found in an answer
    const char *calls_open, *call_open, *call_name_close, *call_close, *call_between, *calls_close;
    bool content_between;                              // call_between follows the content, where there is one
    const char *results_open, *result_open, *result_close, *result_between, *results_close;
    const char *after;                                 // what opens the answer behind results; NULL: as behind a question
    bool thought_after;                                // and whether a thought can follow
};

struct fm_chat_form {
    const char *name;
    const char *begin, *default_system; // before all; the system prompt where none is given, or NULL
    struct fm_turn { const char *open, *close; } system, user, assistant;
    const char *user_joint;             // between two users' turns in a row, in place of the second's opening; NULL: none
    bool answer_each;                   // every question is answered, if by nothing
    const char *think, *no_think;       // opens the thought; says that there is none. NULL: cannot
    const char *past;                   // in the place of an earlier thought that the model does not see again
    enum fm_keep keep;
    struct fm_turn thought;             // around one that it sees
    bool trim;                          // white space around a message is dropped
    const struct fm_tool_form *tools;   // NULL: none
};

extern const char *const fm_chat_marks[];          // what forms need; NULL at the end
extern const char *const fm_chat_optional_marks[]; // plain text to tokenizers that do not have them
#endif
