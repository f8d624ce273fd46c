// Values of expressions into a tree: literals, names, calls, filters, tests. Operators have a file of their
// own.
#include "text/jinja_tree.h"
#include "text/utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_NAMES = 10000 }; // they are looked for one by one

static const struct jinja_token no_token = {JINJA_END};

void fm_jinja_syntax(struct jinja_parser *parser, const struct jinja_token *at, const char *format, ...) {
    if (!parser->failed) {
        char message[300];
        va_list args;
        va_start(args, format);
        vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        fm_jinja_fail_at(parser->err, at->line, "%s", message);
    }
    parser->failed = true;
    parser->at = &no_token;
}

struct jinja_node *fm_jinja_node(
    struct jinja_parser *parser, enum jinja_node_kind kind, const struct jinja_token *at) {
    struct jinja_node *node = fm_arena_alloc(&parser->jinja->arena, 1, sizeof(*node));
    if (!node) {
        if (!parser->failed) fm_fail(parser->err, FATHOM_NO_MEMORY, "no memory for the chat template's tree");
        parser->failed = true;
        parser->at = &no_token;
        parser->none = (struct jinja_node){NODE_CONSTANT};
        return &parser->none;
    }
    node->kind = kind;
    node->line = at->line;
    return node;
}

bool fm_jinja_is(const struct jinja_token *token, const char *text) {
    return (token->kind == JINJA_NAME || token->kind == JINJA_OPERATOR) && token->length == strlen(text) &&
        !memcmp(token->text, text, token->length);
}

void fm_jinja_advance(struct jinja_parser *parser) {
    if (parser->at->kind != JINJA_END) parser->at++;
}

bool fm_jinja_skip(struct jinja_parser *parser, const char *text) {
    if (!fm_jinja_is(parser->at, text)) return false;
    parser->at++;
    return true;
}

struct fm_quote fm_jinja_token(const struct jinja_token *token) {
    static const struct fm_quote end = {"the end of the template"};
    return token->kind == JINJA_END ? end : fm_quote(token->text, token->length);
}

void fm_jinja_expect(struct jinja_parser *parser, const char *text) {
    if (!fm_jinja_skip(parser, text))
        fm_jinja_syntax(
            parser, parser->at, "'%s' was expected, not '%s'", text, fm_jinja_token(parser->at).text);
}

bool fm_jinja_enter(struct jinja_parser *parser) {
    if (parser->depth < JINJA_MAX_NESTING) {
        parser->depth++;
        return true;
    }
    fm_jinja_syntax(parser, parser->at, "the template is nested deeper than %d levels", JINJA_MAX_NESTING);
    return false;
}

static const struct jinja_string *intern(struct jinja_parser *parser, const char *text, size_t length) {
    static const struct jinja_string none = {.bytes = ""};
    struct fm_jinja *jinja = parser->jinja;
    for (size_t i = 0; i < jinja->n_names; i++)
        if (jinja->names[i]->length == length && !memcmp(jinja->names[i]->bytes, text, length))
            return jinja->names[i];
    if (jinja->n_names == MAX_NAMES) {
        fm_jinja_syntax(parser, parser->at, "the template has more than %d names", MAX_NAMES);
        return &none;
    }
    if (jinja->n_names == jinja->capacity) {
        const size_t capacity = 2 * jinja->capacity + 32;
        const struct jinja_string **grown = fm_arena_alloc(&jinja->arena, capacity, sizeof(*grown));
        if (!grown) return fm_jinja_syntax(parser, parser->at, "no memory for names"), &none;
        if (jinja->n_names) memcpy(grown, jinja->names, jinja->n_names * sizeof(*grown));
        jinja->names = grown;
        jinja->capacity = capacity;
    }
    struct jinja_string *name = fm_arena_alloc(&jinja->arena, 1, sizeof(*name));
    if (!name) return fm_jinja_syntax(parser, parser->at, "no memory for names"), &none;
    *name = (struct jinja_string){.bytes = text, .length = length};
    return jinja->names[jinja->n_names++] = name;
}

const struct jinja_string *fm_jinja_name(struct jinja_parser *parser) {
    const struct jinja_token *token = parser->at;
    if (token->kind != JINJA_NAME)
        fm_jinja_syntax(parser, token, "a name was expected, not '%s'", fm_jinja_token(token).text);
    else
        parser->at++;
    return intern(parser, token->length ? token->text : "", token->length);
}

struct jinja_node *fm_jinja_unary(struct jinja_parser *parser, enum jinja_node_kind kind,
    const struct jinja_token *at, struct jinja_node *a) {
    struct jinja_node *node = fm_jinja_node(parser, kind, at);
    node->a = a;
    return node;
}

struct jinja_node *fm_jinja_two(struct jinja_parser *parser, enum jinja_node_kind kind,
    const struct jinja_token *at, struct jinja_node *a, struct jinja_node *b) {
    struct jinja_node *node = fm_jinja_unary(parser, kind, at, a);
    node->b = b;
    return node;
}

void fm_jinja_append(struct jinja_parser *parser, struct jinja_node_list *list, struct jinja_node *item) {
    if (parser->failed) return;
    if (list->last)
        list->last->next = item;
    else
        list->parent->first = item;
    list->last = item;
}

struct jinja_node *fm_jinja_positional(struct jinja_parser *parser, struct jinja_node *item) {
    return fm_jinja_unary(parser, NODE_POSITIONAL, parser->at, item);
}

// ---- Literals and calls ----------------------------------------------------------------------------------

struct jinja_node *fm_jinja_constant(
    struct jinja_parser *parser, const struct jinja_token *at, struct jinja_value value) {
    struct jinja_node *node = fm_jinja_node(parser, NODE_CONSTANT, at);
    node->value = value;
    return node;
}

static struct jinja_node *number(struct jinja_parser *parser) {
    const struct jinja_token *token = parser->at++;
    char *digits = fm_arena_alloc(&parser->jinja->arena, token->length + 1, 1);
    struct jinja_string *big = fm_arena_alloc(&parser->jinja->arena, 1, sizeof(*big));
    if (!digits || !big)
        return fm_jinja_syntax(parser, token, "no memory for a number"),
               fm_jinja_constant(parser, token, fm_jinja_none());
    size_t n = 0;
    for (size_t i = 0; i < token->length; i++)
        if (token->text[i] != '_') digits[n++] = token->text[i];
    if (token->kind == JINJA_REAL)
        return fm_jinja_constant(parser, token, fm_jinja_real(fm_jinja_parse_real(digits, n)));
    const char kind = n > 1 && digits[0] == '0' ? (char)(digits[1] | 0x20) : 0;
    const int base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
    int64_t value = 0;
    bool fits = true;
    for (size_t i = base == 10 ? 0 : 2; i < n && fits; i++) {
        const char c = digits[i];
        const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
        fits = !__builtin_mul_overflow(value, (int64_t)base, &value) &&
            !__builtin_add_overflow(value, (int64_t)digit, &value);
    }
    if (fits) return fm_jinja_constant(parser, token, fm_jinja_int(value));
    if (base != 10)
        fm_jinja_syntax(parser, token, "the integer %s needs more than 64 bits", fm_jinja_token(token).text);
    *big = (struct jinja_string){.bytes = digits, .length = n};
    return fm_jinja_constant(parser, token, (struct jinja_value){.kind = JINJA_BIG, .string = big});
}

// Literals side by side are one string.
static struct jinja_node *text(struct jinja_parser *parser) {
    const struct jinja_token *first = parser->at;
    size_t n = 0, length = 0;
    while (first[n].kind == JINJA_TEXT) n++;
    struct jinja_string *parts = fm_arena_alloc(&parser->jinja->arena, n, sizeof(*parts)), *whole = parts;
    for (size_t i = 0; parts && i < n; i++) {
        if (!fm_jinja_unescape(&parser->jinja->arena, &first[i], &parts[i], parser->err)) {
            parser->failed = true;
            parser->at = &no_token;
            return fm_jinja_constant(parser, first, fm_jinja_none());
        }
        length += parts[i].length;
    }
    char *joined = parts && n > 1 ? fm_arena_alloc(&parser->jinja->arena, length + 1, 1) : NULL;
    if (!parts || (n > 1 && !joined)) {
        fm_jinja_syntax(parser, first, "no memory for a string");
        return fm_jinja_constant(parser, first, fm_jinja_none());
    }
    for (size_t i = 0, at = 0; n > 1 && i < n; at += parts[i++].length)
        memcpy(joined + at, parts[i].bytes, parts[i].length);
    if (n > 1) *whole = (struct jinja_string){.bytes = joined, .length = length};
    parser->at += n;
    return fm_jinja_constant(parser, first, (struct jinja_value){.kind = JINJA_STRING, .string = whole});
}

static struct jinja_node *list_or_dict(struct jinja_parser *parser) {
    const struct jinja_token *at = parser->at++;
    const bool dict = *at->text == '{';
    const char *close = dict ? "}" : "]";
    struct jinja_node *node = fm_jinja_node(parser, dict ? NODE_DICT : NODE_LIST, at);
    struct jinja_node_list list = {node, NULL};
    while (!parser->failed && !fm_jinja_is(parser->at, close)) {
        if (list.last) fm_jinja_expect(parser, ",");
        if (fm_jinja_is(parser->at, close)) break;
        fm_jinja_append(parser, &list, fm_jinja_positional(parser, fm_jinja_expression(parser, true)));
        if (!dict) continue;
        fm_jinja_expect(parser, ":");
        fm_jinja_append(parser, &list, fm_jinja_positional(parser, fm_jinja_expression(parser, true)));
    }
    fm_jinja_expect(parser, close);
    return node;
}

// Appends the arguments in parentheses.
static void arguments(struct jinja_parser *parser, struct jinja_node *node) {
    const struct jinja_token *open = parser->at;
    struct jinja_node_list list = {node, NULL};
    bool named = false, spread = false, spread_named = false;
    fm_jinja_expect(parser, "(");
    while (!parser->failed && !fm_jinja_is(parser->at, ")")) {
        if (list.last) fm_jinja_expect(parser, ",");
        if (fm_jinja_is(parser->at, ")")) break;
        const struct jinja_token *at = parser->at;
        bool allowed = !spread_named;
        struct jinja_node *item;
        if (fm_jinja_skip(parser, "*")) {
            allowed = allowed && !spread;
            spread = true;
            item = fm_jinja_unary(parser, NODE_SPREAD, at, fm_jinja_expression(parser, true));
        } else if (fm_jinja_skip(parser, "**")) {
            spread_named = true;
            item = fm_jinja_unary(parser, NODE_SPREAD_NAMED, at, fm_jinja_expression(parser, true));
        } else if (at->kind == JINJA_NAME && fm_jinja_is(at + 1, "=")) {
            named = true;
            const struct jinja_string *name = fm_jinja_name(parser);
            for (const struct jinja_node *other = node->first; other; other = other->next)
                if (other->kind == NODE_NAMED && other->name == name) allowed = false;
            fm_jinja_advance(parser);
            item = fm_jinja_unary(parser, NODE_NAMED, at, fm_jinja_expression(parser, true));
            item->name = name;
        } else {
            allowed = allowed && !spread && !named;
            item = fm_jinja_positional(parser, fm_jinja_expression(parser, true));
        }
        if (!allowed) fm_jinja_syntax(parser, open, "invalid syntax for a call's arguments");
        fm_jinja_append(parser, &list, item);
    }
    fm_jinja_expect(parser, ")");
}

struct jinja_node *fm_jinja_parse_call(struct jinja_parser *parser, struct jinja_node *callee) {
    struct jinja_node *node = fm_jinja_unary(parser, NODE_CALL, parser->at, callee);
    arguments(parser, node);
    return node;
}

// One index or slice within brackets.
static struct jinja_node *index_of(
    struct jinja_parser *parser, struct jinja_node *owner, const struct jinja_token *at) {
    struct jinja_node *parts[3] = {NULL};
    bool slice = false;
    for (int i = 0; i < 3; i++) {
        if (!fm_jinja_is(parser->at, ":") && !fm_jinja_is(parser->at, "]"))
            parts[i] = fm_jinja_expression(parser, true);
        if (i == 2 || !fm_jinja_skip(parser, ":")) break;
        slice = true;
    }
    if (!slice && !parts[0]) parts[0] = fm_jinja_node(parser, NODE_TUPLE, at); // x[] is x[()]
    struct jinja_node *node = fm_jinja_two(parser, slice ? NODE_SLICE : NODE_ITEM, at, owner, parts[0]);
    node->c = parts[1];
    node->d = parts[2];
    return node;
}

static struct jinja_node *subscript(struct jinja_parser *parser, struct jinja_node *owner) {
    const struct jinja_token *at = parser->at++;
    if (*at->text == '.') {
        if (parser->at->kind == JINJA_INTEGER)
            return fm_jinja_two(parser, NODE_ITEM, at, owner, number(parser));
        struct jinja_node *node = fm_jinja_unary(parser, NODE_ATTRIBUTE, at, owner);
        node->name = fm_jinja_name(parser);
        return node;
    }
    struct jinja_node *node = index_of(parser, owner, at);
    if (fm_jinja_is(parser->at, ",")) { // a tuple is the key
        struct jinja_node *tuple = fm_jinja_node(parser, NODE_TUPLE, at);
        struct jinja_node_list list = {tuple, NULL};
        if (node->kind == NODE_SLICE) fm_jinja_syntax(parser, at, "a tuple of slices is not supported");
        fm_jinja_append(parser, &list, fm_jinja_positional(parser, node->b));
        while (fm_jinja_skip(parser, ","))
            fm_jinja_append(parser, &list, fm_jinja_positional(parser, fm_jinja_expression(parser, true)));
        node->b = tuple;
    }
    fm_jinja_expect(parser, "]");
    return node;
}

static bool is_constant(const struct jinja_string *name, struct jinja_value *value) {
    static const struct {
        const char *name;
        enum jinja_kind kind;
        bool truth;
    } names[] = {{"true", JINJA_BOOL, true}, {"True", JINJA_BOOL, true}, {"false", JINJA_BOOL, false},
        {"False", JINJA_BOOL, false}, {"none", JINJA_NONE, false}, {"None", JINJA_NONE, false}};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (name->length == strlen(names[i].name) && !memcmp(name->bytes, names[i].name, name->length)) {
            *value = (struct jinja_value){.kind = names[i].kind, .truth = names[i].truth};
            return true;
        }
    return false;
}

// A macro that uses one of these names takes the arguments that they stand for.
static void note_special(struct jinja_parser *parser, const struct jinja_string *name) {
    const bool caller = name->length == 6 && !memcmp(name->bytes, "caller", 6),
               kwargs = name->length == 6 && !memcmp(name->bytes, "kwargs", 6),
               varargs = name->length == 7 && !memcmp(name->bytes, "varargs", 7);
    for (unsigned i = 0; i < parser->n_macros; i++) {
        parser->macros[i]->flag |= caller;
        parser->macros[i]->uses_kwargs |= kwargs;
        parser->macros[i]->uses_varargs |= varargs;
    }
}

struct jinja_node *fm_jinja_primary(struct jinja_parser *parser, bool with_member) {
    const struct jinja_token *at = parser->at;
    struct jinja_value value;
    struct jinja_node *node;
    switch (at->kind) {
    case JINJA_NAME:
        node = fm_jinja_node(parser, NODE_VARIABLE, at);
        node->name = fm_jinja_name(parser);
        if (is_constant(node->name, &value)) return fm_jinja_constant(parser, at, value);
        if (with_member && fm_jinja_skip(parser, ".")) {
            node->kind = NODE_MEMBER;
            node->name2 = fm_jinja_name(parser);
        } else {
            note_special(parser, node->name);
        }
        return node;
    case JINJA_TEXT: return text(parser);
    case JINJA_INTEGER:
    case JINJA_REAL: return number(parser);
    case JINJA_OPERATOR:
        if (fm_jinja_is(at, "[") || fm_jinja_is(at, "{")) return list_or_dict(parser);
        if (fm_jinja_skip(parser, "(")) {
            if (fm_jinja_is(parser->at, ")"))
                node = fm_jinja_node(parser, NODE_TUPLE, at);
            else
                node = fm_jinja_tuple(parser, true, NULL);
            fm_jinja_expect(parser, ")");
            return node;
        }
        break;
    default: break;
    }
    fm_jinja_syntax(parser, at, "an expression was expected, not '%s'", fm_jinja_token(at).text);
    return fm_jinja_constant(parser, at, fm_jinja_none());
}

// ---- Filters and tests -----------------------------------------------------------------------------------

static const struct jinja_string *dotted_name(struct jinja_parser *parser) {
    const struct jinja_string *name = fm_jinja_name(parser);
    if (fm_jinja_is(parser->at, "."))
        fm_jinja_syntax(parser, parser->at, "there is no filter or test with a dot in its name");
    return name;
}

static void note_unknown(struct jinja_parser *parser, struct jinja_node *node) {
    if (!node->function && !parser->soft && !parser->unknown) parser->unknown = node;
}

struct jinja_node *fm_jinja_filters(struct jinja_parser *parser, struct jinja_node *value, bool first) {
    while (first || fm_jinja_is(parser->at, "|")) {
        if (!first) parser->at++;
        first = false;
        struct jinja_node *node = fm_jinja_unary(parser, NODE_FILTER, parser->at, value);
        node->name = dotted_name(parser);
        node->function = fm_jinja_filter(node->name);
        note_unknown(parser, node);
        if (fm_jinja_is(parser->at, "(")) arguments(parser, node);
        value = node;
    }
    return value;
}

struct jinja_node *fm_jinja_postfix(struct jinja_parser *parser, struct jinja_node *node) {
    for (;;) {
        if (fm_jinja_is(parser->at, ".") || fm_jinja_is(parser->at, "["))
            node = subscript(parser, node);
        else if (fm_jinja_is(parser->at, "("))
            node = fm_jinja_parse_call(parser, node);
        else
            return node;
    }
}

struct jinja_node *fm_jinja_parse_test(struct jinja_parser *parser, struct jinja_node *value) {
    const struct jinja_token *at = parser->at++;
    const bool negated = fm_jinja_skip(parser, "not");
    struct jinja_node *node = fm_jinja_unary(parser, NODE_TEST, at, value);
    node->name = dotted_name(parser);
    node->function = fm_jinja_test(node->name);
    note_unknown(parser, node);
    const struct jinja_token *next = parser->at;
    if (fm_jinja_is(next, "(")) {
        arguments(parser, node);
    } else if (next->kind == JINJA_TEXT || next->kind == JINJA_INTEGER || next->kind == JINJA_REAL ||
        fm_jinja_is(next, "[") || fm_jinja_is(next, "{") ||
        (next->kind == JINJA_NAME && !fm_jinja_is(next, "else") && !fm_jinja_is(next, "or") &&
            !fm_jinja_is(next, "and"))) {
        if (fm_jinja_is(next, "is")) fm_jinja_syntax(parser, next, "tests cannot be chained with 'is'");
        struct jinja_node_list list = {node, NULL};
        fm_jinja_append(parser, &list,
            fm_jinja_positional(parser, fm_jinja_postfix(parser, fm_jinja_primary(parser, false))));
    }
    return negated ? fm_jinja_unary(parser, NODE_NOT, at, node) : node;
}
