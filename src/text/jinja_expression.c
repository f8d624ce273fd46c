// Operators of expressions into a tree, tuples without parentheses, and the targets of assignments.
#include "text/jinja_tree.h"

static struct jinja_node *signed_value(struct jinja_parser *parser, bool with_filter) {
    const struct jinja_token *at = parser->at;
    struct jinja_node *node;
    if (fm_jinja_is(at, "-") || fm_jinja_is(at, "+")) {
        parser->at++;
        if (!fm_jinja_enter(parser)) return fm_jinja_constant(parser, at, fm_jinja_none());
        node = fm_jinja_unary(
            parser, *at->text == '-' ? NODE_NEGATIVE : NODE_POSITIVE, at, signed_value(parser, false));
        parser->depth--;
    } else {
        node = fm_jinja_primary(parser, false);
    }
    node = fm_jinja_postfix(parser, node);
    while (with_filter) {
        if (fm_jinja_is(parser->at, "|"))
            node = fm_jinja_filters(parser, node, false);
        else if (fm_jinja_is(parser->at, "is"))
            node = fm_jinja_parse_test(parser, node);
        else if (fm_jinja_is(parser->at, "("))
            node = fm_jinja_parse_call(parser, node);
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
        struct jinja_node_list list = {node, NULL};
        fm_jinja_append(parser, &list, fm_jinja_positional(parser, left));
        while (fm_jinja_skip(parser, "~"))
            fm_jinja_append(parser, &list, fm_jinja_positional(parser, arithmetic(parser, level + 1)));
        return node;
    }
    for (size_t i = 0; i < sizeof(operators) / sizeof(*operators);) {
        if (operators[i].level != level || !fm_jinja_skip(parser, operators[i].text)) {
            i++;
            continue;
        }
        left = fm_jinja_two(parser, NODE_BINARY, at, left, arithmetic(parser, level + 1));
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
    struct jinja_node_list list = {NULL, NULL};
    for (;;) {
        size_t i = 0;
        const size_t n = sizeof(signs) / sizeof(*signs);
        const bool not_in = fm_jinja_is(parser->at, "not") && fm_jinja_is(parser->at + 1, "in");
        while (i < n && !fm_jinja_is(parser->at, signs[i].text)) i++;
        if (i == n && !not_in) break;
        parser->at += not_in ? 2 : 1;
        if (!node) list.parent = node = fm_jinja_unary(parser, NODE_COMPARE, at, left);
        struct jinja_node *operand = fm_jinja_unary(parser, NODE_OPERAND, at, arithmetic(parser, 1));
        operand->op = not_in ? OP_NOT_IN : signs[i].op;
        fm_jinja_append(parser, &list, operand);
    }
    return node ? node : left;
}

static struct jinja_node *negation(struct jinja_parser *parser) {
    const struct jinja_token *at = parser->at;
    if (!fm_jinja_skip(parser, "not")) return comparison(parser);
    if (!fm_jinja_enter(parser)) return fm_jinja_constant(parser, at, fm_jinja_none());
    struct jinja_node *node = fm_jinja_unary(parser, NODE_NOT, at, negation(parser));
    parser->depth--;
    return node;
}

static struct jinja_node *conjunction(struct jinja_parser *parser, bool is_or) {
    const struct jinja_token *at = parser->at;
    struct jinja_node *left = is_or ? conjunction(parser, false) : negation(parser);
    while (fm_jinja_skip(parser, is_or ? "or" : "and")) {
        struct jinja_node *right = is_or ? conjunction(parser, false) : negation(parser);
        left = fm_jinja_two(parser, is_or ? NODE_OR : NODE_AND, at, left, right);
        at = parser->at;
    }
    return left;
}

struct jinja_node *fm_jinja_expression(struct jinja_parser *parser, bool with_if) {
    const struct jinja_token *at = parser->at;
    if (!fm_jinja_enter(parser)) return fm_jinja_constant(parser, at, fm_jinja_none());
    struct jinja_node *unknown = parser->unknown, *node = conjunction(parser, true);
    while (with_if && fm_jinja_skip(parser, "if")) {
        const bool soft = parser->soft;
        parser->soft = true;
        struct jinja_node *condition = conjunction(parser, true);
        node = fm_jinja_two(parser, NODE_IF_ELSE, at, node, condition);
        if (fm_jinja_skip(parser, "else")) node->c = fm_jinja_expression(parser, true);
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
    struct jinja_node_list list = {NULL, NULL};
    for (;;) {
        if (ends_tuple(parser->at, until)) break;
        item = targets ? fm_jinja_primary(parser, with_if_or_member)
                       : fm_jinja_expression(parser, with_if_or_member);
        const bool comma = fm_jinja_is(parser->at, ",");
        if (!tuple && !comma) return item;
        if (!tuple) list.parent = tuple = fm_jinja_node(parser, NODE_TUPLE, at);
        fm_jinja_append(parser, &list, fm_jinja_positional(parser, item));
        if (!comma) break;
        parser->at++;
    }
    if (tuple) return tuple;
    fm_jinja_syntax(parser, at, "an expression was expected, not '%s'", fm_jinja_token(at).text);
    return fm_jinja_constant(parser, at, fm_jinja_none());
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
    if (!assignable(target))
        fm_jinja_syntax(parser, at, "'%s' cannot be assigned to", fm_jinja_token(at).text);
    return target;
}
