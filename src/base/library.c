#include "base/library.h"
#include <dlfcn.h>
#include <string.h>

void *fm_library_open(const char *const *names) {
    void *library = NULL;
    for (; *names && !library; names++) library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    return library;
}

void fm_library_close(void *library) {
    if (library) dlclose(library);
}

// C has no conversion from a pointer to an object to a pointer to a function; POSIX gives both one form.
void fm_library_function(void *library, const char *name, void *function) {
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof(symbol));
}
