// What the parser makes of a template: tokens, then a tree, which the evaluator walks.
#ifndef FM_TEXT_JINJA_TREE_H
#define FM_TEXT_JINJA_TREE_H
#include "text/jinja_parts.h"

enum { JINJA_MAX_NESTING = 200 };
enum jinja_token_kind {
    JINJA_END,
    JINJA_DATA,
    JINJA_PRINT_BEGIN,
    JINJA_PRINT_END,
    JINJA_BLOCK_BEGIN,
    JINJA_BLOCK_END,
    JINJA_NAME,
    JINJA_TEXT, // a string literal
    JINJA_INTEGER,
    JINJA_REAL,
    JINJA_OPERATOR,
};
struct jinja_token {
    enum jinja_token_kind kind;
    uint32_t line;
    const char *text; // a string literal without its quotes, still escaped
    size_t length;
};

enum jinja_node_kind {
    // expressions
    NODE_CONSTANT, // value
    NODE_VARIABLE, // name
    NODE_LIST,     // first: items
    NODE_TUPLE,
    NODE_DICT,      // first: key, value, key, value, ...
    NODE_ATTRIBUTE, // a.name
    NODE_ITEM,      // a[b]
    NODE_SLICE,     // a[b:c:d]
    NODE_CALL,      // a(first: arguments)
    NODE_FILTER,    // a | name(first); a is NULL in a filter block
    NODE_TEST,      // a is name(first)
    NODE_IF_ELSE,   // a if b else c
    NODE_AND,
    NODE_OR,
    NODE_NOT,
    NODE_NEGATIVE,
    NODE_POSITIVE,
    NODE_BINARY,       // a op b
    NODE_CONCAT,       // first: operands of ~
    NODE_COMPARE,      // a, then first: operands with op
    NODE_OPERAND,      // op a
    NODE_POSITIONAL,   // an argument: a
    NODE_NAMED,        // name = a
    NODE_SPREAD,       // *a
    NODE_SPREAD_NAMED, // **a
    // targets of assignments: NODE_VARIABLE, NODE_TUPLE and
    NODE_MEMBER, // name.name2 of a namespace
    // statements
    NODE_DATA,         // value
    NODE_PRINT,        // a
    NODE_FOR,          // a target, b sequence, c condition, first: body, second: else
    NODE_IF,           // a condition, first: body, second: one NODE_IF or else's body
    NODE_SET,          // a target, b value
    NODE_SET_BLOCK,    // a target, b filter, first: body
    NODE_WITH,         // second: targets and values in turn, first: body
    NODE_MACRO,        // name, second: parameters, first: body
    NODE_CALL_BLOCK,   // a call, second: parameters, first: body
    NODE_PARAMETER,    // name, a default
    NODE_FILTER_BLOCK, // a filter, first: body
    NODE_SCOPE,        // first: body, in a scope of its own ({% generation %})
    NODE_BLOCK,        // first: body, which sees the outermost scope
    NODE_BREAK,
    NODE_CONTINUE,
};
struct jinja_node {
    enum jinja_node_kind kind;
    enum jinja_operator op;
    uint32_t line;
    bool flag;                               // of a loop: recursive; of a macro: uses caller
    bool uses_varargs, uses_kwargs;          // of a macro
    const struct jinja_string *name, *name2; // one pointer for each name
    const struct jinja_function *function;   // of a filter or test; NULL: there is none of that name
    struct jinja_value value;
    struct jinja_node *a, *b, *c, *d, *first, *second;
    struct jinja_node *next; // in the list that `first` or `second` begins
};
struct fm_jinja {
    struct fm_arena arena;
    const struct jinja_token *tokens; // JINJA_END ends them
    struct jinja_node *body;
    const struct jinja_string **names; // the interned names
    size_t n_names, capacity;
};

// Splits a template into tokens, which end with JINJA_END. The source is normalised into the arena.
struct jinja_token *fm_jinja_tokens(
    struct fm_arena *arena, const char *source, size_t length, struct fathom_error *err);
// The bytes of a string literal.
bool fm_jinja_unescape(struct fm_arena *arena, const struct jinja_token *token, struct jinja_string *out,
    struct fathom_error *err);

// What the files of the parser share. After an error `failed` is set and every token is JINJA_END, so
// that loops end.
struct jinja_parser {
    struct fm_jinja *jinja;
    const struct jinja_token *at;
    struct fathom_error *err;
    bool failed;
    unsigned depth;  // of the parser's own calls
    unsigned loops;  // around the statement, within its macro
    unsigned n_fors; // around the statement, through macros
    // Unknown filters and tests are errors, but within conditions only when they are reached.
    bool soft;
    struct jinja_node *unknown;     // the first one outside conditions
    struct jinja_node *macros[100]; // around the statement
    unsigned n_macros;
    struct jinja_node none; // handed out where there is no memory
};
struct jinja_node *fm_jinja_node(
    struct jinja_parser *parser, enum jinja_node_kind kind, const struct jinja_token *at);
void fm_jinja_syntax(struct jinja_parser *parser, const struct jinja_token *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool fm_jinja_is(const struct jinja_token *token, const char *text); // a name or an operator
bool fm_jinja_skip(struct jinja_parser *parser, const char *text);   // takes the token if it is `text`
void fm_jinja_expect(struct jinja_parser *parser, const char *text);
void fm_jinja_advance(struct jinja_parser *parser);
const struct jinja_string *fm_jinja_name(struct jinja_parser *parser); // takes a name
bool fm_jinja_enter(struct jinja_parser *parser);                      // one level deeper; false: too deep
struct fm_quote fm_jinja_token(const struct jinja_token *token);       // for messages
struct jinja_node *fm_jinja_unary(struct jinja_parser *parser, enum jinja_node_kind kind,
    const struct jinja_token *at, struct jinja_node *a);
struct jinja_node *fm_jinja_two(struct jinja_parser *parser, enum jinja_node_kind kind,
    const struct jinja_token *at, struct jinja_node *a, struct jinja_node *b);
struct jinja_node *fm_jinja_constant(
    struct jinja_parser *parser, const struct jinja_token *at, struct jinja_value value);
struct jinja_node_list {
    struct jinja_node *parent, *last;
};
void fm_jinja_append(struct jinja_parser *parser, struct jinja_node_list *list, struct jinja_node *item);
// An item may stand in another list already; the list's own link is in a node around it.
struct jinja_node *fm_jinja_positional(struct jinja_parser *parser, struct jinja_node *item);
struct jinja_node *fm_jinja_primary(struct jinja_parser *parser, bool with_member);
struct jinja_node *fm_jinja_postfix(struct jinja_parser *parser, struct jinja_node *node);
struct jinja_node *fm_jinja_parse_call(struct jinja_parser *parser, struct jinja_node *callee);
struct jinja_node *fm_jinja_parse_test(struct jinja_parser *parser, struct jinja_node *value);
struct jinja_node *fm_jinja_expression(struct jinja_parser *parser, bool with_if);
// An expression or a tuple without parentheses; `until`: a name that ends the tuple, or NULL.
struct jinja_node *fm_jinja_tuple(struct jinja_parser *parser, bool with_if, const char *until);
struct jinja_node *fm_jinja_target(struct jinja_parser *parser, bool with_member, const char *until);
struct jinja_node *fm_jinja_filters(struct jinja_parser *parser, struct jinja_node *value, bool first);
struct jinja_node *fm_jinja_statements(struct jinja_parser *parser, const char *const *ends);
#endif
