// Statements of templates into a tree.
#include "text/jinja_tree.h"
#include "text/utf8.h"
#include <string.h>

struct list {
    struct jinja_node *first, *last;
};
static void append(struct list *list, struct jinja_node *node) {
    if (list->last)
        list->last->next = node;
    else
        list->first = node;
    list->last = node;
}

static void expect_end(struct jinja_parser *parser) {
    if (parser->at->kind == JINJA_BLOCK_END)
        parser->at++;
    else
        fm_jinja_syntax(parser, parser->at, "'%%}' was expected, not '%s'",
            fm_quote(parser->at->text ? parser->at->text : "", parser->at->length).text);
}

// What the parser knows of the statements around one. A body has values of its own.
struct around {
    bool soft;
    unsigned loops, n_macros;
};
static struct around enter(struct jinja_parser *parser, bool soft, unsigned loops) {
    const struct around before = {parser->soft, parser->loops, parser->n_macros};
    parser->soft = soft;
    parser->loops = loops;
    return before;
}
static void leave(struct jinja_parser *parser, struct around before) {
    parser->soft = before.soft;
    parser->loops = before.loops;
    parser->n_macros = before.n_macros;
}

// A body up to one of the ends, whose name stays the next token.
static struct jinja_node *body(struct jinja_parser *parser, const char *const *ends) {
    fm_jinja_skip(parser, ":");
    expect_end(parser);
    return fm_jinja_statements(parser, ends);
}
// A body up to {% end %}, whose name is taken.
static struct jinja_node *whole_body(struct jinja_parser *parser, const char *end) {
    struct jinja_node *list = body(parser, (const char *const[]){end, NULL});
    fm_jinja_advance(parser);
    return list;
}

// Within a loop nothing can be assigned to the name of the loop's own variable.
static void refuse_loop(struct jinja_parser *parser, const struct jinja_token *from) {
    for (const struct jinja_token *name = from; !parser->failed && parser->n_fors && name < parser->at;
         name++)
        if (fm_jinja_is(name, "loop"))
            fm_jinja_syntax(parser, name, "'loop' cannot be assigned to in a loop");
}

static struct jinja_node *parse_for(struct jinja_parser *parser, const struct jinja_token *at) {
    struct jinja_node *node = fm_jinja_node(parser, NODE_FOR, at);
    node->a = fm_jinja_target(parser, false, "in");
    parser->n_fors++;
    refuse_loop(parser, at);
    fm_jinja_expect(parser, "in");
    node->b = fm_jinja_tuple(parser, false, "recursive");
    struct around before = enter(parser, false, parser->loops);
    if (fm_jinja_skip(parser, "if")) node->c = fm_jinja_expression(parser, true);
    node->flag = fm_jinja_skip(parser, "recursive");
    parser->loops++;
    node->first = body(parser, (const char *const[]){"else", "endfor", NULL});
    parser->loops--;
    if (fm_jinja_skip(parser, "else"))
        node->second = whole_body(parser, "endfor");
    else
        fm_jinja_advance(parser);
    leave(parser, before);
    parser->n_fors--;
    return node;
}

static struct jinja_node *parse_if(struct jinja_parser *parser, const struct jinja_token *at) {
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    struct jinja_node *first = fm_jinja_node(parser, NODE_IF, at), *node = first;
    const struct around before = enter(parser, true, parser->loops);
    for (;;) {
        node->a = fm_jinja_tuple(parser, false, NULL);
        node->first = body(parser, ends);
        const struct jinja_token *next = parser->at;
        if (!fm_jinja_skip(parser, "elif")) break;
        node->flag = true; // `second` is the next condition
        node = node->second = fm_jinja_node(parser, NODE_IF, next);
        if (parser->failed) break;
    }
    if (fm_jinja_skip(parser, "else"))
        node->second = whole_body(parser, "endif");
    else
        fm_jinja_advance(parser);
    leave(parser, before);
    return first;
}

static struct jinja_node *parse_set(struct jinja_parser *parser, const struct jinja_token *at) {
    struct jinja_node *node = fm_jinja_node(parser, NODE_SET, at);
    node->a = fm_jinja_target(parser, true, NULL);
    refuse_loop(parser, at);
    if (fm_jinja_skip(parser, "=")) {
        node->b = fm_jinja_tuple(parser, true, NULL);
        return node;
    }
    node->kind = NODE_SET_BLOCK;
    const struct around before = enter(parser, false, parser->loops);
    if (fm_jinja_is(parser->at, "|")) node->b = fm_jinja_filters(parser, NULL, false);
    node->first = whole_body(parser, "endset");
    leave(parser, before);
    return node;
}

static struct jinja_node *parse_with(struct jinja_parser *parser, const struct jinja_token *at) {
    struct jinja_node *node = fm_jinja_node(parser, NODE_WITH, at);
    struct list list = {0};
    while (!parser->failed && parser->at->kind != JINJA_BLOCK_END) {
        if (list.first) fm_jinja_expect(parser, ",");
        append(&list, fm_jinja_node(parser, NODE_POSITIONAL, parser->at));
        list.last->a = fm_jinja_target(parser, false, NULL);
        fm_jinja_expect(parser, "=");
        list.last->b = fm_jinja_expression(parser, true);
    }
    node->second = list.first;
    const struct around before = enter(parser, false, parser->loops);
    node->first = whole_body(parser, "endwith");
    leave(parser, before);
    return node;
}

static void signature(struct jinja_parser *parser, struct jinja_node *node) {
    struct list list = {0};
    fm_jinja_expect(parser, "(");
    while (!parser->failed && !fm_jinja_is(parser->at, ")")) {
        if (list.first) fm_jinja_expect(parser, ",");
        const struct jinja_token *at = parser->at;
        struct jinja_node *parameter = fm_jinja_node(parser, NODE_PARAMETER, at);
        parameter->name = fm_jinja_name(parser);
        for (const struct jinja_node *other = list.first; other; other = other->next)
            if (other->name == parameter->name)
                fm_jinja_syntax(parser, at, "the macro has two parameters of one name");
        if (fm_jinja_skip(parser, "="))
            parameter->a = fm_jinja_expression(parser, true);
        else if (list.last && list.last->a)
            fm_jinja_syntax(parser, at, "a parameter without a default follows one with a default");
        if (!parser->failed) append(&list, parameter);
    }
    fm_jinja_expect(parser, ")");
    node->second = list.first;
}

// The parameters and the body of a macro or call block. A macro that names kwargs, varargs or caller in its
// body takes them.
static void macro_body(struct jinja_parser *parser, struct jinja_node *node, const char *end) {
    const struct around before = enter(parser, false, 0);
    if (parser->n_macros == sizeof(parser->macros) / sizeof(*parser->macros))
        fm_jinja_syntax(parser, parser->at, "macros are nested too deep");
    else
        parser->macros[parser->n_macros++] = node;
    node->first = whole_body(parser, end);
    leave(parser, before);
}

static struct jinja_node *parse_macro(struct jinja_parser *parser, const struct jinja_token *at) {
    struct jinja_node *node = fm_jinja_node(parser, NODE_MACRO, at);
    node->name = fm_jinja_name(parser);
    const struct around before = enter(parser, false, 0);
    signature(parser, node);
    macro_body(parser, node, "endmacro");
    leave(parser, before);
    return node;
}

static struct jinja_node *parse_call(struct jinja_parser *parser, const struct jinja_token *at) {
    struct jinja_node *node = fm_jinja_node(parser, NODE_CALL_BLOCK, at);
    if (fm_jinja_is(parser->at, "(")) signature(parser, node);
    node->a = fm_jinja_expression(parser, true);
    if (node->a->kind != NODE_CALL) fm_jinja_syntax(parser, at, "{%% call %%} needs a call");
    macro_body(parser, node, "endcall");
    return node;
}

static struct jinja_node *parse_filter(struct jinja_parser *parser, const struct jinja_token *at) {
    struct jinja_node *node = fm_jinja_node(parser, NODE_FILTER_BLOCK, at);
    const struct around before = enter(parser, false, parser->loops);
    node->a = fm_jinja_filters(parser, NULL, true);
    node->first = whole_body(parser, "endfilter");
    leave(parser, before);
    return node;
}

static struct jinja_node *parse_generation(struct jinja_parser *parser, const struct jinja_token *at) {
    struct jinja_node *node = fm_jinja_node(parser, NODE_SCOPE, at);
    const struct around before = enter(parser, false, 0);
    node->first = whole_body(parser, "endgeneration");
    leave(parser, before);
    return node;
}

static struct jinja_node *parse_block(struct jinja_parser *parser, const struct jinja_token *at) {
    struct jinja_node *node = fm_jinja_node(parser, NODE_BLOCK, at);
    const struct jinja_string *name = fm_jinja_name(parser);
    node->flag = fm_jinja_skip(parser, "scoped");
    fm_jinja_skip(parser, "required");
    const struct around before = enter(parser, false, 0);
    node->first = whole_body(parser, "endblock");
    leave(parser, before);
    if (parser->at->kind == JINJA_NAME && fm_jinja_name(parser) != name)
        fm_jinja_syntax(parser, at, "{%% endblock %%} names another block");
    return node;
}

static struct jinja_node *parse_print(struct jinja_parser *parser, const struct jinja_token *at) {
    struct list list = {0};
    while (!parser->failed && parser->at->kind != JINJA_BLOCK_END) {
        if (list.first) fm_jinja_expect(parser, ",");
        struct jinja_node *node = fm_jinja_node(parser, NODE_PRINT, at);
        node->a = fm_jinja_expression(parser, true);
        append(&list, node);
    }
    return list.first;
}

static struct jinja_node *parse_loop_control(struct jinja_parser *parser, const struct jinja_token *at) {
    if (!parser->loops)
        fm_jinja_syntax(parser, at, "{%% %.*s %%} stands outside of a loop", (int)at->length, at->text);
    return fm_jinja_node(parser, fm_jinja_is(at, "break") ? NODE_BREAK : NODE_CONTINUE, at);
}

static struct jinja_node *statement(struct jinja_parser *parser) {
    static const struct {
        const char *name;
        struct jinja_node *(*parse)(struct jinja_parser *parser, const struct jinja_token *at);
    } statements[] = {{"for", parse_for}, {"if", parse_if}, {"set", parse_set}, {"with", parse_with},
        {"macro", parse_macro}, {"call", parse_call}, {"filter", parse_filter},
        {"generation", parse_generation}, {"block", parse_block}, {"print", parse_print},
        {"break", parse_loop_control}, {"continue", parse_loop_control}};
    static const char *const unsupported[] = {
        "include", "import", "from", "extends", "autoescape", "do", "trans", "debug"};
    const struct jinja_token *at = parser->at;
    for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++)
        if (at->kind == JINJA_NAME && fm_jinja_skip(parser, statements[i].name))
            return statements[i].parse(parser, at);
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(*unsupported); i++)
        if (fm_jinja_is(at, unsupported[i]))
            fm_jinja_syntax(parser, at, "{%% %s %%} is not a statement of chat templates", unsupported[i]);
    fm_jinja_syntax(
        parser, at, "there is no statement '%s' here", fm_quote(at->text ? at->text : "", at->length).text);
    return NULL;
}

static bool is_end(const struct jinja_token *at, const char *const *ends) {
    for (; ends && *ends; ends++)
        if (fm_jinja_is(at, *ends)) return true;
    return false;
}

struct jinja_node *fm_jinja_statements(struct jinja_parser *parser, const char *const *ends) {
    struct list list = {0};
    if (!fm_jinja_enter(parser)) return NULL;
    const struct jinja_token *start = parser->at;
    while (parser->at->kind != JINJA_END) {
        const struct jinja_token *at = parser->at++;
        struct jinja_node *node = NULL;
        if (at->kind == JINJA_DATA) {
            node = fm_jinja_node(parser, NODE_DATA, at);
            struct jinja_string *text = fm_arena_alloc(&parser->jinja->arena, 1, sizeof(*text));
            if (!text) {
                fm_jinja_syntax(parser, at, "no memory for the template's text");
                break;
            }
            *text = (struct jinja_string){.bytes = at->text, .length = at->length};
            node->value = (struct jinja_value){.kind = JINJA_STRING, .string = text};
        } else if (at->kind == JINJA_PRINT_BEGIN) {
            node = fm_jinja_node(parser, NODE_PRINT, at);
            node->a = fm_jinja_tuple(parser, true, NULL);
            if (parser->at->kind == JINJA_PRINT_END)
                parser->at++;
            else
                fm_jinja_syntax(parser, parser->at, "'}}' was expected, not '%s'",
                    fm_quote(parser->at->text ? parser->at->text : "", parser->at->length).text);
        } else {
            if (is_end(parser->at, ends)) {
                parser->depth--;
                return list.first;
            }
            node = statement(parser);
            expect_end(parser);
        }
        if (parser->failed) break;
        if (!node) continue; // {% print %} of nothing
        append(&list, node);
        while (list.last->next) list.last = list.last->next;
    }
    if (ends) fm_jinja_syntax(parser, start, "the template ends before {%% %s %%}", ends[0]);
    parser->depth--;
    return list.first;
}

struct fm_jinja *fm_jinja_parse(const char *source, size_t length, struct fathom_error *err) {
    struct fm_arena arena = {0};
    struct fm_jinja *jinja = fm_arena_alloc(&arena, 1, sizeof(*jinja));
    if (!jinja) {
        fm_fail(err, FATHOM_NO_MEMORY, "no memory for a chat template");
        return NULL;
    }
    struct jinja_token *tokens = fm_jinja_tokens(&arena, source, length, err);
    jinja->arena = arena;
    jinja->tokens = tokens;
    struct jinja_parser parser = {.jinja = jinja, .at = tokens, .err = err};
    if (tokens) {
        jinja->body = fm_jinja_statements(&parser, NULL);
        if (parser.unknown && !parser.failed)
            fm_jinja_syntax(&parser, &(struct jinja_token){.line = parser.unknown->line},
                "there is no %s '%s'", parser.unknown->kind == NODE_FILTER ? "filter" : "test",
                fm_quote(parser.unknown->name->bytes, parser.unknown->name->length).text);
    }
    if (tokens && !parser.failed) return jinja;
    arena = jinja->arena; // the arena holds the object itself
    fm_arena_free(&arena);
    return NULL;
}

bool fm_jinja_mentions(const struct fm_jinja *jinja, const char *text) {
    const size_t n = strlen(text);
    for (const struct jinja_token *token = jinja->tokens; token->kind != JINJA_END; token++)
        for (size_t at = 0; at + n <= token->length; at++)
            if (!memcmp(token->text + at, text, n)) return true;
    return false;
}

bool fm_jinja_names(const struct fm_jinja *jinja, const char *name) {
    const struct jinja_token *first = jinja->tokens;
    for (const struct jinja_token *token = first; token->kind != JINJA_END; token++)
        if (token->kind == JINJA_NAME && fm_jinja_is(token, name) &&
            (token == first || !fm_jinja_is(token - 1, ".")))
            return true;
    return false;
}

void fm_jinja_destroy(struct fm_jinja **jinja) {
    if (!jinja || !*jinja) return;
    struct fm_arena arena = (*jinja)->arena;
    fm_arena_free(&arena);
    *jinja = NULL;
}
