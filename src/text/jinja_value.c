// Values and the memory of a run. Nothing is freed before the end of the run, and everything is counted.
#include "text/jinja_parts.h"
#include "text/utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct jinja_value fm_jinja_error(struct jinja_run *run, const char *format, ...) {
    if (!run->failed) {
        char message[400];
        va_list args;
        va_start(args, format);
        vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        fm_jinja_fail_at(&run->error, run->line, "%s", message);
        run->failed = true;
    }
    return (struct jinja_value){.kind = JINJA_UNDEFINED};
}

void fm_jinja_work(struct jinja_run *run, size_t bytes) {
    run->steps += 1 + bytes / 64;
    if (run->steps > run->max_steps)
        fm_jinja_error(run, "the template takes more than %llu steps", (unsigned long long)run->max_steps);
}

static bool take_memory(struct jinja_run *run, size_t bytes) {
    if (run->failed) return false;
    if (bytes <= run->max_memory - run->memory) {
        run->memory += bytes;
        return true;
    }
    fm_jinja_error(run, "the template needs more than %zu MiB of memory", run->max_memory >> 20);
    return false;
}

void *fm_jinja_alloc(struct jinja_run *run, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) bytes = SIZE_MAX;
    if (!take_memory(run, bytes)) return NULL;
    void *memory = fm_arena_alloc(&run->arena, count, size);
    if (!memory) {
        fm_jinja_error(run, "no memory for %zu bytes", bytes);
        run->error.status = FATHOM_NO_MEMORY;
    }
    return memory;
}

bool fm_jinja_deeper(struct jinja_run *run) {
    if (run->failed) return false;
    if (run->depth < JINJA_MAX_DEPTH) {
        run->depth++;
        return true;
    }
    fm_jinja_error(run, "the template or a value is nested deeper than %d levels", JINJA_MAX_DEPTH);
    return false;
}

void fm_jinja_back(struct jinja_run *run) {
    run->depth--;
}

// ---- Strings ---------------------------------------------------------------------------------------------

static bool reserve(struct jinja_builder *b, size_t more) {
    if (b->run->failed) return false;
    if (more <= b->capacity - b->length) return true;
    const size_t capacity = b->length + more + (b->length + more) / 2 + 64;
    if (capacity < more || !take_memory(b->run, 2 * (capacity - b->capacity))) return false;
    char *bytes = realloc(b->bytes, capacity);
    if (bytes) b->bytes = bytes;
    uint8_t *origins = bytes ? realloc(b->origins, capacity) : NULL;
    if (origins) b->origins = origins;
    if (!origins) {
        fm_jinja_error(b->run, "no memory for %zu bytes", capacity);
        b->run->error.status = FATHOM_NO_MEMORY;
        return false;
    }
    b->capacity = capacity;
    return true;
}

void fm_jinja_add(struct jinja_builder *b, const char *bytes, size_t length, bool foreign) {
    if (!length || !reserve(b, length)) return;
    b->run->steps += length / 64; // what is short costs memory, which is bounded too
    memcpy(b->bytes + b->length, bytes, length);
    memset(b->origins + b->length, foreign, length);
    b->length += length;
}

void fm_jinja_add_own(struct jinja_builder *b, const char *text) {
    fm_jinja_add(b, text, strlen(text), false);
}

void fm_jinja_add_part(struct jinja_builder *b, const struct jinja_string *s, size_t from, size_t to) {
    if (from >= to || !reserve(b, to - from)) return;
    b->run->steps += (to - from) / 64;
    memcpy(b->bytes + b->length, s->bytes + from, to - from);
    if (s->origins)
        memcpy(b->origins + b->length, s->origins + from, to - from);
    else
        memset(b->origins + b->length, s->foreign, to - from);
    b->length += to - from;
}

void fm_jinja_add_code(struct jinja_builder *b, uint32_t code, bool foreign) {
    char bytes[4];
    fm_jinja_add(b, bytes, fm_jinja_put_code(bytes, code), foreign);
}

static struct jinja_value string_value(struct jinja_run *run, struct jinja_string string) {
    struct jinja_string *s = fm_jinja_alloc(run, 1, sizeof(*s));
    if (!s) {
        run->no_string = (struct jinja_string){.bytes = ""};
        return (struct jinja_value){.kind = JINJA_STRING, .string = &run->no_string};
    }
    *s = string;
    return (struct jinja_value){.kind = JINJA_STRING, .string = s};
}

struct jinja_value fm_jinja_built(struct jinja_builder *b) {
    struct jinja_run *run = b->run;
    struct jinja_string s = {.bytes = "", .length = b->length};
    if (b->length) {
        s.foreign = b->origins[0];
        const bool mixed = memchr(b->origins, !s.foreign, b->length) != NULL;
        char *bytes = fm_jinja_alloc(run, b->length, 1);
        uint8_t *origins = mixed ? fm_jinja_alloc(run, b->length, 1) : NULL;
        if (bytes) memcpy(bytes, b->bytes, b->length);
        if (origins) memcpy(origins, b->origins, b->length);
        if (!bytes || (mixed && !origins))
            s.length = 0;
        else
            s.bytes = bytes;
        s.origins = origins;
    }
    free(b->bytes);
    free(b->origins);
    run->memory -= 2 * b->capacity;
    *b = (struct jinja_builder){run};
    return string_value(run, s);
}

struct jinja_value fm_jinja_string(struct jinja_run *run, const char *bytes, size_t length, bool foreign) {
    struct jinja_builder b = {run};
    fm_jinja_add(&b, bytes, length, foreign);
    return fm_jinja_built(&b);
}

struct jinja_value fm_jinja_text(struct jinja_run *run, const char *text) {
    return fm_jinja_string(run, text, strlen(text), false);
}

struct jinja_value fm_jinja_part(
    struct jinja_run *run, const struct jinja_string *s, size_t from, size_t to) {
    struct jinja_string part = *s;
    part.bytes += from;
    if (part.origins) part.origins += from;
    part.length = to > from ? to - from : 0;
    return string_value(run, part);
}

struct jinja_value fm_jinja_markup(struct jinja_run *run, struct jinja_value value, bool markup) {
    struct jinja_string string = *value.string;
    string.markup = markup;
    return string_value(run, string);
}

// ---- Lists and dictionaries ------------------------------------------------------------------------------

struct jinja_value fm_jinja_list(struct jinja_run *run, enum jinja_kind kind) {
    struct jinja_list *list = fm_jinja_alloc(run, 1, sizeof(*list));
    if (!list) {
        run->no_list = (struct jinja_list){0};
        list = &run->no_list;
    }
    return (struct jinja_value){.kind = kind, .list = list};
}

void fm_jinja_push(struct jinja_run *run, struct jinja_value value, struct jinja_value item) {
    struct jinja_list *list = value.list;
    if (run->failed) return;
    if (list->n == list->capacity) {
        const size_t capacity = 2 * list->capacity + 4;
        struct jinja_value *grown = fm_jinja_alloc(run, capacity, sizeof(*grown));
        if (!grown) return;
        if (list->n) memcpy(grown, list->items, list->n * sizeof(*grown));
        list->items = grown;
        list->capacity = capacity;
    }
    list->items[list->n++] = item;
    fm_jinja_work(run, 0);
}

struct jinja_value fm_jinja_pair(struct jinja_run *run, struct jinja_value a, struct jinja_value b) {
    struct jinja_value pair = fm_jinja_list(run, JINJA_TUPLE);
    fm_jinja_push(run, pair, a);
    fm_jinja_push(run, pair, b);
    return pair;
}

struct jinja_value fm_jinja_dict(struct jinja_run *run, enum jinja_kind kind) {
    struct jinja_dict *dict = fm_jinja_alloc(run, 1, sizeof(*dict));
    if (!dict) {
        run->no_dict = (struct jinja_dict){0};
        dict = &run->no_dict;
    }
    return (struct jinja_value){.kind = kind, .dict = dict};
}

static struct jinja_entry *lookup(
    struct jinja_run *run, struct jinja_dict *dict, struct jinja_value key, uint64_t hash) {
    if (!dict->n_slots) {
        for (size_t i = 0; i < dict->n; i++)
            if (dict->entries[i].hash == hash && fm_jinja_equal(run, dict->entries[i].key, key))
                return &dict->entries[i];
        return NULL;
    }
    for (size_t slot = hash & (dict->n_slots - 1); dict->slots[slot];
         slot = (slot + 1) & (dict->n_slots - 1)) {
        run->steps++;
        struct jinja_entry *entry = &dict->entries[dict->slots[slot] - 1];
        if (entry->hash == hash && fm_jinja_equal(run, entry->key, key)) return entry;
    }
    return NULL;
}

static void index_entry(struct jinja_dict *dict, size_t entry) {
    size_t slot = dict->entries[entry].hash & (dict->n_slots - 1);
    while (dict->slots[slot]) slot = (slot + 1) & (dict->n_slots - 1);
    dict->slots[slot] = (uint32_t)(entry + 1);
}

static bool grow(struct jinja_run *run, struct jinja_dict *dict) {
    const size_t capacity = 2 * dict->capacity + 4;
    struct jinja_entry *grown = fm_jinja_alloc(run, capacity, sizeof(*grown));
    size_t n_slots = 0;
    if (capacity > 8)
        for (n_slots = 16; n_slots < 2 * capacity;) n_slots *= 2;
    uint32_t *slots = n_slots ? fm_jinja_alloc(run, n_slots, sizeof(*slots)) : NULL;
    if (!grown || (n_slots && !slots)) return false;
    if (dict->n) memcpy(grown, dict->entries, dict->n * sizeof(*grown));
    dict->entries = grown;
    dict->capacity = capacity;
    dict->slots = slots;
    dict->n_slots = n_slots;
    for (size_t i = 0; n_slots && i < dict->n; i++) index_entry(dict, i);
    return true;
}

void fm_jinja_put(
    struct jinja_run *run, struct jinja_dict *dict, struct jinja_value key, struct jinja_value value) {
    uint64_t hash;
    if (run->failed) return;
    if (!fm_jinja_hash(run, key, &hash)) {
        fm_jinja_error(run, "unhashable type: '%s'", fm_jinja_type(key));
        return;
    }
    fm_jinja_work(run, 0);
    struct jinja_entry *entry = lookup(run, dict, key, hash);
    if (entry) {
        entry->value = value;
        return;
    }
    if (dict->n == dict->capacity && !grow(run, dict)) return;
    dict->entries[dict->n] = (struct jinja_entry){key, value, hash};
    if (dict->n_slots) index_entry(dict, dict->n);
    dict->n++;
}

const struct jinja_value *fm_jinja_get(
    struct jinja_run *run, struct jinja_dict *dict, struct jinja_value key) {
    uint64_t hash;
    if (!fm_jinja_hash(run, key, &hash)) return NULL;
    const struct jinja_entry *entry = lookup(run, dict, key, hash);
    return entry ? &entry->value : NULL;
}

// ---- Others ----------------------------------------------------------------------------------------------

static struct jinja_value undefined(struct jinja_run *run, struct jinja_undefined what) {
    struct jinja_undefined *u = fm_jinja_alloc(run, 1, sizeof(*u));
    if (u) *u = what;
    return (struct jinja_value){.kind = JINJA_UNDEFINED, .undefined = u};
}

struct jinja_value fm_jinja_undefined(struct jinja_run *run, const char *hint) {
    return undefined(run, (struct jinja_undefined){.hint = hint});
}

struct jinja_value fm_jinja_no_attribute(
    struct jinja_run *run, struct jinja_value owner, struct jinja_value name) {
    return undefined(run, (struct jinja_undefined){.owner = owner.kind, .name = name});
}

struct jinja_value fm_jinja_iterator(struct jinja_run *run, struct jinja_value list, const char *name) {
    struct jinja_iterator *iterator = fm_jinja_alloc(run, 1, sizeof(*iterator));
    if (!iterator) return (struct jinja_value){.kind = JINJA_UNDEFINED};
    *iterator = (struct jinja_iterator){list, 0, name, NULL};
    return (struct jinja_value){.kind = JINJA_ITERATOR, .iterator = iterator};
}

struct jinja_value fm_jinja_undefined_error(struct jinja_run *run, struct jinja_value value) {
    const struct jinja_undefined *u = value.undefined;
    if (run->failed || !u) return fm_jinja_error(run, "a value is undefined");
    if (u->hint) return fm_jinja_error(run, "%s", u->hint);
    struct jinja_builder b = {run};
    fm_jinja_repr(&b, u->name);
    const struct jinja_string *name = fm_jinja_built(&b).string;
    const struct fm_quote quote = fm_quote(name->bytes, name->length);
    if (u->owner == JINJA_MISSING) return fm_jinja_error(run, "%s is undefined", quote.text);
    const struct jinja_value owner = {.kind = u->owner};
    return fm_jinja_error(run, "'%s' has no %s %s", u->owner == JINJA_NONE ? "None" : fm_jinja_type(owner),
        u->name.kind == JINJA_STRING ? "attribute" : "element", quote.text);
}
