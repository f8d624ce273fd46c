// Statements are run, and a template is rendered.
#include "text/jinja_tree.h"
#include <stdlib.h>
#include <string.h>

void fm_jinja_set(struct jinja_run *run, struct jinja_scope *scope, const struct jinja_string *name,
    struct jinja_value value) {
    run->steps += scope->n / 64;
    for (size_t i = 0; i < scope->n; i++)
        if (scope->variables[i].name == name) {
            scope->variables[i].value = value;
            return;
        }
    if (scope->n == scope->capacity) {
        const size_t capacity = 2 * scope->capacity + 4;
        struct jinja_variable *grown = fm_jinja_alloc(run, capacity, sizeof(*grown));
        if (!grown) return;
        if (scope->n) memcpy(grown, scope->variables, scope->n * sizeof(*grown));
        scope->variables = grown;
        scope->capacity = capacity;
    }
    scope->variables[scope->n++] = (struct jinja_variable){name, value};
}

static void set_member(struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *target,
    struct jinja_value value) {
    const struct jinja_node name = {.kind = NODE_VARIABLE, .line = target->line, .name = target->name};
    const struct jinja_value owner = fm_jinja_eval(run, scope, &name);
    if (owner.kind != JINJA_NAMESPACE)
        fm_jinja_error(
            run, "an attribute can be set on a namespace, not on a value of type %s", fm_jinja_type(owner));
    else if (target->name2->bytes[0] == '_')
        fm_jinja_error(run, "a namespace's attribute must not begin with _");
    else
        fm_jinja_put(
            run, owner.dict, (struct jinja_value){.kind = JINJA_STRING, .string = target->name2}, value);
}

void fm_jinja_assign(struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *target,
    struct jinja_value value) {
    if (run->failed) return;
    if (target->kind == NODE_VARIABLE) {
        fm_jinja_set(run, scope, target->name, value);
        return;
    }
    if (target->kind == NODE_MEMBER) {
        set_member(run, scope, target, value);
        return;
    }
    if (!fm_jinja_is_iterable(value)) {
        fm_jinja_error(run, "cannot unpack a value of type %s", fm_jinja_type(value));
        return;
    }
    const struct jinja_list *items = fm_jinja_items(run, value).list;
    size_t n = 0;
    for (const struct jinja_node *item = target->first; item; item = item->next) n++;
    if (items->n != n) {
        fm_jinja_error(run, "%s values to unpack: %zu are there, %zu are wanted",
            items->n < n ? "not enough" : "too many", items->n, n);
        return;
    }
    n = 0;
    for (const struct jinja_node *item = target->first; item; item = item->next)
        fm_jinja_assign(run, scope, item->a, items->items[n++]);
}

static struct jinja_scope *inner(struct jinja_run *run, struct jinja_scope *parent) {
    struct jinja_scope *scope = fm_jinja_alloc(run, 1, sizeof(*scope));
    if (scope) scope->parent = parent;
    return scope;
}

// Runs a body in a scope of its own, and returns what it prints.
static struct jinja_value capture(
    struct jinja_run *run, struct jinja_scope *parent, const struct jinja_node *body) {
    struct jinja_builder text = {run}, *out = run->out;
    struct jinja_scope *scope = inner(run, parent);
    run->out = &text;
    if (scope) fm_jinja_exec(run, scope, body);
    run->out = out;
    return fm_jinja_built(&text);
}

// Puts a block's text through its filters.
static struct jinja_value filtered(struct jinja_run *run, struct jinja_scope *scope,
    const struct jinja_node *filter, struct jinja_value text) {
    if (!filter) return text;
    const struct jinja_value before = run->block;
    run->block = text;
    const struct jinja_value value = fm_jinja_eval(run, scope, filter);
    run->block = before;
    return value;
}

static struct jinja_value make_macro(
    struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *node) {
    struct jinja_macro *macro = fm_jinja_alloc(run, 1, sizeof(*macro));
    if (!macro) return (struct jinja_value){.kind = JINJA_UNDEFINED};
    *macro = (struct jinja_macro){node, scope};
    for (; scope && !scope->captured; scope = scope->parent) scope->captured = true;
    return (struct jinja_value){.kind = JINJA_MACRO, .macro = macro};
}

// ---- Loops -----------------------------------------------------------------------------------------------

size_t fm_jinja_fill(struct jinja_run *run, struct jinja_loop *loop, size_t n) {
    struct jinja_value items = {.kind = JINJA_LIST, .list = loop->items};
    struct jinja_scope *scope = NULL;
    while (loop->items->n < n && loop->n_read < loop->source->n && !run->failed) {
        const struct jinja_value item = loop->source->items[loop->n_read++];
        if (loop->node->c) {
            if (!scope || scope->captured) scope = inner(run, loop->scope);
            if (!scope) break;
            scope->n = 0;
            fm_jinja_assign(run, scope, loop->node->a, item);
            if (!fm_jinja_truth(fm_jinja_eval(run, scope, loop->node->c))) continue;
        }
        fm_jinja_push(run, items, item);
    }
    return loop->items->n;
}

static void run_loop(struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *node,
    struct jinja_value sequence, size_t depth) {
    struct jinja_loop *loop = fm_jinja_alloc(run, 1, sizeof(*loop));
    if (!loop) return;
    const struct jinja_value value = {.kind = JINJA_LOOP, .loop = loop};
    *loop = (struct jinja_loop){.node = node,
        .scope = scope,
        .source = fm_jinja_items(run, sequence).list,
        .items = fm_jinja_list(run, JINJA_LIST).list,
        .depth = depth};
    if (!node->c) { // every item
        loop->n_read = loop->source->n;
        *loop->items = *loop->source;
        loop->items->capacity = loop->items->n;
    }
    struct jinja_scope *body = NULL;
    bool any = false;
    for (; !run->failed && fm_jinja_fill(run, loop, loop->at + 1) > loop->at; loop->at++) {
        if (!body || body->captured) body = inner(run, scope);
        if (!body) return;
        body->n = 0;
        fm_jinja_set(run, body, run->loop_name, value);
        fm_jinja_assign(run, body, node->a, loop->items->items[loop->at]);
        fm_jinja_exec(run, body, node->first);
        const enum jinja_signal signal = run->signal;
        run->signal = JINJA_GO_ON;
        any = any || signal == JINJA_GO_ON; // as in jinja2: a body that was left early does not count
        if (signal == JINJA_LEAVE) break;
    }
    if (any || run->failed || !node->second) return;
    struct jinja_scope *otherwise = inner(run, scope);
    if (otherwise) fm_jinja_exec(run, otherwise, node->second);
}

struct jinja_value fm_jinja_recurse(
    struct jinja_run *run, const struct jinja_loop *loop, struct jinja_value items) {
    if (!loop->node->flag) return fm_jinja_error(run, "a loop that calls loop() needs the word 'recursive'");
    if (!fm_jinja_deeper(run)) return fm_jinja_none();
    struct jinja_builder text = {run}, *out = run->out;
    run->out = &text;
    run_loop(run, loop->scope, loop->node, items, loop->depth + 1);
    run->out = out;
    fm_jinja_back(run);
    return fm_jinja_built(&text);
}

// ---- Statements ------------------------------------------------------------------------------------------

static void exec_if(struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *node) {
    while (!fm_jinja_truth(fm_jinja_eval(run, scope, node->a))) {
        if (run->failed) return;
        if (!node->flag) {
            fm_jinja_exec(run, scope, node->second);
            return;
        }
        node = node->second; // elif
    }
    fm_jinja_exec(run, scope, node->first);
}

static void exec_with(struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *node) {
    struct jinja_scope *body = inner(run, scope);
    if (!body) return;
    for (const struct jinja_node *item = node->second; item && !run->failed; item = item->next)
        fm_jinja_assign(run, body, item->a, fm_jinja_eval(run, scope, item->b));
    fm_jinja_exec(run, body, node->first);
}

static void exec_statement(struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *node) {
    struct jinja_value value;
    struct jinja_scope *body;
    switch (node->kind) {
    case NODE_DATA: fm_jinja_add_part(run->out, node->value.string, 0, node->value.string->length); break;
    case NODE_PRINT: fm_jinja_print(run->out, fm_jinja_eval(run, scope, node->a)); break;
    case NODE_FOR: run_loop(run, scope, node, fm_jinja_eval(run, scope, node->b), 0); break;
    case NODE_IF: exec_if(run, scope, node); break;
    case NODE_SET: fm_jinja_assign(run, scope, node->a, fm_jinja_eval(run, scope, node->b)); break;
    case NODE_SET_BLOCK:
        value = capture(run, scope, node->first);
        if (run->signal == JINJA_GO_ON)
            fm_jinja_assign(run, scope, node->a, filtered(run, scope, node->b, value));
        break;
    case NODE_FILTER_BLOCK:
        value = capture(run, scope, node->first);
        if (run->signal == JINJA_GO_ON) fm_jinja_print(run->out, filtered(run, scope, node->a, value));
        break;
    case NODE_WITH: exec_with(run, scope, node); break;
    case NODE_MACRO: fm_jinja_set(run, scope, node->name, make_macro(run, scope, node)); break;
    case NODE_CALL_BLOCK:
        run->caller = make_macro(run, scope, node);
        fm_jinja_print(run->out, fm_jinja_eval(run, scope, node->a));
        break;
    case NODE_SCOPE:
    case NODE_BLOCK:
        body = inner(run, node->kind == NODE_BLOCK && !node->flag ? &run->outermost : scope);
        if (body) fm_jinja_exec(run, body, node->first);
        break;
    case NODE_BREAK: run->signal = JINJA_LEAVE; break;
    case NODE_CONTINUE: run->signal = JINJA_NEXT; break;
    default: fm_jinja_error(run, "a statement of kind %d cannot be run", (int)node->kind);
    }
}

void fm_jinja_exec(struct jinja_run *run, struct jinja_scope *scope, const struct jinja_node *list) {
    if (!fm_jinja_deeper(run)) return;
    for (; list && !run->failed && run->signal == JINJA_GO_ON; list = list->next) {
        run->line = list->line;
        fm_jinja_work(run, 0);
        exec_statement(run, scope, list);
    }
    fm_jinja_back(run);
}

// ---- A template ------------------------------------------------------------------------------------------

bool fm_jinja_render(const struct fm_jinja *jinja, const struct fm_jinja_input *input,
    struct fm_jinja_output *out, struct fathom_error *err) {
    static const struct jinja_string loop_name = {.bytes = "loop", .length = 4};
    struct jinja_run run = {.jinja = jinja, .input = input, .loop_name = &loop_name};
    struct jinja_builder text = {&run};
    run.max_steps = input->max_steps ? input->max_steps : 10000000 + 64 * (uint64_t)input->length;
    run.max_memory = input->max_memory ? input->max_memory : ((size_t)64 << 20) + 64 * input->length;
    for (size_t i = 0; i < jinja->n_names; i++)
        if (jinja->names[i]->length == 4 && !memcmp(jinja->names[i]->bytes, "loop", 4))
            run.loop_name = jinja->names[i];
    *out = (struct fm_jinja_output){0};
    run.out = &text;
    run.variables = fm_jinja_read(&run, input->variables, input->length, input->own, input->n_own).dict;
    fm_jinja_exec(&run, &run.outermost, jinja->body);
    fm_jinja_add(&text, "", 1, false); // the zero at the end
    if (run.failed) {
        if (err && err->status == FATHOM_OK) *err = run.error;
        free(text.bytes);
        free(text.origins);
    } else {
        *out = (struct fm_jinja_output){text.bytes, text.origins, text.length - 1};
    }
    fm_arena_free(&run.arena);
    return !run.failed;
}

void fm_jinja_output_free(struct fm_jinja_output *out) {
    free(out->text);
    free(out->foreign);
    *out = (struct fm_jinja_output){0};
}
