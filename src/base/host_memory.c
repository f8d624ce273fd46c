#include "base/host_memory.h"
#include <stdio.h>
#include <string.h>

// The number after `key` at the start of a line. UINT64_MAX: there is no such file, line or number.
static uint64_t read_number(const char *path, const char *key) {
    char line[256];
    unsigned long long number = UINT64_MAX;
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (!strncmp(line, key, strlen(key)) && sscanf(line + strlen(key), "%llu", &number) == 1) break;
    if (f) fclose(f);
    return number;
}

// What a container's limit (control groups, version 2) leaves: pages of files that nobody uses can go.
static uint64_t container_free(void) {
    const uint64_t most = read_number("/sys/fs/cgroup/memory.max", ""),
                   used = read_number("/sys/fs/cgroup/memory.current", ""),
                   files = read_number("/sys/fs/cgroup/memory.stat", "inactive_file ");
    if (most == UINT64_MAX || used == UINT64_MAX) return UINT64_MAX;
    const uint64_t kept = files == UINT64_MAX || files > used ? used : used - files;
    return most > kept ? most - kept : 0;
}

static uint64_t in_machine(const char *key) {
    const uint64_t kib = read_number("/proc/meminfo", key);
    return kib > UINT64_MAX / 1024 ? UINT64_MAX : 1024 * kib;
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint64_t fm_host_memory_free(void) {
    return least(in_machine("MemAvailable:"), container_free());
}
uint64_t fm_host_memory_size(void) {
    return least(in_machine("MemTotal:"), read_number("/sys/fs/cgroup/memory.max", ""));
}
