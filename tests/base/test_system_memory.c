// What a system can still give: the kernel's figure and the limits of control groups, read from made-up
// trees.
#include "base/system_memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// after the standard headers
#include <cmocka.h>

static char root[64];

static int make_root(void **state) {
    (void)state;
    strcpy(root, "/tmp/fathom-system-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", root);
    return system(command);
}

// Writes a file below the root, with the folders that it needs.
static void put(const char *path, const char *text) {
    char name[512];
    snprintf(name, sizeof(name), "%s/%s", root, path);
    for (char *at = name + strlen(root) + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = 0;
        mkdir(name, 0700);
    }
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void put_meminfo(const char *kib) {
    char text[256];
    snprintf(text, sizeof(text), "MemTotal: 64000000 kB\nMemFree: 1 kB\nMemAvailable:   %s kB\n", kib);
    put("proc/meminfo", text);
}

static void test_nothing_known(void **state) {
    (void)state;
    assert_true(fm_available_memory_below(root) == UINT64_MAX);
    put("proc/meminfo", "MemTotal: 5 kB\n");
    assert_true(fm_available_memory_below(root) == UINT64_MAX);
}

static void test_kernel(void **state) {
    (void)state;
    put_meminfo("1000000");
    assert_int_equal(fm_available_memory_below(root), 1024000000);
    put("proc/self/cgroup", "0::/\n");
    put("sys/fs/cgroup/cgroup.procs", "");
    assert_int_equal(fm_available_memory_below(root), 1024000000);
}

// Version 2: the least of all groups on the way to the root.
static void test_groups(void **state) {
    (void)state;
    put_meminfo("1000000");
    put("proc/self/cgroup", "0::/outer/inner\n");
    put("sys/fs/cgroup/outer/inner/memory.max", "max\n");
    put("sys/fs/cgroup/outer/inner/memory.current", "300000000\n");
    assert_int_equal(fm_available_memory_below(root), 1024000000);
    put("sys/fs/cgroup/outer/memory.max", "900000000\n");
    put("sys/fs/cgroup/outer/memory.current", "500000000\n");
    assert_int_equal(fm_available_memory_below(root), 400000000);
    // pages of files are dropped first
    put("sys/fs/cgroup/outer/memory.stat", "anon 9\ninactive_file 100000000\nactive_file 30000000\n");
    assert_int_equal(fm_available_memory_below(root), 530000000);
    put("sys/fs/cgroup/outer/inner/memory.max", "310000000\n");
    assert_int_equal(fm_available_memory_below(root), 10000000);
    put("sys/fs/cgroup/outer/inner/memory.current", "320000000\n"); // above the limit for a moment
    assert_int_equal(fm_available_memory_below(root), 0);
    put_meminfo("0");
    assert_int_equal(fm_available_memory_below(root), 0);
}

// In a container the path may be the host's; the mount then begins at the group itself.
static void test_path_of_the_host(void **state) {
    (void)state;
    put_meminfo("1000000");
    put("proc/self/cgroup", "0::/host/container/7\n");
    put("sys/fs/cgroup/memory.max", "700000000\n");
    put("sys/fs/cgroup/memory.current", "200000000\n");
    assert_int_equal(fm_available_memory_below(root), 500000000);
}

static void test_version_1(void **state) {
    (void)state;
    put_meminfo("1000000");
    put("proc/self/cgroup", "9:name=systemd:/\n4:memory:/job\n3:cpu:/\n0::/\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "4000000\n");
    put("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "600000000\n");
    put("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "200000000\n");
    put("sys/fs/cgroup/memory/job/memory.stat",
        "inactive_file 1\ntotal_inactive_file 50000000\ntotal_active_file 1000000\n");
    assert_int_equal(fm_available_memory_below(root), 451000000);
}

static void test_this_system(void **state) {
    (void)state;
    assert_in_range(fm_available_memory(), 1 << 20, 1ull << 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_known, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_kernel, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_groups, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_path_of_the_host, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_version_1, make_root, remove_root),
        cmocka_unit_test(test_this_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
