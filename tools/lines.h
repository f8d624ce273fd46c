// Reads lines that a person types, with editing where the terminal can.
#ifndef TOOL_LINES_H
#define TOOL_LINES_H
#include <stdbool.h>

// Lets the C library take the terminal's bytes for UTF-8, in a locale that has another encoding too (C,
// POSIX, or none that is installed): the program prints UTF-8 everywhere.
void use_utf8(void);
// Is it a terminal that takes escape sequences? TERM is neither dumb nor absent.
bool takes_escapes(int fd);

struct lines;
// Prints the reason and returns NULL on failure.
struct lines *lines_open(void);
void lines_close(struct lines *lines);
// Returns the next line without its end, for the caller to free, or NULL at the end of the input.
char *lines_next(struct lines *lines);
#endif
