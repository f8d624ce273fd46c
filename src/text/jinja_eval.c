// Expressions are evaluated, and functions and macros called.
#include "text/jinja_tree.h"
#include "text/utf8.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- Functions -------------------------------------------------------------------------------------------

// Writes the n-th parameter's name; false: there is none.
static bool parameter(const char *parameters, size_t n, struct jinja_string *name) {
    for (;; n--) {
        const size_t length = strcspn(parameters, " ");
        if (!length) return false;
        *name = (struct jinja_string){.bytes = parameters, .length = length};
        if (!n) return true;
        parameters += length + (parameters[length] == ' ');
    }
}

static bool bind_named(struct jinja_run *run, const struct jinja_function *function,
    const struct jinja_argument *argument, struct jinja_value *bound) {
    struct jinja_string name;
    for (size_t i = 0; parameter(function->parameters, i, &name); i++) {
        if (name.length != argument->name->length || memcmp(name.bytes, argument->name->bytes, name.length))
            continue;
        if (bound[i].kind != JINJA_MISSING) break;
        bound[i] = argument->value;
        return true;
    }
    fm_jinja_error(run, "'%s' has no parameter '%s', or has it twice", function->name,
        fm_quote(argument->name->bytes, argument->name->length).text);
    return false;
}

struct jinja_value fm_jinja_apply(struct jinja_run *run, const struct jinja_function *function,
    struct jinja_value self, const struct jinja_arguments *arguments) {
    struct jinja_value bound[JINJA_MAX_PARAMETERS] = {{JINJA_MISSING}}, result = {.kind = JINJA_UNDEFINED};
    struct jinja_string name;
    if (run->failed) return result;
    if (function->parameters) {
        size_t n = 0;
        while (n < JINJA_MAX_PARAMETERS && parameter(function->parameters, n, &name)) n++;
        if (arguments->n > n)
            return fm_jinja_error(
                run, "'%s' takes at most %zu arguments, not %zu", function->name, n, arguments->n);
        for (size_t i = 0; i < arguments->n; i++) bound[i] = arguments->items[i];
        for (size_t i = 0; i < arguments->n_named; i++)
            if (!bind_named(run, function, &arguments->named[i], bound)) return result;
        for (size_t i = 0; i < function->required; i++)
            if (bound[i].kind == JINJA_MISSING)
                return fm_jinja_error(
                    run, "'%s' needs at least %u arguments", function->name, function->required);
    }
    if (self.kind == JINJA_STRING) fm_jinja_work(run, self.string->length); // most functions read all of it
    if (!fm_jinja_deeper(run)) return result;
    result = function->call(run, self, bound, arguments);
    fm_jinja_back(run);
    return result;
}

struct jinja_value fm_jinja_call(
    struct jinja_run *run, struct jinja_value callee, const struct jinja_arguments *arguments) {
    switch (callee.kind) {
    case JINJA_FUNCTION: return fm_jinja_apply(run, callee.function, fm_jinja_none(), arguments);
    case JINJA_METHOD: return fm_jinja_apply(run, callee.method->function, callee.method->self, arguments);
    case JINJA_MACRO: return fm_jinja_invoke(run, callee.macro, arguments);
    case JINJA_LOOP:
        if (arguments->n != 1 || arguments->n_named)
            return fm_jinja_error(run, "loop() takes one argument, the items");
        return fm_jinja_recurse(run, callee.loop, arguments->items[0]);
    case JINJA_JOINER: {
        const bool used = callee.joiner->used;
        callee.joiner->used = true;
        return used ? callee.joiner->separator : fm_jinja_text(run, "");
    }
    case JINJA_UNDEFINED: return fm_jinja_undefined_error(run, callee);
    default: return fm_jinja_error(run, "'%s' object is not callable", fm_jinja_type(callee));
    }
}

// ---- Arguments -------------------------------------------------------------------------------------------

struct gathered {
    struct jinja_value values; // a list
    struct jinja_argument *named;
    size_t n_named, capacity;
};

static void add_named(
    struct jinja_run *run, struct gathered *g, const struct jinja_string *name, struct jinja_value value) {
    fm_jinja_work(run, 16 * g->n_named);
    for (size_t i = 0; i < g->n_named; i++)
        if (g->named[i].name->length == name->length &&
            !memcmp(g->named[i].name->bytes, name->bytes, name->length)) {
            fm_jinja_error(run, "an argument '%s' is given twice", fm_quote(name->bytes, name->length).text);
            return;
        }
    if (g->n_named == g->capacity) {
        const size_t capacity = 2 * g->capacity + 4;
        struct jinja_argument *grown = fm_jinja_alloc(run, capacity, sizeof(*grown));
        if (!grown) return;
        if (g->n_named) memcpy(grown, g->named, g->n_named * sizeof(*grown));
        g->named = grown;
        g->capacity = capacity;
    }
    g->named[g->n_named++] = (struct jinja_argument){name, value};
}

static void spread_named(struct jinja_run *run, struct gathered *g, struct jinja_value value) {
    if (value.kind != JINJA_DICT) {
        fm_jinja_error(run, "an argument after ** must be a mapping, not %s", fm_jinja_type(value));
        return;
    }
    for (size_t i = 0; i < value.dict->n && !run->failed; i++) {
        if (value.dict->entries[i].key.kind != JINJA_STRING)
            fm_jinja_error(run, "keywords must be strings");
        else
            add_named(run, g, value.dict->entries[i].key.string, value.dict->entries[i].value);
    }
}

static void gather(
    struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *node, struct gathered *g) {
    g->values = fm_jinja_list(run, JINJA_LIST);
    for (const struct jinja_node *item = node->first; item && !run->failed; item = item->next) {
        const struct jinja_value value = fm_jinja_eval(run, scope, item->a);
        if (item->kind == NODE_NAMED) {
            add_named(run, g, item->name, value);
        } else if (item->kind == NODE_SPREAD) {
            const struct jinja_list *items = fm_jinja_items(run, value).list;
            for (size_t i = 0; i < items->n && !run->failed; i++)
                fm_jinja_push(run, g->values, items->items[i]);
        } else if (item->kind == NODE_SPREAD_NAMED) {
            spread_named(run, g, value);
        } else {
            fm_jinja_push(run, g->values, value);
        }
    }
    run->line = node->line;
}

static struct jinja_arguments arguments_of(const struct gathered *g) {
    return (struct jinja_arguments){g->values.list->items, g->named, g->values.list->n, g->n_named};
}

static struct jinja_value eval_call(
    struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *node) {
    struct gathered g = {.n_named = 0};
    const struct jinja_value caller = run->caller;
    run->caller = (struct jinja_value){.kind = JINJA_MISSING};
    const struct jinja_value callee = fm_jinja_eval(run, scope, node->a);
    gather(run, scope, node, &g);
    static const struct jinja_string caller_name = {.bytes = "caller", .length = 6};
    if (caller.kind != JINJA_MISSING) add_named(run, &g, &caller_name, caller);
    const struct jinja_arguments arguments = arguments_of(&g);
    return run->failed ? callee : fm_jinja_call(run, callee, &arguments);
}

static struct jinja_value eval_filter(
    struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *node) {
    struct gathered g = {.n_named = 0};
    const struct jinja_value self = node->a ? fm_jinja_eval(run, scope, node->a) : run->block;
    gather(run, scope, node, &g);
    if (!node->function)
        return fm_jinja_error(run, "there is no %s '%s'", node->kind == NODE_FILTER ? "filter" : "test",
            fm_quote(node->name->bytes, node->name->length).text);
    const struct jinja_arguments arguments = arguments_of(&g);
    return fm_jinja_apply(run, node->function, self, &arguments);
}

// ---- Macros ----------------------------------------------------------------------------------------------

// Takes a named argument out of the list.
static bool pop(
    struct jinja_argument *named, size_t *n, const struct jinja_string *name, struct jinja_value *value) {
    for (size_t i = 0; i < *n; i++) {
        if (named[i].name->length != name->length || memcmp(named[i].name->bytes, name->bytes, name->length))
            continue;
        *value = named[i].value;
        memmove(&named[i], &named[i + 1], (*n - i - 1) * sizeof(*named));
        --*n;
        return true;
    }
    return false;
}

static const struct jinja_string *interned(const struct fm_jinja *jinja, const char *text) {
    for (size_t i = 0; i < jinja->n_names; i++)
        if (jinja->names[i]->length == strlen(text) && !memcmp(jinja->names[i]->bytes, text, strlen(text)))
            return jinja->names[i];
    return NULL;
}

static bool has_parameter(const struct jinja_node *macro, const struct jinja_string *name) {
    for (const struct jinja_node *p = macro->second; p; p = p->next)
        if (p->name == name) return true;
    return false;
}

static void bind_macro(struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *macro,
    const struct jinja_arguments *arguments) {
    const struct jinja_string *caller = interned(run->jinja, "caller"),
                              *kwargs = interned(run->jinja, "kwargs"),
                              *varargs = interned(run->jinja, "varargs");
    run->steps += run->jinja->n_names / 16; // for interned()
    struct jinja_argument *named = fm_jinja_alloc(run, arguments->n_named + 1, sizeof(*named));
    size_t n_named = arguments->n_named, n = 0;
    if (!named) return;
    if (n_named) memcpy(named, arguments->named, n_named * sizeof(*named));
    for (const struct jinja_node *p = macro->second; p; p = p->next, n++) {
        struct jinja_value value = {.kind = JINJA_MISSING};
        if (n < arguments->n)
            value = arguments->items[n];
        else
            pop(named, &n_named, p->name, &value);
        fm_jinja_set(run, scope, p->name, value);
    }
    if (macro->flag && !has_parameter(macro, caller)) {
        struct jinja_value value;
        if (!pop(named, &n_named, caller, &value) || value.kind == JINJA_NONE)
            value = fm_jinja_undefined(run, "no caller is defined");
        fm_jinja_set(run, scope, caller, value);
    }
    if (macro->uses_kwargs && !has_parameter(macro, kwargs)) {
        const struct jinja_value dict = fm_jinja_dict(run, JINJA_DICT);
        for (size_t i = 0; i < n_named; i++)
            fm_jinja_put(run, dict.dict, (struct jinja_value){.kind = JINJA_STRING, .string = named[i].name},
                named[i].value);
        fm_jinja_set(run, scope, kwargs, dict);
    } else if (n_named) {
        fm_jinja_error(run, "the macro takes no keyword argument '%s'",
            fm_quote(named[0].name->bytes, named[0].name->length).text);
    }
    if (macro->uses_varargs && !has_parameter(macro, varargs)) {
        const struct jinja_value rest = fm_jinja_list(run, JINJA_TUPLE);
        for (size_t i = n; i < arguments->n; i++) fm_jinja_push(run, rest, arguments->items[i]);
        fm_jinja_set(run, scope, varargs, rest);
    } else if (arguments->n > n) {
        fm_jinja_error(run, "the macro takes not more than %zu arguments", n);
    }
}

struct jinja_value fm_jinja_invoke(
    struct jinja_run *run, const struct jinja_macro *macro, const struct jinja_arguments *arguments) {
    const struct jinja_node *node = macro->node;
    struct jinja_scope *scope = fm_jinja_alloc(run, 1, sizeof(*scope));
    if (!scope || !fm_jinja_deeper(run)) return fm_jinja_text(run, "");
    scope->parent = macro->scope;
    const uint32_t line = run->line;
    bind_macro(run, scope, node, arguments);
    size_t i = 0;
    for (const struct jinja_node *p = node->second; p && !run->failed; p = p->next, i++) {
        if (scope->variables[i].value.kind != JINJA_MISSING) continue;
        struct jinja_value value;
        if (p->a) {
            value = fm_jinja_eval(run, scope, p->a);
        } else {
            char *hint = fm_jinja_alloc(run, 1, 100);
            if (hint)
                snprintf(hint, 100, "parameter '%s' was not provided",
                    fm_quote(p->name->bytes, p->name->length).text);
            value = fm_jinja_undefined(run, hint ? hint : "");
        }
        fm_jinja_set(run, scope, p->name, value);
    }
    struct jinja_builder text = {run}, *out = run->out;
    run->out = &text;
    fm_jinja_exec(run, scope, node->first);
    run->out = out;
    run->line = line;
    fm_jinja_back(run);
    return fm_jinja_built(&text);
}

// ---- Expressions -----------------------------------------------------------------------------------------

static struct jinja_value variable(
    struct jinja_run *run, struct jinja_scope *scope, const struct jinja_string *name) {
    const struct jinja_value text = {.kind = JINJA_STRING, .string = name};
    for (; scope; scope = scope->parent) {
        run->steps += scope->n / 64;
        for (size_t i = scope->n; i--;)
            if (scope->variables[i].name == name) {
                if (scope->variables[i].value.kind != JINJA_MISSING) return scope->variables[i].value;
                goto missing;
            }
    }
    const struct jinja_value *value = fm_jinja_get(run, run->variables, text);
    if (value) return *value;
    const struct jinja_function *function = fm_jinja_global(name);
    if (function) return (struct jinja_value){.kind = JINJA_FUNCTION, .function = function};
missing:
    return fm_jinja_no_attribute(run, (struct jinja_value){.kind = JINJA_MISSING}, text);
}

bool fm_jinja_compare(
    struct jinja_run *run, enum jinja_operator op, struct jinja_value a, struct jinja_value b) {
    if (op == OP_EQUAL || op == OP_NOT_EQUAL) return fm_jinja_equal(run, a, b) == (op == OP_EQUAL);
    if (op == OP_IN || op == OP_NOT_IN) return fm_jinja_contains(run, b, a) == (op == OP_IN);
    static const char *const signs[] = {"<", "<=", ">", ">="};
    double x, y;
    if (fm_jinja_number(a, &x) && fm_jinja_number(b, &y) && (isnan(x) || isnan(y))) return false;
    const int order = fm_jinja_order(run, a, b, signs[op - OP_LESS]);
    return op == OP_LESS      ? order < 0
        : op == OP_LESS_EQUAL ? order <= 0
        : op == OP_GREATER    ? order > 0
                              : order >= 0;
}

static struct jinja_value comparisons(
    struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *node) {
    struct jinja_value left = fm_jinja_eval(run, scope, node->a);
    for (const struct jinja_node *operand = node->first; operand && !run->failed; operand = operand->next) {
        const struct jinja_value right = fm_jinja_eval(run, scope, operand->a);
        run->line = operand->line;
        if (!fm_jinja_compare(run, operand->op, left, right)) return fm_jinja_bool(false);
        left = right;
    }
    return fm_jinja_bool(true);
}

static struct jinja_value concat(
    struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *node) {
    struct jinja_builder b = {run};
    for (const struct jinja_node *item = node->first; item && !run->failed; item = item->next)
        fm_jinja_print(&b, fm_jinja_eval(run, scope, item->a));
    return fm_jinja_built(&b);
}

static struct jinja_value literal(
    struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *node) {
    if (node->kind == NODE_DICT) {
        const struct jinja_value dict = fm_jinja_dict(run, JINJA_DICT);
        for (const struct jinja_node *key = node->first; key && key->next && !run->failed;
             key = key->next->next) {
            const struct jinja_value k = fm_jinja_eval(run, scope, key->a),
                                     v = fm_jinja_eval(run, scope, key->next->a);
            run->line = node->line;
            fm_jinja_put(run, dict.dict, k, v);
        }
        return dict;
    }
    const struct jinja_value list = fm_jinja_list(run, node->kind == NODE_LIST ? JINJA_LIST : JINJA_TUPLE);
    for (const struct jinja_node *item = node->first; item && !run->failed; item = item->next)
        fm_jinja_push(run, list, fm_jinja_eval(run, scope, item->a));
    return list;
}

static struct jinja_value slice(
    struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *node) {
    const struct jinja_node *const nodes[3] = {node->b, node->c, node->d};
    struct jinja_value parts[3];
    const struct jinja_value owner = fm_jinja_eval(run, scope, node->a);
    for (int i = 0; i < 3; i++) parts[i] = nodes[i] ? fm_jinja_eval(run, scope, nodes[i]) : fm_jinja_none();
    run->line = node->line;
    return run->failed ? owner : fm_jinja_slice(run, owner, parts[0], parts[1], parts[2]);
}

static struct jinja_value sign(struct jinja_run *run, struct jinja_value value, bool negative) {
    int64_t whole;
    if (value.kind == JINJA_UNDEFINED) return fm_jinja_undefined_error(run, value);
    if (value.kind == JINJA_FLOAT) {
        if (negative) value.real = -value.real;
        return value;
    }
    if (value.kind == JINJA_BIG && negative) {
        const bool minus = value.string->bytes[0] == '-';
        struct jinja_builder b = {run};
        if (!minus) fm_jinja_add_own(&b, "-");
        fm_jinja_add_part(&b, value.string, minus, value.string->length);
        const struct jinja_string *digits = fm_jinja_built(&b).string;
        struct jinja_value big = fm_jinja_parse_int(run, digits->bytes, digits->length);
        big.foreign = value.foreign;
        return big;
    }
    if (value.kind == JINJA_BIG) return value;
    if (!fm_jinja_whole(value, &whole) || (negative && whole == INT64_MIN))
        return fm_jinja_error(
            run, "bad operand type for unary %c: '%s'", negative ? '-' : '+', fm_jinja_type(value));
    struct jinja_value result = fm_jinja_int(negative ? -whole : whole);
    result.foreign = value.foreign;
    return result;
}

static struct jinja_value eval(
    struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *node) {
    struct jinja_value a, b;
    switch (node->kind) {
    case NODE_CONSTANT: return node->value;
    case NODE_VARIABLE: return variable(run, scope, node->name);
    case NODE_LIST:
    case NODE_TUPLE:
    case NODE_DICT: return literal(run, scope, node);
    case NODE_ATTRIBUTE:
        a = fm_jinja_eval(run, scope, node->a);
        run->line = node->line;
        return run->failed ? a : fm_jinja_attribute(run, a, node->name);
    case NODE_ITEM:
        a = fm_jinja_eval(run, scope, node->a);
        b = fm_jinja_eval(run, scope, node->b);
        run->line = node->line;
        return run->failed ? a : fm_jinja_item(run, a, b);
    case NODE_SLICE: return slice(run, scope, node);
    case NODE_CALL: return eval_call(run, scope, node);
    case NODE_FILTER:
    case NODE_TEST: return eval_filter(run, scope, node);
    case NODE_IF_ELSE:
        if (fm_jinja_truth(fm_jinja_eval(run, scope, node->b))) return fm_jinja_eval(run, scope, node->a);
        return node->c ? fm_jinja_eval(run, scope, node->c)
                       : fm_jinja_undefined(run, "an inline if without an else is false");
    case NODE_AND:
    case NODE_OR:
        a = fm_jinja_eval(run, scope, node->a);
        return fm_jinja_truth(a) == (node->kind == NODE_OR) ? a : fm_jinja_eval(run, scope, node->b);
    case NODE_NOT: return fm_jinja_bool(!fm_jinja_truth(fm_jinja_eval(run, scope, node->a)));
    case NODE_NEGATIVE:
    case NODE_POSITIVE:
        a = fm_jinja_eval(run, scope, node->a);
        return run->failed ? a : sign(run, a, node->kind == NODE_NEGATIVE);
    case NODE_BINARY:
        a = fm_jinja_eval(run, scope, node->a);
        b = fm_jinja_eval(run, scope, node->b);
        run->line = node->line;
        return run->failed ? a : fm_jinja_binary(run, node->op, a, b);
    case NODE_CONCAT: return concat(run, scope, node);
    case NODE_COMPARE: return comparisons(run, scope, node);
    default: return fm_jinja_error(run, "an expression of kind %d cannot be evaluated", (int)node->kind);
    }
}

struct jinja_value fm_jinja_eval(
    struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *node) {
    if (!fm_jinja_deeper(run)) return (struct jinja_value){.kind = JINJA_UNDEFINED};
    run->line = node->line;
    fm_jinja_work(run, 0);
    const struct jinja_value value = eval(run, scope, node);
    fm_jinja_back(run);
    return value;
}
