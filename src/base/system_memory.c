#include "base/system_memory.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// The number after `name` at the start of a line of a file ("MemAvailable: 12 kB", "inactive_file 12"). The
// whole file is one number with name "". Returns false if there is none, as for "max".
static bool read_number(const char *path, const char *name, uint64_t *value) {
    FILE *file = fopen(path, "re");
    char line[256];
    bool found = false;
    while (file && !found && fgets(line, sizeof(line), file))
        if (!strncmp(line, name, strlen(name))) found = sscanf(line + strlen(name), "%" SCNu64, value) == 1;
    if (file) fclose(file);
    return found;
}

// The two versions of control groups name their files differently.
static const struct {
    const char *folder, *limit, *usage, *inactive, *active;
} versions[] = {
    {"memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ",
        "total_active_file "},
    {"", "memory.max", "memory.current", "inactive_file ", "active_file "},
};

// What one group leaves of its limit.
static uint64_t left_in_group(const char *folder, int version) {
    char path[1200];
    uint64_t limit, usage, inactive = 0, active = 0;
    snprintf(path, sizeof(path), "%s/%s", folder, versions[version].limit);
    if (!read_number(path, "", &limit)) return UINT64_MAX;
    snprintf(path, sizeof(path), "%s/%s", folder, versions[version].usage);
    if (!read_number(path, "", &usage)) return UINT64_MAX;
    snprintf(path, sizeof(path), "%s/memory.stat", folder);
    read_number(path, versions[version].inactive, &inactive);
    read_number(path, versions[version].active, &active);
    // the kernel drops cached pages of files before the limit is reached
    const uint64_t kept = usage > inactive + active ? usage - inactive - active : 0;
    return limit > kept ? limit - kept : 0;
}

// The least that a group and the groups around it leave. In a container the group's path may be one of the
// host's, of which only the last folders exist.
static uint64_t left_in_groups(const char *root, const char *group, int version) {
    char base[256], folder[1100];
    const char *name = versions[version].folder;
    uint64_t least = UINT64_MAX;
    snprintf(base, sizeof(base), "%s/sys/fs/cgroup%s%s", root, *name ? "/" : "", name);
    snprintf(folder, sizeof(folder), "%s%s", base, group);
    while (strlen(folder) >= strlen(base)) {
        const uint64_t left = left_in_group(folder, version);
        if (left < least) least = left;
        char *slash = strrchr(folder, '/');
        if (!slash) break;
        *slash = 0;
    }
    return least;
}

uint64_t fm_available_memory_below(const char *root) {
    char path[256], line[1024], group[768];
    uint64_t kib, least = UINT64_MAX;
    snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    if (read_number(path, "MemAvailable:", &kib) && kib < UINT64_MAX / 1024) least = 1024 * kib;
    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file)) {
        const bool first = sscanf(line, "%*u:memory:%767[^\n]", group) == 1;
        if (!first && sscanf(line, "0::%767[^\n]", group) != 1) continue;
        const uint64_t left = left_in_groups(root, group, first ? 0 : 1);
        if (left < least) least = left;
    }
    if (file) fclose(file);
    return least;
}

uint64_t fm_available_memory(void) {
    return fm_available_memory_below("");
}
