// Writes a GGUF file (version 3). It appears under its name only when it is whole and on the disk: until then it is
// "<name>.part<process>" in the same folder, and it is removed when anything fails.
#ifndef FM_FILE_GGUF_WRITE_H
#define FM_FILE_GGUF_WRITE_H
#include "file/meta.h"
#include "file/tensors.h"

struct fm_gguf_writer;

// Writes the header: the keys, and name, type and dims of each tensor (its `size` must be set, its `impl` is not used). Both lists
// must outlive the writer.
struct fm_gguf_writer *fm_gguf_writer_create(
    const char *path, const struct fm_meta *meta, const struct fm_tensor *list, size_t count, struct fathom_error *err);
// The tensors' bytes, in order, in pieces of any size; a piece does not cross from one tensor to the next.
bool fm_gguf_writer_append(struct fm_gguf_writer *writer, const void *data, uint64_t size, struct fathom_error *err);
// Checks that all bytes came, and gives the file its name.
bool fm_gguf_writer_finish(struct fm_gguf_writer *writer, struct fathom_error *err);
// Removes what was written unless it was finished.
void fm_gguf_writer_destroy(struct fm_gguf_writer **writer);
#endif
