// Structs of the public interface that begin with their size; fathom/status.h has the rules.
#ifndef FM_BASE_SIZED_H
#define FM_BASE_SIZED_H
#include "base/error.h"

// Copies a caller's parameters over the zeros or defaults in *known, whose size is `size`. given NULL: leaves
// *known as it is. Refuses what is the size of no struct, and members that are set but not known. `name` is
// the parameter's, as in "fathom_engine_create: params".
bool fm_sized_read(void *known, size_t size, const void *given, const char *name, struct fathom_error *err);

// Copies a result to the caller's struct: as many bytes as both have. The caller's size stays.
void fm_sized_write(void *given, const void *known, size_t size);
#endif
