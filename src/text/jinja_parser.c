// Expressions of templates into a tree.
#include "text/jinja_parts.h"
#include "text/utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
    static struct jinja_node none; // only handed out after an error, when nothing is run
    struct jinja_node *node = fm_arena_alloc(&parser->jinja->arena, 1, sizeof(*node));
    if (!node) {
        if (!parser->failed) fm_fail(parser->err, FATHOM_NO_MEMORY, "no memory for the chat template's tree");
        parser->failed = true;
        parser->at = &no_token;
        none = (struct jinja_node){NODE_CONSTANT};
        return &none;
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

static struct fm_quote token_quote(const struct jinja_token *token) {
    static const struct fm_quote end = {"the end of the template"};
    return token->kind == JINJA_END ? end : fm_quote(token->text, token->length);
}

void fm_jinja_expect(struct jinja_parser *parser, const char *text) {
    if (!fm_jinja_skip(parser, text))
        fm_jinja_syntax(
            parser, parser->at, "'%s' was expected, not '%s'", text, token_quote(parser->at).text);
}

bool fm_jinja_enter(struct jinja_parser *parser) {
    if (parser->depth < JINJA_MAX_HEIGHT) {
        parser->depth++;
        return true;
    }
    fm_jinja_syntax(parser, parser->at, "the template is nested deeper than %d levels", JINJA_MAX_HEIGHT);
    return false;
}

static const struct jinja_string *intern(struct jinja_parser *parser, const char *text, size_t length) {
    static const struct jinja_string none = {.bytes = ""};
    struct fm_jinja *jinja = parser->jinja;
    for (size_t i = 0; i < jinja->n_names; i++)
        if (jinja->names[i]->length == length && !memcmp(jinja->names[i]->bytes, text, length))
            return jinja->names[i];
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
        fm_jinja_syntax(parser, token, "a name was expected, not '%s'", token_quote(token).text);
    else
        parser->at++;
    return intern(parser, token->length ? token->text : "", token->length);
}

// The heights keep the evaluation from nesting deeper than its stack allows.
static void measure(struct jinja_parser *parser, struct jinja_node *node, const struct jinja_node *child) {
    if (child && child->height >= node->height) node->height = (uint16_t)(child->height + 1);
    if (node->height <= JINJA_MAX_HEIGHT || parser->failed) return;
    fm_jinja_syntax(parser, parser->at, "line %u: an expression is nested deeper than %d levels",
        (unsigned)node->line, JINJA_MAX_HEIGHT);
}

static struct jinja_node *unary(struct jinja_parser *parser, enum jinja_node_kind kind,
    const struct jinja_token *at, struct jinja_node *a) {
    struct jinja_node *node = fm_jinja_node(parser, kind, at);
    node->a = a;
    measure(parser, node, a);
    return node;
}

static struct jinja_node *binary(struct jinja_parser *parser, enum jinja_node_kind kind,
    const struct jinja_token *at, struct jinja_node *a, struct jinja_node *b) {
    struct jinja_node *node = unary(parser, kind, at, a);
    node->b = b;
    measure(parser, node, b);
    return node;
}

struct list {
    struct jinja_node *parent, *last;
};
static void append(struct jinja_parser *parser, struct list *list, struct jinja_node *item) {
    if (parser->failed) return;
    if (list->last)
        list->last->next = item;
    else
        list->parent->first = item;
    list->last = item;
    measure(parser, list->parent, item);
}

// An item may stand in another list already; the list's own link is in a node around it.
static struct jinja_node *positional(struct jinja_parser *parser, struct jinja_node *item) {
    return unary(parser, NODE_POSITIONAL, parser->at, item);
}

// ---- Literals and calls ----------------------------------------------------------------------------------

static struct jinja_node *constant(
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
               constant(parser, token, fm_jinja_none());
    size_t n = 0;
    for (size_t i = 0; i < token->length; i++)
        if (token->text[i] != '_') digits[n++] = token->text[i];
    if (token->kind == JINJA_REAL)
        return constant(parser, token, fm_jinja_real(fm_jinja_parse_real(digits, n)));
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
    if (fits) return constant(parser, token, fm_jinja_int(value));
    if (base != 10)
        fm_jinja_syntax(parser, token, "the integer %s needs more than 64 bits", token_quote(token).text);
    *big = (struct jinja_string){.bytes = digits, .length = n};
    return constant(parser, token, (struct jinja_value){.kind = JINJA_BIG, .string = big});
}

static struct jinja_node *text(struct jinja_parser *parser) {
    const struct jinja_token *first = parser->at;
    struct jinja_string *whole = fm_arena_alloc(&parser->jinja->arena, 1, sizeof(*whole)), part;
    if (!whole)
        return fm_jinja_syntax(parser, first, "no memory for a string"),
               constant(parser, first, fm_jinja_none());
    *whole = (struct jinja_string){.bytes = ""};
    for (; parser->at->kind == JINJA_TEXT; parser->at++) { // literals side by side are one string
        if (!fm_jinja_unescape(&parser->jinja->arena, parser->at, &part, parser->err)) {
            parser->failed = true;
            parser->at = &no_token;
            break;
        }
        if (!whole->length) {
            *whole = part;
            continue;
        }
        char *joined = fm_arena_alloc(&parser->jinja->arena, whole->length + part.length + 1, 1);
        if (!joined)
            return fm_jinja_syntax(parser, first, "no memory for a string"),
                   constant(parser, first, fm_jinja_none());
        memcpy(joined, whole->bytes, whole->length);
        memcpy(joined + whole->length, part.bytes, part.length);
        whole->bytes = joined;
        whole->length += part.length;
    }
    return constant(parser, first, (struct jinja_value){.kind = JINJA_STRING, .string = whole});
}

static struct jinja_node *list_or_dict(struct jinja_parser *parser) {
    const struct jinja_token *at = parser->at++;
    const bool dict = *at->text == '{';
    const char *close = dict ? "}" : "]";
    struct jinja_node *node = fm_jinja_node(parser, dict ? NODE_DICT : NODE_LIST, at);
    struct list list = {node, NULL};
    while (!parser->failed && !fm_jinja_is(parser->at, close)) {
        if (list.last) fm_jinja_expect(parser, ",");
        if (fm_jinja_is(parser->at, close)) break;
        append(parser, &list, positional(parser, fm_jinja_expression(parser, true)));
        if (!dict) continue;
        fm_jinja_expect(parser, ":");
        append(parser, &list, positional(parser, fm_jinja_expression(parser, true)));
    }
    fm_jinja_expect(parser, close);
    return node;
}

// Appends the arguments in parentheses.
static void arguments(struct jinja_parser *parser, struct jinja_node *node) {
    const struct jinja_token *open = parser->at;
    struct list list = {node, NULL};
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
            item = unary(parser, NODE_SPREAD, at, fm_jinja_expression(parser, true));
        } else if (fm_jinja_skip(parser, "**")) {
            spread_named = true;
            item = unary(parser, NODE_SPREAD_NAMED, at, fm_jinja_expression(parser, true));
        } else if (at->kind == JINJA_NAME && fm_jinja_is(at + 1, "=")) {
            named = true;
            const struct jinja_string *name = fm_jinja_name(parser);
            for (const struct jinja_node *other = node->first; other; other = other->next)
                if (other->kind == NODE_NAMED && other->name == name) allowed = false;
            fm_jinja_advance(parser);
            item = unary(parser, NODE_NAMED, at, fm_jinja_expression(parser, true));
            item->name = name;
        } else {
            allowed = allowed && !spread && !named;
            item = positional(parser, fm_jinja_expression(parser, true));
        }
        if (!allowed) fm_jinja_syntax(parser, open, "invalid syntax for a call's arguments");
        append(parser, &list, item);
    }
    fm_jinja_expect(parser, ")");
}

static struct jinja_node *call(struct jinja_parser *parser, struct jinja_node *callee) {
    struct jinja_node *node = unary(parser, NODE_CALL, parser->at, callee);
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
    struct jinja_node *node = binary(parser, slice ? NODE_SLICE : NODE_ITEM, at, owner, parts[0]);
    node->c = parts[1];
    node->d = parts[2];
    measure(parser, node, node->c);
    measure(parser, node, node->d);
    return node;
}

static struct jinja_node *subscript(struct jinja_parser *parser, struct jinja_node *owner) {
    const struct jinja_token *at = parser->at++;
    if (*at->text == '.') {
        if (parser->at->kind == JINJA_INTEGER) return binary(parser, NODE_ITEM, at, owner, number(parser));
        struct jinja_node *node = unary(parser, NODE_ATTRIBUTE, at, owner);
        node->name = fm_jinja_name(parser);
        return node;
    }
    struct jinja_node *node = index_of(parser, owner, at);
    if (fm_jinja_is(parser->at, ",")) { // a tuple is the key
        struct jinja_node *tuple = fm_jinja_node(parser, NODE_TUPLE, at);
        struct list list = {tuple, NULL};
        if (node->kind == NODE_SLICE) fm_jinja_syntax(parser, at, "a tuple of slices is not supported");
        append(parser, &list, positional(parser, node->b));
        while (fm_jinja_skip(parser, ","))
            append(parser, &list, positional(parser, fm_jinja_expression(parser, true)));
        node->b = tuple;
        measure(parser, node, tuple);
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

static struct jinja_node *primary(struct jinja_parser *parser, bool with_member) {
    const struct jinja_token *at = parser->at;
    struct jinja_value value;
    struct jinja_node *node;
    switch (at->kind) {
    case JINJA_NAME:
        node = fm_jinja_node(parser, NODE_VARIABLE, at);
        node->name = fm_jinja_name(parser);
        if (is_constant(node->name, &value)) return constant(parser, at, value);
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
    fm_jinja_syntax(parser, at, "an expression was expected, not '%s'", token_quote(at).text);
    return constant(parser, at, fm_jinja_none());
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
        struct jinja_node *node = unary(parser, NODE_FILTER, parser->at, value);
        node->name = dotted_name(parser);
        node->function = fm_jinja_filter(node->name);
        note_unknown(parser, node);
        if (fm_jinja_is(parser->at, "(")) arguments(parser, node);
        value = node;
    }
    return value;
}

static struct jinja_node *postfix(struct jinja_parser *parser, struct jinja_node *node) {
    for (;;) {
        if (fm_jinja_is(parser->at, ".") || fm_jinja_is(parser->at, "["))
            node = subscript(parser, node);
        else if (fm_jinja_is(parser->at, "("))
            node = call(parser, node);
        else
            return node;
    }
}

static struct jinja_node *test(struct jinja_parser *parser, struct jinja_node *value) {
    const struct jinja_token *at = parser->at++;
    const bool negated = fm_jinja_skip(parser, "not");
    struct jinja_node *node = unary(parser, NODE_TEST, at, value);
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
        struct list list = {node, NULL};
        append(parser, &list, positional(parser, postfix(parser, primary(parser, false))));
    }
    return negated ? unary(parser, NODE_NOT, at, node) : node;
}

// ---- Operators -------------------------------------------------------------------------------------------

static struct jinja_node *signed_value(struct jinja_parser *parser, bool with_filter) {
    const struct jinja_token *at = parser->at;
    struct jinja_node *node;
    if (fm_jinja_is(at, "-") || fm_jinja_is(at, "+")) {
        parser->at++;
        if (!fm_jinja_enter(parser)) return constant(parser, at, fm_jinja_none());
        node =
            unary(parser, *at->text == '-' ? NODE_NEGATIVE : NODE_POSITIVE, at, signed_value(parser, false));
        parser->depth--;
    } else {
        node = primary(parser, false);
    }
    node = postfix(parser, node);
    while (with_filter) {
        if (fm_jinja_is(parser->at, "|"))
            node = fm_jinja_filters(parser, node, false);
        else if (fm_jinja_is(parser->at, "is"))
            node = test(parser, node);
        else if (fm_jinja_is(parser->at, "("))
            node = call(parser, node);
        else
            break;
    }
    return node;
}

static const struct {
    const char *text;
    enum jinja_operator op;
    int level;
} operators[] = {{"+", OP_ADD, 1}, {"-", OP_SUBTRACT, 1}, {"*", OP_MULTIPLY, 3}, {"/", OP_DIVIDE, 3},
    {"//", OP_FLOOR_DIVIDE, 3}, {"%", OP_MODULO, 3}, {"**", OP_POWER, 4}};

// Levels: 1 sums, 2 ~, 3 products, 4 powers. All associate to the left.
static struct jinja_node *arithmetic(struct jinja_parser *parser, int level) {
    if (level == 5) return signed_value(parser, true);
    const struct jinja_token *at = parser->at;
    struct jinja_node *left = arithmetic(parser, level + 1);
    if (level == 2) {
        if (!fm_jinja_is(parser->at, "~")) return left;
        struct jinja_node *node = fm_jinja_node(parser, NODE_CONCAT, at);
        struct list list = {node, NULL};
        append(parser, &list, positional(parser, left));
        while (fm_jinja_skip(parser, "~"))
            append(parser, &list, positional(parser, arithmetic(parser, level + 1)));
        return node;
    }
    for (size_t i = 0; i < sizeof(operators) / sizeof(*operators);) {
        if (operators[i].level != level || !fm_jinja_skip(parser, operators[i].text)) {
            i++;
            continue;
        }
        left = binary(parser, NODE_BINARY, at, left, arithmetic(parser, level + 1));
        left->op = operators[i].op;
        at = parser->at;
        i = 0;
    }
    return left;
}

static struct jinja_node *comparison(struct jinja_parser *parser) {
    static const struct {
        const char *text;
        enum jinja_operator op;
    } signs[] = {{"==", OP_EQUAL}, {"!=", OP_NOT_EQUAL}, {"<", OP_LESS}, {"<=", OP_LESS_EQUAL},
        {">", OP_GREATER}, {">=", OP_GREATER_EQUAL}, {"in", OP_IN}};
    const struct jinja_token *at = parser->at;
    struct jinja_node *left = arithmetic(parser, 1), *node = NULL;
    struct list list = {NULL, NULL};
    for (;;) {
        size_t i = 0;
        const size_t n = sizeof(signs) / sizeof(*signs);
        const bool not_in = fm_jinja_is(parser->at, "not") && fm_jinja_is(parser->at + 1, "in");
        while (i < n && !fm_jinja_is(parser->at, signs[i].text)) i++;
        if (i == n && !not_in) break;
        parser->at += not_in ? 2 : 1;
        if (!node) list.parent = node = unary(parser, NODE_COMPARE, at, left);
        struct jinja_node *operand = unary(parser, NODE_OPERAND, at, arithmetic(parser, 1));
        operand->op = not_in ? OP_NOT_IN : signs[i].op;
        append(parser, &list, operand);
    }
    return node ? node : left;
}

static struct jinja_node *negation(struct jinja_parser *parser) {
    const struct jinja_token *at = parser->at;
    if (!fm_jinja_skip(parser, "not")) return comparison(parser);
    if (!fm_jinja_enter(parser)) return constant(parser, at, fm_jinja_none());
    struct jinja_node *node = unary(parser, NODE_NOT, at, negation(parser));
    parser->depth--;
    return node;
}

static struct jinja_node *conjunction(struct jinja_parser *parser, bool is_or) {
    const struct jinja_token *at = parser->at;
    struct jinja_node *left = is_or ? conjunction(parser, false) : negation(parser);
    while (fm_jinja_skip(parser, is_or ? "or" : "and")) {
        struct jinja_node *right = is_or ? conjunction(parser, false) : negation(parser);
        left = binary(parser, is_or ? NODE_OR : NODE_AND, at, left, right);
        at = parser->at;
    }
    return left;
}

struct jinja_node *fm_jinja_expression(struct jinja_parser *parser, bool with_if) {
    const struct jinja_token *at = parser->at;
    if (!fm_jinja_enter(parser)) return constant(parser, at, fm_jinja_none());
    struct jinja_node *unknown = parser->unknown, *node = conjunction(parser, true);
    while (with_if && fm_jinja_skip(parser, "if")) {
        const bool soft = parser->soft;
        parser->soft = true;
        struct jinja_node *condition = conjunction(parser, true);
        node = binary(parser, NODE_IF_ELSE, at, node, condition);
        if (fm_jinja_skip(parser, "else")) node->c = fm_jinja_expression(parser, true);
        measure(parser, node, node->c);
        parser->soft = soft;
        parser->unknown = unknown; // what is unknown within counts when it is reached
        at = parser->at;
    }
    parser->depth--;
    return node;
}

static bool ends_tuple(const struct jinja_token *at, const char *until) {
    return at->kind == JINJA_PRINT_END || at->kind == JINJA_BLOCK_END || at->kind == JINJA_END ||
        fm_jinja_is(at, ")") || (until && fm_jinja_is(at, until));
}

static struct jinja_node *tuple_of(
    struct jinja_parser *parser, bool targets, bool with_if_or_member, const char *until) {
    const struct jinja_token *at = parser->at;
    struct jinja_node *tuple = NULL, *item = NULL;
    struct list list = {NULL, NULL};
    for (;;) {
        if (ends_tuple(parser->at, until)) break;
        item = targets ? primary(parser, with_if_or_member) : fm_jinja_expression(parser, with_if_or_member);
        const bool comma = fm_jinja_is(parser->at, ",");
        if (!tuple && !comma) return item;
        if (!tuple) list.parent = tuple = fm_jinja_node(parser, NODE_TUPLE, at);
        append(parser, &list, positional(parser, item));
        if (!comma) break;
        parser->at++;
    }
    if (tuple) return tuple;
    fm_jinja_syntax(parser, at, "an expression was expected, not '%s'", token_quote(at).text);
    return constant(parser, at, fm_jinja_none());
}

struct jinja_node *fm_jinja_tuple(struct jinja_parser *parser, bool with_if, const char *until) {
    return tuple_of(parser, false, with_if, until);
}

static bool assignable(const struct jinja_node *node) {
    if (node->kind == NODE_VARIABLE || node->kind == NODE_MEMBER) return true;
    if (node->kind != NODE_TUPLE) return false;
    for (const struct jinja_node *item = node->first; item; item = item->next)
        if (!assignable(item->a)) return false;
    return true;
}

struct jinja_node *fm_jinja_target(struct jinja_parser *parser, bool with_member, const char *until) {
    const struct jinja_token *at = parser->at;
    struct jinja_node *target = tuple_of(parser, true, with_member, until);
    if (!assignable(target)) fm_jinja_syntax(parser, at, "'%s' cannot be assigned to", token_quote(at).text);
    return target;
}
