// Reads of ranges of files: both engines, direct and through the page cache, with a mirror, and what fails.
#define _GNU_SOURCE // O_DIRECT
#include "base/disk_reader.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
// after the standard headers
#include <cmocka.h>

enum { SIZE = (9 << 20) + 1234, MIB = 1 << 20, BLOCK = FM_DISK_ALIGNMENT };

static char folder[64], path[96], copy[96];
static uint8_t *bytes; // of the file

// ---- Calls that fail
// -----------------------------------------------------------------------------------------
static bool refuse_direct, refuse_ring;
static int refuse_reads; // errno of the next n_refused preads
static int n_refused;
static int slow, slow_from; // preads of this descriptor and later ones wait that many milliseconds

int __real_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...) {
    if (refuse_direct && flags & O_DIRECT) {
        errno = EINVAL;
        return -1;
    }
    return __real_open(name, flags, 0600);
}

ssize_t __real_pread(int fd, void *dst, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *dst, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *dst, size_t size, off_t offset) {
    if (__atomic_load_n(&n_refused, __ATOMIC_RELAXED) > 0 &&
        __atomic_fetch_sub(&n_refused, 1, __ATOMIC_RELAXED) > 0) {
        errno = refuse_reads;
        return -1;
    }
    if (slow && fd >= slow_from) usleep(1000u * (unsigned)slow);
    return __real_pread(fd, dst, size, offset);
}

struct io_uring;
int __real_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
#ifdef FATHOM_HAVE_LIBURING
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags) {
    return refuse_ring ? -EPERM : __real_io_uring_queue_init(entries, ring, flags);
}
#endif

// ---- The file
// ------------------------------------------------------------------------------------------------
static void write_file(const char *name, const uint8_t *data, size_t size) {
    FILE *f = fopen(name, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static int enter(void **state) {
    (void)state;
    strcpy(folder, "/tmp/fathom-disk-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof(path), "%s/model.gguf", folder);
    snprintf(copy, sizeof(copy), "%s/copy", folder);
    bytes = malloc(SIZE);
    if (!bytes) return -1;
    uint64_t x = 1;
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
    write_file(path, bytes, SIZE);
    write_file(copy, bytes, SIZE);
    return 0;
}

static int leave(void **state) {
    (void)state;
    refuse_direct = refuse_ring = false;
    free(bytes);
    char command[96];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

struct fixture {
    struct fm_mapped_file mapped;
    struct fm_disk_reader *reader;
    char log[1024]; // the messages
    struct fathom_log to;
};

static void write_log(void *user, enum fathom_log_level level, const char *message) {
    (void)level;
    struct fixture *f = user;
    const size_t n = strlen(f->log);
    snprintf(f->log + n, sizeof(f->log) - n, "%s\n", message);
}

// The engine that the test runs with.
static enum fm_disk_engine engine(void **state) {
    return *(const enum fm_disk_engine *)*state;
}

static void open_reader(struct fixture *f, enum fm_disk_engine which, uint32_t request, uint32_t depth) {
    *f = (struct fixture){.to = {write_log, f}};
    struct fathom_error err = {0};
    f->reader = fm_disk_open(&(struct fm_disk_params){which, request, depth, &f->to}, &err);
    if (!f->reader && which == FM_DISK_RING && strstr(err.message, "io_uring")) {
        print_message("%s\n", err.message);
        skip();
    }
    if (!f->reader) fail_msg("%s", err.message);
    assert_true(fm_mapped_file_open(&f->mapped, path, NULL));
}

static void add_file(struct fixture *f, const char *mirror) {
    struct fathom_error err = {0};
    uint32_t file = 7;
    if (!fm_disk_add(f->reader, &f->mapped, mirror, &file, &err)) fail_msg("%s", err.message);
    assert_int_equal(file, 0);
}

static void close_all(struct fixture *f) {
    fm_disk_close(&f->reader);
    assert_null(f->reader);
    fm_mapped_file_close(&f->mapped);
}

static uint8_t *new_buffer(size_t size) {
    uint8_t *buffer = aligned_alloc(BLOCK, size);
    if (!buffer) abort();
    memset(buffer, 0xa5, size);
    return buffer;
}

static uint32_t random_below(uint32_t n) {
    static uint64_t x = 5;
    x = x * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((x >> 33) % n);
}

// Reads n random ranges, at most `most` bytes long, with several tickets at once, and compares all bytes.
static void read_ranges(struct fixture *f, int n, uint32_t most) {
    enum { TICKETS = 8, RANGES = 3 };
    struct fm_disk_range ranges[TICKETS][RANGES];
    uint64_t tickets[TICKETS], begin, length;
    struct fathom_error err = {0};
    const size_t room = most + 3 * BLOCK;
    uint8_t *buffer = new_buffer((TICKETS * RANGES * room + BLOCK - 1) / BLOCK * BLOCK);
    for (int done = 0; done < n; done += TICKETS * RANGES) {
        uint8_t *dst = buffer;
        for (int t = 0; t < TICKETS; t++) {
            for (int i = 0; i < RANGES; i++) {
                struct fm_disk_range *r = &ranges[t][i];
                *r = (struct fm_disk_range){.offset = random_below(SIZE), .window = dst};
                r->size = 1 + random_below(most);
                if (done == 0 && t == 0) r->offset = SIZE - 1 - i * 5000; // up to the end
                if (r->size > SIZE - r->offset) r->size = SIZE - r->offset;
                fm_disk_window(r->offset, r->size, &begin, &length);
                memset(dst, 0xa5, length + BLOCK);
                dst += length + BLOCK; // one more, which must stay
            }
            assert_true(fm_disk_submit(f->reader, ranges[t], RANGES, &tickets[t], &err));
        }
        for (int k = 0; k < TICKETS; k++) {
            const int t = (k + 3) % TICKETS; // not in their order
            if (!fm_disk_wait(f->reader, tickets[t], &err)) fail_msg("%s", err.message);
            assert_true(fm_disk_done(f->reader, tickets[t]));
            for (int i = 0; i < RANGES; i++) {
                const struct fm_disk_range *r = &ranges[t][i];
                fm_disk_window(r->offset, r->size, &begin, &length);
                const uint8_t *window = r->window;
                const uint64_t known = begin + length < SIZE ? length : SIZE - begin;
                assert_memory_equal(window, bytes + begin, known);
                for (int j = 0; j < BLOCK; j++) assert_int_equal(window[length + (uint64_t)j], 0xa5);
            }
        }
    }
    free(buffer);
}

// ---- Tests
// ---------------------------------------------------------------------------------------------------
static void windows_are_aligned(void **state) {
    (void)state;
    static const uint64_t cases[][4] = {
        {0, 1, 0, 4096},
        {4095, 1, 0, 4096},
        {4095, 2, 0, 8192},
        {4096, 4096, 4096, 4096},
        {5000, 1 << 20, 4096, (1 << 20) + 4096},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint64_t begin, length;
        fm_disk_window(cases[i][0], cases[i][1], &begin, &length);
        assert_int_equal(begin, cases[i][2]);
        assert_int_equal(length, cases[i][3]);
    }
}

static void reads_any_range(void **state) {
    struct fixture f;
    open_reader(&f, engine(state), 0, 0);
    add_file(&f, NULL);
    print_message("%s, direct: %d\n", fm_disk_engine_name(f.reader), fm_disk_is_direct(f.reader, 0));
    read_ranges(&f, 96, 3 * MIB);
    const struct fm_disk_counts counts = fm_disk_counts(f.reader);
    assert_true(counts.bytes > 20 * MIB);
    assert_int_equal(counts.mirror_bytes, 0);
    assert_true(counts.seconds > 0);
    assert_string_equal(f.log, "");
    close_all(&f);
}

static void small_requests_and_one_in_flight(void **state) {
    struct fixture f;
    open_reader(&f, engine(state), BLOCK, 1);
    add_file(&f, NULL);
    read_ranges(&f, 48, 20000);
    close_all(&f);
    open_reader(&f, engine(state), 3 * BLOCK, FM_DISK_MAX_DEPTH);
    add_file(&f, NULL);
    read_ranges(&f, 96, 300000);
    close_all(&f);
}

// What has not begun is dropped; everything else is read, and of the dropped ticket no byte is written later.
static void reads_can_be_dropped(void **state) {
    enum { N = 8, PART = MIB, TRIES = 200 };
    struct fixture f;
    struct fathom_error err = {0};
    uint8_t *buffer = new_buffer(N * PART);
    uint64_t tickets[N], dropped = 0;
    open_reader(&f, engine(state), BLOCK, 1);
    add_file(&f, NULL);
    uint64_t wanted = 0, bytes_dropped = 0;
    for (int t = 0; t < TRIES && !dropped;
         t++) { // a reader that was faster than this thread has nothing to drop
        memset(buffer, 0xa5, N * PART);
        for (int i = 0; i < N; i++) {
            const struct fm_disk_range range = {
                .offset = (uint64_t)i * PART, .size = PART, .window = buffer + i * PART};
            assert_true(fm_disk_submit(f.reader, &range, 1, &tickets[i], &err));
            wanted += PART;
        }
        dropped = fm_disk_cancel(f.reader, tickets[N / 2]);
        dropped += fm_disk_cancel(f.reader, tickets[N - 1]); // the end of the queue, which grows again
        bytes_dropped += dropped;
        const struct fm_disk_range more = {.offset = 0, .size = PART, .window = buffer};
        assert_true(fm_disk_submit(f.reader, &more, 1, &tickets[0], &err));
        wanted += PART;
        for (int i = 0; i < N; i++) assert_true(fm_disk_wait(f.reader, tickets[i], &err));
        for (int i = 0; i < N - 1; i++)
            if (i != N / 2) assert_memory_equal(buffer + i * PART, bytes + i * PART, PART);
        if (dropped == 2 * PART)
            for (int i = 0; i < PART; i++) assert_int_equal(buffer[N / 2 * PART + i], 0xa5);
    }
    assert_true(dropped > 0);
    assert_int_equal(dropped % BLOCK, 0);
    assert_int_equal(fm_disk_counts(f.reader).bytes, wanted - bytes_dropped);
    assert_int_equal(fm_disk_cancel(f.reader, tickets[0]), 0);
    free(buffer);
    close_all(&f);
}

static void without_direct_reads(void **state) {
    struct fixture f;
    open_reader(&f, engine(state), 0, 0);
    refuse_direct = true;
    add_file(&f, copy);
    refuse_direct = false;
    assert_false(fm_disk_is_direct(f.reader, 0));
    assert_non_null(strstr(f.log, "takes no direct reads"));
    read_ranges(&f, 96, MIB);
    close_all(&f);
}

static void a_mirror_shares_the_reads(void **state) {
    struct fixture f;
    open_reader(&f, engine(state), 64 << 10, 4);
    add_file(&f, copy);
    read_ranges(&f, 192, MIB);
    const struct fm_disk_counts counts = fm_disk_counts(f.reader);
    assert_true(counts.mirror_bytes > 0);
    assert_true(counts.mirror_bytes < counts.bytes);
    assert_string_equal(f.log, "");
    close_all(&f);
}

static void a_slow_mirror_gets_less(void **state) {
    (void)state;
    struct fixture f;
    open_reader(&f, FM_DISK_THREADS, 64 << 10, 4);
    slow_from = open("/dev/null", O_RDONLY); // the file's descriptor, then the mirror's one
    close(slow_from++);
    add_file(&f, copy);
    slow = 20;
    read_ranges(&f, 96, MIB);
    slow = 0;
    const struct fm_disk_counts counts = fm_disk_counts(f.reader);
    assert_true(counts.mirror_bytes > 0);
    assert_true(counts.mirror_bytes < counts.bytes / 4);
    close_all(&f);
}

static void check_mirror(const char *mirror, const char *message) {
    struct fixture f;
    struct fathom_error err = {0};
    open_reader(&f, FM_DISK_ANY, 0, 0);
    assert_false(fm_disk_add(f.reader, &f.mapped, mirror, NULL, &err));
    if (!strstr(err.message, message) || !strstr(err.message, path)) fail_msg("%s", err.message);
    close_all(&f);
}

static void a_mirror_must_be_a_copy(void **state) {
    (void)state;
    write_file(copy, bytes, SIZE - 1);
    check_mirror(copy, "it has 9438417 bytes, expected 9438418");
    static const size_t places[] = {0, (64 << 10) - 1, SIZE - (64 << 10), SIZE - 1};
    for (size_t i = 0; i < 4; i++) {
        bytes[places[i]] ^= 1;
        write_file(copy, bytes, SIZE);
        bytes[places[i]] ^= 1;
        check_mirror(copy, "is no copy of");
    }
    check_mirror(path, "the file");
    check_mirror("/dev/null", "is not a plain file");
    check_mirror("/no/such/file", "cannot open: No such file");
    check_mirror("/tmp", "/tmp/model.gguf, the mirror of");
    char other[128];
    snprintf(other, sizeof(other), "%s/other", folder);
    check_mirror(other, "cannot open");
}

static void a_mirror_may_be_a_folder(void **state) {
    (void)state;
    struct fixture f;
    char other[128], there[512];
    snprintf(other, sizeof(other), "%s/other", folder);
    snprintf(there, sizeof(there), "mkdir %s && cp %s %s", other, path, other);
    assert_int_equal(system(there), 0);
    open_reader(&f, FM_DISK_ANY, 64 << 10, 2);
    add_file(&f, other);
    read_ranges(&f, 96, MIB);
    assert_true(fm_disk_counts(f.reader).mirror_bytes > 0);
    close_all(&f);
}

static void a_mirror_that_fails_is_left(void **state) {
    struct fixture f;
    open_reader(&f, engine(state), 64 << 10, 4);
    add_file(&f, copy);
    assert_int_equal(truncate(copy, 5 * BLOCK + 100), 0);
    read_ranges(&f, 192, MIB);
    const char *first = strstr(f.log, "is shorter than when it was opened");
    assert_non_null(first);
    assert_non_null(strstr(f.log, "the mirrors are no longer read"));
    assert_non_null(strstr(f.log, copy));
    assert_null(strstr(first + 1, "is shorter"));
    const uint64_t mirrored = fm_disk_counts(f.reader).mirror_bytes;
    read_ranges(&f, 96, MIB);
    assert_int_equal(fm_disk_counts(f.reader).mirror_bytes, mirrored);
    close_all(&f);
}

// Reads a ticket of three ranges, the second of which fails with the message, and one more, which also fails.
static void check_failure(struct fixture *f, const struct fm_disk_range *ranges, const char *message) {
    struct fathom_error err = {0};
    uint64_t ticket, other;
    assert_true(fm_disk_submit(f->reader, ranges, 3, &ticket, &err));
    // the failure may be there already
    const bool begun = fm_disk_submit(f->reader, ranges, 1, &other, NULL);
    assert_false(fm_disk_wait(f->reader, ticket, &err));
    if (!strstr(err.message, message) || !strstr(err.message, path)) fail_msg("%s", err.message);
    assert_int_equal(err.status, FATHOM_IO);
    assert_true(fm_disk_done(f->reader, ticket));
    if (begun) assert_false(fm_disk_wait(f->reader, other, NULL));
    // what is read afterwards is read
    assert_true(fm_disk_submit(f->reader, ranges, 1, &ticket, &err));
    assert_true(fm_disk_wait(f->reader, ticket, NULL));
    assert_memory_equal(ranges->window, bytes + ranges->offset, ranges->size);
}

static void a_file_cut_short(void **state) {
    static const uint32_t ends[] = {5 * MIB, 5 * MIB + 100, 5 * MIB - BLOCK};
    for (int i = 0; i < 6; i++) {
        struct fixture f;
        const uint32_t end = ends[i % 3];
        uint8_t *buffer = new_buffer(3 * 2 * MIB);
        write_file(path, bytes, SIZE);
        open_reader(&f, engine(state), 0, 0);
        refuse_direct = i >= 3;
        add_file(&f, NULL);
        refuse_direct = false;
        assert_int_equal(truncate(path, end), 0);
        const struct fm_disk_range ranges[] = {
            {0, 0, 2 * MIB, buffer},
            {0, 4 * MIB, 2 * MIB, buffer + 2 * MIB},
            {0, 2 * MIB, 2 * MIB, buffer + 4 * MIB},
        };
        check_failure(&f, ranges, "is shorter than when it was opened");
        close_all(&f);
        free(buffer);
    }
}

// A destination that is no memory: the system's read returns EFAULT.
static void an_error_in_the_middle(void **state) {
    struct fixture f;
    open_reader(&f, engine(state), 64 << 10, 4);
    add_file(&f, NULL);
    uint8_t *buffer = mmap(NULL, 6 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(buffer != MAP_FAILED);
    assert_int_equal(mprotect(buffer + 3 * MIB, MIB, PROT_NONE), 0);
    const struct fm_disk_range ranges[] = {
        {0, 0, 2 * MIB, buffer},
        {0, 4 * MIB, 2 * MIB, buffer + 2 * MIB},
        {0, 2 * MIB, 2 * MIB, buffer + 4 * MIB},
    };
    check_failure(&f, ranges, "Bad address");
    assert_int_equal(munmap(buffer, 6 * MIB), 0); // nothing is in flight
    close_all(&f);
}

// After an error nothing writes to the destinations.
static void an_error_leaves_nothing_in_flight(void **state) {
    struct fixture f;
    struct fathom_error err = {0};
    open_reader(&f, engine(state), BLOCK, 64);
    add_file(&f, NULL);
    assert_int_equal(truncate(path, SIZE - 4 * MIB), 0);
    uint8_t *buffer = new_buffer(8 * MIB);
    for (int round = 0; round < 20; round++) {
        uint64_t ticket;
        const struct fm_disk_range range = {0, MIB + (uint64_t)round * BLOCK, 7 * MIB, buffer};
        assert_true(fm_disk_submit(f.reader, &range, 1, &ticket, &err));
        assert_false(fm_disk_wait(f.reader, ticket, NULL));
        memset(buffer, 0xa5, 8 * MIB);
        usleep(2000);
        for (size_t i = 0; i < 8 * MIB; i++)
            if (buffer[i] != 0xa5) fail_msg("byte %zu was written after the error", i);
    }
    free(buffer);
    close_all(&f);
}

// The first read fails at once, and the others take their time.
static void an_error_waits_for_the_reads_in_flight(void **state) {
    (void)state;
    struct fixture f;
    struct fathom_error err = {0};
    open_reader(&f, FM_DISK_THREADS, 64 << 10, 4);
    add_file(&f, NULL);
    uint8_t *buffer = new_buffer(2 * MIB);
    const struct fm_disk_range large = {0, 0, MIB, buffer}, small = {0, 0, 1, buffer + MIB};
    for (int by_submit = 0; by_submit < 2; by_submit++) {
        uint64_t ticket, other;
        slow = 30, slow_from = 0;
        refuse_reads = EIO;
        __atomic_store_n(&n_refused, 1, __ATOMIC_RELAXED);
        err = (struct fathom_error){0};
        assert_true(fm_disk_submit(f.reader, &large, 1, &ticket, &err));
        if (by_submit)
            while (fm_disk_submit(f.reader, &small, 1, &other, &err)) usleep(1000);
        else
            assert_false(fm_disk_wait(f.reader, ticket, &err));
        assert_non_null(strstr(err.message, "Input/output error"));
        memset(buffer, 0xa5, 2 * MIB);
        usleep(100000);
        for (size_t i = 0; i < 2 * MIB; i++)
            if (buffer[i] != 0xa5) fail_msg("byte %zu was written after the error", i);
        slow = 0;
    }
    free(buffer);
    close_all(&f);
}

static void a_file_that_vanishes(void **state) {
    struct fixture f;
    struct fathom_error err = {0};
    open_reader(&f, engine(state), 0, 0);
    add_file(&f, NULL);
    assert_int_equal(unlink(path), 0);
    read_ranges(&f, 48, MIB); // an open file stays
    assert_false(fm_disk_add(f.reader, &f.mapped, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "was replaced, changed or removed"));
    write_file(path, bytes, SIZE);
    err = (struct fathom_error){0};
    assert_false(fm_disk_add(f.reader, &f.mapped, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "was replaced, changed or removed"));
    close_all(&f);
}

static void interrupted_reads_are_repeated(void **state) {
    (void)state;
    static const int errors[] = {EINTR, EAGAIN};
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        open_reader(&f, FM_DISK_THREADS, 64 << 10, 4);
        add_file(&f, NULL);
        refuse_reads = errors[i];
        __atomic_store_n(&n_refused, 40, __ATOMIC_RELAXED);
        read_ranges(&f, 24, MIB);
        assert_true(__atomic_load_n(&n_refused, __ATOMIC_RELAXED) <= 0);
        close_all(&f);
    }
}

static void a_failing_read_names_file_and_place(void **state) {
    (void)state;
    struct fixture f;
    struct fathom_error err = {0};
    open_reader(&f, FM_DISK_THREADS, 64 << 10, 4);
    add_file(&f, NULL);
    uint8_t *buffer = new_buffer(BLOCK);
    uint64_t ticket;
    refuse_reads = EIO;
    __atomic_store_n(&n_refused, 1, __ATOMIC_RELAXED);
    assert_true(
        fm_disk_submit(f.reader, &(struct fm_disk_range){0, 3 * BLOCK + 5, 7, buffer}, 1, &ticket, &err));
    assert_false(fm_disk_wait(f.reader, ticket, &err));
    char expected[192];
    snprintf(
        expected, sizeof(expected), "%s: cannot read 4096 bytes at offset 12288: Input/output error", path);
    assert_string_equal(err.message, expected);
    free(buffer);
    close_all(&f);
}

static void where_io_uring_is_refused(void **state) {
    (void)state;
#ifndef FATHOM_HAVE_LIBURING
    skip();
#endif
    struct fixture f;
    struct fathom_error err = {0};
    refuse_ring = true;
    open_reader(&f, FM_DISK_ANY, 0, 0);
    assert_string_equal(fm_disk_engine_name(f.reader), "threads");
    assert_non_null(
        strstr(f.log, "the system refuses io_uring: Operation not permitted: files are read by threads"));
    add_file(&f, NULL);
    read_ranges(&f, 48, MIB);
    close_all(&f);
    assert_null(fm_disk_open(&(struct fm_disk_params){.engine = FM_DISK_RING}, &err));
    assert_non_null(strstr(err.message, "refuses io_uring"));
    refuse_ring = false;
}

static void bad_reads_are_refused(void **state) {
    struct fixture f;
    open_reader(&f, engine(state), 0, 0);
    add_file(&f, NULL);
    uint8_t *buffer = new_buffer(2 * BLOCK);
    const struct {
        struct fm_disk_range range;
        const char *message;
    } cases[] = {
        {{1, 0, 1, buffer}, "a read of file 1 of 1"},
        {{0, 0, 0, buffer}, "a read of 0 bytes at offset 0, of 9438418"},
        {{0, SIZE, 1, buffer}, "a read of 1 bytes at offset 9438418, of 9438418"},
        {{0, SIZE - 1, 2, buffer}, "a read of 2 bytes at offset 9438417"},
        {{0, UINT64_MAX, 2, buffer}, "a read of 2 bytes at offset 18446744073709551615"},
        {{0, 0, 1, buffer + 512}, "expected a multiple of 4096"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fathom_error err = {0};
        uint64_t ticket;
        assert_false(fm_disk_submit(f.reader, &cases[i].range, 1, &ticket, &err));
        if (!strstr(err.message, cases[i].message)) fail_msg("%s", err.message);
    }
    free(buffer);
    close_all(&f);
    struct fathom_error err = {0};
    assert_null(fm_disk_open(&(struct fm_disk_params){.request = 1000}, &err));
    assert_non_null(strstr(err.message, "reads of 1000 bytes with 0 in flight"));
    assert_null(fm_disk_open(&(struct fm_disk_params){.depth = FM_DISK_MAX_DEPTH + 1}, NULL));
}

static void closes_in_the_middle(void **state) {
    uint8_t *buffer = new_buffer(8 * MIB);
    for (int i = 0; i < 30; i++) {
        struct fixture f;
        uint64_t ticket;
        open_reader(&f, engine(state), BLOCK, 1 + (uint32_t)i);
        add_file(&f, i % 2 ? copy : NULL);
        assert_true(
            fm_disk_submit(f.reader, &(struct fm_disk_range){0, 0, 8 * MIB, buffer}, 1, &ticket, NULL));
        close_all(&f);
    }
    free(buffer);
}

static void the_rate_is_measured(void **state) {
    struct fixture f;
    double rate = 0;
    struct fathom_error err = {0};
    open_reader(&f, engine(state), 64 << 10, 4);
    assert_false(fm_disk_measure(f.reader, 0.01, &rate, &err));
    assert_non_null(strstr(err.message, "without a file"));
    add_file(&f, copy);
    err = (struct fathom_error){0};
    assert_true(fm_disk_measure(f.reader, 0.02, &rate, &err));
    assert_true(rate > 1e5);
    assert_true(fm_disk_counts(f.reader).bytes >= 16 * (64 << 10));
    assert_int_equal(truncate(path, 0), 0);
    assert_false(fm_disk_measure(f.reader, 0.02, &rate, &err));
    assert_non_null(strstr(err.message, "is shorter"));
    close_all(&f);
}

// For eio.sh: a file whose reads at or after byte `end` fail with EIO, and its original.
static int with_failing_file(const char *failing, const char *original, uint64_t end) {
    struct fathom_error err = {0};
    int wrong = 0;
    static const enum fm_disk_engine engines[] = {FM_DISK_ANY, FM_DISK_THREADS};
    for (int i = 0; i < 2; i++) {
        struct fixture f = {.to = {write_log, &f}};
        struct fm_mapped_file bad, good;
        uint64_t ticket;
        uint8_t *buffer = new_buffer(5 * MIB);
        const struct fm_disk_range before = {0, 100, end - 2 * MIB, buffer},
                                   across = {0, end - MIB, MIB + 1, buffer};
        bool ok = fm_mapped_file_open(&bad, failing, &err) && fm_mapped_file_open(&good, original, &err);
        f.reader = fm_disk_open(&(struct fm_disk_params){engines[i], 64 << 10, 8, &f.to}, &err);
        ok = ok && f.reader && fm_disk_add(f.reader, &bad, NULL, NULL, &err) &&
            fm_disk_submit(f.reader, &before, 1, &ticket, &err) && fm_disk_wait(f.reader, ticket, &err) &&
            !memcmp(buffer + 100, good.data + 100, before.size);
        if (!ok) printf("FAILED: %s\n", err.message), exit(1);
        if (!fm_disk_submit(f.reader, &across, 1, &ticket, &err) || fm_disk_wait(f.reader, ticket, &err) ||
            !strstr(err.message, failing) || !strstr(err.message, "Input/output error"))
            printf("FAILED: an error was expected: %s\n", err.message), wrong = 1;
        printf("%s, direct %d: %s\n", fm_disk_engine_name(f.reader), fm_disk_is_direct(f.reader, 0),
            err.message);
        err = (struct fathom_error){0};
        ok = fm_disk_submit(f.reader, &before, 1, &ticket, &err) && fm_disk_wait(f.reader, ticket, &err);
        if (!ok) printf("FAILED: after the error: %s\n", err.message), wrong = 1;
        fm_disk_close(&f.reader);
        free(buffer);
        fm_mapped_file_close(&bad);
        fm_mapped_file_close(&good);
        err = (struct fathom_error){0};
    }
    return wrong;
}

int main(int argc, char **argv) {
    if (argc == 4) return with_failing_file(argv[1], argv[2], strtoull(argv[3], NULL, 10));
    static enum fm_disk_engine ring = FM_DISK_RING, threads = FM_DISK_THREADS;
#define BOTH(test) \
    {#test " (io_uring)", test, enter, leave, &ring}, { \
#test " (threads)", test, enter, leave, &threads \
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_aligned),
        BOTH(reads_any_range),
        BOTH(small_requests_and_one_in_flight),
        BOTH(reads_can_be_dropped),
        BOTH(without_direct_reads),
        BOTH(a_mirror_shares_the_reads),
        cmocka_unit_test_setup_teardown(a_slow_mirror_gets_less, enter, leave),
        cmocka_unit_test_setup_teardown(a_mirror_must_be_a_copy, enter, leave),
        cmocka_unit_test_setup_teardown(a_mirror_may_be_a_folder, enter, leave),
        BOTH(a_mirror_that_fails_is_left),
        BOTH(a_file_cut_short),
        BOTH(an_error_in_the_middle),
        BOTH(an_error_leaves_nothing_in_flight),
        cmocka_unit_test_setup_teardown(an_error_waits_for_the_reads_in_flight, enter, leave),
        BOTH(a_file_that_vanishes),
        cmocka_unit_test_setup_teardown(interrupted_reads_are_repeated, enter, leave),
        cmocka_unit_test_setup_teardown(a_failing_read_names_file_and_place, enter, leave),
        cmocka_unit_test_setup_teardown(where_io_uring_is_refused, enter, leave),
        BOTH(bad_reads_are_refused),
        BOTH(closes_in_the_middle),
        BOTH(the_rate_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
