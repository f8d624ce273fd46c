#include "signals.h"
#include "common.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stop_asked, at_work;

static void write_text(const char *text) {
    const ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n; // there is no other place to say it
}

static void on_interrupt(int number) {
    if (stop_asked || (!at_work && number != SIGINT)) _exit(128 + number);
    stop_asked = number;
    if (at_work) alarm(STOP_SECONDS);
}

static void on_alarm(int number) {
    (void)number;
    write_text("fathom: the work did not stop within 4 s; the program ends\n");
    _exit(128 + stop_asked);
}

static void handle(int number, void (*handler)(int)) {
    sigaction(number, &(struct sigaction){.sa_handler = handler}, NULL);
}

void watch_interrupt(void) {
    struct sigaction hangup = {0};
    sigaction(SIGHUP, NULL, &hangup);
    handle(SIGALRM, on_alarm);
    handle(SIGINT, on_interrupt);
    handle(SIGTERM, on_interrupt);
    if (hangup.sa_handler != SIG_IGN) handle(SIGHUP, on_interrupt); // under nohup the program goes on
    at_work = 1;
}

bool interrupted(void) {
    return stop_asked;
}

void work_begins(void) {
    stop_asked = 0;
    at_work = 1;
}

void work_ends(void) {
    at_work = 0;
    alarm(0);
}

// ---- Read errors of mapped files; only calls that a handler may make -------------------------------------

// Reads a hexadecimal number and the character after it.
static const char *read_hex(const char *at, uintptr_t *value) {
    for (*value = 0; *at && *at != '-' && *at != ' '; at++)
        *value = *value * 16 + (uintptr_t)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
    return *at ? at + 1 : at;
}

// Returns the path in a line of /proc/self/maps if its range holds the address, else NULL.
static const char *path_in_line(const char *line, uintptr_t address) {
    uintptr_t begin, end;
    line = read_hex(read_hex(line, &begin), &end);
    return address >= begin && address < end ? strchr(line, '/') : NULL;
}

// Finds the file that is mapped at an address. Returns NULL when none is.
static const char *file_at(uintptr_t address, char *line, size_t capacity) {
    char bytes[1024];
    size_t length = 0;
    ssize_t n;
    const char *path = NULL;
    const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    while (!path && (n = read(fd, bytes, sizeof(bytes))) > 0)
        for (ssize_t i = 0; !path && i < n; i++) {
            if (bytes[i] != '\n') {
                if (length + 1 < capacity) line[length++] = bytes[i];
                continue;
            }
            line[length] = 0;
            length = 0;
            path = path_in_line(line, address);
        }
    close(fd);
    return path;
}

static void on_bus_error(int number, siginfo_t *info, void *context) {
    static char line[4096];
    (void)context;
    const char *path =
        info->si_code == BUS_ADRERR ? file_at((uintptr_t)info->si_addr, line, sizeof(line)) : NULL;
    if (!path) { // no file: a fault of the program
        handle(number, SIG_DFL);
        raise(number);
        return;
    }
    write_text("fathom: ");
    write_text(path);
    write_text(": reading failed: the disk has an error, or the file was cut short while it was in use\n");
    _exit(EXIT_REFUSED);
}

void program_starts(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(EXIT_REFUSED);
    handle(SIGPIPE, SIG_IGN);
    handle(SIGXFSZ, SIG_IGN);
    sigaction(SIGBUS, &(struct sigaction){.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO}, NULL);
}
