// A shared library that is opened while the program runs.
#ifndef FM_BASE_LIBRARY_H
#define FM_BASE_LIBRARY_H

// Opens the first of these libraries, a list that NULL ends, that the system finds. Returns a handle for
// fm_library_close(), or NULL when there is none. The system counts: a library that the program itself has
// opened stays open until both have closed it.
void *fm_library_open(const char *const *names);
void fm_library_close(void *library); // accepts NULL
// Writes the address of a function to *function, a function pointer. Writes NULL when there is no such name.
void fm_library_function(void *library, const char *name, void *function);
#endif
