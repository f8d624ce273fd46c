// The parts of the interpreter of chat templates: values, a run, and the tables of functions. jinja_tree.h
// has the tree that the parser makes.
#ifndef FM_TEXT_JINJA_PARTS_H
#define FM_TEXT_JINJA_PARTS_H
#include "text/jinja.h"
#include "base/arena.h"
#include "text/utf8.h"
#include <stdbool.h>

// ---- Values ----------------------------------------------------------------------------------------------

enum jinja_kind {
    JINJA_MISSING, // an argument that was not given; never seen by a template
    JINJA_UNDEFINED,
    JINJA_NONE,
    JINJA_BOOL,
    JINJA_INT,
    JINJA_BIG, // an integer beyond 64 bits: its digits, which can be printed and compared
    JINJA_FLOAT,
    JINJA_STRING,
    JINJA_LIST,
    JINJA_TUPLE,
    JINJA_DICT,
    JINJA_RANGE,
    JINJA_VIEW,     // a dictionary's items(), keys() or values()
    JINJA_ITERATOR, // gives its items once: the result of map, select, ...
    JINJA_NAMESPACE,
    JINJA_MACRO,
    JINJA_FUNCTION,
    JINJA_METHOD, // a function and the value that it belongs to
    JINJA_LOOP,
    JINJA_CYCLER,
    JINJA_JOINER,
};

struct jinja_value {
    enum jinja_kind kind;
    union {
        bool truth;
        int64_t whole;
        double real;
        const struct jinja_string *string;       // also of JINJA_BIG
        const struct jinja_undefined *undefined; // may be NULL
        struct jinja_list *list;                 // also of a tuple
        struct jinja_dict *dict;                 // also of a namespace
        const struct jinja_range *range;
        const struct jinja_view *view;
        struct jinja_iterator *iterator;
        const struct jinja_macro *macro;
        const struct jinja_function *function;
        const struct jinja_method *method;
        struct jinja_loop *loop;
        struct jinja_cycler *cycler;
        struct jinja_joiner *joiner;
    };
    // Of numbers, booleans, None, lists and dictionaries: they came from outside, and so their digits, words
    // and punctuation are foreign when they are printed. Strings have an origin for each byte.
    bool foreign;
};

// Valid UTF-8. The bytes belong to the template or to the run, and may be a part of another string's.
struct jinja_string {
    const char *bytes;
    const uint8_t *origins; // one for each byte, as in jinja.h; NULL: every byte is `foreign`
    size_t length;
    bool foreign;
    bool markup; // HTML that is already escaped: what is added to it is escaped
};
static inline bool fm_jinja_is_foreign(const struct jinja_string *s, size_t at) {
    return s->origins ? s->origins[at] : s->foreign;
}
struct jinja_undefined {
    const char *hint;      // NULL: `name` of `owner` was looked for
    enum jinja_kind owner; // JINJA_MISSING: `name` is a variable
    struct jinja_value name;
};
struct jinja_list {
    struct jinja_value *items;
    size_t n, capacity;
    bool group; // a tuple of groupby: has .grouper and .list
};
struct jinja_entry {
    struct jinja_value key, value;
    uint64_t hash;
};
struct jinja_dict { // keeps the order of insertion
    struct jinja_entry *entries;
    uint32_t *slots; // open addressing, entry + 1; NULL while there are few entries
    size_t n, capacity, n_slots;
};
struct jinja_range {
    int64_t start, stop, step;
    size_t n;
};
static inline int64_t fm_jinja_range_at(const struct jinja_range *range, int64_t i) {
    return (int64_t)((uint64_t)range->start + (uint64_t)i * (uint64_t)range->step);
}
struct jinja_view {
    const char *name; // "items", "keys" or "values"
    struct jinja_dict *dict;
};
struct jinja_iterator {
    struct jinja_value items; // a list
    size_t at;
    const char *name;                 // of the type
    const struct fathom_error *error; // comes when the items are used up; NULL: none
};
struct jinja_macro {
    const struct jinja_node *node; // the macro or the call block
    struct jinja_scope *scope;     // where it was defined
};
struct jinja_method {
    const struct jinja_function *function;
    struct jinja_value self;
};
struct jinja_loop {
    const struct jinja_node *node;
    struct jinja_scope *scope; // around the loop
    const struct jinja_list *source;
    size_t n_read;            // of the source
    struct jinja_list *items; // those that meet the loop's condition, as far as they were read
    size_t at, depth;
    struct jinja_value last_changed; // a tuple, or missing
};
struct jinja_cycler {
    struct jinja_value *items;
    size_t n, at;
};
struct jinja_joiner {
    struct jinja_value separator;
    bool used;
};

// ---- A run -----------------------------------------------------------------------------------------------

struct jinja_variable {
    const struct jinja_string *name;
    struct jinja_value value;
};
struct jinja_scope {
    struct jinja_scope *parent;
    struct jinja_variable *variables;
    size_t n, capacity;
    bool captured; // a macro refers to it
};
enum { JINJA_MAX_DEPTH = 1200, JINJA_MAX_RANGE = 100000 };
enum jinja_signal { JINJA_GO_ON, JINJA_LEAVE, JINJA_NEXT };

struct jinja_run {
    const struct fm_jinja *jinja;
    const struct fm_jinja_input *input;
    struct fm_arena arena;
    struct fathom_error error; // set when failed
    // After an error every operation returns quickly, with any value.
    bool failed;
    uint64_t steps, max_steps;
    size_t memory, max_memory;
    unsigned depth;
    uint32_t line;
    enum jinja_signal signal;
    struct jinja_builder *out;
    struct jinja_value block;             // the text of a filter block
    struct jinja_value caller;            // the body of a call block, on its way to the call; else missing
    const struct jinja_string *loop_name; // the name "loop" as the template's tree has it
    struct jinja_dict *variables;
    struct jinja_scope outermost;
    // what is handed out when there is no memory
    struct jinja_list no_list;
    struct jinja_dict no_dict;
    struct jinja_string no_string;
};
enum jinja_operator {
    OP_ADD,
    OP_SUBTRACT,
    OP_MULTIPLY,
    OP_DIVIDE,
    OP_FLOOR_DIVIDE,
    OP_MODULO,
    OP_POWER,
    OP_EQUAL,
    OP_NOT_EQUAL,
    OP_LESS,
    OP_LESS_EQUAL,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_IN,
    OP_NOT_IN,
};
// Fails with a message that names the line.
bool fm_jinja_fail_at(struct fathom_error *err, uint32_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct jinja_value fm_jinja_error(struct jinja_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Counts work: one step and one for each 64 bytes.
void fm_jinja_work(struct jinja_run *run, size_t bytes);
// Zeroed memory that lives as long as the run. NULL when the run has failed.
void *fm_jinja_alloc(struct jinja_run *run, size_t count, size_t size);
// A level of recursion: true, or an error. Each successful enter has its leave.
bool fm_jinja_deeper(struct jinja_run *run);
void fm_jinja_back(struct jinja_run *run);

// Builds a string of parts with their origins. fm_jinja_built() must follow.
struct jinja_builder {
    struct jinja_run *run;
    char *bytes;
    uint8_t *origins;
    size_t length, capacity;
};
void fm_jinja_add(struct jinja_builder *b, const char *bytes, size_t length, bool foreign);
void fm_jinja_add_own(struct jinja_builder *b, const char *text);
void fm_jinja_add_part(struct jinja_builder *b, const struct jinja_string *s, size_t from, size_t to);
void fm_jinja_add_code(struct jinja_builder *b, uint32_t code, bool foreign);
struct jinja_value fm_jinja_built(struct jinja_builder *b);

// Constructors. None returns NULL.
struct jinja_value fm_jinja_string(struct jinja_run *run, const char *bytes, size_t length, bool foreign);
struct jinja_value fm_jinja_text(struct jinja_run *run, const char *text); // of the template's own
struct jinja_value fm_jinja_part(
    struct jinja_run *run, const struct jinja_string *s, size_t from, size_t to); // shares the bytes
struct jinja_value fm_jinja_markup(struct jinja_run *run, struct jinja_value string, bool markup);
struct jinja_value fm_jinja_list(struct jinja_run *run, enum jinja_kind kind);
void fm_jinja_push(struct jinja_run *run, struct jinja_value list, struct jinja_value item);
struct jinja_value fm_jinja_pair(struct jinja_run *run, struct jinja_value a, struct jinja_value b);
struct jinja_value fm_jinja_dict(struct jinja_run *run, enum jinja_kind kind);
void fm_jinja_put(
    struct jinja_run *run, struct jinja_dict *dict, struct jinja_value key, struct jinja_value value);
const struct jinja_value *fm_jinja_get(
    struct jinja_run *run, struct jinja_dict *dict, struct jinja_value key); // NULL: not there
struct jinja_value fm_jinja_undefined(struct jinja_run *run, const char *hint);
struct jinja_value fm_jinja_no_attribute(
    struct jinja_run *run, struct jinja_value owner, struct jinja_value name);
struct jinja_value fm_jinja_iterator(struct jinja_run *run, struct jinja_value list, const char *name);
static inline struct jinja_value fm_jinja_int(int64_t whole) {
    return (struct jinja_value){.kind = JINJA_INT, .whole = whole};
}
static inline struct jinja_value fm_jinja_real(double real) {
    return (struct jinja_value){.kind = JINJA_FLOAT, .real = real};
}
static inline struct jinja_value fm_jinja_bool(bool truth) {
    return (struct jinja_value){.kind = JINJA_BOOL, .truth = truth};
}
static inline struct jinja_value fm_jinja_none(void) {
    return (struct jinja_value){.kind = JINJA_NONE};
}

// What values are.
const char *fm_jinja_type(struct jinja_value value); // Python's name of its type
bool fm_jinja_truth(struct jinja_value value);
bool fm_jinja_equal(struct jinja_run *run, struct jinja_value a, struct jinja_value b);
// -1, 0 or 1; an error when the two cannot be ordered.
int fm_jinja_order(struct jinja_run *run, struct jinja_value a, struct jinja_value b, const char *op);
// NaN has no order; IN and NOT_IN look for a in b.
bool fm_jinja_compare(
    struct jinja_run *run, enum jinja_operator op, struct jinja_value a, struct jinja_value b);
bool fm_jinja_hash(struct jinja_run *run, struct jinja_value value, uint64_t *hash); // false: unhashable
bool fm_jinja_contains(struct jinja_run *run, struct jinja_value all, struct jinja_value item);
bool fm_jinja_number(struct jinja_value value, double *real);   // a bool, an integer or a float
bool fm_jinja_whole(struct jinja_value value, int64_t *whole);  // a bool or an integer of 64 bits
bool fm_jinja_length(struct jinja_value value, size_t *length); // false: it has none
bool fm_jinja_is_iterable(struct jinja_value value);
// Sorts by key, stably; `spare` has room for n entries.
void fm_jinja_sort(
    struct jinja_run *run, struct jinja_entry *items, struct jinja_entry *spare, size_t n, bool reverse);
// A list or tuple with the items, which the caller must not change. An iterator is used up.
struct jinja_value fm_jinja_items(struct jinja_run *run, struct jinja_value value);

// ---- Text ------------------------------------------------------------------------------------------------

struct jinja_value fm_jinja_str(struct jinja_run *run, struct jinja_value value); // Python's str()
void fm_jinja_print(struct jinja_builder *b, struct jinja_value value);           // the same, appended
void fm_jinja_repr(struct jinja_builder *b, struct jinja_value value);
void fm_jinja_print_real(double real, char out[40]); // as Python's repr of a float
double fm_jinja_parse_real(const char *text, size_t length);
// An integer of Python's syntax, decimal and already checked; JINJA_BIG beyond 64 bits.
struct jinja_value fm_jinja_parse_int(struct jinja_run *run, const char *digits, size_t length);
struct jinja_json {
    bool ascii, sorted;
    const struct jinja_string *indent; // NULL: on one line
    const struct jinja_string *comma, *colon;
};
void fm_jinja_json(struct jinja_builder *b, struct jinja_value value, const struct jinja_json *how);
// Reads the variables: an object's text.
struct jinja_value fm_jinja_read(
    struct jinja_run *run, const char *text, size_t length, const char *const *own, size_t n_own);
struct jinja_value fm_jinja_percent(
    struct jinja_run *run, const struct jinja_string *format, struct jinja_value arguments);

static inline size_t fm_jinja_char(const char *at) { // the length of a character of valid UTF-8
    const unsigned char c = (unsigned char)*at;
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}
uint32_t fm_jinja_code(const char *at);
size_t fm_jinja_put_code(char *to, uint32_t code);              // at most 4 bytes; returns how many
bool fm_jinja_is_space(uint32_t code);                          // as Python's str.isspace
size_t fm_jinja_count(const struct jinja_string *s);            // characters
size_t fm_jinja_offset(const struct jinja_string *s, size_t n); // of character n; the length past the end
// Returns the offset, or SIZE_MAX.
size_t fm_jinja_find(
    struct jinja_run *run, const struct jinja_string *s, const struct jinja_string *what, size_t from);
// chars: what goes; NULL: white space, and `run` may be NULL.
void fm_jinja_strip(struct jinja_run *run, const struct jinja_string *s, const struct jinja_string *chars,
    bool left, bool right, size_t *from, size_t *to);
struct jinja_value fm_jinja_replace(struct jinja_run *run, const struct jinja_string *s,
    const struct jinja_string *from, const struct jinja_string *to, int64_t count);
enum jinja_case { CASE_UPPER, CASE_LOWER, CASE_CAPITALIZE, CASE_TITLE, CASE_SWAP, CASE_FOLD };
struct jinja_value fm_jinja_case(struct jinja_run *run, const struct jinja_string *s, enum jinja_case how);
struct jinja_value fm_jinja_escape(struct jinja_run *run, const struct jinja_string *s);
struct jinja_value fm_jinja_splitlines(struct jinja_run *run, const struct jinja_string *s, bool keep);

// ---- Functions -------------------------------------------------------------------------------------------

struct jinja_argument {
    const struct jinja_string *name;
    struct jinja_value value;
};
struct jinja_arguments {
    struct jinja_value *items;
    struct jinja_argument *named;
    size_t n, n_named;
};
enum { JINJA_MAX_PARAMETERS = 6 };
// `a` has the arguments by parameter, JINJA_MISSING where one was not given; NULL when `parameters` is NULL.
typedef struct jinja_value jinja_call(struct jinja_run *run, struct jinja_value self,
    const struct jinja_value *a, const struct jinja_arguments *all);
// Begins the definition of such a function. a: the parameters, in the order of jinja_function.parameters.
#define FM_JINJA_FUNCTION(name) \
    static struct jinja_value name(struct jinja_run *run, struct jinja_value self, \
        const struct jinja_value *a, const struct jinja_arguments *all)
#define FM_JINJA_UNUSED (void)run, (void)self, (void)a, (void)all
// Returns false for a parameter that the call leaves out.
static inline bool fm_jinja_given(struct jinja_value value) {
    return value.kind != JINJA_MISSING;
}

// A filter, a test, a method or a global function.
struct jinja_function {
    const char *name;
    const char *parameters; // with spaces between; one that begins with '_' has no name
    unsigned required;
    jinja_call *call;
};
const struct jinja_function *fm_jinja_filter(const struct jinja_string *name);
const struct jinja_function *fm_jinja_test(const struct jinja_string *name);
const struct jinja_function *fm_jinja_global(const struct jinja_string *name);
const struct jinja_function *fm_jinja_method(struct jinja_value self, const struct jinja_string *name);
const struct jinja_function *fm_jinja_function_in(
    const struct jinja_function *table, size_t n, const struct jinja_string *name);
const struct jinja_function *fm_jinja_text_filter(const struct jinja_string *name);
const struct jinja_function *fm_jinja_number_filter(const struct jinja_string *name);
const struct jinja_function *fm_jinja_string_method(const struct jinja_string *name);
const struct jinja_function *fm_jinja_is_method(const struct jinja_string *name);
// Filters and methods of strings that are one thing. `a` as in jinja_call.
jinja_call fm_jinja_center, fm_jinja_format, fm_jinja_str_format;
bool fm_jinja_cased(const struct jinja_string *s, bool upper); // Python's isupper or islower
bool fm_jinja_string_to_int(
    struct jinja_run *run, const struct jinja_string *s, int64_t base, struct jinja_value *value);
bool fm_jinja_string_to_real(const struct jinja_string *s, double *real);
struct jinja_value fm_jinja_apply(struct jinja_run *run, const struct jinja_function *function,
    struct jinja_value self, const struct jinja_arguments *arguments);
struct jinja_value fm_jinja_call(
    struct jinja_run *run, struct jinja_value callee, const struct jinja_arguments *arguments);
struct jinja_value fm_jinja_invoke(
    struct jinja_run *run, const struct jinja_macro *macro, const struct jinja_arguments *arguments);
struct jinja_value fm_jinja_recurse(
    struct jinja_run *run, const struct jinja_loop *loop, struct jinja_value items);
// Reads items of a loop until it has n of them, or there are no more. Returns how many it has.
size_t fm_jinja_fill(struct jinja_run *run, struct jinja_loop *loop, size_t n);

// Operators, attributes, items.
struct jinja_value fm_jinja_binary(
    struct jinja_run *run, enum jinja_operator op, struct jinja_value a, struct jinja_value b);
struct jinja_value fm_jinja_attribute(
    struct jinja_run *run, struct jinja_value owner, const struct jinja_string *name);
struct jinja_value fm_jinja_item(struct jinja_run *run, struct jinja_value owner, struct jinja_value key);
struct jinja_value fm_jinja_slice(struct jinja_run *run, struct jinja_value owner, struct jinja_value start,
    struct jinja_value stop, struct jinja_value step);
struct jinja_value fm_jinja_undefined_error(struct jinja_run *run, struct jinja_value undefined);

// Evaluation.
struct jinja_value fm_jinja_eval(
    struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *node);
void fm_jinja_exec(struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *list);
void fm_jinja_assign(struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *target,
    struct jinja_value value);
void fm_jinja_set(struct jinja_run *run, struct jinja_scope *scope, const struct jinja_string *name,
    struct jinja_value value);
#endif
