// Output files: no name until complete, links, names that are taken, what is no plain file; and which file a
// path means.
#include "base/part_file.h"
#include "base/paths.h"
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// after the standard headers
#include <cmocka.h>

static char folder[64], path[96], other[96];

static int enter(void **state) {
    (void)state;
    strcpy(folder, "/tmp/fathom-part-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof(path), "%s/file", folder);
    snprintf(other, sizeof(other), "%s/other", folder);
    return 0;
}

// Returns the number of names in the folder, without those that begin with a point.
static int count_names(void) {
    DIR *dir = opendir(folder);
    int n = 0;
    for (const struct dirent *entry; (entry = readdir(dir));) n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static int leave(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

static void put(const char *name, const char *text) {
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void assert_holds(const char *name, const char *text) {
    char found[64] = "";
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    found[fread(found, 1, sizeof(found) - 1, f)] = 0;
    fclose(f);
    assert_string_equal(found, text);
}

// Writes "new" to the path.
static bool write_new(struct fathom_error *err) {
    struct fm_part_file f;
    if (!fm_part_file_create(&f, path, err)) return false;
    const bool ok = fm_part_file_write(&f, "new", 3, err) && fm_part_file_finish(&f, true, err);
    fm_part_file_discard(&f);
    return ok;
}

static void gets_its_name_when_complete(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fm_part_file f;
    put(path, "old");
    assert_true(fm_part_file_create(&f, path, &err));
    assert_true(fm_part_file_write(&f, "half", 4, &err));
    assert_holds(path, "old");
#ifdef __linux__ // and a file system as /tmp has it: a killed process leaves nothing
    assert_int_equal(count_names(), 1);
#endif
    fm_part_file_discard(&f);
    assert_holds(path, "old");
    assert_true(write_new(&err));
    assert_holds(path, "new");
    assert_int_equal(count_names(), 1);
}

// In a container every process has the same number: a part file of an earlier one is another's.
static void leaves_a_taken_name(void **state) {
    (void)state;
    struct fathom_error err = {0};
    char taken[128];
    snprintf(taken, sizeof(taken), "%s.part%ld", path, (long)getpid());
    put(taken, "another's");
    assert_true(write_new(&err));
    assert_holds(path, "new");
    assert_holds(taken, "another's");
}

static void follows_links(void **state) {
    (void)state;
    struct fathom_error err = {0};
    char target[64];
    assert_int_equal(symlink("other", path), 0);
    assert_true(write_new(&err)); // to a name that is free
    assert_holds(other, "new");
    put(other, "old");
    assert_true(write_new(&err));
    assert_holds(other, "new");
    const ssize_t n = readlink(path, target, sizeof(target) - 1);
    assert_int_equal(n, 5);
    unlink(path);
    assert_int_equal(symlink("file", path), 0); // to itself
    assert_false(write_new(&err));
    assert_non_null(strstr(err.message, "cannot follow the link"));
}

static void refuses_what_is_no_plain_file(void **state) {
    (void)state;
    struct fathom_error err = {0};
    assert_int_equal(mkfifo(path, 0666), 0);
    assert_false(write_new(&err));
    assert_non_null(strstr(err.message, "is a pipe"));
    unlink(path);
    assert_int_equal(mkdir(path, 0777), 0);
    err = (struct fathom_error){0};
    assert_false(write_new(&err));
    assert_non_null(strstr(err.message, "is a folder"));
    rmdir(path);
    assert_int_equal(symlink("/dev/null", path), 0);
    err = (struct fathom_error){0};
    assert_false(write_new(&err));
    assert_non_null(strstr(err.message, "is a device"));
}

static void takes_no_standard_descriptor(void **state) {
    (void)state;
    struct fathom_error err = {0};
    struct fm_part_file f;
    const int saved = dup(STDIN_FILENO);
    close(STDIN_FILENO);
    const bool ok = fm_part_file_create(&f, path, &err);
    const int descriptor = ok ? fileno(f.file) : -1;
    fm_part_file_discard(&f);
    dup2(saved, STDIN_FILENO);
    close(saved);
    assert_true(ok);
    assert_true(descriptor > STDERR_FILENO);
}

static void knows_a_file_by_every_name(void **state) {
    (void)state;
    char link_name[128];
    put(path, "text");
    put(other, "text");
    snprintf(link_name, sizeof(link_name), "%s.gguf", path);
    assert_int_equal(link(path, link_name), 0);
    assert_true(fm_same_file(path, link_name));
    assert_false(fm_same_file(path, other));
    assert_false(fm_same_file(path, "/nowhere"));
    assert_true(fm_folder_holds(folder, path, ".gguf"));
    assert_true(fm_folder_holds(folder, link_name, ".gguf")); // its other name counts
    unlink(path);
    assert_false(fm_folder_holds(folder, link_name, ".gguf"));
    assert_false(fm_folder_holds(folder, link_name, ".GGUF"));
    assert_false(fm_folder_holds(folder, "/dev/null", ".gguf"));
    assert_false(fm_folder_holds(other, other, ".gguf")); // no folder
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gets_its_name_when_complete, enter, leave),
        cmocka_unit_test_setup_teardown(leaves_a_taken_name, enter, leave),
        cmocka_unit_test_setup_teardown(follows_links, enter, leave),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_plain_file, enter, leave),
        cmocka_unit_test_setup_teardown(takes_no_standard_descriptor, enter, leave),
        cmocka_unit_test_setup_teardown(knows_a_file_by_every_name, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
