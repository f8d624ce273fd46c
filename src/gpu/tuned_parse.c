#include "gpu/tuned.h"
#include <stdlib.h>
#include <string.h>

static bool is_name(const char name[24]) {
    return name[0] && memchr(name, 0, 24);
}

long fm_tuned_parse(const void *data, size_t size, struct fm_tuned **rows) {
    struct fm_tuned_head head;
    *rows = NULL;
    if (size < sizeof(head)) return -1;
    memcpy(&head, data, sizeof(head));
    size -= sizeof(head);
    const size_t n = size / sizeof(**rows);
    if (head.version != FM_TUNED_VERSION || head.row_size != sizeof(**rows) || size % sizeof(**rows) ||
        n > FM_MAX_TUNED)
        return -1;
    struct fm_tuned *list = malloc(size + 1);
    if (!list) return -1;
    memcpy(list, (const char *)data + sizeof(head), size);
    for (size_t i = 0; i < n; i++)
        if (!is_name(list[i].op) || !is_name(list[i].variant) || list[i].first_token == 0 ||
            list[i].first_token > list[i].last_token) {
            free(list);
            return -1;
        }
    *rows = list;
    return (long)n;
}
