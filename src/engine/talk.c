#include "engine/talk.h"
#include "base/json.h"
#include <stdlib.h>
#include <string.h>

enum { FM_TALK_VERSION = 1 };

static const char *const roles[] = {"system", "user", "assistant", "tool"}; // enum fathom_role

void fm_talk_free(struct fm_talk *talk) {
    fm_messages_free(&talk->messages);
    free((char *)talk->template_name);
    free((char *)talk->template_text);
    free((char *)talk->tools);
    *talk = (struct fm_talk){0};
}

bool fm_talk_copy(struct fm_talk *copy, const struct fm_talk *talk) {
    *copy = (struct fm_talk){.raw = talk->raw, .now = talk->now, .n_system = talk->n_system};
    bool fits = fm_copy_text(&copy->template_name, talk->template_name) &&
        fm_copy_text(&copy->template_text, talk->template_text) && fm_copy_text(&copy->tools, talk->tools);
    for (size_t i = 0; fits && i < talk->messages.n; i++)
        fits = fm_messages_add(&copy->messages, &talk->messages.items[i]);
    if (!fits) fm_talk_free(copy);
    return fits;
}

// ---- Writing ---------------------------------------------------------------------------------------------

static bool add_text(cJSON *object, const char *key, const char *text) {
    return !text || cJSON_AddStringToObject(object, key, text);
}

static bool add_message(cJSON *array, const struct fathom_message *message) {
    cJSON *object = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(array, object)) return false;
    cJSON *calls = message->n_tool_calls ? cJSON_AddArrayToObject(object, "tool_calls") : NULL;
    bool fits = (calls || !message->n_tool_calls) && add_text(object, "role", roles[message->role]) &&
        add_text(object, "content", message->content) && add_text(object, "reasoning", message->reasoning) &&
        add_text(object, "tool_call_id", message->tool_call_id);
    for (size_t i = 0; fits && i < message->n_tool_calls; i++) {
        cJSON *call = cJSON_CreateObject();
        fits = cJSON_AddItemToArray(calls, call) && add_text(call, "name", message->tool_calls[i].name) &&
            add_text(call, "arguments", message->tool_calls[i].arguments) &&
            add_text(call, "id", message->tool_calls[i].id);
    }
    return fits;
}

bool fm_talk_write(const struct fm_talk *talk, struct fm_text *out) {
    const struct tm *t = &talk->now;
    const int now[] = {t->tm_year, t->tm_mon, t->tm_mday, t->tm_hour, t->tm_min, t->tm_sec, t->tm_wday,
        t->tm_yday, t->tm_isdst};
    cJSON *json = cJSON_CreateObject();
    cJSON *time = cJSON_CreateIntArray(now, sizeof(now) / sizeof(*now));
    if (!cJSON_AddItemToObject(json, "time", time)) cJSON_Delete(time), time = NULL;
    cJSON *messages = cJSON_AddArrayToObject(json, "messages");
    bool fits = time && messages && cJSON_AddNumberToObject(json, "version", FM_TALK_VERSION) &&
        cJSON_AddBoolToObject(json, "raw", talk->raw) &&
        cJSON_AddBoolToObject(json, "fixed_system", talk->n_system) &&
        add_text(json, "template_name", talk->template_name) &&
        add_text(json, "template_text", talk->template_text) && add_text(json, "tools", talk->tools);
    for (size_t i = 0; fits && i < talk->messages.n; i++)
        fits = add_message(messages, &talk->messages.items[i]);
    char *text = fits ? cJSON_PrintUnformatted(json) : NULL;
    fits = text && fm_text_append(out, text, strlen(text));
    cJSON_free(text);
    cJSON_Delete(json);
    return fits;
}

// ---- Reading ---------------------------------------------------------------------------------------------

// What reads a conversation: the first thing that is wrong.
struct reading {
    const char *wrong; // a key; NULL: none so far
    bool no_memory;
};

// The text of a key that may be absent; NULL: absent, or wrong.
static const char *text_of(struct reading *r, const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (item && !cJSON_IsString(item)) r->wrong = key;
    return r->wrong || !item ? NULL : item->valuestring;
}

static char *copy_of(struct reading *r, const cJSON *object, const char *key) {
    const char *text = text_of(r, object, key);
    char *copy = text ? strdup(text) : NULL;
    r->no_memory |= text && !copy;
    return copy;
}

static bool flag_of(struct reading *r, const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsBool(item)) r->wrong = key;
    return cJSON_IsTrue(item);
}

static struct tm time_of(struct reading *r, const cJSON *json) {
    static const int limits[][2] = {
        {0, 8099}, {0, 11}, {1, 31}, {0, 23}, {0, 59}, {0, 60}, {0, 6}, {0, 365}, {-1, 1}};
    enum { N = sizeof(limits) / sizeof(*limits) };
    int v[N] = {0}, n = 0;
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(json, "time"), *item;
    cJSON_ArrayForEach(item, array) {
        if (n == N || !cJSON_IsNumber(item) || item->valueint < limits[n][0] || item->valueint > limits[n][1])
            break;
        v[n++] = item->valueint;
    }
    if (!cJSON_IsArray(array) || n < N || item) r->wrong = "time";
    return (struct tm){.tm_year = v[0],
        .tm_mon = v[1],
        .tm_mday = v[2],
        .tm_hour = v[3],
        .tm_min = v[4],
        .tm_sec = v[5],
        .tm_wday = v[6],
        .tm_yday = v[7],
        .tm_isdst = v[8]};
}

static void read_message(struct reading *r, const cJSON *object, struct fm_messages *messages) {
    const cJSON *calls = cJSON_GetObjectItemCaseSensitive(object, "tool_calls"), *item;
    const char *role = text_of(r, object, "role");
    struct fathom_message message = {.size = sizeof(message),
        .content = text_of(r, object, "content"),
        .reasoning = text_of(r, object, "reasoning"),
        .tool_call_id = text_of(r, object, "tool_call_id")};
    size_t i = 0;
    while (role && i < sizeof(roles) / sizeof(*roles) && strcmp(role, roles[i])) i++;
    if (!role || i == sizeof(roles) / sizeof(*roles)) r->wrong = "role";
    message.role = (enum fathom_role)i;
    if (calls && !cJSON_IsArray(calls)) r->wrong = "tool_calls";
    const size_t n = r->wrong ? 0 : (size_t)cJSON_GetArraySize(calls);
    struct fathom_tool_call *list = n ? calloc(n, sizeof(*list)) : NULL;
    r->no_memory |= n && !list;
    if (!list) calls = NULL;
    cJSON_ArrayForEach(item, calls) {
        struct fathom_tool_call *call = &list[message.n_tool_calls++];
        *call = (struct fathom_tool_call){
            text_of(r, item, "name"), text_of(r, item, "arguments"), text_of(r, item, "id")};
        if (!call->name || !call->arguments) r->wrong = "tool_calls";
    }
    message.tool_calls = list;
    if (!r->wrong && !r->no_memory) r->no_memory = !fm_messages_add(messages, &message);
    free(list);
}

static void read_talk(struct reading *r, const cJSON *json, struct fm_talk *talk) {
    const cJSON *messages = cJSON_GetObjectItemCaseSensitive(json, "messages"), *item;
    talk->raw = flag_of(r, json, "raw");
    talk->n_system = flag_of(r, json, "fixed_system");
    talk->now = time_of(r, json);
    talk->template_name = copy_of(r, json, "template_name");
    talk->template_text = copy_of(r, json, "template_text");
    talk->tools = copy_of(r, json, "tools");
    if (!cJSON_IsArray(messages)) r->wrong = "messages";
    cJSON_ArrayForEach(item, messages) {
        if (r->wrong || r->no_memory) break;
        read_message(r, item, &talk->messages);
    }
    if (r->wrong || r->no_memory) return;
    if (talk->n_system && (!talk->messages.n || talk->messages.items[0].role != FATHOM_ROLE_SYSTEM))
        r->wrong = "fixed_system";
    if (talk->raw && (talk->messages.n || talk->tools || talk->template_name || talk->template_text))
        r->wrong = "raw";
    if (talk->template_name && talk->template_text) r->wrong = "template_text";
}

bool fm_talk_read(struct fm_talk *talk, const char *text, size_t length, struct fathom_error *err) {
    struct reading r = {0};
    uint64_t version = 0;
    *talk = (struct fm_talk){0};
    cJSON *json = fm_json_parse("the conversation", text, length, err);
    if (!json) return false;
    const bool versioned = fm_json_whole(cJSON_GetObjectItemCaseSensitive(json, "version"), &version);
    bool good = versioned && version == FM_TALK_VERSION;
    if (!versioned)
        fm_fail(err, FATHOM_INVALID, "the conversation has no version");
    else if (!good)
        fm_fail(err, FATHOM_UNSUPPORTED, "the conversation is of version %llu, this library reads %d",
            (unsigned long long)version, FM_TALK_VERSION);
    if (good) {
        read_talk(&r, json, talk);
        good = !r.wrong && !r.no_memory;
        if (r.no_memory)
            fm_fail(err, FATHOM_NO_MEMORY, "chat: no memory for the conversation");
        else if (r.wrong)
            fm_fail(err, FATHOM_INVALID, "the conversation: \"%s\" is missing or wrong", r.wrong);
    }
    cJSON_Delete(json);
    if (!good) fm_talk_free(talk);
    return good;
}
